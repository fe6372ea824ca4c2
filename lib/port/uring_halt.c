/* uring_halt.c: a device that goes away, and one that comes back.
 *
 * Of a deleted device a packet socket tells once, by ENETDOWN, and is silent ever after, also when a device of that name
 * returns. So the core ends the receive, takes the posted chunks out of the kernel's hands, and takes the sockets off
 * its ring, which would keep them open; control closes them, and later makes new ones in their place.
 */
#include "lib/port/uring.h"

static struct mr_uring_rxq *as_rxq(struct mr_rxq *q)
{
    return MR_CONTAINER_OF(q, struct mr_uring_rxq, q);
}

static struct mr_uring_txq *as_txq(struct mr_txq *q)
{
    return MR_CONTAINER_OF(q, struct mr_uring_txq, q);
}

/* ---- the core ---- */

/* fd: -1 = no file there any more. */
static int set_file(struct mr_uring *u, uint32_t index, int fd)
{
    int rc = io_uring_register_files_update(&u->ring, index, &fd, 1);
    return rc < 0 ? rc : 0;
}

static void take_back(struct mr_uring_rxq *q)
{
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t n;
    while ((n = mr_uring_rx_chunks_back(q, chunks, MR_BATCH_MAX)) != 0) {
        mr_pool_free(q->q.pool, chunks, n);
        mr_count(&q->taken_back, n);
    }
    q->n_free = 0; // so that nothing is posted
}

bool mr_uring_rx_halt(struct mr_rxq *rxq)
{
    struct mr_uring_rxq *q = as_rxq(rxq);
    if (!mr_uring_rx_quiesce(rxq) || io_uring_unregister_buf_ring(&q->uring->ring, (int)q->index) < 0) {
        return false;
    }
    take_back(q);
    set_file(q->uring, q->index, -1);
    return true;
}

bool mr_uring_tx_halt(struct mr_txq *txq)
{
    struct mr_uring_txq *q = as_txq(txq);
    return q->q.held == 0 && set_file(q->uring, q->uring->max_rxq + q->index, -1) == 0;
}

int mr_uring_rx_resume(struct mr_rxq *rxq)
{
    struct mr_uring_rxq *q = as_rxq(rxq);
    int rc = set_file(q->uring, q->index, q->socket.fd);
    rc = rc < 0 ? rc : mr_uring_rx_attach(q);
    if (rc == 0) {
        q->quiet_looks = 0;
        q->cancelled = false; // the next doorbell arms it
    }
    return rc;
}

int mr_uring_tx_resume(struct mr_txq *txq)
{
    struct mr_uring_txq *q = as_txq(txq);
    return set_file(q->uring, q->uring->max_rxq + q->index, q->socket.fd);
}

/* ---- control ---- */

int mr_uring_reopen(struct mr_port *port, struct mr_error *err)
{
    struct mr_packet_port *p = port->state;
    p->has_fanout = false;
    int rc = mr_packet_device(p, err);
    for (uint32_t i = 0; rc == 0 && i < port->n_rxq; i++) {
        rc = mr_packet_rx_open(p, &as_rxq(port->rxq[i])->socket, NULL, err);
    }
    for (uint32_t i = 0; rc == 0 && i < port->n_txq; i++) {
        rc = mr_packet_tx_open(p, &as_txq(port->txq[i])->socket, err);
    }
    for (uint32_t i = 0; rc == 0 && i < port->n_rxq; i++) {
        mr_packet_valve_open(&as_rxq(port->rxq[i])->socket);
    }
    if (rc < 0) {
        mr_uring_close(port);
    }
    return rc;
}
