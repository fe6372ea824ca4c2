#!/bin/sh
# What goes wrong around DPDK: devices and words that are none, no huge pages, a second process, a kill -9, and links that go
# down, lose their peer, and are deleted: told by name, frames counted by name, nothing left behind.
. "$(dirname "$0")/link.sh"
. "$(dirname "$0")/flow.sh"
lab_up
left='net_af_packet0,iface=left' right='net_af_packet1,iface=right'

# config: from left to right only, as link tests need it. engine_word: more in engine.
config() {
    cat <<END
engine: { cores: [1]${engine_word:+, eal: "$engine_word"} }
memory: { huge_pages: ${huge:-auto} }
ports:
  - { name: left, driver: dpdk, device: "$left" }
  - { name: right, driver: dpdk, device: "$right" }
paths:
  - { from: [left], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [left] }
END
}

left_files() { same "files that DPDK left" "$(ls /run/dpdk 2>/dev/null | wc -l)" 0; }

# refused CODE PATTERN: one line, with the exit code.
refused() {
    config >$dir/engine.yaml
    "$millrace" run -c $dir/engine.yaml --for 1s >$dir/out 2>$dir/err
    same "exit code" $? "$1"
    same "lines on standard error" "$(wc -l <$dir/err)" 1
    grep -q "$2" $dir/err && ok "told: $(cat $dir/err)" || fail "not told: $2"
    left_files
}

right=net_nonsense0 refused 3 'no PMD installed here takes this name'
right=net_af_packet1,iface=nope refused 3 'DPDK does not open "net_af_packet1,iface=nope": .*No such device'
right=net_af_packet1 refused 2 'port right: device: net_af_packet1 names no interface; write "net_af_packet1,iface='
right=net_af_packet1,iface refused 2 '"iface" of net_af_packet1 has no value'
right=net_memif0,socket=/nope/x refused 3 'to start: Failed to connect socket: /nope/x; nobody listens there: start .*role=server'
right=net_memif0,socket=/nope/x,socket-abstract=no refused 3 'Invalid socket directory; the directory of socket= does not exist'
right='net_af_packet0,iface=right' refused 2 "is port left's already"
engine_word=--nonsense refused 3 "unrecognized option '--nonsense'; look at engine.eal"
engine_word=-h refused 2 'prints and ends the process'
engine_word='--in-memory -m 4000000' refused 3 'EAL does not start: .*reserve huge pages'

# A process with the same prefix: neither shares anything.
engine_word=--file-prefix=same engine_start none
engine_word=--file-prefix=same huge=off config >$dir/second.yaml
sed -i 's/=left/=lo/; s/"net_af_packet1.*"/net_null0/' $dir/second.yaml
"$millrace" run -c $dir/second.yaml --for 300ms >/dev/null 2>&1
same "exit code of a second process with the same --file-prefix" $? 0
"$wire" frames a/a0 b/b0 2000 64 >$dir/wire
same "exit code of the verifying end" $? 0

kill -KILL $engine
wait $engine 2>/dev/null
left_files
engine_start none
"$wire" frames a/a0 b/b0 2000 64 >$dir/wire
same "after a kill -9 and a restart, exit code of the verifying end" $? 0

# A frame that left toward its device before it went down may be the device's loss.
lossy_start 900
ip link set right down
wait_event right down 1000
sleep 0.2
ip link set right up
wait_event right up 1000
lossy_wait
above "frames that died while right was down" "$(lost $dir/wire)" 0

lossy_start 900
nsenter --net=/run/netns/b ip link set b0 down
wait_event right no-carrier 1000
sleep 0.2
nsenter --net=/run/netns/b ip link set b0 up
wait_event right up 1000
lossy_wait

# Longer ones die by name, and hold up none of the others.
ip link set right mtu 576
wait_event right mtu 1000
"$wire" frames a/a0 b/b0 1000 64 60..500 >$dir/short
same "short frames behind a smaller MTU, lost or altered: exit code" $? 0
lossy_start 400 64 60..1400
lossy_wait
above "frames of 60 to 1400 bytes meanwhile, those that came" "$("$jsonget" $dir/wire received)" 100
ip link set right mtu 1500
sleep 0.2
"$wire" frames a/a0 b/b0 1000 64 1000..1400 >$dir/long
same "long frames with the MTU back, lost or altered: exit code" $? 0

lossy_start 600
ip link del right
wait_event right gone 1000
lossy_wait
engine_stop
event right down 'ip link set right up'
event right no-carrier 'no carrier'
event right gone 'was deleted.*cannot open it again'
for reason in mtu link_down no_carrier device_gone; do
    above "frames dropped as $reason" "$(drops $reason)" 0
done
same "state in the end" "$(report ports.right.state.now)" gone
home
left_files

# The peer goes away and stays: what the PMD had taken by then is lost in its ring, by name.
ip netns del b && end b b0 right 10.77.0.2
engine_start none
lossy_start 600 200
nsenter --net=/run/netns/b ip link set b0 down
lossy_wait
engine_stop
event right no-carrier 'no carrier'
named=$(($(all_drops) + $(outside left) + $(outside right)))
same "frames sent and not received with the peer gone down, beside $(report ports.right.outside)" "$(lost $dir/wire)" $named
home
left_files
