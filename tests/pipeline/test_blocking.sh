#!/bin/sh
# Driver socket with blocking: yes: a core sleeps in recv when nothing is under way, and only then: no frame waits for it, and
# the end, a link and a check reach it all the same.
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
lab_up
mid_up

cpu_ticks() { awk '{ print $14 + $15 }' /proc/$engine/stat; }

# An engine that nothing comes to, for a second: its CPU time in percent of the wall's.
idle_share() {
    from=$(cpu_ticks) begin=$(date +%s%N)
    sleep 1
    echo $((100 * ($(cpu_ticks) - from) * 10000000 / ($(date +%s%N) - begin)))
}

in_keys='blocking: yes' out_keys='blocking: yes'
pair_launch socket socket
share=$(idle_share)
above "percent of a core not used by a core that sleeps" $((100 - share)) 50
pair_frames 2000 1
pair_frames 20000
ip link set left down
sleep 0.1
ip link set left up
"$wire" knock $from $to || fail "nothing comes through after left was down"
pair_frames 1000
share=$(idle_share)
above "percent of a core not used by one that sleeps again" $((100 - share)) 50
pair_stop
case $(report ports.0.mode) in *'sleeps in it up to 10 ms'*) ;; *) fail "the mode is $(report ports.0.mode)" ;; esac
ok "slept, and 23000 frames came through"

out_keys=
pair_launch socket uring
pair_frames 5000 1
pair_stop
above "ms that a frame takes less than a sleep" $((10 - $(report latency_ns.p50 | cut -d. -f1) / 1000000)) 8
in_keys= out_keys='blocking: yes'
pair_launch uring socket
pair_frames 5000
pair_stop
in_keys='blocking: yes'
pair_launch socket socket 'layout: pipeline, cores: [0, 1, 1]'
pair_frames 5000 1
pair_stop
ok "beside another driver, and on a core of its own"

# Who would wait for a core that sleeps is named.
cat >$dir/both.yaml <<EOF
engine: { cores: [1] }
ports:
  - { name: left, driver: socket, device: left, blocking: yes }
  - { name: right, driver: socket, device: right }
paths:
  - { from: [left, right], work: l2, to: [left, right] }
EOF
"$millrace" plan -c $dir/both.yaml >$dir/out 2>$dir/err
same "exit code of a plan in which right would wait for left" $? 2
grep -q 'ports\[0\].blocking: yes: CPU 1 would sleep in recv for rx:left.0, and rx:right.0 on it would wait' $dir/err || fail "it says $(cat $dir/err)"
sed -e 's/cores: .1./layout: pipeline, cores: [1, 0]/' -e '/name: right/s/socket/uring/' -e 's/from: .*/from: left, work: forward, to: right }/' \
    $dir/both.yaml >$dir/split.yaml
"$millrace" plan -c $dir/split.yaml >$dir/out 2>$dir/err
same "exit code of a plan in which a sender would wait for left" $? 2
grep -q 'tx:right.0 on it would wait' $dir/err || fail "it says $(cat $dir/err)"
sed -e '/name: left/s/, blocking: yes//' -e '/name: right/s/ }/, blocking: yes }/' -e 's/from: .*/from: [left, third], work: forward, to: right }/' \
    -e '/name: right/a\  - { name: third, driver: socket, device: lo }' $dir/both.yaml >$dir/send.yaml
"$millrace" plan -c $dir/send.yaml >$dir/out 2>$dir/err
same "exit code of a plan in which two receivers would wait for a send" $? 2
grep -q 'CPU 1 would sleep in send for tx:right.0' $dir/err || fail "it says $(cat $dir/err)"
ok "a plan in which somebody would wait is refused"
