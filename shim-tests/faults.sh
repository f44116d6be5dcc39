#!/usr/bin/env bash
# The fault suite. `--long` is for a night: it also breaks the shim on purpose, and writes RELIABILITY.md.
# Anything else is handed on; shim-tests/tests/faults/main.rs has the arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

args=("$@")
for arg in "$@"; do
  if [ "$arg" = --long ]; then
    args+=(--broken --write "$PWD/RELIABILITY.md")
  fi
done
exec cargo test --quiet --package shim-tests --test faults -- --must-match "${args[@]}"
