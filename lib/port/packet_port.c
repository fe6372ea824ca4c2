#include "lib/port/packet_port.h"
#include "lib/sys/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

enum { QUIET_LOOKS = 3 };

struct state {
    struct mr_packet_port packet;
    const struct mr_packet_kind *kind;
};

static const struct mr_packet_kind *kind_of(const struct mr_port *port)
{
    return ((const struct state *)port->state)->kind;
}

int mr_packet_port_probe(struct mr_probe *probe, const char *how)
{
    struct utsname name;
    probe->usable = mr_packet_probe(probe->reason, sizeof probe->reason) == NULL;
    if (probe->usable) {
        uname(&name);
        snprintf(probe->reason, sizeof probe->reason, "Linux %.40s: %s; AF_PACKET by CAP_NET_RAW", name.release, how);
    }
    return probe->usable ? 0 : -EPERM;
}

/* ---- the io ---- */

int mr_packet_io_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    struct mr_packet_io *io = mr_node_alloc(sizeof *io + setup->n_rxq * sizeof io->rxq[0], setup->node);
    if (io == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the queues of a core; free some");
    }
    io->max_rxq = setup->n_rxq;
    *out = &io->io;
    return 0;
}

void mr_packet_io_destroy(struct mr_io *io)
{
    struct mr_packet_io *own = MR_CONTAINER_OF(io, struct mr_packet_io, io);
    mr_node_free(own, sizeof *own + own->max_rxq * sizeof own->rxq[0]);
}

/* Calls are made where frames are moved; nothing is kept for the end of a pass. A core with a blocking queue receives by no other. */
uint32_t mr_packet_doorbell(struct mr_io *io, uint32_t what)
{
    struct mr_packet_io *own = MR_CONTAINER_OF(io, struct mr_packet_io, io);
    if (MR_LIKELY(what != MR_DOORBELL_WAIT)) {
        return 0;
    }
    struct mr_packet_rxq *q = own->rxq[0];
    return q->q.ended == 0 && q->q.halted == 0 && !q->socket.valve_closed && kind_of(q->q.port)->wait(q);
}

static void count_left(struct mr_packet_rxq *q)
{
    const struct mr_packet_kind *kind = kind_of(q->q.port);
    if (kind->count_left != NULL) {
        kind->count_left(q);
    } else {
        mr_packet_count_left(&q->socket);
    }
}

/* Sends are over when their calls are; what a stop leaves behind is what was not received. */
void mr_packet_detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_packet_io *own = MR_CONTAINER_OF(io, struct mr_packet_io, io);
    (void)deadline_ns;
    for (uint32_t i = 0; i < own->n_rxq; i++) {
        mr_packet_valve_close(&own->rxq[i]->socket);
        count_left(own->rxq[i]);
    }
}

/* ---- opening ---- */

static int no_memory(const struct mr_port *port, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
}

/* Where in a chunk frames begin, and how much of it they may take. */
static void place(struct mr_packet_rxq *q, const struct mr_port_config *c)
{
    const struct mr_pool *pool = q->q.pool;
    mr_packet_asks(&q->socket, c);
    uint32_t head = q->socket.vnet ? MR_VNET_BYTES : 0;
    uint32_t stride = q->socket.super ? pool->big_bytes : pool->small_bytes;
    q->data_room = pool->small_bytes - MR_CHUNK_DATA;
    q->frame_room = stride - MR_CHUNK_DATA;
    q->frame_room = q->frame_room < MR_FRAME_MAX ? q->frame_room : MR_FRAME_MAX; // what 16 bits of length hold
    q->front = MR_CHUNK_DATA - head;
    q->room = q->frame_room + head;
    q->list = q->socket.super ? &q->q.pool->big : &q->q.pool->small;
    q->most = q->socket.super && c->big_buffers < MR_BATCH_MAX ? c->big_buffers : MR_BATCH_MAX;
    q->first = MR_BATCH_MAX;
}

static int open_rxq(struct state *s, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_port *port = s->packet.port;
    struct mr_packet_rxq *q = mr_node_alloc(s->kind->rxq_bytes, setup->rx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->rx_io[i];
    q->q.pool = setup->rx_pool[i];
    q->node = setup->rx_node[i];
    q->socket.fd = -1;
    port->rxq[i] = &q->q;
    place(q, port->config);
    if (s->kind->rx_init != NULL) {
        s->kind->rx_init(q);
    }
    struct mr_packet_io *io = MR_CONTAINER_OF(q->q.io, struct mr_packet_io, io);
    io->rxq[io->n_rxq++] = q;
    io->io.waits |= q->socket.waits;
    return mr_packet_rx_open(&s->packet, &q->socket, s->kind->rx_prepare, err);
}

static int open_txq(struct state *s, const struct mr_port_setup *setup, uint32_t i, struct mr_error *err)
{
    struct mr_port *port = s->packet.port;
    struct mr_packet_txq *q = mr_node_alloc(sizeof *q, setup->tx_node[i]);
    if (q == NULL) {
        return no_memory(port, err);
    }
    q->q.port = port;
    q->q.queue = i;
    q->q.io = setup->tx_io[i];
    q->socket.fd = -1;
    for (uint32_t k = 0; k < MR_BATCH_MAX; k++) {
        q->message[k].msg_hdr.msg_iov = &q->piece[k];
        q->message[k].msg_hdr.msg_iovlen = 1;
    }
    port->txq[i] = &q->q;
    return mr_packet_tx_open(&s->packet, &q->socket, err);
}

static void open_valves(const struct mr_port *port)
{
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_packet_valve_open(&mr_packet_rxq_of(port, i)->socket);
    }
}

static void describe(struct mr_port *port)
{
    if (port->n_rxq != 0) {
        kind_of(port)->describe(port, port->mode, sizeof port->mode);
    }
    mr_packet_describe(port, port->n_rxq != 0 ? mr_packet_rxq_of(port, 0)->socket.socket_bytes
                                              : mr_packet_txq_of(port, 0)->socket.socket_bytes);
}

int mr_packet_port_open(struct mr_port *port, const struct mr_port_setup *setup, const struct mr_packet_kind *kind,
                        struct mr_error *err)
{
    struct state *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return no_memory(port, err);
    }
    s->packet.port = port;
    s->kind = kind;
    port->state = s;
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    int rc = mr_packet_device(&s->packet, err);
    for (uint32_t i = 0; rc == 0 && i < setup->n_rxq; i++) {
        rc = open_rxq(s, setup, i, err);
    }
    for (uint32_t i = 0; rc == 0 && i < setup->n_txq; i++) {
        rc = open_txq(s, setup, i, err);
    }
    if (rc < 0) {
        mr_packet_port_destroy(port);
        return rc;
    }
    open_valves(port);
    describe(port);
    return 0;
}

/* ---- closing ---- */

void mr_packet_port_close(struct mr_port *port)
{
    const struct mr_packet_kind *kind = kind_of(port);
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_packet_read_statistics(&mr_packet_rxq_of(port, i)->socket);
            if (kind->rx_close != NULL) {
                kind->rx_close(mr_packet_rxq_of(port, i));
            }
            mr_packet_close(&mr_packet_rxq_of(port, i)->socket.fd);
        }
        if (port->txq[i] != NULL) {
            mr_packet_close(&mr_packet_txq_of(port, i)->socket.fd);
        }
    }
}

/* An io outlives its queues when another of them could not be opened: it forgets them. */
static void forget(struct mr_packet_rxq *q)
{
    struct mr_packet_io *io = MR_CONTAINER_OF(q->q.io, struct mr_packet_io, io);
    for (uint32_t i = 0; i < io->n_rxq; i++) {
        if (io->rxq[i] == q) {
            io->rxq[i] = io->rxq[--io->n_rxq];
        }
    }
}

void mr_packet_port_destroy(struct mr_port *port)
{
    mr_packet_port_close(port);
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            forget(mr_packet_rxq_of(port, i));
            mr_node_free(mr_packet_rxq_of(port, i), kind_of(port)->rxq_bytes);
            port->rxq[i] = NULL;
        }
        if (port->txq[i] != NULL) {
            mr_node_free(mr_packet_txq_of(port, i), sizeof(struct mr_packet_txq));
            port->txq[i] = NULL;
        }
    }
    free(port->state);
    port->state = NULL;
}

static uint32_t take_held(struct mr_packet_rxq *q, uint32_t *chunks, uint32_t n)
{
    n = n < q->q.held ? n : q->q.held;
    memcpy(chunks, q->chunk + q->first, n * sizeof *chunks);
    q->first += n;
    q->q.held -= n;
    return n;
}

uint32_t mr_packet_chunks_back(struct mr_port *port, uint32_t *chunks, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; k < n && i < port->n_rxq; i++) {
        struct mr_packet_rxq *q = mr_packet_rxq_of(port, i);
        k += take_held(q, chunks + k, n - k);
        if (k < n && q->q.ready != 0) {
            chunks[k++] = q->waited.chunk;
            q->q.ready = 0;
        }
    }
    return k;
}

/* ---- the end, and a device that goes away ---- */

static bool is_empty(const struct mr_packet_rxq *q)
{
    const struct mr_packet_kind *kind = kind_of(q->q.port);
    return q->q.ready == 0 && (kind->is_empty != NULL ? kind->is_empty(q) : mr_packet_empty(&q->socket));
}

/* No more frame into the socket; what it has is received. Frames that were on their way through the filter when it came are
 * waited for, a few looks long. */
bool mr_packet_rx_quiesce(struct mr_rxq *rxq)
{
    struct mr_packet_rxq *q = MR_CONTAINER_OF(rxq, struct mr_packet_rxq, q);
    if (!q->socket.valve_closed) {
        mr_store_release(&q->q.end_error, (uint32_t)-mr_packet_valve_close(&q->socket));
        return false;
    }
    q->quiet_looks = is_empty(q) ? q->quiet_looks + 1 : 0;
    if (q->quiet_looks < QUIET_LOOKS) {
        return false;
    }
    mr_store_release(&q->q.ended, 1);
    return true;
}

bool mr_packet_rx_halt(struct mr_rxq *rxq)
{
    struct mr_packet_rxq *q = MR_CONTAINER_OF(rxq, struct mr_packet_rxq, q);
    uint32_t chunks[MR_BATCH_MAX];
    if (!mr_packet_rx_quiesce(rxq)) {
        return false;
    }
    mr_pool_free(q->q.pool, chunks, take_held(q, chunks, MR_BATCH_MAX));
    return true;
}

bool mr_packet_tx_halt(struct mr_txq *txq)
{
    (void)txq;
    return true; // no send outlives its call
}

int mr_packet_rx_resume(struct mr_rxq *rxq)
{
    MR_CONTAINER_OF(rxq, struct mr_packet_rxq, q)->quiet_looks = 0;
    return 0;
}

int mr_packet_tx_resume(struct mr_txq *txq)
{
    (void)txq;
    return 0;
}

int mr_packet_port_reopen(struct mr_port *port, struct mr_error *err)
{
    struct state *s = port->state;
    s->packet.has_fanout = false;
    int rc = mr_packet_device(&s->packet, err);
    for (uint32_t i = 0; rc == 0 && i < port->n_rxq; i++) {
        rc = mr_packet_rx_open(&s->packet, &mr_packet_rxq_of(port, i)->socket, s->kind->rx_prepare, err);
    }
    for (uint32_t i = 0; rc == 0 && i < port->n_txq; i++) {
        rc = mr_packet_tx_open(&s->packet, &mr_packet_txq_of(port, i)->socket, err);
    }
    if (rc < 0) {
        mr_packet_port_close(port);
        return rc;
    }
    open_valves(port);
    return 0;
}
