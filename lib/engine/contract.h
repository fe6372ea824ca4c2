/* contract.h: what a work function may not do to its burst, looked at once a call; for stage_work.c.
 *
 * A release build compares counts and pointers: a burst that got longer or shorter, copies that mr_burst_copy did not
 * make, another array. The run goes on, books exact: frames hidden by a lower n die under work_contract, what was added
 * is not believed. It does not see what would cost a look at each frame: a chunk number that was changed, bytes written
 * past the chunk, a frame kept and touched later. A debug build (MR_POOL_DEBUG) looks at those too, and aborts with the
 * function's name.
 */
#ifndef MILLRACE_ENGINE_CONTRACT_H
#define MILLRACE_ENGINE_CONTRACT_H

#include "lib/engine/stage.h"

/* A burst before a function is called. */
struct mr_given {
    struct mr_frame *frames;
    uint32_t n, made_n;
    uint32_t copied; /* by mr_burst_copy, so far */
#ifdef MR_POOL_DEBUG
    uint32_t chunks[MR_BATCH_MAX];
#endif
};

/* mr_contract_broken: function `index` broke it: told, counted, and the burst is put right. */
void mr_contract_broken(struct mr_stage_work *s, uint32_t index, struct mr_burst *b, const struct mr_given *g);

/* mr_contract_note: function `index` (n_works: one of them) did `what`. Aborts in a debug build. */
void mr_contract_note(struct mr_stage_work *s, uint32_t index, enum mr_breach what);

/* mr_contract_text: for people. */
const char *mr_contract_text(enum mr_breach what);

#ifdef MR_POOL_DEBUG
void mr_contract_check(struct mr_stage_work *s, uint32_t index, const struct mr_burst *b, const struct mr_given *g);
#endif

/* Copies that are in `made`; those without a chunk were counted as made and as dropped. */
static inline uint32_t mr_contract_copied(const struct mr_stage_counters *c)
{
    return (uint32_t)(c->made - c->drops[MR_DROP_no_chunk]);
}

static inline void mr_contract_give(const struct mr_stage_work *s, const struct mr_burst *b, struct mr_given *g)
{
    g->frames = b->frames;
    g->n = b->n;
    g->made_n = b->made_n;
    g->copied = mr_contract_copied(&s->stage.counters);
#ifdef MR_POOL_DEBUG
    for (uint32_t i = 0; i < b->n; i++) {
        g->chunks[i] = b->frames[i].chunk;
    }
#endif
}

static inline void mr_contract_take(struct mr_stage_work *s, uint32_t index, struct mr_burst *b, const struct mr_given *g)
{
    uint32_t copies = mr_contract_copied(&s->stage.counters) - g->copied;
    if (MR_UNLIKELY(b->n != g->n || b->frames != g->frames || b->made_n - g->made_n != copies || b->made != s->made ||
                    b->made_max != s->made_max)) {
        mr_contract_broken(s, index, b, g);
    }
#ifdef MR_POOL_DEBUG
    mr_contract_check(s, index, b, g);
#endif
}

#endif
