#!/bin/sh
# Captures that break off, lie, never end, or are none: what came before is sent and counted, then one line says what is
# wrong and where.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/pcap.sh"
made 1000 $dir/a.pcap

# A header and two whole records of 60 bytes, by hand; then what the arguments of broken say.
word() { printf "\\$(printf %o $(($1 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 24 & 255)))"; }
record() { word 1700000000; word 5; word "$1"; word 1000; head -c "$2" /dev/zero; }
header() { word 0xa1b2c3d4; word 0x00040002; word 0; word 0; word 262144; word "${1:-1}"; }
broken() {
    { header; record 60 60; record 60 60; record "$1" "$2"; } >$dir/broken.pcap
    from_to $dir/broken.pcap $dir/b.pcap
    run_pcap --quiet
    balanced 1
    same "frames before the break, sent" "$(report totals.tx_frames)" 2
    same "and in the file" "$(records $dir/b.pcap)" 2
    same "records read" "$(report ports.0.driver_report.records)" 2
}

broken 100 40
says "100 captured, 40 there" 'port in: .*broken.pcap: record 3, at byte 176: the file is cut off: 100 bytes of the frame should follow, 40 are there'
broken 0xfffffff0 40
says "4 GiB captured" 'record 3, at byte 176: it says that 4294967280 bytes were captured, and 262144 is the most'
head -c 181 $dir/broken.pcap >$dir/short.pcap
from_to $dir/short.pcap $dir/b.pcap
run_pcap --quiet
balanced 1
says "a header cut off" 'record 3, at byte 176: the file is cut off: 16 bytes of its header should follow, 5 are there'
cat $dir/short.pcap | "$millrace" run -c $dir/pcap.yaml --set ports.in.read=- --quiet --json $dir/report 2>$dir/err
code=$?
balanced 1
says "the same through a pipe" 'port in: standard input: record 3, at byte 176'

from_to $dir/a.pcap $dir/b.pcapng
run_pcap --quiet
head -c 9999 $dir/b.pcapng >$dir/short.pcapng
from_to $dir/short.pcapng $dir/c.pcap
run_pcap --quiet
balanced 1
says "pcapng, by libpcap" 'short.pcapng: record [0-9]*, before byte [0-9]*: truncated'
same "what came before" "$(records $dir/c.pcap)" "$(report totals.tx_frames)"

# Refused before anything starts, and what would have been written over is as it was.
echo precious >$dir/b.pcap
refused() {
    from_to "$1" $dir/b.pcap "$3"
    run_pcap
    same "$2: exit code" $code 2
    same "$2: lines" "$(wc -l <$dir/err)" 1
    says "$2" "$4"
}
header 113 >$dir/sll.pcap
refused $dir/sll.pcap "another link type" "" 'port in: .*its link type is LINUX_SLL .*only Ethernet'
refused $dir/pcap.yaml "no capture" "" 'not a capture that libpcap reads: unknown file format'
refused $dir/none.pcap "no file" "" 'none.pcap: cannot open it for reading: No such file'
refused $dir "a folder" "" 'cannot open it for reading: Is a directory'
refused $dir/a.pcap "a filter" "filter: udp prot 53" 'filter "udp prot 53": .*syntax error'
check "the file is as it was" grep -q precious $dir/b.pcap
from_to $dir/a.pcap $dir/a.pcap
run_pcap
same "read and written at once: exit code" $code 2
says "read and written at once" 'it would write over .*a.pcap, which port in reads'
same "and it is as it was" "$(records $dir/a.pcap)" 1000

# A FIFO without an end: as many as were asked for, or until the time is over; one that nobody writes to ends as well.
mkfifo $dir/fifo
from_to $dir/fifo $dir/b.pcap "max_frames: 5000, filter: greater 1000"
{ record 60 60; record 1500 1500; } >$dir/some
for n in $(seq 6); do cat $dir/some $dir/some >$dir/more && mv $dir/more $dir/some; done
{ header; while cat $dir/some; do :; done; } >$dir/fifo 2>/dev/null &
feeder=$!
run_pcap --quiet
balanced 0
same "max_frames of what the filter takes" "$(report totals.tx_frames)" 5000
wait $feeder
begin=$(date +%s%N)
run_pcap --quiet --for 300ms
took_ms=$((($(date +%s%N) - begin) / 1000000))
balanced 0
check "a FIFO that nobody writes to: ended after $took_ms ms, within 5000" [ $took_ms -lt 5000 ]
