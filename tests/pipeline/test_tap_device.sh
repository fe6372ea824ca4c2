#!/bin/sh
# The tap driver: TCP of the host's stack through it with each offload; a device that is down, deleted, full; names that are
# taken; an engine that is killed.
#
#     the engine's namespace: stack ── [tap0] engine [right] ── [b0 10.77.0.2] namespace b
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
lab_up
mid_up

# two_way OFFLOAD [KEYS]: tap0 and right into each other.
two_way() {
    cat <<END_OF_CONFIG
engine: { cores: [1] }
ports:
  - { name: stack, driver: tap, device: tap0, offload: $1${2:-} }
  - { name: right, driver: uring, device: right, offload: $1 }
paths:
  - { from: [stack], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [stack] }
END_OF_CONFIG
}

launch() {
    two_way "$@" >$dir/engine.yaml
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
    engine=$!
    check "frames come through, offload $1${2:-}" "$wire" knock mid/tap0 b/b0
}

# told CODE PATTERN TEXT COMMAND…: refused in one line.
told() {
    want=$1 pattern=$2 text=$3
    shift 3
    "$@" >$dir/out 2>$dir/err
    same "$text: exit code" $? $want
    same "$text: lines" "$(wc -l <$dir/err)" 1
    grep -q -e "$pattern" $dir/err && ok "$text: $(cat $dir/err)" || fail "$text: no '$pattern' in the message"
}

is_gone() { ! ip link show $1 >/dev/null 2>&1; }

# from_b BYTES: TCP the other way.
from_b() {
    "$wire" tcp-serve 5001 &
    server=$!
    for try in $(seq 100); do
        grep -q ':1389 00000000:0000 0A' /proc/net/tcp && break
        sleep 0.02
    done
    in_b timeout 30 "$wire" tcp-send 10.77.0.1 5001 "$1" >$dir/wire 2>$dir/wire.err
    sent=$?
    kill $server 2>/dev/null
    wait $server 2>/dev/null
    return $sent
}

# ---- TCP, between the stack and b ----
for offload in super checksum none; do
    [ $offload = super ] || in_b ethtool -K b0 tso off gso off >/dev/null
    [ $offload != none ] || in_b ethtool -K b0 tx off >/dev/null
    for by in uring calls; do
        launch $offload ", by: $by"
        ip address add 10.77.0.1/24 dev tap0
        in_a() { "$@"; } # the sending end is the engine's own namespace
        check "100 MB by TCP" tcp 100000000
        same "hash of the 100 MB equal on both sides" "$(wire_says hash_equal)" true
        check "100 MB the other way" from_b 100000000
        same "its hash equal on both sides" "$(wire_says hash_equal)" true
        engine_stop
        check "tap0 is gone with its engine" is_gone tap0
        mean=$(($(report ports.stack.rx_bytes) / $(report ports.stack.rx_frames)))
        [ $offload = super ] || check "bytes per frame are $mean, a segment at most" [ $mean -le 1514 ]
        [ $offload != super ] || above "bytes per frame" $mean 1514
    done
done

# ---- what it is refused ----
two_way none >$dir/engine.yaml
told 3 'CAP_NET_ADMIN' 'no privilege' setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$millrace" run -c $dir/engine.yaml --for 1s
two_way none | sed 's/tap0/left/' >$dir/engine.yaml
told 3 'left.*exists' 'a name that a veth has' "$millrace" run -c $dir/engine.yaml --for 1s
two_way none | sed 's/tap0/a-name-of-16-char/' >$dir/engine.yaml
told 2 '15 characters' 'a name too long' "$millrace" run -c $dir/engine.yaml --for 1s
two_way none ', mtu: 9000' >$dir/engine.yaml
told 2 'mtu: 9000.*memory.chunk_bytes' 'longer frames than a chunk holds' "$millrace" run -c $dir/engine.yaml --for 1s
launch none ', queues: 2'
told 3 'tap0.*exists' 'a second engine on its queues' "$millrace" run -c $dir/engine.yaml --for 1s
engine_stop

# ---- killed, and started again ----
launch none
kill -KILL $engine
wait $engine 2>/dev/null
launch none
engine_stop

# ---- down, and up; full ----
launch none ', mtu: 1400'
same "its MTU" "$(ip link show tap0 | sed -n 's/.* mtu \([0-9]*\) .*/\1/p')" 1400
same "its addresses" "$(ip -o address show tap0 | wc -l)" 0
ip link set tap0 down
in_b "$wire" send b0 200
sleep 0.1
ip link set tap0 up
check "up again, frames come through" "$wire" knock mid/tap0 b/b0
"$wire" frames b/b0 mid/tap0 2000 32 >$dir/wire
same "the other way, lost: exit code" $? 0
kill -STOP $engine
"$wire" send tap0 3000
kill -CONT $engine
check "what it had room for is through" "$wire" knock mid/tap0 b/b0
"$wire" frames mid/tap0 b/b0 2000 32 >$dir/wire
same "with its queue empty again, lost: exit code" $? 0
dropped=$(ip -s link show tap0 | awk '/TX:/ { getline; print $4 }')
above "frames that its queue had no room for" $dropped 1000
engine_stop
above "frames dropped as link_down" "$(report totals.drops.link_down)" 199
same "tx_dropped, of the outside" "$(report ports.stack.outside.tx_dropped)" $dropped

# ---- deleted, and made anew ----
launch none ', reopen: yes'
ip link del tap0
for try in $(seq 400); do is_gone tap0 || break; sleep 0.01; done
check "made anew, frames come through" "$wire" knock mid/tap0 b/b0
"$wire" frames b/b0 mid/tap0 2000 32 >$dir/wire
same "the other way, lost: exit code" $? 0
engine_stop
for state in gone recreated; do
    grep -q "s: stack: $state: " $dir/err && ok "told: $(grep -m1 "s: stack: $state: " $dir/err)" || fail "stack is not told to be $state"
done
