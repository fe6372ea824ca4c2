#!/bin/sh
# Fault 41: started while an interface is down: state down, and traffic once it is up; with require: up an error that
# names device and fix, and nothing starts.
. "$(dirname "$0")/link.sh"
lab_up
ip link set right down
right_keys=', require: up'
config none >$dir/engine.yaml
for verb in plan run; do
    "$millrace" $verb -c $dir/engine.yaml >$dir/out 2>$dir/err
    same "$verb with require: up: exit code" $? 2
    check "$verb: $(cat $dir/err)" grep -q 'engine.yaml:3: ports\[1\].require: up, but right is down; ip link set right up' $dir/err
done
in_b ip link set b0 down
ip link set right up
"$millrace" plan -c $dir/engine.yaml >$dir/out 2>$dir/err
same "plan without a carrier: exit code" $? 2
check "plan: $(cat $dir/err)" grep -q 'right has no carrier' $dir/err
in_b ip link set b0 up

ip link set right down
right_keys=
config none >$dir/engine.yaml
env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
engine=$!
wait_event right down 2000
lossy_start 1200
ip link set right up
wait_event right up 1000
lossy_wait
"$wire" frames a/a0 b/b0 3000 64 >$dir/rate
same "frames lost, altered or doubled once it is up: exit code" $? 0
"$wire" frames b/b0 a/a0 3000 64 >$dir/rate
same "and the other way: exit code" $? 0
engine_stop
above "frames dropped as link_down" "$(drops link_down)" 0
all_named link_down no_carrier
home
