#!/bin/sh
# install-test.sh: what install.sh promises, tried in a home directory of its own under each `sh` that is there.
#
# usage: shim-tests/install-test.sh
#   SHIM_TEST_BIN     the lake-shim to install; default a stub that answers `--version`
#   SHIM_TEST_SHELLS  the shells to run install.sh with; default those of dash, bash, busybox, mksh that exist
#
# Every run has an empty environment and a PATH that holds only the tools install.sh may use.

# shellcheck disable=SC2016,SC2012 # backticks quote literals in messages; `ls` tells modes of names we chose
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
script=$(dirname -- "$here")/install.sh
tmp=$(mktemp -d)
passed=0 failed=0 sh=none case_name=none
trap finish EXIT
trap 'exit 130' INT TERM HUP

main() {
  prepare_tools
  for sh in ${SHIM_TEST_SHELLS:-dash bash busybox mksh}; do
    command -v "$sh" >/dev/null || continue
    case ${sh##*/} in
      busybox) printf '#!/bin/sh\nexec %s sh "$@"\n' "$(command -v "$sh")" >"$tmp/busybox-sh" && chmod +x "$tmp/busybox-sh" && sh=$tmp/busybox-sh ;;
      *) sh=$(command -v "$sh") ;;
    esac
    for t in fresh twice upgrade sources unusable_sources build prefixes odd_prefix other_lake elan_directory path_line \
      modify_path profiles_of_shells profile_links_and_modes profile_write_fails broken_block uninstall \
      uninstall_leaves_the_rest users_own killed_on_the_way github options no_home; do
      case_name=$t
      rm -rf "${tmp:?}/home" "${tmp:?}/x"
      mkdir -p "$tmp/home" "$tmp/x"
      cd "$tmp/x"
      home=$tmp/home data=$tmp/home/.local/share/lake-shim
      "test_$t"
    done
  done
  case_name=
}

finish() {
  rm -rf "$tmp"
  if [ -n "$case_name" ]; then
    failed=$((failed + 1))
    echo "FAILED $case_name with $sh: the test itself stopped" >&2
  fi
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ] || exit 1
}

prepare_tools() {
  mkdir "$tmp/tools" "$tmp/built"
  for tool in awk cat chmod cksum cmp cp dirname grep gzip ln ls mkdir mktemp mv printf readlink rm rmdir sed sh tail tar; do
    ln -s "$(tool_path "$tool")" "$tmp/tools/$tool"
  done
  if [ -n "${SHIM_TEST_BIN:-}" ]; then
    cp "$SHIM_TEST_BIN" "$tmp/built/lake-shim"
  else
    stub 0.1.0 >"$tmp/built/lake-shim"
  fi
  chmod 755 "$tmp/built/lake-shim"
  mkdir -p "$tmp/elan"
  printf '#!/bin/sh\n' >"$tmp/elan/lake"
  chmod +x "$tmp/elan/lake"
}
tool_path() { # `command -v` has no path for what is built in
  IFS=:
  for dir in $PATH; do
    [ ! -x "$dir/$1" ] || { printf '%s\n' "$dir/$1" && return; }
  done
  return 1
}
stub() { printf '#!/bin/sh\n[ "$1" = --version ] && echo "lake-shim %s"\n' "$1"; }

# run [NAME=VALUE...] [OPTION...]: install.sh in that environment. Its streams go to $tmp/out and $tmp/err, its exit code to $code.
run() {
  n=$# options=
  while [ "$n" -gt 0 ]; do
    case $options$1 in
      [A-Z]*=*) set -- "$@" "$1" ;;
      *) if [ -n "$options" ]; then set -- "$@" "$1"; else options=yes && set -- "$@" "$sh" "$script" "$1"; fi ;;
    esac
    shift
    n=$((n - 1))
  done
  [ -n "$options" ] || set -- "$@" "$sh" "$script"
  code=0
  env -i HOME="$home" PATH="$tmp/tools" SHELL=/bin/bash TMPDIR="$tmp/x" "$@" >"$tmp/out" 2>"$tmp/err" || code=$?
}

check() {
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    { echo "FAILED $case_name with $sh: $*" && sed 's/^/  stdout: /' "$tmp/out" && sed 's/^/  stderr: /' "$tmp/err"; } >&2
  fi
}
exited() { [ "$code" = "$1" ]; }
said() { grep -qF -e "$1" "$tmp/err"; }
not() { ! "$@"; }
printed() { printf '%s' "${1:+$1
}" | cmp -s - "$tmp/out"; }
holds() { printf '%s\n' "$2" | cmp -s - "$1"; }
count() { [ "$(grep -cF -e "$2" "$3")" = "$1" ]; }
mode() { [ "$(ls -ld "$2" | cut -c1-10)" = "$1" ]; }
points() { [ -L "$1" ] && [ "$(readlink "$1")" = "$2" ]; }
answers() { case $("$1" --version) in lake-shim*) ;; *) return 1 ;; esac; }
gone() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
snapshot() { # names, modes, link targets and contents
  (cd "$1" && find . | sort | while IFS= read -r file; do
    printf '%s %s %s\n' "$(ls -ld "$file" | cut -c1-10)" "$file" "$(if [ -L "$file" ]; then readlink "$file"; elif [ -f "$file" ]; then cksum <"$file"; fi)"
  done)
}
keep() { snapshot "$home" >"$tmp/before"; }
unchanged() { snapshot "$home" | cmp -s - "$tmp/before"; }
finds() { [ "$(HOME=$home "$1" -c "$2"'; command -v lake')" = "$3" ]; } # SHELL SCRIPT LAKE
installed() { check exited 0 && check answers "$1/bin/lake-shim" && check points "$1/bin/lake" lake-shim; }
refused() { check exited 1 && check said "$1" && check said 'hint: ' && check printed '' && check unchanged; }
line() { printf 'export PATH="%s/bin:$PATH"' "$1"; }

test_fresh() {
  run --from "$tmp/built"
  installed "$data"
  check mode -rwxr-xr-x "$data/bin/lake-shim"
  check [ "$(ls -A "$data" "$data/bin" | tr '\n' ' ')" = "$data: bin  $data/bin: .lake-shim.placed lake lake-shim " ]
  check [ "$(ls -A "$home")" = .local ]
  check [ -z "$(ls -A "$tmp/x")" ]
  check printed "$(line "$data")"
  rm -rf "$data"
  (umask 077 && run --from "$tmp/built")
  check mode -rwxr-xr-x "$data/bin/lake-shim"
}

test_twice() {
  run --from "$tmp/built"
  keep && run --from "$tmp/built"
  installed "$data"
  check unchanged
  run --from "$data" # the installation itself
  installed "$data"
  check unchanged
}

test_upgrade() {
  run --from "$tmp/built"
  mkdir new
  stub 0.2.0 >new/lake-shim # not executable, as an artifact download leaves it
  run --from new
  installed "$data"
  check [ "$("$data/bin/lake-shim" --version)" = 'lake-shim 0.2.0' ]
  rm "$data/bin/lake" && cp "$data/bin/lake-shim" "$data/bin/lake" # links lost in a copy
  run --from "$tmp/built"
  installed "$data"
  ln -sf "$data/bin/lake-shim" "$data/bin/lake"
  run --from "$tmp/built"
  installed "$data"
}

test_sources() {
  mkdir -p a/bin b/lake-shim-1.0/bin c/lake-shim-1.0 d/bin 'e e'
  for dir in a/bin b/lake-shim-1.0/bin c/lake-shim-1.0 d/bin 'e e'; do cp "$tmp/built/lake-shim" "$dir"; done
  run --from=a
  installed "$data"
  for dir in b c d 'e e'; do
    tar -czf "$dir.tar.gz" -C "$dir" .
    run --from "$dir.tar.gz" --prefix "$home/$dir"
    installed "$home/$dir"
  done
  cp "$script" d/install.sh
  script_here=$script script=d/install.sh
  run
  script=$script_here
  installed "$data"
}

test_unusable_sources() {
  mkdir -p empty wrong broken/lake-shim && keep
  run --from empty
  refused 'no `lake-shim` in'
  run --from broken # a directory of that name
  refused 'no `lake-shim` in'
  run --from absent.tar.gz
  refused 'absent.tar.gz'
  echo text >text.tar.gz
  run --from text.tar.gz
  refused 'cannot unpack'
  printf '#!/bin/sh\nexit 3\n' >wrong/lake-shim
  run --from wrong
  refused 'does not answer'
  printf '#!/bin/sh\necho other 1.0\n' >wrong/lake-shim
  run --from wrong
  refused 'does not answer'
}

test_build() {
  mkdir -p 'a tree' tools && cp "$script" 'a tree' && : >'a tree/Cargo.toml'
  script_here=$script script='a tree/install.sh'
  keep && run
  refused '`cargo` is not on PATH'
  printf '#!/bin/sh\nexit 101\n' >tools/cargo && chmod +x tools/cargo
  run PATH="$tmp/x/tools:$tmp/tools"
  check exited 1
  check said '`cargo build` failed'
  check unchanged
  cat >tools/cargo <<END
#!/bin/sh
if [ "\$*" = -vV ]; then echo 'host: x86_64-unknown-linux-gnu' && exit; fi
echo "\$PWD \$* \$RUSTFLAGS" >"$tmp/x/called"
echo noise
mkdir -p "\$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release"
cp "$tmp/built/lake-shim" "\$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release"
END
  for target in '' "$tmp/x/elsewhere" relative; do
    run PATH="$tmp/x/tools:$tmp/tools" ${target:+CARGO_TARGET_DIR="$target"} --prefix "$home/p"
    installed "$home/p"
    check holds called "$tmp/x/a tree build --release --locked --bin lake-shim --target x86_64-unknown-linux-gnu  -C target-feature=+crt-static -C relocation-model=static"
    check printed "$(line "$home/p")"
  done
  for dir in 'a tree/target' elsewhere 'a tree/relative'; do
    check [ -f "$dir/x86_64-unknown-linux-gnu/release/lake-shim" ]
  done
  script=$script_here
}

test_prefixes() {
  run --from "$tmp/built" --prefix relative/deep//
  installed "$tmp/x/relative/deep"
  check printed "$(line "$tmp/x/relative/deep")"
  run --from "$tmp/built" --prefix=-dash
  installed "$tmp/x/-dash"
  keep
  run --from "$tmp/built" --prefix 'a:b'
  refused 'cannot stand in PATH'
  run --from "$tmp/built" --prefix 'a
b'
  refused 'cannot stand in PATH'
  : >file
  run --from "$tmp/built" --prefix file
  check exited 1
  check said 'cannot create'
}

test_odd_prefix() {
  odd=$home/$(printf 'it'\''s "an" \\ odd $HOME `pwd` & | * one')
  run --from "$tmp/built" --prefix "$odd" --modify-path
  installed "$odd"
  check finds dash "$(cat "$tmp/out")" "$odd/bin/lake"
  check finds bash "$(cat "$tmp/out")" "$odd/bin/lake"
  check finds dash ". '$home/.profile'" "$odd/bin/lake"
  keep && run --from "$tmp/built" --prefix "$odd" --modify-path
  check unchanged
  run SHELL=/usr/bin/fish --from "$tmp/built" --prefix "$odd" --modify-path
  check printed "set -gx PATH '$home/it\\'s \"an\" \\\\ odd \$HOME \`pwd\` & | * one/bin' \$PATH"
  if command -v fish >/dev/null; then check finds fish "source '$home/.config/fish/conf.d/lake-shim.fish'" "$odd/bin/lake"; fi
  run --prefix "$odd" --uninstall
  check exited 0
  check gone "$odd"
  check gone "$home/.profile"
}

test_other_lake() {
  mkdir -p "$data/bin"
  echo real >"$data/bin/lake" && keep
  run --from "$tmp/built"
  refused 'is another `lake`'
  ln -sf /opt/lean/bin/lake "$data/bin/lake" && keep
  run --from "$tmp/built"
  refused 'is another `lake`'
  rm "$data/bin/lake" && mkdir "$data/bin/lake" && keep
  run --from "$tmp/built"
  refused 'is another `lake`'
  rmdir "$data/bin/lake" && ln -s /opt/x/lake-shim "$data/bin/lake-shim" && keep
  run --from "$tmp/built"
  refused 'was not placed by this script'
}

test_elan_directory() {
  mkdir -p "$home/.elan/bin" "$home/other/bin" "$home/link" && : >"$home/.elan/bin/lake"
  ln -s "$home/.elan/bin" "$home/link/bin" && keep
  for prefix in "$home/.elan" "$home/.elan/" "$home/.elan/new/deep" "$home/x/../.elan" "$home/other/../.elan" "$home/link"; do
    run --from "$tmp/built" --prefix "$prefix"
    refused "${prefix%/}"
    run --prefix "$prefix" --uninstall
    refused "${prefix%/}"
  done
  run ELAN_HOME="$home/other" --from "$tmp/built" --prefix "$home/other"
  refused "is inside elan's"
  run --from "$tmp/built" --prefix "$home/.elan-not"
  installed "$home/.elan-not"
}

test_path_line() {
  run PATH="$data/bin:$tmp/elan:$tmp/tools" --from "$tmp/built"
  check printed ''
  check not said PATH
  run PATH="$home/.local/../.local/share/lake-shim/bin/:$tmp/tools" --from "$tmp/built"
  check printed ''
  run PATH="$tmp/elan:$data/bin:$tmp/tools" --from "$tmp/built"
  check printed "$(line "$data")"
  check said "warning: \`$tmp/elan/lake\` comes earlier on PATH"
  check said "after elan's"
  run PATH="$tmp/tools:$data/bin:$tmp/elan" --from "$tmp/built" # not first, but no lake is before it
  check printed ''
  run SHELL=/usr/bin/fish --from "$tmp/built"
  check printed "set -gx PATH '$data/bin' \$PATH"
  run SHELL= --from "$tmp/built"
  check printed "$(line "$data")"
  check finds dash "PATH='$tmp/elan:$tmp/tools'; $(cat "$tmp/out")" "$data/bin/lake"
}

test_modify_path() {
  # elan's installer leaves no line break at the end
  printf '# mine\n\nexport PATH="%s:$PATH"' "$tmp/elan" >"$home/.profile"
  printf '# rc\n' >"$home/.bashrc" && cp "$home/.bashrc" rc
  run --from "$tmp/built" --modify-path
  installed "$data"
  check count 1 "$(line "$data")" "$home/.profile"
  check count 1 "$(line "$data")" "$home/.bashrc"
  check [ "$(tail -n 1 "$home/.profile")" = '# <<< lake-shim <<<' ]
  check finds dash ". '$home/.profile'" "$data/bin/lake"
  keep && run --from "$tmp/built" --modify-path
  check unchanged
  check not said 'put `'
  printf '\nexport PATH="%s:$PATH"' "$tmp/elan" >>"$home/.profile" # elan installed later
  check finds dash ". '$home/.profile'" "$tmp/elan/lake"
  run --from "$tmp/built" --modify-path
  check finds dash ". '$home/.profile'" "$data/bin/lake"
  run --from "$tmp/built" --modify-path --prefix "$home/new"
  check count 0 "$(line "$data")" "$home/.profile"
  check count 1 "$(line "$home/new")" "$home/.profile"
  check count 1 '>>> lake-shim >>>' "$home/.profile"
  run --uninstall
  check exited 0
  check said 'names another directory'
  check count 1 "$(line "$home/new")" "$home/.bashrc"
  run --uninstall --prefix "$home/new"
  check cmp -s rc "$home/.bashrc"
  check count 2 "$tmp/elan" "$home/.profile"
  check count 0 lake-shim "$home/.profile"
}

# Which files get the block, by shell and by what exists: SHELL, EXISTING, EXPECTED.
test_profiles_of_shells() {
  while IFS='|' read -r shell existing expected; do
    rm -rf "$home" && mkdir -p "$home/z" "$home/.config/fish"
    for file in $existing; do echo '# elan' >"$home/$file"; done
    keep && run SHELL="/bin/$shell" --from "$tmp/built" --modify-path
    check exited 0
    check [ "$(cd "$home" && grep -rlF '>>> lake-shim' . | sort | tr '\n' ' ')" = "$expected" ]
    run --uninstall
    rm -rf "$home/.local" "$home/.config/fish/conf.d"
    check unchanged
  done <<'END'
bash||./.profile 
bash|.bashrc|./.bashrc ./.profile 
bash|.profile|./.profile 
bash|.bashrc .bash_profile|./.bash_profile ./.bashrc 
bash|.bash_login .profile|./.bash_login ./.profile 
sh|.bashrc|./.profile 
zsh|.bashrc|./.zshenv 
zsh|.zprofile .zshrc|./.zprofile ./.zshenv ./.zshrc 
fish|.profile|./.config/fish/conf.d/lake-shim.fish 
fish|.config/fish/config.fish|./.config/fish/conf.d/lake-shim.fish ./.config/fish/config.fish 
END
  rm -rf "$home" && mkdir -p "$home/z"
  run SHELL=/bin/zsh ZDOTDIR="$home/z" --from "$tmp/built" --modify-path
  check [ "$(ls -A "$home/z")" = .zshenv ]
  run SHELL=/bin/bash ZDOTDIR="$home/z" --uninstall
  check [ -z "$(ls -A "$home/z")" ]
  : >"$home/.profile" # empty, but not made by us
  run --from "$tmp/built" --modify-path
  run --uninstall
  check [ -f "$home/.profile" ]
}

test_profile_links_and_modes() {
  mkdir "$home/dot files" && echo '# rc' >"$home/dot files/rc" && ln -s 'dot files/rc' "$home/.bashrc"
  echo '# secret' >"$home/.profile" && chmod 600 "$home/.profile" && chmod 640 "$home/dot files/rc"
  keep && run --from "$tmp/built" --modify-path
  check points "$home/.bashrc" 'dot files/rc'
  check count 1 "$(line "$data")" "$home/dot files/rc"
  check mode -rw-r----- "$home/dot files/rc"
  check mode -rw------- "$home/.profile"
  run --uninstall
  rm -rf "$home/.local"
  check unchanged
}

test_profile_write_fails() {
  echo '# mine' >"$home/.profile" && run --from "$tmp/built" && keep
  mkdir tools
  printf '#!/bin/sh\necho replaced\n' >tools/cat && chmod +x tools/cat
  if [ "$(PATH=$tmp/x/tools:$PATH "$sh" -c 'cat /dev/null')" != replaced ]; then
    echo "skipped $case_name with $sh, whose \`cat\` cannot be replaced" >&2
    return 0
  fi
  cat >tools/cat <<END # a disk that is full after some bytes
#!/bin/sh
case \$1 in */new) $(command -v head) -c 20 "\$1"; exit 1 ;; *) exec $(command -v cat) "\$@" ;; esac
END
  run PATH="$tmp/x/tools:$tmp/tools" --from "$tmp/built" --modify-path
  refused 'it is as it was'
  check said "$(line "$data")"
  rm "$home/.profile" && keep
  run PATH="$tmp/x/tools:$tmp/tools" --from "$tmp/built" --modify-path
  refused 'it is as it was'
  cat >tools/cat <<END # and does not take the old bytes back either
#!/bin/sh
case \$1 in */new | */old) exit 1 ;; *) exec $(command -v cat) "\$@" ;; esac
END
  echo '# mine' >"$home/.profile"
  run PATH="$tmp/x/tools:$tmp/tools" --from "$tmp/built" --modify-path
  check exited 1
  saved=$(sed -n 's/.*what it held is in `\(.*\)`$/\1/p' "$tmp/err")
  check holds "$saved" '# mine'
}

test_broken_block() {
  run --from "$tmp/built"
  printf '# >>> lake-shim >>>\n%s\nprecious=1\n' "$(line "$data")" >"$home/.profile" && keep
  run --from "$tmp/built" --modify-path
  refused 'without'
  printf '# >>> lake-shim >>>\nprecious=1\n# >>> lake-shim >>>\n# <<< lake-shim <<<\n' >"$home/.profile" && keep
  run --from "$tmp/built" --modify-path
  refused 'without'
  printf '# <<< lake-shim <<<\n# >>> lake-shim >>>\nprecious=1\n' >"$home/.profile" && keep
  run --from "$tmp/built" --modify-path
  refused 'without'
}

test_uninstall() {
  mkdir -p "$home/.local/share" "$home/.elan/bin" && echo '# mine' >"$home/.bashrc" && keep
  run --from "$tmp/built" --modify-path
  check [ -f "$home/.profile" ]
  run --uninstall
  check exited 0
  check said 'removed'
  check printed ''
  check unchanged
  run --uninstall
  check exited 0
  check said 'nothing to remove'
  check unchanged
}

test_uninstall_leaves_the_rest() {
  run --from "$tmp/built"
  echo mine >"$data/bin/mine"
  run --uninstall
  check exited 0
  check [ "$(ls -A "$data/bin")" = mine ]
  check said "left \`$data/bin\`"
  for target in /opt/lean/bin/lake ../lake-shim; do
    ln -s "$target" "$data/bin/lake" && ln -s elsewhere "$data/bin/lake-shim" && keep
    run --uninstall
    check exited 0
    check said "left \`$data/bin/lake\`"
    check said "left \`$data/bin/lake-shim\`"
    check unchanged
    rm "$data/bin/lake" "$data/bin/lake-shim"
  done
}

test_users_own() {
  mkdir -p "$data/bin"
  for content in '#!/bin/sh' "$(cat "$tmp/built/lake-shim")"; do
    printf '%s\n# mine\n' "$content" >"$data/bin/lake-shim" && keep
    run --from "$tmp/built"
    refused 'was not placed by this script'
    run --uninstall
    check exited 0
    check said "left \`$data/bin/lake-shim\`"
    check unchanged
    # With a link of the user's own to it.
    ln -s lake-shim "$data/bin/lake" && keep
    run --uninstall
    check unchanged
    rm "$data/bin/lake"
  done
  rm "$data/bin/lake-shim"
  # In the place of what was installed.
  run --from "$tmp/built"
  installed "$data"
  echo mine >"$tmp/x/mine" && cp "$tmp/x/mine" "$data/bin/lake-shim" && keep
  run --from "$tmp/built"
  refused 'is another `lake`'
  run --uninstall
  check exited 0
  check unchanged
}

test_killed_on_the_way() {
  # The record comes first, so that a failure leaves nothing unknown.
  run --from "$tmp/built"
  installed "$data"
  stub 0.2.0 >"$tmp/x/lake-shim" && chmod 755 "$tmp/x/lake-shim"
  cksum <"$tmp/x/lake-shim" >>"$data/bin/.lake-shim.placed"
  run --from "$tmp/x"
  installed "$data"
  run --uninstall
  check exited 0
  check gone "$data/bin"
}

test_github() {
  printf '/first' >path
  run GITHUB_PATH="$tmp/x/path" --from "$tmp/built"
  check holds path "/first
$data/bin"
  check said 'install elan in an earlier step'
  run GITHUB_PATH="$tmp/x/path" --from "$tmp/built"
  check holds path "/first
$data/bin"
  check not said 'install elan'
  echo /elan >>path
  run GITHUB_PATH="$tmp/x/path" --from "$tmp/built"
  check [ "$(tail -n 1 path)" = "$data/bin" ]
  run GITHUB_PATH="$tmp/x/new" --from "$tmp/built"
  check holds new "$data/bin"
}

test_options() {
  keep
  for option in --bogus word --prefix --from --prefix= -x; do
    run "$option"
    check exited 2
    check said "\`$option\`"
    check said 'usage: ./install.sh'
    check printed ''
  done
  run --prefix ''
  check exited 2
  run --help
  check exited 0
  check grep -q -e '--modify-path' "$tmp/out"
  check not grep -q '^#' "$tmp/out"
  check [ ! -s "$tmp/err" ]
  check unchanged
}

test_no_home() {
  keep && run HOME= --from "$tmp/built"
  refused '`HOME` is not set'
  run HOME= --from "$tmp/built" --prefix p --modify-path
  refused '`HOME` is not set'
  run HOME= --from "$tmp/built" --prefix p
  installed "$tmp/x/p"
  run HOME= --prefix p --uninstall
  check gone p
}

main
