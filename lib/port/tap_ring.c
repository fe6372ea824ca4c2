/* tap_ring.c: one io_uring per core, for all queues of this driver on it that want one.
 *
 * Made disabled on the control thread; the core enables it, and is the only one to enter it from then on. It is entered
 * at most once a pass: when there is something to hand over, or when the kernel has raised its flag that a READ which
 * waited can be completed.
 */
#include "lib/port/tap.h"
#include "lib/sys/clock.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARE = 64, CANCEL_WAIT_US = 100 };
#define QUEUES_MAX 256u /* of a kind on one core: 8 bits of user_data */

static int set_up(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries)
{
    struct io_uring_params p = {.cq_entries = cq_entries};
    p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    return io_uring_queue_init_params(sq_entries, ring, &p);
}

int mr_tun_try_ring(void)
{
    struct io_uring ring;
    int rc = set_up(&ring, 8, 16);
    if (rc == 0) {
        io_uring_queue_exit(&ring);
    }
    return rc;
}

/* ---- control ---- */

int mr_tun_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    if (setup->n_rxq > QUEUES_MAX || setup->n_txq > QUEUES_MAX) {
        return mr_error_set(err, MR_FAULT_CONFIG, E2BIG, "driver tap: %u receiving and %u sending queues on one core; at "
                            "most %u of each, name more CPUs in engine.cores", setup->n_rxq, setup->n_txq, QUEUES_MAX);
    }
    struct mr_tun *t = mr_node_alloc(sizeof *t, setup->node);
    if (t != NULL) {
        t->setup = *setup;
        t->rxq = calloc(setup->n_rxq + 1u, sizeof(struct mr_tun_rxq *));
        t->txq = calloc(setup->n_txq + 1u, sizeof(struct mr_tun_txq *));
    }
    if (t == NULL || t->rxq == NULL || t->txq == NULL) {
        if (t != NULL) {
            mr_tun_destroy(&t->io);
        }
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "driver tap: no memory for the tables of core %u; free some",
                            setup->core);
    }
    *out = &t->io;
    return 0;
}

void mr_tun_destroy(struct mr_io *io)
{
    struct mr_tun *t = MR_CONTAINER_OF(io, struct mr_tun, io);
    if (t->made) {
        io_uring_queue_exit(&t->ring);
    }
    free(t->rxq);
    free(t->txq);
    mr_node_free(t, sizeof *t);
}

/* The completion queue has a place for every READ and every WRITE under way: it cannot overflow. */
int mr_tun_need_ring(struct mr_tun *t, struct mr_error *err)
{
    const struct mr_io_setup *s = &t->setup;
    struct mr_node_policy before;
    if (t->made) {
        return 0;
    }
    mr_node_prefer(&before, s->node);
    int rc = set_up(&t->ring, mr_ring_capacity(s->rx_buffers + s->n_txq * MR_BATCH_MAX + SPARE),
                    mr_ring_capacity(s->rx_buffers + s->tx_frames + s->n_txq * MR_BATCH_MAX + SPARE));
    t->made = rc == 0;
    rc = rc < 0 ? rc : io_uring_register_files_sparse(&t->ring, s->n_rxq + s->n_txq);
    mr_node_restore(&before);
    return rc >= 0 ? 0 : mr_error_set(err, MR_FAULT_MACHINE, rc, "driver tap: no io_uring: %s; use by: calls, or see what "
                                      "`millrace drivers` says of uring", strerror(-rc));
}

int mr_tun_set_file(struct mr_tun *t, uint32_t index, int fd)
{
    int rc = t->made ? io_uring_register_files_update(&t->ring, index, &fd, 1) : 0;
    return rc < 0 ? rc : 0;
}

/* ---- the core ---- */

static inline bool kernel_calls(const struct mr_tun *t)
{
    return (__atomic_load_n(t->ring.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static void complete(struct mr_tun *t, const struct io_uring_cqe *cqe)
{
    uint32_t queue = cqe->user_data >> 48 & 0xff;
    uint64_t kind = cqe->user_data >> 56;
    if (MR_LIKELY(kind == MR_TUN_WRITE && queue < t->n_txq)) {
        mr_tun_tx_complete(t->txq[queue], cqe->user_data, cqe->res);
    } else if (MR_LIKELY((kind == MR_TUN_READ || kind == MR_TUN_READ_NOW) && queue < t->n_rxq)) {
        mr_tun_rx_complete(t->rxq[queue], cqe->user_data, cqe->res);
    } else if (kind != MR_TUN_CANCEL) { // of a cancel the READ it ended tells itself
        mr_count(&t->bad_completions, 1);
    }
}

static uint32_t enter(struct mr_tun *t, bool events)
{
    struct io_uring_cqe *cqe;
    unsigned int head;
    uint32_t n = 0;
    int rc = events ? io_uring_submit_and_get_events(&t->ring) : io_uring_submit(&t->ring);
    mr_count(&t->io.syscalls, 1);
    (void)rc; // what was not taken stays in the queue, and is handed over in the next pass
    io_uring_for_each_cqe(&t->ring, head, cqe) {
        complete(t, cqe);
        n++;
    }
    io_uring_cq_advance(&t->ring, n);
    return n;
}

uint32_t mr_tun_doorbell(struct mr_io *io, uint32_t what)
{
    struct mr_tun *t = MR_CONTAINER_OF(io, struct mr_tun, io);
    bool events = (what & MR_DOORBELL_RECEIVE) != 0;
    if (!t->made) {
        return 0;
    }
    for (uint32_t i = 0; events && i < t->n_rxq; i++) {
        mr_tun_rx_post(t->rxq[i]);
    }
    if (io_uring_sq_ready(&t->ring) == 0 && !(events && kernel_calls(t))) {
        return 0;
    }
    return enter(t, events);
}

int mr_tun_attach(struct mr_io *io, struct mr_error *err)
{
    struct mr_tun *t = MR_CONTAINER_OF(io, struct mr_tun, io);
    if (!t->made) {
        return 0;
    }
    io_uring_register_ring_fd(&t->ring); // saves a look-up a call; works without
    int rc = io_uring_register((unsigned int)t->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return rc >= 0 ? 0 : mr_error_set(err, MR_FAULT_MACHINE, rc, "driver tap: cannot start an io_uring on its core: %s; "
                                      "by: calls needs none", strerror(-rc));
}

/* ---- the end ---- */

static bool over(const struct mr_tun *t, bool reads_too)
{
    bool all = true;
    for (uint32_t i = 0; i < t->n_txq; i++) {
        all &= t->txq[i]->q.held == t->txq[i]->n_done;
    }
    for (uint32_t i = 0; reads_too && i < t->n_rxq; i++) {
        all &= t->rxq[i]->q.held == 0;
    }
    return all;
}

static void enter_until(struct mr_tun *t, uint64_t deadline_ns, bool reads_too)
{
    while (!over(t, reads_too)) {
        enter(t, true);
        if (mr_now_ns() >= deadline_ns) {
            return;
        }
        usleep(CANCEL_WAIT_US);
    }
}

/* Half of the time for WRITEs that still wait, then they and the READs are cancelled, and what comes of that is taken, so
 * that every chunk is known. */
static void end_requests(struct mr_tun *t, uint64_t deadline_ns)
{
    uint64_t now = mr_now_ns();
    enter_until(t, now + (deadline_ns > now ? (deadline_ns - now) / 2 : 0), false);
    struct io_uring_sqe *sqe = over(t, true) ? NULL : io_uring_get_sqe(&t->ring);
    if (sqe != NULL) {
        io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = MR_TUN_USER_DATA(MR_TUN_CANCEL, 0, 0, 0);
    }
    enter_until(t, deadline_ns, true);
    io_uring_unregister_ring_fd(&t->ring);
    io_uring_unregister_files(&t->ring); // only its issuer may; the device then goes when the port closes
}

void mr_tun_detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_tun *t = MR_CONTAINER_OF(io, struct mr_tun, io);
    for (uint32_t i = 0; i < t->n_rxq; i++) {
        t->rxq[i]->cancelled = true;
        mr_tun_valve_close(t->rxq[i]);
    }
    if (t->made) {
        end_requests(t, deadline_ns);
    }
    for (uint32_t i = 0; i < t->n_rxq; i++) {
        mr_tun_count_left(t->rxq[i]);
    }
}
