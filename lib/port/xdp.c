/* xdp.c: the xdp driver: an interface by AF_XDP, in the engine's own chunks. What it needs, copies and calls: xdp.h. */
#include "lib/port/xdp.h"
#include "lib/sys/clock.h"
#include "lib/sys/netlink.h"
#include "lib/sys/node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mr_xdp_rxq *rxq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->rxq[i], struct mr_xdp_rxq, q);
}

static struct mr_xdp_txq *txq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->txq[i], struct mr_xdp_txq, q);
}

static int no_memory(const struct mr_port *port, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
}

/* ---- what the queues of a core share ---- */

static void io_destroy(struct mr_io *io)
{
    struct mr_xdp *x = MR_CONTAINER_OF(io, struct mr_xdp, io);
    mr_xdp_kick_close(x);
    free(x->rxq);
    free(x->txq);
    free(x);
}

static int io_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    struct mr_xdp *x = calloc(1, sizeof *x);
    if (x != NULL) {
        x->max_rxq = setup->n_rxq;
        x->max_txq = setup->n_txq;
        x->rxq = calloc(setup->n_rxq + 1u, sizeof(struct mr_xdp_rxq *));
        x->txq = calloc(setup->n_txq + 1u, sizeof(struct mr_xdp_txq *));
    }
    if (x == NULL || x->rxq == NULL || x->txq == NULL) {
        if (x != NULL) {
            io_destroy(&x->io);
        }
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for AF_XDP's queues; free some");
    }
    *out = &x->io;
    return 0;
}

/* Chunks first, then frames: nothing comes in where there is nothing to receive into. */
static int attach(struct mr_io *io, struct mr_error *err)
{
    struct mr_xdp *x = MR_CONTAINER_OF(io, struct mr_xdp, io);
    for (uint32_t i = 0; i < x->n_rxq; i++) {
        mr_xdp_rx_fill(x->rxq[i]);
        int rc = mr_xdp_valve_open(x->rxq[i]);
        if (rc < 0) {
            return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: queue %u does not get into the map of sockets: %s%s",
                                x->rxq[i]->q.port->config->name, x->rxq[i]->q.queue, strerror(-rc), mr_error_remedy(rc));
        }
    }
    return mr_xdp_kick_open(x, err);
}

/* No call where nothing is to be sent: not on an idle pass, and not behind a purge, until there are new frames or the device is up. */
static uint32_t doorbell(struct mr_io *io, uint32_t what)
{
    struct mr_xdp *x = MR_CONTAINER_OF(io, struct mr_xdp, io);
    uint32_t seen = 0;
    if (x->kick != NULL && what & MR_DOORBELL_SEND) {
        mr_xdp_kick_all(x);
    }
    for (uint32_t i = 0; i < x->n_txq && what & MR_DOORBELL_SEND; i++) {
        struct mr_xdp_txq *q = x->txq[i];
        if ((q->unsent != 0 && !q->by_ring) || mr_xdp_tx_blocked(q)) {
            mr_xdp_tx_kick(q);
        }
        if (q->head != q->tail) {
            seen += mr_xdp_tx_complete(q);
        }
    }
    for (uint32_t i = 0; i < x->n_rxq && what & MR_DOORBELL_RECEIVE; i++) {
        mr_xdp_rx_wake(x->rxq[i]);
    }
    return seen;
}

static void detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_xdp *x = MR_CONTAINER_OF(io, struct mr_xdp, io);
    for (uint32_t i = 0; i < x->n_rxq; i++) {
        if (mr_load_acquire(&x->rxq[i]->valve) == MR_XDP_OPEN) {
            mr_xdp_valve_close(x->rxq[i]);
        }
    }
    bool busy = true;
    while (busy) {
        doorbell(io, MR_DOORBELL_SEND);
        busy = false;
        for (uint32_t i = 0; i < x->n_txq; i++) {
            busy |= x->txq[i]->head != x->txq[i]->tail && x->txq[i]->q.in_flight != 0 && x->txq[i]->q.halted == 0;
        }
        busy = busy && mr_now_ns() < deadline_ns;
    }
    mr_xdp_kick_leave(x);
}

/* ---- opening ---- */

static int make_rxq(struct mr_xdp_port *p, const struct mr_port_setup *setup, uint32_t i)
{
    struct mr_xdp *x = MR_CONTAINER_OF(setup->rx_io[i], struct mr_xdp, io);
    struct mr_xdp_rxq *q = mr_node_alloc(sizeof *q, setup->rx_node[i]);
    if (q == NULL) {
        return -ENOMEM;
    }
    q->q.port = p->port;
    q->q.queue = i;
    q->q.io = setup->rx_io[i];
    q->q.pool = setup->rx_pool[i];
    q->xdp = p;
    q->socket = &p->socket[i];
    p->port->rxq[i] = &q->q;
    x->rxq[x->n_rxq++] = q;
    return mr_xdp_rx_init(q, setup->rx_node[i]);
}

static int make_txq(struct mr_xdp_port *p, const struct mr_port_setup *setup, uint32_t i)
{
    struct mr_xdp *x = MR_CONTAINER_OF(setup->tx_io[i], struct mr_xdp, io);
    struct mr_xdp_txq *q = mr_node_alloc(sizeof *q, setup->tx_node[i]);
    if (q == NULL) {
        return -ENOMEM;
    }
    q->q.port = p->port;
    q->q.queue = i;
    q->q.io = setup->tx_io[i];
    q->by_ring = p->port->config->xdp_kick == MR_KICK_URING;
    q->xdp = p;
    q->socket = &p->socket[i];
    p->port->txq[i] = &q->q;
    x->txq[x->n_txq++] = q;
    return mr_xdp_tx_init(q, setup->tx_node[i]);
}

/* Frames for other addresses, too, as long as the descriptor lives. */
static int make_promiscuous(struct mr_xdp_port *p, struct mr_error *err)
{
    struct packet_mreq all = {.mr_ifindex = p->port->ifindex, .mr_type = PACKET_MR_PROMISC};
    p->promiscuous = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (p->promiscuous < 0 || setsockopt(p->promiscuous, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "port %s: %.60s: cannot receive what is for other addresses "
                            "(PACKET_ADD_MEMBERSHIP): %s%s", p->port->config->name, p->port->config->device, strerror(errno),
                            mr_error_remedy(errno));
    }
    return 0;
}

/* Whoever calls the device by two names has got past the configuration's check. */
static int check_alone(const struct mr_xdp_port *p, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    for (uint32_t i = 0; i < p->n_ports; i++) {
        const struct mr_port *other = p->ports[i];
        if (other != NULL && other != p->port && other->driver == p->port->driver && other->link != MR_LINK_GONE &&
            other->ifindex == p->port->ifindex) {
            return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "port %s: %.60s is port %s's device (%.60s) already, and each of its queues "
                                "has one owner; name it once, in `from` and `to`", c->name, c->device, other->config->name,
                                other->config->device);
        }
    }
    return 0;
}

int mr_xdp_open_device(struct mr_xdp_port *p, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    struct mr_link link;
    int rc = mr_link_find(c->device, &link);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %.60s: no such interface here: %s", c->name, c->device,
                            strerror(-rc));
    }
    p->port->ifindex = link.index;
    rc = check_alone(p, err);
    rc = rc < 0 ? rc : mr_xdp_settle(p, err);
    for (uint32_t i = 0; rc == 0 && i < p->n_sockets; i++) {
        rc = mr_xdp_socket_open(p, i, err);
    }
    return rc == 0 && p->port->n_rxq != 0 ? make_promiscuous(p, err) : rc;
}

/* ---- closing ---- */

/* What the kernel has received, and nobody took. */
static void count_left(struct mr_xdp_rxq *q)
{
    if (q->socket->map[0] != NULL) {
        mr_count(&q->left_in_ring, __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE) - q->rx.cached_cons);
    }
}

void mr_xdp_close(struct mr_port *port)
{
    struct mr_xdp_port *p = port->state;
    mr_xdp_program_close(p);
    mr_xdp_rx_settle(&port, 1); // a core that was told to leave at once has closed it, and no more
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            count_left(rxq_of(port, i));
        }
        mr_xdp_socket_close(&p->socket[i]);
    }
    if (p->promiscuous >= 0) {
        close(p->promiscuous);
        p->promiscuous = -1;
    }
}

static void destroy(struct mr_port *port)
{
    mr_xdp_close(port);
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_xdp_rx_fini(rxq_of(port, i));
            mr_node_free(rxq_of(port, i), sizeof(struct mr_xdp_rxq));
            port->rxq[i] = NULL;
        }
        if (port->txq[i] != NULL) {
            mr_xdp_tx_fini(txq_of(port, i));
            mr_node_free(txq_of(port, i), sizeof(struct mr_xdp_txq));
            port->txq[i] = NULL;
        }
    }
    free(((struct mr_xdp_port *)port->state)->counts);
    free(port->state);
    port->state = NULL;
}

static struct mr_xdp_port *create(struct mr_port *port, const struct mr_port_setup *setup)
{
    struct mr_xdp_port *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->port = port;
    p->arena = setup->arena;
    p->ports = setup->ports;
    p->n_ports = setup->n_ports;
    p->chunk_bytes = setup->chunk_bytes;
    p->tx_ring_frames = setup->tx_ring_frames;
    p->n_sockets = setup->n_rxq > setup->n_txq ? setup->n_rxq : setup->n_txq;
    p->promiscuous = p->link_fd = p->program_fd = p->map_fd = p->count_fd = -1;
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        p->socket[i].fd = -1;
    }
    return p;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_xdp_port *p = create(port, setup);
    int rc = p == NULL ? -ENOMEM : 0;
    port->state = p;
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        rc = make_rxq(p, setup, i);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_txq; i++) {
        rc = make_txq(p, setup, i);
    }
    rc = rc < 0 ? no_memory(port, err) : mr_xdp_open_device(p, err);
    if (rc < 0) {
        if (p != NULL) {
            destroy(port);
        }
        return rc;
    }
    mr_xdp_describe(p);
    return 0;
}

static uint32_t chunks_back(struct mr_port *port, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; k < n && i < port->n_rxq; i++) {
        k += mr_xdp_rx_chunks_back(rxq_of(port, i), chunks + k, n - k);
    }
    for (uint32_t i = 0; k < n && i < port->n_txq; i++) {
        struct mr_xdp_txq *q = txq_of(port, i);
        for (; q->head != q->tail; q->head++) { // whether they were sent is counted already
            q->done[q->n_done++] = q->sent[q->head & (q->capacity - 1)].chunk;
        }
        k += mr_xdp_reclaim(&q->q, chunks + k, n - k);
    }
    return k;
}

const struct mr_driver mr_driver_xdp = {
    .name = "xdp",
    .summary = "an interface by AF_XDP, in the engine's own chunks",
    .caps = {.copies = "0 (zerocopy); else 1 in, 1 out", .rx_copies = 1, .tx_copies = 1,
             .syscalls = "1 per 32 frames sent, 0 to receive", .needs_device = true, .device_queues = true,
             .max_queues = MR_QUEUES_MAX, .queue_files = 6}, // a socket; once a port: promiscuous, link, program, two maps
    .check = mr_xdp_check,
    .probe = mr_xdp_probe,
    .io_create = io_create,
    .io_destroy = io_destroy,
    .open = open_port,
    .attach = attach,
    .rx_burst = mr_xdp_rx_burst,
    .tx_burst = mr_xdp_tx_burst,
    .reclaim = mr_xdp_reclaim,
    .doorbell = doorbell,
    .rx_quiesce = mr_xdp_rx_quiesce,
    .rx_settle = mr_xdp_rx_settle,
    .rx_halt = mr_xdp_rx_halt,
    .tx_halt = mr_xdp_tx_halt,
    .reopen = mr_xdp_reopen,
    .rx_resume = mr_xdp_rx_resume,
    .tx_resume = mr_xdp_tx_resume,
    .detach = detach,
    .stats = mr_xdp_stats,
    .close = mr_xdp_close,
    .chunks_back = chunks_back,
    .destroy = destroy,
    .report = mr_xdp_report,
};
