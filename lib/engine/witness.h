/* witness.h: what a stage tells while somebody looks (a trace, a capture tap): one per stage, NULL in the stage while nobody does.
 *
 * Its calls stand in the stages behind one test per batch, never in a loop over frames. All run on the stage's core. The
 * base is what drivers and work functions are given, so that they can say where a frame died (millrace/witness.h).
 */
#ifndef MILLRACE_ENGINE_WITNESS_H
#define MILLRACE_ENGINE_WITNESS_H

#include "lib/engine/tap.h"
#include "lib/engine/trace.h"

/* A marked frame as a work function was given it. */
struct mr_witness_before {
    struct mr_frame frame;
    uint32_t index;
    unsigned char head[MR_TRACE_HEAD];
};

struct mr_stage_witness {
    struct mr_witness base;
    struct mr_stage *stage;
    uint32_t index;             /* of the stage */
    const unsigned char *arena; /* its base */
    struct mr_ring *const *rings; /* of the engine, to number them */
    uint32_t n_rings, n_ports;
    uint64_t arena_bytes;
    uint32_t n_taps;
    struct mr_tap_here taps[MR_TAPS_MAX]; /* those of drops stand last */
    const char *comment_file;   /* what `comment` is about */
    uint32_t comment_line, comment_reason;
    char comment[240];
    struct mr_trace *trace;     /* NULL: no trace, or an RX stage once all ids are taken */
    struct mr_trace_log *log;   /* NULL: no trace */
    /* TX: marked frames that the driver has; RX and work: none */
    uint32_t *flying;
    uint32_t n_flying, max_flying;
    uint64_t handed;            /* ticks when the burst that is being sent began */
    /* work: marked frames of the burst that is being worked on */
    uint32_t function, n_before;
    struct mr_witness_before before[MR_BATCH_MAX];
};

struct mr_engine;

/* mr_witness_attach: one for each stage that a trace or a tap looks at; before the cores start. 0, or -ENOMEM with err filled, and
 * no stage has one. mr_witness_free: when the cores have ended. witness_attach.c */
int mr_witness_attach(struct mr_engine *e, struct mr_error *err);
void mr_witness_free(struct mr_engine *e);

/* mr_witness_init: the calls of its base. */
void mr_witness_init(struct mr_stage_witness *w);

/* mr_witness_received: an RX stage has frames, not yet in its ring. Marks what shall be traced. */
void mr_witness_received(struct mr_stage_rx *s, struct mr_frame *frames, uint32_t n);

/* mr_witness_process: run the path's function i over the burst, and write down what it did to marked frames. */
void mr_witness_process(struct mr_stage_work *s, uint32_t i, struct mr_burst *b);

/* mr_witness_worked: all functions are done. */
void mr_witness_worked(struct mr_stage_work *s, const struct mr_burst *b);

/* mr_witness_hand, mr_witness_handed: before tx_burst, and after: it took `sent` of n frames. */
void mr_witness_hand(struct mr_stage_tx *s, const struct mr_frame *frames, uint32_t n);
void mr_witness_handed(struct mr_stage_tx *s, const struct mr_ring *in, const struct mr_frame *frames, uint32_t n,
                       uint32_t sent);

/* mr_witness_reclaimed: the driver gave these chunks back. */
void mr_witness_reclaimed(struct mr_stage_tx *s, const uint32_t *chunks, uint32_t n);

/* witness_tap.c. mr_witness_show: frames pass a place of the stage. mr_witness_remember: frames go to a driver that may forget
 * where they lie. mr_witness_show_dead, mr_witness_show_refused: as mr_witness.died and refused. */
void mr_witness_show(struct mr_stage_witness *w, enum mr_tap_place place, const struct mr_frame *frames, uint32_t n);
void mr_witness_remember(struct mr_stage_witness *w, const struct mr_frame *frames, uint32_t n);
void mr_witness_show_dead(struct mr_stage_witness *w, const struct mr_frame *frames, uint32_t n, uint32_t reason,
                          const char *file, uint32_t line);

void mr_witness_show_refused(struct mr_stage_witness *w, const unsigned char *data, uint32_t length, uint32_t reason,
                             const char *file, uint32_t line);

/* mr_witness_reason: as totals.drops names it: "mtu", "l2.same_port"; maybe in text. mr_witness_file: without directories. */
const char *mr_witness_reason(const struct mr_stage *stage, uint32_t reason, char *text, size_t bytes);
const char *mr_witness_file(const char *file);

/* mr_witness_base: for drivers and bursts; NULL for NULL. */
static inline struct mr_witness *mr_witness_base(struct mr_stage_witness *w)
{
    return w == NULL ? NULL : &w->base;
}

#endif
