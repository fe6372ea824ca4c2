#!/bin/sh
# The whole engine is stopped for a second under load (SIGSTOP): what the socket could not hold is the kernel's loss by
# name, to the frame, and the hole in time is a gap of the host and nobody's latency.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
lab_up

socket_bytes=64KiB
run_with "engine: { cores: [1] }"
flow_start 150000 50
sleep 1
fault_begins
kill -STOP $engine
sleep 1
kill -CONT $engine
fault_over
flow_wait
engine_stop
above "frames that the socket dropped" "$(report ports.left.outside.tp_drops)" 10000
same "drops inside" "$(all_drops)" 0
balance
recovered
gap=$(($(report cores.0.gaps.max_ns) / 1000000))
above "ms of the longest gap" "$gap" 900
above "500 ms less the longest latency without a gap, in ms," "$((500 - $(report latency_ns.undisturbed.max) / 1000000))" 0

# Stopped while it drains, for longer than the drain's patience: it was not there, so it has not lost patience.
run_with "engine: { cores: [1] }"
flow_start 60000
sleep 0.1
kill -STOP $engine
kill -INT $engine
sleep 6
flow_wait
kill -CONT $engine
engine_wait 0
same "ended by" "$(report ended_by)" signal
balance
