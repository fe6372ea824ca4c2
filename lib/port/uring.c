/* uring.c: the io_uring driver: an interface by AF_PACKET, received and sent by one io_uring per core. */
#include "lib/port/uring.h"
#include "lib/port/last_error.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct mr_uring_rxq *rxq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->rxq[i], struct mr_uring_rxq, q);
}

static struct mr_uring_txq *txq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->txq[i], struct mr_uring_txq, q);
}

/* ---- opening ---- */

static int no_memory(const struct mr_port *port, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
}

static int not_registered(const struct mr_port *port, int rc, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: io_uring does not take its socket: %s%s", port->config->name,
                        strerror(-rc), mr_error_remedy(rc));
}

static int open_rxq(struct mr_packet_port *p, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_port *port = p->port;
    struct mr_uring_rxq *q = mr_node_alloc(sizeof *q, setup->rx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->socket.fd = -1;
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->rx_io[i];
    q->q.pool = setup->rx_pool[i];
    port->rxq[i] = &q->q;
    if (mr_uring_rx_init(q, port->config, setup->rx_node[i]) < 0) {
        return no_memory(port, err);
    }
    int rc = mr_packet_rx_open(p, &q->socket, NULL, err);
    if (rc < 0) {
        return rc;
    }
    rc = mr_uring_add_rxq(MR_CONTAINER_OF(q->q.io, struct mr_uring, io), q);
    return rc < 0 ? not_registered(port, rc, err) : 0;
}

static int open_txq(struct mr_packet_port *p, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_port *port = p->port;
    struct mr_uring_txq *q = mr_node_alloc(sizeof *q, setup->tx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->socket.fd = -1;
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->tx_io[i];
    q->capacity = setup->tx_ring_frames;
    q->done = mr_node_alloc(q->capacity * sizeof *q->done, setup->tx_node[i]);
    port->txq[i] = &q->q;
    if (q->done == NULL) {
        return no_memory(port, err);
    }
    int rc = mr_packet_tx_open(p, &q->socket, err);
    if (rc < 0) {
        return rc;
    }
    rc = mr_uring_add_txq(MR_CONTAINER_OF(q->q.io, struct mr_uring, io), q);
    return rc < 0 ? not_registered(port, rc, err) : 0;
}

static int open_queues(struct mr_packet_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    int rc = mr_packet_device(p, err);
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        rc = open_rxq(p, setup, i, err);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_txq; i++) {
        rc = open_txq(p, setup, i, err);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        mr_packet_valve_open(&rxq_of(p->port, i)->socket);
    }
    return rc;
}

/* The words of what was obtained. */
static void describe(struct mr_port *port)
{
    const struct mr_port_config *c = port->config;
    bool super = c->offload == MR_OFFLOAD_SUPER;
    if (port->n_rxq != 0) {
        snprintf(port->mode, sizeof port->mode, "multishot %s, %u buffers%s, promiscuous",
                 c->receive == MR_RECEIVE_AUX ? "recvmsg + aux" : "recv", super ? c->big_buffers : c->buffers,
                 super ? " of 68 KiB" : "");
    }
    mr_packet_describe(port, port->n_rxq != 0 ? rxq_of(port, 0)->socket.socket_bytes : txq_of(port, 0)->socket.socket_bytes);
}

/* ---- closing ---- */

void mr_uring_close(struct mr_port *port)
{
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_packet_read_statistics(&rxq_of(port, i)->socket);
            mr_packet_close(&rxq_of(port, i)->socket.fd);
        }
        if (port->txq[i] != NULL) {
            mr_packet_close(&txq_of(port, i)->socket.fd);
        }
    }
}

static void destroy(struct mr_port *port)
{
    mr_uring_close(port);
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_uring_rx_fini(rxq_of(port, i));
            mr_node_free(rxq_of(port, i), sizeof(struct mr_uring_rxq));
            port->rxq[i] = NULL;
        }
        if (port->txq[i] != NULL) {
            mr_node_free(txq_of(port, i)->done, txq_of(port, i)->capacity * sizeof(uint32_t));
            mr_node_free(txq_of(port, i), sizeof(struct mr_uring_txq));
            port->txq[i] = NULL;
        }
    }
    free(port->state);
    port->state = NULL;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_packet_port *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return no_memory(port, err);
    }
    p->port = port;
    port->state = p;
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    int rc = open_queues(p, setup, err);
    if (rc < 0) {
        destroy(port);
        return rc;
    }
    describe(port);
    return 0;
}

static uint32_t chunks_back(struct mr_port *port, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; k < n && i < port->n_rxq; i++) {
        k += mr_uring_rx_chunks_back(rxq_of(port, i), chunks + k, n - k);
    }
    for (uint32_t i = 0; k < n && i < port->n_txq; i++) {
        k += mr_uring_reclaim(port->txq[i], chunks + k, n - k);
    }
    return k;
}

/* ---- telling ---- */

struct sums {
    uint64_t tp_packets, tp_drops, left, undescribed, no_buffers, cq_full, other, overflows;
    uint64_t retagged, copied_small, bad, taken_back, refused;
};

/* Queues of a port on one core share its ring, and what is counted there. */
static bool first_of_ring(const struct mr_port *port, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (port->rxq[k]->io == port->rxq[i]->io) {
            return false;
        }
    }
    return true;
}

static struct sums sum(const struct mr_port *port)
{
    struct sums s = {0};
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        const struct mr_uring_rxq *q = rxq_of(port, i);
        s.tp_packets += q->socket.tp_packets;
        s.tp_drops += q->socket.tp_drops;
        s.left += mr_counted(&q->socket.left_in_socket);
        s.undescribed += mr_counted(&q->socket.undescribed);
        s.no_buffers += mr_counted(&q->rearms_no_buffers);
        s.cq_full += mr_counted(&q->rearms_cq_full);
        s.other += mr_counted(&q->rearms_other);
        s.overflows += first_of_ring(port, i) ? mr_counted(&q->uring->cq_overflows) : 0;
        s.retagged += mr_counted(&q->socket.retagged);
        s.copied_small += mr_counted(&q->socket.copied_small);
        s.taken_back += mr_counted(&q->taken_back);
        s.bad += mr_counted(&q->bad_completions);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        s.bad += mr_counted(&txq_of(port, i)->bad_completions);
        s.refused += mr_load_acquire(&port->txq[i]->refused);
    }
    return s;
}

static void stats(struct mr_port *port, struct mr_outsides *out)
{
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_packet_read_statistics(&rxq_of(port, i)->socket);
    }
    struct sums s = sum(port);
    if (port->n_rxq != 0) {
        mr_outside_add(out, "tp_packets", s.tp_packets, NULL, false);
        mr_outside_add(out, "tp_drops", s.tp_drops, NULL, true);
        mr_outside_add(out, "left_in_socket", s.left, NULL, true);
        mr_outside_add(out, "undescribed_offload", s.undescribed, NULL, true);
        mr_outside_add(out, "rearms_no_buffers", s.no_buffers, NULL, false);
        mr_outside_add(out, "rearms_cq_full", s.cq_full, NULL, false);
        mr_outside_add(out, "rearms_other", s.other, NULL, false);
        mr_outside_add(out, "cq_overflows", s.overflows, NULL, false);
        mr_outside_add(out, "chunks_taken_back", s.taken_back, NULL, false);
    }
    if (port->n_txq != 0) {
        mr_outside_add(out, "refused_sends", s.refused, NULL, false);
    }
    if (s.bad != 0) {
        mr_outside_add(out, "bad_completions", s.bad, NULL, true);
    }
}

/* {retagged, copied_small, receive_socket_bytes, send_socket_bytes, registered_ring, last_receive_error, last_send_error} */
static void *report(struct mr_port *port)
{
    struct sums s = sum(port);
    json_t *j = json_object();
    if (port->n_rxq != 0) {
        const struct mr_uring_rxq *q = rxq_of(port, 0);
        json_object_set_new(j, "retagged", json_integer((json_int_t)s.retagged));
        json_object_set_new(j, "copied_small", json_integer((json_int_t)s.copied_small));
        json_object_set_new(j, "receive_socket_bytes", json_integer(q->socket.socket_bytes));
        json_object_set_new(j, "registered_ring", json_boolean(q->uring->ring_registered));
    }
    if (port->n_txq != 0) {
        json_object_set_new(j, "send_socket_bytes", json_integer(txq_of(port, 0)->socket.socket_bytes));
    }
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_last_error_put(j, "last_receive_error", &rxq_of(port, i)->socket.last_error);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        mr_last_error_put(j, "last_send_error", &txq_of(port, i)->socket.last_error);
    }
    return j;
}

const struct mr_driver mr_driver_uring = {
    .name = "uring",
    .summary = "an interface by AF_PACKET and io_uring",
    .caps = {.copies = "1 in, 1 out", .rx_copies = 1, .tx_copies = 1,
             .syscalls = "1 per core, 0 when idle", .needs_device = true, .offloads = true,
             .max_queues = MR_QUEUES_MAX, .core_files = 1, .queue_files = 1},
    .probe = mr_uring_probe,
    .io_create = mr_uring_create,
    .io_destroy = mr_uring_destroy,
    .open = open_port,
    .attach = mr_uring_attach,
    .rx_burst = mr_uring_rx_burst,
    .tx_burst = mr_uring_tx_burst,
    .reclaim = mr_uring_reclaim,
    .doorbell = mr_uring_doorbell,
    .rx_quiesce = mr_uring_rx_quiesce,
    .rx_halt = mr_uring_rx_halt,
    .tx_halt = mr_uring_tx_halt,
    .reopen = mr_uring_reopen,
    .rx_resume = mr_uring_rx_resume,
    .tx_resume = mr_uring_tx_resume,
    .detach = mr_uring_detach,
    .stats = stats,
    .close = mr_uring_close,
    .chunks_back = chunks_back,
    .destroy = destroy,
    .report = report,
};
