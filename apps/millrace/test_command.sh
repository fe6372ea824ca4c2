#!/bin/sh
# test_command.sh MILLRACE FORWARD_YAML: what is typed, what comes out, and the exit code. No device, no privilege.
millrace=$1 config=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "FAIL: $*"
    cat "$dir/err"
    exit 1
}

# gives CODE PATTERN ARGUMENT…: exit code; and what stderr says, in one line ('' = nothing).
gives() {
    code=$1 pattern=$2
    shift 2
    "$millrace" "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ $got = "$code" ] || fail "millrace $*: exit code $got, not $code"
    if [ -z "$pattern" ]; then
        [ ! -s "$dir/err" ] || fail "millrace $*: something on stderr"
    else
        [ "$(wc -l <"$dir/err")" = 1 ] && grep -q -e "^millrace: .*$pattern" "$dir/err" || fail "millrace $*: no '$pattern'"
    fi
    echo "ok: millrace $*: $code $(cat "$dir/err")"
}

# shows PATTERN: on the last one's stdout.
shows() { grep -q -e "$1" "$dir/out" || fail "no '$1' on stdout"; }

gives 2 'no verb given'
gives 2 'did you mean "run"' rum
gives 2 'did you mean "--version"' --versoin
gives 2 'did you mean "--json"' run --josn -
gives 2 'value is missing' run -c
gives 2 'which configuration' plan
gives 2 'expected a time' run -c "$config" --for never
gives 2 'what is "more"' drivers more
gives 2 "words behind -- are DPDK's" run -c "$config" -- -m 64
gives 2 'unknown option "--for"' plan --for 1s
gives 2 'unknown option "-x"' run -xc "$config"
gives 2 'no value belongs to "--quiet"' run -c "$config" --quiet=yes
gives 2 'nothing belongs behind --version' --version now
gives 2 'cannot write to "/absent/report": No such' run -c "$config" --json /absent/report
gives 2 'cannot write to "/tmp": Is a directory' plan -c "$config" --json /tmp
gives 2 'absent.yaml.*ENOENT' run -c absent.yaml --verbose
gives 2 'config fault' run -c "$config" --verbose --set engine.burst=0
gives 0 '' --help && shows 'millrace drivers'
gives 0 '' --version && shows '^libraries .*liburing .*jansson'
gives 0 '' drivers && shows '^memory .*yes'
gives 0 '' drivers --json - && shows '"millrace.drivers/1"'
gives 0 '' plan -c "$config" && shows 'work:0.0'
gives 0 '' plan -c "$config" --quiet && [ ! -s "$dir/out" ] || fail "--quiet prints"
gives 0 '' plan -c "$config" --print-config --set ports.in.rate=1.5mpps && shows '^  ring: 1024$' && shows '^    rate: 1500000$'
cp "$dir/out" "$dir/printed.yaml"
gives 0 '' plan -c "$dir/printed.yaml" --print-config && cmp -s "$dir/out" "$dir/printed.yaml" || fail "printed twice, differs"
gives 0 '' plan -c "$config" --print-config --json - && shows '"ring": 1024'
for verb in run plan drivers; do
    gives 0 '' $verb --help && shows "^millrace $verb: "
done

small='--set ports.in.frames=10000'
gives 0 '' run -c "$config" $small && shows 'tx 10,000 .* unaccounted 0$'
gives 0 '' run -c "$config" $small --json - && shows '"millrace.run/1"'
head -n 1 "$dir/out" | grep -qx '{' || fail "--json -: more than JSON on stdout"
gives 0 '' run -c "$config" $small --json "$dir/report" && shows 'unaccounted 0$' && grep -q '"tx_frames": 10000' "$dir/report" ||
    fail "no report in the file"
gives 1 'cannot write the report to /dev/full: No space' run -c "$config" $small --json /dev/full

# Where nobody can read it, it was not done.
"$millrace" run -c "$config" $small >/dev/full 2>"$dir/err" && fail "a full standard output is no error"
grep -q 'standard output: No space' "$dir/err" || fail "a full standard output has another reason"
"$millrace" run -c "$config" $small >&- 2>"$dir/err" && fail "a closed standard output is no error"
echo "ok: full and closed standard output"

# One signal drains: exit code 0, and the report is there. (Without --foreground, timeout would signal it twice.)
timeout --foreground --preserve-status --signal=INT 1 "$millrace" run -c "$config" --set ports.in.frames=0 --set ports.in.rate=10kpps \
    >"$dir/out" 2>"$dir/err"
[ $? = 0 ] && shows 'ended by: signal' && shows 'unaccounted 0$' || fail "SIGINT"
echo "ok: SIGINT drains"
