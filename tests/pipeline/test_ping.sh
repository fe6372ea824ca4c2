#!/bin/sh
# Ping between two namespaces through the switch; the engine knows both stations afterwards.
. "$(dirname "$0")/net.sh"
lab_up
engine_start none
in_a ping -q -c 50 -i 0.02 -W 1 10.77.0.2 >$dir/ping
check "50 of 50 pings answered" grep -q '50 packets transmitted, 50 received, 0% packet loss' $dir/ping
in_a ping -q -c 5 -i 0.02 -W 1 -s 1472 -M do 10.77.0.2 >$dir/ping
check "5 of 5 pings of 1514 bytes answered" grep -q '5 packets transmitted, 5 received' $dir/ping
engine_stop
above "frames received" "$(report totals.rx_frames)" 110
same "frames sent" "$(report totals.tx_frames)" "$(report totals.rx_frames)"
