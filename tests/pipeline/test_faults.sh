#!/bin/sh
# What a port without offloads cannot carry dies under its own name, and the name says what to do.
. "$(dirname "$0")/net.sh"
lab_up

engine_start none
tcp 1000000 2 && fail "TCP with partial checksums passed a port with offload: none"
engine_stop
above "drops of partial_checksum" "$(report totals.drops.partial_checksum)" 0
check "told while it ran, with the fix" grep -q 's: left: partial_checksum: .*set offload: checksum or super' $dir/err
same "the first event" "$(report events.0.what)" partial_checksum

engine_start checksum
tcp 10000000 2
engine_stop
above "drops of super_frame" "$(report totals.drops.super_frame)" 0
