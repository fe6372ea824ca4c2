/* The peers of bench_ring, each in its best documented single-producer single-consumer mode. */
#include "perf/ring_lane.h"

#include <string.h>

#if PEER_DPDK
#define ALLOW_EXPERIMENTAL_API
#include <rte_ring.h>
#include <rte_ring_peek_zc.h>

static void rte_setup(struct lane *l, uint32_t esz)
{
    (void)esz; /* the element's size is an argument of every call */
    rte_ring_init((struct rte_ring *)l->memory, "bench", l->capacity, RING_F_SP_ENQ | RING_F_SC_DEQ);
    l->put.handle = l->get.handle = l->memory;
}

/* Copying: a local array is filled once and handed over in as many calls as it takes. */
LANE_INLINE uint32_t rte_burst_put(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    if (s->ready == 0) {
        lane_write(s->items, esz, seq, n);
        s->ready = n;
        s->at = 0;
    }
    n = rte_ring_sp_enqueue_burst_elem((struct rte_ring *)s->handle, (char *)s->items + (size_t)s->at * esz, esz, s->ready,
                                       NULL);
    s->ready -= n;
    s->at += n;
    return n;
}

LANE_INLINE uint32_t rte_burst_get(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    n = rte_ring_sc_dequeue_burst_elem((struct rte_ring *)s->handle, s->items, esz, n, NULL);
    s->wrong |= lane_wrong(s->items, esz, seq, n);
    return n;
}

LANE_INLINE uint32_t rte_zc_put(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct rte_ring *r = (struct rte_ring *)s->handle;
    struct rte_ring_zc_data zc;
    n = rte_ring_enqueue_zc_burst_elem_start(r, esz, n, &zc, NULL);
    if (n != 0) {
        lane_write(zc.ptr1, esz, seq, zc.n1);
        if (zc.n1 != n) {
            lane_write(zc.ptr2, esz, seq + zc.n1, n - zc.n1);
        }
        rte_ring_enqueue_zc_elem_finish(r, n);
    }
    return n;
}

LANE_INLINE uint32_t rte_zc_get(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct rte_ring *r = (struct rte_ring *)s->handle;
    struct rte_ring_zc_data zc;
    n = rte_ring_dequeue_zc_burst_elem_start(r, esz, n, &zc, NULL);
    if (n != 0) {
        s->wrong |= lane_wrong(zc.ptr1, esz, seq, zc.n1);
        if (zc.n1 != n) {
            s->wrong |= lane_wrong(zc.ptr2, esz, seq + zc.n1, n - zc.n1);
        }
        rte_ring_dequeue_zc_elem_finish(r, n);
    }
    return n;
}

#define rte_burst_setup rte_setup
#define rte_zc_setup    rte_setup
RING_KIND(rte_burst, "rte_burst")
RING_KIND(rte_zc, "rte_zc")
#endif

#if PEER_XDP
#include <xdp/xsk.h>

/* As the kernel lays it out: the indices on lines of their own, one line between them, then the entries. */
struct xsk_memory {
    uint32_t producer MR_ALIGNED(MR_LINE_PAIR);
    uint32_t consumer MR_ALIGNED(MR_LINE_PAIR);
    uint64_t entries[] MR_ALIGNED(MR_LINE_PAIR);
};
MR_STATIC_ASSERT(sizeof(struct xdp_desc) == 16, "receive and send descriptors");

static void xsk_setup(struct lane *l, uint32_t esz)
{
    struct xsk_memory *m = (struct xsk_memory *)l->memory;
    (void)esz;
    m->producer = m->consumer = 0;
    struct xsk_ring_prod put = {.cached_cons = l->capacity, .mask = l->capacity - 1, .size = l->capacity,
                                .producer = &m->producer, .consumer = &m->consumer, .ring = m->entries};
    struct xsk_ring_cons get = {.mask = l->capacity - 1, .size = l->capacity, .producer = &m->producer,
                                .consumer = &m->consumer, .ring = m->entries};
    l->put.handle = memcpy(l->put.items, &put, sizeof put); // the array is free: xsk works in place
    l->get.handle = memcpy(l->get.items, &get, sizeof get);
}

LANE_INLINE uint32_t xsk_put(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct xsk_ring_prod *r = (struct xsk_ring_prod *)s->handle;
    uint32_t index;
    n = xsk_ring_prod__reserve(r, n, &index);
    for (uint32_t i = 0; i < n; i++) {
        if (esz == 8) {
            *xsk_ring_prod__fill_addr(r, index + i) = seq + i;
        } else {
            lane_write(xsk_ring_prod__tx_desc(r, index + i), 16, seq + i, 1);
        }
    }
    if (n != 0) {
        xsk_ring_prod__submit(r, n);
    }
    return n;
}

LANE_INLINE uint32_t xsk_get(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct xsk_ring_cons *r = (struct xsk_ring_cons *)s->handle;
    uint32_t index;
    n = xsk_ring_cons__peek(r, n, &index);
    for (uint32_t i = 0; i < n; i++) {
        if (esz == 8) {
            s->wrong |= *xsk_ring_cons__comp_addr(r, index + i) ^ (seq + i);
        } else {
            s->wrong |= lane_wrong(xsk_ring_cons__rx_desc(r, index + i), 16, seq + i, 1);
        }
    }
    if (n != 0) {
        xsk_ring_cons__release(r, n);
    }
    return n;
}

RING_KIND(xsk, "xsk")
#endif

#if PEER_CK
#include <ck_ring.h>

struct item16 {
    uint64_t words[2];
};
CK_RING_PROTOTYPE(item16, item16)

static void ck_setup(struct lane *l, uint32_t esz)
{
    (void)esz;
    ck_ring_init((struct ck_ring *)l->memory, l->capacity);
    l->put.handle = l->get.handle = l->memory;
}

enum { CK_HEADER = 512 };

/* One item a call: Concurrency Kit has no bursts. */
LANE_INLINE uint32_t ck_put(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct ck_ring *r = (struct ck_ring *)s->handle;
    void *slots = (char *)s->handle + CK_HEADER;
    for (uint32_t i = 0; i < n; i++) {
        struct item16 item = {{seq + i, ~(seq + i)}};
        if (!(esz == 8 ? ck_ring_enqueue_spsc(r, (struct ck_ring_buffer *)slots, (void *)(uintptr_t)(seq + i))
                       : ck_ring_enqueue_spsc_item16(r, (struct item16 *)slots, &item))) {
            return i;
        }
    }
    return n;
}

LANE_INLINE uint32_t ck_get(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct ck_ring *r = (struct ck_ring *)s->handle;
    void *slots = (char *)s->handle + CK_HEADER;
    for (uint32_t i = 0; i < n; i++) {
        struct item16 item = {{0, 0}};
        if (!(esz == 8 ? ck_ring_dequeue_spsc(r, (struct ck_ring_buffer *)slots, (void *)&item.words[0])
                       : ck_ring_dequeue_spsc_item16(r, (struct item16 *)slots, &item))) {
            return i;
        }
        s->wrong |= lane_wrong(&item, esz, seq + i, 1);
    }
    return n;
}

MR_STATIC_ASSERT(sizeof(struct ck_ring) <= CK_HEADER, "the slots follow the struct");
RING_KIND(ck, "ck")
#endif

const struct ring_kind *const ring_peers[] = {
#if PEER_DPDK
    &rte_burst, &rte_zc,
#endif
#if PEER_XDP
    &xsk,
#endif
#if PEER_CK
    &ck,
#endif
    NULL,
};

const char *const ring_peers_missing[] = {
#if !PEER_DPDK
    "rte_ring (libdpdk)",
#endif
#if !PEER_XDP
    "libxdp's rings (libxdp)",
#endif
#if !PEER_CK
    "ck_ring (ck)",
#endif
    NULL,
};
