#!/bin/sh
# io_uring is forbidden: by a seccomp filter, for each of its three calls, or by the sysctl. The message says by which.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/start.sh"
forbid=$4 sysctl=/proc/sys/kernel/io_uring_disabled
uring_config >$dir/uring.yaml

for call in io_uring_setup io_uring_register io_uring_enter; do
    try timeout 20 "$forbid" 1 $call "$millrace" run -c $dir/uring.yaml --for 50ms
    told 3 'io_uring.*: forbidden by a seccomp filter.*io_uring_setup, io_uring_enter and io_uring_register' "$call: EPERM"
    try timeout 20 "$forbid" 38 $call "$millrace" run -c $dir/uring.yaml --for 50ms
    told 3 'io_uring.*: a seccomp filter hides it' "$call: ENOSYS"
done
try "$forbid" 1 io_uring_enter "$millrace" drivers
same "drivers: exit code" $code 0
grep -q '^uring  *yes  *no .*seccomp' $dir/out && ok "drivers says so too" || fail "drivers: $(cat $dir/out)"
nothing_left "seccomp"

before=$(cat $sysctl) || fail "no $sysctl"
trap 'echo $before >$sysctl' EXIT
echo 2 >$sysctl
try "$millrace" run -c $dir/uring.yaml --for 50ms
told 3 'io_uring: forbidden for everybody; sysctl kernel.io_uring_disabled=0 allows it' "sysctl 2"
echo 1 >$sysctl
cp "$millrace" $dir/millrace && chmod 755 $dir $dir/millrace
try as_nobody +net_raw $dir/millrace run -c $dir/uring.yaml --for 50ms
told 3 'io_uring: forbidden without CAP_SYS_ADMIN' "sysctl 1, nobody"
echo "$before" >$sysctl
try "$millrace" run -c $dir/uring.yaml --for 50ms
same "allowed again: exit code" $code 0
nothing_left "sysctl"
