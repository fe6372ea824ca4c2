/* xdp_halt.c: a device that goes away, and one that comes back.
 *
 * A deleted device's sockets say nothing: AF_XDP polls on. When rtnetlink has told of it, the kernel has let go of the
 * device's rings: so the core hands out what was received, takes its chunks back, counts what was under way; control
 * closes program and sockets, and later makes new ones in their place.
 */
#include "lib/port/xdp.h"

static struct mr_xdp_rxq *as_rxq(struct mr_rxq *q)
{
    return MR_CONTAINER_OF(q, struct mr_xdp_rxq, q);
}

static struct mr_xdp_txq *as_txq(struct mr_txq *q)
{
    return MR_CONTAINER_OF(q, struct mr_xdp_txq, q);
}

/* ---- the core ---- */

/* The kernel had unbound the socket, and waited for all who might deliver to it, before it told that the device is gone. */
bool mr_xdp_rx_halt(struct mr_rxq *rxq)
{
    struct mr_xdp_rxq *q = as_rxq(rxq);
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t n;
    if (mr_load_acquire(&q->valve) == MR_XDP_OPEN) {
        mr_xdp_valve_close(q);
        mr_store_release(&q->valve, MR_XDP_SHUT);
        return false;
    }
    if (!mr_xdp_rx_empty(q)) {
        return false;
    }
    mr_store_release(&q->q.ended, 1);
    while ((n = mr_xdp_rx_chunks_back(q, chunks, MR_BATCH_MAX)) != 0) {
        mr_pool_free(q->q.pool, chunks, n);
        mr_count(&q->taken_back, n);
    }
    return true;
}

/* What had been sent has completed by now, or never will. */
bool mr_xdp_tx_halt(struct mr_txq *txq)
{
    struct mr_xdp_txq *q = as_txq(txq);
    mr_xdp_tx_complete(q);
    mr_xdp_tx_abandon(q, MR_DROP_device_gone);
    return q->q.held == 0;
}

int mr_xdp_rx_resume(struct mr_rxq *rxq)
{
    struct mr_xdp_rxq *q = as_rxq(rxq);
    mr_xdp_rx_fill(q);
    return mr_xdp_valve_open(q);
}

int mr_xdp_tx_resume(struct mr_txq *txq)
{
    (void)txq;
    return 0;
}

/* ---- control ---- */

/* The new device may have another mode, and other queues. */
int mr_xdp_reopen(struct mr_port *port, struct mr_error *err)
{
    int rc = mr_xdp_open_device(port->state, err);
    if (rc < 0) {
        mr_xdp_close(port);
        return rc;
    }
    mr_xdp_describe(port->state);
    return 0;
}
