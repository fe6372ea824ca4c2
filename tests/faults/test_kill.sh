#!/bin/sh
# kill -9 at a hundred random moments of the engine's life (start, run, drain) and of a lab's: what starts next starts
# clean, and nothing of ours is left: process, namespace, device, promiscuity, packet socket, huge page, file.
# SEED=N repeats a run.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
mount -t tmpfs shm /dev/shm || fail "cannot mount a /dev/shm of its own"
lab_up
seed=${SEED:-$(date +%s)} engines=60 labs=40
echo "SEED=$seed"

# random N: into `random`, below N.
random() {
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    random=$(((seed >> 8) % $1))
}
nap() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

huge_free() { awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo; }

# world: what could be left, in words that do not change by themselves. Processes but for this test's own.
world() {
    ip -d -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*promiscuity \([0-9]*\).*/device \1 promiscuity \2/p'
    ls /run/netns | sed 's/^/namespace /'
    sed '1d' /proc/net/packet | awk '{ print "packet socket of device", $5 }'
    ls -A /dev/shm | sed 's/^/shared memory /'
    ls -A /tmp | grep -e '^millrace' -e '^mr-' | sed 's/^/file \/tmp\//'
    sed '1d' /proc/net/unix | awk '$8 != "" { print "socket", $8 }'
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <$comm && case $name in millrace | mr-*) echo "process $name" ;; esac
    done
}

# clean WHAT: within two seconds; a killed process is torn down by the kernel in its own time.
clean() {
    for try in $(seq 100); do
        world >$dir/now
        cmp -s $dir/before $dir/now && return
        sleep 0.02
    done
    fail "$1 (seed $seed) left: $(diff $dir/before $dir/now)"
}

nsenter --net=/run/netns/a timeout 100 "$wire" send a0 100000000 &
load=$!
world >$dir/before
huge=$(huge_free)

# A third each: before its sockets may be there, while it runs, while it drains.
config none >$dir/engine.yaml
for i in $(seq $engines); do
    "$millrace" run -c $dir/engine.yaml --json $dir/report --quiet >$dir/out 2>$dir/err &
    engine=$!
    random 60
    [ $((i % 3)) -eq 0 ] || random=$((random + 100))
    nap $random
    if [ $((i % 3)) -eq 2 ]; then
        kill -TERM $engine
        random 8
        nap $random
    fi
    kill -KILL $engine 2>/dev/null
    wait $engine
    code=$?
    [ $code -eq 137 ] || [ $code -eq 143 ] || [ $code -eq 0 ] || fail "killed: exit code $code"
    clean "engine $i"
done 2>/dev/null
ok "$engines engines killed, nothing left"
engine_start none --for 300ms
engine_wait 0
clean "an engine that ended by itself"
kill $load

for i in $(seq $labs); do
    "$millrace" lab --for 30s --quiet >$dir/out 2>$dir/err &
    lab=$!
    random 500
    nap $random
    if [ $((i % 4)) -eq 3 ]; then
        kill -TERM $lab
        random 100
        nap $random
    fi
    kill -KILL $lab 2>/dev/null
    wait $lab
    code=$?
    [ $code -eq 137 ] || [ $code -eq 143 ] || [ $code -eq 0 ] || fail "lab killed: exit code $code"
    clean "lab $i"
done 2>/dev/null
ok "$labs labs killed, nothing left"
check "a lab starts behind them" "$millrace" lab --frames 1000 --window 8 --quiet
clean "a lab that ended by itself"
for try in $(seq 100); do
    [ "$(huge_free)" -lt "$huge" ] || break
    sleep 0.05
done
check "huge pages free: $(huge_free) of $huge" [ "$(huge_free)" -ge "$huge" ]
