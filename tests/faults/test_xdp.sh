#!/bin/sh
# Faults of AF_XDP: somebody else's program (10), a second engine (12), kill -9 and an immediate restart (13), no chunks
# for the kernel (15, 16), and frames that are left to the kernel.
. "$(dirname "$0")/link.sh"
DRIVER=xdp
lab_up

programs() { ip -o -d link show "$1" | grep -c 'prog/xdp'; }

# refused PATTERN: an engine on the same devices ends with exit code 3 and says so.
refused() {
    "$millrace" run -c $dir/engine.yaml --json $dir/second >/dev/null 2>$dir/second.err
    same "exit code of an engine that may not" $? 3
    grep -q "$1" $dir/second.err && ok "told: $(cat $dir/second.err)" || fail "does not say '$1': $(cat $dir/second.err)"
}

# ---- a second engine; a first that is killed ----
engine_start none
same "programs on left" "$(programs left)" 1
cp $dir/engine.yaml $dir/first.yaml
refused 'left has an XDP program already: program [0-9]* (millrace)'
"$wire" frames a/a0 b/b0 5000 64 >$dir/wire
same "frames through the first meanwhile, lost or altered: exit code" $? 0
kill -KILL $engine
wait $engine
engine_start none
"$wire" frames a/a0 b/b0 5000 64 >$dir/wire
same "frames through an engine started at once after kill -9: exit code" $? 0
engine_stop
for device in left right; do same "programs left on $device" "$(programs $device)" 0; done

# ---- what is not taken goes on to the kernel ----
left_keys=', take: "ether 0x88b5, proto 200"'
ip address add 10.77.0.9/24 dev left
config none >$dir/engine.yaml
env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
engine=$!
for try in $(seq 100); do [ "$(programs left)" = 1 ] && break || sleep 0.02; done
sleep 0.2
check "ARP and ping are the kernel's, on a device whose port takes others" in_a ping -q -c 3 -i 0.05 -W 1 10.77.0.9
engine_stop
same "of them, received" "$(report ports.left.rx_frames)" 0
left_keys=', take: "arp"'
engine_never() { "$millrace" run -c $dir/engine.yaml 2>&1; }
config none | sed 's/"arp"/"arp, vlna 5"/' >$dir/engine.yaml
same "a word that is none: exit code" "$(engine_never >$dir/never; echo $?)" 2
grep -q 'take: " vlna 5" is none of' $dir/never && ok "told: $(cat $dir/never)" || fail "$(cat $dir/never)"

# ---- a ring full of frames when the device goes down: it sends again once it is up ----
cat >$dir/flood.yaml <<END
engine: { cores: [1] }
ports:
  - { name: in, driver: memory }
  - { name: right, driver: xdp, device: right }
paths:
  - { from: in, work: forward, to: right }
END
b_got() { in_b awk '$1 == "b0:" { print $3 }' /proc/net/dev; }
env --default-signal=INT "$millrace" run -c $dir/flood.yaml --json $dir/report >$dir/out 2>$dir/err &
engine=$!
sleep 0.5
above "frames flat out" "$(b_got)" 1000
ip link set right down
wait_event right down 1000
sleep 0.3
ip link set right up
wait_event right up 1000
sleep 0.3
before=$(b_got)
sleep 0.3
above "frames flat out, in 0.3 s, after down and up" $(($(b_got) - before)) 1000
engine_stop

# ---- what the kernel loses before the RX ring: each cause by its own counter, to the frame ----
# only DROPPED NO_CHUNK NO_ROOM: yes or no for each counter: all that the wire lost, or 0.
only() {
    gone=$(lost $dir/wire)
    above "sent by the wire and not received" "$gone" 0
    for counter in outside.rx_dropped events.rx_fill_ring_empty_descs outside.rx_ring_full; do
        want=0
        [ "$1" = no ] || want=$gone
        same "$counter" "$(report ports.left.$counter)" $want
        shift
    done
    same "rx_fill_ring_empty_descs is contained in" "$(report ports.left.outside_within.rx_fill_ring_empty_descs)" rx_dropped
    home
}

# stopped KEYS: the engine's process stands still while frames come.
stopped() {
    left_keys=", $1"
    engine_start none
    lossy_start 500 512
    kill -STOP $engine
    sleep 0.2
    kill -CONT $engine
    lossy_wait
    engine_stop
}
stopped "buffers: 16, rx_ring: 1024"
only yes yes no
stopped "buffers: 1024, rx_ring: 8"
only no no yes

left_keys=
in_a ip link set a0 mtu 3000
ip link set left mtu 3000
engine_start none
"$wire" frames a/a0 b/b0 64 64 2113..2600 >$dir/wire
same "exit code of the wire, when no frame fits a chunk" $? 1
engine_stop
only yes no no
