/* xdp_scene.h: two ports, one of them or both of xdp, between left ~ right and left2 ~ right2: one thread calls their drivers. */
#ifndef MILLRACE_TEST_XDP_SCENE_H
#define MILLRACE_TEST_XDP_SCENE_H

#include "lib/port/xdp.h"
#include "tests/unit/scene.h"
#include "tests/unit/uring_frames.h"

#define TWO(in_, out_)                                                                                                 \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: in, device: left, buffers: 64, driver: " in_ " }\n"                                                   \
    "  - { name: out, device: left2, buffers: 64, driver: " out_ " }\n"                                                \
    "paths:\n"                                                                                                         \
    "  - { from: [in, out], work: l2, to: [in, out] }\n"

static struct scene s;

static inline void make_both(const char *text)
{
    if (getuid() != 0) {
        cr_skip("an XDP program needs root");
    }
    make_net(1);
    cr_assert_eq(mr_link_veth("left2", "right2", -1, 1, &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_up("left2", &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_up("right2", &error), 0, "%s", error.text);
    open_scene(&s, text);
    for (uint32_t i = 0; i < 2; i++) {
        s.ports[i]->mtu = 1500;
    }
}

static inline void close_both(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct mr_port *p = s.ports[i];
        uint32_t chunks[MR_BATCH_MAX], n;
        p->driver->detach(s.io[i], 0);
        p->driver->close(p);
        while ((n = p->driver->chunks_back(p, chunks, MR_BATCH_MAX)) != 0) {
            mr_recycle_put(&s.recycle, chunks, n);
        }
        cr_expect_eq(p->rxq[0]->held + p->txq[0]->held, 0);
        p->driver->destroy(p);
        p->driver->io_destroy(s.io[i]);
    }
    cr_expect_eq(s.pool.small.count, CHUNKS, "%u chunks are home", s.pool.small.count);
    mr_config_destroy(s.cfg);
    mr_arena_destroy(&s.arena);
}

/* Chunks from the pool with 100 bytes of zeros in them. */
static inline void alloc_frames(struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = (struct mr_frame){.offset = MR_CHUNK_DATA, .length = 100};
        cr_assert_eq(mr_pool_alloc(&s.pool, &s.pool.small, &frames[i].chunk, 1), 1);
        memset(mr_frame_data(s.arena.base, &frames[i]), 0, 100);
    }
}

/* All chunks that a queue has done with go back to the pool; how many. */
static inline uint32_t bring_home(struct mr_txq *q)
{
    uint32_t chunk, n = 0;
    for (; q->port->driver->reclaim(q, &chunk, 1) == 1; n++) {
        mr_recycle_put(&s.recycle, &chunk, 1);
    }
    return n;
}

/* So many frames of `bytes`, whole, out of a packet socket. */
static inline void send_whole(int fd, uint32_t n, uint32_t bytes)
{
    struct made m = datagram(bytes - ETH - IP - UDP);
    struct iovec iov[2] = {{&m.vnet, sizeof m.vnet}, {m.bytes, m.n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    m.vnet = (struct mr_vnet){0};
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_gt(sendmsg(fd, &msg, 0), 0);
    }
}

#endif
