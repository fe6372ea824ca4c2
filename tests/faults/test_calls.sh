#!/bin/sh
# Each call of the command that may fail is made to fail (calls.c): a message that says what could not be done and why, or
# it runs on and its books balance; no crash, no leak, no process left. Needs a build with -Dfaults=true, and means most
# with sanitizers. Arguments: MILLRACE WIRE JSONGET CALLS_LOOP [all [SCENARIO…]].
. "$(dirname "$0")/../pipeline/net.sh"
loop=$4 how=${5:-sample}
shift $(($# < 5 ? $# : 5))
scenarios=$*

sh -c "$no_ipv6"
ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up || fail "cannot make the network"

cat >$dir/memory.yaml <<END
engine: { layout: pipeline, cores: [0, 1], ring: 64, burst: 32 }
memory: { chunks: 512 }
ports:
  - { name: in, driver: memory, frames: 1000, window: 256, window_with: out }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: l2, to: [out] }
END
cat >$dir/uring.yaml <<END
engine: { cores: [0, 1], ring: 64, burst: 32 }
memory: { chunks: 4096 }
ports:
  - { name: in, driver: memory, frames: 300, window: 64, window_with: out }
  - { name: left, driver: uring, device: v0, queues: 2 }
  - { name: right, driver: uring, device: v1, buffers: 64, offload: super, big_buffers: 8, queues: 2 }
  - { name: out, driver: memory, verify: yes }
paths:
  - { from: in, work: forward, to: left }
  - { from: right, work: forward, to: out }
END
cat >$dir/pcap.yaml <<END
engine: { layout: pipeline, cores: [0, 1], ring: 64, burst: 32 }
memory: { chunks: 512 }
ports:
  - { name: in, driver: pcap, read: $dir/in.pcap, filter: udp, rate: 100kpps, loop: 2 }
  - { name: out, driver: pcap, write: $dir/out.pcapng }
paths:
  - { from: in, work: forward, to: out }
END

# calls SCENARIO COMMAND…: and again for each of its calls.
calls() {
    case " ${scenarios:-$1} " in *" $1 "*) ;; *) return ;; esac
    shift
    "$loop" $how $dir "$@" --json $dir/report --quiet || bad=1
}

calls drivers "$millrace" drivers
calls plan "$millrace" plan -c $dir/memory.yaml
calls run "$millrace" run -c $dir/memory.yaml
sed "s|verify: yes|write: $dir/in.pcap|; s|out, driver: memory|out, driver: pcap|; s|, window: .*}|}|" $dir/memory.yaml >$dir/make.yaml
"$millrace" run -c $dir/make.yaml --quiet 2>$dir/err || fail "cannot make a file to read"
calls run-pcap "$millrace" run -c $dir/pcap.yaml
calls plan-uring "$millrace" plan -c $dir/uring.yaml
calls run-uring "$millrace" run -c $dir/uring.yaml --for 60ms
calls lab "$millrace" lab --frames 300 --sink drop
[ -z "$MESSAGES" ] || cat $dir/messages >>"$MESSAGES"
[ -z "$bad" ] && ok "calls made to fail" || fail "calls made to fail"
