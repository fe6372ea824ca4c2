/* tap_tx.c: one WRITE per frame, which the kernel carries out while it is handed over; or write(). The receiving half of the
 * kernel's stack runs inside it. */
#include "lib/port/tap.h"

#include <errno.h>
#include <unistd.h>

/* First byte that goes to the device; frames without a virtio_net_hdr get an empty one where it wants one. */
static inline unsigned char *with_vnet(const struct mr_tun_txq *q, const struct mr_frame *f)
{
    unsigned char *data = mr_frame_data(q->q.port->base, f);
    if (!q->vnet) {
        return data;
    }
    if (!(f->flags & MR_FRAME_VNET)) {
        memset(data - MR_VNET_BYTES, 0, MR_VNET_BYTES);
    }
    return data - MR_VNET_BYTES;
}

/* A device without offloads: a checksum is completed here, a super-frame cannot go. */
static bool fit(const struct mr_tun_txq *q, struct mr_frame *f)
{
    return !(f->flags & MR_FRAME_SUPER) && mr_vnet_complete(q->q.port->base, f);
}

static enum mr_drop reason_of(struct mr_tun_txq *q, int error)
{
    switch (error) {
    case EIO:
        return MR_DROP_link_down;
    case EBADFD:
    case EBADF:
        return MR_DROP_device_gone;
    default:
        __atomic_store_n(&q->last_error, error, __ATOMIC_RELAXED);
        return MR_DROP_tx_error;
    }
}

static void dropped(struct mr_tun_txq *q, const struct mr_frame *f, enum mr_drop reason)
{
    mr_txq_drop(&q->q, f, reason);
    q->done[q->n_done++] = f->chunk;
}

/* A WRITE that a stop cancelled stays in in_flight: that is how the engine finds and counts it. */
static void sent(struct mr_tun_txq *q, const struct mr_frame *f, int error)
{
    if (MR_LIKELY(error == 0)) {
        q->q.in_flight--;
        q->done[q->n_done++] = f->chunk;
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, f->length);
    } else if (error == ECANCELED) {
        q->done[q->n_done++] = f->chunk;
        mr_tell_died(q->q.witness, f, 1, MR_DROP_stopped);
    } else {
        q->q.in_flight--;
        dropped(q, f, reason_of(q, error));
    }
}

static inline void send_one(struct mr_tun_txq *q, const struct mr_frame *f)
{
    unsigned char *at = with_vnet(q, f);
    uint32_t bytes = f->length + (q->vnet ? MR_VNET_BYTES : 0u);
    q->q.in_flight++;
    if (!q->ring) {
        int error = write(q->fd, at, bytes) < 0 ? errno : 0;
        mr_count(&q->tap->io.syscalls, 1);
        sent(q, f, error);
        return;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->tap->ring);
    io_uring_prep_write(sqe, (int)(q->tap->setup.n_rxq + q->index), at, bytes, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->user_data = MR_TUN_USER_DATA(MR_TUN_WRITE, q->index, f->length, f->chunk);
}

uint32_t mr_tun_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_tun_txq *q = mr_tun_txq_of(txq);
    uint32_t room = q->capacity - q->q.held;
    uint32_t space = q->ring ? io_uring_sq_space_left(&q->tap->ring) : n;
    n = n < room ? n : room;
    n = n < space ? n : space;
    q->q.held += n;
    for (uint32_t i = 0; i < n; i++) {
        struct mr_frame f = frames[i];
        if (MR_UNLIKELY(f.flags & MR_FRAME_VNET) && !q->vnet && !fit(q, &f)) {
            dropped(q, &f, MR_DROP_no_offload);
        } else {
            send_one(q, &f);
        }
    }
    return n;
}

uint32_t mr_tun_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n)
{
    struct mr_tun_txq *q = mr_tun_txq_of(txq);
    n = n < q->n_done ? n : q->n_done;
    q->n_done -= n;
    memcpy(chunks, q->done + q->n_done, n * sizeof *chunks);
    q->q.held -= n;
    return n;
}

void mr_tun_tx_complete(struct mr_tun_txq *q, uint64_t user_data, int result)
{
    struct mr_frame f = {.chunk = (uint32_t)user_data, .length = user_data >> 32 & 0xffff};
    sent(q, &f, result < 0 ? -result : 0);
}
