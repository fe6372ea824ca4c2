#!/bin/sh
# Capture taps over real devices: what a port's tap holds is what the wire's ends counted; dead frames with their reason;
# a disk that fills up ends the tap and nothing else.
. "$(dirname "$0")/../pipeline/net.sh"
lab_up

# frames FILE [FILTER]: how many it holds, by tcpdump.
frames() { tcpdump --count -nr "$@" 2>/dev/null | cut -d" " -f1; }

# tapped TAP…: an engine with these taps.
plain=$(config none)
config() { printf '%s\ntap:\n%s\n' "$plain" "$taps"; }
tapped() {
    taps=$(printf '  - { %s }\n' "$@")
    engine_start none
}

tapped "where: left.rx, to: $dir/rx.pcapng, filter: ether proto 0x88b5" "where: right.tx, to: $dir/tx.pcap, snap: 40" \
    "where: drops, to: $dir/drops.pcapng"
"$wire" frames a/a0 b/b0 5000 32 60..1514 >$dir/wire
same "exit code of the verifying end" $? 0
engine_stop
same "frames at left.rx, by tcpdump" "$(frames $dir/rx.pcapng)" "$(wire_says received)"
same "frames at right.tx, by tcpdump" "$(frames $dir/tx.pcap 'ether proto 0x88b5')" "$(wire_says received)"
same "matched" "$(report taps.0.matched)" 5000
same "written" "$(report taps.0.written)" 5000
same "capture_lost" "$(report taps.0.capture_lost)" 0
same "taken in by the port and seen by the tap" "$(report taps.1.seen)" "$(report ports.right.tx_frames)"
same "dead" "$(frames $dir/drops.pcapng)" 0

# Sent, and refused by the kernel when the send completes: the bytes are still those of the frame.
ip link set right mtu 600
in_a ping -q -c 1 -W 1 10.77.0.2 >/dev/null
tapped "where: drops, to: $dir/drops.pcapng"
in_a ping -q -c 3 -i 0.05 -W 1 -s 1200 10.77.0.2 >/dev/null
engine_stop
ip link set right mtu 1500
same "drops of mtu" "$(report totals.drops.mtu)" 3
same "dead, by tcpdump" "$(frames $dir/drops.pcapng 'icmp[icmptype] == icmp-echo and greater 1242 and dst host 10.77.0.2')" 3
same "dead with reason and place" "$(grep -ao 'mtu at tx:right.0, uring_tx.c:[1-9][0-9]*' $dir/drops.pcapng | wc -l)" 3

# The disk is full after a megabyte.
mkdir $dir/disk && mount -t tmpfs -o size=1m disk $dir/disk
tapped "where: left.rx, to: $dir/disk/full.pcap"
"$wire" frames a/a0 b/b0 5000 32 1514..1514 >$dir/wire
same "exit code of the verifying end" $? 0
kill -INT $engine
engine_wait 1
same "frames that came through" "$(wire_says received)" 5000
same "told once" "$(grep -c "tap left.rx: tap_ended: .*$dir/disk/full.pcap.*No space left on device" $dir/err)" 1
same "lines of standard error" "$(wc -l <$dir/err)" 1
same "matched, and written or lost" "$(report taps.0.matched)" \
    $(($(report taps.0.written) + $(report taps.0.capture_lost)))
above "lost to the tap" "$(report taps.0.capture_lost)" 1000
same "whole frames in the file" "$(frames $dir/disk/full.pcap)" "$(report taps.0.written)"
