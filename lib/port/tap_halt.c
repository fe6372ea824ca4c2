/* tap_halt.c: a device that somebody deleted or moved away, and one that is made in its place. Of a deleted one every READ
 * and WRITE says EBADFD. The ring keeps its files open, so they are taken off it.
 */
#include "lib/port/tap.h"

/* ---- the core ---- */

bool mr_tun_rx_halt(struct mr_rxq *rxq)
{
    struct mr_tun_rxq *q = mr_tun_rxq_of(rxq);
    return mr_tun_rx_quiesce(rxq) && mr_tun_set_file(q->tap, q->index, -1) == 0;
}

bool mr_tun_tx_halt(struct mr_txq *txq)
{
    struct mr_tun_txq *q = mr_tun_txq_of(txq);
    return q->q.held == 0 && mr_tun_set_file(q->tap, q->tap->setup.n_rxq + q->index, -1) == 0;
}

int mr_tun_rx_resume(struct mr_rxq *rxq)
{
    struct mr_tun_rxq *q = mr_tun_rxq_of(rxq);
    int rc = mr_tun_set_file(q->tap, q->index, q->fd);
    if (rc == 0) {
        q->quiet_looks = 0;
        q->dead = false;
        q->cancelled = false; // the next doorbell posts
    }
    return rc;
}

int mr_tun_tx_resume(struct mr_txq *txq)
{
    struct mr_tun_txq *q = mr_tun_txq_of(txq);
    return mr_tun_set_file(q->tap, q->tap->setup.n_rxq + q->index, q->fd);
}

/* ---- control ---- */

int mr_tun_reopen(struct mr_port *port, struct mr_error *err)
{
    struct mr_tun_port *p = port->state;
    int rc = mr_tun_device(p, err);
    for (uint32_t i = 0; rc == 0 && i < port->n_rxq; i++) {
        mr_tun_rxq_of(port->rxq[i])->valve_closed = false; // of the device before, which had one
    }
    return rc;
}
