#!/bin/sh
# Fault 36: a CPU quota stops the engine for most of each 100 ms. No frame is lost over it, and the report says that its figures
# compare with none.
. "$(dirname "$0")/../pipeline/net.sh"

cat >$dir/engine.yaml <<END_OF_CONFIG
engine: { layout: run-to-completion, cores: [1] }
memory: { chunks: 4096, huge_pages: off }
ports:
  - { name: in, driver: memory, rate: 100kpps }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, to: out }
END_OF_CONFIG

# With the cpu controller on version 1 or 2: a group with 5 ms of each 100.
cpu=/run/lab/cpu
mkdir $cpu
if mount -t cgroup -o cpu none $cpu 2>/dev/null; then
    group=$cpu/millrace.$$
    mkdir $group && echo 100000 >$group/cpu.cfs_period_us && echo 5000 >$group/cpu.cfs_quota_us || fail "no quota"
elif mount -t cgroup2 none $cpu 2>/dev/null && echo +cpu >$cpu/cgroup.subtree_control; then
    group=$cpu/millrace.$$
    mkdir $group && echo '5000 100000' >$group/cpu.max || fail "no quota"
else
    fail "no cpu controller"
fi
trap 'for task in $(cat $group/cgroup.procs); do echo $task >$cpu/cgroup.procs; done; rmdir $group' EXIT

sh -c 'echo $$ >"$0" && exec "$@"' $group/cgroup.procs "$millrace" run -c $dir/engine.yaml --for 1500ms --check 100ms \
    --json $dir/report >$dir/out 2>$dir/err &
engine=$!
engine_wait 0
same "checks that did not hold" "$(report checks.failed)" 0
same "the mark" "$(report marks.0.what)" throttled
ok "$(report marks.0.text)"
check "it stood still for a good part of the time" [ "$(report marks.0.text | sed -E 's/.*times, ([0-9]+).*/\1/')" -gt 20 ]
check "the table has it" grep -q '^marked   throttled: ' $dir/out
above "frames sent" "$(report totals.tx_frames)" 0

"$millrace" run -c $dir/engine.yaml --for 300ms --json $dir/report >$dir/out 2>$dir/err &
engine=$!
engine_wait 0
grep -q throttled $dir/report && fail "marked without a quota"
ok "not marked without one"
