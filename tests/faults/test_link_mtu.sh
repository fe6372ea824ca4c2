#!/bin/sh
# Fault 7: our own MTU shrinks under 1000-byte frames: each dies as mtu. Fault 8: the peer's does: the device refuses them,
# which is all that can be seen from here. Fault 42: so a refusal of a device that has a carrier is tx_refused.
. "$(dirname "$0")/link.sh"
lab_up
engine_start none
lossy_start 1200 32 1000..1000
ip link set right mtu 576
wait_event right mtu 1000
sleep 0.3
ip link set right mtu 1500
lossy_wait
rate_is_back
cp $dir/wire $dir/wire.own
lossy_start 1200 32 1000..1000
in_b ip link set b0 mtu 576
sleep 0.4
in_b ip link set b0 mtu 1500
lossy_wait
rate_is_back
engine_stop
event right mtu 'right has MTU 576 now, had 1500'
above "frames dropped as mtu" "$(drops mtu)" 0
same "our MTU: sent by the wire and not received" "$(lost $dir/wire.own)" "$(drops mtu)"
above "frames dropped as tx_refused" "$(drops tx_refused)" 0
same "the peer's MTU: sent by the wire and not received" "$(lost $dir/wire)" "$(drops tx_refused)"
same "frames dropped as no_carrier" "$(drops no_carrier)" 0
home
