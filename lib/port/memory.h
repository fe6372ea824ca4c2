/* memory.h: the memory driver's own structs: a source and a sink that need no device. Private to lib/port/memory*.c.
 *
 * Source: makes frames by lib/traffic when they are due, into chunks of its core's pool. Sink: counts what it is given
 * and, asked to, verifies it; a send is over when tx_burst returns, the stage takes the chunks home. With content:
 * descriptors no byte of a frame is touched on either side: what then remains is the cost of the engine itself.
 *
 * A source queue has ended when it made its share of `frames`, or was quiesced; a port that is no source has ended from
 * the start. A source without `frames` ends only by being quiesced. A sink has nothing to end: it takes all it is given.
 */
#ifndef MILLRACE_PORT_MEMORY_H
#define MILLRACE_PORT_MEMORY_H

#include "lib/port/port.h"
#include "lib/traffic/flows.h"
#include "lib/traffic/schedule.h"
#include "lib/traffic/sizes.h"
#include "lib/traffic/verify.h"
#include "lib/traffic/window.h"

/* From ticks to ns of CLOCK_MONOTONIC, by one instant at which both were read: near it, a double is exact enough. */
struct mr_memory_clock {
    uint64_t tick0, ns0;
    double ns_per_tick;
};

static inline uint64_t mr_memory_ns(const struct mr_memory_clock *c, uint64_t ticks)
{
    return c->ns0 + (uint64_t)(int64_t)((double)(int64_t)(ticks - c->tick0) * c->ns_per_tick);
}

/* What a sink queue took in of the frames that a window may be waiting for. */
struct mr_memory_returned {
    uint64_t frames MR_ALIGNED(MR_LINE_PAIR); /* the sink queue writes, window's sources read */
};

struct mr_memory {
    struct mr_port *port;
    struct mr_memory *window_sink;  /* whose sink closes the window; set by control before the cores run */
    struct mr_memory_clock clock;
    struct mr_fill *fill;
    struct mr_flow_line *lines;     /* of a source that writes shortest frames: one per flow; else NULL */
    uint32_t n_flows;
    uint64_t timeout_ticks;         /* of the window */
    struct mr_window window;
    struct mr_memory_returned returned[MR_QUEUES_MAX];
};

struct mr_memory_source {
    struct mr_rxq q;
    struct mr_memory *memory;
    struct mr_schedule schedule;
    struct mr_size_draw sizes;
    struct mr_flows flows;
    struct mr_frame form;   /* of every descriptor: offset, port; length when there is one */
    uint64_t left;          /* frames still to make; UINT64_MAX = endless */
    uint32_t small_room;    /* longest frame that a small chunk holds */
    uint32_t length;        /* of the next frame */
    uint32_t flow;          /* of the next frame: this queue's are first_flow, + stride, … */
    uint32_t first_flow, stride;
    uint32_t sequence;      /* the same for all flows of one round */
    bool started;
    bool writes;            /* content: full */
    bool paced;             /* has a rate */
    struct mr_window_watch watch;
};

struct mr_memory_sink {
    struct mr_txq q;
    struct mr_memory *memory;
    struct mr_memory_returned *returned;
    bool verifies;
    void *seen;
    struct mr_verify verify;
    struct mr_histogram latency;
};

/* memory_source.c. mr_memory_source_init: -EINVAL with err filled for sizes that no chunk of the pool holds. */
int mr_memory_source_init(struct mr_memory_source *s, struct mr_memory *m, uint32_t queue,
                          const struct mr_port_setup *setup, struct mr_error *err);
uint32_t mr_memory_rx_burst(struct mr_rxq *q, struct mr_frame *frames, uint32_t n);
bool mr_memory_rx_quiesce(struct mr_rxq *q);

/* memory_sink.c. mr_memory_sink_init: -ENOMEM. */
int mr_memory_sink_init(struct mr_memory_sink *s, struct mr_memory *m, uint32_t queue, int node);
void mr_memory_sink_fini(struct mr_memory_sink *s);
uint32_t mr_memory_tx_burst(struct mr_txq *q, const struct mr_frame *frames, uint32_t n);

#endif
