# net.sh: a private network around the engine, for tests to source: . "$(dirname "$0")/net.sh"
#
#     namespace a [a0 10.77.0.1] ── [left] engine [right] ── [b0 10.77.0.2] namespace b
#
# The test runs itself again in namespaces of its own (network, mounts, processes): all it makes ends with it, however
# that comes, and names cannot clash. Arguments of every test: MILLRACE WIRE JSONGET. Each check prints one line; the
# first that fails ends the test. Exit 77 = skipped: neither root nor a user namespace is to be had.

if [ -z "$IN_LAB" ]; then
    user=
    if [ "$(id -u)" != 0 ]; then
        user='--user --map-root-user'
        unshare $user --net true 2>/dev/null || { echo "SKIP: not root, and user namespaces are forbidden"; exit 77; }
    fi
    IN_LAB=1 exec unshare $user --net --mount --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi

millrace=$1 wire=$2 jsonget=$3
mount -t tmpfs lab /run && mkdir -p /run/lab && dir=/run/lab || exit 1

ok() { echo "ok: $*"; }

fail() {
    echo "FAIL: $*"
    [ ! -s $dir/err ] || sed 's/^/  millrace: /' $dir/err
    exit 1
}

# check TEXT COMMAND…: the command succeeds.
check() {
    text=$1
    shift
    "$@" && ok "$text" || fail "$text"
}

# report PATH: a value of the last engine's report. wire_says KEY: of the last `wire`.
report() { "$jsonget" $dir/report "$1"; }
wire_says() { "$jsonget" $dir/wire "$1"; }

# same WHAT GOT WANT; above WHAT GOT LEAST (whole numbers).
same() { [ "$2" = "$3" ] && ok "$1 is $2" || fail "$1 is $2, not $3"; }
above() { [ "$2" -gt "$3" ] 2>/dev/null && ok "$1 is $2" || fail "$1 is $2, not above $3"; }

# In the background use nsenter itself: $! of a function is a shell.
in_a() { nsenter --net=/run/netns/a "$@"; }
in_b() { nsenter --net=/run/netns/b "$@"; }

# Neighbour discovery would put frames on the wire that no test sent.
no_ipv6='[ ! -d /proc/sys/net/ipv6 ] || for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done'

# end NS DEV PEER ADDRESS; each end of the pair has $lab_queues queues, or one.
end() {
    queues=${lab_queues:+numtxqueues $lab_queues numrxqueues $lab_queues}
    ip netns add "$1" && nsenter --net=/run/netns/"$1" sh -c "$no_ipv6; ip link set lo up" &&
        ip link add "$3" $queues type veth peer name "$2" $queues netns "$1" && ip link set "$3" up &&
        nsenter --net=/run/netns/"$1" sh -c "ip link set $2 up && ip address add $4/24 dev $2"
}

lab_up() {
    sh -c "$no_ipv6"
    ip link set lo up
    end a a0 left 10.77.0.1 && end b b0 right 10.77.0.2 || fail "cannot make the network"
}

# offloads WORD on|off …: of the ends, as ethtool -K has them. The kernel's defaults stay where nothing is said.
offloads() { in_a ethtool -K a0 "$@" && in_b ethtool -K b0 "$@" || fail "ethtool -K $*"; }

# config OFFLOAD [WORK]: both ports into each other, by the driver that the environment names.
config() {
    cat <<END
ports:
  - { name: left, driver: ${DRIVER:-uring}, device: left, offload: $1 }
  - { name: right, driver: ${DRIVER:-uring}, device: right, offload: $1 }
paths:
  - { from: [left, right], work: [${2:-l2}], to: [left, right] }
END
}

listens_on() {
    ifindex=$(ip -o link show "$1" | cut -d: -f1)
    awk -v ifindex="$ifindex" '$5 == ifindex && $6 == 1 { found = 1 } END { exit !found }' /proc/net/packet
}

# engine_launch COMMAND…: an engine on left and right; returns when its sockets listen. A shell's background jobs ignore
# SIGINT, unless env says otherwise.
engine_launch() {
    env --default-signal=INT "$@" >$dir/out 2>$dir/err &
    engine=$!
    if [ "$DRIVER" = xdp ]; then # its sockets are not in /proc/net
        "$wire" knock a/a0 b/b0 && return || fail "no frame comes through"
    fi
    for try in $(seq 200); do
        listens_on left && listens_on right && return
        kill -0 $engine 2>/dev/null || fail "the engine ended at once"
        sleep 0.02
    done
    fail "the engine does not receive after 4 s"
}

# engine_start OFFLOAD [OPTION…]: l2 between both ports.
engine_start() {
    config "$1" >$dir/engine.yaml
    shift
    engine_launch "$millrace" run -c $dir/engine.yaml --json $dir/report "$@"
}

# engine_wait CODE: it ends with it, and its books balance.
engine_wait() {
    wait $engine
    same "exit code" $? "$1"
    same "frames unaccounted for" "$(report totals.unaccounted)" 0
    same "frames in flight" "$(report totals.in_flight)" 0
    same "chunks unaccounted for" "$(report chunks.unaccounted)" 0
}

engine_stop() {
    kill -INT $engine
    engine_wait 0
}

# tcp BYTES [SECONDS]: from a to b; exit code of the sender.
tcp() {
    nsenter --net=/run/netns/b "$wire" tcp-serve 5000 &
    server=$!
    for try in $(seq 100); do
        in_b grep -q ':1388 00000000:0000 0A' /proc/net/tcp && break
        sleep 0.02
    done
    in_a timeout "${2:-60}" "$wire" tcp-send 10.77.0.2 5000 "$1" >$dir/wire 2>$dir/wire.err
    sent=$?
    kill $server 2>/dev/null
    wait $server 2>/dev/null
    return $sent
}
