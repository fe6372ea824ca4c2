#!/bin/sh
# How a run ends: by one signal, by two, and when nothing happens; and no frame is lost from the books over it.
. "$(dirname "$0")/net.sh"
lab_up

flood() {
    nsenter --net=/run/netns/a "$wire" send a0 20000000 &
    load=$!
    sleep 0.5
}

flood_end() {
    kill $load
    wait $load 2>/dev/null
}

engine_start none
flood
engine_stop
flood_end
above "frames received under load" "$(report totals.rx_frames)" 1000

# Both signals are there when it looks: stopped while they are sent.
engine_start none
flood
kill -STOP $engine
kill -INT $engine
kill -TERM $engine
kill -CONT $engine
engine_wait 130
flood_end

engine_start none
sleep 0.3
begin=$(date +%s%N)
kill -INT $engine
wait $engine
code=$?
took_ms=$((($(date +%s%N) - begin) / 1000000))
same "exit code of the idle engine" $code 0
check "idle engine ended after $took_ms ms, within 100" [ $took_ms -lt 100 ]

engine_start none --for 1s
engine_wait 0
above "ms run with --for 1s" "$(report seconds | awk '{ printf "%d", $1 * 1000 }')" 990
