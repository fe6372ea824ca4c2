/* dpdk_pool.c: one rte_mempool over an arena: objects at our positions, free chunks on our lists.
 *
 * DPDK asks for objects through operations of a mempool; ours answer from the free list of the calling core's home, and
 * send what comes back to the home of each chunk, as any stage does. A thread that is no core of the engine gives chunks
 * back by the homes' side lists, and takes some only before the cores run: then all free lists are still control's.
 *
 * The object's position is its chunk's: header at 0, mbuf at 64, private area 192, data from 256 on. mempool flags:
 * NO_SPREAD, or DPDK would count on padding between objects. The one place that writes into a free chunk is here, when the
 * mempool is filled; afterwards only PMDs and dpdk_tx.c touch the mbuf.
 */
#include "lib/port/dpdk.h"

#include <rte_errno.h>

#include <errno.h>
#include <stdlib.h>

enum { MBUF_ROOM_MAX = 65535 };

static struct mr_dpdk_arena *arenas; /* control */

/* ---- operations: any thread ---- */

static struct mr_pool *home_of(const struct mr_dpdk_arena *a, uint32_t chunk)
{
    uint32_t i = 0;
    while (i + 1 < a->n_homes && (chunk < a->homes[i]->first || chunk >= a->homes[i]->end)) {
        i++;
    }
    return a->homes[i];
}

static void foreign_free(struct mr_dpdk_arena *a, const uint32_t *chunks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mr_pool_side_free(home_of(a, chunks[i]), &chunks[i], 1);
    }
    __atomic_fetch_sub(&a->lent, n, __ATOMIC_RELAXED);
}

static void mark(struct mr_dpdk_arena *a, const uint32_t *chunks, uint32_t n, unsigned char how)
{
    for (uint32_t i = 0; i < n; i++) {
        a->marks[chunks[i]] = how;
    }
}

static int enqueue(struct rte_mempool *mp, void *const *objects, unsigned int n)
{
    struct mr_dpdk_arena *a = mp->pool_data;
    struct mr_dpdk_core *core = mr_dpdk_mine();
    uint32_t chunks[MR_BATCH_MAX];
    for (uint32_t done = 0, k; done < n; done += k) {
        k = n - done < MR_BATCH_MAX ? n - done : MR_BATCH_MAX;
        for (uint32_t i = 0; i < k; i++) {
            chunks[i] = mr_dpdk_chunk(a->memory->base, objects[done + i]);
        }
        if (MR_UNLIKELY(a->marks != NULL)) {
            mark(a, chunks, k, 0);
        }
        if (MR_LIKELY(core != NULL)) {
            core->drawn -= k;
            mr_recycle_put(core->recycle, chunks, k);
        } else {
            foreign_free(a, chunks, k);
        }
    }
    return 0;
}

static void hand_out(struct mr_dpdk_arena *a, struct mr_pool *home, void **objects, uint32_t n, unsigned char marking)
{
    uint32_t chunks[MR_BATCH_MAX];
    for (uint32_t done = 0, k; done < n; done += k) {
        k = mr_pool_alloc(home, &home->small, chunks, n - done < MR_BATCH_MAX ? n - done : MR_BATCH_MAX);
        for (uint32_t i = 0; i < k; i++) {
            objects[done + i] = mr_dpdk_mbuf(a->memory->base, chunks[i]);
        }
        if (MR_UNLIKELY(a->marks != NULL)) {
            mark(a, chunks, k, marking);
        }
    }
}

/* All or nothing, as DPDK wants it. */
static int foreign_alloc(struct mr_dpdk_arena *a, void **objects, uint32_t n)
{
    if (mr_load_acquire(&a->attached) != 0 || a->filling == NULL || a->filling->small.count < n) {
        __atomic_fetch_add(&a->refused, 1, __ATOMIC_RELAXED);
        return -ENOBUFS;
    }
    hand_out(a, a->filling, objects, n, a->marking);
    __atomic_fetch_add(&a->lent, n, __ATOMIC_RELAXED);
    return 0;
}

static int dequeue(struct rte_mempool *mp, void **objects, unsigned int n)
{
    struct mr_dpdk_arena *a = mp->pool_data;
    struct mr_dpdk_core *core = mr_dpdk_mine();
    if (MR_UNLIKELY(core == NULL)) {
        return foreign_alloc(a, objects, n);
    }
    if (core->pool == NULL || mr_pool_take(core->pool, &core->pool->small, n) < n) {
        return -ENOBUFS;
    }
    hand_out(a, core->pool, objects, n, core->marking);
    core->drawn += n;
    return 0;
}

static unsigned int get_count(const struct rte_mempool *mp)
{
    const struct mr_dpdk_arena *a = mp->pool_data;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < a->n_homes; i++) {
        sum += a->homes[i]->small.count;
    }
    return sum;
}

static int alloc(struct rte_mempool *mp)
{
    mp->pool_data = mp->pool_config;
    return 0;
}

/* ---- objects at our positions: control ---- */

struct filler {
    struct rte_mempool *mp;
    uintptr_t first, end; // addresses of this piece
    rte_iova_t iova;      // of first
    unsigned int n, most;
    rte_mempool_populate_obj_cb_t *put;
    void *arg;
};

static void put_chunk(struct filler *f, unsigned char *at, uint32_t bytes)
{
    uintptr_t address = (uintptr_t)at;
    if (f->n < f->most && address >= f->first && address + bytes <= f->end) {
        f->put(f->mp, f->arg, at + MR_DPDK_MBUF, f->iova == RTE_BAD_IOVA ? f->iova : f->iova + (address - f->first) + MR_DPDK_MBUF);
        f->n++;
    }
}

/* As the engine lays a home: small chunks page by page, then big ones in a row. */
static unsigned char *small_at(const struct mr_pool *home, uint32_t i)
{
    uint32_t per_page = MR_ARENA_PAGE / home->small_bytes;
    return mr_chunk_at(home->base, home->first) + (size_t)(i / per_page) * MR_ARENA_PAGE +
           (size_t)(i % per_page) * home->small_bytes;
}

static unsigned char *big_at(const struct mr_pool *home, uint32_t i)
{
    return mr_chunk_at(home->base, home->big_first) + (size_t)i * home->big_bytes;
}

static int populate(struct rte_mempool *mp, unsigned int most, void *vaddr, rte_iova_t iova, size_t bytes,
                    rte_mempool_populate_obj_cb_t *put, void *arg)
{
    const struct mr_dpdk_arena *a = mp->pool_data;
    struct filler f = {mp, (uintptr_t)vaddr, (uintptr_t)vaddr + bytes, iova, 0, most, put, arg};
    for (uint32_t h = 0; h < a->n_homes; h++) {
        for (uint32_t i = 0; i < a->homes[h]->small.capacity; i++) {
            put_chunk(&f, small_at(a->homes[h], i), a->homes[h]->small_bytes);
        }
        for (uint32_t i = 0; i < a->homes[h]->big.capacity; i++) {
            put_chunk(&f, big_at(a->homes[h], i), a->homes[h]->big_bytes);
        }
    }
    return (int)f.n;
}

static const struct rte_mempool_ops operations = {
    .name = "millrace",
    .alloc = alloc,
    .enqueue = enqueue,
    .dequeue = dequeue,
    .get_count = get_count,
    .populate = populate,
};

/* An mbuf in a big chunk reaches as far as its 16 bits do. */
static void widen_big(const struct mr_dpdk_arena *a)
{
    for (uint32_t h = 0; h < a->n_homes; h++) {
        for (uint32_t i = 0; i < a->homes[h]->big.capacity; i++) {
            struct rte_mbuf *m = (struct rte_mbuf *)(void *)(big_at(a->homes[h], i) + MR_DPDK_MBUF);
            m->buf_len = MBUF_ROOM_MAX;
        }
    }
}

static uint32_t count_chunks(const struct mr_dpdk_arena *a)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < a->n_homes; i++) {
        sum += a->homes[i]->small.capacity + a->homes[i]->big.capacity;
    }
    return sum;
}

/* net_af_xdp computes the length of its UMEM from the number of objects and their stride, from the first segment's base
 * on. Between our chunks lie other things, so the number told is that of all the segment's strides. */
static void tell_span(struct mr_dpdk_arena *a, uint32_t chunk_bytes)
{
    uint32_t span = (uint32_t)(a->memory->segments[0].bytes / chunk_bytes);
    if (span > a->mempool->populated_size) {
        a->mempool->size = span;
        a->mempool->populated_size = span;
    }
}

/* No thread has a cache until a core attaches and wants one. */
static void still_caches(struct rte_mempool *mp)
{
    for (uint32_t i = 0; mp->local_cache != NULL && i < RTE_MAX_LCORE; i++) {
        mp->local_cache[i].size = 0;
        mp->local_cache[i].flushthresh = 0;
    }
}

static int fill(struct mr_dpdk_arena *a, uint32_t n, uint32_t chunk_bytes)
{
    struct rte_pktmbuf_pool_private room = {.mbuf_data_room_size = (uint16_t)(chunk_bytes - MR_CHUNK_BUF),
                                            .mbuf_priv_size = MR_CHUNK_BUF - MR_CHUNK_META};
    rte_pktmbuf_pool_init(a->mempool, &room);
    for (uint32_t i = 0; i < a->memory->n; i++) {
        const struct mr_arena_segment *s = &a->memory->segments[i];
        unsigned char *at = a->memory->base + s->offset;
        if (rte_extmem_register(at, s->bytes, NULL, 0, s->page_bytes) < 0) {
            return -rte_errno;
        }
        int rc = rte_mempool_populate_virt(a->mempool, (char *)at, s->bytes, s->page_bytes, NULL, NULL);
        if (rc < 0 && a->mempool->populated_size < n) {
            return rc;
        }
    }
    if (a->mempool->populated_size != n) {
        return -EFAULT;
    }
    rte_mempool_obj_iter(a->mempool, rte_pktmbuf_init, NULL);
    widen_big(a);
    tell_span(a, chunk_bytes);
    still_caches(a->mempool);
#ifdef MR_POOL_DEBUG
    for (uint32_t i = 0; i < a->n_homes; i++) {
        mr_pool_debug_start(a->homes[i]); // its mark was in what became the mbuf's private area
    }
#endif
    return 0;
}

static int make_mempool(struct mr_dpdk_arena *a, uint32_t chunk_bytes)
{
    static bool registered;
    static uint32_t number;
    char name[32];
    uint32_t n = count_chunks(a);
    uint32_t cache = n / 2 < MR_DPDK_CACHE ? n / 2 : MR_DPDK_CACHE;
    if (!registered && rte_mempool_register_ops(&operations) < 0) {
        return -ENOSPC;
    }
    registered = true;
    snprintf(name, sizeof name, "millrace%u", number++);
    a->mempool = rte_mempool_create_empty(name, n, chunk_bytes - MR_DPDK_MBUF, cache, sizeof(struct rte_pktmbuf_pool_private),
                                          SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_SPREAD);
    if (a->mempool == NULL || rte_mempool_set_ops_byname(a->mempool, operations.name, a) < 0) {
        return -(rte_errno != 0 ? rte_errno : ENOMEM);
    }
    return fill(a, n, chunk_bytes);
}

static void destroy(struct mr_dpdk_arena *a)
{
    rte_mempool_free(a->mempool);
    for (uint32_t i = 0; i < a->memory->n; i++) {
        rte_extmem_unregister(a->memory->base + a->memory->segments[i].offset, a->memory->segments[i].bytes);
    }
    free(a->marks);
    free(a);
}

static int no_mempool(const struct mr_dpdk_port *p, int rc, struct mr_error *err)
{
    const char *cause = rc == -EFAULT ? "its pages are not contiguous for the device; huge pages are needed: sysctl -w "
                                        "vm.nr_hugepages=N, memory.huge_pages: required"
                                      : rte_strerror(-rc);
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: DPDK does not take the arena as its mempool: %s%s",
                        p->port->config->name, cause, mr_error_remedy(rc));
}

int mr_dpdk_arena_get(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_dpdk_arena *a = arenas;
    while (a != NULL && a->memory != setup->arena) {
        a = a->next;
    }
    if (a == NULL) {
        a = calloc(1, sizeof *a);
        if (a == NULL) {
            return no_mempool(p, -ENOMEM, err);
        }
        a->memory = setup->arena;
        a->homes = setup->pools;
        a->n_homes = setup->n_pools;
        int rc = make_mempool(a, setup->chunk_bytes);
        if (rc < 0) {
            destroy(a);
            return no_mempool(p, rc, err);
        }
        a->next = arenas;
        arenas = a;
    }
    a->ports++;
    p->arena = a;
    return 0;
}

void mr_dpdk_arena_put(struct mr_dpdk_arena *a)
{
    if (a == NULL || --a->ports != 0) {
        return;
    }
    struct mr_dpdk_arena **at = &arenas;
    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    destroy(a);
}

/* ---- marks ---- */

int mr_dpdk_arena_mark(struct mr_dpdk_arena *a)
{
    if (a->marks == NULL) {
        a->marks = calloc(a->memory->bytes / MR_CACHE_LINE, 1);
    }
    return a->marks == NULL ? -ENOMEM : 0;
}

uint32_t mr_dpdk_marked(struct mr_dpdk_arena *a, unsigned char how, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t h = 0; h < a->n_homes; h++) {
        for (uint32_t chunk = a->homes[h]->first; k < n && chunk < a->homes[h]->end; chunk++) {
            if (a->marks[chunk] == how) {
                a->marks[chunk] = 0;
                chunks[k++] = chunk;
            }
        }
    }
    return k;
}
