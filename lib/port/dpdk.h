/* dpdk.h: the DPDK driver's own structs: any poll-mode driver (PMD) of DPDK, on our chunks. Private to lib/port/dpdk*.c.
 *
 * needs            DPDK 22.11 or newer, what the PMD needs; huge pages, or 32 MiB of plain ones (said in the mode)
 * copies per frame 0 by us, 1 of a frame that came in several buffers; what the PMD copies is its own affair (net_af_packet 1 in, 1 out)
 * system calls     the PMD's: net_af_packet 1 per sending burst, none for a NIC
 * owner of a frame received: ours from rx_burst's return; sent: the PMD's from tx_burst's return until it frees the mbuf
 *
 * One rte_mempool lies over the whole arena (dpdk_pool.c): an object is the mbuf at chunk + 64, and free chunks stay where
 * they are, on the free lists of their homes, behind mempool operations of ours. So what a PMD receives leaves by any
 * driver, and back, with no byte copied. A PMD frees what it sent on the core that sends: there chunks take their home's
 * way, without the engine. DPDK's cache per thread stays in use where all chunks of a core are small ones of its own home;
 * elsewhere it would hand chunks of one home to a core of another, or big ones to a device that asked for any.
 *
 * How many chunks a device holds is counted by looking at what left the free lists and the cache across each burst:
 * mr_dpdk_out. What control did before the cores ran is counted too (mr_dpdk_arena.lent).
 *
 * EAL starts once per process, with the first port, and stays; devices come and go (dpdk_eal.c).
 */
#ifndef MILLRACE_PORT_DPDK_H
#define MILLRACE_PORT_DPDK_H

#include "lib/port/port.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define MR_DPDK_MBUF  64u  /* of an object in its chunk */
#define MR_DPDK_CACHE 256u /* objects of a core's cache; it flushes at one and a half */

MR_STATIC_ASSERT(MR_DPDK_MBUF + sizeof(struct rte_mbuf) == MR_CHUNK_META, "the mbuf ends where our own words begin");

/* The mempool over an arena; shared by all ports of an engine, made by the first and gone with the last. */
struct mr_dpdk_arena {
    struct mr_dpdk_arena *next;
    const struct mr_arena *memory;
    struct rte_mempool *mempool;
    struct mr_pool *const *homes;
    uint32_t n_homes;
    uint32_t ports;            /* that use it */
    uint32_t mapped;           /* PCI devices that reach it through VFIO's table */
    uint32_t attached;         /* threads of cores that may use it now */
    struct mr_pool *filling;   /* open: the home that control's allocations come from */
    uint32_t lent;             /* chunks taken by threads that are no core, less those they gave back */
    uint32_t refused;          /* allocations of such threads while cores ran: they have no home to take from */
    unsigned char *marks;      /* a byte per line of the arena: 1 + number of the port whose device holds the chunk that
                                  begins there. NULL: every device of the engine gives back what it holds */
    unsigned char marking;     /* of control: what to mark its allocations with; 0 = nothing */
};

/* A core's thread. */
struct mr_dpdk_core {
    struct mr_io io;
    struct mr_pool *pool;       /* NULL: it never receives */
    struct mr_recycle *recycle;
    struct mr_dpdk_arena *arena;
    struct rte_mempool_cache *cache; /* of this thread; between attach and detach */
    uint32_t drawn;             /* chunks that left by our operations on this thread, less those that came back */
    int32_t rings;              /* chunks sent into software rings here, less those received from one */
    unsigned char marking;      /* as the arena's, for this thread */
};

struct mr_dpdk_port {
    struct mr_port *port;
    struct mr_dpdk_arena *arena;
    char name[64];              /* EAL's name of the device: "net_null0", "0000:03:00.0" */
    const char *pmd;
    uint16_t id;
    bool plugged;               /* by us, or for us by EAL: unplugged at close */
    bool pci;
    bool mapped;                /* counted in arena->mapped */
    bool silent;                /* net_af_packet whose sockets were not found */
    uint32_t scatters;          /* MTU that long_frames raised the device's to; 0: it did not */
    bool is_open;
    bool is_ring;               /* net_ring: what one port sends another receives, in the same chunk */
    bool keeps;                 /* net_af_xdp: does not give back what it holds */
    bool rss;
    uint32_t mtu;
    uint32_t pairs;             /* queues set up on both sides */
    int sockets[MR_QUEUES_MAX]; /* of net_af_packet, the PMD's */
    uint32_t n_sockets;
    uint32_t slot_bytes;        /* of their rings */
    uint64_t tp_drops;          /* that they counted so far */
    struct mr_outsides last;    /* as of close */
};

struct mr_dpdk_rxq {
    struct mr_rxq q;
    struct mr_dpdk_core *core;
    int32_t *holds;       /* where the chunks of its device are counted: q.held, or the core's rings */
    uint16_t id, queue;
    unsigned char mark;   /* 1 + port number when the device keeps chunks, else 0 */
    bool is_ring;
    bool closing, closed;
    uint32_t left;        /* closing: frames that are still taken */
    uint64_t gathered;    /* frames that came in several buffers and were copied into one; written by the core */
};

#define MR_DPDK_HEADER_AND_TAG 18u /* of a frame, beside its MTU */

struct mr_dpdk_txq {
    struct mr_txq q;
    struct mr_dpdk_core *core;
    int32_t *holds;
    uint16_t id, queue;
    unsigned char mark;
    uint32_t longest;     /* frame that the device takes now */
    uint32_t widest;      /* longest, as it was opened */
    uint32_t mtu;         /* port->mtu that longest is of; 0: of none yet */
    struct rte_mbuf *waiting; /* its checksum was completed, and the device had no room: sent before all else */
};

static inline struct mr_dpdk_core *mr_dpdk_core_of(struct mr_io *io)
{
    return MR_CONTAINER_OF(io, struct mr_dpdk_core, io);
}

/* mr_dpdk_out: chunks that are neither on a free list nor in this thread's cache by doing of this thread; differences
 * of it tell what a burst took or gave back. */
static inline uint32_t mr_dpdk_out(const struct mr_dpdk_core *c)
{
    return c->drawn - c->cache->len;
}

static inline uint32_t mr_dpdk_chunk(const unsigned char *base, const struct rte_mbuf *m)
{
    return (uint32_t)((size_t)((const unsigned char *)m - MR_DPDK_MBUF - base) / MR_CACHE_LINE);
}

static inline struct rte_mbuf *mr_dpdk_mbuf(unsigned char *base, uint32_t chunk)
{
    return (struct rte_mbuf *)(void *)(mr_chunk_at(base, chunk) + MR_DPDK_MBUF);
}

/* dpdk_device.c: control. mr_dpdk_start: the port's queues exist; the device gets its own, and runs. */
int mr_dpdk_start(struct mr_dpdk_port *p, const struct rte_eth_dev_info *info, const struct mr_port_setup *setup,
                  struct mr_error *err);

int mr_dpdk_carrier(struct mr_port *port);

/* dpdk_eal.c. mr_dpdk_eal: starts EAL, or finds it running; cfg may be NULL: for a probe. mr_dpdk_plug: the port's device,
 * by its name; p->id and p->name filled. mr_dpdk_said: the cause among what EAL or a PMD logged since mr_dpdk_hush, one
 * line, "" = none. */
int mr_dpdk_eal(const struct mr_config *cfg, struct mr_error *err);
int mr_dpdk_plug(struct mr_dpdk_port *p, struct mr_error *err);
void mr_dpdk_unplug(struct mr_dpdk_port *p);
void mr_dpdk_hush(void); /* forget what was logged so far */
void mr_dpdk_mute(bool mute); /* what is printed goes to the log, until it is called again */
const char *mr_dpdk_said(void);

/* dpdk_fix.c. mr_dpdk_check_words: arguments that a PMD would refuse without a word, or die of. mr_dpdk_fix: what to do about
 * such a cause; "" where it says so itself. */
int mr_dpdk_check_words(const struct mr_dpdk_port *p, const char *arguments, struct mr_error *err);
const char *mr_dpdk_fix(const struct mr_dpdk_port *p, const char *cause);

/* dpdk_pool.c: control. mr_dpdk_arena_get: the mempool over the setup's arena. */
int mr_dpdk_arena_get(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err);
void mr_dpdk_arena_put(struct mr_dpdk_arena *a);

/* dpdk_map.c: control. mr_dpdk_map: from here on the port's device may write and read the arena's chunks.
 * mr_dpdk_unmap: it is closed, and does no more. */
int mr_dpdk_map(struct mr_dpdk_port *p, struct mr_error *err);
void mr_dpdk_unmap(struct mr_dpdk_port *p);
int mr_dpdk_arena_mark(struct mr_dpdk_arena *a); /* from here on chunks that devices hold are marked; 0 or -ENOMEM */

/* mr_dpdk_marked: up to n chunks that bear this mark, which they lose. */
uint32_t mr_dpdk_marked(struct mr_dpdk_arena *a, unsigned char mark, uint32_t *chunks, uint32_t n);

/* dpdk_core.c: io_create … detach. */
int mr_dpdk_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
void mr_dpdk_destroy(struct mr_io *io);
int mr_dpdk_attach(struct mr_io *io, struct mr_error *err);
uint32_t mr_dpdk_doorbell(struct mr_io *io, uint32_t what);
void mr_dpdk_detach(struct mr_io *io, uint64_t deadline_ns);
struct mr_dpdk_core *mr_dpdk_mine(void); /* of the calling thread; NULL: it is no core */
bool mr_dpdk_may_cache(const struct mr_dpdk_core *c); /* DPDK's own, of this thread */

/* dpdk_rx.c, dpdk_tx.c: the core. */
uint32_t mr_dpdk_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n);
bool mr_dpdk_rx_quiesce(struct mr_rxq *rxq);
uint32_t mr_dpdk_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n);
uint32_t mr_dpdk_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n);

/* dpdk_packet.c: control; net_af_packet alone. mr_dpdk_packet_note, _find: before and after the device is plugged in.
 * longest: frame that its rings take. drops: frames that found a receiving ring full. left: before the device stops: frames
 * counted as sent that the kernel never took out of the rings. */
void mr_dpdk_packet_note(void);
void mr_dpdk_packet_find(struct mr_dpdk_port *p);
uint32_t mr_dpdk_packet_longest(const struct mr_dpdk_port *p);
uint64_t mr_dpdk_packet_drops(struct mr_dpdk_port *p);
uint64_t mr_dpdk_packet_left(const struct mr_dpdk_port *p);

/* dpdk_probe.c, dpdk_stats.c: control. */
int mr_dpdk_probe(struct mr_probe *probe);
void mr_dpdk_stats(struct mr_port *port, struct mr_outsides *out);
void *mr_dpdk_report(struct mr_port *port);

#endif
