/* tap.h: the insides of the tap driver, for the tap*.c files only.
 *
 *   needs              CAP_NET_ADMIN, /dev/net/tun; with `by: uring` liburing and an io_uring
 *   copies per frame   1 in, 1 out, both by the kernel, between an skb and the chunk
 *   system calls       by: uring: at most one per pass of a core, none when idle · by: calls: one per frame each way, and
 *                      one per pass that finds nothing
 *   who owns a frame   received: the kernel has the chunk while a READ is under way (held), then it waits here (ready),
 *                      then it is the stage's. Sent: ours from tx_burst until the WRITE is over, then reclaim hands it out
 *
 *   tap.c          the driver: ports from opening to closing, statistics, report
 *   tap_device.c   the device: made, configured, its valve; what can be had here
 *   tap_ring.c     one io_uring per core
 *   tap_rx.c       READs into chunks of the pool
 *   tap_tx.c       WRITEs from them
 *   tap_halt.c     a device that goes away, and is made anew
 *
 * The device exists while its port is open: it is not persistent, so a process that is killed leaves none. What the kernel
 * sends into it we receive, what we send it receives: its other end is the kernel's own stack.
 *
 * Reading. Many READs that wait for frames would all be woken by each frame. So one waits, as the last of a burst that
 * does not (RWF_NOWAIT), and the next burst is posted when the whole of the last is over: twice as long where all of it
 * found frames, as long as what it found where it ran dry. All happens inside one thread's calls, in the order of the
 * queue: completions come in the order of frames.
 *
 * Names begin with mr_tun, as the kernel's with tun: mr_tap are the engine's capture taps.
 *
 * A request's user_data: kind 8 · queue 8 · frame length 16 · chunk 32, from the top.
 */
#ifndef MILLRACE_PORT_TAP_H
#define MILLRACE_PORT_TAP_H

#include "lib/port/port.h"
#include "lib/port/vnet.h"

#include <liburing.h>

enum mr_tun_kind { MR_TUN_WRITE, MR_TUN_READ, MR_TUN_READ_NOW, MR_TUN_CANCEL };

#define MR_TUN_USER_DATA(kind, queue, length, chunk)                                                                   \
    ((uint64_t)(kind) << 56 | (uint64_t)(queue) << 48 | (uint64_t)(length) << 32 | (uint32_t)(chunk))

#define MR_TUN_BURST 64u /* more at a time gained nothing by hand */

struct mr_tun;

struct mr_tun_rxq {
    struct mr_rxq q;
    struct mr_tun *tap;
    int fd;               /* a queue of the device, -1 when closed */
    uint32_t index;       /* among the ring's receiving queues */
    bool ring, vnet, super;
    uint64_t waits;       /* user_data of the READ that waits; 0 = none is under way */
    bool dead;            /* the device is gone, or refuses to be read: not read again until resumed */
    bool valve_closed;    /* a filter lets no more frame into the device */
    bool cancelled;       /* no READ is posted any more */
    uint32_t quiet_looks; /* looks of rx_quiesce that found nothing, since the valve was closed */
    uint32_t reads;       /* most READs under way, and frames waiting here, together */
    uint32_t burst;       /* READs of the next burst, at most MR_TUN_BURST */
    uint32_t found;       /* of the present burst: READs that found a frame, and */
    bool dry;             /*   one did not */
    uint32_t post_at;     /* where in the chunk a READ begins */
    uint32_t post_bytes;  /* one byte more than the longest frame: what fills it was cut */
    uint32_t data_room;   /* small chunk: bytes from MR_CHUNK_DATA on */
    struct mr_stack *list; /* of the pool: small or big chunks are posted */
    struct mr_frame *ready; /* FIFO of frames not handed out yet; q.ready of them from ready_head on */
    uint32_t ready_head, ready_capacity;
    /* written by the core, read by control */
    uint64_t copied_small;  /* offload: super: frames moved into a small chunk */
    uint64_t left_in_queue; /* accepted by the device, never received */
    int last_error;         /* why it is dead, errno */
};

struct mr_tun_txq {
    struct mr_txq q;
    struct mr_tun *tap;
    int fd;              /* of a receiving queue, or its own where the port receives nothing */
    uint32_t index;      /* among the ring's sending queues */
    bool ring, vnet, shares_fd;
    uint32_t capacity;   /* frames under way */
    uint32_t *done;      /* chunks to be reclaimed, n_done of them */
    uint32_t n_done;
    int last_error;      /* behind drops[tx_error], errno */
};

struct mr_tun {
    struct mr_io io;
    struct mr_io_setup setup;
    struct io_uring ring;
    bool made; /* by the first port that wants it: `by: calls` needs none */
    uint32_t n_rxq, n_txq;
    struct mr_tun_rxq **rxq; /* setup.n_rxq; registered files 0 … */
    struct mr_tun_txq **txq; /* setup.n_txq; registered files setup.n_rxq … */
    uint64_t bad_completions; /* not followed: no queue of ours answers to them; the core writes */
};

struct mr_tun_port {
    struct mr_port *port;
    uint32_t flags;      /* of TUNSETIFF */
    uint64_t tx_dropped; /* of the device, as last seen, and */
    uint64_t before;     /* of those before it */
};

/* tap_device.c: err names the port; 0 or -errno. */
int mr_tun_probe(struct mr_probe *probe);
int mr_tun_check(const struct mr_port *port, uint32_t room, struct mr_error *err); /* name, MTU */
int mr_tun_device(struct mr_tun_port *p, struct mr_error *err); /* all queues' descriptors; then it is up */
void mr_tun_read_statistics(struct mr_tun_port *p);
int mr_tun_valve_close(struct mr_tun_rxq *q);
bool mr_tun_queue_empty(const struct mr_tun_rxq *q);
void mr_tun_count_left(struct mr_tun_rxq *q);

/* tap_ring.c */
int mr_tun_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
void mr_tun_destroy(struct mr_io *io);
int mr_tun_need_ring(struct mr_tun *t, struct mr_error *err);
int mr_tun_attach(struct mr_io *io, struct mr_error *err);
uint32_t mr_tun_doorbell(struct mr_io *io, uint32_t what);
void mr_tun_detach(struct mr_io *io, uint64_t deadline_ns);
int mr_tun_set_file(struct mr_tun *t, uint32_t index, int fd); /* registered; -1 = none there any more */
int mr_tun_try_ring(void); /* 0, or why none can be had, -errno */

/* tap_rx.c */
int mr_tun_rx_init(struct mr_tun_rxq *q, const struct mr_port_config *c, int node);
void mr_tun_rx_fini(struct mr_tun_rxq *q);
void mr_tun_rx_post(struct mr_tun_rxq *q); /* when it is due */
void mr_tun_rx_complete(struct mr_tun_rxq *q, uint64_t user_data, int result);
uint32_t mr_tun_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n);
bool mr_tun_rx_quiesce(struct mr_rxq *rxq);
uint32_t mr_tun_rx_chunks_back(struct mr_tun_rxq *q, uint32_t *chunks, uint32_t n);

/* tap_tx.c */
uint32_t mr_tun_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n);
uint32_t mr_tun_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n);
void mr_tun_tx_complete(struct mr_tun_txq *q, uint64_t user_data, int result);

/* tap_halt.c */
bool mr_tun_rx_halt(struct mr_rxq *rxq);
bool mr_tun_tx_halt(struct mr_txq *txq);
int mr_tun_reopen(struct mr_port *port, struct mr_error *err);
int mr_tun_rx_resume(struct mr_rxq *rxq);
int mr_tun_tx_resume(struct mr_txq *txq);

/* tap.c: the device goes with its last descriptor; statistics are read before. */
void mr_tun_close(struct mr_port *port);

static inline struct mr_tun_rxq *mr_tun_rxq_of(struct mr_rxq *q)
{
    return MR_CONTAINER_OF(q, struct mr_tun_rxq, q);
}

static inline struct mr_tun_txq *mr_tun_txq_of(struct mr_txq *q)
{
    return MR_CONTAINER_OF(q, struct mr_tun_txq, q);
}

#endif
