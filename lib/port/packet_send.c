/* packet_send.c: frames to a packet socket, straight from their chunks. */
#include "lib/port/packet_port.h"

/* Nobody has this frame any more: under its reason, or, of a full queue and of a lost carrier alike, until control knows. */
static void refused(struct mr_packet_txq *q, const struct mr_frame *f, int error)
{
    if (error == ENOBUFS) {
        q->q.in_flight++;
        mr_txq_refused(&q->q, f);
    } else {
        mr_txq_drop(&q->q, f, mr_packet_reason(&q->socket, error));
    }
}

static bool keeps(int error)
{
    return error == EAGAIN || error == EINTR;
}

static ssize_t send_bytes(struct mr_packet_txq *q, const struct mr_frame *f, int flags)
{
    uint32_t bytes = f->length + (q->socket.vnet ? MR_VNET_BYTES : 0u);
    mr_count(&q->q.io->syscalls, 1);
    return send(q->socket.fd, mr_packet_front(&q->socket, q->q.port->base, f), bytes, flags);
}

static bool send_as_it_is(struct mr_packet_txq *q, const struct mr_frame *f, int flags)
{
    if (MR_LIKELY(send_bytes(q, f, flags) >= 0)) {
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, f->length);
        return true;
    }
    if (keeps(errno)) {
        return false;
    }
    refused(q, f, errno);
    return true;
}

/* Its checksum is completed for this device; should it not go now, the partial one goes back, as its flags say. */
static bool send_fitted(struct mr_packet_txq *q, const struct mr_frame *frame, int flags)
{
    struct mr_frame f = *frame;
    struct mr_vnet v;
    unsigned char *data = mr_frame_data(q->q.port->base, &f);
    unsigned char partial[2] = {0};
    memcpy(&v, data - MR_VNET_BYTES, sizeof v);
    unsigned char *field = data + v.csum_start + v.csum_offset;
    if (field + sizeof partial <= data + f.length) {
        memcpy(partial, field, sizeof partial);
    }
    if (!mr_packet_fit(q->q.port->base, &f)) {
        mr_txq_drop(&q->q, &f, MR_DROP_no_offload);
        return true;
    }
    bool taken = send_as_it_is(q, &f, flags);
    if (!taken) {
        memcpy(field, partial, sizeof partial);
    }
    return taken;
}

static inline bool needs_fitting(const struct mr_packet_txq *q, const struct mr_frame *f)
{
    return MR_UNLIKELY(f->flags & MR_FRAME_VNET) && !q->socket.vnet;
}

bool mr_packet_send_one(struct mr_packet_txq *q, const struct mr_frame *frame, int flags)
{
    return needs_fitting(q, frame) ? send_fitted(q, frame, flags) : send_as_it_is(q, frame, flags);
}

/* Up to the first frame that must be fitted. */
static uint32_t lay_out(struct mr_packet_txq *q, const struct mr_frame *frames, uint32_t n)
{
    uint32_t head = q->socket.vnet ? MR_VNET_BYTES : 0;
    uint32_t i = 0;
    for (; i < n && !needs_fitting(q, &frames[i]); i++) {
        q->piece[i].iov_base = mr_packet_front(&q->socket, q->q.port->base, &frames[i]);
        q->piece[i].iov_len = frames[i].length + head;
    }
    return i;
}

static void count(struct mr_packet_txq *q, const struct mr_frame *frames, uint32_t n)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        bytes += frames[i].length;
    }
    mr_count(&q->q.frames, n);
    mr_count(&q->q.bytes, bytes);
}

/* sendmmsg tells how many went before the first error; the error itself shows when the rest is tried. */
static uint32_t send_run(struct mr_packet_txq *q, const struct mr_frame *frames, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        int sent = sendmmsg(q->socket.fd, q->message + done, n - done, MSG_DONTWAIT);
        mr_count(&q->q.io->syscalls, 1);
        if (MR_LIKELY(sent > 0)) {
            count(q, frames + done, (uint32_t)sent);
            done += (uint32_t)sent;
        } else if (sent < 0 && keeps(errno)) {
            break;
        } else {
            refused(q, frames + done, errno);
            done++;
        }
    }
    return done;
}

uint32_t mr_packet_send_many(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_packet_txq *q = MR_CONTAINER_OF(txq, struct mr_packet_txq, q);
    uint32_t done = 0;
    n = n < MR_BATCH_MAX ? n : MR_BATCH_MAX;
    while (done < n) {
        uint32_t run = lay_out(q, frames + done, n - done);
        uint32_t sent = run != 0 ? send_run(q, frames + done, run) : mr_packet_send_one(q, frames + done, MSG_DONTWAIT);
        done += sent;
        if (sent < run || sent == 0) {
            break;
        }
    }
    return done;
}
