#!/bin/sh
# What can be wrong with a configuration and only the command can show: exit code 2, one line with file, line (where there
# is one), key, cause and fix, no sign of life longer than eight seconds, and never more than 96 MiB of address space beyond
# what a good one takes. Arguments: MILLRACE WIRE JSONGET. No device, no privilege.
set -e # a check at the end of a pipe is another shell
millrace=$1
dir=$(mktemp -d) || exit 1
writer=
trap '[ -z "$writer" ] || kill $writer 2>/dev/null || :; rm -rf "$dir"' EXIT
file=$dir/c.yaml

fail() {
    echo "FAIL: $*"
    sed 's/^/  /' "$dir/err"
    exit 1
}

ports='ports:
  - { name: in, driver: memory }
  - { name: out, driver: memory }'
path='paths:
  - { from: in, work: forward, to: out }'

# tell FILE PATTERN TEXT: both verbs refuse it so.
tell() {
    for verb in ${verbs:-plan run}; do
        code=0
        (ulimit -v $limit && exec timeout 8 "$millrace" $verb -c "$1") >"$dir/out" 2>"$dir/err" </dev/null || code=$?
        [ $code = 2 ] || fail "$3 ($verb): exit code $code, not 2"
        [ "$(wc -l <"$dir/err")" = 1 ] && [ ! -s "$dir/out" ] || fail "$3 ($verb): not one line"
        grep -q -e "^millrace: $1$2" "$dir/err" || fail "$3 ($verb): no '$2'"
        ! grep -q "$(printf '[\001-\010\013-\037\177]')" "$dir/err" || fail "$3 ($verb): controls in the message"
    done
    echo "ok: $3: $(cut -c 1-160 "$dir/err")"
}

# wrong PATTERN TEXT: the configuration on standard input.
wrong() {
    cat >"$file"
    tell "$file" "$@"
}

# The least address space that shows the plan of a good one, in steps of 16 MiB, and 96 MiB more: four times what libyaml
# makes of a megabyte.
good_needs() {
    printf '%s\n%s\n' "$ports" "$path" >"$file"
    limit=32768
    while ! (ulimit -v $limit && exec "$millrace" plan -c "$file" --quiet) >/dev/null 2>&1; do
        limit=$((limit + 16384))
        [ $limit -lt 4000000 ] || fail "a good one is refused"
    done
    limit=$((limit + 98304))
    echo "ok: address space of at most $((limit / 1024)) MiB from here on"
}

# much LINE: as often as a megabyte holds it.
much() { yes -- "$1" | head -n $((1048576 / (${#1} + 1))); }

: >"$dir/err"
good_needs

# ---- bytes ----
: | wrong ': empty; a configuration needs ports and paths' 'an empty file'
printf '# nothing\n' | wrong ': empty;' 'a comment alone'
{ printf '%s\n' "$ports" && printf 'x: \0\n'; } | wrong ':4: a NUL byte; a configuration is UTF-8 text' 'a NUL byte'
printf 'engine:\n\tburst: 1\n' | wrong ':2: a tab at the start of the line; YAML indents by spaces only' 'a tab'
printf '\377\376e\0' | wrong ':1: a NUL byte' 'UTF-16'
printf 'engine: { burst: "\303" }\n' | wrong ':1: .*; the text must be UTF-8' 'half a character'
printf '\357\273\277%s\r\n%s\r\n' "engine: { burst: 0 }" "memory: { }" |
    wrong ':1: engine.burst: 0 is outside the limits; needs a whole number from 1 to 256' 'a byte order mark, CRLF'
{ much '#'; } | wrong ': empty;' 'a megabyte of comments'
{ much '#' && echo; } | wrong ': longer than 1 MiB; this is no configuration' 'a megabyte and a byte'
much '- ' | tr -d '\n' | wrong ':1: nested deeper than 8 levels; no key is that deep' 'a megabyte of dashes'
much '[' | wrong ':[0-9]*: nested deeper than 8 levels' 'a megabyte of brackets'
much 'a: b' | wrong ':1: a: unknown key; there are: engine, memory, batcher, ports, paths' 'a megabyte of keys'
much '  - { name: a, driver: memory }' | sed '1s/.*/ports:/' |
    wrong ':66: ports: more than 64' 'a megabyte of ports'
{ printf 'engine: { cores: [' && much '1,' | head -n 349000 | tr '\n' ' ' && echo '] }'; } |
    wrong ':1: engine.cores: too many; needs at most 64 CPU numbers' 'a megabyte of CPUs'
head -c 1048576 /dev/urandom | tr '\0' x | wrong ':[0-9]*: ' 'a megabyte of noise'

# ---- YAML ----
printf 'a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n' |
    wrong ':1: anchors (&) and aliases (\*) are not allowed; write the value out' 'a bomb of anchors'
printf 'engine: { burst: 1 }\nengine: { burst: 2 }\n' |
    wrong ':2: engine: written twice, first in line 1; remove one' 'a key twice'
printf 'engine:\n  burst: 1\n  burst: 1\n' | wrong ':3: engine.burst: written twice, first in line 2' 'a key twice within'
printf 'engine: !!python/object:os.system { }\n' | wrong ':1: tags (!) are not allowed' 'a tag'

# ---- numbers ----
number() {
    printf '%s\n%s\n%s: { %s }\n' "$ports" "$path" "${1%%.*}" "${1#*.}: $2" |
        wrong ":6: $1: $2 is outside the limits; needs a whole number from $3 to $4" "$1: $2"
}
number engine.burst 4294967297 1 256
number engine.burst -0 1 256
number engine.burst 18446744073709551617 1 256
number engine.ring 3 16 1048576
number memory.chunks 99999999999 64 16777216
printf '%s\n%s\nengine: { cores: [999999] }\n' "$ports" "$path" | wrong ':6: engine.cores: 999999 is outside the limits; needs at most 64 CPU numbers from 0 to 65535' 'CPU 999999'
printf '%s\n%s\nengine: { cores: [9999] }\n' "$ports" "$path" |
    wrong ':6: engine.cores: CPU 9999 does not exist; allowed are: ' 'CPU 9999'
printf '%s\n%s\nengine: { numa: 7 }\n' "$ports" "$path" |
    wrong ':6: engine.numa: "7" is not understood; needs one of auto, strict, off' 'node 7'

# ---- sense ----
printf '%s\n%s\n  - { from: in, work: drop }\n' "$ports" "$path" |
    wrong ':6: paths\[1\].from: port in is received from by paths\[0\] already; a frame goes one way: join the two paths' \
        'a port in two paths'
printf '%s\npaths:\n  - { from: in, work: [paths], to: out }\n' "$ports" |
    wrong ':5: paths\[0\].work: no work function "paths"; there are: forward' 'a path for a stage'
printf '%s\n%s\n  - { from: paths, work: forward, to: in }\n' "$ports" "$path" |
    wrong ':6: paths\[1\].from: no port "paths"; there are: in, out' 'a path that leads to a path'

# A loop of paths is no mistake: what leaves by one port and comes back by another is the wire's affair.
printf '%s\n%s\n  - { from: out, work: forward, to: in }\n' "$ports" "$path" >"$file"
"$millrace" plan -c "$file" --quiet 2>"$dir/err" || fail "a loop of paths is refused"
echo "ok: a loop of paths can run"

# ---- what is no file ----
tell "$dir" ': cannot be read: Is a directory; name a file' 'a directory'
tell "$dir/../$(basename "$dir")/absent" ': cannot be opened: No such file or directory; name a file, or - for standard input' \
    'a path with .. in it'
mkfifo "$dir/fifo"
tell "$dir/fifo" ': cannot be read: nothing has come out of this pipe for 5 s; name a file, or write into it' 'a pipe that nobody writes to'
yes 'a: 1' >"$dir/fifo" 2>/dev/null &
writer=$!
verbs=plan
tell "$dir/fifo" ': longer than 1 MiB' 'a pipe without an end'
verbs=
tell /dev/zero ': ' 'a device without an end'
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$dir" && : >"$file" && chmod 0 "$file"
    code=0
    setpriv --reuid=65534 --regid=65534 --clear-groups "$millrace" plan -c "$file" 2>"$dir/err" || code=$?
    [ $code = 2 ] && grep -q ': cannot be opened: Permission denied' "$dir/err" || fail "an unreadable file"
    echo "ok: an unreadable file: $(cat "$dir/err")"
fi
