#!/bin/sh
# TCP with segmentation off and checksums left to the device: offload: checksum completes or carries them.
. "$(dirname "$0")/net.sh"
lab_up
offloads tso off gso off
engine_start checksum
bytes=${BYTES:-1000000000}
check "$bytes bytes by TCP" tcp $bytes
same "hash of them equal on both sides" "$(wire_says hash_equal)" true
ok "$(wire_says mbps) Mbit/s"
engine_stop
