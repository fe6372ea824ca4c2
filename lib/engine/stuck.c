/* stuck.c: cores that do not come back: a work function that never returns, a thread that a debugger holds.
 *
 * Such a core makes no round of housekeeping and cannot be ended, so a run that must end leaves it behind. Its silence is
 * measured in time that control itself was awake: an engine that was stopped as a whole has not been silent. Nor has a
 * thread that waits for its CPU: on a busy machine one that gives way may wait for seconds.
 */
#include "lib/engine/watch.h"

#include <stdio.h>

#define TOLD_NS  1000000000ull
#define LEFT_NS  5000000000ull
#define NOW_NS   2000000000ull /* after a second request; a core's detach takes its time */
#define SURE_NS  50000000ull /* from here on it is looked at what the thread does */
#define AWAKE_NS 10000000ull /* between two looks at most: what is longer, control was not awake */

static bool ended(const struct mr_core *c)
{
    return !c->started || mr_load_acquire(&c->state) >= MR_CORE_ENDED;
}

/* Stages are polled in turn, and each counts its polls when it returns: the first that is behind the core's passes has not
 * returned. NULL: the core is somewhere else. */
static const struct mr_stage *stuck_in(const struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_stages; i++) {
        if (mr_counted(&c->stages[i]->counters.polls) != mr_counted(&c->passes)) {
            return c->stages[i];
        }
    }
    return NULL;
}

/* Where it is, as far as counters tell: the stage and all its functions, or NULL and a guess. */
static const struct mr_stage *describe(const struct mr_core *c, char *text, size_t bytes)
{
    const struct mr_stage *s = stuck_in(c);
    int n = snprintf(text, bytes, "core %u (CPU %u) did not come back from %s", c->index, c->cpu,
                     s == NULL ? "a driver's doorbell or a work function's tick" : s->plan->name);
    if (s != NULL && s->kind == MR_STAGE_WORK) {
        const struct mr_stage_work *w = MR_CONTAINER_OF(s, const struct mr_stage_work, stage);
        for (uint32_t i = 0; i < w->n_works && n > 0 && (size_t)n < bytes; i++) {
            n += snprintf(text + n, bytes - (size_t)n, "%s%s", i == 0 ? ": " : ", ", w->works[i].ops->name);
        }
    }
    return s;
}

static void tell(struct mr_engine *e, const struct mr_core *c, uint64_t now)
{
    char where[sizeof e->ended_by];
    const struct mr_stage *s = describe(c, where, sizeof where);
    mr_engine_note(e, now, "", s == NULL ? "" : s->plan->name, "stuck",
                   "%s for 1 s: a function that does not return, or a thread that is kept from running; frames wait for it",
                   where);
}

/* How much of this time its thread ran, or slept somewhere. One that got no CPU at all is hardly to blame; but it counts,
 * so that an end behind a real-time process comes, if late. */
static uint64_t blame(const struct mr_core *c, uint64_t *cpu_ns, uint64_t awake)
{
    uint64_t before = *cpu_ns;
    if (mr_thread_state(__atomic_load_n(&c->tid, __ATOMIC_RELAXED)) != 'R') {
        return awake;
    }
    *cpu_ns = mr_thread_cpu_ns(c->thread);
    uint64_t ran = *cpu_ns - before < awake ? *cpu_ns - before : awake;
    return ran > awake / 8 ? ran : awake / 8;
}

void mr_stuck_look(struct mr_engine *e, struct mr_watch *w)
{
    struct mr_silence *s = &w->silence;
    uint64_t now = mr_now_ns();
    uint64_t awake = now - s->last_ns < AWAKE_NS ? now - s->last_ns : AWAKE_NS;
    s->last_ns = now;
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        const struct mr_core *c = e->cores[i];
        uint32_t epoch = mr_load_acquire(&c->epoch);
        bool before = s->ns[i] >= TOLD_NS;
        s->ns[i] = epoch != s->epoch[i] || ended(c)  ? 0
                   : s->ns[i] < SURE_NS             ? s->ns[i] + awake
                                                    : s->ns[i] + blame(c, &s->cpu_ns[i], awake);
        s->epoch[i] = epoch;
        if (!before && s->ns[i] >= TOLD_NS) {
            tell(e, c, now);
        }
    }
}

bool mr_stuck_over(struct mr_engine *e, struct mr_watch *w)
{
    uint64_t patience = w->asked < 2 ? LEFT_NS : NOW_NS;
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (w->silence.ns[i] >= patience) {
            describe(e->cores[i], e->ended_by, sizeof e->ended_by);
            e->exit_code = e->exit_code != 0 ? e->exit_code : MR_FAULT_RUN;
            return true;
        }
    }
    return false;
}

void mr_stuck_join(struct mr_engine *e, struct mr_watch *w)
{
    bool all = false;
    mr_cores_command(e, MR_COMMAND_STOP);
    while (!all && !mr_stuck_over(e, w)) {
        all = true;
        for (uint32_t i = 0; i < e->plan->n_cores; i++) {
            all = all && ended(e->cores[i]);
        }
        mr_watch_listen(w, all ? 0 : 100000);
        mr_stuck_look(e, w);
    }
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        struct mr_core *c = e->cores[i];
        if (c->started && ended(c)) {
            pthread_join(c->thread, NULL);
            c->started = false;
        }
        e->left_behind |= c->started;
    }
}
