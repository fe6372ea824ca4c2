/* tap.c: the tap driver: a TAP device of our own, read and written by one io_uring per core, or by read and write. */
#include "lib/port/tap.h"
#include "lib/port/last_error.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- opening ---- */

static int no_memory(const struct mr_port *port, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
}

static int make_rxq(struct mr_port *port, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_tun_rxq *q = mr_node_alloc(sizeof *q, setup->rx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->fd = -1;
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->rx_io[i];
    q->q.pool = setup->rx_pool[i];
    q->tap = MR_CONTAINER_OF(q->q.io, struct mr_tun, io);
    port->rxq[i] = &q->q;
    int rc = mr_tun_rx_init(q, port->config, setup->rx_node[i]) < 0 ? no_memory(port, err) : 0;
    return rc < 0 || !q->ring ? rc : mr_tun_need_ring(q->tap, err);
}

static int make_txq(struct mr_port *port, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_tun_txq *q = mr_node_alloc(sizeof *q, setup->tx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->fd = -1;
    q->shares_fd = true; // none of its own yet
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->tx_io[i];
    q->tap = MR_CONTAINER_OF(q->q.io, struct mr_tun, io);
    q->ring = port->config->by == MR_BY_URING;
    q->vnet = port->config->offload != MR_OFFLOAD_NONE;
    q->capacity = setup->tx_ring_frames;
    q->done = mr_node_alloc(q->capacity * sizeof *q->done, setup->tx_node[i]);
    port->txq[i] = &q->q;
    int rc = q->done == NULL ? no_memory(port, err) : 0;
    return rc < 0 || !q->ring ? rc : mr_tun_need_ring(q->tap, err);
}

/* The queues' descriptors, known to their rings. */
static int join(struct mr_port *port, struct mr_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < port->n_rxq; i++) {
        struct mr_tun_rxq *q = mr_tun_rxq_of(port->rxq[i]);
        q->index = q->tap->n_rxq;
        q->tap->rxq[q->tap->n_rxq++] = q;
        rc = mr_tun_set_file(q->tap, q->index, q->fd);
    }
    for (uint32_t i = 0; rc == 0 && i < port->n_txq; i++) {
        struct mr_tun_txq *q = mr_tun_txq_of(port->txq[i]);
        q->index = q->tap->n_txq;
        q->tap->txq[q->tap->n_txq++] = q;
        rc = mr_tun_set_file(q->tap, q->tap->setup.n_rxq + q->index, q->fd);
    }
    return rc == 0 ? 0 : mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: io_uring does not take its TAP: %s%s",
                                      port->config->name, strerror(-rc), mr_error_remedy(rc));
}

static int open_queues(struct mr_tun_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_port *port = p->port;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        rc = make_rxq(port, setup, i, err);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_txq; i++) {
        rc = make_txq(port, setup, i, err);
    }
    if (rc == 0) { // a READ that a frame fills to its end may have cut it
        const struct mr_tun_rxq *q = port->n_rxq != 0 ? mr_tun_rxq_of(port->rxq[0]) : NULL;
        rc = mr_tun_check(port, q != NULL ? q->post_bytes - (MR_CHUNK_DATA - q->post_at) - 1 : 0, err);
    }
    rc = rc < 0 ? rc : mr_tun_device(p, err);
    return rc < 0 ? rc : join(port, err);
}

static void describe(struct mr_port *port)
{
    const struct mr_port_config *c = port->config;
    uint32_t queues = port->n_rxq != 0 ? port->n_rxq : 1;
    snprintf(port->mode, sizeof port->mode, "%s, %u queue%s of a TAP, MTU %u, offload %s",
             c->by == MR_BY_CALLS ? "read and write" : "READ and WRITE by io_uring", queues, queues == 1 ? "" : "s", c->mtu,
             mr_offload_word(c->offload));
}

/* ---- closing ---- */

static void close_fd(int *fd, bool ours)
{
    if (*fd >= 0 && ours) {
        close(*fd);
    }
    *fd = -1;
}

void mr_tun_close(struct mr_port *port)
{
    struct mr_tun_port *p = port->state;
    if (port->rxq[0] != NULL || port->txq[0] != NULL) {
        mr_tun_read_statistics(p);
    }
    p->before += p->tx_dropped;
    p->tx_dropped = 0;
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->txq[i] != NULL) {
            close_fd(&mr_tun_txq_of(port->txq[i])->fd, !mr_tun_txq_of(port->txq[i])->shares_fd);
        }
        if (port->rxq[i] != NULL) {
            close_fd(&mr_tun_rxq_of(port->rxq[i])->fd, true);
        }
    }
}

static void destroy(struct mr_port *port)
{
    mr_tun_close(port);
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_tun_rx_fini(mr_tun_rxq_of(port->rxq[i]));
            mr_node_free(mr_tun_rxq_of(port->rxq[i]), sizeof(struct mr_tun_rxq));
            port->rxq[i] = NULL;
        }
        if (port->txq[i] != NULL) {
            struct mr_tun_txq *q = mr_tun_txq_of(port->txq[i]);
            mr_node_free(q->done, q->capacity * sizeof *q->done);
            mr_node_free(q, sizeof *q);
            port->txq[i] = NULL;
        }
    }
    free(port->state);
    port->state = NULL;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_tun_port *p = calloc(1, sizeof *p);
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
        k += mr_tun_rx_chunks_back(mr_tun_rxq_of(port->rxq[i]), chunks + k, n - k);
    }
    for (uint32_t i = 0; k < n && i < port->n_txq; i++) {
        k += mr_tun_reclaim(port->txq[i], chunks + k, n - k);
    }
    return k;
}

/* ---- telling ---- */

static void stats(struct mr_port *port, struct mr_outsides *out)
{
    struct mr_tun_port *p = port->state;
    uint64_t left = 0;
    mr_tun_read_statistics(p);
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        left += mr_counted(&mr_tun_rxq_of(port->rxq[i])->left_in_queue);
    }
    mr_outside_add(out, "tx_dropped", p->before + p->tx_dropped, NULL, true);
    if (port->n_rxq != 0) {
        mr_outside_add(out, "left_in_queue", left, NULL, true);
    }
}

/* {mtu, by, copied_small, bad_completions, last_receive_error, last_send_error} */
static void *report(struct mr_port *port)
{
    json_t *j = json_pack("{s:i, s:s}", "mtu", (int)port->config->mtu, "by",
                          port->config->by == MR_BY_URING ? "uring" : "calls");
    uint64_t copied = 0, bad = 0;
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        const struct mr_tun_rxq *q = mr_tun_rxq_of(port->rxq[i]);
        copied += mr_counted(&q->copied_small);
        bad += mr_counted(&q->tap->bad_completions);
        mr_last_error_put(j, "last_receive_error", &q->last_error);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        mr_last_error_put(j, "last_send_error", &mr_tun_txq_of(port->txq[i])->last_error);
    }
    if (port->n_rxq != 0) {
        json_object_set_new(j, "copied_small", json_integer((json_int_t)copied));
    }
    if (bad != 0) {
        json_object_set_new(j, "bad_completions", json_integer((json_int_t)bad));
    }
    return j;
}

const struct mr_driver mr_driver_tap = {
    .name = "tap",
    .summary = "a TAP device of its own: the other end is the kernel's stack",
    .caps = {.copies = "1 in, 1 out", .rx_copies = 1, .tx_copies = 1, .syscalls = "1 per core, 0 when idle; by: calls: 1 per frame",
             .needs_device = true, .makes_device = true, .offloads = true, .max_queues = MR_QUEUES_MAX, .core_files = 1,
             .queue_files = 1},
    .probe = mr_tun_probe,
    .io_create = mr_tun_create,
    .io_destroy = mr_tun_destroy,
    .open = open_port,
    .attach = mr_tun_attach,
    .rx_burst = mr_tun_rx_burst,
    .tx_burst = mr_tun_tx_burst,
    .reclaim = mr_tun_reclaim,
    .doorbell = mr_tun_doorbell,
    .rx_quiesce = mr_tun_rx_quiesce,
    .rx_halt = mr_tun_rx_halt,
    .tx_halt = mr_tun_tx_halt,
    .reopen = mr_tun_reopen,
    .rx_resume = mr_tun_rx_resume,
    .tx_resume = mr_tun_tx_resume,
    .detach = mr_tun_detach,
    .stats = stats,
    .close = mr_tun_close,
    .chunks_back = chunks_back,
    .destroy = destroy,
    .report = report,
};
