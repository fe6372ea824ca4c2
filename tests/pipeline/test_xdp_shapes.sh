#!/bin/sh
# AF_XDP in the shapes that the kernel's own tests of it have (docs/drivers.md, xdp): modes, chunks that are aligned or not, rings
# from the least to the most, one frame at a time, both ways at once, and the options of its sockets.
. "$(dirname "$0")/net.sh"
lab_up

# shape TEXT MEMORY KEYS [MODE_PATTERN [FRAMES [WINDOW]]]: numbered frames both ways at once; all come, whole, in order.
shape() {
    cat >$dir/engine.yaml <<END
engine: { cores: [1] }
memory: { $2 }
ports:
  - { name: left, driver: xdp, device: left, $3 }
  - { name: right, driver: xdp, device: right, $3 }
paths:
  - { from: [left], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [left] }
END
    env --default-signal=INT "$millrace" run -c $dir/engine.yaml --json $dir/report --check 50ms >$dir/out 2>$dir/err &
    engine=$!
    "$wire" knock a/a0 b/b0 || fail "$1: no frame comes through"
    frames=${5:-2000} window=${6:-32}
    "$wire" frames b/b0 a/a0 $frames $window 60..1514 >$dir/back &
    back=$!
    "$wire" frames a/a0 b/b0 $frames $window 60..1514 >$dir/wire || fail "$1: $(cat $dir/wire)"
    wait $back || fail "$1, back: $(cat $dir/back)"
    rings=$(ls -l /proc/$engine/fd | grep -c io_uring)
    kill -INT $engine
    wait $engine || fail "$1: exit code $?"
    case "$3" in
    *"kick: uring"*) [ $rings = 1 ] || fail "$1: $rings io_urings" ;;
    *) [ $rings = 0 ] || fail "$1: $rings io_urings" ;;
    esac
    for key in totals.unaccounted totals.in_flight chunks.unaccounted checks.failed; do
        [ "$(report $key)" = 0 ] || fail "$1: $key is $(report $key)"
    done
    [ "$(report chunks.home_after_close)" = "$(report chunks.total)" ] || fail "$1: chunks that are not home"
    case "$(report ports.left.mode)" in
    ${4:-*}) ok "$1: $(report ports.left.mode)" ;;
    *) fail "$1: the mode is $(report ports.left.mode)" ;;
    esac
}

for mode in native generic; do
    shape "$mode, chunks anywhere" "chunks: 12288" "mode: $mode" "$mode, copies*"
    shape "$mode, chunks of 2048" "chunks: 12288, chunk_bytes: 2048" "mode: $mode" "$mode, copies*"
    shape "$mode, chunks of 4096" "chunks: 12288, chunk_bytes: 4096" "mode: $mode" "$mode, copies*"
done
shape "one frame at a time" "chunks: 12288" "mode: native" "native, *" 500 1
shape "the least rings" "chunks: 12288" "buffers: 8, rx_ring: 8" "*8 chunks*RX ring of 8*" 500 1
shape "large rings" "chunks: 40960" "buffers: 8192, rx_ring: 16384" "*8192 chunks*RX ring of 16384*"
shape "preferred busy polling" "chunks: 12288" "busy_poll: 64" "*polls busily, 64 a call*"
shape "one call for all queues of a core" "chunks: 12288" "kick: uring" "*kicked by io_uring*"
shape "64 frames sent a call" "chunks: 12288" "tx_budget: 64" "*sends 64 a call*"
