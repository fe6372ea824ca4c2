#!/bin/sh
# test_compare.sh MILLRACE JSONGET: `millrace compare` from outside: the document, the rows that cannot run, the baseline.
# One round, short: what is judged is what stands where, and that it fits together; never how fast it is.
millrace=$1
jsonget=$2
dir=$(mktemp -d) || exit 1
ns=mr-compare-$$
trap 'ip netns delete "$ns" 2>/dev/null; rm -rf "$dir"' EXIT
export COMPARE_TEST="$dir"
failed=0
devices=

fail() {
    echo "FAIL: $*"
    failed=1
}

get() { "$jsonget" "$dir/doc" "$1" 2>&1; }

same() {
    got=$(get "$1")
    [ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# is PATH CONDITION: of a number, in awk's words, x being the number.
is() {
    got=$(get "$1")
    case $got in *[0-9]*) ;; *) fail "$1 is $got, not a number"; return ;; esac
    awk -v x="$got" "BEGIN { exit !($2) }" || fail "$1 is $got, not $2"
}

# has_latency: at a tenth of the rate, or the source was late itself and its frames tell nothing.
has_latency() {
    if [ "$(get drivers.0.latency_ns.10.p50)" = null ]; then
        is drivers.0.latency_ns.10.offered_mpps "x < 0.98 * $(get drivers.0.latency_ns.10.asked_mpps)"
    else
        is drivers.0.latency_ns.10.p50 'x > 1000'
    fi
}

# refuses CODE TEXT OPTION…: exit code and words.
refuses() {
    want=$1 text=$2
    shift 2
    "$millrace" compare "$@" >"$dir/out" 2>"$dir/err"
    code=$?
    [ $code -eq "$want" ] || fail "compare $*: exit code $code, not $want"
    grep -qF -- "$text" "$dir/err" || fail "compare $*: does not say \"$text\": $(cat "$dir/err")"
}

refuses 2 'no driver "urnig"; did you mean "uring"?' --drivers urnig
refuses 2 'did you mean "--drivers"?' --drvers=uring
refuses 2 'expected a number from 1 to 64' --rounds 0
refuses 2 'expected at most 1518' --size 9000
refuses 2 'passes frames on' --work drop
refuses 2 'give a file that compare --json wrote' --baseline "$dir/none"
echo '{"schema": "millrace.run/1"}' >"$dir/other"
refuses 2 'its schema is millrace.run/1' --baseline "$dir/other"

# A round in which no rate passed is a value, and told in words.
cat >"$dir/recorded" <<END
{"schema": "millrace.compare/1", "sources": [{"feed": "skb", "mpps_alone": 1.0}], "drivers": [{"driver": "lossy", "feed": "skb",
 "reason": null, "mpps_no_loss": 0, "mpps_flat_out": 0.2, "mpps_none_passed": 0.0123, "rounds": {"mpps_none_passed": [0.0123, null, 0.01]}},
 {"driver": "short", "feed": "skb", "reason": null, "mpps_no_loss": 0.1, "mpps_flat_out": 0.3, "out_of_trials": true, "bare_reason": "it was eaten"}]}
END
"$millrace" compare --table-from "$dir/recorded" >"$dir/table" || fail "--table-from: exit code $?"
grep -q '^lossy  *none  *0.200 ' "$dir/table" || fail "no rate passed, and the table has $(grep '^lossy' "$dir/table")"
grep -q '^short  *0.100~ *0.300 ' "$dir/table" && grep -q '~ at least: the search was out of trials' "$dir/table" ||
    fail "a search that was out of trials is not marked: $(cat "$dir/table")"
grep -q '^short  *no bare loop: it was eaten$' "$dir/table" || fail "the table does not say why there is no bare loop"
grep -q 'in 2 of 3 rounds no rate passed, down to 0.012 Mpps' "$dir/table" || fail "the table does not say how far down no rate passed"
refuses 2 'compare: --table-from' --table-from "$dir/other"

"$millrace" compare --quick --no-tcp --rounds 1 --seed 7 --drivers mmsg,memory,tap --json "$dir/doc" >"$dir/table" 2>"$dir/err"
code=$?
[ $code -eq 3 ] && { echo "SKIP: $(cat "$dir/err")"; exit 77; }
[ $code -eq 0 ] || fail "exit code $code: $(cat "$dir/err")"
same schema millrace.compare/1
same method.seed 7
same method.rounds_made 1
same drivers.0.driver mmsg
same drivers.0.reason null
is drivers.0.mpps_flat_out 'x > 0.01'
is drivers.0.mpps_no_loss 'x > 0.01'
is drivers.0.cpu_ns_per_frame 'x > 100 && x < 100000'
is drivers.0.syscalls_per_frame 'x > 0.001'
same drivers.0.copies 2
is drivers.0.busy_share 'x > 0.1 && x <= 1'
has_latency
same drivers.0.interval.mpps_flat_out.is range
# Of the window alone, and not of what was before and after it. A host that takes the CPU away moves its ends: then not judged.
if [ "$(get drivers.0.disturbed_rounds)" = 0 ]; then
    is drivers.0.window.forwarded "x > 0.85 * $(get drivers.0.window.received) && x < 1.15 * $(get drivers.0.window.received)"
    spent=$(for part in receive work send blocked idle; do get drivers.0.window.${part}_ns; done | awk '{ s += $1 } END { print s / 1e9 }')
    is drivers.0.window.seconds "$spent > 0.75 * x && $spent < 1.25 * x"
fi
# The whole box is not less than the process alone, but for the resolution; or it says why it is not told.
if [ "$(get drivers.0.cpu_ns_per_frame_system)" = null ]; then
    case $(get drivers.0.system_reason) in *[a-z]*) ;; *) fail "no box, and no reason: $(get drivers.0.system_reason)" ;; esac
else
    same drivers.0.system_reason null
    is drivers.0.cpu_ns_per_frame_system "x >= $(get drivers.0.cpu_ns_per_frame) - $(get drivers.0.system_resolution_ns)"
fi
for key in feed mode drops why ratio_to_bare cpu_ns_per_frame_system latency_ns.50.p99 latency_ns.90.p99 rounds; do
    get drivers.0.$key >/dev/null || fail "no drivers.0.$key"
done
same reference.0.name 'kernel bridge'
same reference.0.syscalls_per_frame null
same reference.0.copies null
same drivers.2.driver tap
same drivers.2.reason 'makes a device of its own, and cannot stand between the ends of veths'
for row in 0 1 2; do
    if [ "$(get reference.$row.reason)" = null ]; then
        is reference.$row.mpps_flat_out 'x > 0.01'
        same reference.$row.cpu_ns_per_frame null
    elif [ "$(id -u)" = 0 ]; then
        fail "reference $row did not run: $(get reference.$row.reason)"
    fi
done
for key in tcp host.cpu millrace.commit command sources.0.mpps_alone method.loss_most; do
    get $key >/dev/null || fail "no $key"
done

# The why line's numbers are the counters'. said BEFORE BEHIND: the number between these words.
said() { get drivers.0.why | sed -n "s/.*$1\\([0-9.]*\\)$2.*/\\1/p"; }
why_is_the_counters() {
    forwarded=$(get drivers.0.window.forwarded)
    is drivers.0.window.send_ns "$(said 'send ' ' ns') - x / $forwarded < 0.51 && x / $forwarded - $(said 'send ' ' ns') < 0.51"
    is drivers.0.window.batches "$(said '; ' ' frames a batch') - $forwarded / x < 0.51 && $forwarded / x - $(said '; ' ' frames a batch') < 0.51"
    is drivers.0.window.syscalls "x / $forwarded - $(get drivers.0.syscalls_per_frame) < 1e-6 && $(get drivers.0.syscalls_per_frame) - x / $forwarded < 1e-6"
    as=$(get drivers.0.why | sed -n 's/.*lost, most as \([a-z_.]*\).*/\1/p')
    [ -z "$as" ] || is "drivers.0.drops.$as" "x > 0.5 * $(get drivers.0.drops | tr ',{}' '\n' | awk -F: '{ s += $2 } END { print s }')"
}
why_is_the_counters
grouped=$(said '; ' ' frames a batch')

# Our ratio to the bare loop, where there is one; the reason where there is none.
if [ -x "${millrace%/*}/../../perf/bare_mmsg" ]; then
    is drivers.0.ratio_to_bare.ratio "x > 0 && $(get drivers.0.ratio_to_bare.low) <= x && x <= $(get drivers.0.ratio_to_bare.high)"
    is drivers.0.ratio_to_bare.bare_mpps "x > 0.01 && $(get drivers.0.ratio_to_bare.ratio) - $(get drivers.0.mpps_flat_out) / x < 1e-6"
else
    case $(get drivers.0.bare_reason) in *"build them"*) ;; *) fail "no bare loop, and no reason: $(get drivers.0.bare_reason)" ;; esac
fi

# A row that cannot run stands with its reason, in the document and in the table.
same drivers.1.driver memory
same drivers.1.mpps_flat_out null
case $(get drivers.1.reason) in *"no network device"*) ;; *) fail "memory's reason is $(get drivers.1.reason)" ;; esac
same drivers.1.bare_reason null
grep -q 'not run .*no network device' "$dir/table" || fail "the table does not say why memory did not run"
grep -q '^mmsg .*%$' "$dir/table" || fail "the table has no row of mmsg"

# Against a file whose figures are half as high: the ratio follows the file, in the document and in the table; what is unlike and
# the rows that only one has stand by name; another size is refused before anything runs.
mv "$dir/doc" "$dir/then"
flat=$("$jsonget" "$dir/then" drivers.0.mpps_flat_out)
cat >"$dir/half" <<END
{"schema": "millrace.compare/1", "host": {"cpu": "Z80"}, "method": {"size": "64", "work": "forward"}, "drivers": [
 {"driver": "mmsg", "feed": "skb", "reason": null, "rounds": {"mpps_flat_out": [$(awk -v x="$flat" 'BEGIN { print x / 2 }'), null]}},
 {"driver": "mmap", "feed": "skb", "reason": null, "rounds": {"mpps_flat_out": [1]}}]}
END
"$millrace" compare --table-from "$dir/then" --baseline "$dir/half" --json "$dir/doc" >"$dir/table" 2>"$dir/err" ||
    fail "with a baseline: $(cat "$dir/err")"
is drivers.0.ratio_to_baseline.mpps_flat_out.ratio "x > 1.999 && x < 2.001"
same drivers.0.ratio_to_baseline.mpps_no_loss null
same drivers.0.ratio_to_baseline.mpps_flat_out.is range
same baseline.only_then.0 'mmap fed skb'
same baseline.unlike.0.then Z80
grep -q '^mmsg *skb  n/a *2.00 \[2.00 .. 2.00\] *n/a$' "$dir/table" || fail "the table has no ratio to the baseline: $(cat "$dir/table")"
grep -q 'unlike  *cpu .*, then Z80;' "$dir/table" || fail "the table does not say what is unlike"
grep -q 'only then  mmap fed skb' "$dir/table" || fail "the table does not say that mmap is missing"
refuses 2 "its size is 64 and this run's is 128" --size 128 --drivers uring --baseline "$dir/half"
refuses 2 "its work is forward and this run's is l2" --work l2 --drivers uring --baseline "$dir/half"

# Devices of ours in a namespace of ours: what is in use is refused, and nothing about the others is changed.
here() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    here() { ip netns exec "$ns" "$@"; }
    ip netns add "$ns" && here sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    for pair in in:from out:to; do
        here ip link add "${pair%:*}" type veth peer name "${pair#*:}" && here ip link set "${pair%:*}" up &&
            here ip link set "${pair#*:}" up || fail "cannot make a veth pair"
    done
    no_device() {
        here "$millrace" compare --drivers mmsg $1 >"$dir/out" 2>"$dir/err"
        code=$?
        [ $code -eq 2 ] && grep -qF -- "$2" "$dir/err" || fail "compare $1: exit code $code, and no \"$2\": $(cat "$dir/err")"
    }
    no_device '--device from' 'two interfaces, A,B'
    no_device '--device from,nowhere' 'nowhere is no veth whose peer is in this namespace'
    no_device '--device from,lo' '--sink-device'
    no_device '--device from,to --sink-device from' 'from is named twice'
    no_device '--source-device in' 'only with --device'
    here ip address add 10.99.0.1/24 dev to
    no_device '--device from,to' '--device to has an address'
    here ip address flush dev to
    here ip route add default dev from scope link
    no_device '--device from,to' '--device from carries the default route'
    here ip route flush dev from
    here ip link add road type bridge && here ip link set to master road
    no_device '--device from,to' '--device to is a port of road'
    here ip link delete road
    here ip link set out down
    no_device '--device from,to' 'to has no carrier'
    here ip link set out up
    here ip -d link show >"$dir/links"
    devices='--device from,to'
fi

# The cause is changed, and the line follows: one frame behind one hand-over, and a system call for each.
here "$millrace" compare --quick --no-tcp --rounds 1 --seed 7 --drivers mmsg --set batcher.cap=1 $devices --json "$dir/doc" --quiet 2>"$dir/err" ||
    fail "with --set, $devices: $(cat "$dir/err")"
if [ -n "$devices" ]; then
    same method.devices.source in
    same method.devices.sink out
    is drivers.0.mpps_flat_out 'x > 0.01'
    is drivers.0.mpps_no_loss 'x > 0.01'
    has_latency
    case $(get reference.0.reason) in *"in the lab only"*) ;; *) fail "a bridge of the user's devices" ;; esac
    is reference.1.mpps_flat_out 'x > 0.01'
    here ip -d link show | diff "$dir/links" - || fail "something about the devices was changed"
fi
same method.set.0 batcher.cap=1
why_is_the_counters
[ "$(said '; ' ' frames a batch')" = 1.0 ] || fail "batches of 1, and why is $(get drivers.0.why)"
awk -v x="$grouped" 'BEGIN { exit !(x > 1.5) }' || fail "by default $grouped frames a batch, as with batches of 1"
is drivers.0.syscalls_per_frame 'x > 0.9'
same drivers.0.bare_reason "$("$jsonget" "$dir/then" drivers.0.bare_reason)"
same drivers.0.reason null
refuses 2 'expected KEY=VALUE' --set batcher.cap

# TCP streams: all bytes, each where it belongs, or no figure; ratios with their interval; who cannot says why.
mkdir "$dir/loops" && printf '#!/bin/sh\nexit 1\n' >"$dir/loops/bare_uring" && chmod +x "$dir/loops/bare_uring"
"$millrace" compare --quick --rounds 1 --seed 7 --drivers uring,xdp --bare "$dir/loops" --json "$dir/doc" >"$dir/table" 2>"$dir/err" ||
    fail "with TCP: $(cat "$dir/err")"
same drivers.0.reason null # a bare loop that fails costs its row nothing
is drivers.0.mpps_flat_out 'x > 0.01'
same drivers.0.ratio_to_bare null
same drivers.0.bare_reason "$dir/loops/bare_uring did not run; try it by itself"
for i in 0 1 2 3 4 5 6 7 8; do
    row="$(get tcp.$i.driver) as $(get tcp.$i.frames)"
    case $row in
    "xdp as "*) [ "$(get drivers.1.driver)" != xdp ] || [ "$(get drivers.1.reason)" = null ] || continue ;; # not here at all
    esac
    case $row in
    "xdp as super") same tcp.$i.reason 'the driver carries no super-frames' && same tcp.$i.gbit_per_s null && continue ;;
    "xdp as checksum") same tcp.$i.reason 'the driver carries no partial checksums' && same tcp.$i.gbit_per_s null && continue ;;
    "kernel bridge as "*) same tcp.$i.ratio_to_bridge null ;;
    "uring as "* | "xdp as segments")
        is tcp.$i.ratio_to_bridge.ratio "x > 0.01 && x < 20"
        is tcp.$i.ratio_to_bridge.low "x <= $(get tcp.$i.ratio_to_bridge.ratio)"
        is tcp.$i.ratio_to_bridge.high "x >= $(get tcp.$i.ratio_to_bridge.ratio)"
        ;;
    *) fail "tcp.$i is $row" ;;
    esac
    is tcp.$i.gbit_per_s.median "x > 0.01"
    same tcp.$i.reason null
    same tcp.$i.carried_bytes "$(get tcp.$i.bytes)"
    # All CPUs, and so not less than the pipeline; or it says why not.
    if [ "$(get tcp.$i.cpu_s_per_gbit_system)" = null ]; then
        case $(get tcp.$i.system_reason) in *[a-z]*) ;; *) fail "tcp.$i has no box, and no reason" ;; esac
    elif [ "$(get tcp.$i.driver)" != "kernel bridge" ]; then
        is tcp.$i.cpu_s_per_gbit "x > 0 && x <= $(get tcp.$i.cpu_s_per_gbit_system) + $(get tcp.$i.system_resolution_s)"
    fi
done
grep -q '^TCP, one stream of 0.25 GB: super-frames' "$dir/table" || fail "the table of TCP is missing: $(cat "$dir/table")"
grep -q '^  not run  xdp: the driver carries no partial checksums' "$dir/table" || [ "$(get drivers.1.reason)" != null ] ||
    fail "the table does not say what xdp cannot carry"

# What stands above the interval is what it is; an older document prints without what it lacks.
cat >"$dir/recorded" <<END
{"schema": "millrace.compare/1", "method": {"rounds_made": 0, "tcp": {}}, "tcp": [
 {"driver": "new", "frames": "super", "bytes": 1e9, "gbit_per_s": {"median": 8, "low": 7, "high": 9, "rounds": 6, "is": "95 % by bootstrap"},
  "drops": {"left_tp_drops": 7}},
 {"driver": "dead", "frames": "super", "bytes": 1e9, "reason": "it died"},
 {"driver": "old", "frames": "segments", "bytes": 25e7, "gbit_per_s": {"median": 2, "low": 1, "high": 3, "rounds": 2, "is": "range"}}]}
END
"$millrace" compare --table-from "$dir/recorded" >"$dir/table" || fail "--table-from: exit code $?"
grep -q '95 % interval' "$dir/table" && grep -q 'range of rounds' "$dir/table" && grep -q '  lost     new: left_tp_drops 7$' "$dir/table" &&
    grep -q '  not run  dead: it died$' "$dir/table" && ! grep -q 'left to the devices' "$dir/table" ||
    fail "the table of TCP from a document: $(cat "$dir/table")"
refuses 2 '--only-tcp: not with --no-tcp' --only-tcp --no-tcp

# Of two rounds each row has two; a sender and a pipeline that are killed cost their rows alone, with the reason.
streams() { env --default-signal=INT "$millrace" compare --quick --only-tcp --drivers mmsg --seed 7 --json "$dir/doc" "$@" >"$dir/table" 2>"$dir/err" & main=$!; }
child() { # of that name, as soon as there is one
    for try in $(seq 500); do
        for pid in $(cat "/proc/$main/task/$main/children" 2>/dev/null); do
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || return 0
        done
        kill -0 "$main" 2>/dev/null || return 1
        sleep 0.01
    done
    return 1
}
killed_sender() {
    streams --rounds 2
    child mr-tcp-send && kill -9 "$pid"
    wait "$main" || fail "a stream whose sender died, and exit code $?: $(cat "$dir/err")"
    dead=0
    for i in 0 1 2 3 4 5; do
        case $(get tcp.$i.reason) in
        null) same tcp.$i.gbit_per_s.rounds 2 && is tcp.$i.carried_bytes "x == 2 * $(get tcp.$i.bytes)" ;;
        *"of the TCP stream died"* | *"of the TCP stream cannot"*) dead=$((dead + 1)) && same tcp.$i.gbit_per_s null ;;
        *) fail "tcp.$i: $(get tcp.$i.reason)" ;;
        esac
    done
}
for try in 1 2 3; do # a stream of some tenths of a second may be over before this shell has its turn
    killed_sender
    [ $dead -ne 1 ] || break
done
[ $dead -eq 1 ] || fail "$dead rows died of one sender"
for try in 1 2 3; do
    streams --rounds 1
    child mr-pipeline && kill -9 "$pid"
    wait "$main" || fail "a pipeline died, and exit code $?: $(cat "$dir/err")"
    ! grep -q '  not run  mmsg: .*the pipeline .*died' "$dir/table" || break
done
grep -q '  not run  mmsg: .*the pipeline .*died' "$dir/table" || fail "a pipeline was killed, and the table: $(cat "$dir/table")"
is tcp.4.gbit_per_s.median 'x > 0.01'

# Ctrl-C in the middle of a stream: nothing is left, see below.
streams --rounds 1
child mr-tcp-sink && kill -INT "$main" || fail "no stream to end"
wait "$main"
[ $? -gt 128 ] || fail "Ctrl-C did not end it"
sleep 0.2

# Nothing is left: no process that has this test in its environment but its own shells.
for environ in /proc/[0-9]*/environ; do
    cat "$environ" 2>/dev/null | tr '\0' '\n' | grep -qx "COMPARE_TEST=$dir" || continue
    read -r pid name _ 2>/dev/null <"${environ%environ}stat" || continue
    case $name in "(mr-"* | "(millrace)") fail "process $pid $name is left" ;; esac
done
[ $failed -eq 0 ] && echo "ok"
exit $failed
