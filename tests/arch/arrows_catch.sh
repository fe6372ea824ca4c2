#!/bin/sh
# arrows_catch.sh ROOT: plants one forbidden include at a time in a copy and demands that arrows.sh names it.
here=$(dirname "$0")
copy=$(mktemp -d) || exit 2
trap 'rm -rf "$copy"' EXIT
(cd "$1" && find include lib apps perf tests -name '*.[ch]' | tar cf - -T -) | tar xf - -C "$copy" || exit 2
missed=0

plant() {
    mkdir -p "$copy/$(dirname "$1")"
    printf '%s\n' "$2" >"$copy/$1"
    if sh "$here/arrows.sh" "$copy" | grep -q "^$1[ :]"; then
        echo "caught: $1: $2"
    else
        echo "MISSED: $1: $2"
        missed=1
    fi
    rm "$copy/$1"
}

plant lib/core/planted.c '#include <unistd.h>'
plant lib/core/planted.c '#include "lib/sys/clock.h"'
plant lib/sys/planted.c '#include <millrace/ring.h>'
plant lib/traffic/planted.c '#include <time.h>'
plant lib/port/mmap.c '#include "lib/port/uring.h"'
plant lib/port/planted.c '#include "lib/engine/plan.h"'
plant lib/port/planted.c '#include <liburing.h>'
plant lib/work/planted.c '#include "lib/sys/clock.h"'
plant lib/engine/planted.c '#  include <rte_ring.h>'
plant lib/engine/planted.c '#include "lib/traffic/source.h"'
plant apps/minimal/planted.c '#include "lib/port/port.h"'
plant apps/millrace/planted.c '#include "lib/engine/stage.h"'
plant lib/newroom/planted.c '#include <stdio.h>'
plant lib/engine/planted.c '#if MR_HAVE_URING'
exit $missed
