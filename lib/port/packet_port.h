/* packet_port.h: ports whose queues call the kernel themselves, whenever they are polled: what the drivers mmsg, socket and
 * mmap have in common. Each of them adds how frames come and go, and a table (mr_packet_kind) of what else differs.
 *
 * A send is over when the call returns: nothing is reclaimed. Frames that the kernel would not take yet stay the caller's.
 * The io of a core counts the calls, and sleeps for a blocking queue.
 *
 *   packet_port.c     from opening to closing, a device that goes away
 *   packet_send.c     one frame by send, many by sendmmsg
 *   packet_report.c   statistics, report
 */
#ifndef MILLRACE_PORT_PACKET_PORT_H
#define MILLRACE_PORT_PACKET_PORT_H

#include "lib/port/packet_frame.h"

#include <errno.h>
#include <sys/socket.h>

/* A frame received, and not looked at yet. */
struct mr_packet_waited {
    uint32_t chunk, bytes;
    bool cut;
    struct tpacket_auxdata aux;
};

/* A receiving queue; a driver embeds it first in its own struct. Drivers that receive straight into chunks keep some at hand:
 * chunk[first] … the last, q.held of them, never more than the burst that was asked for. */
struct mr_packet_rxq {
    struct mr_rxq q;
    struct mr_packet_rx socket;
    int node;
    struct mr_stack *list;  /* of the pool: small or big chunks are received into */
    uint32_t front;         /* where in the chunk the kernel writes first */
    uint32_t room;          /* bytes from there on that it may write */
    uint32_t frame_room;    /* longest frame that fits */
    uint32_t data_room;     /* small chunk: bytes from MR_CHUNK_DATA on */
    uint32_t most;          /* chunks at hand */
    uint32_t first;
    uint32_t quiet_looks;   /* looks of rx_quiesce since the valve was closed */
    uint64_t errors;        /* calls that failed; written by the core */
    struct mr_packet_waited waited; /* with q.ready 1: the frame that the core was woken by */
    uint32_t chunk[MR_BATCH_MAX];
};

struct mr_packet_txq {
    struct mr_txq q;
    struct mr_packet_tx socket;
    struct mmsghdr message[MR_BATCH_MAX];
    struct iovec piece[MR_BATCH_MAX];
};

/* What differs; NULL = nothing to do, or the socket's own. */
struct mr_packet_kind {
    size_t rxq_bytes; /* of the driver's own struct */
    void (*rx_init)(struct mr_packet_rxq *q);
    int (*rx_prepare)(struct mr_packet_rx *rx, const char **what); /* as mr_packet_rx_open's */
    void (*rx_close)(struct mr_packet_rxq *q); /* before its socket is closed */
    bool (*is_empty)(const struct mr_packet_rxq *q);
    void (*count_left)(struct mr_packet_rxq *q);
    bool (*wait)(struct mr_packet_rxq *q); /* of a blocking queue: MR_DOORBELL_WAIT */
    void (*describe)(const struct mr_port *port, char *text, size_t bytes); /* how it receives */
};

struct mr_packet_io {
    struct mr_io io;
    uint32_t n_rxq, max_rxq;
    struct mr_packet_rxq *rxq[];
};

/* The driver's functions; open's kind lives as long as the program. */
int mr_packet_port_open(struct mr_port *port, const struct mr_port_setup *setup, const struct mr_packet_kind *kind,
                        struct mr_error *err);
int mr_packet_port_probe(struct mr_probe *probe, const char *how);
int mr_packet_io_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
void mr_packet_io_destroy(struct mr_io *io);
uint32_t mr_packet_doorbell(struct mr_io *io, uint32_t what);
bool mr_packet_rx_quiesce(struct mr_rxq *rxq);
bool mr_packet_rx_halt(struct mr_rxq *rxq);
bool mr_packet_tx_halt(struct mr_txq *txq);
int mr_packet_port_reopen(struct mr_port *port, struct mr_error *err);
int mr_packet_rx_resume(struct mr_rxq *rxq);
int mr_packet_tx_resume(struct mr_txq *txq);
void mr_packet_detach(struct mr_io *io, uint64_t deadline_ns);
void mr_packet_port_stats(struct mr_port *port, struct mr_outsides *out);
void mr_packet_port_close(struct mr_port *port);
uint32_t mr_packet_chunks_back(struct mr_port *port, uint32_t *chunks, uint32_t n);
void mr_packet_port_destroy(struct mr_port *port);
void *mr_packet_port_report(struct mr_port *port);

/* All of them in a driver's table, but for name, summary, caps, probe, open and the two bursts. */
#define MR_PACKET_DRIVER                                                                                               \
    .io_create = mr_packet_io_create, .io_destroy = mr_packet_io_destroy, .doorbell = mr_packet_doorbell,              \
    .rx_quiesce = mr_packet_rx_quiesce, .rx_halt = mr_packet_rx_halt, .tx_halt = mr_packet_tx_halt,                    \
    .reopen = mr_packet_port_reopen, .rx_resume = mr_packet_rx_resume, .tx_resume = mr_packet_tx_resume,               \
    .detach = mr_packet_detach, .stats = mr_packet_port_stats, .close = mr_packet_port_close,                          \
    .chunks_back = mr_packet_chunks_back, .destroy = mr_packet_port_destroy, .report = mr_packet_port_report

/* mr_packet_send_one: by send(), with its flags. false: not now, the frame stays the caller's. mr_packet_send_many: by sendmmsg(), a
 * tx_burst: how many were taken. */
bool mr_packet_send_one(struct mr_packet_txq *q, const struct mr_frame *frame, int flags);
uint32_t mr_packet_send_many(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n);

static inline struct mr_packet_rxq *mr_packet_rxq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->rxq[i], struct mr_packet_rxq, q);
}

static inline struct mr_packet_txq *mr_packet_txq_of(const struct mr_port *port, uint32_t i)
{
    return MR_CONTAINER_OF(port->txq[i], struct mr_packet_txq, q);
}

/* mr_packet_chunks: have n chunks at hand, or as many as there are; returns how many of n. */
static inline uint32_t mr_packet_chunks(struct mr_packet_rxq *q, uint32_t n)
{
    n = n < q->most ? n : q->most;
    if (q->q.held < n) {
        uint32_t fresh[MR_BATCH_MAX];
        uint32_t got = mr_pool_alloc(q->q.pool, q->list, fresh, n - q->q.held);
        for (uint32_t i = 0; i < got; i++) {
            q->chunk[--q->first] = fresh[i];
        }
        q->q.held += got;
    }
    return n < q->q.held ? n : q->q.held;
}

/* mr_packet_failed: a call that received nothing: no frame is there, or the socket has an error. Of these, EINVAL cost a frame:
 * the kernel has no word of a virtio_net_hdr for each kind of super-frame, and finds that out when the frame is off the queue. */
static inline void mr_packet_failed(struct mr_packet_rxq *q, int error)
{
    if (MR_UNLIKELY(error != EAGAIN && error != EINTR)) {
        mr_count(&q->socket.undescribed, q->socket.vnet && error == EINVAL);
        mr_count(&q->errors, 1);
        __atomic_store_n(&q->socket.last_error, error, __ATOMIC_RELAXED);
    }
}

/* mr_packet_came: `bytes` of a frame, virtio_net_hdr included, stand in a chunk from q->front on: counted, judged, and given as
 * a descriptor. false: it died, and its chunk is home. */
static inline bool mr_packet_came(struct mr_packet_rxq *q, uint32_t chunk, uint32_t bytes, bool cut,
                                  const struct tpacket_auxdata *aux, struct mr_frame *f)
{
    unsigned char *at = mr_chunk_at(q->q.port->base, chunk);
    uint32_t head = q->socket.vnet ? MR_VNET_BYTES : 0;
    uint32_t status = aux != NULL ? aux->tp_status : 0;
    *f = (struct mr_frame){.chunk = chunk, .offset = MR_CHUNK_DATA, .port = q->q.port->number, .tick = q->q.tick};
    bytes = bytes > head ? bytes - head : 0;
    uint32_t reason = mr_packet_judge(&q->socket, at + MR_CHUNK_DATA - MR_VNET_BYTES, status, bytes,
                                      cut || bytes > q->frame_room, f);
    mr_count(&q->q.frames, 1);
    if (MR_UNLIKELY(reason != MR_PACKET_GOOD)) {
        mr_count(&q->q.bytes, bytes);
        f->length = (uint16_t)(bytes < q->frame_room ? bytes : q->frame_room); // as much as the chunk has of it
        mr_rxq_drop(&q->q, f, reason);
        mr_pool_free(q->q.pool, &chunk, 1);
        return false;
    }
    if (MR_UNLIKELY(status & TP_STATUS_VLAN_VALID)) {
        mr_packet_retag(&q->socket, at, f, status, aux->tp_vlan_tci, aux->tp_vlan_tpid);
    }
    if (q->socket.super) {
        mr_packet_move_small(&q->socket, &q->q, f, q->data_room);
    }
    mr_count(&q->q.bytes, f->length);
    return true;
}

#endif
