/* bench_order: which way to the wire costs what, in one run: AF_XDP fed with XDP frames against its bare loop and testpmd on
 * net_af_xdp; the engine's dpdk driver against testpmd in io mode on the same vdevs; and the order of the ways that is known
 * from hand-written loops and must show: CPU per frame of mmap below socket, uring as mmsg, xdp below socket, and what never
 * leaves the kernel below them all. The ruler, and what its figures contain: bench_forwarder.h.
 */
#include "perf/bench_forwarder.h"

enum { FULL_PAIRS = 40, QUICK_PAIRS = 3 };

/* busy_budget=0: without busy polling, which on veth is the faster for testpmd, too. */
#define XDP_FROM "net_af_xdp0,iface=left,busy_budget=0"
#define XDP_TO "net_af_xdp1,iface=right,busy_budget=0"
#define PACKET_FROM "net_af_packet0,iface=left"
#define PACKET_TO "net_af_packet1,iface=right"
#define ENGINE_ON(from_vdev, to_vdev) \
    .kind = BENCH_ENGINE, .from = "driver: dpdk, device: \"" from_vdev "\"", .to = "driver: dpdk, device: \"" to_vdev "\"", \
    .both_ways = true

enum { XDP, BARE_XDP, TESTPMD_XDP, DPDK_XDP, TESTPMD_PACKET, DPDK_PACKET, SOCKET, MMAP, MMSG, URING, REDIRECT, FORWARDERS };
static struct bench_forwarder all[FORWARDERS] = {
    [XDP] = {"xdp", BENCH_ENGINE_BY("xdp", "xdp"), .feed = BENCH_XDP},
    [BARE_XDP] = {"bare xdp", BENCH_BARE, "bare_xdp", .feed = BENCH_XDP},
    [TESTPMD_XDP] = {"testpmd net_af_xdp", BENCH_TESTPMD, .from = XDP_FROM, .to = XDP_TO, .feed = BENCH_XDP},
    [DPDK_XDP] = {"dpdk net_af_xdp", ENGINE_ON(XDP_FROM, XDP_TO), .feed = BENCH_XDP},
    [TESTPMD_PACKET] = {"testpmd net_af_packet", BENCH_TESTPMD, .from = PACKET_FROM, .to = PACKET_TO, .feed = BENCH_XDP},
    [DPDK_PACKET] = {"dpdk net_af_packet", ENGINE_ON(PACKET_FROM, PACKET_TO), .feed = BENCH_XDP},
    [SOCKET] = {"socket", BENCH_ENGINE_BY("socket", "socket")},
    [MMAP] = {"mmap", BENCH_ENGINE_BY("mmap", "mmap"), .feed = BENCH_XDP},
    [MMSG] = {"mmsg", BENCH_ENGINE_BY("mmsg", "mmsg")},
    [URING] = {"uring", BENCH_ENGINE_BY("uring", "uring")},
    [REDIRECT] = {"XDP redirect", BENCH_KERNEL, "bare_redirect", .feed = BENCH_XDP},
};

/* `ours` above the peer by so much, as CPU per frame: the ratio to be seen. */
static const struct order {
    const char *name;
    int ours, peer;
} orders[] = {{"mmap after socket", MMAP, SOCKET},
              {"uring after mmsg", URING, MMSG},
              {"xdp, fed XDP, after socket", XDP, SOCKET},
              {"XDP redirect after xdp", REDIRECT, XDP}};
enum { ORDERS = sizeof orders / sizeof *orders };

static bool there[FORWARDERS];

static void compare(struct bench *b, const char *what, int ours, int first, int second)
{
    struct bench_forwarder *peers[3] = {NULL};
    int n = 0;
    if (there[first]) {
        peers[n++] = &all[first];
    }
    if (second >= 0 && there[second]) {
        peers[n++] = &all[second];
    }
    if (there[ours]) {
        bench_forwarder_add(b, what, BENCH_RATE | BENCH_CPU, &all[ours], peers);
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    struct mr_error err = {0};
    int engine_rc = 0, rc = bench_init(&b, "bench_order", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0 || bench_forwarder_open(&err) < 0) {
        bench_said(&b, "left out: %s", b.cpu[1] < 0 ? "it needs two CPUs" : err.text);
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    for (int i = 0; i < FORWARDERS; i++) {
        there[i] = bench_forwarder_there(&b, &all[i], &engine_rc);
    }
    compare(&b, "xdp, fed XDP", XDP, BARE_XDP, TESTPMD_XDP);
    compare(&b, "dpdk net_af_xdp, fed XDP", DPDK_XDP, TESTPMD_XDP, -1);
    compare(&b, "dpdk net_af_packet", DPDK_PACKET, TESTPMD_PACKET, -1);
    for (int i = 0; i < ORDERS; i++) {
        if (there[orders[i].ours] && there[orders[i].peer]) {
            struct bench_forwarder *const peer[] = {&all[orders[i].peer], NULL};
            bench_forwarder_add(&b, orders[i].name, BENCH_CPU, &all[orders[i].ours], peer);
        }
    }
    rc = bench_finish(&b);
    for (int i = 0; i < FORWARDERS; i++) {
        bench_forwarder_say(&b, &all[i]);
    }
    return rc != 0 ? rc : engine_rc;
}
