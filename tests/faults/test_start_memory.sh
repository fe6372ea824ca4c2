#!/bin/sh
# Too little memory: no huge pages, too few, two engines after the same ones, a control group's limit. Told before anything
# runs, never by SIGBUS or the OOM killer; all pages are free again afterwards; and what runs takes nothing more.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/start.sh"
pages=/proc/sys/vm/nr_hugepages
was=$(cat $pages) || fail "no $pages"
trap 'echo $was >$pages; [ -z "$group" ] || rmdir $group' EXIT

free_pages() { awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo; }

# reserve N: huge pages, none of them in use.
reserve() {
    echo "$1" >$pages
    same "huge pages free" "$(free_pages)" "$1"
}

# ---- huge pages ----
reserve 0
memory_config 'layout: pipeline, cores: [0, 1]' 'huge_pages: required' >$dir/required.yaml
memory_config '' 'huge_pages: auto' >$dir/auto.yaml
try "$millrace" plan -c $dir/required.yaml
told 3 'memory.huge_pages: required, but .* pages of 2 MiB are needed and 0 are free; sysctl -w vm.nr_hugepages=' "no huge pages, plan"
need=$(sed 's/.*vm.nr_hugepages=\([0-9]*\).*/\1/' $dir/err)
try "$millrace" run -c $dir/required.yaml
told 3 "reserve\|sysctl -w vm.nr_hugepages=$need" "no huge pages, run"
try "$millrace" run -c $dir/auto.yaml --json $dir/report
same "huge_pages: auto: exit code" $code 0
report memory.note | grep -q '4 KiB pages.*were needed, 0 were free' && ok "and says: $(report memory.note)" || fail "auto does not say what it took"

reserve $((need - 1))
try "$millrace" run -c $dir/required.yaml
told 3 "$((need - 1)) are free; sysctl -w vm.nr_hugepages=$need" "one huge page short"
same "huge pages free afterwards" "$(free_pages)" $((need - 1))
reserve $need
try "$millrace" run -c $dir/required.yaml --json $dir/report
same "with as many as it named: exit code" $code 0
above "bytes on huge pages" "$(report memory.huge_bytes)" 1000000
same "huge pages free afterwards" "$(free_pages)" $need

# Two that both find them free: one gets them, the other is refused, here or when it maps them.
refused=0
for round in $(seq 8); do
    "$millrace" run -c $dir/required.yaml --set ports.in.frames=0 --set ports.in.rate=1kpps --for 200ms >/dev/null 2>$dir/err.1 &
    first=$!
    try "$millrace" run -c $dir/required.yaml --set ports.in.frames=0 --set ports.in.rate=1kpps --for 200ms
    wait $first
    one=$?
    case $one,$code in
    0,3 | 3,0) refused=$((refused + 1)) ;;
    0,0 | 3,3) ;;
    *) fail "two engines after the same pages: exit codes $one and $code: $(cat $dir/err.1)" ;;
    esac
done
above "of 8 pairs that wanted the same pages, those where one was refused" $refused 3
same "huge pages free afterwards" "$(free_pages)" $need
echo "$was" >$pages

# ---- a control group ----
if [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
    group=/sys/fs/cgroup/memory/millrace-start-$$ limit=memory.limit_in_bytes
else
    group=/sys/fs/cgroup/millrace-start-$$ limit=memory.max
    echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
fi
mkdir $group && echo $((32 << 20)) >$group/$limit || fail "cannot make a control group with a limit"

# in_group COMMAND…
in_group() { sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $group "$@"; }

memory_config >$dir/group.yaml
try in_group "$millrace" run -c $dir/group.yaml
told 3 'arena: .* MiB.*control group.*memory.chunks' "40 MiB in a group of 32 MiB"
"$millrace" plan -c $dir/group.yaml --quiet --json $dir/report || fail "plan"
arena=$(report memory.arena_bytes)
for kib in -1024 0 256 512 1024 2048 4096 16384; do
    echo $((arena + kib * 1024)) >$group/$limit
    try in_group "$millrace" run -c $dir/group.yaml
    [ $code = 0 ] || [ $code = 3 ] || fail "$kib KiB beside the arena: exit code $code: $(cat $dir/err)"
    ok "$kib KiB beside the arena: exit code $code"
done
same "16 MiB beside the arena: exit code" $code 0
echo $((32 << 20)) >$group/$limit

# Quiet after its start.
in_group "$millrace" run -c $dir/group.yaml --set memory.chunks=4000 --set ports.in.frames=0 --for 1500ms --json $dir/report \
    >/dev/null 2>$dir/err &
engine=$!
pid=
for try in $(seq 100); do
    pid=$(cat $group/cgroup.procs | head -n 1)
    [ -n "$pid" ] && grep -q mr-core /proc/$pid/task/*/comm 2>/dev/null && break
    sleep 0.02
done
sleep 0.3
rss() { awk '/^VmRSS:/ { print $2 }' /proc/$pid/status; }
faults() { awk '{ print $10 }' /proc/$pid/stat; }
before="$(rss) KiB, $(faults) faults"
sleep 0.8
same "0.8 s later it has" "$(rss) KiB, $(faults) faults" "$before"
wait $engine
same "exit code" $? 0
rmdir $group && group=
nothing_left "memory"
