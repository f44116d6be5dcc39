#!/usr/bin/env bash
# Makes src/demo.tar.zst, the example that `lake-shim demo` restores: the fixture's project, and a
# store with the packages it needs as packs. Run it when the fixture or the store's format changes.
#
# usage: SHIM_TEST_REAL_LEANTAR=/path/to/leantar shim-tests/make-demo.sh
# Needs git, tar, zstd, and a real leantar, for the fixture's build files are in real `.ltar` files.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${SHIM_TEST_REAL_LEANTAR:?names a real leantar}"

cargo build --release --locked --bin lake-shim
shim=${CARGO_TARGET_DIR:-target}/release/lake-shim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fixture="shim-tests/fixtures/mini-mathlib"
mkdir -p "$work/demo" "$work/home"
cp -r "$fixture/app" "$work/app"

# The packages, as the manifest locks them.
clone() { # NAME BUNDLE
  local rev url
  rev=$(sed -n "/\"url\": .*$2\"/,/\"name\"/s/.*\"rev\": \"\(.*\)\",/\1/p" "$fixture/app/lake-manifest.json")
  url=$(sed -n "s/.*\"url\": \"\(.*\/$2\)\",/\1/p" "$fixture/app/lake-manifest.json")
  git clone --quiet "$fixture/git/$2.bundle" "$work/app/.lake/packages/$1"
  git -C "$work/app/.lake/packages/$1" checkout --quiet --detach "$rev"
  git -C "$work/app/.lake/packages/$1" remote set-url origin "$url"
}
clone mathlib mathlib4
clone batteries batteries

env -i PATH="$PATH" HOME="$work/home" LAKE_SHIM_NETWORK=never LAKE_SHIM_LEANTAR="$SHIM_TEST_REAL_LEANTAR" \
  "$shim" --dir "$work/app" --store "$fixture/store" restore
env -i PATH="$PATH" HOME="$work/home" \
  "$shim" --dir "$work/app" --store "$work/demo/store" bake --format pack
cp -r "$fixture/app" "$work/demo/app"

tar --create --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1000000000 \
  --mode=u+rwX,go+rX,go-w --directory "$work/demo" app store | zstd -19 --quiet --force -o src/demo.tar.zst
ls -l src/demo.tar.zst
