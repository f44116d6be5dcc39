#!/bin/sh
# Downloads the release of lake-shim that `lake-shim.sha256` beside this script names, checks it, and
# installs it into PREFIX/bin.
#
# usage: ci/get-lake-shim.sh PREFIX
#
# The Dockerfile and the action both come here, so that the image and the jobs around it have the same
# shim. To take another release, replace `lake-shim.sha256`: the Dockerfile copies it, so the tag of
# the image changes with it.
set -eu

# Change this to a mirror where runners cannot reach GitHub's downloads.
releases=https://github.com/lake-shim/lake-shim/releases/download

if [ $# -ne 1 ]; then
  echo "usage: $0 PREFIX" >&2
  exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line, as `sha256sum` prints it: digest, two spaces, lake-shim-VERSION-x86_64-linux.tar.gz.
tarball=
read -r _ tarball <"$here/lake-shim.sha256" || : # a last line may end without a newline
version=${tarball#lake-shim-}
version=${version%-*-linux.tar.gz}
if [ "$version" = "$tarball" ]; then
  echo "error: \`$here/lake-shim.sha256\` names no release of lake-shim" >&2
  echo 'hint: put the line for the .tar.gz of the SHA256SUMS there that came with the release' >&2
  exit 1
fi

curl --fail --silent --show-error --location --retry 3 --proto '=https' --proto-redir '=https' \
  --output "$work/$tarball" "$releases/v$version/$tarball"
if ! (cd "$work" && sha256sum --check --strict --quiet "$here/lake-shim.sha256") >&2; then
  echo "error: what was downloaded is not what \`$here/lake-shim.sha256\` says" >&2
  echo 'hint: put the line of the SHA256SUMS there that came with the release, and nothing else' >&2
  exit 1
fi
tar -xzf "$work/$tarball" -C "$work" --strip-components=1
"$work/install.sh" --from "$work" --prefix "$1" >/dev/null # a line for PATH, for shells
