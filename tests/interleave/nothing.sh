#!/bin/sh
# nothing.sh ROOT CC: MR_POINT is nothing where MR_INTERLEAVE is not defined: the machine code is the same when its lines are empty.
root=$1
cc=$2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
(cd "$root" && find include lib -name '*.[ch]' | tar cf - -T -) | tar xf - -C "$dir" || exit 2
cd "$dir" || exit 2
bad=0

code() {
    $cc -std=gnu17 -D_GNU_SOURCE -O3 -fno-strict-aliasing -I include -I . -c "$1" -o object.o && objdump -d object.o
}

for file in lib/core/pool.c lib/engine/stage_rx.c lib/engine/stage_work.c lib/engine/stage_tx.c; do
    code $file >with.$(basename $file) || bad=1
done
sed -i 's/^ *MR_POINT.*//' include/millrace/*.h lib/core/*.c
if grep -rlq 'MR_POINT(' include/millrace/ring.h include/millrace/pool.h lib/core; then echo "points are left"; bad=1; fi
for file in lib/core/pool.c lib/engine/stage_rx.c lib/engine/stage_work.c lib/engine/stage_tx.c; do
    if code $file >without && cmp -s without with.$(basename $file); then
        echo "$file: same code, $(wc -l <without) lines"
    else
        echo "$file: the points are not nothing"
        bad=1
    fi
done
exit $bad
