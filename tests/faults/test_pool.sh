#!/bin/sh
# Chunks run out: a pool that could starve is refused before it starts; one that a work function empties makes the
# receiver pause, loses nothing inside, and goes on when chunks are back.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
guest=$4
lab_up

config none | sed '$amemory: { chunks: 64 }' >$dir/engine.yaml
"$millrace" run -c $dir/engine.yaml >$dir/out 2>$dir/err
same "exit code of a pool of 64 chunks" $? 2
check "told with the number that is needed: $(cat $dir/err)" grep -q 'memory.chunks: 64 are too few, at least [0-9]* are needed' $dir/err

MISCHIEF_AFTER=20000 MISCHIEF_MS=1000
export MISCHIEF_AFTER MISCHIEF_MS
work=hoard socket_bytes=64KiB
guest_with "memory: { chunks: 16384 }"
flow_start 120000 30
sleep 1.4
fault_begins
sleep 0.6
fault_over
flow_wait
engine_stop
above "chunks taken" "$(stage work:0.0 works.0.counters.hoarded)" 10000
above "frames that waited too long in the socket" "$(outside left)" 1000
same "drops inside" "$(all_drops)" 0
balance
recovered
