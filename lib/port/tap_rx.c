/* tap_rx.c: READs into chunks of the pool, in bursts of which the last waits; or read(), frame by frame. */
#include "lib/port/tap.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <unistd.h>

#define NO_REASON UINT32_MAX

enum { FIRST_BURST = 4, QUIET_LOOKS = 3 };

/* ---- set-up ---- */

int mr_tun_rx_init(struct mr_tun_rxq *q, const struct mr_port_config *c, int node)
{
    q->ring = c->by == MR_BY_URING;
    q->super = c->offload == MR_OFFLOAD_SUPER;
    q->vnet = c->offload != MR_OFFLOAD_NONE;
    q->reads = q->super ? c->big_buffers : c->buffers;
    q->burst = FIRST_BURST;
    uint32_t head = q->vnet ? MR_VNET_BYTES : 0;
    uint32_t stride = q->super ? q->q.pool->big_bytes : q->q.pool->small_bytes;
    q->post_at = MR_CHUNK_DATA - head;
    q->post_bytes = stride - q->post_at;
    q->post_bytes = q->post_bytes > MR_FRAME_MAX + head ? MR_FRAME_MAX + head : q->post_bytes;
    q->data_room = q->q.pool->small_bytes - MR_CHUNK_DATA;
    q->list = q->super ? &q->q.pool->big : &q->q.pool->small;
    q->ready_capacity = mr_ring_capacity(q->reads);
    q->ready = mr_node_alloc(q->ready_capacity * sizeof *q->ready, node);
    return q->ready != NULL ? 0 : -ENOMEM;
}

void mr_tun_rx_fini(struct mr_tun_rxq *q)
{
    mr_node_free(q->ready, q->ready_capacity * sizeof *q->ready);
}

/* ---- a frame has come ---- */

/* Fill the descriptor; NO_REASON, or why the frame dies. bytes: of the frame, virtio_net_hdr left out. */
static uint32_t judge(const struct mr_tun_rxq *q, const unsigned char *chunk, struct mr_frame *f, uint32_t bytes, bool cut)
{
    if (q->vnet) {
        f->flags = mr_vnet_flags((const struct mr_vnet *)(const void *)(chunk + q->post_at));
    }
    if (MR_UNLIKELY(f->flags & MR_FRAME_SUPER) && !q->super) {
        return MR_DROP_super_frame;
    }
    if (MR_UNLIKELY(cut)) {
        return MR_DROP_too_long;
    }
    return MR_UNLIKELY(bytes < MR_FRAME_MIN) ? MR_DROP_runt : NO_REASON;
}

/* Big chunks are few and belong to super-frames: whatever fits a small one moves there. */
static void move_to_small(struct mr_tun_rxq *q, struct mr_frame *f)
{
    uint32_t small;
    if (f->length > q->data_room || mr_pool_alloc(q->q.pool, &q->q.pool->small, &small, 1) == 0) {
        return;
    }
    unsigned char *base = q->q.port->base;
    memcpy(mr_chunk_at(base, small) + q->post_at, mr_chunk_at(base, f->chunk) + q->post_at,
           MR_CHUNK_DATA - q->post_at + f->length);
    mr_pool_free(q->q.pool, &f->chunk, 1);
    f->chunk = small;
    mr_count(&q->copied_small, 1);
}

/* bytes: as read, virtio_net_hdr included. false: it died, and its chunk is home. */
static bool receive(struct mr_tun_rxq *q, uint32_t chunk, uint32_t bytes, struct mr_frame *f)
{
    uint32_t head = MR_CHUNK_DATA - q->post_at;
    bool cut = bytes >= q->post_bytes;
    bytes = bytes > head ? bytes - head : 0;
    *f = (struct mr_frame){.chunk = chunk, .offset = MR_CHUNK_DATA, .length = (uint16_t)bytes, .port = q->q.port->number};
    uint32_t reason = judge(q, mr_chunk_at(q->q.port->base, chunk), f, bytes, cut);
    if (MR_UNLIKELY(reason != NO_REASON)) {
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, bytes);
        mr_rxq_drop(&q->q, f, reason);
        mr_pool_free(q->q.pool, &chunk, 1);
        return false;
    }
    if (q->super) {
        move_to_small(q, f);
    }
    return true;
}

/* Whatever else than that there is nothing: EBADFD once the device is gone. */
static void refused(struct mr_tun_rxq *q, int error)
{
    if (error != EAGAIN && error != ECANCELED && error != EINTR) {
        q->dead = true;
        __atomic_store_n(&q->last_error, error, __ATOMIC_RELAXED);
    }
}

/* ---- by io_uring ---- */

static void post_one(struct mr_tun_rxq *q, uint32_t chunk, bool waits)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->tap->ring);
    io_uring_prep_read(sqe, (int)q->index, mr_chunk_at(q->q.port->base, chunk) + q->post_at, q->post_bytes, 0);
    sqe->rw_flags = waits ? 0 : RWF_NOWAIT;
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->user_data = MR_TUN_USER_DATA(waits ? MR_TUN_READ : MR_TUN_READ_NOW, q->index, 0, chunk);
    q->waits = waits ? sqe->user_data : q->waits;
}

void mr_tun_rx_post(struct mr_tun_rxq *q)
{
    uint32_t chunks[MR_TUN_BURST];
    if (q->q.held != 0 || q->cancelled || q->dead || !q->ring) {
        return;
    }
    uint32_t n = q->reads - q->q.ready;
    uint32_t space = io_uring_sq_space_left(&q->tap->ring);
    n = n < q->burst ? n : q->burst;
    n = n < space ? n : space;
    n = mr_pool_alloc(q->q.pool, q->list, chunks, n);
    for (uint32_t i = 0; i < n; i++) {
        post_one(q, chunks[i], i == n - 1);
    }
    q->q.held = n;
    q->found = 0;
    q->dry = false;
}

static void burst_over(struct mr_tun_rxq *q)
{
    uint32_t next = q->dry ? q->found + 1 : 2 * q->burst;
    q->burst = next < MR_TUN_BURST ? next : MR_TUN_BURST;
}

void mr_tun_rx_complete(struct mr_tun_rxq *q, uint64_t user_data, int result)
{
    uint32_t chunk = (uint32_t)user_data;
    struct mr_frame f;
    q->q.held--;
    q->waits = q->waits == user_data ? 0 : q->waits;
    if (MR_UNLIKELY(result < 0)) {
        refused(q, -result);
        mr_pool_free(q->q.pool, &chunk, 1);
        q->dry = true;
    } else {
        q->found++;
        if (MR_LIKELY(receive(q, chunk, (uint32_t)result, &f))) {
            q->ready[(q->ready_head + q->q.ready++) & (q->ready_capacity - 1)] = f;
        }
    }
    if (q->q.held == 0) {
        burst_over(q);
    }
}

static uint32_t take_ready(struct mr_tun_rxq *q, struct mr_frame *frames, uint32_t n)
{
    n = n < q->q.ready ? n : q->q.ready;
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = q->ready[(q->ready_head + i) & (q->ready_capacity - 1)];
    }
    q->ready_head += n;
    q->q.ready -= n;
    return n;
}

/* ---- by calls ---- */

static uint32_t read_some(struct mr_tun_rxq *q, struct mr_frame *frames, uint32_t n)
{
    uint32_t chunk, k = 0;
    // Looks are bounded, not frames: those that die count too.
    for (uint32_t looks = 0; looks < n && !q->dead && mr_pool_alloc(q->q.pool, q->list, &chunk, 1) != 0; looks++) {
        ssize_t bytes = read(q->fd, mr_chunk_at(q->q.port->base, chunk) + q->post_at, q->post_bytes);
        mr_count(&q->tap->io.syscalls, 1);
        if (bytes < 0) {
            refused(q, errno);
            mr_pool_free(q->q.pool, &chunk, 1);
            break;
        }
        k += receive(q, chunk, (uint32_t)bytes, &frames[k]);
    }
    return k;
}

/* ---- the stage ---- */

uint32_t mr_tun_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct mr_tun_rxq *q = mr_tun_rxq_of(rxq);
    uint64_t bytes = 0;
    n = q->ring ? take_ready(q, frames, n) : read_some(q, frames, n);
    for (uint32_t i = 0; i < n; i++) {
        frames[i].tick = q->q.tick;
        bytes += frames[i].length;
    }
    if (n != 0) {
        mr_count(&q->q.frames, n);
        mr_count(&q->q.bytes, bytes);
    }
    return n;
}

static void cancel(struct mr_tun_rxq *q)
{
    struct io_uring_sqe *sqe = q->waits != 0 ? io_uring_get_sqe(&q->tap->ring) : NULL;
    if (q->waits != 0 && sqe == NULL) {
        return; // next look
    }
    if (sqe != NULL) {
        io_uring_prep_cancel64(sqe, q->waits, 0);
        sqe->user_data = MR_TUN_USER_DATA(MR_TUN_CANCEL, q->index, 0, 0);
    }
    q->cancelled = true;
}

/* No more frame into the device; what it has is received; then the READ that waits ends. Frames that were on their way
 * through the filter when it came are waited for, a few looks long. */
bool mr_tun_rx_quiesce(struct mr_rxq *rxq)
{
    struct mr_tun_rxq *q = mr_tun_rxq_of(rxq);
    if (!q->valve_closed && !q->dead) {
        mr_store_release(&q->q.end_error, (uint32_t)-mr_tun_valve_close(q));
        return false;
    }
    bool empty = q->q.ready == 0 && mr_tun_queue_empty(q);
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
    if (q->q.held == 0) {
        mr_store_release(&q->q.ended, 1);
    }
    return q->q.held == 0;
}

/* Called when nothing runs any more: frames that nobody took. What a READ that did not end may still write into stays
 * away, and is missed. */
uint32_t mr_tun_rx_chunks_back(struct mr_tun_rxq *q, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (; k < n && q->q.ready != 0; q->q.ready--) {
        chunks[k++] = q->ready[q->ready_head++ & (q->ready_capacity - 1)].chunk;
    }
    return k;
}
