/* config_cases.h: wrong configurations, and how the message about each begins and what it says; for test_config.c. */
#ifndef MILLRACE_TESTS_CONFIG_CASES_H
#define MILLRACE_TESTS_CONFIG_CASES_H

#define IN_OUT "ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory }\n"
#define PATH   "paths:\n  - { from: in, work: forward, to: out }\n"
#define UP     "ports:\n  - { name: in, driver: uring, device: lo"
#define MMAP   "ports:\n  - { name: in, driver: mmap, device: lo"
#define DOWN   " }\n  - { name: out, driver: memory }\n" PATH
#define MEM    "ports:\n  - { name: in, driver: memory"

#define OUT_ONLY(driver_, key_)                                                                                        \
    "ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: " driver_ ", device: lo, " key_ " }\n" PATH

struct bad {
    const char *text;
    const char *place; /* how the message begins */
    const char *says;  /* and what it contains */
};

static const struct bad bad_syntax[] = {
    {"", "t.yaml: ", "empty"},
    {"# nothing\n", "t.yaml: ", "empty"},
    {"- 1\n", "t.yaml:1: ", "not a configuration"},
    {"engine: { burst: 1\n", "t.yaml:2: ", "YAML"},
    {"engine:\n  burst: [1, 2\nports: x\n", "t.yaml:3: ", "YAML"},
    {"engine:\n\tburst: 1\n", "t.yaml:2: ", "tab"},
    {"engine: { burst: \"\xff\" }\n", "t.yaml:1: ", "UTF-8"},
    {"engine: &a { burst: 1 }\n", "t.yaml:1: ", "anchors"},
    {"engine: { burst: 1 }\nmemory: *a\n", "t.yaml:2: ", "aliases"},
    {"engine: { burst: !!int 1 }\n", "t.yaml:1: ", "tags"},
    {"engine: [[[[[[[[[[1]]]]]]]]]]\n", "t.yaml:1: ", "deeper"},
    {"engine: { burst: 1 }\n---\nengine: { burst: 1 }\n", "t.yaml:2: ", "second document"},
    {"engine: { burst: 1 }\nengine: { burst: 2 }\n", "t.yaml:2: engine: ", "twice, first in line 1"},
    {"engine: { burst: 1,\n  burst: 2 }\n", "t.yaml:2: engine.burst: ", "twice, first in line 1"},
    {"egnine: { burst: 1 }\n", "t.yaml:1: egnine: ", "did you mean \"engine\"?"},
    {"engine: { brust: 1 }\n", "t.yaml:1: engine.brust: ", "did you mean \"burst\"?"},
    {"engine: { zzzzzzzz: 1 }\n", "t.yaml:1: engine.zzzzzzzz: ", "there are: layout, cores, numa"},
    {"engine: { [1]: 1 }\n", "t.yaml:1: ", "unknown key"},
    {"engine: 7\n", "t.yaml:1: engine: ", "needs keys"},
    {"ports: { name: in }\n", "t.yaml:1: ports: ", "needs a list"},
    {"ports:\n  - in\n", "t.yaml:2: ports[0]: ", "needs keys"},
};

static const struct bad bad_values[] = {
    {"engine: { layout: fast }\n" IN_OUT PATH, "t.yaml:1: engine.layout: ", "one of run-to-completion, pipeline"},
    {"engine: { numa: yes }\n" IN_OUT PATH, "t.yaml:1: engine.numa: ", "one of auto, strict, off"},
    {"engine: { burst: 0 }\n" IN_OUT PATH,
     "t.yaml:1: engine.burst: ", "0 is outside the limits; needs a whole number from 1 to 256"},
    {"engine: { burst: 257 }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "257 is outside"},
    {"engine: { burst: -1 }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "-1 is outside"},
    {"engine: { burst: many }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "\"many\" is not understood"},
    {"engine: { burst: 1.5 }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "\"1.5\" is not understood"},
    {"engine: { burst: [1] }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "needs a whole number"},
    {"engine: { burst: \"1\\02\" }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "needs a whole number"},
    {"engine: { burst: 99999999999999999999 }\n" IN_OUT PATH, "t.yaml:1: engine.burst: ", "outside"},
    {"engine: { latency: maybe }\n" IN_OUT PATH, "t.yaml:1: engine.latency: ", "yes or no"},
    {"engine: { cores: [0, x] }\n" IN_OUT PATH, "t.yaml:1: engine.cores: ", "CPU numbers"},
    {"engine: { cores: [-1] }\n" IN_OUT PATH, "t.yaml:1: engine.cores: ", "-1 is outside"},
    {"engine: { ring: 8 }\n" IN_OUT PATH, "t.yaml:1: engine.ring: ", "from 16 to 1048576"},
    {"memory: { chunk_bytes: 2500 }\n" IN_OUT PATH, "t.yaml:1: memory.chunk_bytes: ", "one of 2496, 2048, 4096"},
    {"memory: { chunks: 1 }\n" IN_OUT PATH, "t.yaml:1: memory.chunks: ", "from 64 to"},
    {"memory: { huge_pages: 1G }\n" IN_OUT PATH, "t.yaml:1: memory.huge_pages: ", "auto, required, off"},
    {"batcher: { mode: timer }\n" IN_OUT PATH, "t.yaml:1: batcher.mode: ", "natural"},
    {"batcher: { cap: 1000 }\n" IN_OUT PATH, "t.yaml:1: batcher.cap: ", "from 1 to 256"},
    {MEM ", rate: 10mbps" DOWN, "t.yaml:2: ports[0].rate: ", "500kpps"},
    {MEM ", size: 63" DOWN, "t.yaml:2: ports[0].size: ", "from 64 to 65535"},
    {MEM ", size: 128..64" DOWN, "t.yaml:2: ports[0].size: ", "64..1518"},
    {MEM ", vlan: 5" DOWN, "t.yaml:2: ports[0].size: ", "68"},
    {MEM ", vlan: 4095, size: 68" DOWN, "t.yaml:2: ports[0].vlan: ", "from 0 to 4094"},
    {"ports:\n  - { name: \"a\\nb\", driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "\"a?b\" is not understood"},
    {"ports:\n  - { name: \"a\\x9bb\", driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "\"a??b\" is not understood"},
    {"ports:\n  - { name: \"a\\u2028b\", driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "printable characters"},
    {"ports:\n  - { name: \"a\\ufffeb\", driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "printable characters"},
    {MEM ", queues: 17" DOWN, "t.yaml:2: ports[0].queues: ", "from 1 to 16"},
    {"ports:\n  - { name: abcdefghijklmnopqrstuvwxyzabcdefgh, driver: memory" DOWN,
     "t.yaml:2: ports[0].name: ", "at most 31"},
};

static const struct bad bad_sense[] = {
    {PATH, "t.yaml: ports: ", "none"},
    {IN_OUT, "t.yaml: paths: ", "none"},
    {"ports: []\n" PATH, "t.yaml:1: ports: ", "none"},
    {"ports:\n  - { driver: memory }\n" PATH, "t.yaml:2: ports[0]: ", "no name"},
    {"ports:\n  - { name: 1in, driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "begins with a letter"},
    {"ports:\n  - { name: i n, driver: memory" DOWN, "t.yaml:2: ports[0].name: ", "letters, digits"},
    {"ports:\n  - { name: in, driver: memory }\n  - { name: in, driver: memory }\n" PATH,
     "t.yaml:3: ports[1].name: ", "ports[0]"},
    {"ports:\n  - { name: in }\n" PATH, "t.yaml:2: ports[0]: ", "no driver; there are: "},
    {"ports:\n  - { name: in, driver: dpkd }\n" PATH,
     "t.yaml:2: ports[0].driver: ", "no driver \"dpkd\"; there are: "},
    {MEM ", device: eth0" DOWN, "t.yaml:2: ports[0].device: ", "remove \"eth0\""},
    {MEM ",\n buffers: 64" DOWN, "t.yaml:3: ports[0].buffers: ", " this port uses memory"},
    {IN_OUT "  - { name: more, driver: memory }\n" PATH, "t.yaml:4: ports[2]: ", "no path uses port more"},
    {IN_OUT "paths:\n  - { work: forward, to: out }\n", "t.yaml:5: paths[0].from: ", "none"},
    {IN_OUT "paths:\n  - { from: in, work: forward }\n", "t.yaml:5: paths[0].to: ", "none"},
    {IN_OUT "paths:\n  - { from: in, work: forward, to: [] }\n", "t.yaml:5: paths[0].to: ", "ends in work drop"},
    {IN_OUT "paths:\n  - { from: in, to: out }\n", "t.yaml:5: paths[0].work: ", "forward, macswap, l2, drop"},
    {IN_OUT "paths:\n  - { from: in, work: forwrd, to: out }\n",
     "t.yaml:5: paths[0].work: ", "no work function \"forwrd\"; there are: forward"},
    {IN_OUT "paths:\n  - { from: on, work: forward, to: out }\n",
     "t.yaml:5: paths[0].from: ", "no port \"on\"; there are: in, out"},
    {IN_OUT "paths:\n  - { from: in, work: forward, to: [out, up] }\n", "t.yaml:5: paths[0].to: ", "no port \"up\""},
    {IN_OUT "paths:\n  - { from: [in, in], work: forward, to: out }\n", "t.yaml:5: paths[0].from: ", "twice"},
    {IN_OUT "paths:\n  - { from: in, work: forward, to: [in, out] }\n", "t.yaml:5: paths[0].work: ", "use one of: l2"},
    {IN_OUT PATH "  - { from: [out, in], work: forward, to: out }\n", "t.yaml:6: paths[1].from: ", "paths[0]"},
    {IN_OUT "paths:\n  - { from: in, work: forward, to: out, workers: 2 }\n",
     "t.yaml:5: paths[0].workers: ", "queues: 2"},
    {IN_OUT "paths:\n  - { from: in, work: forward, to: out, when_full: no }\n",
     "t.yaml:5: paths[0].when_full: ", "auto, wait, drop"},
    {IN_OUT "paths:\n  - { from: in, work: [forward, forward, forward, forward, forward, forward, forward, forward, "
            "forward], to: out }\n",
     "t.yaml:5: paths[0].work: ", "too many; needs at most 8"},
    {MEM ", window_with: out" DOWN, "t.yaml:2: ports[0].window_with: ", "without a window"},
    {MEM ", window: 8, window_with: ot" DOWN, "t.yaml:2: ports[0].window_with: ", "no port \"ot\""},
    {MEM ", window: 8" DOWN, "t.yaml:2: ports[0].window_with: ", "does not close the window"},
    {"ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory, source: yes }\n" PATH,
     "t.yaml:3: ports[1].source: ", "no path receives from port out"},
    {"ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory, rate: 1kpps }\n" PATH,
     "t.yaml:3: ports[1].rate: ", "port out makes no frames"},
    {MEM ", source: no, flows: 2" DOWN, "t.yaml:2: ports[0].flows: ", "port in makes no frames"},
    {MEM ", verify: yes" DOWN, "t.yaml:2: ports[0].verify: ", "no path sends to port in"},
    {"ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory, verify: yes,\n content: descriptors }\n"
     PATH, "t.yaml:3: ports[1].verify: ", "nothing to verify"},
};

static const struct bad bad_uring[] = {
    {"ports:\n  - { name: in, driver: uring, device: lo }\n  - { name: two, driver: uring, device: lo }\n"
     "  - { name: out, driver: memory }\npaths:\n  - { from: [in, two], work: forward, to: out }\n",
     "t.yaml:3: ports[1].device: ", "port in receives from lo already"},
    {"ports:\n  - { name: in, driver: uring" DOWN, "t.yaml:2: ports[0].device: ", "needs an interface"},
    {UP ", window: 5" DOWN, "t.yaml:2: ports[0].window: ", "belongs to driver memory, this port uses uring"},
    {MMAP ", receive: aux" DOWN, "t.yaml:2: ports[0].receive: ", "belongs to driver mmsg, socket or uring, this port uses mmap"},
    {MMAP ", offload: super, block_bytes: 64KiB" DOWN, "t.yaml:2: ports[0].block_bytes: ", "set 128KiB or more"},
    {MMAP ", block_bytes: 8MiB" DOWN, "t.yaml:2: ports[0].block_bytes: ", "outside"},
    {MMAP ", retire_ms: 0" DOWN, "t.yaml:2: ports[0].retire_ms: ", "1 to 1000"},
    {UP ", ofload: none" DOWN, "t.yaml:2: ports[0].ofload: ", "did you mean \"offload\"?"},
    {UP ", offload: all" DOWN, "t.yaml:2: ports[0].offload: ", "none, checksum, super"},
    {UP ", big_buffers: 8" DOWN, "t.yaml:2: ports[0].big_buffers: ", "offload: super"},
    {UP ", socket_bytes: 4MB" DOWN, "t.yaml:2: ports[0].socket_bytes: ", "4MiB"},
    {UP ", socket_bytes: 2GiB" DOWN, "t.yaml:2: ports[0].socket_bytes: ", "outside"},
    {UP ", socket_bytes: 99999999999GiB" DOWN, "t.yaml:2: ports[0].socket_bytes: ", "outside"},
    {UP ", receive: fast" DOWN, "t.yaml:2: ports[0].receive: ", "aux, plain"},
};

#define FILES(in, out) "ports:\n  - { name: in, driver: pcap" in " }\n  - { name: out, driver: pcap" out " }\n" PATH

static const struct bad bad_pcap[] = {
    {FILES("", ", write: b"), "t.yaml:2: ports[0].read: ", "missing: port in stands in a `from`; name a file"},
    {FILES(", read: a", ""), "t.yaml:3: ports[1].write: ", "missing: port out stands in a `to`"},
    {FILES(", read: a, snap: 64", ", write: b"), "t.yaml:2: ports[0].snap: ", "port in stands in no `to`"},
    {FILES(", read: a", ", write: b, filter: udp"), "t.yaml:3: ports[1].filter: ", "port out stands in no `from`"},
    {FILES(", read: a", ", write: b, rate: 1kpps"), "t.yaml:3: ports[1].rate: ", "port out stands in no `from`"},
    {FILES(", read: a, rate: 1kpps, replay: recorded", ", write: b"), "t.yaml:2: ports[0].rate: ", "remove one"},
    {FILES(", read: a, loop: 0", ", write: b"), "t.yaml:2: ports[0].loop: ", "a number from 1 on, or yes"},
    {FILES(", read: a, loop: often", ", write: b"), "t.yaml:2: ports[0].loop: ", "a number from 1 on, or yes"},
    {FILES(", read: a, device: eth0", ", write: b"), "t.yaml:2: ports[0].device: ", "but files (read, write)"},
    {FILES(", read: a, queues: 2", ", write: b"), "t.yaml:2: ports[0].queues: ", "at most 1"},
    {FILES(", read: a, size: 64", ", write: b"), "t.yaml:2: ports[0].size: ", "belongs to driver memory"},
    {"ports:\n  - { name: in, driver: uring, device: lo, rate: 1 }\n" PATH, "t.yaml:2: ports[0].rate: ",
     "belongs to driver memory or pcap, this port uses uring"},
    {"ports:\n  - { name: in, driver: pcap, read: '-' }\n  - { name: two, driver: pcap, read: '-' }\n"
     "  - { name: out, driver: memory }\npaths:\n  - { from: [in, two], work: forward, to: out }\n",
     "t.yaml:3: ports[1].read: ", "standard input belongs to port in already"},
};

static const struct bad bad_ways[] = {
    {OUT_ONLY("mmap", "retire_ms: 5"), "t.yaml:3: ports[1].retire_ms: ", "is for receiving, and port out only sends"},
    {OUT_ONLY("mmap", "blocks: 8"), "t.yaml:3: ports[1].blocks: ", "is for receiving"},
    {OUT_ONLY("mmap", "block_bytes: 64KiB"), "t.yaml:3: ports[1].block_bytes: ", "is for receiving"},
    {OUT_ONLY("mmsg", "receive: plain"), "t.yaml:3: ports[1].receive: ", "is for receiving"},
    {OUT_ONLY("uring", "buffers: 64"), "t.yaml:3: ports[1].buffers: ", "is for receiving"},
    {UP ", blocking: yes" DOWN, "t.yaml:2: ports[0].blocking: ", "belongs to driver socket, this port uses uring"},
};

/* Assignments of --set, on two memory ports and one path. */
static const struct bad bad_sets[] = {
    {"engine.burst", "--set engine.burst: ", "key=value"},
    {"=5", "--set =5: ", "key=value"},
    {"engine=5", "--set engine=5: ", "name one key of engine"},
    {"egine.burst=5", "--set egine.burst=5: ", "\"engine\""},
    {"engine.brst=5", "--set engine.brst=5: ", "\"burst\""},
    {"engine.burst=999", "--set engine.burst=999: ", "outside"},
    {"engine.burst=[1", "--set engine.burst=[1: ", "YAML"},
    {"engine.burst=", "--set engine.burst=: ", "whole number"},
    {"ports[2].verify=yes", "--set ports[2].verify=yes: ", "ports has 2"},
    {"ports[x].verify=yes", "--set ports[x].verify=yes: ", "ports.NAME.key"},
    {"ports.up.verify=yes", "--set ports.up.verify=yes: ", "there are: in, out"},
    {"ports.in=yes", "--set ports.in=yes: ", "name one key of ports"},
    {"paths.0.work=l2", "--set paths.0.work=l2: ", "paths[0].key"},
};

#endif
