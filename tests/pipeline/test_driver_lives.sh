#!/bin/sh
# Each driver that can be used here, on both sides of an engine: bursts of 1, 7, 32 and 256; two queues on two threads of each
# of two CPUs, flows spread among them; a second engine on the same queue; killed, and started again; ten engines one after
# the other in one process. Nothing is left of any of it.
. "$(dirname "$0")/net.sh"
. "$(dirname "$0")/drivers.sh"
cycles=$4
lab_up
mid_up
lab_queues=2
end c c0 wide0 10.78.0.1 && end d d0 wide1 10.78.0.2 || fail "cannot make devices of two queues"
mount -t tmpfs lab /dev/shm || exit 1 # what others have there does not count

# traces: what an engine may leave in the system.
traces() {
    echo "interfaces: $(ip -o link | wc -l), with a program: $(ip -o link | grep -c xdp), packet sockets: $(($(wc -l </proc/net/packet) - 1))"
    echo "free huge pages: $(awk '/HugePages_Free/ { print $2 }' /proc/meminfo), files: $(ls /dev/shm /run/dpdk /run/xdp 2>/dev/null | wc -l)"
}

# A packet socket shares; a queue of AF_XDP and a TAP are one engine's.
exclusive() { case $1 in xdp | tap) true ;; *) false ;; esac }

second() {
    pair_config $1 $1 >$dir/second.yaml
    "$millrace" run -c $dir/second.yaml --for 10ms >$dir/second.out 2>$dir/second.err
    code=$?
    if exclusive $1; then
        [ $code = 3 ] && [ "$(wc -l <$dir/second.err)" = 1 ] && ok "$1: a second engine: $(cat $dir/second.err)" ||
            fail "$1: a second engine on its queues ends with $code: $(cat $dir/second.err)"
    else
        [ $code = 0 ] || fail "$1: a second engine ends with $code: $(cat $dir/second.err)"
    fi
}

for d in ${DRIVERS:-$(usable_drivers)}; do
    before=$(traces)
    for burst in 1 7 32 256; do
        pair_launch $d $d "cores: [1], burst: $burst"
        pair_frames 2000
        pair_stop
    done
    ok "$d: bursts of 1, 7, 32 and 256"

    in_device=wide0 out_device=wide1 in_end=c/c0 out_end=d/d0
    pair_launch $d $d "layout: pipeline, cores: [0, 1, 0, 1]" 2
    pair_frames 10000 64 udp
    pair_stop
    in_device=left out_device=right in_end=a/a0 out_end=b/b0
    used=$(for q in 0 1; do report stages/rx:left.$q/frames; done | awk '$1 > 0' | wc -l)
    same "$d: queues that the flows came by" $used 2

    pair_launch $d $d
    kill -KILL $engine
    wait $engine 2>/dev/null
    pair_launch $d $d
    second $d
    pair_frames 2000
    pair_stop

    pair_config $d $d >$dir/engine.yaml
    "$cycles" $dir/engine.yaml 10 >$dir/cycles 2>$dir/err || fail "$d: ten engines in a process: $(cat $dir/cycles)"
    ok "$d: ten engines in a process: $(cat $dir/cycles)"
    for try in $(seq 100); do
        [ "$(traces)" = "$before" ] && break
        sleep 0.03 # the kernel gives the memory of an AF_XDP socket back some time after its end
    done
    same "$d: left in the system" "$(traces)" "$before"
done
