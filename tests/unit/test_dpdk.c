/* The DPDK driver: chunks shared with io_uring address by address, EAL once per process, drops by name, devices that keep
 * what they hold. On vdevs and a veth pair; Criterion gives each test a process, and so an EAL, of its own. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"
#include "lib/port/port.h"
#include "tests/unit/scene.h"
#include "tests/unit/uring_frames.h"
#include "tests/unit/uring_net.h"

#include <millrace/report.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>

#define RING_AND_URING                                                                                                 \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: ring, driver: dpdk, device: net_ring0 }\n"                                                            \
    "  - { name: left, driver: uring, device: left, buffers: 64 }\n"                                                   \
    "paths:\n"                                                                                                         \
    "  - { from: [ring, left], work: l2, to: [ring, left] }\n"

/* net_af_xdp never deletes its UMEM (its count of users ends at one): read by LeakSanitizer, where there is one. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:xsk_umem__create\n";
}

/* uring → dpdk → dpdk → uring: the frame stays where the kernel wrote it. net_ring hands mbufs on as they are, so what comes
 * out of it is what tx_burst was given; what is written into the chunk behind uring's tx_burst arrives at the other end. */
Test(dpdk, frames_keep_their_chunk_from_driver_to_driver)
{
    static struct scene s;
    struct made m = datagram(100);
    struct made plain = m;
    struct mr_frame in, out;
    struct got g;
    uint32_t chunk;
    plain.vnet = (struct mr_vnet){0};
    make_net(1);
    open_scene(&s, RING_AND_URING);
    int far = packet_socket("right", true);
    int near = packet_socket("right", false);
    struct iovec iov[2] = {{&plain.vnet, sizeof plain.vnet}, {plain.bytes, plain.n}};
    ring_bells(&s);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    cr_assert_gt(sendmsg(near, &msg, 0), 0);

    cr_assert_eq(receive(&s, 1, &in), 1);
    cr_assert_eq(s.ports[0]->driver->tx_burst(s.ports[0]->txq[0], &in, 1), 1);
    ring_bells(&s);
    cr_expect_eq(held(&s) + s.pool.small.count, CHUNKS, "one is in the ring: %ld held", held(&s));
    cr_assert_eq(receive(&s, 0, &out), 1);
    cr_expect_eq(out.chunk, in.chunk);
    cr_expect_eq(out.offset, in.offset);
    cr_expect_eq(out.length, in.length);
    cr_expect_eq(out.port, 0);
    cr_expect(memcmp(mr_frame_data(s.arena.base, &out), plain.bytes, plain.n) == 0);

    cr_assert_eq(s.ports[1]->driver->tx_burst(s.ports[1]->txq[0], &out, 1), 1);
    mr_frame_data(s.arena.base, &out)[50] = 0x5a;
    ring_bells(&s);
    usleep(20000);
    cr_assert(get(far, &g));
    cr_expect_eq(g.frame.bytes[50], 0x5a);
    cr_assert_eq(s.ports[1]->driver->reclaim(s.ports[1]->txq[0], &chunk, 1), 1);
    cr_expect_eq(chunk, in.chunk);
    mr_recycle_put(&s.recycle, &chunk, 1);
    ring_bells(&s);
    cr_expect_eq(held(&s) + s.pool.small.count, CHUNKS);
    close_scene(&s);
}

/* A frame from dpdk whose front was cut and whose end was trimmed leaves by dpdk as the descriptor says. */
Test(dpdk, a_descriptor_that_work_changed_is_what_is_sent)
{
    static struct scene s;
    struct made m = datagram(200);
    struct mr_frame in, out;
    m.vnet = (struct mr_vnet){0};
    make_net(1);
    open_scene(&s, RING_AND_URING);
    int near = packet_socket("right", false);
    struct iovec iov[2] = {{&m.vnet, sizeof m.vnet}, {m.bytes, m.n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ring_bells(&s);
    cr_assert_gt(sendmsg(near, &msg, 0), 0);
    cr_assert_eq(receive(&s, 1, &in), 1);
    for (uint32_t round = 0; round < 3; round++) { // 4 bytes fewer on either end each time
        cr_assert(mr_frame_adjust(s.arena.base, &in, 4) && mr_frame_trim(&in, 4));
        cr_assert_eq(s.ports[0]->driver->tx_burst(s.ports[0]->txq[0], &in, 1), 1);
        cr_assert_eq(receive(&s, 0, &out), 1);
        cr_expect_eq(out.offset, in.offset);
        cr_expect_eq(out.length, m.n - 8 * (round + 1));
        in = out;
    }
    cr_expect(memcmp(mr_frame_data(s.arena.base, &out), m.bytes + 12, out.length) == 0);
    close_scene(&s);
}

/* Frames into the ring until it takes no more. Returns how many it took. */
static uint32_t fill_ring(struct scene *s)
{
    struct mr_port *p = s->ports[0];
    struct mr_frame f = {.offset = MR_CHUNK_DATA, .length = 60};
    uint32_t n = 0;
    while (mr_pool_alloc(&s->pool, &s->pool.small, &f.chunk, 1) == 1 && p->driver->tx_burst(p->txq[0], &f, 1) == 1) {
        n++;
    }
    mr_pool_free(&s->pool, &f.chunk, 1);
    return n;
}

/* Receiving is off, and the device's ring is full: each of its frames is received, a burst at a time, before the queue has ended. */
Test(dpdk, a_drain_takes_all_that_the_ring_has)
{
    static struct scene s;
    struct mr_frame in[16];
    uint32_t came = 0;
    make_net(1);
    open_scene(&s, RING_AND_URING);
    struct mr_rxq *q = s.ports[0]->rxq[0];
    uint32_t there = fill_ring(&s);
    cr_assert_gt(there, 16);
    for (int looks = 0; looks < 1000 && !s.ports[0]->driver->rx_quiesce(q); looks++) {
        uint32_t n = s.ports[0]->driver->rx_burst(q, in, 16);
        came += n;
        for (uint32_t i = 0; i < n; i++) {
            mr_recycle_put(&s.recycle, &in[i].chunk, 1);
        }
    }
    cr_expect_eq(came, there);
    cr_expect_eq(q->ended, 1);
    close_scene(&s);
}

/* What a device without offloads must not get: completed, and never given back, for it would be completed again. A full
 * ring keeps it waiting, and the next look at the queue sends it. */
Test(dpdk, a_partial_checksum_is_completed_once)
{
    static struct scene s;
    struct made m = datagram(100);
    struct mr_frame in, out;
    make_net(1);
    open_scene(&s, "memory: { huge_pages: off }\n"
                   "ports:\n"
                   "  - { name: ring, driver: dpdk, device: net_ring0 }\n"
                   "  - { name: left, driver: uring, device: left, buffers: 64, offload: checksum }\n"
                   "paths:\n"
                   "  - { from: [ring, left], work: l2, to: [ring, left] }\n");
    struct mr_txq *ring = s.ports[0]->txq[0];
    int near = packet_socket("right", false);
    struct iovec iov[2] = {{&m.vnet, sizeof m.vnet}, {m.bytes, m.n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ring_bells(&s);
    cr_assert_gt(sendmsg(near, &msg, 0), 0);
    cr_assert_eq(receive(&s, 1, &in), 1);
    cr_assert_eq(in.flags & MR_FRAME_CSUM, MR_FRAME_CSUM);
    uint32_t full = fill_ring(&s);
    cr_assert_eq(s.ports[0]->driver->tx_burst(ring, &in, 1), 1);
    cr_expect_eq(ring->in_flight, 1u);
    cr_assert_eq(s.ports[0]->driver->tx_burst(ring, &in, 1), 0, "nothing goes past the one that waits");
    cr_assert_eq(receive(&s, 0, &out), 1);
    mr_recycle_put(&s.recycle, &out.chunk, 1);
    uint32_t chunk;
    cr_assert_eq(s.ports[0]->driver->reclaim(ring, &chunk, 1), 0);
    cr_expect_eq(ring->in_flight, 0u);
    for (uint32_t i = 0; i < full; i++) {
        cr_assert_eq(receive(&s, 0, &out), 1);
        mr_recycle_put(&s.recycle, &out.chunk, i + 1 < full ? 1 : 0); // the last is looked at below
    }
    cr_expect_eq(out.chunk, in.chunk);
    const unsigned char *field = mr_frame_data(s.arena.base, &out) + ETH + IP + 6;
    cr_expect_eq((uint32_t)(field[0] << 8 | field[1]), ~sum_of(m.bytes + ETH + IP, m.n - ETH - IP) & 0xffff);
    ring_bells(&s);
    mr_recycle_put(&s.recycle, &out.chunk, 1);
    cr_expect_eq(held(&s) + s.pool.small.count, CHUNKS);
    close_scene(&s);
}

/* ---- engines ---- */

static struct mr_balance seen;

static void note_balance(const struct mr_balance *b, void *arg)
{
    (void)arg;
    seen = *b;
}

static void ask_balance(void *engine)
{
    usleep(20000);
    mr_engine_ask_balance(*(struct mr_engine **)engine);
}

static void totals_of(const char *text, uint64_t for_ns, struct mr_totals *t, struct mr_chunk_owners *owners)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    struct mr_run_options options = {.for_ns = for_ns, .check_ns = 20000000, .balance = note_balance, .started = ask_balance,
                                     .arg = &e};
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    rc = rc < 0 ? rc : mr_engine_run(e, &options, &error);
    cr_assert_eq(rc, 0, "%d %s", rc, error.text);
    mr_engine_totals(e, t);
    *owners = e->owners;
    cr_expect_eq(t->rx_frames + t->made_frames, t->tx_frames + t->all_drops + e->in_flight);
    cr_expect_gt(e->checks.made, 0u);
    cr_expect_eq(e->checks.failed, 0u);
    cr_expect_eq(owners->home_after_close, owners->total);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

static uint32_t open_files(void)
{
    uint32_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

#define PAIR(from, to)                                                                                                 \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: dpdk, device: \"" from "\" }\n"                                                           \
    "  - { name: out, driver: dpdk, device: \"" to "\" }\n"                                                            \
    "paths:\n"                                                                                                         \
    "  - { from: in, work: forward, to: out }\n"

Test(dpdk, ten_engines_in_one_process_share_its_eal)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    uint32_t files = 0;
    for (uint32_t i = 0; i < 10; i++) {
        totals_of(PAIR("net_null0", "net_null1"), 60000000, &t, &owners);
        cr_expect_gt(t.tx_frames, 1000u);
        files = i == 0 ? open_files() : files;
    }
    cr_expect_eq(open_files(), files);
}

#ifdef MR_POOL_DEBUG
#define HAS_CACHE false /* each chunk's owner is watched instead */
#else
#define HAS_CACHE true
#endif

/* Chunks in DPDK's cache are nobody else's, and are counted there. */
Test(dpdk, what_the_cache_keeps_is_an_owner)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    totals_of(PAIR("net_null0", "net_null1"), 100000000, &t, &owners);
    cr_assert(seen.answered && seen.holds);
    cr_expect_eq(seen.kept != 0, HAS_CACHE);
    cr_expect_leq(seen.kept, 384);
    cr_expect_eq(owners.kept, 0);
}

Test(dpdk, runts_are_dropped_as_such)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    totals_of(PAIR("net_null0,size=13", "net_null1"), 100000000, &t, &owners);
    cr_expect_gt(t.rx_frames, 0u);
    cr_expect_eq(t.drops[MR_DROP_runt], t.rx_frames);
}

#define SOURCE(size, frames, device)                                                                                   \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: memory, size: " size ", frames: " frames ", rate: 100kpps }\n"                           \
    "  - { name: out, driver: dpdk, device: \"" device "\" }\n"                                                        \
    "paths:\n"                                                                                                         \
    "  - { from: in, work: forward, to: out }\n"

Test(dpdk, frames_longer_than_the_interface_takes_are_dropped_as_mtu)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    make_net(1);
    totals_of(SOURCE("2000", "5000", "net_af_packet0,iface=left"), 0, &t, &owners);
    cr_expect_eq(t.made_frames, 5000u);
    cr_expect_eq(t.drops[MR_DROP_mtu], 5000u);
}

/* Its rings are full of chunks when it is closed, and it gives none of them back. */
Test(dpdk, what_af_xdp_keeps_comes_home)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    make_net(1);
    totals_of(SOURCE("64..1518", "5000", "net_af_xdp0,iface=left"), 0, &t, &owners);
    cr_expect_eq(t.tx_frames, 5000u);
    cr_expect_gt(owners.receiving + owners.sending, 1000u);
}

Test(dpdk, signals_stay_the_programs)
{
    struct mr_totals t;
    struct mr_chunk_owners owners;
    struct sigaction before[NSIG], after;
    sigset_t mask, mask_after;
    for (int i = 1; i < NSIG; i++) {
        sigaction(i, NULL, &before[i]);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cpu_set_t cpus, cpus_after;
    sched_getaffinity(0, sizeof cpus, &cpus);
    totals_of(PAIR("net_null0", "net_null1"), 60000000, &t, &owners);
    for (int i = 1; i < NSIG; i++) {
        cr_expect(sigaction(i, NULL, &after) != 0 || after.sa_handler == before[i].sa_handler, "signal %d", i);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    sched_getaffinity(0, sizeof cpus_after, &cpus_after);
    cr_expect(memcmp(&mask, &mask_after, sizeof mask) == 0);
    cr_expect(CPU_EQUAL(&cpus, &cpus_after));
}

/* A start that failed is final, and that is said. */
static void create_fails(const char *text, const char *says)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    cr_expect_lt(rc, 0);
    cr_expect_neq(strstr(error.text, says), NULL, "\"%s\" does not say \"%s\"", error.text, says);
    cr_expect_eq(strchr(error.text, '\n'), NULL);
    mr_config_destroy(cfg);
}

Test(dpdk, an_eal_that_failed_is_told_each_time)
{
    create_fails("engine: { eal: --nonsense }\n" PAIR("net_null0", "net_null1"), "unrecognized option '--nonsense'; look at engine.eal");
    create_fails(PAIR("net_null0", "net_null1"), "EAL failed before in this process");
}

Test(dpdk, devices_that_cannot_be_are_named)
{
    create_fails(PAIR("net_nonsense0", "net_null1"), "no PMD installed here takes this name");
    create_fails(PAIR("net_af_packet0,iface=nope", "net_null1"), "No such device");
    create_fails(PAIR("net_null0", "net_null0"), "is port in's already");
    create_fails("ports:\n  - { name: in, driver: dpdk, device: \"net_af_packet0,iface=lo\", queues: 2 }\n"
                 "paths:\n  - { from: in, work: forward, to: in }\n",
                 "lower it, or give the device more");
    create_fails("ports:\n  - { name: in, driver: dpdk, device: net_null0, reopen: yes }\n"
                 "paths:\n  - { from: in, work: forward, to: in }\n",
                 "cannot open a device a second time");
}
