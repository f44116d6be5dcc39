#!/usr/bin/env bash
# Restoring a build from packs, beside `zstd -dc | tar -x` and `cp -r` of the same tree, three runs
# each, interleaved. Prints seconds, the ratios of the medians, and the shim's peak memory.
#
# usage: shim-tests/bench-packs.sh TREE [LEVEL]
#   TREE    the workload: a directory such as a mathlib's `.lake/build`
#   LEVEL   zstd level of the packs and of the reference archive; default 3
# Needs git, tar, zstd, GNU time, and room for four copies of TREE in $TMPDIR.
set -euo pipefail
tree=$(readlink -f "${1:?names the tree to restore}")
level=${2:-3}
cd "$(dirname "$0")/.."
cargo build --release --locked --bin lake-shim
shim=$PWD/${CARGO_TARGET_DIR:-target}/release/lake-shim

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$work/app/.lake/packages/p
mkdir -p "$work"/{home,store,copy} "$package"
export HOME=$work/home LAKE_SHIM_LOG=quiet LAKE_SHIM_NETWORK=never
git -C "$package" init -q
git -C "$package" remote add origin https://example.org/p
git -C "$package" -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m a
rev=$(git -C "$package" rev-parse HEAD)
printf '{"version": "1.1.0", "packages": [{"type": "git", "name": "p", "inherited": false,
 "url": "https://example.org/p", "rev": "%s"}]}' "$rev" >"$work/app/lake-manifest.json"
echo 'name = "app"' >"$work/app/lakefile.toml"
echo bench >"$work/app/lean-toolchain"
mkdir "$package/.lake"
cp -r "$tree" "$package/.lake/build"

cd "$work/app"
"$shim" bake --store "$work/store" --level "$level"
tar -C "$tree" -cf - . | zstd -q "-$level" --long=27 -o "$work/tree.tar.zst"
du -sh "$tree" "$work/store" "$work/tree.tar.zst"

seconds() { # COMMAND…: appends to $work/<name of the case>
  local name=$1
  shift
  sync
  /usr/bin/time -a -o "$work/$name.times" -f '%e %M' "$@"
}
for _ in 1 2 3; do
  rm -rf "$package/.lake/build"
  seconds shim "$shim" restore --store "$work/store"
  rm -rf "$work/copy" && mkdir "$work/copy"
  # shellcheck disable=SC2016 # the inner shell expands these
  seconds tar sh -c 'zstd -dcq --long=27 "$1" | tar -C "$2" -xf -' sh "$work/tree.tar.zst" "$work/copy"
  rm -rf "$work/copy"
  seconds cp cp -r "$tree" "$work/copy"
done
python3 - "$work" <<'PYTHON'
import statistics, sys
def read(name):
    return [tuple(map(float, line.split())) for line in open(f"{sys.argv[1]}/{name}.times")]
median = {name: statistics.median(t for t, _ in read(name)) for name in ("shim", "tar", "cp")}
for name, seconds in median.items():
    print(f"{name:5} {seconds:.2f} s   runs {[t for t, _ in read(name)]}")
print(f"shim / zstd|tar  {median['shim'] / median['tar']:.2f}   (bar 0.50)")
print(f"shim / cp -r     {median['shim'] / median['cp']:.2f}   (bar 1.25)")
print(f"peak memory of the shim  {max(m for _, m in read('shim')) / 1024:.0f} MB   (bar 200)")
PYTHON
