#!/bin/sh
# The balance of an engine that runs under load: verified each 5 ms, asked for by SIGUSR1 again and again, and exact each
# time; and it is nobody's reason to end. In the drain as well.
. "$(dirname "$0")/../pipeline/net.sh"
lab_up

# What standard error has: blocks, and sums in them that do not come out.
blocks() { grep -c '^balance at ' $dir/err; }
unaccounted() { grep -E '^  (frames|chunks) ' $dir/err | grep -vc 'unaccounted 0$'; }

engine_start super --check 5ms --set engine.layout=pipeline --set "engine.cores=[0, 1]"
nsenter --net=/run/netns/a "$wire" send a0 20000000 &
load=$!
for try in $(seq 20); do
    kill -USR1 $engine
    sleep 0.05
done
engine_stop
kill $load
wait $load 2>/dev/null
above "checks made" "$(report checks.made)" 20
same "checks that did not hold" "$(report checks.failed)" 0
same "checks without an answer" "$(report checks.unanswered)" 0
above "blocks printed for 20 signals" "$(blocks)" 10
same "sums in them that do not come out" "$(unaccounted)" 0
same "blocks that do not hold" "$(grep '^balance at ' $dir/err | grep -vc 'holds; ')" 0
above "frames received" "$(report totals.rx_frames)" 1000
check "the kernel held chunks to send from" grep -qE '^  chunks .* sending [1-9]' $dir/err
check "the kernel held chunks to receive into" grep -qE '^  chunks .* receiving [1-9]' $dir/err
check "the table tells it" grep -qE '^checked  [0-9,]+ times while it ran: 0 did not hold' $dir/out

# A storm of signals before, while and after it runs: none kills it, and it still ends by one SIGINT.
config none >$dir/engine.yaml
env --default-signal=INT,USR1 "$millrace" run -c $dir/engine.yaml --quiet --json $dir/report >$dir/out 2>$dir/err &
engine=$!
# Nothing can be done about a signal while the program is still being loaded: from when it ignores or blocks this one (bit 9).
until grep -qE '^Sig(Ign|Blk):.*[2367abef]..$' /proc/$engine/status; do sleep 0.001; done
for n in $(seq 300); do kill -USR1 $engine || fail "it died of SIGUSR1"; done
until listens_on left && listens_on right; do sleep 0.01; done
for n in $(seq 300); do kill -USR1 $engine || fail "it died of SIGUSR1"; done
kill -INT $engine
for n in $(seq 300); do kill -USR1 $engine 2>/dev/null || break; done
engine_wait 0
