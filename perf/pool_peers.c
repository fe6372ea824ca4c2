/* The peers of bench_pool: DPDK's mempool with a cache of its usual size per thread, given by hand, which is a little
 * cheaper than the one it looks up by lcore. Behind the caches stands its common ring: for any number of threads, and in
 * the form for one that takes and one that gives. */
#include "perf/pool_lane.h"

#include <string.h>

#if PEER_DPDK
#include <rte_eal.h>
#include <rte_mempool.h>

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { CACHE = 256, OBJECT_BYTES = 2176 };

struct rte_side {
    struct rte_mempool *pool;
    struct rte_mempool_cache *taker, *giver; /* of the first and the second CPU */
};
static struct rte_side shared, single;

/* The environment pins its caller and wants arguments of its own; plain pages will do, since no object is touched. */
static bool environment(void)
{
    static int state; /* 0 not tried, 1 there, -1 not to be had */
    char prefix[48], cpu[16];
    cpu_set_t before;
    if (state == 0) {
        snprintf(prefix, sizeof prefix, "--file-prefix=mrpool%d", (int)getpid());
        snprintf(cpu, sizeof cpu, "0@%d", sched_getcpu());
        char *argv[] = {"bench_pool", "--no-huge", "-m", "128", "--no-pci", "--no-telemetry", "--log-level=error", prefix,
                        "--lcores", cpu, NULL};
        sched_getaffinity(0, sizeof before, &before);
        state = rte_eal_init((int)(sizeof argv / sizeof *argv) - 1, argv) < 0 ? -1 : 1;
        sched_setaffinity(0, sizeof before, &before);
    }
    return state > 0;
}

static bool rte_side_open(struct rte_side *s, const char *name, unsigned int flags)
{
    if (!environment()) {
        return false;
    }
    s->pool = rte_mempool_create(name, POOL_CHUNKS, OBJECT_BYTES, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, flags);
    s->taker = rte_mempool_cache_create(CACHE, SOCKET_ID_ANY);
    s->giver = rte_mempool_cache_create(CACHE, SOCKET_ID_ANY);
    return s->pool != NULL && s->taker != NULL && s->giver != NULL;
}

static bool rte_side_whole(struct rte_side *s)
{
    rte_mempool_cache_flush(s->taker, s->pool);
    rte_mempool_cache_flush(s->giver, s->pool);
    return rte_mempool_avail_count(s->pool) == POOL_CHUNKS;
}

static void rte_side_close(struct rte_side *s)
{
    rte_mempool_cache_free(s->taker);
    rte_mempool_cache_free(s->giver);
    rte_mempool_free(s->pool);
}

LANE_INLINE void rte_side_turn(struct rte_side *s, uint32_t n)
{
    void *objects[POOL_BURST] MR_ALIGNED(MR_CACHE_LINE);
    if (rte_mempool_generic_get(s->pool, objects, n, s->taker) == 0) {
        __asm__ __volatile__("" : : "r"(objects) : "memory"); // they are used
        rte_mempool_generic_put(s->pool, objects, n, s->taker);
    }
}

LANE_INLINE uint32_t rte_side_take(struct rte_side *s, void *to, uint32_t n)
{
    return rte_mempool_generic_get(s->pool, to, n, s->taker) == 0 ? n : 0;
}

LANE_INLINE void rte_side_give(struct rte_side *s, const void *from, uint32_t n)
{
    rte_mempool_generic_put(s->pool, from, n, s->giver);
}

#define RTE_KIND(id, text, flags)                                                                                      \
    static bool id##_open(void) { return rte_side_open(&id##_side, #id, flags); }                                      \
    static bool id##_whole(void) { return rte_side_whole(&id##_side); }                                                \
    static void id##_close(void) { rte_side_close(&id##_side); }                                                       \
    LANE_INLINE void id##_turn(uint32_t n) { rte_side_turn(&id##_side, n); }                                           \
    LANE_INLINE uint32_t id##_take(void *to, uint32_t n) { return rte_side_take(&id##_side, to, n); }                  \
    LANE_INLINE void id##_give(const void *from, uint32_t n) { rte_side_give(&id##_side, from, n); }                   \
    POOL_KIND(id, text, sizeof(void *))

#define rte_shared_side shared
#define rte_single_side single
RTE_KIND(rte_shared, "rte_mempool", 0)
RTE_KIND(rte_single, "rte_mempool sp/sc", RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET)
#endif

const struct pool_kind *const pool_peers[] = {
#if PEER_DPDK
    &rte_shared, &rte_single,
#endif
    NULL,
};

const char *const pool_peers_missing[] = {
#if !PEER_DPDK
    "rte_mempool (libdpdk)",
#endif
    NULL,
};
