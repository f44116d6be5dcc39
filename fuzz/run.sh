#!/usr/bin/env bash
# Fuzzes every target, or those named, and prints a table of what came of it.
#
#   fuzz/run.sh [--minutes N] [TARGET…]
#
# Needs a nightly toolchain and `cargo install cargo-fuzz`. N minutes (10) are of a target's own processor
# time. What is found is in fuzz/artifacts, what was learnt in fuzz/work, where the next run goes on from
# it. `fuzz/keep.sh` takes the least of that which covers as much into fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")"

minutes=10
if [ "${1-}" = --minutes ]; then
  minutes=$2
  shift 2
fi
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)

cargo +nightly fuzz build --target-dir target
programs=$(echo target/*/release)
# Where files are made and thrown away: memory is as good as a disk.
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16
TIMEFORMAT='%U %S'

# Fuzzes $1 for a while and prints the seconds of processor time that took.
slice() {
  local log=work/$1.log
  {
    time nice -n 19 "$programs/$1" "work/$1" "corpus/$1" \
      -artifact_prefix="artifacts/$1/" -max_total_time=60 -timeout=120 -max_len=8192 \
      -rss_limit_mb=512 -malloc_limit_mb=256 -print_final_stats=1 >"$log" 2>&1 || true
  } 2>&1 | awk '{ print $1 + $2 }'
}

# The last number that the log of $1 has behind "$2".
said() { grep -aoE "$2 *[0-9]+" "work/$1.log" | grep -oE '[0-9]+$' | tail -1 || true; }

echo "| input | runs | processor time | edges | corpus | most memory | found |"
echo "|---|---|---|---|---|---|---|"
for target in "${targets[@]}"; do
  mkdir -p "work/$target" "artifacts/$target"
  runs=0 spent=0 memory=0
  while awk "BEGIN { exit !($spent < $minutes * 60) }"; do
    took=$(slice "$target")
    spent=$(awk "BEGIN { print $spent + $took }")
    runs=$((runs + $(said "$target" number_of_executed_units: || echo 0)))
    rss=$(said "$target" peak_rss_mb:)
    memory=$((rss > memory ? rss : memory))
    find "artifacts/$target" -name 'slow-unit-*' -delete # the machine was busy
    [ -z "$(ls "artifacts/$target")" ] || break
  done
  printf '| %s | %d | %.0f s | %s | %d files, %d KB | %d MB | %d |\n' "$target" "$runs" "$spent" \
    "$(said "$target" cov:)" "$(find "work/$target" -type f | wc -l)" \
    "$(du -sb "work/$target" | awk '{ print int($1 / 1000) }')" "$memory" \
    "$(find "artifacts/$target" -type f | wc -l)"
done
