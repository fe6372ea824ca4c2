#!/bin/sh
# The matrix: every driver that receives before every driver that sends, of all that can be used here. Numbered frames of
# 60 to 1514 bytes, 64 outstanding: none lost, reordered within its flow, or altered; and the engine's books balance.
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
lab_up
mid_up
drivers=${DRIVERS:-$(usable_drivers)}
n=$(echo $drivers | wc -w)
above "drivers with a device that can be used here" "$n" 1

for rx in $drivers; do
    for tx in $drivers; do
        pair_launch $rx $tx
        pair_frames 20000
        pair_stop
    done
done
ok "$((n * n)) pairs of drivers: each 20000 frames, whole and in order"
