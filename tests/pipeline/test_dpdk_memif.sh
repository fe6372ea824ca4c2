#!/bin/sh
# Two engines joined by net_memif: a device that no kernel knows. Its carrier comes and goes with the other engine, and is told;
# frames pass between the two processes unaltered, and die by name while there is no other side.
. "$(dirname "$0")/net.sh"
lab_up

# side NAME LINK ROLE: an engine between a link and the socket of memif, in the background; its pid in $pid.
side() {
    cat >$dir/$1.yaml <<END
engine: { cores: [1] }
memory: { huge_pages: off }
ports:
  - { name: wire, driver: dpdk, device: "net_af_packet0,iface=$2" }
  - { name: memif, driver: dpdk, device: "net_memif0,socket=$dir/memif,socket-abstract=no,role=$3" }
paths:
  - { from: wire, work: [forward], to: memif }
  - { from: memif, work: [forward], to: wire }
END
    env --default-signal=INT "$millrace" run -c $dir/$1.yaml --json $dir/$1.json >$dir/$1.out 2>$dir/$1.err &
    pid=$!
}

# told NAME WHAT TIMES: that engine told this so often.
told() {
    for try in $(seq 300); do
        [ "$(grep -c "s: memif: $2: net_memif0 " $dir/$1.err)" -ge "$3" ] && ok "$1: memif is $2" && return
        sleep 0.05
    done
    cp $dir/$1.err $dir/err
    fail "$1 does not tell within 15 s that memif is $2"
}

# ended NAME PID: stopped, and its books balance.
ended() {
    kill -INT "$2"
    wait "$2"
    same "$1: exit code" $? 0
    cp $dir/$1.json $dir/report
    same "$1: frames unaccounted for" "$(report totals.unaccounted)" 0
    same "$1: chunks home after close" "$(report chunks.home_after_close)" "$(report chunks.total)"
}

side one left server
one=$pid
told one no-carrier 1
side two right client
two=$pid
told one up 1
"$wire" knock a/a0 b/b0 || fail "no frame comes through" # two may have been up from its first look on
"$wire" frames a/a0 b/b0 2000 32 60..1514 >$dir/wire
same "a to b: exit code of the verifying end" $? 0
"$wire" frames b/b0 a/a0 2000 32 60..1514 >$dir/wire
same "b to a: exit code of the verifying end" $? 0

ended two $two
told one no-carrier 2
"$wire" frames a/a0 b/b0 8 8 60..60 >$dir/wire
same "with nobody there: those that came" "$(wire_says received)" 0
ended one $one
same "they died as no_carrier" "$(report totals.drops.no_carrier)" 8
same "state in the end" "$(report ports.memif.state.now)" no-carrier
