#!/bin/sh
# One core stands still: its own path loses in its socket, by the kernel's name; another core's path loses nothing. What
# never comes back is told while it is so, and does not keep the engine from ending.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
guest=$4
lab_up

MISCHIEF_AFTER=20000 MISCHIEF_MS=1500
export MISCHIEF_AFTER MISCHIEF_MS
work=stall socket_bytes=64KiB

# stalled LAYOUT CORES: path 0 stalls, path 1 carries numbered frames the other way meanwhile.
stalled() {
    guest_with "engine: { layout: $1, cores: [$2] }"
    flow_start 180000 30
    sleep 0.9
    fault_begins
    "$wire" frames b/b0 a/a0 20000 16 60..1514 >$dir/back
    same "$1: exit code of the other way" $? 0

    fault_over
    flow_wait
    engine_stop
    above "$1: frames that waited too long in the socket" "$(report ports.left.outside.tp_drops)" 1000
    check "$1: told: $(cat $dir/err)" grep -q 'work:0.0: stuck: core [01] (CPU 1) did not come back from work:0.0: stall for 1 s' $dir/err
    balance
    recovered
}
stalled run-to-completion "1, 1"
stalled pipeline "1, 1, 1, 1, 1, 1"

# For ever: the end comes all the same, and says where.
MISCHIEF_MS=0
guest_with "engine: { cores: [1, 1] }"
flow_start 60000 30
flow_wait
begin=$(date +%s)
kill -INT $engine
engine_wait 1
check "ended $(($(date +%s) - begin)) s after it was asked, within 8" [ $(($(date +%s) - begin)) -le 8 ]
check "ended by: $(report ended_by)" [ "$(report ended_by)" = "core 0 (CPU 1) did not come back from work:0.0: stall" ]
above "frames counted as stopped" "$(report totals.drops.stopped)" 0
