#!/bin/sh
# Each mistake is told in one line that names place, cause and fix, before anything starts; exit codes 2 and 3.
. "$(dirname "$0")/net.sh"
lab_up
file=$dir/wrong.yaml

# told CODE PATTERN TEXT: of the last command, whose exit code is $code.
told() {
    same "$3: exit code" $code "$1"
    same "$3: lines" "$(wc -l <$dir/err)" 1
    grep -q -e "$2" $dir/err && ok "$3: $(cat $dir/err)" || fail "$3: no '$2' in the message"
}

# wrong CODE PATTERN TEXT SED: a good configuration, spoilt by the sed script.
wrong() {
    config none | sed "$4" >$file
    for verb in plan run; do
        "$millrace" $verb -c $file >$dir/out 2>$dir/err
        code=$?
        told "$1" "$2" "$3 ($verb)"
    done
}

try() {
    "$millrace" "$@" >$dir/out 2>$dir/err
    code=$?
}

wrong 2 'wrong.yaml:3: ports\[1\].device: .*veth9.*left' 'no such interface' 's/device: right/device: veth9/'
wrong 2 'wrong.yaml:2: .*ofload' 'unknown key' '2s/offload/ofload/'
wrong 2 'wrong.yaml:3: .*left' 'a name twice' 's/name: right/name: left/'
wrong 2 'wrong.yaml:2: .*nothing.*uring' 'unknown driver' 's/driver: uring/driver: nothing/'
wrong 2 'wrong.yaml:5: .*nothing.*l2' 'unknown work function' 's/l2/nothing/'
wrong 2 'wrong.yaml:5: .*forward' 'several outputs, no choice' 's/l2/forward/'
wrong 2 'wrong.yaml:5: .*middle' 'unknown port in a path' 's/to: \[left, right\]/to: [left, middle]/'
wrong 2 'wrong.yaml:6: .*left' 'a receiving port in two paths' '$a\  - { from: [left], work: [l2], to: [right] }'
wrong 2 'wrong.yaml:6: engine.cores.*4000' 'a core that does not exist' '$aengine: { cores: [4000] }'
wrong 2 'wrong.yaml:6: memory.chunks' 'too few chunks' '$amemory: { chunks: 64 }'
wrong 2 'wrong.yaml:[0-9]' 'no YAML' '1s/:/: [/'

try run -c $dir/absent.yaml
told 2 'absent.yaml' "no such file"
try run
told 2 '-c' "no file named"
try nothing
same "unknown verb: exit code" $code 2
try run --help
same "help: exit code" $code 0

# Each line's last column begins under its head: arrows, which are several bytes, count as one.
"$millrace" drivers | sed 's/→/>/g' >$dir/table
ragged=$(awk 'NR == 1 { at = index($0, "mode, or why not") } substr($0, at - 2, 2) != "  " || substr($0, at, 1) == " "' $dir/table)
same "lines of the table of drivers that are out of line" "$ragged" ""

config none >$file
setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$millrace" run -c $file --for 1s >$dir/out 2>$dir/err
code=$?
told 3 'CAP_NET_RAW' "no privilege"
