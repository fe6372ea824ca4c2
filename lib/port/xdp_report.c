/* xdp_report.c: what ports of xdp tell: losses outside the engine by the kernel's names, and the driver's own facts. */
#include "lib/port/last_error.h"
#include "lib/port/xdp.h"

#include <jansson.h>

static const struct mr_xdp_rxq *rxq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->rxq[i], struct mr_xdp_rxq, q);
}

static const struct mr_xdp_txq *txq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->txq[i], struct mr_xdp_txq, q);
}

struct sums {
    struct xdp_statistics kernel;
    uint64_t left, taken_back, bad_addresses, bad_completions, refused, again, purged;
};

static struct sums sum(const struct mr_port *port)
{
    const struct mr_xdp_port *p = port->state;
    struct sums s = {0};
    for (uint32_t i = 0; i < p->n_sockets; i++) {
        mr_xdp_statistics(&p->socket[i], &s.kernel);
    }
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        const struct mr_xdp_rxq *q = rxq_of(port, i);
        s.left += mr_counted(&q->left_in_ring);
        s.taken_back += mr_counted(&q->taken_back);
        s.bad_addresses += mr_counted(&q->bad_addresses);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        const struct mr_xdp_txq *q = txq_of(port, i);
        s.bad_completions += mr_counted(&q->bad_completions);
        s.again += mr_counted(&q->again);
        s.purged += mr_counted(&q->purged);
        s.refused += mr_load_acquire(&port->txq[i]->refused);
    }
    return s;
}

/* A copy finds FILL empty, and drops: one loss, two counters. Without copies the device waits, and counts its own. */
void mr_xdp_stats(struct mr_port *port, struct mr_outsides *out)
{
    const struct mr_xdp_port *p = port->state;
    struct sums s = sum(port);
    bool copies = p->mode != MR_XDP_ZEROCOPY;
    if (port->n_rxq != 0) {
        mr_outside_add(out, "rx_dropped", s.kernel.rx_dropped, NULL, true);
        mr_outside_add(out, "rx_fill_ring_empty_descs", s.kernel.rx_fill_ring_empty_descs, copies ? "rx_dropped" : NULL, false);
        mr_outside_add(out, "rx_ring_full", s.kernel.rx_ring_full, NULL, true);
        mr_outside_add(out, "rx_invalid_descs", s.kernel.rx_invalid_descs, NULL, false);
        mr_outside_add(out, "left_in_ring", s.left, NULL, true);
        mr_outside_add(out, "chunks_taken_back", s.taken_back, NULL, false);
        mr_outside_add(out, "passed_to_kernel", mr_xdp_passed(p), NULL, false);
    }
    if (port->n_txq != 0) {
        mr_outside_add(out, "tx_invalid_descs", s.kernel.tx_invalid_descs, NULL, false);
        mr_outside_add(out, "tx_ring_empty_descs", s.kernel.tx_ring_empty_descs, NULL, false);
        mr_outside_add(out, "refused_sends", s.refused, NULL, false);
        mr_outside_add(out, "purged_sends", s.purged, NULL, false);
    }
    if (s.bad_addresses + s.bad_completions != 0) {
        mr_outside_add(out, "bad_descriptors", s.bad_addresses + s.bad_completions, NULL, true);
    }
}

/* {program, zerocopy, sends_again, last_send_error} */
void *mr_xdp_report(struct mr_port *port)
{
    const struct mr_xdp_port *p = port->state;
    struct sums s = sum(port);
    json_t *j = json_object();
    json_object_set_new(j, "program", port->n_rxq != 0 ? json_integer(p->program_id) : json_null());
    json_object_set_new(j, "zerocopy", json_boolean(p->mode == MR_XDP_ZEROCOPY));
    json_object_set_new(j, "sends_again", json_integer((json_int_t)s.again));
    for (uint32_t i = 0; i < port->n_txq; i++) {
        mr_last_error_put(j, "last_send_error", &txq_of(port, i)->last_error);
    }
    return j;
}
