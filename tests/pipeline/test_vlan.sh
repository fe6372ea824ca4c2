#!/bin/sh
# Tagged frames keep their tag, priority included, and untagged ones get none.
. "$(dirname "$0")/net.sh"
lab_up
for offload in none checksum super; do
    engine_start $offload
    check "offload: $offload: 20000 tagged frames" "$wire" frames a/a0 b/b0 20000 64 60..1500 77 >$dir/wire
    tail -n 1 $dir/wire
    "$wire" frames a/a0 b/b0 20000 64 60..1514 >$dir/wire || fail "untagged frames: $(cat $dir/wire)"
    ok "offload: $offload: 20000 untagged frames"
    engine_stop
done
