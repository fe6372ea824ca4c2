/* xdp_tx.c: frames into the TX ring, one call that makes the kernel take them, chunks out of the COMPLETION ring.
 *
 * Where the kernel copies, it sends inside our call, 32 frames at most (tx_budget), and a completion says no more than
 * that the chunk is free: a frame that the device refused is completed, too, and the call ends with EBUSY at it. So each
 * EBUSY takes the newest completion for a refusal; control finds out what the cause is.
 *
 * What is under way stands in a FIFO of our own: lengths, which completions do not tell, and the chunks that the kernel
 * still has when it ends.
 */
#include "lib/port/vnet.h"
#include "lib/port/xdp.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <sys/socket.h>

#define NO_REASON UINT32_MAX

enum { ETHERNET = 14, TAG = 4 };

int mr_xdp_tx_init(struct mr_xdp_txq *q, int node)
{
    bool unaligned = mr_xdp_unaligned(q->xdp);
    q->capacity = q->xdp->tx_ring_frames;
    q->chunk_bytes = q->xdp->chunk_bytes;
    q->address_mask = unaligned ? XSK_UNALIGNED_BUF_ADDR_MASK : ~(uint64_t)(q->chunk_bytes - 1);
    q->offset_shift = unaligned ? XSK_UNALIGNED_BUF_OFFSET_SHIFT : 0;
    q->sent = mr_node_alloc(q->capacity * sizeof *q->sent, node);
    q->done = mr_node_alloc(q->capacity * sizeof *q->done, node);
    return q->sent == NULL || q->done == NULL ? -ENOMEM : 0;
}

void mr_xdp_tx_fini(struct mr_xdp_txq *q)
{
    mr_node_free(q->sent, q->capacity * sizeof *q->sent);
    mr_node_free(q->done, q->capacity * sizeof *q->done);
}

/* ---- frames in ---- */

static bool tagged(const struct mr_xdp_txq *q, const struct mr_frame *f)
{
    const unsigned char *type = mr_frame_data(q->q.port->base, f) + 12;
    return (type[0] == 0x81 && type[1] == 0x00) || (type[0] == 0x88 && type[1] == 0xa8);
}

/* A socket of AF_XDP does not ask for the device's MTU: we do, as all other drivers' sockets do. */
static uint32_t too_long(const struct mr_xdp_txq *q, const struct mr_frame *f)
{
    uint32_t mtu = mr_load_acquire(&q->q.port->mtu);
    uint32_t longest = mtu + ETHERNET;
    if (mtu != 0 && f->length > longest && !(f->length <= longest + TAG && tagged(q, f))) {
        return MR_DROP_mtu;
    }
    return f->offset + f->length > q->chunk_bytes ? MR_DROP_too_long : NO_REASON;
}

/* NO_REASON: it can be sent, and f may have changed; else why it dies. */
static uint32_t judge(const struct mr_xdp_txq *q, struct mr_frame *f)
{
    if (f->length < MR_FRAME_MIN) {
        return MR_DROP_runt;
    }
    if (f->flags & MR_FRAME_VNET && (f->flags & MR_FRAME_SUPER || !mr_vnet_complete(q->q.port->base, f))) {
        return MR_DROP_no_offload;
    }
    return too_long(q, f);
}

static inline void put(struct mr_xdp_txq *q, const struct mr_frame *f)
{
    struct xdp_desc *desc = xsk_ring_prod__tx_desc(&q->tx, q->tx.cached_prod++);
    desc->addr = (uint64_t)f->chunk * MR_CACHE_LINE + ((uint64_t)f->offset << q->offset_shift);
    desc->len = f->length;
    desc->options = 0;
    q->sent[q->tail++ & (q->capacity - 1)] = (struct mr_xdp_sent){.chunk = f->chunk, .length = f->length};
}

uint32_t mr_xdp_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_xdp_txq *q = MR_CONTAINER_OF(txq, struct mr_xdp_txq, q);
    uint32_t room = q->capacity - q->q.held;
    uint32_t slots = xsk_prod_nb_free(&q->tx, n);
    uint32_t surely = mr_load_acquire(&q->q.port->mtu) + ETHERNET;
    uint32_t dropped = 0;
    surely = surely < q->chunk_bytes - MR_CHUNK_DATA ? surely : q->chunk_bytes - MR_CHUNK_DATA;
    n = n < room ? n : room;
    n = n < slots ? n : slots;
    for (uint32_t i = 0; i < n; i++) {
        struct mr_frame f = frames[i];
        bool plain = (f.flags & MR_FRAME_VNET) == 0 && f.length <= surely && f.length >= MR_FRAME_MIN && f.offset <= MR_CHUNK_DATA;
        uint32_t reason = MR_LIKELY(plain) ? NO_REASON : judge(q, &f);
        if (MR_UNLIKELY(reason != NO_REASON)) {
            mr_txq_drop(&q->q, &f, reason);
            q->done[q->n_done++] = f.chunk;
            dropped++;
        } else {
            put(q, &f);
        }
    }
    if (n != dropped) {
        xsk_ring_prod__submit(&q->tx, n - dropped);
    }
    q->unsent += n - dropped;
    q->q.held += n;
    q->q.in_flight += n - dropped;
    return n;
}

/* ---- chunks out ---- */

/* Completions come in the order of sending, as a rule. One that does not is put in its place; descriptors that were made
 * invalid may never come, and those before it are over with it. NULL: none of ours. */
static struct mr_xdp_sent *find(struct mr_xdp_txq *q, uint32_t chunk)
{
    uint32_t mask = q->capacity - 1;
    for (uint32_t i = q->head; i != q->tail; i++) {
        struct mr_xdp_sent *e = &q->sent[i & mask];
        if (e->chunk != chunk) {
            continue;
        }
        while (i != q->head && q->sent[q->head & mask].dead) {
            q->done[q->n_done++] = q->sent[q->head++ & mask].chunk;
        }
        struct mr_xdp_sent found = *e;
        *e = q->sent[q->head & mask];
        q->sent[q->head & mask] = found;
        return &q->sent[q->head & mask];
    }
    return NULL;
}

static inline void over(struct mr_xdp_txq *q, uint32_t chunk, bool refused, uint64_t *frames, uint64_t *bytes)
{
    struct mr_xdp_sent *e = &q->sent[q->head & (q->capacity - 1)];
    if (MR_UNLIKELY(q->head == q->tail || e->chunk != chunk)) {
        e = find(q, chunk);
        if (e == NULL) {
            mr_count(&q->bad_completions, 1);
            return;
        }
    }
    q->head++;
    q->done[q->n_done++] = chunk;
    if (MR_UNLIKELY(refused)) {
        struct mr_frame f = {.chunk = chunk, .length = e->length};
        mr_txq_refused(&q->q, &f);
    } else if (MR_LIKELY(!e->dead)) {
        *frames += 1;
        *bytes += e->length;
    }
}

uint32_t mr_xdp_tx_complete(struct mr_xdp_txq *q)
{
    uint32_t at = 0;
    uint32_t n = xsk_ring_cons__peek(&q->comp, q->capacity, &at);
    uint32_t refused = q->owed < n ? q->owed : n;
    uint64_t frames = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t chunk = *xsk_ring_cons__comp_addr(&q->comp, at + i) & q->address_mask;
        over(q, (uint32_t)(chunk / MR_CACHE_LINE), i >= n - refused, &frames, &bytes);
    }
    if (n != 0) {
        xsk_ring_cons__release(&q->comp, n);
        q->owed -= refused;
        q->q.in_flight -= (uint32_t)frames;
        mr_count(&q->q.frames, frames);
        mr_count(&q->q.bytes, bytes);
    }
    return n;
}

uint32_t mr_xdp_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n)
{
    struct mr_xdp_txq *q = MR_CONTAINER_OF(txq, struct mr_xdp_txq, q);
    n = n < q->n_done ? n : q->n_done;
    q->n_done -= n;
    memcpy(chunks, q->done + q->n_done, n * sizeof *chunks);
    q->q.held -= n;
    return n;
}

/* ---- the call ---- */

/* The device is down: what the kernel has not taken would leave when it is up again, seconds old. Its descriptors get a
 * length that every kernel throws out (longer than a chunk; 0 passes before Linux 6.6), and the frames die here; their chunks
 * stay until the kernel has gone past them. */
static void purge(struct mr_xdp_txq *q, enum mr_drop reason)
{
    uint32_t taken = __atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE);
    uint32_t left = q->tx.cached_prod - taken;
    left = left < q->tail - q->head ? left : q->tail - q->head;
    for (uint32_t i = 1; i <= left; i++) {
        struct mr_xdp_sent *e = &q->sent[(q->tail - i) & (q->capacity - 1)];
        struct mr_frame f = {.chunk = e->chunk, .length = e->length};
        xsk_ring_prod__tx_desc(&q->tx, q->tx.cached_prod - i)->len = q->chunk_bytes + 1;
        if (!e->dead) {
            e->dead = 1;
            q->q.in_flight--;
            mr_txq_drop(&q->q, &f, reason);
            mr_count(&q->purged, 1);
        }
    }
    q->unsent = 0;
}

bool mr_xdp_tx_said(struct mr_xdp_txq *q, int rc)
{
    if (MR_LIKELY(rc == 0)) {
        q->unsent = 0;
        return false;
    }
    __atomic_store_n(&q->last_error, rc, __ATOMIC_RELAXED);
    if (rc == EBUSY) { // one frame was refused
        q->owed++;
        q->unsent -= q->unsent != 0;
        mr_xdp_tx_complete(q);
        return q->unsent != 0;
    }
    if (rc == EAGAIN) { // the budget is used up; or nothing goes, and the next pass tries again
        mr_count(&q->again, 1);
        return mr_xdp_tx_complete(q) != 0;
    }
    if (rc == ENETDOWN || rc == ENXIO || rc == ENODEV) {
        purge(q, rc == ENETDOWN ? MR_DROP_link_down : MR_DROP_device_gone);
    }
    return false;
}

static bool call(struct mr_xdp_txq *q)
{
    int rc = sendto(q->socket->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 ? 0 : errno;
    q->q.io->syscalls++;
    return mr_xdp_tx_said(q, rc);
}

/* The device is up again, and purged descriptors alone are in the ring: a call makes the kernel go past them. It completes them,
 * or (older ones) passes over them in silence, and then it has read the ring to its end. */
static void revive(struct mr_xdp_txq *q)
{
    uint32_t mask = q->capacity - 1;
    (void)!sendto(q->socket->fd, NULL, 0, MSG_DONTWAIT, NULL, 0); // what it says of live frames, the next one tells
    q->q.io->syscalls++;
    bool silent = mr_xdp_tx_complete(q) == 0 && __atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE) == q->tx.cached_prod;
    while (silent && q->head != q->tail && q->sent[q->head & mask].dead) {
        q->done[q->n_done++] = q->sent[q->head++ & mask].chunk;
    }
}

bool mr_xdp_tx_needs_call(struct mr_xdp_txq *q)
{
    if (q->socket->fd < 0 || !xsk_ring_prod__needs_wakeup(&q->tx)) {
        q->unsent = 0;
        return false;
    }
    return true;
}

void mr_xdp_tx_kick(struct mr_xdp_txq *q)
{
    if (!mr_xdp_tx_needs_call(q)) {
        return;
    }
    if (MR_UNLIKELY(q->unsent == 0)) { // mr_xdp_tx_blocked
        revive(q);
    }
    for (uint32_t calls = 0; q->unsent != 0 && calls < q->capacity && call(q); calls++) {
    }
}

/* ---- the end ---- */

void mr_xdp_tx_abandon(struct mr_xdp_txq *q, enum mr_drop reason)
{
    for (; q->head != q->tail; q->head++) {
        const struct mr_xdp_sent *e = &q->sent[q->head & (q->capacity - 1)];
        struct mr_frame f = {.chunk = e->chunk, .length = e->length};
        q->done[q->n_done++] = e->chunk;
        if (!e->dead) {
            q->q.in_flight--;
            mr_txq_drop(&q->q, &f, reason);
        }
    }
    q->unsent = 0;
    q->owed = 0;
}
