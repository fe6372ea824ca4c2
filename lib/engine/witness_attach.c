/* witness_attach.c: a witness for each stage that somebody looks at, before the cores start; and their end. */
#include "lib/engine/engine_parts.h"
#include "lib/sys/node.h"

#include <errno.h>

/* Marked frames that one sending driver may hold: each once, as a rule; a function that copies may send it twice. */
static size_t flying_bytes(const struct mr_engine *e)
{
    return e->trace == NULL ? 0 : 2 * sizeof(uint32_t) * e->trace->wanted;
}

static void add_taps(struct mr_engine *e, struct mr_stage_witness *w, bool drops)
{
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        struct mr_tap *t = &e->taps[i];
        if (mr_tap_passes(t->config, w->stage->plan) && drops == (t->config->place == MR_TAP_DROPS)) {
            w->taps[w->n_taps++] = (struct mr_tap_here){t, &t->points[w->stage->core->index], t->config->place};
        }
    }
}

static bool is_looked_at(const struct mr_engine *e, const struct mr_stage *s)
{
    bool looked_at = e->trace != NULL;
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        looked_at |= mr_tap_passes(&e->config->taps[i], s->plan);
    }
    return looked_at;
}

static void look_for_trace(struct mr_engine *e, struct mr_stage_witness *w)
{
    w->trace = e->trace;
    w->log = &e->trace->logs[w->stage->core->index];
    if (w->stage->kind == MR_STAGE_TX) {
        w->max_flying = 2 * e->trace->wanted;
        w->flying = mr_node_alloc(flying_bytes(e), w->stage->core->node);
    }
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
    w->arena_bytes = e->arena.bytes;
    w->rings = e->rings;
    w->n_rings = e->plan->n_rings;
    w->n_ports = e->config->n_ports;
    add_taps(e, w, false);
    add_taps(e, w, true);
    mr_witness_init(w);
    if (e->trace != NULL) {
        look_for_trace(e, w);
    }
    return w->max_flying == 0 || w->flying != NULL;
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
        if (is_looked_at(e, e->stages[i]) && !make(e, i)) {
            mr_witness_free(e);
            return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory to look at %u stages; trace fewer frames",
                                e->plan->n_stages);
        }
    }
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->witnesses[i] != NULL) {
            attach(e->stages[i], e->witnesses[i]);
        }
    }
    return 0;
}

void mr_witness_free(struct mr_engine *e)
{
    for (uint32_t i = 0; i < MR_STAGES_MAX; i++) {
        struct mr_stage_witness *w = e->witnesses[i];
        if (w != NULL) {
            mr_node_free(w->flying, flying_bytes(e));
            mr_node_free(w, sizeof *w);
        }
        e->witnesses[i] = NULL;
    }
}
