#!/bin/sh
# Fault 38: a clock that was set. The engine goes by CLOCK_MONOTONIC and the TSC: it ends in time, its seconds are seconds
# and its latencies are latencies, in a time namespace days ahead, in one that has just begun, and while the wall clock
# jumps by thirty years and back. (Setting the machine's own clock would be felt by everybody on it.)
. "$(dirname "$0")/../pipeline/net.sh"
step=$4
sh -c "$no_ipv6"
ip link add left type veth peer name right && ip link set left up && ip link set right up || fail "no veth pair"

cat >$dir/engine.yaml <<END_OF_CONFIG
engine: { layout: run-to-completion, cores: [1] }
memory: { huge_pages: off }
ports:
  - { name: in, driver: memory, rate: 20kpps, window: 256, window_with: out }
  - { name: out, driver: memory, verify: yes }
  - { name: left, driver: uring, device: left }
  - { name: right, driver: uring, device: right }
paths:
  - { from: in, work: forward, to: left }
  - { from: right, work: forward, to: out }
END_OF_CONFIG

uptime_ms() { awk '{ print int($1 * 1000) }' /proc/uptime; }

# within WHAT GOT LEAST MOST (whole numbers).
within() { check "$1 is $2, within $3 to $4" [ "$2" -ge "$3" -a "$2" -le "$4" ]; }

# thousandths PATH: of the report.
thousandths() { report "$1" | awk '{ print int($1 * 1000) }'; }

# runs WHAT COMMAND…: a run of 1.05 s under COMMAND; half a second more is the start's and a busy machine's.
runs() {
    echo "$1:"
    shift
    begin=$(uptime_ms)
    "$@" "$millrace" run -c $dir/engine.yaml --for 1050ms --check 100ms --json $dir/report >$dir/out 2>$dir/err &
    engine=$!
    engine_wait 0
    within "ms until it ended" $(($(uptime_ms) - begin)) 1050 2500
    same "ended by" "$(report ended_by)" time
    within "ms of the first interval" "$(thousandths intervals.0.period)" 990 1200
    above "checks" "$(report checks.made)" 3
    same "checks that did not hold" "$(report checks.failed)" 0
    above "frames verified at the end" "$(report totals.tx_frames)" 1000
    within "µs of the median latency" $(($(report latency_ns.p50) / 1000)) 1 100000
}

now=$(($(uptime_ms) / 1000))
runs "eleven days ahead" unshare --time --boottime 1000000 --monotonic 1000000

jump=$(for try in 1 2 3 4 5 6; do LD_PRELOAD=$step date +%Y; sleep 0.05; done | sort -u | wc -l)
same "years that the wall clock shows" "$jump" 2
runs "two seconds after the boot, with a wall clock that jumps" \
    unshare --time --boottime -$((now - 2)) --monotonic -$((now - 2)) env LD_PRELOAD=$step
