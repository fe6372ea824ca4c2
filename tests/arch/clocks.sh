#!/bin/sh
# clocks.sh ROOT: the engine knows CLOCK_MONOTONIC and the TSC. A clock that somebody can step stands only where a capture's
# records want the time of day.
cd "$1" || exit 2
stepped='CLOCK_REALTIME|CLOCK_TAI|gettimeofday|[^_a-z]time\((NULL|0|&)|localtime|timespec_get'

# users DIR…: places that use one.
users() { grep -rnE "$stepped" --include='*.[ch]' "$@" | grep -v '^lib/port/capture_write\.c:'; }

found=$(users include lib apps)
[ -z "$found" ] || { echo "$found"; echo "a clock that can be stepped"; exit 1; }
grep -q CLOCK_REALTIME lib/port/capture_write.c || { echo "the exception is not needed any more"; exit 1; }

# It can fail: a file that steps is found.
trap 'rm -rf "$dir"' EXIT
dir=$(mktemp -d) && echo 'clock_gettime(CLOCK_REALTIME, &t);' >"$dir/stepped.c"
[ -n "$(users "$dir")" ]
