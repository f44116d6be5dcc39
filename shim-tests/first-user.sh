#!/usr/bin/env bash
# What the first user's test script does with a generated test package. It knows nothing of the shim.
#
#   first-user.sh prepare CASE WORK   copy the package CASE, without its manifest, to WORK
#   first-user.sh run WORK            fetch and build it
#
# LAKE_PKG_DIR is the packages directory that all test packages share, PACKAGES_DIR what the copy's
# `packagesDir` is set to.
set -euo pipefail

prepare() {
  local case=$1 work=$2
  mkdir -p "$work"
  tar -C "$case" --exclude=./lake-manifest.json --exclude=./.lake -cf - . | tar -C "$work" -xf -
  sed -i "1a packagesDir = \"${PACKAGES_DIR:-.lake/packages}\"" "$work/lakefile.toml"
  mkdir -p "$work/.lake" "$LAKE_PKG_DIR"
  ln -sfn "$LAKE_PKG_DIR" "$work/.lake/packages"
}

run() {
  cd "$1"
  if [ -n "${CI:-}" ]; then
    lake exe cache get
  fi
  lake build
}

"$@"
