#!/bin/sh
# TCP with the kernel's default offloads: super-frames of up to 64 KiB pass whole.
. "$(dirname "$0")/net.sh"
lab_up
engine_start super
bytes=${BYTES:-1000000000}
check "$bytes bytes by TCP" tcp $bytes
same "hash of them equal on both sides" "$(wire_says hash_equal)" true
ok "$(wire_says mbps) Mbit/s"
engine_stop
above "bytes per frame received" "$(($(report ports.left.rx_bytes) / $(report ports.left.rx_frames)))" 1514
