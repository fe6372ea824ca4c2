/* cut.h: what a core counts of itself between two passes, for control to add up while everything runs.
 *
 * Control puts a number into the core's mailbox (cut_wanted); the core, in housekeeping, copies its counters and cursors
 * and publishes the number (cut_taken). Until control wants the next one the copy is control's to read. Within a cut
 * nothing is under way: what a stage took in, it has handed on, dropped, or holds. Between the cuts of two cores a ring
 * goes on moving, and that is no error: frames in it = the producer's tail at the producer's cut - the consumer's head
 * at the consumer's cut, below 0 where the consumer was asked later. Cursors run freely through 2^32 from 0 on, so sums
 * of them are compared by difference; cuts of one round are taken within seconds.
 */
#ifndef MILLRACE_ENGINE_CUT_H
#define MILLRACE_ENGINE_CUT_H

#include <stdint.h>

struct mr_core;

/* One stage with its queue. */
struct mr_stage_cut {
    uint64_t frames;       /* went through */
    uint64_t rx, made, tx; /* frames received (RX), made here (RX of a source, work), sent (TX) */
    uint64_t drops;        /* Σ all reasons */
    uint64_t in_queue;     /* TX: frames that the driver took and has neither sent nor dropped */
    uint32_t heads, tails; /* Σ cursors: of the rings it reads, of those it fills (what it holds back unpublished too) */
    uint64_t lost;         /* chunks that a work function hid */
    uint32_t receiving, received, sending; /* chunks of its queue: posted, full and not yet taken, not yet reclaimed */
};

/* What a core holds beside its stages. */
struct mr_core_cut {
    uint64_t free;         /* chunks on its home's free lists */
    uint64_t side;         /* on its home's side list */
    int64_t kept;          /* in drivers' own caches, with its sign: see mr_io */
    uint32_t sent_home;    /* Σ tails of the recycle rings that it fills */
    uint32_t came_home;    /* Σ heads of those that it empties */
};

/* mr_cut_take: the core, in housekeeping. */
void mr_cut_take(struct mr_core *c);

#endif
