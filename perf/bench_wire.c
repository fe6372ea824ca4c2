/* bench_wire: real frames from one veth to another over AF_PACKET and AF_XDP: `millrace run` by each driver against that
 * driver's bare loop, the same without an engine; of uring also its bare loop against recvmmsg and sendmmsg, and the engine
 * with latency measured against without; of the pair mmap and xdp also against mmap both ways. The ruler: bench_forwarder.h.
 */
#include "perf/bench_forwarder.h"

enum { FULL_PAIRS = 40, QUICK_PAIRS = 10 };

static struct wire {
    const char *name; /* of the case */
    struct bench_forwarder engine, loop;
} wires[] = {
    {"uring, 64 B", {"uring", BENCH_ENGINE_BY("uring", "uring")}, {"bare uring", BENCH_BARE, "bare_uring"}},
    {"mmap, 64 B", {"mmap", BENCH_ENGINE_BY("mmap", "mmap"), .feed = BENCH_XDP}, {"bare mmap", BENCH_BARE, "bare_mmap", .feed = BENCH_XDP}},
    {"mmsg, 64 B", {"mmsg", BENCH_ENGINE_BY("mmsg", "mmsg")}, {"bare mmsg", BENCH_BARE, "bare_mmsg"}},
    {"socket, 64 B", {"socket", BENCH_ENGINE_BY("socket", "socket")}, {"bare socket", BENCH_BARE, "bare_socket"}},
    {"xdp, 64 B", {"xdp", BENCH_ENGINE_BY("xdp", "xdp")}, {"bare xdp", BENCH_BARE, "bare_xdp"}},
    {"mmap to xdp, 64 B",
     {"mmap to xdp", BENCH_ENGINE_BY("mmap", "xdp"), .feed = BENCH_XDP},
     {"bare mmap to xdp", BENCH_BARE, "bare_mmap_xdp", .feed = BENCH_XDP}},
    {"mmap, 1514 B",
     {"mmap", BENCH_ENGINE_BY("mmap", "mmap"), .bytes = BENCH_FORWARDER_1514, .feed = BENCH_XDP},
     {"bare mmap", BENCH_BARE, "bare_mmap", .bytes = BENCH_FORWARDER_1514, .feed = BENCH_XDP}},
};
enum { WIRES = sizeof wires / sizeof *wires, URING = 0, MMAP = 1, MMSG = 2, MMAP_XDP = 5 };
static struct bench_forwarder unmeasured = {"latency off", BENCH_ENGINE_BY("uring", "uring"), .latency = "no"};

static void add(struct bench *b, const char *what, int measures, struct bench_forwarder *ours, struct bench_forwarder *peer)
{
    struct bench_forwarder *const peers[] = {peer, NULL};
    bench_forwarder_add(b, what, measures, ours, peers);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct mr_error err = {0};
    int engine_rc = 0, rc = bench_init(&b, "bench_wire", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0 || bench_forwarder_open(&err) < 0) {
        bench_said(&b, "left out: %s", b.cpu[1] < 0 ? "it needs two CPUs" : err.text);
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    for (int i = 0; i < WIRES; i++) {
        struct wire *w = &wires[i];
        if (bench_forwarder_there(&b, &w->engine, &engine_rc)) {
            add(&b, w->name, BENCH_RATE | BENCH_CPU | BENCH_CALLS, &w->engine, &w->loop);
        }
    }
    if (wires[URING].engine.added) {
        add(&b, "latency on", BENCH_RATE | BENCH_CPU, &wires[URING].engine, &unmeasured);
        add(&b, "bare loop", BENCH_RATE | BENCH_CPU | BENCH_CALLS, &wires[URING].loop, &wires[MMSG].loop);
    }
    if (wires[MMAP_XDP].engine.added) {
        add(&b, "mmap to xdp after mmap, 64 B", BENCH_RATE | BENCH_CPU, &wires[MMAP_XDP].engine, &wires[MMAP].engine);
    }
    rc = bench_finish(&b);
    for (int i = 0; i < WIRES; i++) {
        bench_forwarder_say(&b, &wires[i].engine);
        bench_forwarder_say(&b, &wires[i].loop);
    }
    bench_forwarder_say(&b, &unmeasured);
    return rc != 0 ? rc : engine_rc;
}
