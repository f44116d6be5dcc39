#!/bin/sh
# install.sh: place `lake-shim`, and `lake` as a symlink to it, in one directory, and say what to add to PATH.
#
# usage: ./install.sh [--prefix DIR] [--from DIR|FILE.tar.gz] [--modify-path] [--uninstall] [--help]
#
#   --prefix DIR    install into DIR/bin; default `~/.local/share/lake-shim`. Not elan's directory:
#                   elan overwrites `~/.elan/bin/lake` when it updates
#   --from PATH     take a built `lake-shim` from a directory or a tarball instead of running cargo
#   --modify-path   put DIR/bin first on PATH: a marked block at the end of your shell's profile files,
#                   since elan's line must come before it. Another run moves the block back to the end
#   --uninstall     remove what was placed in DIR, the directories that this leaves empty, and the blocks
#                   that name DIR
#
# Running it again changes nothing, or upgrades. Only the line for PATH goes to stdout, so that
# `eval "$(./install.sh)"` sets up the shell at hand. In GitHub Actions DIR/bin is added to $GITHUB_PATH.
# Exit codes: 0 done, 1 failed, 2 wrong usage.

# shellcheck disable=SC2016 # backticks quote literals in messages; $PATH is for the shell that reads the line
set -eu
export LC_ALL=C # paths and profiles are bytes

begin='# >>> lake-shim >>>'
end='# <<< lake-shim <<<'
made='# this file was made by the install.sh of lake-shim'
newline='
'

main() {
  read_arguments "$@"
  work=$(mktemp -d)
  stage=$bin/.lake-shim.$$ record=$bin/.lake-shim.placed
  trap 'rm -rf "$work" "$stage"' EXIT
  stop_on_signals
  if [ "$task" = uninstall ]; then
    uninstall
    return
  fi
  refuse_foreign
  obtain
  place
  [ -z "${GITHUB_PATH:-}" ] || tell_github
  [ -z "$profiles" ] || edit_profiles
  report_path
}

say() { printf '%s\n' "$@" >&2; }
fail() { # MESSAGE [HINT]
  say "error: $1" ${2:+"hint: $2"}
  exit 1
}
misused() {
  say "error: $1" "$(sed -n 's/^# \(usage: .*\)/\1/p' "$0")" 'hint: `--help` explains the options'
  exit 2
}
stop_on_signals() { trap 'exit 129' HUP && trap 'exit 130' INT && trap 'exit 143' TERM; }

read_arguments() {
  task=install prefix='' from='' profiles=''
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix | --from)
        [ -n "${2:-}" ] || misused "\`$1\` needs a value"
        if [ "$1" = --prefix ]; then prefix=$2; else from=$2; fi
        shift ;;
      --prefix=?*) prefix=${1#*=} ;;
      --from=?*) from=${1#*=} ;;
      --modify-path) profiles=yes ;;
      --uninstall) task=uninstall ;;
      -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit ;;
      *) misused "unknown option \`$1\`" ;;
    esac
    shift
  done
  [ -n "${HOME:-}${prefix:+x}" ] || fail '`HOME` is not set' 'name a directory with `--prefix`'
  [ -n "${HOME:-}" ] || [ -z "$profiles" ] || fail '`HOME` is not set' 'leave out `--modify-path`'
  prefix=$(absolute "${prefix:-${HOME-}/.local/share/lake-shim}")
  bin=$prefix/bin
  shell=${SHELL:-sh} shell=${shell##*/} zdot=${ZDOTDIR:-${HOME-}} fish=${XDG_CONFIG_HOME:-${HOME-}/.config}/fish
  case $bin in *:* | *"$newline"*) fail "\`$prefix\` cannot stand in PATH" 'choose one without `:` and line breaks' ;; esac
  real=$(physical "$bin")
  for elan in "${ELAN_HOME:-}" "${HOME:+$HOME/.elan}"; do
    [ -n "$elan" ] || continue
    home=$(physical "$elan")
    case $real/ in "$home"/*)
      fail "\`$prefix\` is inside elan's \`$elan\`, and elan overwrites \`bin/lake\`" 'choose another `--prefix`' ;;
    esac
  done
}

absolute() {
  case $1 in /*) path=$1 ;; *) path=$PWD/$1 ;; esac
  while [ "${path%/}" != "$path" ]; do path=${path%/}; done
  printf '%s\n' "$path"
}

physical() { # the path without symlinks of a directory that need not exist yet
  dir=$(absolute "$1") rest=
  while [ ! -d "${dir:=/}" ]; do
    rest=/${dir##*/}$rest
    dir=${dir%/*}
  done
  case $rest/ in */../*) fail "\`$1\` has \`..\` after what does not exist" 'spell it without' ;; esac
  dir=$(CDPATH='' cd -P -- "$dir" && pwd -P) || fail "cannot enter \`$dir\`"
  printf '%s\n' "${dir%/}$rest"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }
# $record has the checksum of every file that this script has put at $bin/lake-shim since it began to be there.
shim_is_ours() {
  [ -f "$bin/lake-shim" ] && [ ! -L "$bin/lake-shim" ] && grep -qsxF "$(cksum <"$bin/lake-shim")" "$record"
}
lake_is_ours() { # a symlink to our lake-shim beside it, or the same file
  shim_is_ours || return 1
  if [ -L "$bin/lake" ]; then
    case $(readlink "$bin/lake") in lake-shim | "$bin/lake-shim") ;; *) return 1 ;; esac
  else
    [ -f "$bin/lake" ] && cmp -s "$bin/lake" "$bin/lake-shim"
  fi
}
refuse_foreign() {
  hint='remove it, or choose another `--prefix`'
  ! exists "$bin/lake" || lake_is_ours || fail "\`$bin/lake\` is another \`lake\`" "$hint"
  ! exists "$bin/lake-shim" || shim_is_ours || fail "\`$bin/lake-shim\` was not placed by this script" "$hint"
}

obtain() { # a binary that runs, as $work/lake-shim
  here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  if [ -n "$from" ]; then
    from=$(absolute "$from")
  elif [ -f "$here/Cargo.toml" ]; then
    build
  else
    from=$here # this script came in a tarball
  fi
  root=$from
  if [ -f "$from" ]; then
    root=$work/unpacked
    mkdir "$root"
    tar -xzf "$from" -C "$root" || fail "cannot unpack \`$from\`" '`--from` takes a directory or a `.tar.gz`'
    set -- "$root"/*/lake-shim "$root"/*/bin/lake-shim
  fi
  set -- "$root/lake-shim" "$root/bin/lake-shim" "$@"
  while [ $# -gt 0 ] && [ ! -f "$1" ]; do shift; done
  [ $# -gt 0 ] || fail "no \`lake-shim\` in \`$from\`" '`--from` takes what holds `lake-shim` or `bin/lake-shim`'
  cp "$1" "$work/lake-shim"
  chmod 755 "$work/lake-shim"
  version=$("$work/lake-shim" --version </dev/null) || version=
  case $version in lake-shim*) return ;; esac
  fail "\`$1 --version\` does not answer as \`lake-shim\`" \
    'is it built for this machine? if the temporary directory is mounted noexec, set `TMPDIR`'
}

build() {
  command -v cargo >/dev/null || fail '`cargo` is not on PATH' 'install Rust from https://rustup.rs, or use `--from`'
  target=${CARGO_TARGET_DIR:-target} # set for cargo too: a `target-dir` in its configuration would hide the result
  case $target in /*) ;; *) target=$here/$target ;; esac
  triple=${CARGO_BUILD_TARGET:-$(cargo -vV | sed -n 's/^host: //p')}
  flags=${RUSTFLAGS:-}
  # Static and not position-independent: a loader would take longer than all that the shim does on the way to lake.
  case $triple in *-linux-*) flags="$flags -C target-feature=+crt-static -C relocation-model=static" ;; esac
  # A named target keeps the flags away from build scripts and macros, which cannot be static.
  (cd -- "$here" && CARGO_TARGET_DIR=$target RUSTFLAGS=$flags \
    cargo build --release --locked --bin lake-shim --target "$triple") >&2 || fail '`cargo build` failed'
  from=$target/$triple/release
}

place() {
  mkdir -p "$bin" || fail "cannot create \`$bin\`" 'choose another `--prefix`'
  cksum <"$work/lake-shim" >>"$record" || fail "cannot write \`$record\`"
  { cp -p "$work/lake-shim" "$stage" && mv -f "$stage" "$bin/lake-shim"; } || fail "cannot write \`$bin/lake-shim\`"
  cksum <"$work/lake-shim" >"$record"
  if [ ! -L "$bin/lake" ] || [ "$(readlink "$bin/lake")" != lake-shim ]; then
    { ln -s lake-shim "$stage" && mv -f "$stage" "$bin/lake"; } || fail "cannot write \`$bin/lake\`"
  fi
  say "installed \`$bin/lake\` and \`$bin/lake-shim\` ($version)"
}

tell_github() {
  lead=
  if [ -s "$GITHUB_PATH" ]; then
    [ "$(tail -n 1 "$GITHUB_PATH")" != "$bin" ] || return 0
    [ -z "$(tail -c 1 "$GITHUB_PATH")" ] || lead=$newline
  fi
  printf '%s%s\n' "$lead" "$bin" >>"$GITHUB_PATH" || fail "cannot write \`$GITHUB_PATH\`"
  say "warning: a later entry of \`GITHUB_PATH\` is put before \`$bin\`" 'hint: install elan in an earlier step'
}

# elan writes to ~/.profile, ~/.bash_profile and $ZDOTDIR/.zprofile. Ours has to be last in whichever is read last.
edit_profiles() {
  case $shell in
    bash)
      write_existing "$HOME/.bashrc"
      write_existing "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile"
      [ -n "$wrote" ] || write_block "$HOME/.profile" ;;
    zsh)
      write_existing "$HOME/.zshenv" "$zdot/.zshenv"
      [ -n "$wrote" ] || write_block "$zdot/.zshenv"
      write_existing "$zdot/.zprofile" "$zdot/.zshrc" ;;
    fish)
      mkdir -p "$fish/conf.d" || fail "cannot create \`$fish/conf.d\`"
      write_block "$fish/conf.d/lake-shim.fish"
      if grep -qs elan "$fish/config.fish"; then write_block "$fish/config.fish"; fi ;; # it is read after conf.d
    *) write_block "$HOME/.profile" ;;
  esac
}

write_existing() {
  wrote=
  for rc; do [ ! -f "$rc" ] || { wrote=yes && write_block "$rc"; }; done
}

write_block() {
  old=$1 note=
  [ -e "$1" ] || old=/dev/null
  if [ "$old" = /dev/null ] || grep -qxF "$made" "$old"; then note=$made$newline; fi
  without_block "$old" || fail_block "$1"
  printf '%s\n%s%s\n%s\n' "$begin" "$note" "$(path_line "$1")" "$end" >>"$work/new" || fail "cannot write to \`$work\`"
  cmp -s "$work/new" "$1" || { overwrite "$1" && say "put \`$bin\` on PATH in \`$1\`"; }
}

without_block() { # as $work/new. A block that does not end must not eat the rest of the file
  awk -v begin="$begin" -v end="$end" '
    $0 == begin && inside++ { exit }
    !inside
    $0 == end { inside = 0 }
    END { exit (inside > 0) }' "$1" >"$work/new"
}
fail_block() { fail "cannot edit \`$1\`: it is unreadable, or has \`$begin\` without \`$end\`" 'repair it by hand'; }

# Writes $work/new through the file, not over it: dotfiles may be symlinks, and have a mode. A failed write is taken back.
overwrite() {
  by_hand="add this line by hand: $(path_line "$1")"
  [ ! -e "$1" ] || [ -w "$1" ] || fail "cannot write \`$1\`" "$by_hand"
  cat "$old" >"$work/old" || fail "cannot save \`$1\`"
  trap '' HUP INT TERM
  if ! cat "$work/new" >"$1"; then
    if [ "$old" = /dev/null ]; then
      rm -f "$1"
    elif ! cat "$work/old" >"$1"; then
      trap - EXIT
      fail "cannot write \`$1\`" "what it held is in \`$work/old\`"
    fi
    fail "cannot write \`$1\`; it is as it was" "$by_hand"
  fi
  stop_on_signals
}

path_line() { # for a shell, or a file of that shell
  case $1 in
    *fish) printf "set -gx PATH '%s' \$PATH\n" "$(printf '%s\n' "$bin" | sed "s/[\\\\']/\\\\&/g")" ;;
    *) printf 'export PATH="%s:$PATH"\n' "$(printf '%s\n' "$bin" | sed 's/[\\"$`]/\\&/g')" ;;
  esac
}

report_path() {
  real=$(physical "$bin")
  first=$(command -v lake) || first=
  [ -z "$first" ] || [ "$(physical "${first%/*}")" != "$real" ] || return 0
  if [ -n "${GITHUB_PATH:-}" ]; then # the steps to come have it first
    path_line "$shell"
    return
  fi
  set -f
  IFS=:
  for entry in $PATH; do
    entry=${entry:-.}
    [ "$(physical "$entry")" != "$real" ] || break
    [ ! -f "$entry/lake" ] || [ ! -x "$entry/lake" ] || say "warning: \`$entry/lake\` comes earlier on PATH"
  done
  if [ -n "$profiles" ]; then
    say 'hint: open a new shell, or run this line:'
  else
    say "hint: add this line to your shell's profile, after elan's, or use \`--modify-path\`:"
  fi
  path_line "$shell"
}

uninstall() {
  nothing=yes
  if lake_is_ours; then remove "$bin/lake"; else leave "$bin/lake"; fi
  if shim_is_ours; then remove "$bin/lake-shim" && rm -f "$record"; else leave "$bin/lake-shim"; fi
  for dir in "$bin" "$prefix"; do
    if [ ! -d "$dir" ] || [ -L "$dir" ]; then continue; fi
    if [ -n "$(ls -A "$dir")" ]; then
      say "left \`$dir\`, which holds other files"
      break
    fi
    rmdir "$dir"
  done
  if [ -n "${HOME:-}" ]; then
    for rc in "$HOME/.profile" "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.bashrc" "$HOME/.zshenv" \
      "$zdot/.zshenv" "$zdot/.zprofile" "$zdot/.zshrc" "$fish/conf.d/lake-shim.fish" "$fish/config.fish"; do
      if grep -qsxF "$begin" "$rc"; then remove_block "$rc"; fi
    done
  fi
  [ -z "$nothing" ] || say "nothing to remove in \`$prefix\`"
}

leave() { ! exists "$1" || say "left \`$1\`, which this script did not place"; }
remove() {
  rm -f "$1" || fail "cannot remove \`$1\`"
  nothing='' && say "removed \`$1\`"
}

remove_block() {
  if ! grep -qxF "$(path_line "$1")" "$1"; then
    say "left the block in \`$1\`, which names another directory"
    return
  fi
  without_block "$1" || fail_block "$1"
  if [ ! -s "$work/new" ] && [ ! -L "$1" ] && grep -qxF "$made" "$1"; then
    remove "$1"
  else
    old=$1 nothing='' && overwrite "$1" && say "took \`$bin\` off PATH in \`$1\`"
  fi
}

main "$@"
