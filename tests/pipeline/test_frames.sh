#!/bin/sh
# A million numbered frames of mixed sizes (or $FRAMES), 64 outstanding: none lost, reordered within its flow, or altered.
. "$(dirname "$0")/net.sh"
lab_up
frames=${FRAMES:-1000000}
engine_start none
"$wire" frames a/a0 b/b0 $frames 64 60..1514 >$dir/wire
same "exit code of the verifying end" $? 0
same "frames received" "$(wire_says received)" $frames
engine_stop
