/* The xdp driver: chunks shared with io_uring and with itself, address by address, and what it will not send. */
#include <criterion/criterion.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/unit/xdp_scene.h"

/* ---- a core's thread ---- */

static volatile sig_atomic_t waits; /* calls that wait, made by a core */

static void count_wait(int signal)
{
    (void)signal;
    waits++;
}

/* membarrier, and close of a socket: what waits for all processors raises SIGSYS on this thread instead. */
static void forbid_waiting(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    signal(SIGSYS, count_wait);
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static uint32_t through; /* queues whose call said true */

/* What a core does in housekeeping with its receiving queues, so many times. */
static void *on_core(void *call)
{
    bool (*quiet)(struct mr_rxq *) = *(bool (**)(struct mr_rxq *))call;
    bool done[2] = {false, false};
    forbid_waiting();
    for (int looks = 0; looks < 100; looks++) {
        for (uint32_t i = 0; i < 2; i++) {
            done[i] = done[i] || quiet(s.ports[i]->rxq[0]);
        }
    }
    through = (uint32_t)done[0] + done[1];
    return NULL;
}

static uint32_t core(bool (*call)(struct mr_rxq *))
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, on_core, &call), 0);
    pthread_join(thread, NULL);
    cr_expect_eq(waits, 0, "the core waited %d times", (int)waits);
    return through;
}

/* What is written into the chunk behind tx_burst arrives, so the kernel sends from it; the chunk that comes back is the one
 * that the frame came in. */
static void pass_one(const struct made *m, int near, int far)
{
    struct mr_frame f;
    struct got g;
    uint32_t chunk = 0;
    struct iovec iov[2] = {{(void *)(uintptr_t)&m->vnet, sizeof m->vnet}, {(void *)(uintptr_t)m->bytes, m->n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ring_bells(&s);
    cr_assert_gt(sendmsg(near, &msg, 0), 0);
    cr_assert_eq(receive(&s, 0, &f), 1);
    cr_expect_eq(f.offset, MR_CHUNK_DATA);
    cr_expect_eq(f.length, m->n);
    cr_expect(memcmp(mr_frame_data(s.arena.base, &f), m->bytes, m->n) == 0);
    cr_assert_eq(s.ports[1]->driver->tx_burst(s.ports[1]->txq[0], &f, 1), 1);
    mr_frame_data(s.arena.base, &f)[50] = 0x5a;
    for (int tries = 0; tries < 1000 && s.ports[1]->driver->reclaim(s.ports[1]->txq[0], &chunk, 1) == 0; tries++) {
        ring_bells(&s);
        usleep(100);
    }
    cr_assert_eq(chunk, f.chunk);
    mr_recycle_put(&s.recycle, &chunk, 1);
    cr_assert(get(far, &g));
    cr_expect_eq(g.frame.bytes[50], 0x5a);
    cr_expect_eq(held(&s) + s.pool.small.count, CHUNKS);
}

static void pass(const char *text)
{
    struct made m = datagram(1200);
    m.vnet = (struct mr_vnet){0};
    make_both(text);
    int near = packet_socket("right", false); // open once: a close waits for all processors, a hundredth of a second
    int far = packet_socket("right2", true);
    for (int i = 0; i < 100; i++) {
        pass_one(&m, near, far);
    }
    close(near);
    close(far);
    close_both();
}

Test(xdp, what_xdp_receives_uring_sends_from_the_same_chunk)
{
    pass(TWO("xdp", "uring"));
}

Test(xdp, what_uring_receives_xdp_sends_from_the_same_chunk)
{
    pass(TWO("uring", "xdp"));
}

Test(xdp, ports_of_xdp_share_the_memory)
{
    pass(TWO("xdp", "xdp"));
}

/* AF_XDP would send what no other driver may, or throw a descriptor out and tell nobody whose. */
Test(xdp, what_cannot_be_sent_dies_by_name)
{
    make_both(TWO("uring", "xdp"));
    struct mr_txq *q = s.ports[1]->txq[0];
    struct mr_frame f = {.offset = MR_CHUNK_DATA, .length = 1515};
    const struct {
        uint16_t offset, length;
        uint8_t flags;
        uint32_t mtu;
        enum mr_drop reason;
    } cases[] = {{MR_CHUNK_DATA, 1515, 0, 1500, MR_DROP_mtu}, {MR_CHUNK_DATA, 13, 0, 1500, MR_DROP_runt},
                 {MR_CHUNK_DATA, 2113, 0, 9000, MR_DROP_too_long}, {MR_CHUNK_DATA + 2000, 200, 0, 1500, MR_DROP_too_long},
                 {MR_CHUNK_DATA, 100, MR_FRAME_SUPER, 1500, MR_DROP_no_offload}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t chunk;
        cr_assert_eq(mr_pool_alloc(&s.pool, &s.pool.small, &f.chunk, 1), 1);
        f.offset = cases[i].offset;
        f.length = cases[i].length;
        f.flags = cases[i].flags;
        s.ports[1]->mtu = cases[i].mtu;
        uint64_t before = s.drops[cases[i].reason];
        cr_assert_eq(s.ports[1]->driver->tx_burst(q, &f, 1), 1);
        cr_expect_eq(s.drops[cases[i].reason], before + 1, "case %zu", i);
        cr_assert_eq(s.ports[1]->driver->reclaim(q, &chunk, 1), 1);
        cr_expect_eq(chunk, f.chunk);
        mr_recycle_put(&s.recycle, &chunk, 1);
        cr_expect_eq(q->in_flight, 0);
    }
    close_both();
}

/* Other queues of the core would lose frames meanwhile. */
Test(xdp, a_core_waits_for_nobody_when_devices_go)
{
    make_both(TWO("xdp", "xdp"));
    cr_assert_eq(mr_link_delete("left", &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_delete("left2", &error), 0, "%s", error.text);
    cr_assert_eq(core(s.ports[0]->driver->rx_halt), 2);
    cr_expect_eq(s.ports[0]->rxq[0]->held + s.ports[1]->rxq[0]->held, 0);
    close_both();
}

/* Until control has waited, a program that looked into the map before may still deliver. */
Test(xdp, control_waits_in_the_cores_stead)
{
    make_both(TWO("xdp", "xdp"));
    const struct mr_driver *driver = s.ports[0]->driver;
    cr_expect_eq(core(driver->rx_quiesce), 0);
    driver->rx_settle(s.ports, 2);
    cr_expect_eq(core(driver->rx_quiesce), 2);
    close_both();
}

/* A length of 0 would do on this kernel, and be sent before Linux 6.6; longer than a chunk none takes. */
Test(xdp, what_a_device_that_is_down_did_not_take_never_leaves)
{
    enum { FRAMES = 5 };
    struct mr_frame frames[FRAMES];
    make_both(TWO("uring", "xdp"));
    struct mr_txq *txq = s.ports[1]->txq[0];
    struct mr_xdp_txq *q = MR_CONTAINER_OF(txq, struct mr_xdp_txq, q);
    int far = packet_socket("right2", true);
    struct got g;
    alloc_frames(frames, FRAMES);
    cr_assert_eq(system("ip link set left2 down"), 0);
    cr_assert_eq(s.ports[1]->driver->tx_burst(txq, frames, FRAMES), FRAMES);
    ring_bells(&s);
    cr_expect_eq(s.drops[MR_DROP_link_down], FRAMES);
    cr_expect_eq(txq->in_flight, 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        cr_expect_gt(xsk_ring_prod__tx_desc(&q->tx, i)->len, MR_CHUNK_STRIDE);
    }
    cr_assert_eq(system("ip link set left2 up"), 0);
    for (int tries = 0; tries < 1000 && q->n_done < FRAMES; tries++) {
        ring_bells(&s);
        usleep(100);
    }
    cr_expect_eq(q->n_done, FRAMES, "their chunks are back");
    cr_expect_eq(outside(&s, 1, "tx_invalid_descs"), FRAMES);
    cr_expect(!get(far, &g), "and nothing was sent");
    close(far);
    bring_home(txq);
    close_both();
}
