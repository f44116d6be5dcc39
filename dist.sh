#!/bin/sh
# dist.sh: build a static lake-shim and make a tarball of it that `install.sh --from` takes.
#
# usage: ./dist.sh [--target TRIPLE] [--output DIR] [--help]
#
#   --target TRIPLE   what to build for, a Linux; default this machine
#   --output DIR      where the tarball and SHA256SUMS go; default `dist`
#
# The same commit, toolchain and target give the same bytes, whatever the directory, the user or the day:
# entries are sorted, paths are mapped, times are SOURCE_DATE_EPOCH or else the commit's.
# The tarball has the binary, its manual pages and completions, install.sh, Cargo.lock for those who scan
# what is in it, and the licences of all that is linked in.
# Exit codes: 0 done, 1 failed, 2 wrong usage.

# shellcheck disable=SC2016 # backticks quote literals in messages
set -eu
export LC_ALL=C
cd -- "$(dirname -- "$0")"
here=$PWD
cargo_home=${CARGO_HOME:-$HOME/.cargo}

main() {
  read_arguments "$@"
  version=$(cargo pkgid --package lake-shim)
  version=${version##*[#@]}
  name=lake-shim-$version-${target%%-*}-linux
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM HUP
  choose_epoch
  build
  fill "$work/$name"
  pack
}

say() { printf '%s\n' "$@" >&2; }
fail() { # MESSAGE [HINT]
  say "error: $1" ${2:+"hint: $2"}
  exit 1
}
misused() {
  say "error: $1" "$(sed -n 's/^# \(usage: .*\)/\1/p' dist.sh)" 'hint: `--help` explains the options'
  exit 2
}

read_arguments() {
  target=$(rustc -vV | sed -n 's/^host: //p') output=dist
  while [ $# -gt 0 ]; do
    case $1 in
      --target | --output)
        [ -n "${2:-}" ] || misused "\`$1\` needs a value"
        if [ "$1" = --target ]; then target=$2; else output=$2; fi
        shift ;;
      -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' dist.sh
        exit ;;
      *) misused "unknown option \`$1\`" ;;
    esac
    shift
  done
  case $target in
    *-linux-gnu* | *-linux-musl*) ;;
    *) fail "\`$target\` is no Linux" 'the shim runs on Linux: name a target such as `x86_64-unknown-linux-gnu`' ;;
  esac
}

choose_epoch() {
  epoch=${SOURCE_DATE_EPOCH:-}
  if [ -z "$epoch" ]; then
    epoch=$(git log -1 --format=%ct) || fail 'this is no git checkout' 'set `SOURCE_DATE_EPOCH` to the time of the release'
    [ -z "$(git status --porcelain)" ] || say 'warning: what is built here is in no commit'
  fi
}

build() { # $binary
  # Only what is set here, so that nobody's own flags get into a release.
  unset CARGO_ENCODED_RUSTFLAGS
  RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static --remap-path-prefix=$here=/lake-shim --remap-path-prefix=$cargo_home=/cargo"
  CFLAGS="-ffile-prefix-map=$here=/lake-shim -ffile-prefix-map=$cargo_home=/cargo"
  export RUSTFLAGS CFLAGS
  cargo build --release --locked --bin lake-shim --target "$target" || fail '`cargo build` failed' \
    "is the target there? \`rustup target add $target\`"
  binary=${CARGO_TARGET_DIR:-target}/$target/release/lake-shim
  ! readelf --program-headers --wide "$binary" | grep -q INTERP || fail "\`$binary\` is not static"
}

fill() { # DIR
  mkdir -p "$1/bin" "$1/share/man/man1" "$1/share/bash-completion/completions" \
    "$1/share/zsh/site-functions" "$1/share/fish/vendor_completions.d"
  cp "$binary" "$1/bin/lake-shim"
  ln -s lake-shim "$1/bin/lake"
  cp install.sh README.md CHANGELOG.md LICENSE Cargo.lock "$1"
  licences >"$1/LICENCES-OF-DEPENDENCIES"
  if ! "$binary" --version >/dev/null 2>&1; then # for another machine; what it would print is the same here
    env -u RUSTFLAGS -u CFLAGS cargo build --locked --bin lake-shim
    binary=${CARGO_TARGET_DIR:-target}/debug/lake-shim
  fi
  "$binary" man "$1/share/man/man1"
  "$binary" completions bash >"$1/share/bash-completion/completions/lake-shim"
  "$binary" completions zsh >"$1/share/zsh/site-functions/_lake-shim"
  "$binary" completions fish >"$1/share/fish/vendor_completions.d/lake-shim.fish"
}

licences() { # of every crate that is linked in, and of what comes with the toolchain
  printf '%s\n' 'lake-shim is linked with these, in the versions that Cargo.lock names.' '' \
    "Rust's standard library, MIT OR Apache-2.0, https://github.com/rust-lang/rust" \
    'The C library of the target: GNU libc, LGPL-2.1-or-later, or musl, MIT. To link another version of' \
    'it, run dist.sh in the sources of lake-shim.'
  cargo tree --package lake-shim --locked --target "$target" --edges normal,no-proc-macro --prefix none \
    --format '{p} | {l}' >"$work/crates"
  sed -e '/^lake-shim /d' -e 's/ (\*)$//' -e 's/ v/ /' "$work/crates" | sort -u | while read -r crate number _ licence; do
    printf '\n==== %s %s, %s\n' "$crate" "$number" "$licence"
    for file in "$cargo_home"/registry/src/*/"$crate-$number"/*; do
      case ${file##*/} in LICEN[CS]E* | COPYING* | COPYRIGHT* | NOTICE* | UNLICENSE*)
        [ ! -f "$file" ] || { printf '\n-- %s\n\n' "${file##*/}" && cat "$file"; } ;;
      esac
    done
  done
}

pack() {
  mkdir -p "$output"
  tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" \
    --mode=u+rwX,go+rX,go-w --directory "$work" "$name" | gzip -9n >"$output/$name.tar.gz"
  (cd -- "$output" && sha256sum "lake-shim-$version"-*.tar.gz >SHA256SUMS)
  say "made \`$output/$name.tar.gz\`"
}

main "$@"
