# pcap.sh: for tests to source behind net.sh: captures from one to another.
#
# A working folder in memory, $dir, as net.sh has made it; `made FRAMES FILE` a capture of numbered, verifiable frames.

# from_to READ WRITE [KEYS of the reading port [KEYS of the writing port]]: the configuration, into $dir/pcap.yaml.
from_to() {
    cat >$dir/pcap.yaml <<END
ports:
  - { name: in, driver: pcap, read: "$1"${3:+, $3} }
  - { name: out, driver: pcap, write: "$2"${4:+, $4} }
paths:
  - { from: in, work: forward, to: out }
END
}

made() {
    cat >$dir/made.yaml <<END
ports:
  - { name: in, driver: memory, frames: $1, size: 64..512, flows: 16 }
  - { name: out, driver: pcap, write: "$2" }
paths:
  - { from: in, work: forward, to: out }
END
    "$millrace" run -c $dir/made.yaml --quiet 2>$dir/err || fail "cannot make $2"
}

# run_pcap [OPTION…]: exit code in $code, report in $dir/report.
run_pcap() {
    "$millrace" run -c $dir/pcap.yaml --json $dir/report "$@" >$dir/out 2>$dir/err
    code=$?
}

# balanced CODE: exit code and books of the last run.
balanced() {
    same "exit code" $code "$1"
    same "frames unaccounted for" "$(report totals.unaccounted)" 0
    same "frames in flight" "$(report totals.in_flight)" 0
    same "chunks unaccounted for" "$(report chunks.unaccounted)" 0
}

# says TEXT PATTERN: the last line on standard error.
says() { tail -n 1 $dir/err | grep -q -e "$2" && ok "$1: $(tail -n 1 $dir/err)" || fail "$1: no '$2' in: $(tail -n 1 $dir/err)"; }

# records FILE: how many libpcap reads in it, up to the end and without a complaint.
records() {
    tcpdump -n -r "$1" >$dir/records 2>$dir/tcpdump || { cat $dir/tcpdump >&2; return 1; }
    wc -l <$dir/records
}
