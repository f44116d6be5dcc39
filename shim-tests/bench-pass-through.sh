#!/usr/bin/env bash
# What the shim costs on a pass-through: `lake build` in a linked workspace with nine packages whose
# HEADs are where the manifest wants them, beside the same lake without the shim and behind elan.
# Needs hyperfine, git, and Debian's elan. The lake is `/bin/true`, so that nothing else is measured.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in hyperfine git elan; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (apt-get install $tool)" >&2; exit 1; }
done
cargo build --release --locked --bin lake-shim
shim=$PWD/target/release/lake-shim

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{shim,toolchain/bin,elan/bin,home,app/.lake,packages}
ln -s "$shim" "$work/shim/lake"
cp /bin/true "$work/toolchain/bin/lake"
cp /bin/true "$work/toolchain/bin/lean"

# Nine clones of one commit.
git init -q "$work/package"
git -C "$work/package" -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m a
rev=$(git -C "$work/package" rev-parse HEAD)
entries=()
for name in a b c d e f g h i; do
  git clone -q "$work/package" "$work/packages/$name"
  git -C "$work/packages/$name" checkout -q --detach
  entries+=("{\"type\": \"git\", \"name\": \"$name\", \"url\": \"$work/package\", \"rev\": \"$rev\", \"inherited\": false}")
done
joined=$(printf ',%s' "${entries[@]}")
printf '{"version": "1.1.0", "packagesDir": ".lake/packages", "packages": [%s]}' "${joined:1}" \
  >"$work/app/lake-manifest.json"
echo 'name = "app"' >"$work/app/lakefile.toml"
echo bench >"$work/app/lean-toolchain"
ln -s "$work/packages" "$work/app/.lake/packages"

# elan's proxy in front of the same toolchain.
ln -s "$(readlink -f "$(command -v elan)")" "$work/elan/bin/lake"
export HOME=$work/home ELAN_HOME=$work/elan
elan toolchain link bench "$work/toolchain" 2>/dev/null

cd "$work/app"
export LAKE_PKG_DIR=$work/packages PATH=$work/shim:$work/toolchain/bin:$PATH
hyperfine --shell=none --warmup 50 --runs 1000 --style basic --export-json "$work/figures.json" \
  --command-name direct "$work/toolchain/bin/lake build" \
  --command-name shim "$work/shim/lake build" \
  --command-name elan "$work/elan/bin/lake build"
python3 - "$work/figures.json" <<'PYTHON'
import json, sys
figures = {r["command"]: r["median"] * 1000 for r in json.load(open(sys.argv[1]))["results"]}
direct = figures["direct"]
print(f"direct {direct:.2f} ms")
for name in ("shim", "elan"):
    added = figures[name] - direct
    print(f"{name:6} {figures[name]:.2f} ms: {added:.2f} ms over direct, ratio {figures[name] / direct:.1f}")
PYTHON
