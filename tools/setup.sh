#!/bin/bash
# Installs what is missing to build, run and test: Debian packages by apt, Python packages into private environments.
#   tools/setup.sh build | demo | check      each includes the one before; `make setup` is check
# Says what it installs, installs only what is missing, and takes a moment when nothing is.
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-check}
system_python=/usr/bin/python3

packages_build="gcc libc6-dev pkg-config python3-venv python3-dev
  libdeflate-dev liblz4-dev libzstd-dev liblzma-dev libxxhash-dev libjansson-dev
  libuv1-dev libssl-dev libarchive-dev libpng-dev libjpeg-dev zlib1g-dev libcurl4-openssl-dev libexpat1-dev"
packages_check="binutils libcmocka-dev clang clang-format libclang-rt-14-dev lld-14 g++ python3-torch python3-numpy
  curl openssl nginx-light wrk nghttp2-client prometheus chromium
  xrootd-server xrootd-server-plugins xrootd-client libxrootd-client-dev libxrootd-private-dev
  xrootd-scitokens-plugins xrootd-client-http-plugins libscitokens-dev libnginx-mod-http-dav-ext"

case $level in
  build) packages=$packages_build requirements=build ;;
  demo) packages="$packages_build curl" requirements="build run" ;;
  check) packages="$packages_build $packages_check" requirements="build run test" ;;
  *) echo "setup: unknown level '$level'; there are build, demo and check" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }

# ---- Debian packages ----

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null | sed -n 's/ installed$//p')
  printf '%s\n' $packages | grep -vxF "$installed" || true
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env "$@"
  elif command -v sudo >/dev/null; then
    sudo env "$@"
  else
    say "not root and no sudo here: please have these packages installed, then run this again:" >&2
    say "  apt-get install $missing" >&2
    exit 1
  fi
}

install_packages() {
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here (Debian 12 is what this script knows); please install what matches: $missing" >&2
    exit 1
  fi
  say "installing Debian packages: $missing"
  local apt="apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
  as_root DEBIAN_FRONTEND=noninteractive $apt update </dev/null
  as_root DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends $missing </dev/null >/dev/null
}

if command -v dpkg-query >/dev/null; then
  missing=$(missing_packages | tr '\n' ' ')
else
  missing=$packages
fi
missing=${missing% }
if [ -n "$missing" ]; then
  install_packages
fi

# ---- Python environments ----

# fill DIRECTORY NAME [REQUIREMENT]: installs requirements/NAME.txt unless the stamp says that this was done.
fill() {
  local directory=$1 file=requirements/$2.txt extra=${3:-} stamp=$1/.setup-$2 hash
  hash=$( (echo "$extra"; cat "$file") | sha256sum | cut -c1-64)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
    return
  fi
  say "installing Python packages into $directory: $(sed -n 's/^\([a-zA-Z][a-zA-Z0-9_-]*\).*/\1/p' "$file" | tr '\n' ' ')"
  "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
    ${extra:+"$extra"} -r "$file" </dev/null
  echo "$hash" >"$stamp"
}

make_environment() { # DIRECTORY OPTIONS...
  local directory=$1
  shift
  if [ ! -x "$directory/bin/pip" ]; then
    say "making the Python environment $directory"
    "$system_python" -m venv "$@" "$directory"
  fi
}

make_environment .venv
for file in $requirements; do fill .venv "$file"; done
if [ "$level" = check ]; then
  make_environment .venv-torch --system-site-packages
  # Debian's PyTorch is compiled for Debian's NumPy: nothing may bring a newer one.
  debian_numpy=$("$system_python" -c 'import numpy; print(numpy.__version__)')
  fill .venv-torch torch "numpy==$debian_numpy"
  make_environment .venv-root
  if ! (fill .venv-root root); then
    say "ROOT's wheel could not be installed: the test that needs it will be left out, and say so"
    rm -rf .venv-root
  fi
fi
