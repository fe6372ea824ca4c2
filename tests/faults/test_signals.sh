#!/bin/sh
# A thousand signals in a second: one drain or one stop, one whole report, and what it says was sent is what came.
. "$(dirname "$0")/../pipeline/net.sh"
. "$(dirname "$0")/flow.sh"
lab_up

storm() {
    i=0
    while [ $i -lt 500 ]; do
        kill -TERM $engine 2>/dev/null
        kill -INT $engine 2>/dev/null
        i=$((i + 1))
        [ $((i % 50)) -ne 0 ] || sleep 0.1
    done
}

# stormed CODE…: the exit code is one of them.
stormed() {
    before=$(b_got)
    run_with "engine: { cores: [1] }"
    [ "$load" = none ] || flow_start 3000000
    sleep 0.5
    storm
    wait $engine
    code=$?
    [ "$load" = none ] || { kill -TERM $flow && wait $flow 2>/dev/null; }
    case " $* " in *" $code "*) ok "exit code $code" ;; *) fail "exit code $code, not one of $*" ;; esac
    same "report" "$(report schema)" millrace.run/1
    same "frames unaccounted for" "$(report totals.unaccounted)" 0
    same "chunks unaccounted for" "$(report chunks.unaccounted)" 0
    same "chunks home" "$(report chunks.home_after_close)" "$(report chunks.total)"
    same "frames sent, by the wire" $(($(b_got) - before)) "$(report ports.right.tx_frames)"
}

load=none stormed 0 130
load=flood stormed 0 130
above "frames sent under load" "$(report ports.right.tx_frames)" 1000
