#!/bin/bash
# Runs every fuzz target for some seconds, from the seeds in fuzz/seeds/TARGET and what earlier runs found in build-fuzz.
#   tools/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
export PATH=$PWD/.venv/bin:$PATH
export ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
if [ ! -f build-fuzz/build.ninja ]; then
  CC=clang meson setup build-fuzz -Dfuzz=true -Dpython=false -Dtests=false -Dbuildtype=debugoptimized \
    -Db_sanitize=address,undefined -Db_lundef=false -Ddefault_library=static >/dev/null
fi
ninja --quiet -C build-fuzz
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for source in fuzz/fuzz_*.c; do targets+=("$(basename "$source" .c)"); done
fi
# Seeds that can be made of the fixtures need not lie in the repository.
made=build-fuzz/made
if [ ! -d "$made" ]; then
  .venv/bin/python fuzz/make_seeds.py --records "$made" tests/data/*.root || true
  .venv/bin/python fuzz/make_seeds.py "$made/fuzz_file" tests/data/*.root || true
  mkdir -p "$made/fuzz_container/plain"
  cp tests/data/*.root "$made/fuzz_container"
  cp fuzz/seeds/fuzz_open/*.root "$made/fuzz_container/plain"
fi
failed=0
for target in "${targets[@]}"; do
  mkdir -p "build-fuzz/corpus/$target" build-fuzz/finds
  seeds=()
  for folder in "fuzz/seeds/$target" "$made/$target"; do
    [ ! -d "$folder" ] || seeds+=("$folder")
  done
  words=()
  case $target in
  fuzz_open | fuzz_container | fuzz_streamer | fuzz_tree | fuzz_file | fuzz_object) words=(-dict=fuzz/root.dict) ;;
  esac
  echo "fuzz: $target for $seconds s"
  if ! "build-fuzz/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=200000 \
    -print_final_stats=1 -artifact_prefix="build-fuzz/finds/$target-" "${words[@]}" \
    "build-fuzz/corpus/$target" "${seeds[@]}" >"build-fuzz/$target.log" 2>&1; then
    failed=$((failed + 1))
    echo "fuzz: $target FAILED; the input is in build-fuzz/finds"
    tail -30 "build-fuzz/$target.log"
  else
    grep -E 'number_of_executed_units|average_exec' "build-fuzz/$target.log" | sed 's/^/  /'
  fi
done
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
