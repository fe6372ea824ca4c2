/* witness_attach.c: a witness for each stage, before the cores start; and their end. */
#include "lib/engine/engine_parts.h"
#include "lib/sys/node.h"

#include <errno.h>

/* Marked frames that one sending driver may hold: each once, as a rule; a function that copies may send it twice. */
static size_t flying_bytes(const struct mr_engine *e)
{
    return 2 * sizeof(uint32_t) * e->trace->wanted;
}

static bool make(struct mr_engine *e, uint32_t index)
{
    struct mr_stage *s = e->stages[index];
    struct mr_stage_witness *w = mr_node_alloc(sizeof *w, s->core->node);
    if (w == NULL) {
        return false;
    }
    e->witnesses[index] = w;
    w->stage = s;
    w->index = index;
    w->arena = e->arena.base;
    w->rings = e->rings;
    w->n_rings = e->plan->n_rings;
    w->trace = e->trace;
    w->log = &e->trace->logs[s->core->index];
    mr_witness_init(w);
    if (s->kind == MR_STAGE_TX) {
        w->max_flying = 2 * e->trace->wanted;
        w->flying = mr_node_alloc(flying_bytes(e), s->core->node);
    }
    return s->kind != MR_STAGE_TX || w->flying != NULL;
}

static void attach(struct mr_stage *s, struct mr_stage_witness *w)
{
    s->witness = w;
    if (s->kind == MR_STAGE_RX) {
        MR_CONTAINER_OF(s, struct mr_stage_rx, stage)->q->witness = &w->base;
    } else if (s->kind == MR_STAGE_TX) {
        MR_CONTAINER_OF(s, struct mr_stage_tx, stage)->q->witness = &w->base;
    }
}

int mr_witness_attach(struct mr_engine *e, struct mr_error *err)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (!make(e, i)) {
            mr_witness_free(e);
            return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory to look at %u stages; ask for fewer traced frames",
                                e->plan->n_stages);
        }
    }
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        attach(e->stages[i], e->witnesses[i]);
    }
    return 0;
}

void mr_witness_free(struct mr_engine *e)
{
    for (uint32_t i = 0; i < MR_STAGES_MAX; i++) {
        struct mr_stage_witness *w = e->witnesses[i];
        if (w != NULL && w->flying != NULL) {
            mr_node_free(w->flying, flying_bytes(e));
        }
        mr_node_free(w, sizeof *w);
        e->witnesses[i] = NULL;
    }
}
