/* port.h: the contract between the engine and a driver.
 *
 * A port is a device opened by a driver; its queues are what is polled. No driver knows another, or the engine. The
 * order of calls, and whose thread makes them (C = control, K = the queue's core):
 *
 *   C  probe                      can it here, and if not why: by opening and closing
 *   C  io_create(core)            once per (driver, core) with queues of it: what queues of a core share; may be NULL
 *   C  open(port)                 opens the device, makes all queues; each queue knows its core, pool and io
 *   K  attach(io), then           what must happen on the polling thread (io_uring: enable the ring, arm receives);
 *      queue_attach is part of it  runs once, before the first burst
 *   K  rx_burst, tx_burst, reclaim, doorbell          the hot four; nothing else runs meanwhile
 *   K  rx_quiesce                 after RX off, called in housekeeping until it says true: nothing more will come in
 *   C  rx_settle                  meanwhile, again and again: waits for the kernel in their stead, so that no core does
 *
 *   the device went away (port->link is MR_LINK_GONE), while all other ports run on:
 *   K  rx_halt, tx_halt           in housekeeping until true: the core lets go of the device, chunks are home again
 *   C  close(port)                once all queues have halted: sockets and devices
 *   C  reopen(port)               the device is back and the port has reopen: yes: opens what open opened
 *   K  rx_resume, tx_resume       in housekeeping once port->link is another again: the queue goes on
 *
 *   K  detach(io, deadline)       before the thread ends: waits (bounded) for sends under way
 *   C  stats                      at any time: losses outside the engine
 *   C  close(port)                after all cores have ended: sockets and devices; queues and counters stay readable. Of
 *                                 a port that was closed already it does nothing
 *   C  chunks_back(port)          then: what kernel or device still held
 *   C  destroy(port), io_destroy  memory; destroy closes first what is still open
 *
 * One indirect call per burst, none per frame. A frame is the driver's from tx_burst's return until reclaim hands its
 * chunk out; a received frame is the caller's from rx_burst's return.
 */
#ifndef MILLRACE_PORT_PORT_H
#define MILLRACE_PORT_PORT_H

#include <millrace/config.h>
#include <millrace/counters.h>
#include <millrace/error.h>
#include <millrace/frame.h>
#include <millrace/pool.h>
#include <millrace/witness.h>

#include "lib/sys/arena.h"

#define MR_QUEUES_MAX  16u
#define MR_OUTSIDE_MAX 24u

struct mr_driver;
struct mr_port;

/* What control knows of a port's device. Written by control, read by cores in housekeeping: never on a frame's way. A
 * port that is not up sends nothing: what would leave by it dies under the reason of its state. */
enum mr_link_state { MR_LINK_UP, MR_LINK_DOWN, MR_LINK_NO_CARRIER, MR_LINK_GONE };

/* What the queues of one driver on one core share. A driver embeds it first in its own struct. */
struct mr_io {
    const struct mr_driver *driver;
    uint32_t core;     /* index of the engine's core */
    uint64_t syscalls; /* made on the core for this driver's queues; written by the core */
    bool waits;        /* a receiving queue of it is blocking: set by open */
    int32_t kept;      /* free chunks in a cache of the driver's own on this core, and what its ports hand on among
                          themselves: a core that only gives counts up, one that only takes down, the sum over cores is
                          what there is. Written by the core */
};

/* One receiving queue. A driver embeds it first in its own struct. */
struct mr_rxq {
    struct mr_port *port;
    struct mr_io *io;         /* NULL when the driver has none */
    struct mr_pool *pool;     /* chunks to receive into; owned by the same core */
    uint64_t *drops;          /* the stage's drop counters: by mr_rxq_drop */
    struct mr_witness *witness; /* NULL: nobody asks where a frame died */
    uint32_t queue;
    uint32_t tick;            /* set by the stage before each rx_burst: TSC >> 4 of the pass, for frame.tick */
    uint64_t now;             /* set by the stage before each rx_burst: TSC of the pass, for schedules */
    uint64_t frames, bytes;   /* received, dropped ones among them included; written by the core in rx_burst */
    uint64_t made;            /* of a source: frames it made (then frames and bytes stay 0) */
    uint32_t held;            /* chunks the kernel or device holds to receive into */
    uint32_t ready;           /* frames received and not yet handed out by rx_burst: in flight */
    uint32_t ended;           /* 1: this queue will not deliver again, unless reopened; written by the core, read by control */
    uint32_t halted;          /* 1: rx_halt is done and rx_resume is not; written by the core, read by control */
    uint32_t end_error;       /* errno that rx_quiesce met and cannot get past; 0: none; written by the core, read by control */
};

/* One sending queue. A driver embeds it first in its own struct. */
struct mr_txq {
    struct mr_port *port;
    struct mr_io *io;
    uint64_t *drops;          /* the stage's drop counters: by mr_txq_drop */
    struct mr_witness *witness; /* NULL: nobody asks where a frame died */
    uint32_t queue;
    uint32_t held;            /* chunks handed to the kernel or device and not yet reclaimed: tx_burst += , reclaim -= */
    uint32_t in_flight;       /* frames taken by tx_burst and not yet counted as sent or dropped */
    uint32_t halted;          /* 1: tx_halt is done and tx_resume is not; written by the core, read by control */
    uint32_t refused;         /* frames ever refused without a cause. The driver leaves them in in_flight; control looks at
                                 the device, and the stage counts them. Written by the core, read by control */
    uint32_t judged;          /* of refused: those whose cause control knows; written by control */
    uint32_t verdict;         /* that cause, a drop reason; written by control before judged, once counted has come up */
    uint32_t counted;         /* of judged: those counted as dropped; written by the core, read by control */
    uint64_t now;             /* set by the stage before each tx_burst: TSC of the pass (sinks measure with it) */
    uint64_t frames, bytes;   /* sent: completed without an error; written by the core */
};

/* mr_rxq_drop, mr_txq_drop: a frame dies in the driver, here, before its chunk is given back. The sending side may know no
 * more than chunk and length: then offset is 0. */
#define mr_rxq_drop(q, frame, reason) mr_queue_drop((q)->drops, (q)->witness, (frame), (reason), __FILE__, __LINE__)
#define mr_txq_drop(q, frame, reason) mr_queue_drop((q)->drops, (q)->witness, (frame), (reason), __FILE__, __LINE__)

static inline void mr_queue_drop(uint64_t *drops, struct mr_witness *w, const struct mr_frame *frame, uint32_t reason,
                                 const char *file, uint32_t line)
{
    mr_count(&drops[reason], 1);
    mr_tell_died_at(w, frame, 1, reason, file, line);
}

/* mr_rxq_refuse: the same of a frame that has no chunk yet. */
#define mr_rxq_refuse(q, data, length, reason) mr_queue_refuse((q), (data), (length), (reason), __FILE__, __LINE__)

static inline void mr_queue_refuse(struct mr_rxq *q, const unsigned char *data, uint32_t length, uint32_t reason,
                                   const char *file, uint32_t line)
{
    mr_count(&q->drops[reason], 1);
    if (MR_UNLIKELY(q->witness != NULL)) {
        q->witness->refused(q->witness, data, length, reason, file, line);
    }
}

/* A loss outside the engine, by the kernel's or device's own name. `within`: name of the counter that already contains
 * these frames (never add both), or NULL. `is_loss` false: an event worth knowing that lost no frame. */
struct mr_outside {
    char name[40];
    const char *within;
    uint64_t count;
    bool is_loss;
};

struct mr_outsides {
    uint32_t n;
    struct mr_outside at[MR_OUTSIDE_MAX];
};

struct mr_port {
    const struct mr_driver *driver;
    const struct mr_port_config *config;
    uint8_t number;              /* what stands in mr_frame.port */
    int node;                    /* of the device, -1 = none */
    char mode[320];              /* what was obtained, for people: filled by open, may be refined by attach */
    unsigned char *base;         /* the arena's */
    double ticks_per_ns;         /* TSC */
    uint32_t n_rxq, n_txq;
    struct mr_rxq *rxq[MR_QUEUES_MAX]; /* made by open */
    struct mr_txq *txq[MR_QUEUES_MAX];
    void *state;                 /* the driver's own, per port */
    int ifindex;                 /* of the device: filled by open and reopen; 0 = it is none of the kernel's */
    uint32_t link;               /* enum mr_link_state; written by control, read by cores */
    uint32_t mtu;                /* of the device, 0 = not known; written by control, read by cores */
};

/* What the engine decided for a port, given to open. Index = queue; a port that does not receive (send) has n_rxq (n_txq) 0. */
struct mr_port_setup {
    uint32_t n_rxq, n_txq;
    struct mr_pool *rx_pool[MR_QUEUES_MAX];
    struct mr_io *rx_io[MR_QUEUES_MAX];
    struct mr_io *tx_io[MR_QUEUES_MAX];
    int rx_node[MR_QUEUES_MAX], tx_node[MR_QUEUES_MAX]; /* of the queue's core, for its memory; -1 = anywhere */
    uint32_t tx_ring_frames; /* frames that may be under way per sending queue, a power of two */
    const struct mr_arena *arena; /* where all chunks of all ports lie; lives longer than the port */
    uint32_t chunk_bytes;    /* from one small chunk to the next; none crosses an MR_ARENA_PAGE */
    struct mr_pool *const *pools; /* all homes of the arena, n_pools; before the cores run they may be taken from */
    uint32_t n_pools;
    const struct mr_config *config; /* the whole of it: for what concerns all ports of a driver together */
    struct mr_port *const *ports; /* all ports of the engine, those opened so far non-NULL, ordered by number */
    uint32_t n_ports;
};

/* mr_link_reason: what a frame dies of that a device in this state refuses. */
static inline enum mr_drop mr_link_reason(uint32_t link)
{
    static const uint8_t reasons[] = {[MR_LINK_UP] = MR_DROP_tx_refused, [MR_LINK_DOWN] = MR_DROP_link_down,
                                      [MR_LINK_NO_CARRIER] = MR_DROP_no_carrier, [MR_LINK_GONE] = MR_DROP_device_gone};
    return (enum mr_drop)reasons[link];
}

/* mr_txq_refused: the device would not take a frame and does not say why. The counter waits for control's verdict; a
 * witness is told what is known by now, which may be tx_refused where the verdict, milliseconds later, is no_carrier. */
static inline void mr_txq_refused(struct mr_txq *q, const struct mr_frame *frame)
{
    mr_store_release(&q->refused, q->refused + 1);
    mr_tell_died(q->witness, frame, 1, mr_link_reason(mr_load_acquire(&q->port->link)));
}

/* How many queues of a driver one core has, and how large their tables must be: for io_create. */
struct mr_io_setup {
    uint32_t core;
    int node;
    uint32_t n_rxq, n_txq;
    uint32_t rx_buffers; /* Σ buffers (small and big) over the core's receiving queues */
    uint32_t tx_frames;  /* Σ tx_ring_frames over its sending queues */
    struct mr_pool *pool;       /* the core's home; NULL when it neither receives nor copies */
    struct mr_recycle *recycle; /* the core's way of sending chunks home */
};

struct mr_probe {
    bool usable;
    char reason[300];  /* why not, with the fix; or the mode when usable */
};

enum mr_doorbell { MR_DOORBELL_SEND = 1, MR_DOORBELL_RECEIVE = 2, MR_DOORBELL_WAIT = 4 };
#define MR_WAIT_MS 10 /* how long a core sleeps in a call at most: as long control waits for it */

/* What a driver can; static facts, shown by `millrace drivers` and matched by plan. */
struct mr_caps {
    const char *copies;            /* per frame between device and chunk, for people: "0", "1 (socket → chunk)" */
    uint32_t rx_copies, tx_copies; /* the number itself */
    const char *syscalls;          /* per burst, for people */
    bool needs_device;             /* an interface */
    bool makes_device;             /* opening a port makes its interface, closing removes it; so does reopening: its return
                                      is not waited for */
    bool device_queues;            /* queue n is the device's own queue n: nobody else has it, so one port has the device, and what
                                      the device puts into queues that the port has not does not come to it */
    bool own_names;                /* its devices are named in a way of its own: plan looks for no interface of that name */
    bool completes_at_return;      /* a send is complete when tx_burst returns: the stage takes the chunks itself */
    bool takes_home;               /* sends chunks home itself, on the sending core, some before tx_burst returns: reclaim
                                      hands none out */
    bool waits;                    /* receives only what there are chunks for, and loses nothing by it */
    bool offloads;                 /* carries partial checksums and super-frames when asked */
    uint32_t max_queues;
    uint32_t core_files, queue_files; /* descriptors that it opens for each core, and for each queue */
};

struct mr_driver {
    const char *name;
    const char *summary;
    const char *interface_form; /* how an interface is written as its device, a format of the port's number and the name;
                                   NULL = by its name */
    struct mr_caps caps;
    /* check: whether a port's keys can be, before anything is opened: the name of one that cannot, and why in text; NULL =
     * all can. NULL = there is nothing that the table of keys does not tell. */
    const char *(*check)(const struct mr_port_config *config, char *why, size_t bytes);
    int (*probe)(struct mr_probe *probe);
    int (*io_create)(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
    void (*io_destroy)(struct mr_io *io);
    int (*open)(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err);
    int (*attach)(struct mr_io *io, struct mr_error *err);
    /* rx_burst: up to n received frames, descriptors complete (tick from q->tick). n <= MR_BATCH_MAX. */
    uint32_t (*rx_burst)(struct mr_rxq *q, struct mr_frame *frames, uint32_t n);
    /* tx_burst: how many of the n frames the driver took; the rest stays the caller's. */
    uint32_t (*tx_burst)(struct mr_txq *q, const struct mr_frame *frames, uint32_t n);
    /* reclaim: up to n chunks whose sends are over, to go home. Unused when caps.completes_at_return. */
    uint32_t (*reclaim)(struct mr_txq *q, uint32_t *chunks, uint32_t n);
    /* doorbell: once a pass per io, after all stages: hand sends to the kernel, fetch what it received (`what` is both, but for
     * passes whose time is being split). Returns completions seen. Required with io_create. MR_DOORBELL_WAIT, alone, of an io that
     * waits: nothing is under way, sleep until a frame comes, MR_WAIT_MS at most; whether it slept. The frame is rx_burst's. */
    uint32_t (*doorbell)(struct mr_io *io, uint32_t what);
    bool (*rx_quiesce)(struct mr_rxq *q);
    /* rx_settle: whoever in the kernel may still deliver to a closed queue of these n ports is waited for. NULL = nobody may. */
    void (*rx_settle)(struct mr_port *const *ports, uint32_t n);
    /* Of drivers with a device; NULL = theirs cannot go away. rx_halt: what was received is still handed out first. The
     * resumes: 0 or -errno. reopen: may fail, and is tried again; what it opened until then is closed. */
    bool (*rx_halt)(struct mr_rxq *q);
    bool (*tx_halt)(struct mr_txq *q);
    int (*reopen)(struct mr_port *port, struct mr_error *err);
    int (*rx_resume)(struct mr_rxq *q);
    int (*tx_resume)(struct mr_txq *q);
    void (*detach)(struct mr_io *io, uint64_t deadline_ns); /* may be NULL */
    int (*carrier)(struct mr_port *port); /* control, of a device that the kernel does not know: 1, 0, -1 = no telling; may be NULL */
    void (*stats)(struct mr_port *port, struct mr_outsides *out); /* cumulative since open */
    void (*close)(struct mr_port *port);
    /* chunks_back: after close, chunks the device or kernel still held come back: up to n of them; 0 = no more. May be NULL. */
    uint32_t (*chunks_back)(struct mr_port *port, uint32_t *chunks, uint32_t n);
    void (*destroy)(struct mr_port *port); /* frees queues and state, not the struct mr_port; closes when still open */
    /* report: the driver's own facts for the JSON report (json_t *, new reference), may be NULL. */
    void *(*report)(struct mr_port *port);
    /* uses_file: an open port: what it does to this regular file, "reads" or "writes"; NULL = nothing. So that nobody else
     * writes over it. NULL = the driver's ports have no files. */
    const char *(*uses_file)(const struct mr_port *port, uint64_t device, uint64_t inode);
};

/* port.c: the table of drivers. mr_driver_at: the i-th, built in or not; NULL behind the last. */
struct mr_driver_entry {
    const char *name;
    const struct mr_driver *driver; /* NULL: not built in */
    const char *why_not;            /* then: the build option that brings it */
};
const struct mr_driver_entry *mr_driver_at(uint32_t i);
const struct mr_driver *mr_driver_find(const char *name);

/* mr_outside_add: helper for stats. */
static inline void mr_outside_add(struct mr_outsides *o, const char *name, uint64_t count, const char *within, bool is_loss)
{
    if (o->n < MR_OUTSIDE_MAX) {
        struct mr_outside *at = &o->at[o->n++];
        size_t length = strnlen(name, sizeof at->name - 1);
        memcpy(at->name, name, length);
        at->name[length] = 0;
        at->within = within;
        at->count = count;
        at->is_loss = is_loss;
    }
}

#endif
