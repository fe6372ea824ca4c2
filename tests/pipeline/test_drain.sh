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

# Closing a packet socket waits for a grace period of RCU, some 20 ms each, and a port of the other drivers has two. The
# best of three counts: one alone says what the machine's other guests did.
limit_ms=$([ "${DRIVER:-uring}" = uring ] && echo 100 || echo 250)
best_ms=1000000
for try in 1 2 3; do
    engine_start none
    sleep 0.3
    begin=$(date +%s%N)
    kill -INT $engine
    wait $engine
    code=$?
    took_ms=$((($(date +%s%N) - begin) / 1000000))
    same "exit code of the idle engine" $code 0
    [ $took_ms -ge $best_ms ] || best_ms=$took_ms
    [ $best_ms -ge $limit_ms ] || break
done
check "idle engine ended after $best_ms ms, within $limit_ms" [ $best_ms -lt $limit_ms ]

engine_start none --for 1s
engine_wait 0
above "ms run with --for 1s" "$(report seconds | awk '{ printf "%d", $1 * 1000 }')" 990
