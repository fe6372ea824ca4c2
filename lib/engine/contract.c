#include "lib/engine/contract.h"
#include "lib/engine/witness.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const texts[MR_BREACH_COUNT] = {
    [MR_BREACH_NONE] = "kept it",
    [MR_BREACH_LONGER] = "raised n: frames that it was not given are not there",
    [MR_BREACH_SHORTER] = "lowered n: what it hid is dropped; to drop a frame, call mr_burst_drop",
    [MR_BREACH_ARRAY] = "changed where frames or made point, or made_max; they are the engine's",
    [MR_BREACH_COPIES] = "changed made_n; copies are made by mr_burst_copy only",
    [MR_BREACH_OUTPUT] = "named an output or a drop reason that its path does not have",
    [MR_BREACH_CHUNK] = "changed a frame's chunk; a frame stays in its chunk",
    [MR_BREACH_BOUNDS] = "left a frame whose bytes lie outside its chunk",
    [MR_BREACH_MARKED] = "marked a frame dropped itself; mr_burst_drop marks it and counts it",
};

const char *mr_contract_text(enum mr_breach what)
{
    return texts[what];
}

static const char *name_of(const struct mr_stage_work *s, uint32_t index)
{
    return index < s->n_works ? s->works[index].ops->name : "one of its functions";
}

void mr_contract_note(struct mr_stage_work *s, uint32_t index, enum mr_breach what)
{
#ifdef MR_POOL_DEBUG
    fprintf(stderr, "millrace: %s: work function %s %s\n", s->stage.plan->name, name_of(s, index), texts[what]);
    abort();
#endif
    if (s->breach == MR_BREACH_NONE) { // the first is told
        __atomic_store_n(&s->breach_by, name_of(s, index), __ATOMIC_RELAXED);
        mr_store_release(&s->breach, what);
    }
    if (index < s->n_works) {
        mr_count(&s->breaches[index], 1);
    }
}

/* Did a slot before this one name its chunk already? */
static bool named_before(const struct mr_frame *frames, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (frames[i].chunk == frames[at].chunk) {
            return true;
        }
    }
    return false;
}

/* Frames from `kept` on are hidden from what follows: they die here. Where a function moved later frames over earlier
 * ones, a chunk is named twice, and another not at all: each goes home once, and those without a name are lost. */
static void bury(struct mr_stage_work *s, const struct mr_frame *frames, uint32_t kept, uint32_t n)
{
    mr_count(&s->stage.counters.drops[MR_DROP_work_contract], n - kept);
    mr_tell_died(mr_witness_base(s->stage.witness), frames + kept, n - kept, MR_DROP_work_contract);
    for (uint32_t i = kept; i < n; i++) {
        if (named_before(frames, i)) {
            mr_count(&s->lost_chunks, 1);
        } else {
            mr_recycle_put(s->recycle, &frames[i].chunk, 1);
        }
    }
}

static void mend_frames(struct mr_stage_work *s, uint32_t index, struct mr_burst *b, const struct mr_given *g)
{
    if (b->n != g->n) {
        mr_contract_note(s, index, b->n > g->n ? MR_BREACH_LONGER : MR_BREACH_SHORTER);
    }
    b->frames = g->frames;
    if (b->n < g->n) {
        bury(s, b->frames, b->n, g->n);
    } else {
        b->n = g->n;
    }
}

/* What mr_burst_copy made is in the books; more than that is not believed, less than that is buried. What it was made to
 * write past the array has overwritten something already: the books stay right, the rest cannot be mended. */
static void mend_copies(struct mr_stage_work *s, uint32_t index, struct mr_burst *b, const struct mr_given *g)
{
    uint32_t made = g->made_n + mr_contract_copied(&s->stage.counters) - g->copied;
    uint32_t there = made < s->made_max ? made : s->made_max;
    if (b->made_n != made) {
        mr_contract_note(s, index, MR_BREACH_COPIES);
    }
    if (made > there) {
        mr_count(&s->stage.counters.drops[MR_DROP_work_contract], made - there);
        mr_count(&s->lost_chunks, made - there);
    }
    if (b->made_n < there) {
        bury(s, b->made, b->made_n, there);
    } else {
        b->made_n = there;
    }
}

void mr_contract_broken(struct mr_stage_work *s, uint32_t index, struct mr_burst *b, const struct mr_given *g)
{
    if (b->frames != g->frames || b->made != s->made || b->made_max != s->made_max) {
        mr_contract_note(s, index, MR_BREACH_ARRAY);
        b->made = s->made;
        b->made_max = s->made_max;
    }
    mend_frames(s, index, b, g);
    mend_copies(s, index, b, g);
}

#ifdef MR_POOL_DEBUG
static uint32_t chunk_bytes(const struct mr_stage_work *s, uint32_t chunk)
{
    for (uint32_t i = 0; i < s->recycle->n_homes; i++) {
        const struct mr_pool *p = s->recycle->homes[i].pool;
        if (chunk >= p->first && chunk < p->end) {
            return chunk < p->big_first ? p->small_bytes : p->big_bytes;
        }
    }
    return 0;
}

static bool leads_somewhere(const struct mr_stage_work *s, const struct mr_frame *f)
{
    uint32_t reason = f->port & ~MR_DROPPED;
    return f->port & MR_DROPPED ? reason < MR_DROP_ENGINE_COUNT + s->n_reasons : s->output_of[f->port] != MR_OUTPUT_NONE;
}

void mr_contract_check(struct mr_stage_work *s, uint32_t index, const struct mr_burst *b, const struct mr_given *g)
{
    bool chose = (s->works[index].ops->flags & MR_WORK_CHOOSES) != 0;
    uint32_t marked = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const struct mr_frame *f = &b->frames[i];
        marked += (f->port & MR_DROPPED) != 0;
        if (f->chunk != g->chunks[i]) {
            mr_contract_note(s, index, MR_BREACH_CHUNK);
        }
        if (f->offset < MR_CHUNK_BUF || (uint32_t)f->offset + f->length > chunk_bytes(s, f->chunk)) {
            mr_contract_note(s, index, MR_BREACH_BOUNDS);
        }
        if ((chose || f->port & MR_DROPPED) && !leads_somewhere(s, f)) {
            mr_contract_note(s, index, MR_BREACH_OUTPUT);
        }
    }
    if (marked > b->dropped) {
        mr_contract_note(s, index, MR_BREACH_MARKED);
    }
}
#endif
