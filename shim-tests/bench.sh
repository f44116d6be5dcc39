#!/usr/bin/env bash
# Every figure beside its reference, and growth; writes BENCHMARKS.md,
# docs/growth.svg and the README's table. About half an hour on two cores, and 12 GB in $TMPDIR.
#
# usage: shim-tests/bench.sh [OPTIONS]
#   --quick          a smaller tree, fewer runs, and growth to a quarter; ten minutes
#   --smoke          only to see that it works; seconds, with a stand-in for leantar
#   --check          only compare the README's figures with those of BENCHMARKS.md
#   --lake FILE      a real lake with its lean beside it; else $SHIM_TEST_REAL_LAKE, else a stand-in that starts
#                    git as Lake does
#   --leantar FILE   leantar; else $SHIM_TEST_REAL_LEANTAR, else the one on PATH
#   --mathlib DIR    a real Mathlib with its dependencies, to name the modules of
#   --seeds DIR      real build files to make the tree of; else those of `lake-shim demo`
#   --work DIR       where to make everything; else $TMPDIR. It is removed afterwards; small files
#                    go to /dev/shm if there is room
#   --output DIR     where to write; else the repository
# Needs git, tar, zstd, hyperfine and elan (Debian has all of them).
set -euo pipefail

leantar=${SHIM_TEST_REAL_LEANTAR:-$(command -v leantar || true)}
lake=${SHIM_TEST_REAL_LAKE:-}
smoke=false
work=${TMPDIR:-/tmp}
options=()
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
    exit
    ;;
  --leantar) leantar=${2:?} && shift ;;
  --lake) lake=${2:?} && shift ;;
  --work) work=$(realpath "${2:?}") && shift ;;
  --mathlib | --seeds | --output) options+=("$1" "$(realpath "${2:?}")") && shift ;;
  --smoke) smoke=true && options+=("$1") ;;
  *) options+=("$1") ;;
  esac
  shift
done
leantar=${leantar:+$(realpath "$leantar")}
if [ -n "$lake" ]; then options+=(--lake "$(realpath "$lake")"); fi
cd "$(dirname "$0")/.."
bench=(cargo bench --quiet --locked -p shim-tests --bench bench --)
case " ${options[*]} " in *" --check "*) exec "${bench[@]}" --check ;; esac

for tool in git tar zstd hyperfine elan; do
  command -v "$tool" >/dev/null || {
    printf 'bench: missing: %s\nhint: apt-get install %s\n' "$tool" "$tool" >&2
    exit 1
  }
done
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cargo build --quiet --release --locked -p shim-tests --bin fake-lake
if $smoke; then
  # The binaries that CI has made already.
  cargo build --quiet --release --locked --bin lake-shim
  cargo build --quiet --locked -p shim-tests --bin fake-leantar
  shim=$target/release/lake-shim
  leantar=$target/debug/fake-leantar
else
  # As install.sh builds it.
  triple=$(rustc -vV | sed -n 's/^host: //p')
  RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
    cargo build --quiet --release --locked --bin lake-shim --target "$triple"
  shim=$target/$triple/release/lake-shim
fi
work=$(mktemp -d "$work/lake-shim-bench-XXXXXX")
trap 'rm -rf "$work" "/dev/shm/${work##*/}"*' EXIT
"${bench[@]}" --work "$work" --shim "$shim" --fake-lake "$target/release/fake-lake" \
  --leantar "$leantar" "${options[@]}"
