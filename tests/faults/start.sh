# start.sh: for tests of what keeps an engine from starting; source it behind net.sh. One line, exit code 3 (or 2), and
# nothing left behind.

[ -w /proc/sys/vm/nr_hugepages ] || { echo "SKIP: limits of the machine are set here, and this is not its root"; exit 77; }
sh -c "$no_ipv6"
ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up || fail "cannot make the network"

# uring_config [ENGINE]: both ends of the pair into each other. memory_config [ENGINE] [MEMORY]: no device.
uring_config() {
    cat <<END
engine: { ${1:-burst: 64} }
ports:
  - { name: left, driver: uring, device: v0 }
  - { name: right, driver: uring, device: v1 }
paths:
  - { from: [left, right], work: [l2], to: [left, right] }
END
}

memory_config() {
    cat <<END
engine: { ${1:-burst: 64} }
memory: { ${2:-big_chunks: 0} }
ports:
  - { name: in, driver: memory, frames: 1000, window: 256, window_with: out }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, to: out }
END
}

# try COMMAND…: its exit code is in $code, what it said in $dir/err.
try() {
    "$@" >$dir/out 2>$dir/err
    code=$?
}

# told CODE PATTERN TEXT: so the last one ended; and that in one line.
told() {
    same "$3: exit code" $code "$1"
    same "$3: lines" "$(wc -l <$dir/err)" 1
    grep -q -e "$2" $dir/err && ok "$3: $(cat $dir/err)" || fail "$3: no '$2' in the message"
}

# nothing_left: no packet socket in this namespace, and no engine in this one of processes.
nothing_left() {
    for try in $(seq 100); do # the kernel takes a ring apart, and what is registered with it, after its process
        [ "$(wc -l </proc/net/packet)" = 1 ] && break
        sleep 0.02
    done
    same "$1: packet sockets left" "$(tail -n +2 /proc/net/packet | wc -l)" 0
    same "$1: processes left" "$(grep -l '^Name:.millrace' /proc/[0-9]*/status 2>/dev/null | wc -l)" 0
}

# As nobody, with some capabilities: as_nobody CAPS COMMAND…
as_nobody() {
    caps=$1
    shift
    setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps="$caps" --ambient-caps="$caps" "$@"
}
