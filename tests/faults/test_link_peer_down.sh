#!/bin/sh
# Fault 2: the peer of an interface goes down: no socket says so, and a send is refused as if a queue were full. Once
# the sending side's, once the receiving side's.
. "$(dirname "$0")/link.sh"
lab_up
engine_start none

lossy_start 1600
in_b ip link set b0 down
sleep 0.4
in_b ip link set b0 up
wait_event right up 1000
lossy_wait
cp $dir/wire $dir/wire.sends
rate_is_back

lossy_start 1600
in_a ip link set a0 down
sleep 0.4
in_a ip link set a0 up
wait_event left up 1000
lossy_wait
rate_is_back
engine_stop

event right no-carrier 'its peer is down'
event left no-carrier 'its peer is down'
above "frames dropped as no_carrier" "$(drops no_carrier)" 0
same "frames dropped as tx_refused" "$(drops tx_refused)" 0
same "frames of right's episode" "$(frames_of right no-carrier)" "$(drops_at tx:right.0 no_carrier)"
above "sent by the wire and not received, the peer being down" "$(lost $dir/wire.sends)" 0
same "of those dropped by the engine, by name" "$(drops_at tx:right.0 no_carrier)" "$(lost $dir/wire.sends)"
same "sent by the wire and not received, a0 being down" "$(lost $dir/wire)" "$(report totals.outside)"
home
