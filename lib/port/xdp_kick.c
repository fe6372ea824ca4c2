/* xdp_kick.c: kick: uring: one io_uring_enter tells the kernel of all sending queues of a core that have frames, instead of a
 * sendto for each. Each is a SEND of no bytes on the queue's socket, done while we are inside, so that when the call is over
 * all of them have answered, with what sendto would have said.
 */
#include "lib/port/xdp.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>

struct mr_xdp_kicker {
    struct io_uring ring;
};

static bool wanted(const struct mr_xdp *x)
{
    bool found = false;
    for (uint32_t i = 0; i < x->n_txq; i++) {
        found |= x->txq[i]->by_ring;
    }
    return found;
}

int mr_xdp_kick_open(struct mr_xdp *x, struct mr_error *err)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                                         IORING_SETUP_CLAMP};
    if (!wanted(x)) {
        return 0;
    }
    x->kick = calloc(1, sizeof *x->kick);
    int rc = x->kick == NULL ? -ENOMEM : io_uring_queue_init_params(x->n_txq, &x->kick->ring, &p);
    if (rc < 0) {
        free(x->kick);
        x->kick = NULL;
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "driver xdp: kick: uring: no io_uring can be had: %s%s; kick: send needs none",
                            strerror(-rc), mr_error_remedy(rc));
    }
    io_uring_register_ring_fd(&x->kick->ring); // saves a look-up a call; without it, all is the same
    return 0;
}

void mr_xdp_kick_leave(struct mr_xdp *x)
{
    if (x->kick != NULL) {
        io_uring_unregister_ring_fd(&x->kick->ring); // only its thread may
    }
}

void mr_xdp_kick_close(struct mr_xdp *x)
{
    if (x->kick != NULL) {
        io_uring_queue_exit(&x->kick->ring);
        free(x->kick);
        x->kick = NULL;
    }
}

/* A request for each queue that has frames; `again`: only for those whose last call left some that another may take. How many
 * there are to hand over. */
static uint32_t ask(struct mr_xdp *x, bool again)
{
    for (uint32_t i = 0; i < x->n_txq; i++) {
        struct mr_xdp_txq *q = x->txq[i];
        bool has = q->by_ring && q->unsent != 0 && (!again || q->call_again);
        q->call_again = false;
        if (!has || !mr_xdp_tx_needs_call(q)) {
            continue;
        }
        struct io_uring_sqe *sqe = io_uring_get_sqe(&x->kick->ring);
        if (sqe == NULL) {
            break; // those of a call that failed fill it: they go first
        }
        io_uring_prep_send(sqe, q->socket->fd, NULL, 0, MSG_DONTWAIT);
        sqe->user_data = i;
    }
    return io_uring_sq_ready(&x->kick->ring); // with those of a call that failed
}

static bool hear(struct mr_xdp *x)
{
    struct io_uring_cqe *cqe;
    unsigned int head, n = 0;
    bool again = false;
    io_uring_for_each_cqe(&x->kick->ring, head, cqe)
    {
        struct mr_xdp_txq *q = x->txq[cqe->user_data];
        q->call_again = mr_xdp_tx_said(q, cqe->res < 0 ? -cqe->res : 0);
        again |= q->call_again;
        n++;
    }
    io_uring_cq_advance(&x->kick->ring, n);
    return again;
}

void mr_xdp_kick_all(struct mr_xdp *x)
{
    bool again = false;
    for (uint32_t calls = 0; calls < x->txq[0]->capacity; calls++) {
        uint32_t n = ask(x, again);
        if (n == 0) {
            return;
        }
        x->io.syscalls++;
        if (io_uring_submit_and_wait(&x->kick->ring, n) < 0) {
            return; // the next pass tries
        }
        again = hear(x);
        if (!again) {
            return;
        }
    }
}
