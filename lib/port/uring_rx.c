/* uring_rx.c: a multishot receive per queue, into buffers that are chunks of the pool.
 *
 * A buffer's chunk leaves with its frame; a fresh one is posted under the same number when frames are handed out, so
 * that frames waiting here and chunks posted are together never more than planned. When the kernel runs out of buffers
 * it ends the request and frames wait in the socket: it is armed again once buffers are back, never before.
 */
#include "lib/port/packet_frame.h"
#include "lib/port/uring.h"
#include "lib/sys/node.h"

#include <errno.h>

enum { QUIET_LOOKS = 3 };

/* ---- set-up ---- */

static size_t round_up(size_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

/* Where the buffer begins: before the data by what the kernel puts in front of it. */
static void place(struct mr_uring_rxq *q)
{
    uint32_t head = q->socket.aux ? MR_URING_HEAD : q->socket.vnet ? MR_VNET_BYTES : 0;
    uint32_t stride = q->socket.super ? q->q.pool->big_bytes : q->q.pool->small_bytes;
    q->post_at = MR_CHUNK_DATA - head;
    q->post_bytes = stride - q->post_at;
    if (q->socket.super && q->post_bytes > MR_FRAME_MAX + head) {
        q->post_bytes = MR_FRAME_MAX + head; // what 16 bits of length hold
    }
    q->frame_room = q->post_bytes - head;
    q->data_room = q->q.pool->small_bytes - MR_CHUNK_DATA;
    q->list = q->socket.super ? &q->q.pool->big : &q->q.pool->small;
    q->msg.msg_controllen = q->socket.aux ? MR_URING_CONTROL - (q->socket.vnet ? MR_VNET_BYTES : 0) : 0;
}

int mr_uring_rx_init(struct mr_uring_rxq *q, const struct mr_port_config *c, int node)
{
    mr_packet_asks(&q->socket, c);
    q->n = q->socket.super ? c->big_buffers : c->buffers;
    q->ready_capacity = q->n > c->buffers ? q->n : c->buffers;
    place(q);
    size_t at[4] = {round_up(q->n * sizeof(struct io_uring_buf)), round_up(q->n * sizeof *q->chunk_of),
                    round_up(q->n * sizeof *q->free), round_up(q->ready_capacity * sizeof *q->ready)};
    q->tables_bytes = at[0] + at[1] + at[2] + at[3];
    q->tables = mr_node_alloc(q->tables_bytes, node);
    if (q->tables == NULL) {
        return -ENOMEM;
    }
    unsigned char *memory = q->tables;
    q->ring = (struct io_uring_buf_ring *)memory;
    q->chunk_of = (uint32_t *)(void *)(memory + at[0]);
    q->free = (uint16_t *)(void *)(memory + at[0] + at[1]);
    q->ready = (struct mr_frame *)(void *)(memory + at[0] + at[1] + at[2]);
    return 0;
}

void mr_uring_rx_fini(struct mr_uring_rxq *q)
{
    mr_node_free(q->tables, q->tables_bytes);
}

/* Post chunks under the free buffer numbers, as far as chunks and the FIFO of received frames allow. */
static uint32_t post(struct mr_uring_rxq *q)
{
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t room = q->ready_capacity - q->q.ready - q->q.held;
    uint32_t n = q->n_free < room ? q->n_free : room;
    n = mr_pool_alloc(q->q.pool, q->list, chunks, n < MR_BATCH_MAX ? n : MR_BATCH_MAX);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t number = q->free[--q->n_free];
        q->chunk_of[number] = chunks[i];
        unsigned char *at = mr_chunk_at(q->q.port->base, chunks[i]) + q->post_at;
        io_uring_buf_ring_add(q->ring, at, q->post_bytes, number, io_uring_buf_ring_mask(q->n), (int)i);
    }
    io_uring_buf_ring_advance(q->ring, (int)n);
    q->q.held += n;
    return n;
}

int mr_uring_rx_attach(struct mr_uring_rxq *q)
{
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)q->ring, .ring_entries = q->n, .bgid = (uint16_t)q->index};
    io_uring_buf_ring_init(q->ring);
    q->n_free = 0;
    for (uint32_t i = 0; i < q->n; i++) {
        q->chunk_of[i] = MR_URING_NO_CHUNK;
        q->free[q->n_free++] = (uint16_t)(q->n - 1 - i);
    }
    int rc = io_uring_register_buf_ring(&q->uring->ring, &reg, 0);
    while (rc == 0 && post(q) != 0) {
    }
    return rc;
}

/* With few buffers back the next receive would end at once: wait for a quarter, or for all that can come. */
void mr_uring_rx_arm(struct mr_uring_rxq *q)
{
    if (q->armed || q->cancelled || q->q.held == 0 || (q->q.held < q->n / 4 && q->q.ready != 0)) {
        return;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->uring->ring);
    if (sqe == NULL) {
        return; // next pass
    }
    if (q->socket.aux) {
        io_uring_prep_recvmsg_multishot(sqe, (int)q->index, &q->msg, 0);
    } else {
        io_uring_prep_recv_multishot(sqe, (int)q->index, NULL, 0, MSG_TRUNC);
    }
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = (uint16_t)q->index;
    sqe->user_data = MR_URING_USER_DATA(MR_URING_RECEIVE, q->index, 0, 0);
    q->armed = true;
}

/* ---- a frame has come ---- */

static inline const struct tpacket_auxdata *aux_of(const struct mr_uring_rxq *q, const unsigned char *chunk)
{
    return (const struct tpacket_auxdata *)(const void *)(chunk + q->post_at + sizeof(struct io_uring_recvmsg_out) +
                                                          sizeof(struct cmsghdr));
}

/* Fill the descriptor; MR_PACKET_GOOD, or why the frame dies. bytes: of the frame, virtio_net_hdr left out. */
static uint32_t judge(struct mr_uring_rxq *q, unsigned char *chunk, struct mr_frame *f, uint32_t bytes, bool cut)
{
    uint32_t status = q->socket.aux ? aux_of(q, chunk)->tp_status : 0;
    uint32_t reason = mr_packet_judge(&q->socket, chunk + MR_CHUNK_DATA - MR_VNET_BYTES, status, bytes, cut, f);
    if (MR_UNLIKELY(status & TP_STATUS_VLAN_VALID) && reason == MR_PACKET_GOOD) {
        const struct tpacket_auxdata *a = aux_of(q, chunk);
        mr_packet_retag(&q->socket, chunk, f, status, a->tp_vlan_tci, a->tp_vlan_tpid);
    }
    return reason;
}

/* result: what the kernel says of the buffer; with aux data it leads to the header before the data. Neither the buffer's
 * number nor a length is believed beyond what was posted. */
static void receive(struct mr_uring_rxq *q, uint32_t number, int result)
{
    if (MR_UNLIKELY(number >= q->n || q->chunk_of[number] == MR_URING_NO_CHUNK || result < 0)) {
        mr_count(&q->bad_completions, 1);
        return;
    }
    struct mr_frame f = {.chunk = q->chunk_of[number], .offset = MR_CHUNK_DATA, .port = q->q.port->number};
    unsigned char *chunk = mr_chunk_at(q->q.port->base, f.chunk);
    uint32_t bytes = (uint32_t)result;
    bool cut = false;
    q->chunk_of[number] = MR_URING_NO_CHUNK;
    q->free[q->n_free++] = (uint16_t)number;
    q->q.held--;
    if (q->socket.aux) {
        const struct io_uring_recvmsg_out *out = (const struct io_uring_recvmsg_out *)(void *)(chunk + q->post_at);
        bytes = out->payloadlen;
        cut = (out->flags & MSG_TRUNC) != 0;
    }
    uint32_t head = q->socket.vnet ? MR_VNET_BYTES : 0;
    bytes = bytes > head ? bytes - head : 0;
    uint32_t reason = judge(q, chunk, &f, bytes, cut || bytes > q->frame_room);
    if (MR_UNLIKELY(reason != MR_PACKET_GOOD)) {
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, bytes);
        f.length = (uint16_t)(bytes < q->frame_room ? bytes : q->frame_room); // as much as the chunk has of it
        mr_rxq_drop(&q->q, &f, reason);
        mr_pool_free(q->q.pool, &f.chunk, 1);
        return;
    }
    if (q->socket.super) {
        mr_packet_move_small(&q->socket, &q->q, &f, q->data_room);
    }
    q->ready[(q->ready_head + q->q.ready++) & (q->ready_capacity - 1)] = f;
}

/* The request has ended: by our wish, because buffers or the completion queue ran out, or by an error of the socket. Of
 * these, EINVAL cost a frame: the kernel cannot write a virtio_net_hdr for each kind of super-frame (before Linux 6.2 not
 * for UDP's), and finds that out when the frame is off the queue. */
static void ended(struct mr_uring_rxq *q, int result)
{
    if (!q->armed) {
        mr_count(&q->bad_completions, 1);
        return;
    }
    q->armed = false;
    if (result == -ENOBUFS) {
        mr_count(&q->rearms_no_buffers, 1);
    } else if (result >= 0) {
        mr_count(&q->rearms_cq_full, 1);
    } else if (result != -ECANCELED) {
        mr_count(&q->socket.undescribed, q->socket.vnet && result == -EINVAL);
        mr_count(&q->rearms_other, 1);
        __atomic_store_n(&q->socket.last_error, (int)-(uint32_t)result, __ATOMIC_RELAXED); // INT_MIN has no negative
    }
}

void mr_uring_rx_complete(struct mr_uring_rxq *q, int result, uint32_t flags)
{
    if (MR_LIKELY(flags & IORING_CQE_F_BUFFER)) {
        receive(q, flags >> IORING_CQE_BUFFER_SHIFT, result);
    }
    if (MR_UNLIKELY(!(flags & IORING_CQE_F_MORE))) {
        ended(q, result);
    }
}

/* ---- the stage ---- */

uint32_t mr_uring_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct mr_uring_rxq *q = MR_CONTAINER_OF(rxq, struct mr_uring_rxq, q);
    uint64_t bytes = 0;
    n = n < q->q.ready ? n : q->q.ready;
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = q->ready[(q->ready_head + i) & (q->ready_capacity - 1)];
        frames[i].tick = q->q.tick;
        bytes += frames[i].length;
    }
    q->ready_head += n;
    q->q.ready -= n;
    if (n != 0) {
        mr_count(&q->q.frames, n);
        mr_count(&q->q.bytes, bytes);
    }
    if (q->n_free != 0) {
        post(q);
    }
    return n;
}

static void cancel(struct mr_uring_rxq *q)
{
    struct io_uring_sqe *sqe = q->armed ? io_uring_get_sqe(&q->uring->ring) : NULL;
    if (q->armed && sqe == NULL) {
        return; // next look
    }
    if (sqe != NULL) {
        io_uring_prep_cancel64(sqe, MR_URING_USER_DATA(MR_URING_RECEIVE, q->index, 0, 0), 0);
        sqe->user_data = MR_URING_USER_DATA(MR_URING_CANCEL, q->index, 0, 0);
    }
    q->cancelled = true;
}

/* No more frame into the socket; what it has is received; then the request ends. Frames that were on their way through
 * the filter when it came are waited for, a few looks long. */
bool mr_uring_rx_quiesce(struct mr_rxq *rxq)
{
    struct mr_uring_rxq *q = MR_CONTAINER_OF(rxq, struct mr_uring_rxq, q);
    if (!q->socket.valve_closed) {
        mr_store_release(&q->q.end_error, (uint32_t)-mr_packet_valve_close(&q->socket));
        return false;
    }
    bool empty = q->q.ready == 0 && mr_packet_empty(&q->socket);
    q->quiet_looks = empty ? q->quiet_looks + 1 : 0;
    if (!q->cancelled) {
        if (q->quiet_looks >= QUIET_LOOKS) {
            cancel(q);
        }
        return false;
    }
    if (!empty) {
        q->cancelled = false;
        return false;
    }
    if (!q->armed) {
        mr_store_release(&q->q.ended, 1);
    }
    return !q->armed;
}

/* Called when nothing runs any more: posted buffers, and frames that nobody took. */
uint32_t mr_uring_rx_chunks_back(struct mr_uring_rxq *q, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (; k < n && q->q.ready != 0; q->q.ready--) {
        chunks[k++] = q->ready[q->ready_head++ & (q->ready_capacity - 1)].chunk;
    }
    if (q->chunk_of == NULL || q->armed) {
        return k; // a request that did not end may still write into its buffers: they stay away, and are missed
    }
    for (uint32_t i = 0; k < n && i < q->n; i++) {
        if (q->q.held != 0 && q->chunk_of[i] != MR_URING_NO_CHUNK) {
            chunks[k++] = q->chunk_of[i];
            q->chunk_of[i] = MR_URING_NO_CHUNK;
            q->q.held--;
        }
    }
    return k;
}
