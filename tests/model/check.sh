#!/bin/bash
# check.sh MODEL [night]: what the head of the model says. Lines `true …` are searched exhaustively and must be free of
# errors; `live …` must end in every fair run. Of each `fault NAME what` a broken twin is made in which an error must be
# found, and a fair run without end in the twins of `lives NAME what`. `night …` and `nightfault …` are more of the same
# that take minutes and gigabytes. Prints how many states there are, and what was found.
set -u
command -v spin >/dev/null || { echo "skipped: spin is not installed"; exit 77; }
model=$(realpath "$1")
name=$(basename "$model" .pml)
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
export model dir

# search KIND NAME DEFINE…: into $dir/KIND-NAME/found. A depth, memory or time that did not suffice counts as an error.
search() {
    local at=$dir/$1-$2 how="-O0 -DSAFETY" run="" limit=400
    case $1 in
    true) how="-O2 -DSAFETY" ;;
    night*) how="-O2 -DSAFETY -DCOLLAPSE" limit=2000 ;;
    live*) how="-O2 -DNFAIR=3" run="-a -f" ;;
    esac
    shift 2
    mkdir -p "$at" && cd "$at" || exit 2
    { spin -a "$@" "$model" && ${CC:-cc} -w $how -DMEMLIM=3000 -o pan pan.c &&
        timeout $limit ./pan -m1500000 -w20 $run || echo 'search cut short'; } >found 2>&1
    grep -q 'max search depth too small\|out of memory' found && echo 'search cut short' >>found
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

good="true live" bad_ones="fault lives"
[ "${2:-}" != night ] || good="true live night" bad_ones="fault lives nightfault"

jobs() {
    local what kind
    for kind in $good; do
        runs $kind | while read -r what; do
            echo "$kind ${what// /-} $(printf -- '-D%s ' $what) $([ $kind != live ] || echo -DLIVE)"
        done
    done
    for kind in $bad_ones; do
        runs $kind | while read -r what _; do
            echo "$kind $what -DFAULT_$what $([ $kind != lives ] || echo -DLIVE)"
        done
    done
}

jobs | sed 's/ *$//' | xargs -P 2 -L 1 bash -c 'search "$@"' _
cd "$dir" || exit 2
bad=0
for how in $good; do
    while read -r what; do
        found=$dir/$how-${what// /-}/found
        if grep -q 'errors: 0' "$found" && ! grep -q 'cut short' "$found"; then
            echo "$name $how $what: $(awk '/states, stored/ { print $1 }' "$found") states, no error"
        else
            echo "$name $how $what: FAILED"
            tail -n 20 "$found"
            bad=1
        fi
    done < <(runs $how)
done
for how in $bad_ones; do
    while read -r what text; do
        found=$dir/$how-$what/found
        if ! cat "${model%.pml}"* | grep -q "FAULT_$what\>"; then
            echo "$name $what: the model has no such fault"
            bad=1
        elif [ -n "$(kind "$found")" ] && ! grep -q 'cut short' "$found"; then
            echo "$name caught $what ($text): $(kind "$found")"
        else
            echo "$name LIVED $what ($text)"
            tail -n 20 "$found"
            bad=1
        fi
    done < <(runs $how)
done
[ -n "$(runs true)" ] && [ -n "$(runs fault)" ] || { echo "$name: the head names no runs"; bad=1; }
exit $bad
