#!/bin/sh
# Chunks run out: a pool that could starve is refused before it starts; when a work function empties one, the chunks that are
# posted or under way go round, and frames go on: nothing is lost inside, and next to nothing in the socket.
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
work=hoard
guest_with "memory: { chunks: 16384 }"
flow_start 120000 30
sleep 1.4
fault_begins
sleep 0.6
fault_over
flow_wait
engine_stop
above "chunks taken" "$(stage work:0.0 works.0.counters.hoarded)" 10000
above "of 120000 frames, those received" "$("$jsonget" $dir/wire received)" 114000
same "drops inside" "$(all_drops)" 0
balance
recovered
