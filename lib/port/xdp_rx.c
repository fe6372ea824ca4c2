/* xdp_rx.c: chunks into the FILL ring, frames out of the RX ring.
 *
 * Which chunks the kernel has stands in a table of one byte a chunk: it does not hand them back in the order it got them,
 * and after a close, or when a ring's memory was written over, the rings themselves tell nothing.
 */
#include "lib/port/xdp.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <sys/socket.h>

enum { QUIET_LOOKS = 3 };

/* ---- chunks ---- */

int mr_xdp_rx_init(struct mr_xdp_rxq *q, int node)
{
    const struct mr_pool *pool = q->q.pool;
    q->buffers = q->q.port->config->buffers;
    q->busy_poll = q->q.port->config->busy_poll != 0;
    q->address_mask = mr_xdp_unaligned(q->xdp) ? XSK_UNALIGNED_BUF_ADDR_MASK : ~(uint64_t)(q->xdp->chunk_bytes - 1);
    q->first = pool->first;
    q->n_slots = (pool->end - pool->first) / MR_XDP_SLOT_LINES + 1;
    q->posted = mr_node_alloc(q->n_slots, node);
    return q->posted == NULL ? -ENOMEM : 0;
}

void mr_xdp_rx_fini(struct mr_xdp_rxq *q)
{
    mr_node_free(q->posted, q->n_slots);
}

/* Up to one burst of chunks; the FILL ring has room for as many as the kernel may have. Returns how many. */
static uint32_t fill(struct mr_xdp_rxq *q)
{
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t n = q->buffers - q->q.held;
    uint32_t room = xsk_prod_nb_free(&q->fill, n);
    uint32_t at;
    n = n < room ? n : room;
    n = mr_pool_alloc(q->q.pool, &q->q.pool->small, chunks, n < MR_BATCH_MAX ? n : MR_BATCH_MAX);
    if (n == 0 || xsk_ring_prod__reserve(&q->fill, n, &at) == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t line = chunks[i] - q->first;
        q->posted[line / MR_XDP_SLOT_LINES] = (uint8_t)(1 + line % MR_XDP_SLOT_LINES);
        *xsk_ring_prod__fill_addr(&q->fill, at + i) = (uint64_t)chunks[i] * MR_CACHE_LINE;
    }
    xsk_ring_prod__submit(&q->fill, n);
    q->q.held += n;
    return n;
}

void mr_xdp_rx_fill(struct mr_xdp_rxq *q)
{
    while (fill(q) != 0) {
    }
}

/* The kernel gives a chunk back: false when it never had it. */
static inline bool take_back(struct mr_xdp_rxq *q, uint32_t chunk)
{
    uint32_t line = chunk - q->first;
    uint32_t slot = line / MR_XDP_SLOT_LINES;
    if (MR_UNLIKELY(slot >= q->n_slots || q->posted[slot] != 1 + line % MR_XDP_SLOT_LINES)) {
        mr_count(&q->bad_addresses, 1);
        return false;
    }
    q->posted[slot] = 0;
    q->q.held--;
    return true;
}

/* ---- frames ---- */

/* false: it died, or was none. */
static inline bool receive(struct mr_xdp_rxq *q, const struct xdp_desc *desc, struct mr_frame *f)
{
    uint64_t chunk = desc->addr & q->address_mask;
    uint64_t offset = mr_xdp_unaligned(q->xdp) ? desc->addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT : desc->addr - chunk;
    *f = (struct mr_frame){.chunk = (uint32_t)(chunk / MR_CACHE_LINE), .tick = q->q.tick, .offset = (uint16_t)offset,
                           .length = (uint16_t)desc->len, .port = q->q.port->number};
    if (MR_UNLIKELY(!take_back(q, f->chunk))) {
        return false;
    }
    if (MR_LIKELY(desc->len >= MR_FRAME_MIN && offset + desc->len <= q->xdp->chunk_bytes)) {
        return true;
    }
    mr_rxq_drop(&q->q, f, desc->len < MR_FRAME_MIN ? MR_DROP_runt : MR_DROP_too_long);
    mr_count(&q->q.frames, 1);
    mr_count(&q->q.bytes, desc->len);
    mr_pool_free(q->q.pool, &f->chunk, 1);
    return false;
}

uint32_t mr_xdp_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct mr_xdp_rxq *q = MR_CONTAINER_OF(rxq, struct mr_xdp_rxq, q);
    uint32_t at = 0;
    uint32_t got = 0;
    uint64_t bytes = 0;
    if (MR_UNLIKELY(q->q.halted != 0)) {
        return 0; // the rings are no longer there
    }
    uint32_t seen = xsk_ring_cons__peek(&q->rx, n, &at);
    for (uint32_t i = 0; i < seen; i++) {
        if (MR_LIKELY(receive(q, xsk_ring_cons__rx_desc(&q->rx, at + i), &frames[got]))) {
            bytes += frames[got++].length;
        }
    }
    if (seen != 0) {
        xsk_ring_cons__release(&q->rx, seen);
        mr_count(&q->q.frames, got);
        mr_count(&q->q.bytes, bytes);
    }
    if (q->q.held < q->buffers) {
        fill(q);
    }
    return got;
}

/* A driver without copies asks to be woken when it ran out of chunks; who polls busily runs the device's receive here. */
void mr_xdp_rx_wake(struct mr_xdp_rxq *q)
{
    if (MR_UNLIKELY(q->q.halted == 0 && (q->busy_poll || xsk_ring_prod__needs_wakeup(&q->fill)))) {
        recvfrom(q->socket->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        q->q.io->syscalls++;
    }
}

/* ---- the end ---- */

bool mr_xdp_rx_empty(const struct mr_xdp_rxq *q)
{
    return q->rx.cached_cons == __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE);
}

/* The map no longer leads here, and control has waited for who had looked into it before: what the ring has then is the
 * last. */
bool mr_xdp_rx_quiesce(struct mr_rxq *rxq)
{
    struct mr_xdp_rxq *q = MR_CONTAINER_OF(rxq, struct mr_xdp_rxq, q);
    uint32_t valve = mr_load_acquire(&q->valve);
    if (valve == MR_XDP_OPEN) {
        mr_xdp_valve_close(q);
        return false;
    }
    if (valve == MR_XDP_CLOSED || valve == MR_XDP_AWAITED) {
        return false;
    }
    q->quiet_looks = mr_xdp_rx_empty(q) ? q->quiet_looks + 1 : 0;
    if (q->quiet_looks < (valve == MR_XDP_SHUT ? 1 : QUIET_LOOKS)) {
        return false;
    }
    mr_store_release(&q->q.ended, 1);
    return true;
}

uint32_t mr_xdp_rx_chunks_back(struct mr_xdp_rxq *q, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t slot = 0; k < n && q->posted != NULL && q->q.held != 0 && slot < q->n_slots; slot++) {
        if (q->posted[slot] != 0) {
            chunks[k++] = q->first + slot * MR_XDP_SLOT_LINES + q->posted[slot] - 1;
            q->posted[slot] = 0;
            q->q.held--;
        }
    }
    return k;
}
