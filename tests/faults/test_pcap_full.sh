#!/bin/sh
# Captures that can grow no more: a full disk, a size limit, a reader that goes away or does not read. Forwarding between
# interfaces goes on, each frame has a name, the file ends at a whole record, the exit code is 1 and the last line says why.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/pcap.sh"
lab_up
made 100000 $dir/a.pcap
mkdir $dir/small && mount -t tmpfs -o size=64k small $dir/small || fail "no small file system"

# Two paths on one core: over the wire, and into the file system that is full at once.
cat >$dir/engine.yaml <<END
ports:
  - { name: left, driver: uring, device: left }
  - { name: right, driver: uring, device: right }
  - { name: in, driver: pcap, read: $dir/a.pcap, loop: yes, rate: 50kpps }
  - { name: out, driver: pcap, write: $dir/small/b.pcap }
paths:
  - { from: [left, right], work: l2, to: [left, right] }
  - { from: in, work: forward, to: out }
END
env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
engine=$!
for try in $(seq 200); do
    listens_on left && listens_on right && [ -s $dir/small/b.pcap ] && break
    sleep 0.02
done
"$wire" frames a/a0 b/b0 200000 64 60..1514 >$dir/wire
same "exit code of the verifying end" $? 0
same "frames over the wire, disk full meanwhile" "$(wire_says received)" 200000
kill -INT $engine
engine_wait 1
above "frames that died of it" "$(report totals.drops.capture_lost)" 1000
same "whole records in the file, as many as were sent" "$(records $dir/small/b.pcap)" "$(report ports.3.tx_frames)"
above "of 64 KiB" "$(report ports.3.tx_frames)" 10
check "told while it ran" grep -q 's: out: capture_lost: ' $dir/err
code=1
says "why" 'port out: .*b.pcap: the capture ends after [0-9]* frames: No space left on device; .* free some space'

# 10 MiB (in blocks of 512 bytes): the engine's own memory is under that limit as well, so it takes little.
from_to $dir/a.pcap $dir/b.pcapng "loop: yes"
(ulimit -f 20480 && "$millrace" run -c $dir/pcap.yaml --for 300ms --set memory.chunks=2500 --json $dir/report >$dir/out 2>$dir/err)
code=$?
balanced 1
says "a size limit" 'File too large; .* raise the limit on file sizes'
same "whole records in the file" "$(records $dir/b.pcapng)" "$(report ports.1.tx_frames)"

from_to $dir/a.pcap -
{ "$millrace" run -c $dir/pcap.yaml --quiet --json $dir/report 2>$dir/err; echo $? >$dir/code; } | head -c 1000 >/dev/null
code=$(cat $dir/code)
balanced 1
says "a reader that went away" 'standard output: the capture ends .* Broken pipe; .* whoever read it went away'
same "every frame has a name" "$(report totals.drops.capture_lost)" $((100000 - $(report totals.tx_frames)))

# It takes what a pipe holds and then nothing: the path is held up, and the end does not wait for it for ever.
from_to $dir/a.pcap - "loop: yes"
mkfifo $dir/pipe || fail "mkfifo"
sleep 60 <$dir/pipe &
sleeper=$!
begin=$(date +%s)
"$millrace" run -c $dir/pcap.yaml --for 300ms --quiet --json $dir/report >$dir/pipe 2>$dir/err
code=$?
kill $sleeper
balanced 1
says "a reader that does not read" 'took nothing, or too little, for so long'
check "it ended all the same, after $(($(date +%s) - begin)) s" [ $(($(date +%s) - begin)) -le 6 ]
