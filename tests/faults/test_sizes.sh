#!/bin/sh
# Frames of 0 to 65,535 bytes, bare and with eight tags, for each offload mode: what the kernel sends the engine receives,
# what a chunk holds comes out as it went in, and the rest is named too_long. A tagged frame of 18 bytes is the kernel's: it
# takes the tag out, finds less than two bytes behind it, and drops the frame before any socket, uncounted (Linux 6.18,
# skb_vlan_untag).
. "$(dirname "$0")/../pipeline/net.sh"
lab_up
for end in a0 b0; do
    nsenter --net=/run/netns/${end%0} ip link set $end mtu 65535 || fail "cannot raise the MTU of $end"
done
ip link set left mtu 65535 && ip link set right mtu 65535 || fail "cannot raise the MTU"

# sizes OFFLOAD TAGS LONGEST TOO_LONG: the longest frame that comes through, and how many are longer than a chunk holds.
sizes() {
    engine_start $1
    "$wire" sizes a/a0 b/b0 $2 >$dir/wire
    same "offload $1, $2 tags: exit code of the verifying end" $? 0
    engine_stop
    sent=$(($(wire_says sent) - ($2 != 0))) received=$(wire_says received)
    same "refused by the kernel: shorter than an Ethernet header" "$(wire_says refused)" 5
    same "the engine received all" "$(report totals.rx_frames)" $sent
    same "the longest that came through" "$(wire_says longest)" $3
    same "dropped as too_long" "$(report totals.drops.too_long)" $4
    same "received and dropped" $((received + $4)) $sent
    same "frames sent" "$(report totals.tx_frames)" $received
}

# The outer tag comes beside the frame, and goes back into its headroom: 4 bytes more than a chunk's room come through.
sizes none 0 2112 19
sizes checksum 0 2112 19
sizes super 0 65531 4
sizes none 8 2116 16
sizes checksum 8 2116 16
sizes super 8 65535 0
