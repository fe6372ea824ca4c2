/* scene.h: two drivers on one thread, without an engine: their ports, one pool, and who holds its chunks. */
#ifndef MILLRACE_TEST_SCENE_H
#define MILLRACE_TEST_SCENE_H

#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"
#include "lib/port/port.h"
#include "lib/sys/clock.h"
#include "tests/unit/uring_net.h"

enum { CHUNKS = 1500, PAGES = 2, PER_PAGE = MR_ARENA_PAGE / MR_CHUNK_STRIDE, TX_RING = 64 };

struct scene {
    struct mr_config *cfg;
    struct mr_arena arena;
    struct mr_pool pool, *pools[1];
    struct mr_recycle recycle;
    uint32_t small[CHUNKS], big[1], side[CHUNKS];
    uint64_t drops[MR_DROP_MAX];
    struct mr_io *io[2];
    struct mr_port at[2], *ports[2];
};

static inline void make_pool(struct scene *s)
{
    int node = -1;
    size_t bytes = PAGES * MR_ARENA_PAGE;
    cr_assert_eq(mr_arena_create(&s->arena, 1, &node, &bytes, MR_HUGE_OFF, MR_NUMA_OFF, &error), 0, "%s", error.text);
    uint32_t end = (uint32_t)(bytes / MR_CACHE_LINE);
    mr_pool_init(&s->pool, s->arena.base, 0, end, end, s->small, CHUNKS, s->big, 0, s->side);
    s->pool.small_bytes = MR_CHUNK_STRIDE;
    s->pool.big_bytes = MR_CHUNK_BIG_STRIDE;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        s->small[s->pool.small.count++] = (i / PER_PAGE * MR_ARENA_PAGE + i % PER_PAGE * MR_CHUNK_STRIDE) / MR_CACHE_LINE;
    }
    s->pools[0] = &s->pool;
    s->recycle.n_homes = 1;
    s->recycle.homes[0].end = end;
    s->recycle.homes[0].own = &s->pool;
    s->recycle.homes[0].pool = &s->pool;
}

/* With so many queues each way. 0 or what open said; then only the io is there. */
static inline int try_ways(struct scene *s, uint32_t i, uint32_t n_rxq, uint32_t n_txq)
{
    struct mr_port *p = &s->at[i];
    p->driver = mr_driver_find(s->cfg->ports[i].driver);
    struct mr_io_setup io = {.node = -1, .n_rxq = n_rxq, .n_txq = n_txq, .rx_buffers = 64, .tx_frames = TX_RING, .pool = &s->pool,
                             .recycle = &s->recycle};
    cr_assert_eq(p->driver->io_create(&io, &s->io[i], &error), 0, "%s", error.text);
    s->io[i]->driver = p->driver;
    struct mr_port_setup setup = {.n_rxq = n_rxq, .n_txq = n_txq, .tx_ring_frames = TX_RING, .arena = &s->arena,
                                  .chunk_bytes = MR_CHUNK_STRIDE, .ports = s->ports, .n_ports = 2, .pools = s->pools,
                                  .n_pools = 1, .config = s->cfg};
    for (uint32_t q = 0; q < MR_QUEUES_MAX; q++) {
        setup.rx_pool[q] = &s->pool;
        setup.rx_io[q] = setup.tx_io[q] = s->io[i];
        setup.rx_node[q] = setup.tx_node[q] = -1;
    }
    p->config = &s->cfg->ports[i];
    p->number = (uint8_t)i;
    p->base = s->arena.base;
    p->ticks_per_ns = 1;
    int rc = p->driver->open(p, &setup, &error);
    if (rc == 0) {
        s->ports[i] = p;
        for (uint32_t q = 0; q < n_rxq; q++) {
            p->rxq[q]->drops = s->drops;
        }
        for (uint32_t q = 0; q < n_txq; q++) {
            p->txq[q]->drops = s->drops;
        }
    }
    return rc;
}

static inline void open_one(struct scene *s, uint32_t i)
{
    cr_assert_eq(try_ways(s, i, 1, 1), 0, "%s", error.text);
}

static inline void open_scene(struct scene *s, const char *text)
{
    memset(s, 0, sizeof *s);
    int rc = mr_config_parse(&s->cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(s->cfg, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    make_pool(s);
    for (uint32_t i = 0; i < 2; i++) {
        open_one(s, i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(s->ports[i]->driver->attach(s->io[i], &error), 0, "%s", error.text);
    }
}

static inline void close_scene(struct scene *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (s->ports[i]->driver->detach != NULL) {
            s->ports[i]->driver->detach(s->io[i], mr_now_ns() + 100000000);
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        s->ports[i]->driver->destroy(s->ports[i]);
        s->ports[i]->driver->io_destroy(s->io[i]);
    }
    mr_config_destroy(s->cfg);
    mr_arena_destroy(&s->arena);
}

static inline uint32_t receive(struct scene *s, uint32_t i, struct mr_frame *f)
{
    struct mr_port *p = s->ports[i];
    for (int tries = 0; tries < 10000; tries++) {
        if (p->driver->rx_burst(p->rxq[0], f, 1) == 1) {
            return 1;
        }
        p->driver->doorbell(s->io[i], MR_DOORBELL_SEND | MR_DOORBELL_RECEIVE);
        usleep(100);
    }
    return 0;
}

/* An outside counter or event of a port; it has one of that name. */
static inline uint64_t outside(const struct scene *s, uint32_t i, const char *name)
{
    struct mr_outsides o = {0};
    s->ports[i]->driver->stats(s->ports[i], &o);
    for (uint32_t k = 0; k < o.n; k++) {
        if (strcmp(o.at[k].name, name) == 0) {
            return o.at[k].count;
        }
    }
    cr_assert(false, "no counter %s", name);
    return 0;
}

static inline void ring_bells(struct scene *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        s->ports[i]->driver->doorbell(s->io[i], MR_DOORBELL_SEND | MR_DOORBELL_RECEIVE);
    }
}

static inline int64_t held(const struct scene *s)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const struct mr_port *p = s->ports[i];
        sum += (int64_t)p->rxq[0]->held + p->rxq[0]->ready + p->txq[0]->held + s->io[i]->kept;
    }
    return sum;
}

#endif
