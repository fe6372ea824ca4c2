/* xdp_kick.c: kick: uring: one io_uring_enter tells the kernel of all sending queues of a core that have frames, instead of a
 * sendto for each. Each is a SEND of no bytes on the queue's socket, done while we are inside, so that when the call is over
 * all of them have answered, with what sendto would have said.
 */
#include "lib/port/xdp.h"
#include "lib/sys/privilege.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>

struct mr_xdp_kicker {
    struct io_uring ring;
};

/* The first queue that wants it, or NULL. */
static const struct mr_xdp_txq *wanting(const struct mr_xdp *x)
{
    for (uint32_t i = 0; i < x->n_txq; i++) {
        if (x->txq[i]->by_ring) {
            return x->txq[i];
        }
    }
    return NULL;
}

static const char *why_not(int rc)
{
    long disabled = 0;
    mr_sysctl_read("kernel/io_uring_disabled", &disabled);
    if (rc == -EPERM && disabled != 0) {
        return "forbidden; sysctl kernel.io_uring_disabled=0 allows it";
    }
    if ((rc == -EPERM || rc == -ENOSYS) && mr_seccomp_filters()) {
        return "forbidden or hidden by a seccomp filter; let it allow io_uring_setup, io_uring_enter and io_uring_register";
    }
    return rc == -EINVAL ? "this kernel lacks what is needed (DEFER_TASKRUN); Linux 6.1 has it" : strerror(-rc);
}

/* A ring, and one call that does nothing: who may make one need not be allowed to enter it. */
static int make_ring(struct io_uring *ring, uint32_t entries)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                                         IORING_SETUP_CLAMP};
    int rc = io_uring_queue_init_params(entries, ring, &p);
    if (rc < 0) {
        return rc;
    }
    io_uring_prep_nop(io_uring_get_sqe(ring));
    rc = io_uring_submit_and_wait(ring, 1);
    if (rc < 0) {
        io_uring_queue_exit(ring);
        return rc;
    }
    io_uring_cq_advance(ring, 1);
    io_uring_register_ring_fd(ring); // saves a look-up a call; without it, all is the same
    return 0;
}

int mr_xdp_kick_open(struct mr_xdp *x, struct mr_error *err)
{
    const struct mr_xdp_txq *q = wanting(x);
    if (q == NULL) {
        return 0;
    }
    x->kick = calloc(1, sizeof *x->kick);
    int rc = x->kick == NULL ? -ENOMEM : make_ring(&x->kick->ring, x->n_txq);
    if (rc < 0) {
        free(x->kick);
        x->kick = NULL;
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: kick: uring: io_uring: %s%s; or kick: send, which needs none",
                            q->q.port->config->name, why_not(rc), mr_error_remedy(rc));
    }
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

/* The call failed, and has done nothing: what it asked for stays in the ring, and the next pass tries again. */
static void failed(struct mr_xdp *x, int error)
{
    for (uint32_t i = 0; i < x->n_txq; i++) {
        if (x->txq[i]->by_ring && x->txq[i]->unsent != 0) {
            __atomic_store_n(&x->txq[i]->last_error, error, __ATOMIC_RELAXED);
            mr_count(&x->txq[i]->again, 1);
        }
    }
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
        int rc = io_uring_submit_and_wait(&x->kick->ring, n);
        if (MR_UNLIKELY(rc < 0)) {
            failed(x, -rc);
            return;
        }
        again = hear(x);
        if (!again) {
            return;
        }
    }
}
