#!/bin/sh
# Fault 3: the peer of right is deleted, and right with it. Left and a second pair go on; made again, right is opened
# again by reopen: yes. Then without that key: the run ends by itself when both its devices are gone, and says so.
. "$(dirname "$0")/link.sh"
lab_up
end c c0 third 10.78.0.1 && end d d0 fourth 10.78.0.2 || fail "cannot make the second pair"

# config: the second pair too, on the same core.
config() {
    cat <<END
ports:
  - { name: left, driver: ${DRIVER:-uring}, device: left$keys }
  - { name: right, driver: ${DRIVER:-uring}, device: right$keys }
  - { name: third, driver: uring, device: third }
  - { name: fourth, driver: uring, device: fourth }
paths:
  - { from: [left], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [left] }
  - { from: [third, fourth], work: [l2], to: [third, fourth] }
END
}

keys=', reopen: yes'
engine_start none
lossy_start 2500
"$wire" lossy c/c0 d/d0 2500 16 >$dir/wire.second 2>&1 &
second=$!
sleep 0.2
in_b ip link del b0
wait_event right gone 1000
sleep 0.3
sockets() { awk -v i="$1" '$5 == i' /proc/net/packet | wc -l; }
same "packet sockets that are left of right" "$(sockets -1)" 0
ip link add right type veth peer name b0 netns b && ip link set right up && in_b ip link set b0 up
wait_event right recreated 1000
wait_event right up 1000
lossy_wait
wait $second
same "the second pair: exit code of its wire" $? 0
rate_is_back
"$wire" frames b/b0 a/a0 2000 64 >$dir/back
same "frames the other way, lost, altered or doubled: exit code" $? 0
engine_stop

event right gone 'opened again when it is back'
above "frames dropped as device_gone" "$(drops device_gone)" 0
same "frames of right's episodes" $(($(frames_of right gone) + $(frames_of right down) + $(frames_of right recreated) + \
    $(frames_of right no-carrier))) $(($(drops device_gone) + $(drops link_down) + $(drops no_carrier)))
all_named device_gone link_down no_carrier
same "second pair: frames lost" "$(lost $dir/wire.second)" 0
[ "${DRIVER:-uring}" != uring ] || same "chunks taken back from right" "$(report ports.right.events.chunks_taken_back)" 1024
home

keys=
engine_start none
in_b ip link del b0
wait_event right gone 5000 # its cores may still be starting
event right gone 'with reopen: yes it would be'
ip link add right type veth peer name b0 netns b && ip link set right up && in_b ip link set b0 up
sleep 0.3
in_a ip link del a0
in_a true
for device in third fourth; do ip link del $device; done
engine_wait 1
same "ended by" "$(report ended_by)" "every receiving device is gone"
same "right, which came back in vain" "$(report ports.right.state.now)" gone
home
