#!/bin/sh
# Fault 1: an interface of ours goes down and comes up: once the one that sends, once the one that receives.
. "$(dirname "$0")/link.sh"
lab_up
engine_start none

lossy_start 1600
ip link set right down
sleep 0.4
ip link set right up
wait_event right up 1000
lossy_wait
cp $dir/wire $dir/wire.sends
rate_is_back

lossy_start 1600
ip link set left down
sleep 0.4
ip link set left up
wait_event left up 1000
lossy_wait
rate_is_back
engine_stop

event right down 'ip link set right up'
event left down 'ip link set left up'
same "state in the end" "$(report ports.right.state.now)" up
above "frames dropped as link_down" "$(drops link_down)" 0
same "frames of right's episode" "$(frames_of right down)" "$(drops_at tx:right.0 link_down)"
same "sent by the wire and not received, right being down" "$(lost $dir/wire.sends)" "$(drops_at tx:right.0 link_down)"
same "sent by the wire and not received, left being down" "$(lost $dir/wire)" "$(report totals.outside)"
above "frames that a0 refused as left was down" "$(wire_says refused)" 0
home
