#!/bin/sh
# A drain that cannot stop a device says which and why: the filter that would close a TAP device is refused.
. "$(dirname "$0")/../pipeline/net.sh"
forbid=$4
lab_up
cat >$dir/engine.yaml <<'END_OF_CONFIG'
engine: { cores: [1] }
ports:
  - { name: stack, driver: tap, device: tap0 }
  - { name: right, driver: uring, device: right }
paths:
  - { from: [stack], work: [forward], to: [right] }
END_OF_CONFIG
timeout 20 "$forbid" 1 TUNATTACHFILTER "$millrace" run -c $dir/engine.yaml --for 300ms --json $dir/report >$dir/out 2>$dir/err
same "exit code" $? 1
told="drain gave up after 2 s without progress: port stack cannot stop receiving: Operation not permitted"
same "ended by" "$(report ended_by)" "$told"
check "said where the report is: $(grep -m1 "drain gave up" $dir/out)" grep -q "$told" $dir/out
