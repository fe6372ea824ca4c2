/* xdp.h: the insides of the xdp driver, for the xdp*.c files only.
 *
 *   needs              AF_XDP (Linux 5.11); CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF to receive, nothing in a namespace
 *                      of one's own to send only; locked memory for the whole arena
 *   copies per frame   zerocopy: 0; native, generic: 1 in (kernel's buffer → chunk), 1 out (chunk → skb), both the kernel's
 *   calls per burst    receive: none (one when busy polling); send: one for each 32 frames, or tx_budget; kick: uring: one for all queues
 *   who owns a frame   FILL ring: kernel → RX ring: kernel → rx_burst: caller → TX ring: kernel, until its completion →
 *                      reclaim: caller
 *
 *   xdp.c          the driver: ports from opening to closing
 *   xdp_probe.c    what this kernel and process can
 *   xdp_mode.c     which mode, and what was obtained
 *   xdp_umem.c     sockets: one per (device, queue), its four rings, and the arena as memory that they share
 *   xdp_program.c  our program, its map of sockets, the link that holds it on the device
 *   xdp_take.c     which frames it takes: words into instructions
 *   xdp_rx.c       the FILL and RX rings
 *   xdp_tx.c       the TX and COMPLETION rings, and the call that makes the kernel look
 *   xdp_halt.c     a device that goes away, and one that comes back
 *   xdp_report.c   statistics and report
 *
 * A queue's socket serves two cores: the receiving one has its RX and FILL rings, the sending one TX and COMPLETION, and
 * these never touch the same line. The kernel's memory (UMEM) is the engine's arena, registered once by whichever socket
 * came first and shared by all others of the engine that copy (or that do not: sharing hands on the mode), so what one port
 * receives leaves by any other from the same chunk. Addresses, from the arena's base:
 *
 *     unaligned (chunks of 2496 bytes)   chunk | offset << 48; a completion returns it, so its low 48 bits are the chunk
 *     aligned (2048, 4096)               chunk + offset; the chunk is what the low bits are cut off from
 *
 * The kernel puts 256 bytes of its own and our headroom of 128 before the data: it lands on MR_CHUNK_DATA.
 */
#ifndef MILLRACE_PORT_XDP_H
#define MILLRACE_PORT_XDP_H

#include "lib/port/port.h"

#include <xdp/xsk.h>

#define MR_XDP_KERNEL_ROOM 256u /* XDP_PACKET_HEADROOM */
#define MR_XDP_SLOT_LINES  32u  /* no two chunks begin in the same 2 KiB */
#define MR_XDP_TRY_NS      1000000000ull /* for a queue or device that its last user has not let go of yet */
#define MR_XDP_NAME        "millrace" /* of our program and map, for those who list them */

MR_STATIC_ASSERT(MR_CHUNK_DATA - MR_XDP_KERNEL_ROOM == 128, "our headroom is what the kernel's room leaves before the data");

struct mr_xdp;
struct mr_xdp_port;

/* One per (device, queue). */
struct mr_xdp_socket {
    int fd;               /* -1 when closed */
    bool zerocopy;
    void *map[4];         /* FILL, COMPLETION, RX, TX: the kernel's pages; NULL = not used */
    size_t map_bytes[4];
    struct xdp_statistics closed; /* of sockets before this one: those of a closed socket cannot be asked for */
};

/* Whether the program's map leads to a queue's socket. The core opens and closes, control waits. */
enum mr_xdp_valve {
    MR_XDP_SHUT,    /* nothing comes any more */
    MR_XDP_OPEN,
    MR_XDP_CLOSED,  /* it leads elsewhere, and who had looked into it before may still deliver */
    MR_XDP_AWAITED, /* control waits for those */
    MR_XDP_UNSURE,  /* it could not: looking several times must do */
};

struct mr_xdp_rxq {
    struct mr_rxq q;
    struct mr_xdp_port *xdp;
    struct mr_xdp_socket *socket;
    struct xsk_ring_cons rx;
    struct xsk_ring_prod fill;
    uint64_t address_mask;  /* of an address: what is its chunk's */
    uint32_t buffers;       /* chunks that the kernel has at most */
    uint32_t first;         /* chunk that the table begins with */
    uint32_t n_slots;
    uint8_t *posted;        /* by (chunk - first) / MR_XDP_SLOT_LINES: 1 + the rest of it; 0 = not with the kernel */
    bool busy_poll;
    uint32_t valve;         /* enum mr_xdp_valve */
    uint32_t quiet_looks;   /* looks of rx_quiesce that found nothing */
    uint64_t bad_addresses; /* not followed: no chunk that we gave; the core writes, as all of these: */
    uint64_t left_in_ring;  /* received by the kernel, and never taken */
    uint64_t taken_back;    /* chunks that were with the kernel when the device went away */
};

/* A frame that was put into the TX ring. */
struct mr_xdp_sent {
    uint32_t chunk;
    uint16_t length;
    uint16_t dead; /* 1: counted as dropped already, the chunk is still to come */
};

struct mr_xdp_txq {
    struct mr_txq q;
    struct mr_xdp_port *xdp;
    struct mr_xdp_socket *socket;
    struct xsk_ring_prod tx;
    struct xsk_ring_cons comp;
    uint64_t address_mask;
    uint32_t offset_shift; /* 48, or 0 in an aligned UMEM */
    uint32_t chunk_bytes;
    uint32_t capacity;     /* frames under way, a power of two */
    bool by_ring;          /* kick: uring */
    bool call_again;       /* the last call of this pass left frames that another may take */
    uint32_t unsent;       /* in the ring, and no call has said that the kernel took them all */
    uint32_t owed;         /* calls that ended in EBUSY, and whose frame has not come back yet */
    struct mr_xdp_sent *sent; /* FIFO by sending: head … tail */
    uint32_t head, tail;
    uint32_t *done;        /* chunks to be reclaimed, n_done of them */
    uint32_t n_done;
    uint64_t again;        /* calls that left frames in the ring; the core writes, as all of these: */
    uint64_t bad_completions; /* not followed: no chunk of ours that was under way */
    uint64_t purged;       /* descriptors made invalid, since the device was down */
    int last_error;        /* of a call, errno */
};

struct mr_xdp {
    struct mr_io io;
    uint32_t n_rxq, max_rxq, n_txq, max_txq;
    struct mr_xdp_rxq **rxq;
    struct mr_xdp_txq **txq;
    struct mr_xdp_kicker *kick; /* NULL: no queue wants it */
};

struct mr_xdp_port {
    struct mr_port *port;
    const struct mr_arena *arena;
    struct mr_port *const *ports; /* all of the engine */
    uint32_t n_ports;
    uint32_t chunk_bytes;
    uint32_t tx_ring_frames;
    uint32_t n_sockets;
    struct mr_xdp_socket socket[MR_QUEUES_MAX];
    int promiscuous;   /* a packet socket that keeps the device so; -1 = none */
    int link_fd, program_fd, map_fd, count_fd; /* -1 = none */
    uint32_t program_id;
    uint64_t *counts; /* room for what count_fd has, by processor */
    uint64_t passed;  /* to the kernel, by programs before this one */
    enum mr_xdp_mode mode; /* obtained, never auto */
    char why_not[100];     /* auto: what the better modes said */
};

static inline bool mr_xdp_unaligned(const struct mr_xdp_port *p)
{
    return (p->chunk_bytes & (p->chunk_bytes - 1)) != 0;
}

/* xdp_probe.c */
int mr_xdp_probe(struct mr_probe *probe);
void mr_xdp_no_memory(size_t arena_bytes, char *text, size_t bytes); /* why the arena cannot be locked, and the fix */

/* xdp_mode.c: 0 or -errno, err names the port. Program and first socket decide. */
int mr_xdp_settle(struct mr_xdp_port *p, struct mr_error *err);
void mr_xdp_describe(struct mr_xdp_port *p);

/* xdp_umem.c: socket of queue i, bound; its rings are mapped into the port's queues i. 0 or -errno. */
int mr_xdp_socket_open(struct mr_xdp_port *p, uint32_t i, struct mr_error *err);
void mr_xdp_socket_close(struct mr_xdp_socket *s);
void mr_xdp_statistics(const struct mr_xdp_socket *s, struct xdp_statistics *sum); /* adds to it */
int mr_xdp_try_zerocopy(int ifindex, uint32_t queue); /* with memory of its own; 0 or -errno */
bool mr_xdp_wait_more(uint64_t *since_ns, int rc); /* rc is EBUSY, and it is not yet too long ago: slept a little */

/* xdp_program.c */
const char *mr_xdp_check(const struct mr_port_config *config, char *why, size_t bytes); /* a key that cannot be; NULL */
int mr_xdp_program_load(struct mr_xdp_port *p, struct mr_error *err);
int mr_xdp_program_attach(struct mr_xdp_port *p, bool generic); /* 0 or -errno */
int mr_xdp_program_fail(const struct mr_xdp_port *p, bool generic, int rc, struct mr_error *err);
void mr_xdp_program_close(struct mr_xdp_port *p);
uint64_t mr_xdp_passed(const struct mr_xdp_port *p); /* frames that went on to the kernel, ever */
int mr_xdp_valve_open(struct mr_xdp_rxq *q); /* 0 or -errno */
void mr_xdp_valve_close(struct mr_xdp_rxq *q);
void mr_xdp_rx_settle(struct mr_port *const *ports, uint32_t n);

/* xdp_take.c: the program for the words of `take`. Returns its number of instructions, or 0 with why in text. map_fd: of the
 * sockets; count_fd: a map of one uint64_t per processor, of frames that went on to the kernel. */
struct bpf_insn;
uint32_t mr_xdp_take(const char *words, int map_fd, int count_fd, struct bpf_insn *code, uint32_t max, char *why, size_t bytes);

/* xdp_rx.c */
int mr_xdp_rx_init(struct mr_xdp_rxq *q, int node);
void mr_xdp_rx_fini(struct mr_xdp_rxq *q);
void mr_xdp_rx_fill(struct mr_xdp_rxq *q); /* on the core, as far as chunks reach */
void mr_xdp_rx_wake(struct mr_xdp_rxq *q);
uint32_t mr_xdp_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n);
bool mr_xdp_rx_empty(const struct mr_xdp_rxq *q);
bool mr_xdp_rx_quiesce(struct mr_rxq *rxq);
uint32_t mr_xdp_rx_chunks_back(struct mr_xdp_rxq *q, uint32_t *chunks, uint32_t n);

/* xdp_tx.c */
int mr_xdp_tx_init(struct mr_xdp_txq *q, int node);
void mr_xdp_tx_fini(struct mr_xdp_txq *q);
uint32_t mr_xdp_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n);
uint32_t mr_xdp_tx_complete(struct mr_xdp_txq *q); /* completions seen */
void mr_xdp_tx_kick(struct mr_xdp_txq *q);

/* mr_xdp_tx_needs_call: false: the socket is closed, or a driver that has not asked looks into the ring by itself. mr_xdp_tx_said:
 * what a call said, 0 or an errno; true when another one makes sense at once. */
bool mr_xdp_tx_needs_call(struct mr_xdp_txq *q);
bool mr_xdp_tx_said(struct mr_xdp_txq *q, int rc);

/* xdp_kick.c. mr_xdp_kick_open, _leave: on the core's thread, which is the only one to call _all. mr_xdp_kick_all: one call for all
 * queues with frames; more where one makes sense at once. */
int mr_xdp_kick_open(struct mr_xdp *x, struct mr_error *err);
void mr_xdp_kick_all(struct mr_xdp *x);
void mr_xdp_kick_leave(struct mr_xdp *x);
void mr_xdp_kick_close(struct mr_xdp *x); /* control */

/* mr_xdp_tx_blocked: nothing waits to be sent, and purged descriptors hold room that only a call gives back. */
static inline bool mr_xdp_tx_blocked(const struct mr_xdp_txq *q)
{
    return q->head != q->tail && q->sent[q->head & (q->capacity - 1)].dead &&
           mr_load_acquire(&q->q.port->link) == MR_LINK_UP;
}

uint32_t mr_xdp_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n);
void mr_xdp_tx_abandon(struct mr_xdp_txq *q, enum mr_drop reason); /* the kernel has let go of all */

/* xdp_halt.c */
bool mr_xdp_rx_halt(struct mr_rxq *rxq);
bool mr_xdp_tx_halt(struct mr_txq *txq);
int mr_xdp_reopen(struct mr_port *port, struct mr_error *err);
int mr_xdp_rx_resume(struct mr_rxq *rxq);
int mr_xdp_tx_resume(struct mr_txq *txq);

/* xdp_report.c */
void mr_xdp_stats(struct mr_port *port, struct mr_outsides *out);
void *mr_xdp_report(struct mr_port *port);

/* xdp.c: program first, then sockets; statistics are read before they go. */
int mr_xdp_open_device(struct mr_xdp_port *p, struct mr_error *err);
void mr_xdp_close(struct mr_port *port);

#endif
