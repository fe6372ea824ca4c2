/* stage.h: what a core polls. Three kinds, the same in every layout.
 *
 *   RX    a receiving queue → one ring
 *   work  one ring per receiving queue of its path → its work functions → one ring per output port
 *   TX    one ring per work stage that sends by it → a sending queue; chunks go home
 *
 * poll moves what it can and never waits; tick runs in housekeeping (about each 100 us); quiesce is asked in housekeeping once
 * RX is off, until it says that nothing more will come in. All three run on the stage's core. Counters are written by
 * that core only. No poll logs, allocates or locks.
 */
#ifndef MILLRACE_ENGINE_STAGE_H
#define MILLRACE_ENGINE_STAGE_H

#include <millrace/batcher.h>
#include <millrace/histogram.h>
#include <millrace/work.h>

#include "lib/engine/cut.h"
#include "lib/engine/plan.h"
#include "lib/port/port.h"

struct mr_core;
struct mr_stage_witness;

struct mr_stage {
    enum mr_stage_kind kind;
    struct mr_core *core;
    const struct mr_plan_stage *plan;
    /* poll: frames moved. now: TSC of this pass. */
    uint32_t (*poll)(struct mr_stage *s, uint64_t now);
    void (*tick)(struct mr_stage *s, uint64_t now);
    bool (*quiesce)(struct mr_stage *s);
    /* holding: frames that are inside the stage or in the rings it reads; its own core, or any thread when all stand still. */
    uint64_t (*holding)(struct mr_stage *s);
    struct mr_stage_witness *witness; /* NULL: nobody looks; set before the core starts, taken out by the core */
    uint32_t blocked; /* this pass: had something to move and no room for it */
    struct mr_stage_counters counters;
    struct mr_batch_counts batches;
    struct mr_stage_cut cut; /* the core writes when asked, then control reads */
};

struct mr_stage_rx {
    struct mr_stage stage;
    struct mr_rxq *q;
    uint32_t (*rx_burst)(struct mr_rxq *q, struct mr_frame *frames, uint32_t n);
    struct mr_ring *out;
    uint32_t burst;
    bool off;
    uint64_t first; /* TSC of the pass that brought the first frame */
};

struct mr_work_output {
    struct mr_ring *ring;
    struct mr_batcher batcher;
    uint32_t held; /* advanced in the ring, not yet published */
};

#define MR_OUTPUT_NONE 0xFFu

/* How a work function broke its contract. */
enum mr_breach {
    MR_BREACH_NONE,
    MR_BREACH_LONGER,
    MR_BREACH_SHORTER,
    MR_BREACH_ARRAY,
    MR_BREACH_COPIES,
    MR_BREACH_OUTPUT,
    MR_BREACH_CHUNK,  /* from here on: seen by debug builds only */
    MR_BREACH_BOUNDS,
    MR_BREACH_MARKED,
    MR_BREACH_COUNT
};

struct mr_stage_work {
    struct mr_stage stage;
    struct mr_recycle *recycle;
    uint32_t n_in, next_in;
    uint32_t n_out;
    uint32_t n_works;
    bool chooses;             /* some function of the path picks the output; else all goes to output 0 */
    bool drops_when_full;
    struct mr_ring **in;
    uint8_t output_of[128];   /* port number → index into out, or MR_OUTPUT_NONE */
    struct mr_work_output out[MR_PORTS_MAX];
    struct mr_work works[MR_WORKS_MAX];
    uint64_t work_counters[MR_WORKS_MAX][MR_WORK_COUNTERS_MAX];
    uint32_t n_reasons;       /* own drop reasons of the works: words of MR_DROP_ENGINE_COUNT … */
    const char *reasons[MR_DROP_MAX - MR_DROP_ENGINE_COUNT];
    const char *reason_works[MR_DROP_MAX - MR_DROP_ENGINE_COUNT]; /* the function that each belongs to */
    uint32_t breach;          /* enum mr_breach, the first; the core writes once, control reads */
    const char *breach_by;    /* whose, as of breach */
    uint64_t breaches[MR_WORKS_MAX]; /* calls after which a function had not kept its contract */
    uint64_t lost_chunks;     /* that a function hid where nobody finds them */
    uint32_t n_initialised;   /* functions whose init succeeded: those to fini */
    struct mr_frame *made;    /* copies of one burst: MR_BATCH_MAX × (outputs - 1) */
    uint32_t made_max;
    unsigned char *base;      /* the arena's */
    uint64_t ticks0, ns0;     /* to tell work functions the time in ns */
    double ns_per_tick;
};

/* Frames sent in one pass with the same receive tick: recorded with the next pass's clock, when they really left. */
struct mr_latency_run {
    uint32_t tick, n;
};

#define MR_LATENCY_RUNS 64u

struct mr_stage_tx {
    struct mr_stage stage;
    struct mr_txq *q;
    uint32_t (*tx_burst)(struct mr_txq *q, const struct mr_frame *frames, uint32_t n);
    uint32_t (*reclaim)(struct mr_txq *q, uint32_t *chunks, uint32_t n); /* NULL: complete at return */
    struct mr_recycle *recycle;
    uint32_t burst;
    uint32_t n_in, next_in;
    struct mr_ring **in;
    uint32_t link;             /* enum mr_link_state that poll is for */
    bool takes_home;           /* the driver, and itself hands frames to the sender */
    bool measures;             /* latency */
    bool ticks_rise;           /* one receiving queue feeds each ring: equal ends mean equal ticks between */
    uint32_t n_runs;
    struct mr_latency_run runs[MR_LATENCY_RUNS];
    struct mr_histogram undisturbed; /* unit: 16 TSC ticks */
    struct mr_histogram disturbed;   /* a gap of the host fell between receive and send */
};

void mr_stage_rx_init(struct mr_stage_rx *s);
void mr_stage_work_init(struct mr_stage_work *s);
void mr_stage_tx_init(struct mr_stage_tx *s);

/* mr_stage_tx_finish: after the last pass, on the stage's core: latency and chunks that are still noted. */
void mr_stage_tx_finish(struct mr_stage_tx *s, uint64_t now);

/* mr_stage_tx_poll: while the device is up. mr_stage_tx_settle: record the latencies that are noted. mr_stage_tx_reclaim:
 * chunks whose sends are over go home. */
uint32_t mr_stage_tx_poll(struct mr_stage *stage, uint64_t now);
void mr_stage_tx_settle(struct mr_stage_tx *s, uint64_t now);
void mr_stage_tx_reclaim(struct mr_stage_tx *s);

/* stage_link.c: what becomes of the device, as control tells it: in housekeeping. */
void mr_stage_rx_follow(struct mr_stage_rx *s);
void mr_stage_tx_follow(struct mr_stage_tx *s, uint64_t now);

/* mr_stage_tx_count_refused: at the end, with no control to ask: what was refused and not yet judged. */
void mr_stage_tx_count_refused(struct mr_stage_tx *s);

#endif
