/* dpdk.c: the DPDK driver: a device by any PMD, opened, closed, and its chunks taken back. What it is: dpdk.h. */
#include "lib/port/dpdk.h"
#include "lib/sys/node.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct mr_dpdk_rxq *rxq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->rxq[i], struct mr_dpdk_rxq, q);
}

static struct mr_dpdk_txq *txq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->txq[i], struct mr_dpdk_txq, q);
}

static int no_memory(const struct mr_port *port, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
}

/* ---- our queues ---- */

static int make_rxq(struct mr_dpdk_port *p, const struct mr_port_setup *setup, uint32_t i)
{
    struct mr_dpdk_rxq *q = mr_node_alloc(sizeof *q, setup->rx_node[i]);
    if (q == NULL) {
        return -ENOMEM;
    }
    p->port->rxq[i] = &q->q;
    q->q.port = p->port;
    q->q.queue = i;
    q->q.io = setup->rx_io[i];
    q->q.pool = setup->rx_pool[i];
    q->core = mr_dpdk_core_of(q->q.io);
    q->core->arena = p->arena;
    q->holds = p->is_ring ? &q->core->rings : (int32_t *)&q->q.held;
    q->id = p->id;
    q->queue = (uint16_t)i;
    q->mark = p->keeps ? (unsigned char)(1 + p->port->number) : 0;
    q->is_ring = p->is_ring;
    return 0;
}

static int make_txq(struct mr_dpdk_port *p, const struct mr_port_setup *setup, uint32_t i)
{
    struct mr_dpdk_txq *q = mr_node_alloc(sizeof *q, setup->tx_node[i]);
    if (q == NULL) {
        return -ENOMEM;
    }
    p->port->txq[i] = &q->q;
    q->q.port = p->port;
    q->q.queue = i;
    q->q.io = setup->tx_io[i];
    q->core = mr_dpdk_core_of(q->q.io);
    q->core->arena = p->arena;
    q->holds = p->is_ring ? &q->core->rings : (int32_t *)&q->q.held;
    q->id = p->id;
    q->queue = (uint16_t)i;
    q->mark = p->keeps ? (unsigned char)(1 + p->port->number) : 0;
    return 0;
}

static int make_queues(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        rc = make_rxq(p, setup, i);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_txq; i++) {
        rc = make_txq(p, setup, i);
    }
    return rc < 0 ? no_memory(p->port, err) : 0;
}

/* ---- opening ---- */

static int check_alone(const struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    for (uint32_t i = 0; i < setup->n_ports; i++) {
        const struct mr_port *other = setup->ports[i];
        if (other != NULL && other != p->port && other->driver == p->port->driver &&
            ((const struct mr_dpdk_port *)other->state)->id == p->id) {
            return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "port %s: device %s is port %s's already; give each port a device of "
                                "its own", p->port->config->name, p->name, other->config->name);
        }
    }
    return 0;
}

/* net_af_xdp: its UMEM is one piece from the first segment on, and it never empties its rings. */
static int adapt(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    p->is_ring = strcmp(p->pmd, "net_ring") == 0;
    p->keeps = strcmp(p->pmd, "net_af_xdp") == 0;
    if (p->plugged && strcmp(p->pmd, "net_af_packet") == 0) {
        mr_dpdk_packet_find(p);
    }
    p->silent = p->n_sockets == 0 && strcmp(p->pmd, "net_af_packet") == 0;
    if (p->keeps && setup->arena->n > 1) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: net_af_xdp takes memory of one NUMA node, and engine.cores "
                            "stand on %u; name CPUs of one node, or use driver xdp", p->port->config->name, setup->arena->n);
    }
    return p->keeps && mr_dpdk_arena_mark(p->arena) < 0 ? no_memory(p->port, err) : 0;
}

static int open_device(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(p->id, &info);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %s does not tell what it is: %s", p->port->config->name, p->name,
                            rte_strerror(-rc));
    }
    p->pmd = info.driver_name;
    rc = adapt(p, setup, err);
    rc = rc < 0 ? rc : make_queues(p, setup, err);
    p->arena->marking = p->keeps ? (unsigned char)(1 + p->port->number) : 0;
    rc = rc < 0 ? rc : mr_dpdk_start(p, &info, setup, err);
    p->arena->marking = 0;
    p->arena->filling = NULL;
    return rc;
}

static void describe(struct mr_port *port)
{
    const struct mr_dpdk_port *p = port->state;
    snprintf(port->mode, sizeof port->mode, "%.24s, %.20s on %s pages, IOVA %s, mempool on our chunks%s", p->pmd, rte_version(),
             rte_eal_has_hugepages() ? "huge" : "plain", rte_eal_iova_mode() == RTE_IOVA_PA ? "PA" : "VA", p->rss ? ", RSS" : "");
    if (p->scatters != 0) {
        size_t used = strlen(port->mode);
        snprintf(port->mode + used, sizeof port->mode - used, ", scatters, MTU %u", p->scatters);
    }
    if (p->silent) {
        size_t used = strlen(port->mode);
        snprintf(port->mode + used, sizeof port->mode - used, ", its sockets not found: what it loses has no name");
    }
}

static void free_queues(struct mr_port *port)
{
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_node_free(rxq_of(port, i), sizeof(struct mr_dpdk_rxq));
            port->rxq[i] = NULL;
        }
        if (port->txq[i] != NULL) {
            mr_node_free(txq_of(port, i), sizeof(struct mr_dpdk_txq));
            port->txq[i] = NULL;
        }
    }
}

/* ---- closing ---- */

/* Frames that wait in a software ring, which nobody receives any more. */
static void empty_ring(const struct mr_dpdk_port *p)
{
    struct rte_mbuf *mbufs[MR_BATCH_MAX];
    uint16_t n;
    for (uint32_t i = 0; i < p->pairs; i++) {
        while ((n = rte_eth_rx_burst(p->id, (uint16_t)i, mbufs, MR_BATCH_MAX)) != 0) {
            rte_pktmbuf_free_bulk(mbufs, n);
        }
    }
}

/* A port whose device went away is closed while cores run, which count what it holds: then the device stays until they
 * have ended. */
static void close_port(struct mr_port *port)
{
    struct mr_dpdk_port *p = port->state;
    if (p == NULL || (p->arena != NULL && mr_load_acquire(&p->arena->attached) != 0)) {
        return;
    }
    mr_dpdk_mute(true);
    if (p->is_open) {
        mr_dpdk_stats(port, &p->last);
        if (p->is_ring) {
            empty_ring(p);
        }
        rte_eth_dev_stop(p->id);
        p->is_open = false;
    }
    if (p->plugged) {
        rte_eth_dev_close(p->id);
        mr_dpdk_unmap(p);
        mr_dpdk_unplug(p);
    }
    mr_dpdk_mute(false);
}

static void destroy(struct mr_port *port)
{
    struct mr_dpdk_port *p = port->state;
    close_port(port);
    free_queues(port);
    if (p != NULL) {
        mr_dpdk_arena_put(p->arena);
    }
    free(p);
    port->state = NULL;
}

static uint32_t chunks_back(struct mr_port *port, uint32_t *chunks, uint32_t n)
{
    struct mr_dpdk_port *p = port->state;
    uint32_t k = p->keeps ? mr_dpdk_marked(p->arena, (unsigned char)(1 + port->number), chunks, n) : 0;
    for (uint32_t i = 0; k < n && i < port->n_txq; i++) {
        struct mr_dpdk_txq *q = txq_of(port, i);
        if (q->waiting != NULL) {
            chunks[k++] = mr_dpdk_chunk(port->base, q->waiting);
            q->waiting = NULL;
        }
    }
    return k;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    int rc = mr_dpdk_eal(setup->config, err);
    struct mr_dpdk_port *p = rc < 0 ? NULL : calloc(1, sizeof *p);
    if (p == NULL) {
        return rc < 0 ? rc : no_memory(port, err);
    }
    p->port = port;
    port->state = p;
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    p->pairs = setup->n_rxq > setup->n_txq ? setup->n_rxq : setup->n_txq;
    mr_dpdk_mute(true);
    rc = mr_dpdk_plug(p, err);
    rc = rc < 0 ? rc : check_alone(p, setup, err);
    rc = rc < 0 ? rc : mr_dpdk_arena_get(p, setup, err);
    mr_dpdk_hush();
    rc = rc < 0 ? rc : mr_dpdk_map(p, err);
    rc = rc < 0 ? rc : open_device(p, setup, err);
    mr_dpdk_mute(false);
    if (rc < 0) {
        destroy(port);
        return rc;
    }
    describe(port);
    return 0;
}

/* ---- links: what is gone is not polled any more, and stays ---- */

static bool rx_halt(struct mr_rxq *q)
{
    (void)q;
    return true;
}

static bool tx_halt(struct mr_txq *q)
{
    (void)q;
    return true;
}

const struct mr_driver mr_driver_dpdk = {
    .name = "dpdk",
    .summary = "a device by a poll-mode driver of DPDK, on our chunks",
    .interface_form = "net_af_packet%u,iface=%s",
    .caps = {.copies = "0, and the PMD's own", .syscalls = "the PMD's: 0 for a NIC", .needs_device = true, .own_names = true,
             .takes_home = true, .max_queues = MR_QUEUES_MAX, .core_files = 0, .queue_files = 1},
    .probe = mr_dpdk_probe,
    .io_create = mr_dpdk_create,
    .io_destroy = mr_dpdk_destroy,
    .open = open_port,
    .attach = mr_dpdk_attach,
    .rx_burst = mr_dpdk_rx_burst,
    .tx_burst = mr_dpdk_tx_burst,
    .reclaim = mr_dpdk_reclaim,
    .doorbell = mr_dpdk_doorbell,
    .rx_quiesce = mr_dpdk_rx_quiesce,
    .rx_halt = rx_halt,
    .tx_halt = tx_halt,
    .detach = mr_dpdk_detach,
    .carrier = mr_dpdk_carrier,
    .stats = mr_dpdk_stats,
    .close = close_port,
    .chunks_back = chunks_back,
    .destroy = destroy,
    .report = mr_dpdk_report,
};
