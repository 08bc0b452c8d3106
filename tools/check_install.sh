#!/bin/bash
# Installs into a folder of its own, and uses what lies there as a C user and a user of the command would.
#   tools/check_install.sh BUILD_DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
stage=$PWD/$build/stage
rm -rf "$stage"
.venv/bin/meson install -C "$build" --destdir "$stage" --quiet --no-rebuild
prefix=$stage$(.venv/bin/meson introspect "$build" --buildoptions |
  .venv/bin/python -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
pc=$(find "$prefix" -name mlaas.pc)
export PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$stage
${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/c/columns.c -o "$stage/columns" $(pkg-config --cflags --libs mlaas)
sample=examples/tth/flatTree_ttH_noDRmatch.root
LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libmlaas.so)") "$stage/columns" $sample | grep -q '^tau1 .* 1000 values'
"$prefix/bin/mlaas" inspect --brief $sample | grep -q '4,300 entries'
for command in inspect specs train predict help completion version; do
  test -s "$prefix/share/man/man1/mlaas-$command.1"
done
test -s "$prefix/share/man/man1/mlaas.1"
bash -n "$prefix/share/bash-completion/completions/mlaas"
test -s "$prefix/share/zsh/site-functions/_mlaas"
echo "installed: library, headers, pkg-config file, command, pages and completion work"
