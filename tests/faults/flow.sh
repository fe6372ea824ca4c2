# flow.sh: numbered frames from a to b while something happens to the engine; to source behind net.sh.

# engine_with YAML COMMAND…: an engine on both ports, forwarding left to right and right to left; YAML has the other keys.
engine_with() {
    cat >$dir/engine.yaml <<END
$1
ports:
  - { name: left, driver: uring, device: left, buffers: ${buffers:-1024}, socket_bytes: ${socket_bytes:-4MiB} }
  - { name: right, driver: uring, device: right, buffers: ${buffers:-1024} }
paths:
  - { from: left, work: [${work:-forward}], to: right }
  - { from: right, work: [forward], to: left }
END
    shift
    engine_launch "$@"
}
run_with() { engine_with "$1" "$millrace" run -c $dir/engine.yaml --json $dir/report; }
guest_with() { engine_with "$1" "$guest" $dir/engine.yaml $dir/report; }

# a_sent, b_got: frames, by the ends' devices.
a_sent() { in_a awk '$1 == "a0:" { print $11 }' /proc/net/dev; }
b_got() { in_b awk '$1 == "b0:" { print $3 }' /proc/net/dev; }

# flow_start FRAMES [KPPS]: in the background; a fault begins and is over when flow_mark says so.
flow_start() {
    a_sent_before=$(a_sent) b_got_before=$(b_got)
    "$wire" flow a/a0 b/b0 "$@" >$dir/wire &
    flow=$!
}
fault_begins() { kill -USR1 $flow; }
fault_over() { kill -USR2 $flow; }
flow_wait() {
    wait $flow
    same "exit code of the verifying end" $? 0
}

# all_drops: of the last report, by all reasons. outside PORT: lost there by the kernel's counters.
all_drops() { report totals.drops | tr -d '{}' | tr ',' '\n' | awk -F: '{ sum += $2 } END { print sum + 0 }'; }
outside() { report "ports.$1.outside" | tr -d '{}' | tr ',' '\n' | awk -F: '{ sum += $2 } END { print sum + 0 }'; }

# stage NAME PATH: a value of a stage of the last report.
stage() {
    for i in $(seq 0 20); do
        [ "$(report stages.$i.name)" != "$1" ] || { report "stages.$i.$2"; return; }
    done
}

# balance: what got lost since flow_start between a's device and b's is what was named, to the frame. After engine_wait.
balance() {
    sent=$(($(a_sent) - a_sent_before)) received=$(($(b_got) - b_got_before))
    named=$(($(all_drops) + $(outside left) + $(outside right)))
    same "sent $sent, received $received, named $named: unnamed" $((sent - received - named)) 0
}

recovered() {
    ms=$(wire_says recovery_ms)
    check "back to 95 % of the rate $ms ms after the fault, within 2000" [ "$ms" -ge 0 -a "$ms" -le 2000 ]
}
