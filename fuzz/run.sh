#!/usr/bin/env bash
# Fuzzes every target, or those named, and writes what came of it into fuzz/RESULTS.md.
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
  {
    time nice -n 19 "$programs/$1" "work/$1" "corpus/$1" \
      -artifact_prefix="artifacts/$1/" -max_total_time=60 -timeout=120 -max_len=8192 \
      -rss_limit_mb=512 -malloc_limit_mb=256 -print_final_stats=1 >"work/$1.log" 2>&1 || true
  } 2>&1 | awk '{ print $1 + $2 }'
}

# The last number that the log of $1 has behind "$2", or 0.
said() {
  local found
  found=$(grep -aoE "$2 *[0-9]+" "work/$1.log" | grep -oE '[0-9]+$' | tail -1) || true
  echo "${found:-0}"
}

# Fuzzes $1 until its time is up or something is found, and leaves a row of the table.
fuzz() {
  local runs=0 spent=0 memory=0 took rss
  mkdir -p "work/$1" "artifacts/$1"
  while awk "BEGIN { exit !($spent < $minutes * 60) }"; do
    took=$(slice "$1")
    spent=$(awk "BEGIN { print $spent + $took }")
    grep -aq Done "work/$1.log" || [ -n "$(ls "artifacts/$1")" ] || { tail "work/$1.log" >&2; exit 1; }
    runs=$((runs + $(said "$1" number_of_executed_units:)))
    rss=$(said "$1" peak_rss_mb:)
    memory=$((rss > memory ? rss : memory))
    find "artifacts/$1" -name 'slow-unit-*' -delete # the machine was busy
    [ -z "$(ls "artifacts/$1")" ] || break
  done
  printf '| %s | %d | %.0f s | %s | %d files, %d KB | %d MB | %d |\n' "$1" "$runs" "$spent" \
    "$(said "$1" cov:)" "$(find "work/$1" -type f | wc -l)" \
    "$(du -sb "work/$1" | awk '{ print int($1 / 1000) }')" "$memory" \
    "$(find "artifacts/$1" -type f | wc -l)" >"work/$1.row"
  cat "work/$1.row"
}

for target in "${targets[@]}"; do
  [ -x "$programs/$target" ] || { echo "there is no target \`$target\`" >&2; exit 2; }
done
for target in "${targets[@]}"; do fuzz "$target"; done

cat - work/*.row >RESULTS.md <<'EOF'
# What fuzzing found

Written by `fuzz/run.sh`, each row by the last run of its target. What a target holds of every input, from "no panic"
to "what is respelled is the same manifest but for its URLs", is said in [`src/fuzz`](../src/fuzz/mod.rs).
libFuzzer ran with AddressSanitizer, overflow checks and debug assertions, on inputs of up to 8 KiB, a limit of 512 MB
of memory and of 256 MB for any one allocation, from [`corpus`](corpus), over which the unit tests run as well.
A run stops at what it finds: the last column is what is open.

| input | runs | processor time | edges | learnt | most memory | found |
|---|--:|--:|--:|--:|--:|--:|
EOF
