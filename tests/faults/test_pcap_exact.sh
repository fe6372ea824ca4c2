#!/bin/sh
# From capture to capture: same frames, same bytes, same stamps, each time, in both layouts, through every format; the
# verifying sink knows each frame; libpcap reads what was written; standard streams carry the same.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/pcap.sh"

frames=100000
made $frames $dir/a.pcap
same "records" "$(records $dir/a.pcap)" $frames

for layout in "engine.layout=run-to-completion" "engine.layout=pipeline" ; do
    for round in 1 2 3; do
        from_to $dir/a.pcap $dir/b.pcap
        run_pcap --quiet --set $layout --set "engine.cores=[0, 1]"
        balanced 0
        same "frames written" "$(report ports.1.tx_frames)" $frames
        check "$layout, round $round: the very file" cmp $dir/a.pcap $dir/b.pcap
    done
done

from_to $dir/a.pcap $dir/b.pcapng
run_pcap --quiet
from_to $dir/b.pcapng $dir/c.pcap
run_pcap --quiet
balanced 0
check "pcapng and back: the very file" cmp $dir/a.pcap $dir/c.pcap

from_to $dir/a.pcap $dir/us.pcap "" "format: pcap, snap: 68"
run_pcap --quiet
from_to $dir/us.pcap $dir/us2.pcap "" "format: pcap, snap: 68"
run_pcap --quiet
balanced 0
check "microseconds, records cut by snap: the very file" cmp $dir/us.pcap $dir/us2.pcap
above "records that were cut" "$(report ports.0.driver_report.cut_records)" 90000
from_to $dir/us.pcap $dir/b.pcap "cut: drop"
run_pcap --quiet
balanced 0
above "cut: drop drops them by name" "$(report totals.drops.cut)" 90000

from_to - - "" ""
"$millrace" run -c $dir/pcap.yaml --json $dir/report <$dir/a.pcap 2>$dir/err | cat >$dir/b.pcap
check "through the standard streams: the very file" cmp $dir/a.pcap $dir/b.pcap
same "frames unaccounted for" "$(report totals.unaccounted)" 0
check "the table is on standard error" grep -q '^rx 100,000 + made 0 = tx 100,000' $dir/err

cat >$dir/pcap.yaml <<END
ports:
  - { name: in, driver: pcap, read: $dir/c.pcap, loop: 1 }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, to: out }
END
run_pcap --quiet
balanced 0
same "verified, every byte and in order" "$(report ports.1.driver_report.verified)" $frames
