#!/bin/sh
# TCP through each driver that this machine has, with nothing left to a device: whole segments, checksums complete.
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
lab_up
offloads tso off gso off gro off tx off >/dev/null
bytes=${BYTES:-100000000}

tcp_by() {
    cat >$dir/engine.yaml <<END
engine: { cores: [1] }
ports:
  - { name: left, driver: $1, device: "$(device_of $1 $in_device 0)" }
  - { name: right, driver: $1, device: "$(device_of $1 $out_device 1)" }
paths:
  - { from: [left, right], work: [l2], to: [left, right] }
END
    rm -f $dir/report
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report --check 50ms >$dir/out 2>$dir/err &
    engine=$!
    check "$1: frames come through" "$wire" knock $in_end $out_end
    check "$1: $bytes bytes by TCP" tcp $bytes
    same "$1: hash of them equal on both sides" "$(wire_says hash_equal)" true
    engine_stop
    same "$1: balances that did not hold" "$(report checks.failed)" 0
}

for driver in ${DRIVERS:-$(usable_drivers)}; do
    [ $driver = tap ] || tcp_by $driver # tap has its own, in test_tap_device.sh
done
