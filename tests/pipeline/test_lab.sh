#!/bin/sh
# test_lab.sh MILLRACE JSONGET [CASE]: the lab from outside, as a user has it. Without CASE: all of them.
# Exit 77 (skipped) where neither root nor a user namespace is to be had; says so.
millrace=$1
jsonget=$2
only=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# same PATH VALUE: of the last document.
same() {
    got=$("$jsonget" "$dir/doc" "$1" 2>&1)
    [ "$got" = "$2" ] || fail "$case: $1 is $got, not $2"
}

more() {
    got=$("$jsonget" "$dir/doc" "$1" 2>&1)
    [ "$got" -gt "$2" ] 2>/dev/null || fail "$case: $1 is $got, not above $2"
}

# lab EXIT-CODE OPTION…: run it, and look at what every document must hold.
lab() {
    want=$1
    shift
    "$millrace" lab "$@" --json "$dir/doc" --quiet 2>"$dir/err"
    code=$?
    if [ $code -ne "$want" ]; then
        fail "$case: exit code $code, not $want: $(cat "$dir/err")"
        return 1
    fi
    same schema millrace.lab/1
    same wire.unnamed 0
    same totals.unaccounted 0
    same totals.in_flight 0
    same chunks.unaccounted 0
    same generator.report.totals.unaccounted 0
}

# Processes of a lab, by the namespaces they hold: all of them, or those of one name.
holders() {
    for stat in /proc/[0-9]*/stat; do
        read -r pid name state _ 2>/dev/null <"$stat" || continue
        [ "$state" != Z ] || continue # dead, and its parent slow to notice
        case $name in "(mr-${1:-ends})" | "(mr-${1:-forwarder})" | "(mr-${1:-generator})") echo "$pid" ;; esac
    done
}

case_window() {
    lab 0 --frames 200000 --window 64 --size 64..1518 --work l2 || return
    same wire.sent 200000
    same wire.received 200000
    same generator.verify.faults 0
    same generator.verify.verified 200000
}

case_works() {
    for work in forward macswap l2; do
        lab 0 --frames 20000 --window 32 --work $work
        same wire.received 20000
    done
    lab 0 --frames 20000 --rate 50kpps --work drop
    same wire.received 0
    same wire.engine_drops.work_drop 20000
}

case_pipeline() {
    lab 0 --frames 50000 --window 64 --size imix --layout pipeline || return
    same wire.received 50000
    same generator.verify.faults 0
}

# chosen RX TX PASSED: what --driver auto took, and how many it passed over, each with a reason.
chosen() {
    same lab.options.rx_driver $1
    same lab.options.tx_driver $2
    passed=$("$jsonget" "$dir/doc" lab.options.chosen.passed_over | grep -o '"reason":"[^"]' | wc -l)
    [ $passed -eq $3 ] || fail "$case: $passed were passed over for a reason, not $3"
    same wire.received 20000
    same wire.unnamed 0
    same generator.verify.faults 0
}

# auto: the first of its list that can be used, as root and as nobody, whose locked memory is limited.
case_auto() {
    lab 0 --frames 20000 --window 32 --driver auto && chosen mmap xdp 0
    lab 0 --frames 20000 --window 32 --driver auto --rx-driver uring && chosen uring uring 0
    lab 0 --frames 20000 --window 32 --driver auto --offload checksum && chosen mmap mmap 1
    for given in "--tx-driver dpdk" "--tx-driver xdp --rx-driver mmap"; do
        "$millrace" lab --frames 1 --driver auto $given >/dev/null 2>"$dir/err"
        [ $? -eq 2 ] || fail "$case: $given: $(cat "$dir/err")"
    done
    [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || return
    chmod 755 "$dir"
    install -m 755 "$millrace" "$dir/millrace"
    as_nobody 8192 && chosen mmap xdp 0 && same lab.options.chosen.little_memory true
    as_nobody 1024 && chosen mmap mmap 1
    as_nobody 8192 --work l2 && chosen mmap mmap 1
}

# as_nobody KIB OPTION…: auto, without privilege, with so much memory to lock.
as_nobody() {
    (ulimit -l $1; shift; exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$dir/millrace" lab \
        --frames 20000 --window 32 --driver auto --json - "$@") >"$dir/doc" 2>"$dir/err" && return
    fail "$case: $*: $(cat "$dir/err")"
}

case_vlan() {
    lab 0 --frames 20000 --window 32 --vlan 77 --size 64..1518 || return
    same wire.received 20000
    same generator.verify.faults 0
}

case_flat_out() {
    lab 0 --for 2s || return
    more wire.sent 10000
    more wire.received 1000
    lab 0 --for 1s --sink verify --size imix || return
    more wire.received 1000
    same generator.verify.altered 0
}

case_rate() {
    lab 0 --for 1s --rate 20kpps --sink verify || return
    same wire.sent 20000
}

# One CPU for all of it.
case_one_cpu() {
    command -v taskset >/dev/null || return
    cpu=$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')
    taskset -c "$cpu" "$millrace" lab --frames 5000 --window 16 >"$dir/out" 2>&1 || fail "$case: $(cat "$dir/out")"
    grep -q "share CPU $cpu" "$dir/out" || fail "$case: does not say that source and pipeline share a CPU"
}

# A thousand frames have come to left; a lab may have waited for a second until the kernel gave its devices a carrier.
under_way() {
    holder=$(holders forwarder) && [ -n "$holder" ] &&
        nsenter --net="/proc/$holder/ns/net" awk '$1 == "left:" && $3 > 1000 { found = 1 } END { exit !found }' /proc/net/dev
} 2>/dev/null

# during SIDE COMMAND…: the command in one of the namespaces, in the middle of a run. Its exit code: code.
during() {
    "$millrace" lab --for 2s --rate 5kpps --work l2 --json "$dir/doc" --quiet 2>"$dir/err" &
    pid=$!
    for try in $(seq 250); do
        under_way && break
        sleep 0.02
    done
    side=$1
    shift
    nsenter --net="/proc/$(holders "$side")/ns/net" sh -c "$*" || fail "$case: cannot $*"
    wait $pid
    code=$?
}

# A device that goes down loses some frames quietly and refuses others: each is counted once.
case_down() {
    during ends ip link set dst down
    [ $code -eq 0 ] || fail "$case: exit code $code: $(cat "$dir/err")"
    same wire.unnamed 0
    same wire.sent 10000
    more wire.received 1000
    more wire.engine_drops.no_carrier 1000
    during forwarder ip link set right down
    [ $code -eq 0 ] || fail "$case: exit code $code: $(cat "$dir/err")"
    same wire.unnamed 0
    more wire.engine_drops.link_down 1000
}

# Somebody else sends on these wires: more arrives than the source sent. That is told, and is a failure.
case_stranger() {
    during ends 'ip address add 10.77.0.1/24 dev dst && ! ping -q -c 3 -i 0.2 -W 1 10.77.0.2 >/dev/null'
    [ $code -eq 1 ] || fail "$case: exit code $code"
    grep -q 'frames arrived that were not sent' "$dir/err" || fail "$case: not told: $(cat "$dir/err")"
    more wire.outside.src_rx_packets 0
    same wire.received 10000
}

case_signal() {
    "$millrace" lab --for 60s --json "$dir/doc" --quiet &
    pid=$!
    sleep 2
    kill -INT $pid
    wait $pid
    code=$?
    [ $code -eq 0 ] || fail "$case: exit code $code"
    same wire.unnamed 0
    more wire.received 1000
}

case_kill() {
    "$millrace" lab --for 60s --quiet &
    pid=$!
    sleep 1.5
    held=$(holders)
    [ -n "$held" ] || fail "$case: no holders seen"
    kill -9 $pid
    wait $pid 2>/dev/null
    tries=50
    while [ -n "$(holders)" ] && [ $tries -gt 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
    [ -z "$(holders)" ] || fail "$case: processes left: $(holders)"
    [ ! -d /run/netns ] || [ -z "$(ls /run/netns | grep -e millrace -e '^mr-')" ] || fail "$case: a name under /run/netns"
}

# The generator dies: said, and no endless run. A holder dies: the namespaces are open, so nothing is amiss.
case_died() {
    for side in generator ends; do
        "$millrace" lab --for 2s --rate 5kpps --json "$dir/doc" --quiet 2>"$dir/err" &
        pid=$!
        sleep 1
        kill -9 "$(holders $side)"
        wait $pid
        code=$?
        if [ $side = generator ]; then
            [ $code -eq 1 ] && grep -q 'generator died (signal 9)' "$dir/err" || fail "$case: $code: $(cat "$dir/err")"
        else
            [ $code -eq 0 ] || fail "$case: $code: $(cat "$dir/err")"
            same wire.unnamed 0
        fi
    done
}

case_keep() {
    "$millrace" lab --frames 1000 --window 8 --keep --json "$dir/doc" --quiet 2>"$dir/err" 7>"$dir/seventh" ||
        fail "$case: $(cat "$dir/err")"
    ends=$("$jsonget" "$dir/doc" lab.namespaces.ends.pid)
    forwarder=$("$jsonget" "$dir/doc" lab.namespaces.forwarder.pid)
    grep -q "kill $ends $forwarder" "$dir/err" || fail "$case: does not say how to remove it: $(cat "$dir/err")"
    grep -q src "/proc/$ends/net/dev" && grep -q dst "/proc/$ends/net/dev" || fail "$case: src and dst are not in $ends"
    grep -q left "/proc/$forwarder/net/dev" || fail "$case: left is not in $forwarder"
    for holder in $ends $forwarder; do
        [ "$(ls /proc/$holder/fd | tr '\n' ' ')" = "0 1 2 " ] || fail "$case: $holder keeps open: $(ls -l /proc/$holder/fd)"
        [ "$(readlink /proc/$holder/cwd)" = / ] || fail "$case: $holder stands in $(readlink /proc/$holder/cwd)"
    done
    kill "$ends" "$forwarder" || fail "$case: cannot remove it"
    sleep 0.3
    [ -z "$(holders)" ] || fail "$case: kill did not remove it"
}

case_wrong() {
    for options in "--frames 0" "--frames x" "--window 0" "--rate fast" "--size 63" "--sink keep" "--driver memory" \
        "--driver nothing" "--work nothing" "--layout flat" "--offload all" "--vlan 4095" "--for -1s" "--nonsense" "--frames" \
        "extra" "--window 8 --sink drop" "--window 8 --work drop" "--set engine.nothing=1" "--cores 1,x"; do
        "$millrace" lab $options >/dev/null 2>"$dir/err"
        code=$?
        [ $code -eq 2 ] || fail "$case: '$options' exits $code: $(cat "$dir/err")"
        [ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$case: '$options' is not told in one line: $(cat "$dir/err")"
    done
    "$millrace" lab --help | grep -q -e --window || fail "$case: --help"
}

# An ordinary user: a user namespace, or a message that names what to change.
case_user() {
    [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || return
    chmod 755 "$dir"
    install -m 755 "$millrace" "$dir/millrace"
    setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$dir/millrace" lab --frames 20000 --window 32 \
        --json - >"$dir/doc" 2>"$dir/err"
    code=$?
    case $code in
    0) same wire.received 20000 && same lab.user_namespace true ;;
    3) grep -q -e user_namespaces -e userns -e seccomp "$dir/err" || fail "$case: exit code 3, but no reason: $(cat "$dir/err")" ;;
    *) fail "$case: exit code $code: $(cat "$dir/err")" ;;
    esac
}

# A system that allows none of it: exit code 3, and the sysctl by its name.
case_refused() {
    command -v setpriv >/dev/null || return
    unshare -Ur true 2>/dev/null || return
    unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "$1" lab' \
        sh "$millrace" >/dev/null 2>"$dir/err"
    code=$?
    [ $code -eq 3 ] || fail "$case: exit code $code: $(cat "$dir/err")"
    grep -q 'user.max_user_namespaces is 0' "$dir/err" || fail "$case: does not name the sysctl: $(cat "$dir/err")"
}

# One traffic flow of four is for us: the others are the kernel's, and are counted.
case_take() {
    "$millrace" drivers | grep -q 'AF_XDP, receives and sends' || return
    lab 0 --driver xdp --frames 8000 --rate 100kpps --flows 4 --set 'ports[0].take=port 49152' || return
    more wire.passed_to_kernel 0
    more wire.received 0
    same wire.passed_to_kernel "$("$jsonget" "$dir/doc" ports.left.events.passed_to_kernel)"
}

"$millrace" lab --frames 100 --window 4 --quiet 2>"$dir/err"
if [ $? -eq 3 ]; then
    echo "SKIP: $(cat "$dir/err")"
    exit 77
fi
for case in ${only:-window works auto pipeline vlan flat_out rate one_cpu down stranger signal kill died keep wrong user refused take}; do
    "case_$case"
    echo "$case: done"
done
exit $failed
