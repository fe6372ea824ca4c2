#!/bin/sh
# DPDK's PMDs between two namespaces: each receives, sends, and meets io_uring on the other side; balances hold all the time.
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
lab_up
mid_up

# dpdk_start DRIVER DEVICE DRIVER DEVICE [ENGINE [KEYS]]: l2 between the two. Ready when its cores run; AF_XDP has no socket
# in the list of packet sockets.
dpdk_start() {
    cat >$dir/engine.yaml <<END
engine: { cores: [${5:-1}] }
memory: { huge_pages: auto }
ports:
  - { name: left, driver: $1, device: "$2"${6:-} }
  - { name: right, driver: $3, device: "$4"${6:-} }
paths:
  - { from: [left, right], work: [l2], to: [left, right] }
END
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report --check 50ms >$dir/out 2>$dir/err &
    engine=$!
    for try in $(seq 250); do
        grep -q mr-core /proc/$engine/task/*/comm 2>/dev/null && break
        kill -0 $engine 2>/dev/null || fail "the engine ended at once"
        sleep 0.02
    done
    sleep 0.1
}

# dpdk_stop: nothing lost, each balance held, all chunks home, no run-time file.
dpdk_stop() {
    engine_stop
    same "balances that did not hold" "$(report checks.failed)" 0
    above "balances taken" "$(report checks.made)" 2
    same "chunks home after close" "$(report chunks.home_after_close)" "$(report chunks.total)"
    same "files that DPDK left" "$(ls /run/dpdk 2>/dev/null | wc -l)" 0
}

# both_ways TEXT FRAMES [SIZES]: numbered frames, 64 outstanding, from a to b and from b to a.
both_ways() {
    "$wire" frames a/a0 b/b0 "$2" 64 "${3:-60..1514}" >$dir/wire
    same "$1, a to b: exit code of the verifying end" $? 0
    "$wire" frames b/b0 a/a0 "$2" 64 "${3:-60..1514}" >$dir/wire
    same "$1, b to a: exit code of the verifying end" $? 0
}

dpdk_start dpdk net_af_packet0,iface=left dpdk net_af_packet1,iface=right
both_ways af_packet 20000
dpdk_stop

dpdk_start dpdk net_af_packet0,iface=left uring right "1, 1"
both_ways "af_packet and uring on two threads of a CPU" 20000
dpdk_stop

dpdk_start dpdk net_af_packet0,iface=left,qpairs=2 dpdk net_af_packet1,iface=right,qpairs=2 "1, 1" ", queues: 2"
both_ways "two queues on two threads of a CPU" 20000
dpdk_stop

dpdk_start dpdk net_af_xdp0,iface=left dpdk net_af_xdp1,iface=right
both_ways af_xdp 20000
dpdk_stop
above "chunks that the devices held" $(($(report chunks.by_owner.receiving) + $(report chunks.by_owner.sending))) 2000
same "bytes on standard error" "$(wc -c <$dir/err)" 0

dpdk_start dpdk net_pcap0,iface=left uring right
both_ways "pcap and uring" 5000
dpdk_stop

# Jumbo frames: net_pcap hands over in several buffers what is longer than a small chunk.
ip link set left mtu 9000 && ip link set right mtu 9000 && in_a ip link set a0 mtu 9000 && in_b ip link set b0 mtu 9000 || fail "no MTU of 9000"
dpdk_start dpdk net_pcap0,iface=left dpdk net_pcap1,iface=right 1 ", long_frames: yes"
both_ways "long frames" 500 2200..9014
dpdk_stop
same "frames that were gathered" "$(report ports.left.events.gathered)" 500

dpdk_start dpdk net_pcap0,iface=left dpdk net_pcap1,iface=right
both_ways "short frames with no big chunk" 200
"$wire" frames a/a0 b/b0 8 8 4000..4000 >$dir/wire
same "long frames with no big chunk: those that came" "$(wire_says received)" 0
dpdk_stop
same "they died as chain" "$(report totals.drops.chain)" 8

# net_tap is another of those once it is asked to scatter, and else counts itself what its one buffer does not hold.
tap_start() {
    dpdk_start dpdk net_tap0,iface=t0 dpdk net_pcap1,iface=right 1 "$1"
    ip link set t0 mtu 9000 || fail "no MTU of 9000"
}
tap_start ", long_frames: yes"
"$wire" frames mid/t0 b/b0 500 64 2200..9014 >$dir/wire
same "long frames from a tap: exit code of the verifying end" $? 0
dpdk_stop
same "frames from a tap that were gathered" "$(report ports.left.events.gathered)" 500

tap_start
"$wire" frames mid/t0 b/b0 8 8 4000..4000 >$dir/wire
same "long frames from a tap that does not scatter: those that came" "$(wire_says received)" 0
"$wire" frames mid/t0 b/b0 200 64 60..1514 >$dir/wire
same "short ones behind them: exit code of the verifying end" $? 0
dpdk_stop
same "they died as ierrors" "$(report ports.left.outside.ierrors)" 8

# Frames that wait in a queueing discipline are the kernel's: the PMD's ring still shows them, and none is lost.
cat >$dir/engine.yaml <<END
engine: { cores: [1] }
memory: { huge_pages: off }
ports:
  - { name: made, driver: memory, frames: 200, rate: 20000 }
  - { name: left, driver: dpdk, device: "net_af_packet0,iface=left,qdisc_bypass=0" }
paths:
  - { from: [made], work: [forward], to: [left] }
END
a_got() { in_a awk '$1 == "a0:" { print $3 }' /proc/net/dev; }
slow() { tc qdisc "$1" dev left root tbf rate "$2" burst 1600 limit 1000000 || fail "no queueing discipline"; }
a_got_before=$(a_got)
slow add 8kbit
"$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err
engine_ended=$?
above "frames that wait in the queue" "$(tc -s qdisc show dev left | sed -n 's/.*backlog [^ ]* \([0-9]*\)p.*/\1/p')" 50
same "exit code of the engine" $engine_ended 0
same "frames sent" "$(report ports.left.tx_frames)" 200
same "frames left in the ring of the PMD" "$(report ports.left.outside.left_in_tx_ring)" 0
slow change 100mbit
for try in $(seq 200); do
    [ $(($(a_got) - a_got_before)) -lt 200 ] || break
    sleep 0.05
done
same "frames that came from the queue" $(($(a_got) - a_got_before)) 200
