#!/bin/sh
# Fault 34: somebody takes a core's CPU away, by its affinity and by a cpuset. It goes on elsewhere, says so at once, and
# the report marks the figures.
. "$(dirname "$0")/../pipeline/net.sh"
[ "$(nproc)" -ge 2 ] || fail "needs two CPUs"

cat >$dir/engine.yaml <<END_OF_CONFIG
engine: { layout: run-to-completion, cores: [1] }
memory: { chunks: 4096, huge_pages: off }
ports:
  - { name: in, driver: memory, rate: 100kpps }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, to: out }
END_OF_CONFIG

start() {
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report >$dir/out 2>$dir/err &
    engine=$!
    core=
    for try in $(seq 200); do
        core=$(grep -l '^mr-core-1$' /proc/$engine/task/*/comm 2>/dev/null | head -n 1)
        [ -n "$core" ] && break
        sleep 0.02
    done
    [ -n "$core" ] || fail "no core thread after 4 s"
    core=$(basename "$(dirname "$core")")
    sleep 0.3
}

# says WORDS: on standard error within a second.
says() {
    for try in $(seq 50); do
        grep -q "$1" $dir/err && ok "$(grep "$1" $dir/err | head -n 1)" && return
        sleep 0.02
    done
    fail "nobody says '$1'"
}

start
engine_stop
same "looks off its CPU of an engine left alone" "$(report cores.0.off_core)" 0
"$jsonget" $dir/report marks.0 >/dev/null && grep -q '"off_core"' $dir/report && fail "marked without a reason"

start
taskset -p -c 0 "$core" >/dev/null || fail "taskset"
says 's: off_core: core 0 runs on CPU 0 instead of 1'
taskset -p -c 1 "$core" >/dev/null || fail "taskset"
says 's: back_on_core: core 0 runs on CPU 1 again'
engine_stop
above "looks off its CPU" "$(report cores.0.off_core)" 0
same "the mark" "$(report marks.0.what)" off_core
check "the table has it" grep -q '^marked   off_core: core 0 ran on another CPU' $dir/out

# The real cause: a cpuset that loses the CPU. Version 1 or 2, whichever this kernel has mounted the controller on.
cpuset=/run/lab/cpuset
mkdir $cpuset
if mount -t cgroup -o cpuset none $cpuset 2>/dev/null; then
    group=$cpuset/millrace.$$
    mkdir $group && cat $cpuset/cpuset.mems >$group/cpuset.mems || fail "cannot make a cpuset"
elif mount -t cgroup2 none $cpuset 2>/dev/null && echo +cpuset >$cpuset/cgroup.subtree_control; then
    group=$cpuset/millrace.$$
    mkdir $group || fail "cannot make a cpuset"
else
    fail "no cpuset controller"
fi
trap 'for task in $(cat $group/cgroup.procs); do echo $task >$cpuset/cgroup.procs; done; rmdir $group' EXIT
echo 0-1 >$group/cpuset.cpus || fail "cannot fill the cpuset"
start
echo $engine >$group/cgroup.procs || fail "cannot move the engine"
sleep 0.2
grep -q off_core $dir/err && fail "off its core in a cpuset of both CPUs"
echo 0 >$group/cpuset.cpus || fail "cannot shrink the cpuset"
says 's: off_core: core 0 runs on CPU 0 instead of 1'
echo 0-1 >$group/cpuset.cpus
sleep 0.2
engine_stop
same "the mark" "$(report marks.0.what)" off_core
