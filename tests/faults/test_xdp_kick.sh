#!/bin/sh
# kick: uring of the xdp driver: with four queues fewer calls than kick: send, counted by the port and by the kernel; io_uring
# refused; io_uring_enter failing in the middle, and from then on for ever: every frame has a name.
. "$(dirname "$0")/link.sh"
forbid=$4 tally=$5
sh -c "$no_ipv6"
many='numrxqueues 4 numtxqueues 4'
ip link add v0 $many type veth peer name v1 $many && ip link set v0 up && ip link set v1 up || fail "cannot make the network"

# kick_config KICK FRAMES: four queues each way, and so many frames under way that one call takes those of a queue.
kick_config() {
    cat >$dir/engine.yaml <<END
engine: { cores: [1], ring: 64, burst: 32 }
memory: { chunks: 16384 }
ports:
  - { name: in, driver: memory, queues: 4, frames: $2, window: 128, window_with: out }
  - { name: left, driver: xdp, device: v0, queues: 4, kick: $1 }
  - { name: right, driver: xdp, device: v1, queues: 4 }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, workers: 4, to: left }
  - { from: right, work: forward, workers: 4, to: out }
END
}

# counted KICK FRAMES FROM COUNT ERRNO: an engine whose calls are counted, in the background.
counted() {
    kick_config $1 $2
    rm -f $dir/calls $dir/report
    env --default-signal=INT "$tally" $dir/calls $3 $4 $5 "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
    engine=$!
}
arrived() { awk '$1 == "v1:" { print $3 }' /proc/net/dev; }

# wait_arrived FRAMES: until so many more have arrived at v1 than $before.
wait_arrived() {
    for try in $(seq 1000); do
        [ $(($(arrived) - before)) -ge $1 ] && return
        kill -0 $engine 2>/dev/null || fail "the engine ended at once"
        sleep 0.02
    done
    fail "$(($(arrived) - before)) frames of $1 arrived within 20 s"
}
calls() { "$jsonget" $dir/calls "$1"; }


# ---- calls ----
for kick in send uring; do
    before=$(arrived)
    counted $kick 20000 1 0 0
    wait_arrived 20000
    engine_stop
    home
    same "kick: $kick: frames that arrived, of 20000" "$(report ports.out.tx_frames)" 20000
    [ $kick = send ] && other=io_uring_enter mine=sendto tried=0 || other=sendto mine=io_uring_enter tried=1 # whether it may
    same "kick: $kick: calls by the kernel's count, and of the other kind" "$(calls $mine) $(calls $other)" "$(($(report ports.left.syscalls) + tried)) 0"
    eval "$kick=$(calls $mine)"
done
check "for 20000 frames $uring calls instead of $send: less than half" [ $((2 * uring)) -lt $send ]

# ---- io_uring_enter fails, 200 times in the middle: the calls after it send what those left ----
before=$(arrived)
counted uring 20000 50 200 12
wait_arrived 20000
engine_stop
home
same "ENOMEM 200 times: frames that arrived, of 20000" "$(report ports.out.tx_frames)" 20000
above "ENOMEM 200 times: calls" "$(calls io_uring_enter)" 250
same "ENOMEM 200 times: the last error" "$(report ports.left.driver_report.last_send_error)" "Cannot allocate memory"
above "ENOMEM 200 times: sends that left frames" "$(report ports.left.driver_report.sends_again)" 199

# ---- and from the 50th on for ever: what cannot leave is told, and has a name ----
before=$(arrived)
counted uring 20000 50 1000000000 1
for try in $(seq 1000); do [ -e $dir/calls ] && break || sleep 0.02; done
kill -INT $engine
engine_wait 1
home
grep -q 'drain gave up' $dir/out && ok "told: the drain gave up" || fail "$(cat $dir/out)"
same "EPERM for ever: the last error" "$(report ports.left.driver_report.last_send_error)" "Operation not permitted"
above "EPERM for ever: frames dropped as stopped" "$(drops stopped)" 0
same "EPERM for ever: frames made and not arrived" $(($(report totals.made_frames) - $(report ports.out.tx_frames))) "$(drops stopped)"

# ---- io_uring refused: exit code 3, and one line: what, why, what to do ----
kick_config uring 100 >$dir/engine.yaml
for call in io_uring_setup io_uring_enter; do
    for error in 1 38 12; do
        [ $error = 12 ] && why='Cannot allocate memory; free some memory' || why='seccomp filter; let it allow io_uring_setup'
        timeout 20 "$forbid" $error $call "$millrace" run -c $dir/engine.yaml --quiet >$dir/out 2>$dir/err
        same "$call refused, errno $error: exit code" $? 3
        same "lines" "$(wc -l <$dir/err)" 1
        grep -q "port left: kick: uring: io_uring: .*$why.*; or kick: send" $dir/err && ok "told: $(cat $dir/err)" || fail "$(cat $dir/err)"
    done
done
