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
for command in $(sed -n 's/^## mlaas //p' docs/cli.md); do
  test -s "$prefix/share/man/man1/mlaas-$command.1"
done
test -s "$prefix/share/man/man1/mlaas.1"
bash -n "$prefix/share/bash-completion/completions/mlaas"
test -s "$prefix/share/zsh/site-functions/_mlaas"

# Plug-ins are found from the installed library, without a setting, and its clients compile.
mkdir -p "$stage/model"
echo '{"inputs": 3, "outputs": 2}' >"$stage/model/echo.json"
cat >"$stage/model.c" <<'END'
#include <mlaas/model.h>
#include <stdio.h>
int main(int argc, char **argv) {
  struct mlaas_error error;
  struct mlaas_model *model = NULL;
  size_t count = 0;
  if (argc != 2 || mlaas_model_open(argv[1], NULL, &model, &error) != MLAAS_OK)
    return fprintf(stderr, "%s\n", argc == 2 ? error.message : "usage"), 1;
  printf("%d\n", (int)mlaas_model_inputs(model, &count)[0].shape[1]);
  mlaas_model_close(model);
  return 0;
}
END
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$stage/model.c" -o "$stage/model-test" $(pkg-config --cflags --libs mlaas)
libraries=$(dirname "$(find "$prefix" -name libmlaas.so)")
test "$(env -u MLAAS_BACKENDS LD_LIBRARY_PATH="$libraries" "$stage/model-test" "$stage/model")" = 3
for name in onnxruntime openvino tensorflow xgboost; do
  find "$prefix" -path "*/mlaas/backends/mlaas-backend-$name.so" | grep -q .
done
find "$prefix" -path "*/mlaas/wires/mlaas-xrootd.so" | grep -q .
echo '#include <mlaas_client.h>
int main(void) { return 0; }' >"$stage/client.c"
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$stage/client.c" -o "$stage/client-test" $(pkg-config --cflags --libs mlaas_client)
echo "installed: libraries, headers, pkg-config files, plug-ins, command, pages and completion work"
