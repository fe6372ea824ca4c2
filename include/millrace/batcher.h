/* batcher.h: the policy that forms batches, a pure state machine.
 *
 * Asked where a batch forms, told afterwards what the batch cost. Time and queue depth come in, take-how-many or
 * flush-now or hold-until comes out: no clock and no I/O inside, so a table of cases tests it. One per (work stage,
 * output), used by that stage's core only. Time is in TSC ticks.
 *
 *   natural   pull while input is visible, flush on the first empty look; never more than `cap` frames behind one flush
 *
 * A policy of one's own is another pair of functions with the same contract.
 */
#ifndef MILLRACE_BATCHER_H
#define MILLRACE_BATCHER_H

#include <millrace/atomic.h>

/* What the batcher sees. */
struct mr_batch_view {
    uint64_t now;     /* ticks */
    uint32_t visible; /* frames in the input that could be taken now */
    uint32_t held;    /* frames worked on and not yet flushed to this output */
};

enum mr_batch_action {
    MR_BATCH_TAKE,  /* take `take` frames more from the input */
    MR_BATCH_FLUSH, /* hand what is held to the output now */
    MR_BATCH_HOLD,  /* neither, until `until` or until more input is visible */
};

struct mr_batch_decision {
    enum mr_batch_action action;
    uint32_t take;
    uint64_t until; /* ticks; MR_BATCH_HOLD only: when the core must ask again, UINT64_MAX = when input comes */
};

struct mr_batcher {
    uint32_t cap; /* frames: the most that one flush hands over */
    uint64_t flushes;
    uint64_t frames; /* in those flushes */
    uint64_t ticks;  /* that their work took */
};

/* mr_batcher_init: cap 1 … 256 frames. */
static inline void mr_batcher_init(struct mr_batcher *b, uint32_t cap)
{
    __builtin_memset(b, 0, sizeof *b);
    b->cap = cap;
}

/* mr_batcher_decide: what to do next. With nothing visible and nothing held: hold until input comes. */
static inline struct mr_batch_decision mr_batcher_decide(const struct mr_batcher *b, const struct mr_batch_view *v)
{
    struct mr_batch_decision d = {MR_BATCH_HOLD, 0, UINT64_MAX};
    uint32_t room = b->cap > v->held ? b->cap - v->held : 0;
    if (v->visible != 0 && room != 0) {
        d.action = MR_BATCH_TAKE;
        d.take = v->visible < room ? v->visible : room;
    } else if (v->held != 0) {
        d.action = MR_BATCH_FLUSH;
    }
    return d;
}

/* mr_batcher_account: a flush of n frames happened, and working on them took so many ticks. */
static inline void mr_batcher_account(struct mr_batcher *b, uint32_t n, uint64_t ticks)
{
    b->flushes++;
    b->frames += n;
    b->ticks += ticks;
}

#endif
