#!/bin/sh
# arrows.sh ROOT: who may include whom. The table is the architecture: a file obeys the first row whose pattern it
# matches, and what the row does not grant is refused; a file that no row matches is refused as well.
# Words of the table: ISO = headers of the C standard, OS = any header that is neither ours nor a vendor's;
# CORE = the public headers of lib/core. Vendors' headers are granted by name, each in one room.
set -f
cd "$1" || exit 2

ISO='assert.h ctype.h errno.h inttypes.h limits.h math.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h'
CORE='millrace/atomic.h millrace/ring.h millrace/frame.h millrace/pool.h millrace/histogram.h millrace/counters.h
      millrace/batcher.h millrace/error.h millrace/witness.h'
VENDOR='liburing.h liburing/* yaml.h jansson.h pcap.h pcap/* rte_* xdp/* bpf/* ck_* numa.h numaif.h criterion/*'
DRIVERS='memory pcap uring xdp dpdk mmap mmsg socket tap'

rules() {
    cat <<'END'
include/millrace/report.h  millrace/* ISO jansson.h
include/millrace/*         millrace/* ISO
lib/core/*                 CORE ISO
lib/traffic/*              CORE lib/traffic/* ISO
lib/sys/*                  millrace/atomic.h millrace/error.h millrace/config.h lib/sys/* ISO OS numa.h numaif.h
lib/port/uring*            CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h liburing.h
lib/port/tap*              CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h liburing.h
lib/port/pcap*             CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h pcap.h pcap/*
lib/port/xdp_kick.c        CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h xdp/* bpf/* liburing.h
lib/port/xdp*              CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h xdp/* bpf/*
lib/port/dpdk*             CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h rte_*
lib/port/*                 CORE millrace/config.h lib/port/* lib/sys/* lib/traffic/* ISO OS jansson.h
lib/work/*                 CORE millrace/work.h lib/work/* ISO
lib/engine/config*         millrace/* lib/engine/* lib/port/* lib/work/* lib/sys/* ISO OS yaml.h jansson.h
lib/engine/*               millrace/* lib/engine/* lib/port/* lib/work/* lib/sys/* lib/version.h lib/commit.h ISO OS jansson.h
lib/measure/*              millrace/* lib/measure/* ISO OS jansson.h
apps/minimal/*             millrace/* ISO OS
apps/*                     millrace/* apps/* lib/measure/* lib/sys/* lib/engine/plan.h lib/port/port.h lib/version.h lib/commit.h ISO OS jansson.h
perf/*                     millrace/* perf/* lib/measure/* lib/sys/* ISO OS jansson.h liburing.h rte_* xdp/* bpf/* ck_*
tests/*                    * ISO OS VENDOR
*.in                       ISO
END
}

# matches WORD PATTERN…
matches() {
    word=$1
    shift
    for pattern in "$@"; do
        case $word in $pattern) return 0 ;; esac
    done
    return 1
}

# granted FILE HEADER: by the first row of the table for the file.
granted() {
    while read -r files words; do
        matches "$1" "$files" || continue
        for w in $words; do
            case $w in
            ISO) matches "$2" $ISO && return 0 ;;
            CORE) matches "$2" $CORE && return 0 ;;
            VENDOR) matches "$2" $VENDOR && return 0 ;;
            OS) matches "$2" 'millrace/*' 'lib/*' 'apps/*' 'perf/*' 'tests/*' $VENDOR || return 0 ;;
            *) matches "$2" "$w" && return 0 ;;
            esac
        done
        return 1
    done <<END
$RULES
END
    return 1
}

# stranger FILE HEADER: a driver's file that includes another driver's header.
stranger() {
    case "$1 $2" in lib/port/*' lib/port/'*) ;; *) return 1 ;; esac
    own=${1#lib/port/}
    own=${own%%[_.]*}
    other=${2#lib/port/}
    other=${other%%[_.]*}
    matches "$own" $DRIVERS && matches "$other" $DRIVERS && [ "$own" != "$other" ]
}

# includes: "file header" per line. A quoted header that lies beside the file is named by its full path.
includes() {
    set +f
    find include lib apps perf tests -name '*.[ch]' -exec grep -HE '^[[:space:]]*#[[:space:]]*include' {} + |
        sed -nE 's/^([^:]+):[^<"]*[<"]([^>"]+)[>"].*/\1 \2/p' |
        while read -r file header; do
            [ -e "${file%/*}/$header" ] && header=${file%/*}/$header
            echo "$file $header"
        done
    set -f
}

RULES=$(rules)
bad=0 seen=0
list=$(includes)
while read -r file header; do
    seen=$((seen + 1))
    if ! granted "$file" "$header" || stranger "$file" "$header"; then
        echo "$file includes $header: no arrow leads there"
        bad=$((bad + 1))
    fi
done <<END
$list
END

# The table of drivers is the only place that asks what was built in.
set +f
if grep -rnE '^[[:space:]]*#[[:space:]]*(if|ifdef|elif).*MR_HAVE_' include lib apps --include='*.[ch]' | grep -v '^lib/port/port\.c:'; then
    bad=$((bad + 1))
fi
echo "$seen includes, $bad against the table"
[ "$seen" -gt 30 ] && [ "$bad" -eq 0 ]
