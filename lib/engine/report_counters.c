/* report_counters.c: what grows while an engine runs, as of one moment: two of them make a window. */
#include "lib/engine/report_parts.h"

#include <millrace/report.h>

static uint64_t ns(const struct mr_engine *e, const uint64_t *ticks)
{
    return mr_ticks_to_ns(e->clock, mr_counted(ticks));
}

/* Busy time is not divided here: the share of a difference is not the difference of two shares. */
static json_t *core_json(const struct mr_engine *e, const struct mr_core_time *t)
{
    json_t *o = json_object(), *sampled = json_object();
    mr_json_put(o, "busy", ns(e, &t->busy));
    mr_json_put(o, "blocked", ns(e, &t->blocked));
    mr_json_put(o, "idle", ns(e, &t->idle));
    mr_json_put(o, "housekeeping", ns(e, &t->housekeeping));
    mr_json_put(sampled, "receive", ns(e, &t->sampled[MR_STAGE_RX]));
    mr_json_put(sampled, "work", ns(e, &t->sampled[MR_STAGE_WORK]));
    mr_json_put(sampled, "send", ns(e, &t->sampled[MR_STAGE_TX]));
    json_object_set_new(o, "sampled", sampled);
    return o;
}

static json_t *cores_json(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        json_array_append_new(list, core_json(e, &e->cores[i]->time));
    }
    return list;
}

static json_t *stages_json(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_stage *s = e->stages[i];
        json_t *o = json_pack("{s:s, s:s}", "name", s->plan->name, "kind", mr_report_kind(s));
        mr_json_put(o, "frames", mr_counted(&s->counters.frames));
        mr_json_put(o, "polls_with_work", mr_counted(&s->counters.polls_with_work));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *ports_json(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_outsides outs = e->outsides[p];
        json_t *o = json_pack("{s:s}", "name", e->config->ports[p].name);
        if (!e->settled) {
            outs.n = 0;
            e->ports[p]->driver->stats(e->ports[p], &outs);
        }
        mr_report_put_outside(&outs, o);
        json_array_append_new(list, o);
    }
    return list;
}

json_t *mr_report_counters(struct mr_engine *e)
{
    struct mr_totals t;
    uint64_t syscalls = 0;
    json_t *o = json_object();
    mr_engine_totals(e, &t);
    for (uint32_t i = 0; i < e->n_io; i++) {
        syscalls += mr_counted(&e->io[i]->syscalls);
    }
    mr_json_put(o, "syscalls", syscalls);
    json_object_set_new(o, "drops", mr_report_drops(e, &t));
    json_object_set_new(o, "cores", cores_json(e));
    json_object_set_new(o, "stages", stages_json(e));
    json_object_set_new(o, "ports", ports_json(e));
    return o;
}
