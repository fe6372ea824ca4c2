#!/bin/sh
# Fault 4: an interface is renamed under load: nothing is lost, and the new name is told once.
. "$(dirname "$0")/link.sh"
lab_up
engine_start none
lossy_start 800
ip link set right name rechts
wait_event right renamed 1000
lossy_wait
engine_stop
event right renamed 'right is called rechts now'
same "times it was told" "$(grep -c renamed $dir/err)" 1
same "device in the report" "$(report ports.right.device)" rechts
same "frames sent and not received" "$(lost $dir/wire)" 0
home
