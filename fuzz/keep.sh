#!/usr/bin/env bash
# Takes what of fuzz/work finds most into fuzz/corpus, which the unit tests run through on stable: of each target the
# files that reach the most edges together, up to 32, short ones first. What lies there under a name of its own, and
# not under a hash, was put there by a person and stays.
#
#   fuzz/keep.sh [TARGET…]      after fuzz/run.sh
set -euo pipefail
cd "$(dirname "$0")"

most=32
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cd corpus && printf '%s\n' *)
programs=$(echo target/*/release)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export ASAN_OPTIONS=detect_leaks=0 TMPDIR=$dir

for target in "${targets[@]}"; do
  rm -rf "$dir/out" "$dir/control"
  mkdir -p "$dir/out" "work/$target"
  "$programs/$target" -merge=1 -use_counters=0 -max_len=1024 -merge_control_file="$dir/control" "$dir/out" \
    "corpus/$target" "work/$target" >"$dir/log" 2>&1
  # The control file: how many files, how many of them are in the first directory, their names, and
  # for each the edges it reaches.
  awk -v most="$most" '
    NR == 1 { files = $1; next }
    NR == 2 { next }
    NR <= files + 2 { name[NR - 3] = $0; next }
    $1 == "STARTED" { size[$2] = $3 }
    $1 == "FT" { edges[$2] = $0 }
    END {
      while (kept < most) {
        best = -1; gain = 0
        for (file in edges) {
          n = split(edges[file], edge, " "); new = 0
          for (i = 3; i <= n; i++) new += !(edge[i] in seen)
          if (new > gain || (new == gain && best >= 0 && size[file] < size[best])) { best = file; gain = new }
        }
        if (gain == 0) exit
        n = split(edges[best], edge, " ")
        for (i = 3; i <= n; i++) seen[edge[i]] = 1
        print name[best]
        delete edges[best]; kept++
      }
    }' "$dir/control" >"$dir/kept"
  while read -r file; do cp "$file" "$dir/out.$(sha1sum <"$file" | cut -c1-16)"; done <"$dir/kept"
  find "corpus/$target" -type f -regextype posix-extended -regex '.*/[0-9a-f]{16}' -delete
  for file in "$dir"/out.*; do mv "$file" "corpus/$target/${file##*.}"; done
  echo "$target: $(find "corpus/$target" -type f | wc -l) files, $(du -sb "corpus/$target" | cut -f1) bytes"
done
