#!/bin/sh
# Fault 5: an interface is moved to another network namespace, and back: for the engine it is gone, and comes again.
# Fault 6: the name of the namespace that the engine runs in is deleted: the engine does not mind.
. "$(dirname "$0")/link.sh"
lab_up
left_keys=', reopen: yes' right_keys=', reopen: yes'
engine_start none
lossy_start 2000
ip link set right netns b
wait_event right gone 1000
sleep 0.3
in_b ip link set right netns $$
ip link set right up
wait_event right up 1000
lossy_wait
rate_is_back
engine_stop
event right gone 'went to another network namespace'
above "frames dropped as device_gone" "$(drops device_gone)" 0
all_named device_gone link_down no_carrier
home

ip netns add own
ip link set left netns own && ip link set right netns own
nsenter --net=/run/netns/own sh -c 'ip link set left up; ip link set right up'
config none >$dir/engine.yaml
nsenter --net=/run/netns/own env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
engine=$!
for try in $(seq 100); do
    "$wire" frames a/a0 b/b0 10 1 >$dir/rate 2>&1 && break
    sleep 0.05
done
ip netns del own
same "namespaces of that name" "$(ip netns list | grep -c '^own')" 0
"$wire" frames a/a0 b/b0 3000 64 >$dir/wire
same "frames lost, altered or doubled without the name: exit code" $? 0
engine_stop
same "events" "$(grep -c 'gone' $dir/err)" 0
home
for try in $(seq 100); do # the kernel takes a namespace down in its own time
    in_a ip link show a0 >/dev/null 2>&1 || break
    sleep 0.05
done
check "its interfaces went with it, after $try looks" [ $try -lt 100 ]
