/* check.c: the balance of the running engine: ask all cores for a cut, add up, say so when it does not hold.
 *
 * A round is one number in every core's mailbox; it ends when all have answered, or after a second without one of them,
 * and never holds control up: the loops go on meanwhile. A core that answers late answers the next round.
 */
#include "lib/engine/watch.h"

#define PATIENCE_NS 1000000000ull
#define LOOK_NS     100000ull /* at a round under way: as often as cores keep house */
enum { LOOKS = 50 };           /* that control itself has had meanwhile: after a SIGSTOP the cores need some, too */

void mr_check_open(struct mr_engine *e, struct mr_watch *w)
{
    e->checks.interval_ns = w->options->check_ns;
    w->check.next_ns = w->options->check_ns == 0 ? UINT64_MAX : e->start_ns + w->options->check_ns;
}

void mr_engine_ask_balance(struct mr_engine *e)
{
    mr_store_release(&e->balance_asked, 1);
}

/* ---- adding up ---- */

/* Cursors are 32 bits wide, and so is this difference: a stage that lost 2^31 frames was told long before. */
static int64_t lost_in(const struct mr_stage_cut *c)
{
    return (int32_t)((uint32_t)(c->rx + c->made - c->tx - c->drops - c->in_queue) + c->heads - c->tails);
}

static void add_stage(const struct mr_stage *s, struct mr_balance_stage *to, struct mr_balance *b, uint32_t *in_rings)
{
    const struct mr_stage_cut *c = &s->cut;
    b->rx += c->rx;
    b->made += c->made;
    b->tx += c->tx;
    b->drops += c->drops;
    b->in_queues += c->in_queue;
    b->receiving += c->receiving;
    b->received += c->received;
    b->sending += c->sending;
    b->lost += c->lost;
    *in_rings += c->tails - c->heads;
    *to = (struct mr_balance_stage){.name = s->plan->name, .frames = c->frames, .made = c->made, .dropped = c->drops};
    to->chunks = (uint64_t)c->receiving + c->received + c->sending;
    to->unaccounted = lost_in(c);
}

static void add_up(const struct mr_engine *e, struct mr_balance_stage *stages, struct mr_balance *b)
{
    uint32_t in_rings = 0;
    uint32_t recycling = 0;
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        add_stage(e->stages[i], &stages[i], b, &in_rings);
    }
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        const struct mr_core_cut *c = &e->cores[i]->cut;
        b->free_lists += c->free;
        b->side_lists += c->side;
        b->kept += c->kept;
        recycling += c->sent_home - c->came_home;
    }
    for (uint32_t i = 0; i < e->plan->n_pools; i++) {
        b->chunks += e->plan->pools[i].chunks + e->plan->pools[i].big_chunks;
    }
    b->in_rings = (int32_t)in_rings;
    b->recycle_rings = (int32_t)recycling;
    b->unaccounted = (int64_t)(b->rx + b->made - b->tx - b->drops - b->in_queues) - b->in_rings;
    b->chunks_unaccounted = (int64_t)(b->chunks - b->free_lists - b->side_lists - b->receiving - b->received - b->sending -
                                      b->lost) - b->recycle_rings - b->in_rings - b->kept;
    b->n_stages = e->plan->n_stages;
    b->stages = stages;
}

/* ---- telling ---- */

/* The first stage whose own sum does not come out; NULL when the fault lies with chunks, or between stages. */
static const struct mr_balance_stage *culprit(const struct mr_balance *b)
{
    for (uint32_t i = 0; i < b->n_stages; i++) {
        if (b->stages[i].unaccounted != 0) {
            return &b->stages[i];
        }
    }
    return NULL;
}

static void tell(struct mr_engine *e, const struct mr_balance *b, uint64_t now)
{
    const struct mr_balance_stage *at = culprit(b);
    mr_engine_note(e, now, "", at == NULL ? "" : at->name, "balance",
                   "%lld frames and %lld chunks unaccounted for while running%s; a bug in millrace or its work functions",
                   (long long)b->unaccounted, (long long)b->chunks_unaccounted,
                   at == NULL ? "" : ", the frames here");
}

static void judge(struct mr_engine *e, struct mr_watch *w, struct mr_balance *b, uint64_t now)
{
    struct mr_check *c = &w->check;
    add_up(e, e->balance_stages, b);
    b->holds = b->unaccounted == 0 && b->chunks_unaccounted == 0 && culprit(b) == NULL;
    e->checks.made++;
    e->checks.failed += !b->holds;
    bool news = !b->holds && !c->failing;
    c->failing = !b->holds;
    c->silent = false;
    if (news) {
        e->exit_code = MR_FAULT_RUN;
        tell(e, b, now);
    }
    if (w->options->balance != NULL && (b->asked || news)) {
        w->options->balance(b, w->options->arg);
    }
}

static const struct mr_core *silent_core(const struct mr_engine *e, uint32_t number)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (mr_load_acquire(&e->cores[i]->cut_taken) != number) {
            return e->cores[i];
        }
    }
    return NULL;
}

static void give_up(struct mr_engine *e, struct mr_watch *w, struct mr_balance *b, const struct mr_core *silent, uint64_t now)
{
    e->checks.unanswered++;
    b->core = silent->index;
    b->cpu = silent->cpu;
    if (!w->check.silent) {
        mr_engine_note(e, now, "", "", "no_answer", "core %u (CPU %u) did not answer in 1 s: a work function does not "
                       "return, or another task has its CPU", silent->index, silent->cpu);
    }
    w->check.silent = true;
    if (w->options->balance != NULL && b->asked) {
        w->options->balance(b, w->options->arg);
    }
}

/* ---- rounds ---- */

static void begin(struct mr_engine *e, struct mr_check *c, uint64_t now)
{
    c->for_somebody = c->wanted;
    c->wanted = false;
    c->number++;
    c->asked_ns = now;
    c->looks = 0;
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        mr_store_release(&e->cores[i]->cut_wanted, c->number);
    }
}

static void look(struct mr_engine *e, struct mr_watch *w, uint64_t now)
{
    struct mr_check *c = &w->check;
    const struct mr_core *silent = silent_core(e, c->number);
    struct mr_balance b = {.seconds = (double)(now - e->start_ns) / 1e9, .asked = c->for_somebody, .answered = silent == NULL};
    if (silent == NULL) {
        c->asked_ns = 0;
        judge(e, w, &b, now);
    } else if (++c->looks > LOOKS && now - c->asked_ns >= PATIENCE_NS) {
        c->asked_ns = 0;
        give_up(e, w, &b, silent, now);
    }
}

static bool due(const struct mr_check *c, uint64_t now)
{
    return c->wanted || now >= c->next_ns;
}

void mr_check_step(struct mr_engine *e, struct mr_watch *w, uint64_t now)
{
    struct mr_check *c = &w->check;
    if (mr_load_acquire(&e->balance_asked) != 0) {
        mr_store_release(&e->balance_asked, 0);
        c->wanted = true;
    }
    if (c->asked_ns != 0) {
        look(e, w, now);
    } else if (due(c, now)) {
        begin(e, c, now);
    }
    if (now >= c->next_ns) { // the next whole one: none is made up for
        c->next_ns = now + w->options->check_ns - (now - c->next_ns) % w->options->check_ns;
    }
}

uint64_t mr_check_due(const struct mr_watch *w, uint64_t now)
{
    const struct mr_check *c = &w->check;
    return c->asked_ns != 0 ? LOOK_NS : due(c, now) ? 0 : c->next_ns - now;
}
