/* uring_tx.c: one SEND per frame; the doorbell hands a pass's sends to the kernel in one call. */
#include "lib/port/packet_frame.h"
#include "lib/port/uring.h"

#include <errno.h>

static void drop(struct mr_uring_txq *q, const struct mr_frame *f, enum mr_drop reason)
{
    mr_txq_drop(&q->q, f, reason);
    q->done[q->n_done++] = f->chunk;
}

static inline void send_one(struct mr_uring_txq *q, const struct mr_frame *f)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->uring->ring);
    uint32_t bytes = f->length + (q->socket.vnet ? MR_VNET_BYTES : 0u);
    io_uring_prep_send(sqe, (int)(q->uring->max_rxq + q->index), mr_packet_front(&q->socket, q->q.port->base, f), bytes, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->user_data = MR_URING_USER_DATA(MR_URING_SEND, q->index, f->length, f->chunk);
}

uint32_t mr_uring_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_uring_txq *q = MR_CONTAINER_OF(txq, struct mr_uring_txq, q);
    uint32_t room = q->capacity - q->q.held;
    uint32_t space = io_uring_sq_space_left(&q->uring->ring);
    uint32_t dropped = 0;
    n = n < room ? n : room;
    n = n < space ? n : space;
    for (uint32_t i = 0; i < n; i++) {
        struct mr_frame f = frames[i];
        if (MR_UNLIKELY(f.flags & MR_FRAME_VNET) && !q->socket.vnet && !mr_packet_fit(q->q.port->base, &f)) {
            drop(q, &f, MR_DROP_no_offload);
            dropped++;
        } else {
            send_one(q, &f);
        }
    }
    q->q.held += n;
    q->q.in_flight += n - dropped;
    return n;
}

uint32_t mr_uring_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n)
{
    struct mr_uring_txq *q = MR_CONTAINER_OF(txq, struct mr_uring_txq, q);
    n = n < q->n_done ? n : q->n_done;
    q->n_done -= n;
    memcpy(chunks, q->done + q->n_done, n * sizeof *chunks);
    q->q.held -= n;
    return n;
}

/* A send that a stop cancelled stays in in_flight: that is how the engine finds and counts it. So does one that ended in
 * ENOBUFS, which a full queue says and a lost carrier too: control looks which it was. */
void mr_uring_tx_complete(struct mr_uring_txq *q, uint64_t user_data, int result)
{
    if (MR_UNLIKELY(q->n_done == q->q.held)) {
        mr_count(&q->bad_completions, 1);
        return;
    }
    q->done[q->n_done++] = (uint32_t)user_data;
    if (MR_LIKELY(result >= 0)) {
        q->q.in_flight--;
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, user_data >> 32 & 0xffff);
        return;
    }
    struct mr_frame f = {.chunk = (uint32_t)user_data, .length = user_data >> 32 & 0xffff};
    if (result == -ENOBUFS) {
        mr_txq_refused(&q->q, &f);
    } else if (result != -ECANCELED) {
        q->q.in_flight--;
        mr_txq_drop(&q->q, &f, mr_packet_reason(&q->socket, (int)-(uint32_t)result));
    } else {
        mr_tell_died(q->q.witness, &f, 1, MR_DROP_stopped);
    }
}
