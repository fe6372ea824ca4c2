# link.sh: what the link tests share; to be sourced: . "$(dirname "$0")/link.sh"
#
# left and right as net.sh makes them. Frames go from a to b, at most a window outstanding; the wire says what was sent and
# what came, the engine where the rest is.
. "$(dirname "$0")/../pipeline/net.sh"

# now_ms: time that the CPUs of this machine had; what the host took from one of them is no time of ours.
now_ms() { echo $(($(date +%s%N) / 1000000 - $(awk '/^cpu / { print $9 * 10 }' /proc/stat))); }

# ports LEFT RIGHT: more keys of each port, as ", reopen: yes"; then config makes a forwarder from left to right only.
config() {
    cat <<END
ports:
  - { name: left, driver: ${DRIVER:-uring}, device: left$left_keys }
  - { name: right, driver: ${DRIVER:-uring}, device: right$right_keys }
paths:
  - { from: [left], work: [forward], to: [right] }
  - { from: [right], work: [forward], to: [left] }
END
}

# lossy_start MS [WINDOW [SIZES]]: frames from a to b in the background; lossy_wait: until they have ended.
lossy_start() {
    "$wire" lossy a/a0 b/b0 "$@" >$dir/wire 2>$dir/wire.err &
    lossy=$!
    sleep 0.2
}

lossy_wait() {
    wait $lossy
    same "frames altered or doubled: exit code of the wire" $? 0
}

# lost FILE: frames that the wire sent and did not receive.
lost() { echo $(($("$jsonget" "$1" sent) - $("$jsonget" "$1" received))); }

# rate_is_back: called when a fault has ended: of 2000 frames with a window, sent within 2 s from then, 95 % or more come
# (a run of them is given up when nothing comes for 1 s). Then none is lost any more.
rate_is_back() {
    begin=$(now_ms)
    "$wire" frames a/a0 b/b0 2000 64 >$dir/rate
    took=$(($(now_ms) - begin))
    came=$("$jsonget" $dir/rate received)
    above "of 2000 frames after the fault, those that came" "$came" 1899
    check "they came within $took ms, within 2000" [ $took -lt 2000 ]
    "$wire" frames a/a0 b/b0 2000 64 >$dir/rate
    same "frames lost, altered or doubled with no fault left: exit code" $? 0
}

# event PORT WHAT PATTERN: it was told while it ran.
event() {
    grep -q "s: $1: $2: .*$3" $dir/err && ok "told: $(grep -m1 "s: $1: $2: " $dir/err)" ||
        fail "no event $2 of $1 with '$3'"
}

# wait_event PORT WHAT MS: until it is told, so long at most.
wait_event() {
    asked=$(now_ms)
    until grep -q "s: $1: $2: " $dir/err; do
        [ "$(now_ms)" -lt $((asked + $3)) ] || fail "$1 is not told to be $2 within $3 ms"
        sleep 0.005
    done
    ok "$1 is $2 after $(($(now_ms) - asked)) ms"
}

# drops REASON; drops_at STAGE REASON, at one stage, which has them.
drops() { report "totals.drops.$1"; }
drops_at() { report "stages/$1/drops/$2"; }

# frames_of PORT STATE: Σ frames of its events of that state.
frames_of() { "$jsonget" $dir/report "ports.$1.state.history" | tr '{' '\n' | awk -F'[:,}]' -v s="\"$2\"" '$4 == s { n += $6 } END { print n + 0 }'; }

# all_named REASON…: what the wire sent and did not receive stands under these names (a device's or an engine's), to the
# frame.
all_named() {
    gone=$(lost $dir/wire)
    named=0
    for reason in "$@"; do
        named=$((named + $(drops "$reason")))
    done
    same "frames sent and not received" "$gone" $named
}

# home: chunks are home.
home() { same "chunks home after close" "$(report chunks.home_after_close)" "$(report chunks.total)"; }
