#!/bin/sh
# What the system does not grant: capabilities, locked memory, descriptors, CPUs. Each is named, with what helps.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/start.sh"

# The build may lie where nobody else may look.
cp "$millrace" $dir/millrace && chmod 755 $dir $dir/millrace
millrace=$dir/millrace
uring_config >$dir/uring.yaml
memory_config >$dir/memory.yaml

try as_nobody -all "$millrace" run -c $dir/uring.yaml --for 50ms
told 3 'port left: .*no packet socket: .*CAP_NET_RAW' "without CAP_NET_RAW"
try as_nobody -all "$millrace" run -c $dir/memory.yaml
same "memory without any capability: exit code" $code 0
nothing_left "capabilities"

# What an io_uring takes is counted against a limit, which CAP_IPC_LOCK lifts.
try as_nobody +net_raw prlimit --memlock=65536 "$millrace" run -c $dir/uring.yaml --for 50ms
told 3 'io_uring: .*KiB of locked memory.*64 KiB.*LimitMEMLOCK=.*CAP_IPC_LOCK' "64 KiB of locked memory"
limit=$(sed 's/.*LimitMEMLOCK=\([0-9]*\)K.*/\1/' $dir/err)
try as_nobody +net_raw prlimit --memlock=$((limit * 1024)) "$millrace" run -c $dir/uring.yaml --for 50ms
same "with the limit that it named, $limit KiB: exit code" $code 0
nothing_left "locked memory"

# Descriptors are counted by plan: no run begins that would end for want of one.
try prlimit --nofile=10 "$millrace" plan -c $dir/uring.yaml
told 3 'files are needed.*ulimit -n' "10 descriptors"
limit=$(sed 's/.*ulimit -n \([0-9]*\).*/\1/' $dir/err)
try prlimit --nofile=$((limit - 1)) "$millrace" run -c $dir/uring.yaml --for 50ms
told 3 'files are needed.*ulimit -n' "one descriptor less than it named"
try prlimit --nofile=$limit "$millrace" run -c $dir/uring.yaml --for 50ms --json $dir/report
same "with as many as it named, $limit: exit code" $code 0
nothing_left "descriptors"

# CPUs that are not there, or not ours.
memory_config 'cores: [4000]' >$dir/cpu.yaml
try "$millrace" run -c $dir/cpu.yaml
told 2 'engine.cores: CPU 4000 does not exist; allowed are: ' "a CPU that does not exist"
memory_config 'cores: [1]' >$dir/cpu.yaml
try taskset -c 0 "$millrace" run -c $dir/cpu.yaml
told 2 "engine.cores: CPU 1 is outside this process's affinity mask; allowed are: 0" "a CPU outside the affinity mask"
nothing_left "CPUs"
