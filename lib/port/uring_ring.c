/* uring_ring.c: one io_uring per core, for all queues of this driver on it.
 *
 * Made disabled on the control thread, where files may be registered; whoever enables it is the only one that may enter
 * it from then on (SINGLE_ISSUER), so that is the core. DEFER_TASKRUN: the kernel receives only while the core is inside
 * a call, so nothing ever interrupts it. The completion queue has a place for every buffer and every send under way: it
 * cannot overflow.
 */
#include "lib/port/uring.h"
#include "lib/sys/clock.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SQ_SPARE = 8, CANCEL_WAIT_US = 100, CANCEL_TRIES = 1000, ENTRIES_LEAST = 64 }; // requests besides sends, per receiving queue
#define QUEUES_MAX 256u /* of a kind on one core: 8 bits of user_data */

int mr_uring_setup(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries)
{
    struct io_uring_params p = {.cq_entries = cq_entries};
    p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    return io_uring_queue_init_params(sq_entries, ring, &p);
}

/* Submission entries; completions, the index array and the head of both rings; older kernels take powers of two. */
size_t mr_uring_bytes(uint32_t sq_entries, uint32_t cq_entries)
{
    size_t rings = cq_entries * sizeof(struct io_uring_cqe) + sq_entries * sizeof(uint32_t) + 4096;
    size_t power = 4096;
    while (power < rings) {
        power *= 2;
    }
    return power + sq_entries * sizeof(struct io_uring_sqe);
}

int mr_uring_enable(struct io_uring *ring)
{
    return io_uring_register((unsigned int)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* ---- control ---- */

/* What the kernel would make of it, too: a power of two. */
static uint32_t entries(uint32_t n)
{
    return mr_ring_capacity(n < ENTRIES_LEAST ? ENTRIES_LEAST : n);
}

static int make(struct mr_uring *u, const struct mr_io_setup *setup)
{
    u->max_rxq = setup->n_rxq;
    u->max_txq = setup->n_txq;
    u->rxq = calloc(setup->n_rxq + 1u, sizeof(struct mr_uring_rxq *));
    u->txq = calloc(setup->n_txq + 1u, sizeof(struct mr_uring_txq *));
    if (u->rxq == NULL || u->txq == NULL) {
        return -ENOMEM;
    }
    uint32_t sq = entries(setup->n_txq * MR_BATCH_MAX + setup->n_rxq * SQ_SPARE);
    uint32_t cq = entries(setup->rx_buffers + setup->tx_frames + setup->n_rxq * SQ_SPARE);
    cq = cq < sq ? sq : cq;
    u->bytes = mr_uring_bytes(sq, cq);
    int rc = mr_uring_setup(&u->ring, sq, cq);
    u->made = rc == 0;
    return rc < 0 ? rc : io_uring_register_files_sparse(&u->ring, setup->n_rxq + setup->n_txq);
}

int mr_uring_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    char why[240];
    struct mr_node_policy before;
    if (setup->n_rxq > QUEUES_MAX || setup->n_txq > QUEUES_MAX) {
        return mr_error_set(err, MR_FAULT_CONFIG, E2BIG, "driver uring: %u receiving and %u sending queues on one core; "
                            "at most %u of each, name more CPUs in engine.cores", setup->n_rxq, setup->n_txq, QUEUES_MAX);
    }
    struct mr_uring *u = mr_node_alloc(sizeof *u, setup->node);
    if (u == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the tables of an io_uring; free some");
    }
    mr_node_prefer(&before, setup->node);
    int rc = make(u, setup);
    mr_node_restore(&before);
    if (rc < 0) {
        mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot make an io_uring: %s",
                     mr_uring_refusal(-rc, u->bytes, why, sizeof why));
        mr_uring_destroy(&u->io);
        return rc;
    }
    *out = &u->io;
    return 0;
}

void mr_uring_destroy(struct mr_io *io)
{
    struct mr_uring *u = MR_CONTAINER_OF(io, struct mr_uring, io);
    if (u->made) {
        io_uring_queue_exit(&u->ring);
    }
    free(u->rxq);
    free(u->txq);
    mr_node_free(u, sizeof *u);
}

int mr_uring_add_rxq(struct mr_uring *u, struct mr_uring_rxq *q)
{
    q->uring = u;
    q->index = u->n_rxq;
    int rc = io_uring_register_files_update(&u->ring, q->index, &q->socket.fd, 1);
    if (rc >= 0) {
        u->rxq[u->n_rxq++] = q;
    }
    return rc < 0 ? rc : 0;
}

int mr_uring_add_txq(struct mr_uring *u, struct mr_uring_txq *q)
{
    q->uring = u;
    q->index = u->n_txq;
    int rc = io_uring_register_files_update(&u->ring, u->max_rxq + q->index, &q->socket.fd, 1);
    if (rc >= 0) {
        u->txq[u->n_txq++] = q;
    }
    return rc < 0 ? rc : 0;
}

/* ---- the core ---- */

static inline uint32_t kernel_says(const struct mr_uring *u)
{
    return __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED);
}

/* Completions that found the queue full wait in the kernel, none is lost: this call brings them. */
static void enter(struct mr_uring *u, bool events)
{
    if (MR_UNLIKELY(kernel_says(u) & IORING_SQ_CQ_OVERFLOW)) {
        mr_count(&u->cq_overflows, 1);
    }
    int rc = events ? io_uring_submit_and_get_events(&u->ring) : io_uring_submit(&u->ring);
    mr_count(&u->io.syscalls, 1);
    (void)rc; // what was not taken stays in the queue, and is handed over in the next pass
}

/* Told by kind and queue; what belongs to none of ours is counted at the first there is. */
void mr_uring_complete(struct mr_uring *u, const struct io_uring_cqe *cqe)
{
    uint32_t queue = cqe->user_data >> 48 & 0xff;
    uint64_t kind = cqe->user_data >> 56;
    if (MR_LIKELY(kind == MR_URING_SEND && queue < u->n_txq)) {
        mr_uring_tx_complete(u->txq[queue], cqe->user_data, cqe->res);
    } else if (MR_LIKELY(kind == MR_URING_RECEIVE && queue < u->n_rxq)) {
        mr_uring_rx_complete(u->rxq[queue], cqe->res, cqe->flags);
    } else if (kind != MR_URING_CANCEL) { // of a cancel the request it ended tells itself
        mr_count(u->n_rxq != 0 ? &u->rxq[0]->bad_completions : &u->txq[0]->bad_completions, 1);
    }
}

static uint32_t reap(struct mr_uring *u)
{
    struct io_uring_cqe *cqe;
    unsigned int head;
    uint32_t n = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe) {
        mr_uring_complete(u, cqe);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
    return n;
}

uint32_t mr_uring_doorbell(struct mr_io *io, uint32_t what)
{
    struct mr_uring *u = MR_CONTAINER_OF(io, struct mr_uring, io);
    bool events = (what & MR_DOORBELL_RECEIVE) != 0;
    for (uint32_t i = 0; events && i < u->n_rxq; i++) {
        if (MR_UNLIKELY(!u->rxq[i]->armed)) {
            mr_uring_rx_arm(u->rxq[i]);
        }
    }
    if (io_uring_sq_ready(&u->ring) == 0 && !(events && (kernel_says(u) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)) {
        return 0;
    }
    enter(u, events);
    return reap(u);
}

static int attach(struct mr_uring *u)
{
    u->ring_registered = io_uring_register_ring_fd(&u->ring) == 1; // saves a look-up a call; works without
    int rc = mr_uring_enable(&u->ring);
    for (uint32_t i = 0; rc >= 0 && i < u->n_rxq; i++) {
        rc = mr_uring_rx_attach(u->rxq[i]);
        if (rc >= 0) {
            mr_uring_rx_arm(u->rxq[i]);
        }
    }
    return rc;
}

/* The only one whose answer counts: what a filter or a kernel refuses now would never work. */
static int first_enter(struct mr_uring *u)
{
    int rc = io_uring_submit_and_get_events(&u->ring);
    mr_count(&u->io.syscalls, 1);
    return rc == -EINTR || rc == -EAGAIN || rc == -EBUSY ? 0 : rc;
}

int mr_uring_attach(struct mr_io *io, struct mr_error *err)
{
    struct mr_uring *u = MR_CONTAINER_OF(io, struct mr_uring, io);
    char why[240];
    int rc = attach(u);
    rc = rc < 0 ? rc : first_enter(u);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot start an io_uring on its core: %s",
                            mr_uring_refusal(-rc, u->bytes, why, sizeof why));
    }
    reap(u);
    return 0;
}

/* ---- the end ---- */

static bool sends_over(const struct mr_uring *u)
{
    for (uint32_t i = 0; i < u->n_txq; i++) {
        if (u->txq[i]->q.held != u->txq[i]->n_done) {
            return false;
        }
    }
    return true;
}

static bool receives_over(const struct mr_uring *u)
{
    for (uint32_t i = 0; i < u->n_rxq; i++) {
        if (u->rxq[i]->armed) {
            return false;
        }
    }
    return true;
}

static void poll_until(struct mr_uring *u, uint64_t deadline_ns, bool receives_too)
{
    while (!sends_over(u) || (receives_too && !receives_over(u))) {
        enter(u, true);
        reap(u);
        if (mr_now_ns() >= deadline_ns) {
            return;
        }
        usleep(CANCEL_WAIT_US);
    }
}

static void cancel_all(struct mr_uring *u)
{
    struct io_uring_sqe *sqe;
    for (uint32_t i = 0; i < u->n_rxq; i++) {
        u->rxq[i]->cancelled = true; // none is armed again
    }
    for (uint32_t tries = 0; (sqe = io_uring_get_sqe(&u->ring)) == NULL; tries++) {
        if (tries == CANCEL_TRIES) {
            return; // a ring that takes nothing any more: what it holds stays away, and is missed
        }
        enter(u, false);
    }
    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    sqe->user_data = MR_URING_USER_DATA(MR_URING_CANCEL, 0, 0, 0);
}

/* After a drain there is nothing left to wait for. After a stop: half of the time for sends that the socket has not
 * taken yet, then they and the receives are cancelled, and what comes of that is reaped, so that every chunk is known. */
void mr_uring_detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_uring *u = MR_CONTAINER_OF(io, struct mr_uring, io);
    uint64_t now = mr_now_ns();
    for (uint32_t i = 0; i < u->n_rxq; i++) {
        mr_packet_valve_close(&u->rxq[i]->socket);
    }
    poll_until(u, now + (deadline_ns > now ? (deadline_ns - now) / 2 : 0), false);
    if (!sends_over(u) || !receives_over(u)) {
        cancel_all(u);
        poll_until(u, deadline_ns, true);
    }
    for (uint32_t i = 0; i < u->n_rxq; i++) {
        mr_packet_count_left(&u->rxq[i]->socket);
    }
    if (u->ring_registered) {
        io_uring_unregister_ring_fd(&u->ring);
    }
    io_uring_unregister_files(&u->ring); // only its issuer may; sockets then close when the port does
}
