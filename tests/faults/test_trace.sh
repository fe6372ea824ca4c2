#!/bin/sh
# Traces over real devices: N frames, no more; each drop with the line that made it, in the sending driver, in the
# receiving one, and in a work function.
. "$(dirname "$0")/../pipeline/net.sh"
root=$(dirname "$0")/../..
lab_up

# dropped INDEX REASON DIRECTORY: a life that ended so, at a line of ours that drops.
dropped() {
    same "trace $1: end" "$(report trace.$1.end)" dropped
    steps=$(report trace.$1.steps | grep -o '"what"' | wc -l)
    last=trace.$1.steps.$((steps - 1))
    same "trace $1: reason" "$(report $last.reason)" "$2"
    place=$root/$3/$(report $last.file)
    line=$(sed -n "$(report $last.line)p" "$place")
    case $line in
    *drop*) ok "trace $1: $(report $last.file):$(report $last.line) is: $line" ;;
    *) fail "trace $1: $place:$(report $last.line) drops nothing: $line" ;;
    esac
}

traces() { report trace | grep -o '"id"' | wc -l; }

# Both ways: each of the first 20 that match is seen from left to right, or back.
engine_start none --trace 20 --trace-filter 'ether proto 0x88b5'
"$wire" frames a/a0 b/b0 2000 16 >$dir/wire
same "exit code of the verifying end" $? 0
engine_stop
same "frames traced" "$(traces)" 20
same "steps that found no room" "$(report trace_lost)" 0
for i in 0 19; do
    same "trace $i: end" "$(report trace.$i.end)" sent
    same "trace $i: port" "$(report trace.$i.port)" left
    same "trace $i: steps" "$(report trace.$i.steps | grep -o '"what":"[a-z]*"' | tr '\n' ' ')" \
        '"what":"received" "what":"worked" "what":"handed" "what":"complete" '
    same "trace $i: output" "$(report trace.$i.steps.1.output)" right
done
check "for people, a block a frame" [ "$(grep -c '^trace ' $dir/out)" = 20 ]
check "for people, a line a step" grep -q 'us  tx:right.0 .*handed to uring, 1 of ' $dir/out

# The sending device is too narrow: the kernel says so when the send completes.
ip link set right mtu 600
engine_start none --trace 3 --trace-filter 'greater 1000'
in_a ping -q -c 3 -i 0.05 -W 1 -s 1200 10.77.0.2 >/dev/null
engine_stop
ip link set right mtu 1500
same "frames traced" "$(traces)" 3
same "drops of mtu" "$(report totals.drops.mtu)" 3
dropped 0 mtu lib/port
dropped 2 mtu lib/port

# Too long for its chunk: dropped before any stage saw it, and traced all the same.
in_a ip link set a0 mtu 9000
ip link set left mtu 9000
engine_start none --trace 5 --trace-filter icmp
in_a ping -q -c 3 -i 0.05 -W 1 -s 4000 10.77.0.2 >/dev/null
engine_stop
same "frames traced" "$(traces)" 3
same "drops of too_long" "$(report totals.drops.too_long)" 3
dropped 1 too_long lib/port

# The switch knows that the destination is where the frame came from.
mac=$(in_a ip -o link show a0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
in_a ip neighbour add 10.77.0.9 lladdr "$mac" dev a0
engine_start none --trace 1 --trace-filter 'dst host 10.77.0.9'
in_a ping -q -c 2 -i 0.05 -W 1 10.77.0.9 >/dev/null
engine_stop
same "frames traced" "$(traces)" 1
same "drops of l2.same_port" "$(report 'totals.drops' | grep -o '"l2.same_port":[0-9]*')" '"l2.same_port":2'
dropped 0 l2.same_port lib/work

# Nothing starts with an expression that is none.
"$millrace" run -c $dir/engine.yaml --trace 5 --trace-filter 'udp and porst 53' >$dir/out 2>$dir/err
same "exit code" $? 2
check "one line, with libpcap's reason: $(cat $dir/err)" grep -q 'trace-filter: filter "udp and porst 53": syntax error' $dir/err
same "lines" "$(wc -l <$dir/err)" 1
