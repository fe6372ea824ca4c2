#!/bin/sh
# A sender that outruns 8 buffers: the kernel ends the receive with ENOBUFS again and again. That is a pause and no loss:
# it is armed again when a buffer is back, and not before.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
guest=$4
lab_up

buffers=8
run_with "engine: { burst: 16 }"
flow_start 400000
flow_wait
engine_stop
balance
above "frames received" "$(report totals.rx_frames)" 1000
above "receives ended for want of buffers" "$(report ports.left.events.rearms_no_buffers)" 100
same "other ends of the receive" "$(report ports.left.events.rearms_other)" 0
calls=$(report cost.syscalls) frames=$(report totals.rx_frames)
check "$calls calls for $frames frames, less than two each" [ "$calls" -lt $((2 * frames + 1000)) ]

# The worker stands still for a second and has the last buffer: nothing is posted, so nothing may be armed.
MISCHIEF_AFTER=1000 MISCHIEF_MS=1000
export MISCHIEF_AFTER MISCHIEF_MS
work=stall
guest_with "engine: { layout: pipeline, cores: [1, 0], burst: 16, ring: 16 }"
flow_start 100000 40
flow_wait
engine_stop
balance
calls=$(report cost.syscalls) frames=$(report totals.rx_frames)
above "frames that waited too long in the socket" "$(outside left)" 1000
check "$calls calls for $frames frames and a second without buffers" [ "$calls" -lt $((2 * frames + 1000)) ]
