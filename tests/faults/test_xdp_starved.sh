#!/bin/sh
# Completions of AF_XDP that do not come: behind b0 the frames wait in a queue of the kernel's, and with them the chunks that they
# were sent from. The engine goes on, and when the queue moves again all of them arrive.
#
#     a0 ── [left] engine [right] ── b0 = bridge = hold ── sink
. "$(dirname "$0")/link.sh"
DRIVER=xdp
lab_up

WINDOW=512
in_b sh -c 'ip link add name hold type veth peer name sink && ip link add name bridge type bridge forward_delay 0 mcast_snooping 0 &&
    ip link set dev b0 master bridge && ip link set dev hold master bridge &&
    ip link set dev b0 type bridge_slave learning off && ip link set dev hold type bridge_slave learning off &&
    for d in sink hold bridge; do ip link set dev $d up; done' || fail "cannot make the bridge"

# hold_back RATE: of 8kbit, a frame of 60 bytes passes every 60 ms. let_go: all do, from the next on.
hold_back() { in_b tc qdisc replace dev hold root tbf rate $1 burst 200 limit 1000000 || fail "no tbf"; }
let_go() { in_b tc qdisc change dev hold root tbf rate 10gbit burst 100000 limit 1000000 || fail "no tbf"; }

# waiting: frames in the queue; more than some 200 the socket's send buffer has no room for, and they stay in the TX ring.
waiting() { in_b tc -s qdisc show dev hold | awk '/backlog/ { sub("p", "", $3); print $3 }'; }
wait_full() {
    for try in $(seq 1000); do
        [ "$(waiting)" -lt 150 ] || { ok "$(waiting) of a window of $WINDOW wait in the queue"; return; }
        sleep 0.01
    done
    fail "$(waiting) frames wait in the queue, not 150"
}

# ---- 20,000 numbered frames, of which the first hundreds are held back ----
engine_start none
check "frames come through the bridge" "$wire" knock a/a0 b/sink
hold_back 8kbit
"$wire" frames a/a0 b/sink 20000 $WINDOW 60..60 >$dir/wire &
frames=$!
wait_full
"$wire" frames b/sink a/a0 5000 64 >$dir/back
same "frames the other way meanwhile, lost or altered: exit code" $? 0
above "frames that wait all the time" "$(waiting)" 100
let_go
wait $frames
same "frames that were held back, lost, altered or out of order: exit code" $? 0
same "of them, received" "$(wire_says received)" 20000
engine_stop
check "no drops inside: $(report totals.drops)" [ "$(report totals.drops | tr -dc 1-9)" = "" ]
home

# ---- the end, while nothing moves: chunks stand under their owner, frames under a name ----
engine_start none
hold_back 80bit
lossy_start 1 $WINDOW 60..60
lossy_wait
wait_full
kill -INT $engine
engine_wait 1
same "the engine ended by" "$(report ended_by)" "drain gave up after 2 s without progress"
sending=$(report chunks.by_owner.sending)
above "chunks that were being sent when the cores stopped" "$sending" 300
same "frames counted as stopped" "$(report totals.drops.stopped)" "$sending"
home
