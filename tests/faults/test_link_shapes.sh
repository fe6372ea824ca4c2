#!/bin/sh
# Faults 2 and 3 in every shape of an engine: a core per stage, two queues, super-frames. Each time the peer of right goes
# down and up, then right is deleted and made again. Then right is away while the engine is told to end: once it drains,
# told a second time it stops.
. "$(dirname "$0")/link.sh"
lab_up

# config: $engine_keys, and $keys of each port.
config() {
    cat <<END
engine: { $engine_keys }
ports:
  - { name: left, driver: uring, device: left$keys }
  - { name: right, driver: uring, device: right$keys, reopen: yes }
paths:
  - { from: [left], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [left] }
END
}

# wait_times N PORT WHAT MS: until it was told so often.
wait_times() {
    deadline=$(($(now_ms) + $4))
    until [ "$(grep -c "s: $2: $3: " $dir/err)" -ge "$1" ]; do
        [ "$(now_ms)" -lt $deadline ] || fail "$2 is not told to be $3 for time $1 within $4 ms"
        sleep 0.005
    done
}

make_right() {
    ip link add right type veth peer name b0 netns b && ip link set right up &&
        in_b sh -c 'ip link set b0 up && ip address add 10.77.0.2/24 dev b0' || fail "cannot make right again"
}

both_ways() {
    "$wire" frames b/b0 a/a0 2000 64 >$dir/back
    same "frames the other way, lost, altered or doubled: exit code" $? 0
}

# sockets: packet sockets that receive from right; when one is missing the others take its frames, and nothing is lost.
sockets() {
    awk -v i="$(ip -o link show right | cut -d: -f1)" '$5 == i && $6 == 1' /proc/net/packet | wc -l
}

# shape TEXT: the faults, and frames through all of them.
shape() {
    echo "shape: $1"
    engine_start none
    lossy_start 2000
    sockets=$(sockets)
    in_b ip link set b0 down
    sleep 0.2
    in_b ip link set b0 up
    wait_event right no-carrier 1000
    wait_times 1 right up 1000
    sleep 0.1
    in_b ip link del b0
    wait_event right gone 1000
    sleep 0.2
    make_right
    wait_times 2 right up 1500
    lossy_wait
    same "sockets on right" "$(sockets)" "$sockets"
    rate_is_back
    both_ways
}

# shape_over: the books, with what was sent and did not come by name.
shape_over() {
    engine_stop
    above "frames dropped as no_carrier" "$(drops no_carrier)" 0
    above "frames dropped as device_gone" "$(drops device_gone)" 0
    all_named no_carrier device_gone link_down
    home
}

engine_keys='layout: pipeline, cores: [0, 1]' keys=
shape "a core per stage"
shape_over

engine_keys='cores: [0]' keys=', queues: 2'
shape "two queues"
shape_over
same "chunks taken back from right's two queues" "$(report ports.right.events.chunks_taken_back)" 2048

keys=', offload: super'
shape "super-frames"
cp $dir/wire $dir/wire.lossy
tcp 8000000
same "TCP over the interface that came back: exit code" $? 0
mv $dir/wire.lossy $dir/wire
shape_over
same "big chunks taken back from right" "$(report ports.right.events.chunks_taken_back)" 64

# ends S CODE SIGNALS: right is deleted S seconds before the signals, which the engine finds all at once.
ends() {
    echo "end: $engine_keys, deleted $1 s before $3"
    engine_start none
    lossy_start 500 256
    in_b ip link del b0
    sleep "$1"
    kill -STOP $engine
    for signal in $3; do
        kill -$signal $engine
    done
    kill -CONT $engine
    engine_wait "$2"
    home
    wait $lossy
    make_right
}

keys=
for engine_keys in 'cores: [0]' 'layout: pipeline, cores: [0, 1]'; do
    for before in 0 0.3; do
        ends $before 0 INT
        ends $before 130 'INT TERM'
    done
done
