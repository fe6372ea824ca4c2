# drivers.sh: engines between any two drivers, for tests to source after net.sh: left receives by one, right sends by the
# other.
#
#     namespace a [a0] ── [left] rx driver → forward → tx driver [right] ── [b0] namespace b
#
# A driver that makes its device has tap0 or tap1 in the engine's namespace instead ("mid"), and its kernel's side is that.
# Drivers enter by `millrace drivers` (DRIVERS="uring tap" names some); only how they write an interface stands here.

# Which interfaces, and which far ends.
in_device=left out_device=right in_end=a/a0 out_end=b/b0

# mid_up: the engine's own namespace gets a name too.
mid_up() {
    touch /run/netns/mid && mount --bind /proc/self/ns/net /run/netns/mid || fail "cannot name the engine's namespace"
}

usable_drivers() {
    "$millrace" drivers --json $dir/drivers >/dev/null
    i=0
    while name=$("$jsonget" $dir/drivers drivers.$i.name 2>/dev/null); do
        if [ "$("$jsonget" $dir/drivers drivers.$i.usable)" = true ] &&
            [ "$("$jsonget" $dir/drivers drivers.$i.needs_device)" = true ]; then
            echo "$name"
        elif [ "$("$jsonget" $dir/drivers drivers.$i.built)" = true ] &&
            [ "$("$jsonget" $dir/drivers drivers.$i.needs_device)" = true ]; then
            fail "driver $name cannot be used here: $("$jsonget" $dir/drivers drivers.$i.why_not)" >&2
        fi
        i=$((i + 1))
    done
}

# device_of DRIVER INTERFACE N [QUEUES]: what its key `device` says. wire_end DRIVER END INTERFACE: where its frames come and go.
device_of() {
    case $1 in
    dpdk) echo "net_af_packet$3,iface=$2${4:+,qpairs=$4}" ;;
    tap) echo tap$3 ;;
    *) echo $2 ;;
    esac
}

wire_end() {
    case $1 in
    tap) echo mid/tap$3 ;;
    *) echo $2 ;;
    esac
}

# pair_config RX TX [ENGINE_KEYS [QUEUES]]; in_keys, out_keys: of the ports.
in_keys= out_keys=
pair_config() {
    cat <<EOF
engine: { ${3:-cores: [1]} }
ports:
  - { name: left, driver: $1, device: "$(device_of $1 $in_device 0 $4)"${4:+, queues: $4}${in_keys:+, $in_keys} }
  - { name: right, driver: $2, device: "$(device_of $2 $out_device 1 $4)"${4:+, queues: $4}${out_keys:+, $out_keys} }
paths:
  - { from: [left], work: [forward], to: [right] }
EOF
}

# pair_launch RX TX [ENGINE_KEYS [QUEUES]]: returns when frames come through.
pair_launch() {
    pair="$1 → $2${3:+, $3}${4:+, $4 queues}"
    from=$(wire_end $1 $in_end 0) to=$(wire_end $2 $out_end 1)
    pair_config "$@" >$dir/engine.yaml
    rm -f $dir/report
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report --check 50ms >$dir/out 2>$dir/err &
    engine=$!
    "$wire" knock $from $to || fail "$pair: no frame comes through"
}

# pair_frames FRAMES [WINDOW [KIND]]: frames (all one flow to the kernel), or udp.
pair_frames() {
    "$wire" ${3:-frames} $from $to $1 ${2:-64} 60..$([ "$3" = udp ] && echo 1486 || echo 1514) >$dir/wire || fail "$pair: $(cat $dir/wire)"
    [ "$(wire_says received)" = "$1" ] || fail "$pair: $(cat $dir/wire)"
}

# pair_stop: it drains; all is accounted for.
pair_stop() {
    kill -INT $engine
    wait $engine
    code=$?
    [ $code = 0 ] || fail "$pair: exit code $code"
    for key in totals.unaccounted totals.in_flight chunks.unaccounted checks.failed; do
        [ "$(report $key)" = 0 ] || fail "$pair: $key is $(report $key)"
    done
    [ "$(report chunks.home_after_close)" = "$(report chunks.total)" ] || fail "$pair: chunks that are not home"
    [ "$(report totals.rx_frames)" = "$(report totals.tx_frames)" ] || fail "$pair: dropped $(report totals.drops)"
}
