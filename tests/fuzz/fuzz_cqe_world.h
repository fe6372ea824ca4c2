/* fuzz_cqe_world.h: the uring driver with one queue each way over a pool of plain memory, and who has each chunk; for
 * fuzz_cqe.c. */
#ifndef MILLRACE_TESTS_FUZZ_CQE_WORLD_H
#define MILLRACE_TESTS_FUZZ_CQE_WORLD_H

#include "tests/fuzz/fuzz.h"

#include "lib/port/uring.h"

#include <errno.h>

enum { SMALL = 24, BIG = 8, CHUNKS = SMALL + BIG, BUFFERS = 8, BIG_BUFFERS = 4, SENDING = 8, SQES = 64, OPS_MAX = 2048 };
enum { SMALL_LINES = MR_CHUNK_STRIDE / MR_CACHE_LINE, BIG_LINES = MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE };
enum { LINES = SMALL * SMALL_LINES + BIG * BIG_LINES };

/* The engine's is what is neither posted nor held by the worker. */
enum owner { ENGINES, POSTED, WORKER, SENT };

struct world {
    struct mr_uring u;
    struct mr_uring_rxq rx, *rxq[1];
    struct mr_uring_txq tx, *txq[1];
    struct mr_port port;
    struct mr_port_config config;
    struct mr_pool pool;
    uint32_t small[SMALL], big[BIG], side[CHUNKS], done[SENDING];
    uint64_t rx_drops[MR_DROP_MAX], tx_drops[MR_DROP_MAX];
    struct io_uring_sqe sqes[SQES];
    unsigned int head;
    bool alive;                /* a receive request */
    uint16_t seen;             /* of the ring of buffers */
    uint32_t posted[BUFFERS];  /* chunk, or MR_URING_NO_CHUNK */
    enum owner owner[CHUNKS];
    struct mr_frame frames[CHUNKS]; /* the worker's */
    uint64_t sends[SENDING];   /* user_data of those under way */
    uint32_t n_frames, n_sends;
    uint64_t received, handed_out, given, bad;
};

static unsigned char memory[LINES * MR_CACHE_LINE] MR_ALIGNED(MR_CACHE_LINE);

static uint32_t chunk_at(uint32_t i)
{
    return i < SMALL ? i * SMALL_LINES : SMALL * SMALL_LINES + (i - SMALL) * BIG_LINES;
}

static uint32_t stride_of(uint32_t chunk)
{
    return chunk < SMALL * SMALL_LINES ? MR_CHUNK_STRIDE : MR_CHUNK_BIG_STRIDE;
}

static enum owner *owner_of(struct world *w, uint32_t chunk)
{
    for (uint32_t i = 0; i < CHUNKS; i++) {
        if (chunk_at(i) == chunk) {
            return &w->owner[i];
        }
    }
    FUZZ_CHECK(false, "chunk %u does not exist", chunk);
    return NULL;
}

static void pass_on(struct world *w, uint32_t chunk, enum owner from, enum owner to)
{
    enum owner *o = owner_of(w, chunk);
    FUZZ_CHECK(*o == from, "chunk %u is with %d, not with %d", chunk, *o, from);
    *o = to;
}

/* ---- a world ---- */

static void make_pool(struct world *w)
{
    mr_pool_init(&w->pool, memory, 0, SMALL * SMALL_LINES, LINES, w->small, SMALL, w->big, BIG, w->side);
    w->pool.small_bytes = MR_CHUNK_STRIDE;
    w->pool.big_bytes = MR_CHUNK_BIG_STRIDE;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint32_t chunk = chunk_at(i);
        mr_pool_free(&w->pool, &chunk, 1);
        ASAN_POISON_MEMORY_REGION(memory + chunk * MR_CACHE_LINE, MR_CHUNK_META); // nobody's in this driver
    }
}

/* The tables stand in one mapping, each on pages of its own: what is behind each of them is out of bounds. */
static void fence_tables(struct mr_uring_rxq *q)
{
    unsigned char *end = (unsigned char *)q->tables + q->tables_bytes;
    ASAN_POISON_MEMORY_REGION(q->tables, q->tables_bytes);
    ASAN_UNPOISON_MEMORY_REGION(q->ring, q->n * sizeof *q->ring->bufs);
    ASAN_UNPOISON_MEMORY_REGION(q->chunk_of, q->n * sizeof *q->chunk_of);
    ASAN_UNPOISON_MEMORY_REGION(q->free, q->n * sizeof *q->free);
    ASAN_UNPOISON_MEMORY_REGION(q->ready, q->ready_capacity * sizeof *q->ready);
    FUZZ_CHECK((unsigned char *)(q->ready + q->ready_capacity) <= end, "tables");
}

static void make_queues(struct world *w)
{
    w->port.base = memory;
    w->port.config = &w->config;
    w->port.number = 1;
    w->rx.socket.fd = w->tx.socket.fd = -1;
    w->rx.q = (struct mr_rxq){.port = &w->port, .io = &w->u.io, .pool = &w->pool, .drops = w->rx_drops};
    w->tx.q = (struct mr_txq){.port = &w->port, .io = &w->u.io, .drops = w->tx_drops};
    w->rx.uring = w->tx.uring = &w->u;
    w->tx.capacity = SENDING;
    w->tx.done = w->done;
    w->tx.socket.vnet = w->config.offload != MR_OFFLOAD_NONE;
    if (mr_uring_rx_init(&w->rx, &w->config, -1) < 0) {
        abort();
    }
    fence_tables(&w->rx);
    FUZZ_CHECK(mr_uring_rx_attach(&w->rx) < 0, "there is no ring to attach to");
    FUZZ_CHECK(w->rx.n_free == w->rx.n, "all buffers are free");
}

static void make(struct world *w, struct fuzz *f)
{
    uint8_t kind = fuzz_u8(f);
    memset(w, 0, sizeof *w);
    memset(w->posted, 0xff, sizeof w->posted);
    w->config.offload = (enum mr_offload)(kind % 3);
    w->config.receive = kind & 64 ? MR_RECEIVE_PLAIN : MR_RECEIVE_AUX;
    w->config.buffers = BUFFERS;
    w->config.big_buffers = w->config.offload == MR_OFFLOAD_SUPER ? BIG_BUFFERS : 0;
    w->rxq[0] = &w->rx;
    w->txq[0] = &w->tx;
    w->u.rxq = w->rxq;
    w->u.txq = w->txq;
    w->u.n_rxq = w->u.max_rxq = w->u.n_txq = w->u.max_txq = 1;
    w->u.ring.ring_fd = -1;
    w->u.ring.enter_ring_fd = -1;
    w->u.ring.sq.khead = &w->head;
    w->u.ring.sq.sqes = w->sqes;
    w->u.ring.sq.ring_entries = SQES;
    w->u.ring.sq.ring_mask = SQES - 1;
    make_pool(w);
    make_queues(w);
}

#endif
