#!/bin/sh
# sizes.sh ROOT: what a reader holds in one head: sources of at most 400 lines, headers of 300, lines of 140 characters.
cd "$1" || exit 1
export LC_ALL=C.UTF-8
files=$(find apps include lib perf tests -name '*.[ch]' | sort)
long=$(wc -l $files | awk '$2 != "total" && $1 > ($2 ~ /h$/ ? 300 : 400) { print $2 ": " $1 " lines" }')
wide=$(grep -nE '^.{141}' $files | cut -c 1-100)
[ -z "$long$wide" ] || { printf '%s\n' "$long" "$wide"; exit 1; }
echo "$(echo "$files" | wc -l) files, none too long or too wide"
