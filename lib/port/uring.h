/* uring.h: the insides of the uring driver, for the uring*.c files only.
 *
 *   uring.c         the driver: ports from opening to closing, statistics, report
 *   uring_probe.c   what this kernel and process can
 *   uring_ring.c    one io_uring per core: made by control, enabled and polled by the core
 *   uring_rx.c      multishot receive into chunks of the pool
 *   uring_tx.c      a SEND per frame
 *   uring_halt.c    a device that goes away, and one that comes back
 *
 * Its sockets are packet.h's, two a queue.
 *
 * A ring is entered at most once a pass, by the doorbell, and only when there is something to hand over or the kernel
 * has raised its flag (IORING_SETUP_TASKRUN_FLAG) that something waits; an idle pass costs no system call.
 *
 * Buffers are chunks of the queue's pool. With aux data, the kernel's io_uring_recvmsg_out (16 bytes), the control
 * message and a virtio_net_hdr stand in the cache line before the data:
 *
 *     320 recvmsg_out · 336 control message (48 bytes, or 38 with virtio_net_hdr) · 374 virtio_net_hdr · 384 data
 *
 * A request's user_data says all about it: kind 8 · queue 8 · frame length 16 · chunk 32, from the top; so a send needs
 * no table to be found again.
 */
#ifndef MILLRACE_PORT_URING_H
#define MILLRACE_PORT_URING_H

#include "lib/port/packet.h"

#include <liburing.h>
#include <sys/socket.h>

enum mr_uring_kind { MR_URING_SEND, MR_URING_RECEIVE, MR_URING_CANCEL };

#define MR_URING_USER_DATA(kind, queue, length, chunk)                                                                 \
    ((uint64_t)(kind) << 56 | (uint64_t)(queue) << 48 | (uint64_t)(length) << 32 | (uint32_t)(chunk))

#define MR_URING_NO_CHUNK UINT32_MAX
#define MR_URING_HEAD    64u /* bytes between the posted address and the data, with aux data */
#define MR_URING_CONTROL (MR_URING_HEAD - sizeof(struct io_uring_recvmsg_out))

struct mr_uring;

struct mr_uring_rxq {
    struct mr_rxq q;
    struct mr_uring *uring;
    struct mr_packet_rx socket;
    uint32_t index;          /* among the ring's receiving queues: registered file and buffer group */
    bool armed;              /* the multishot request lives */
    bool cancelled;          /* asked to end, or over: not armed again */
    uint32_t quiet_looks;    /* looks of rx_quiesce since the valve was closed */
    /* buffers: numbers 0 … n-1, each posted with a chunk or free */
    uint32_t n;              /* a power of two */
    uint32_t post_at;        /* where in the chunk a buffer begins */
    uint32_t post_bytes;
    uint32_t frame_room;     /* longest frame that a buffer holds */
    uint32_t data_room;      /* small chunk: bytes from MR_CHUNK_DATA on */
    struct mr_stack *list;   /* of the pool: small or big chunks are posted */
    struct io_uring_buf_ring *ring;
    uint32_t *chunk_of;      /* by buffer number: posted, or MR_URING_NO_CHUNK */
    uint16_t *free;
    uint32_t n_free;
    struct mr_frame *ready;  /* FIFO of frames not handed out yet; q.ready of them from ready_head on */
    uint32_t ready_head, ready_capacity;
    void *tables;            /* one mapping for all of the above */
    size_t tables_bytes;
    struct msghdr msg;       /* read by the kernel when the request is armed */
    /* written by the core, read by control */
    uint64_t rearms_no_buffers, rearms_cq_full, rearms_other;
    uint64_t taken_back;     /* chunks that were posted when the device went away */
    uint64_t bad_completions; /* not followed: no request or posted buffer of ours answers to them */
};

struct mr_uring_txq {
    struct mr_txq q;
    struct mr_uring *uring;
    struct mr_packet_tx socket;
    uint32_t index;      /* among the ring's sending queues */
    uint32_t capacity;   /* frames under way */
    uint32_t *done;      /* chunks to be reclaimed, n_done of them */
    uint32_t n_done;
    uint64_t bad_completions; /* not followed: more than sends were under way */
};

struct mr_uring {
    struct mr_io io;
    struct io_uring ring;
    bool made, ring_registered;
    size_t bytes;              /* that the ring takes */
    uint32_t n_rxq, max_rxq, n_txq, max_txq;
    uint64_t cq_overflows;    /* calls made because completions waited behind a full queue; the core writes */
    struct mr_uring_rxq **rxq; /* max_rxq; registered files 0 … */
    struct mr_uring_txq **txq; /* max_txq; registered files max_rxq … */
};

/* uring_ring.c */
int mr_uring_setup(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries); /* 0 or -errno; disabled */
size_t mr_uring_bytes(uint32_t sq_entries, uint32_t cq_entries); /* locked memory that it takes at most */
int mr_uring_enable(struct io_uring *ring);
int mr_uring_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
void mr_uring_destroy(struct mr_io *io);
int mr_uring_attach(struct mr_io *io, struct mr_error *err);
uint32_t mr_uring_doorbell(struct mr_io *io, uint32_t what);
void mr_uring_complete(struct mr_uring *u, const struct io_uring_cqe *cqe); /* one completion, to its queue */
void mr_uring_detach(struct mr_io *io, uint64_t deadline_ns);
int mr_uring_add_rxq(struct mr_uring *u, struct mr_uring_rxq *q); /* files registered; 0 or -errno */
int mr_uring_add_txq(struct mr_uring *u, struct mr_uring_txq *q);

/* uring_rx.c */
int mr_uring_rx_init(struct mr_uring_rxq *q, const struct mr_port_config *c, int node);
void mr_uring_rx_fini(struct mr_uring_rxq *q);
int mr_uring_rx_attach(struct mr_uring_rxq *q);      /* on the core: buffer group, chunks; again after a halt */
void mr_uring_rx_arm(struct mr_uring_rxq *q);        /* when it is due */
void mr_uring_rx_complete(struct mr_uring_rxq *q, int result, uint32_t flags);
uint32_t mr_uring_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n);
bool mr_uring_rx_quiesce(struct mr_rxq *rxq);
uint32_t mr_uring_rx_chunks_back(struct mr_uring_rxq *q, uint32_t *chunks, uint32_t n);

/* uring_tx.c */
uint32_t mr_uring_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n);
uint32_t mr_uring_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n);
void mr_uring_tx_complete(struct mr_uring_txq *q, uint64_t user_data, int result);

/* uring_halt.c */
bool mr_uring_rx_halt(struct mr_rxq *rxq);
bool mr_uring_tx_halt(struct mr_txq *txq);
int mr_uring_reopen(struct mr_port *port, struct mr_error *err);
int mr_uring_rx_resume(struct mr_rxq *rxq);
int mr_uring_tx_resume(struct mr_txq *txq);

/* uring.c: sockets; statistics are read before they go. */
void mr_uring_close(struct mr_port *port);

/* uring_probe.c */
int mr_uring_probe(struct mr_probe *probe);
const char *mr_uring_refusal(int error, size_t ring_bytes, char *text, size_t bytes); /* why a ring of these bytes cannot be
                                                                                         had or used, and the fix */

#endif
