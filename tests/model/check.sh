#!/bin/bash
# check.sh MODEL: what the head of the model says. Lines `true …` are searched exhaustively and must be free of errors;
# of each `fault NAME what` a broken twin is made, in which an error must be found. Prints states and what was found.
set -u
command -v spin >/dev/null || { echo "skipped: spin is not installed"; exit 77; }
model=$(realpath "$1")
name=$(basename "$model" .pml)
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
export model dir

# search NAME DEFINE…: into $dir/NAME/found. A depth or memory that did not suffice counts as an error.
search() {
    local at=$dir/$1
    shift
    mkdir -p "$at" && cd "$at" || exit 2
    { spin -a "$@" "$model" && ${CC:-cc} -w -O1 -DSAFETY -DMEMLIM=3000 -o pan pan.c && timeout 60 ./pan -m1500000 -w20 || echo "errors: search cut short"; } >found 2>&1
    grep -q 'max search depth too small\|out of memory' found && echo 'errors: search cut short' >>found
    rm -f pan pan.[chtmbp]
}
export -f search

# kind FILE: an error as a reader wants it.
kind() {
    sed -nE 's/^pan:1: (.*) \(at depth ([0-9]+)\)/\1, depth \2/p' "$1" | head -n 1
}

runs() {
    sed -nE "/^ \*\//q; s/^ \* +$1 +//p" "$model"
}

jobs() {
    local what
    runs true | while read -r what; do
        echo "true-${what// /-}" $(printf -- '-D%s ' $what)
    done
    runs fault | while read -r what _; do
        echo "fault-$what -DFAULT_$what"
    done
}

jobs | xargs -P 2 -L 1 bash -c 'search "$@"' _
cd "$dir" || exit 2
bad=0
while read -r what; do
    found=$dir/true-${what// /-}/found
    if grep -q 'errors: 0' "$found" && ! grep -q 'cut short' "$found"; then
        echo "$name $what: $(awk '/states, stored/ { print $1 }' "$found") states, no error"
    else
        echo "$name $what: FAILED"
        tail -n 20 "$found"
        bad=1
    fi
done < <(runs true)
while read -r what text; do
    found=$dir/fault-$what/found
    if ! grep -q "FAULT_$what\>" "$model"; then
        echo "$name $what: the model has no such fault"
        bad=1
    elif [ -n "$(kind "$found")" ] && ! grep -q 'cut short' "$found"; then
        echo "$name caught $what ($text): $(kind "$found")"
    else
        echo "$name LIVED $what ($text)"
        tail -n 20 "$found"
        bad=1
    fi
done < <(runs fault)
[ -n "$(runs true)" ] && [ -n "$(runs fault)" ] || { echo "$name: the head names no runs"; bad=1; }
exit $bad
