#include "lib/engine/core_loop.h"

static uint64_t all_drops(const struct mr_stage_counters *c)
{
    uint64_t sum = 0;
    for (uint32_t r = 0; r < MR_DROP_MAX; r++) {
        sum += c->drops[r];
    }
    return sum;
}

static void cut_rx(struct mr_stage *stage, struct mr_stage_cut *cut)
{
    const struct mr_stage_rx *s = MR_CONTAINER_OF(stage, struct mr_stage_rx, stage);
    cut->rx = s->q->frames;
    cut->made = s->q->made;
    cut->receiving = s->q->held;
    cut->received = s->q->ready;
    cut->tails = s->out->producer.tail;
}

static void cut_work(struct mr_stage *stage, struct mr_stage_cut *cut)
{
    const struct mr_stage_work *s = MR_CONTAINER_OF(stage, struct mr_stage_work, stage);
    cut->made = stage->counters.made;
    cut->lost = s->lost_chunks;
    for (uint32_t i = 0; i < s->n_in; i++) {
        cut->heads += s->in[i]->consumer.head;
    }
    for (uint32_t i = 0; i < s->n_out; i++) {
        cut->tails += s->out[i].ring->producer.tail;
    }
}

static void cut_tx(struct mr_stage *stage, struct mr_stage_cut *cut)
{
    const struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    cut->tx = s->q->frames;
    cut->in_queue = s->q->in_flight;
    cut->sending = s->q->held;
    for (uint32_t i = 0; i < s->n_in; i++) {
        cut->heads += s->in[i]->consumer.head;
    }
}

static void cut_stage(struct mr_stage *s)
{
    s->cut = (struct mr_stage_cut){.frames = s->counters.frames, .drops = all_drops(&s->counters)};
    if (s->kind == MR_STAGE_RX) {
        cut_rx(s, &s->cut);
    } else if (s->kind == MR_STAGE_TX) {
        cut_tx(s, &s->cut);
    } else {
        cut_work(s, &s->cut);
    }
}

static void cut_home(const struct mr_pool *p, struct mr_core_cut *cut)
{
    cut->free = p->small.count + p->big.count;
    cut->side = __atomic_load_n(&p->side.count, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < p->n_recycle; i++) {
        cut->came_home += p->recycle[i]->consumer.head;
    }
}

void mr_cut_take(struct mr_core *c)
{
    c->cut = (struct mr_core_cut){0};
    for (uint32_t i = 0; i < c->n_stages; i++) {
        cut_stage(c->stages[i]);
    }
    for (uint32_t i = 0; i < c->recycle.n_homes; i++) {
        c->cut.sent_home += c->recycle.homes[i].ring == NULL ? 0 : c->recycle.homes[i].ring->producer.tail;
    }
    for (uint32_t i = 0; i < c->n_io; i++) {
        c->cut.kept += c->io[i]->kept;
    }
    if (c->pool != NULL) {
        cut_home(c->pool, &c->cut);
    }
}
