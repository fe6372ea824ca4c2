/* report_json_parts.c: ports, stages and cores of the report. Every number is read from the counter that counted it. */
#include "lib/engine/link.h"
#include "lib/engine/report_parts.h"

#include <stdio.h>

/* ---- ports ---- */

static bool uses(const struct mr_port *port, const struct mr_io *io)
{
    bool found = false;
    for (uint32_t q = 0; q < port->n_rxq; q++) {
        found |= port->rxq[q]->io == io;
    }
    for (uint32_t q = 0; q < port->n_txq; q++) {
        found |= port->txq[q]->io == io;
    }
    return found;
}

/* A system call serves all queues of one driver on one core: it cannot be told which port it was for. So a port has the
 * calls of all that it takes part in, and names the ports that share them. */
static void put_syscalls(const struct mr_engine *e, const struct mr_port *port, json_t *to)
{
    json_t *shared = json_array();
    uint64_t calls = 0;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        bool together = false;
        for (uint32_t i = 0; i < e->n_io; i++) {
            bool both = uses(port, e->io[i]) && uses(e->ports[p], e->io[i]);
            together |= both;
            calls += both && e->ports[p] == port ? mr_counted(&e->io[i]->syscalls) : 0;
        }
        if (together && e->ports[p] != port) {
            json_array_append_new(shared, json_string(e->ports[p]->config->name));
        }
    }
    mr_json_put(to, "syscalls", calls);
    json_object_set_new(to, "syscalls_shared_with", shared);
}

static void put_queues(const struct mr_port *port, json_t *to)
{
    uint64_t rx_frames = 0, rx_bytes = 0, made = 0, tx_frames = 0, tx_bytes = 0;
    for (uint32_t q = 0; q < port->n_rxq; q++) {
        rx_frames += mr_counted(&port->rxq[q]->frames);
        rx_bytes += mr_counted(&port->rxq[q]->bytes);
        made += mr_counted(&port->rxq[q]->made);
    }
    for (uint32_t q = 0; q < port->n_txq; q++) {
        tx_frames += mr_counted(&port->txq[q]->frames);
        tx_bytes += mr_counted(&port->txq[q]->bytes);
    }
    mr_json_put(to, "rx_frames", rx_frames);
    mr_json_put(to, "rx_bytes", rx_bytes);
    mr_json_put(to, "tx_frames", tx_frames);
    mr_json_put(to, "tx_bytes", tx_bytes);
    mr_json_put(to, "made_frames", made);
}

void mr_report_put_outside(const struct mr_outsides *o, json_t *to)
{
    json_t *losses = json_object();
    json_t *within = json_object();
    json_t *events = json_object();
    for (uint32_t i = 0; i < o->n; i++) {
        const struct mr_outside *at = &o->at[i];
        mr_json_put(at->is_loss ? losses : events, at->name, at->count);
        if (at->within != NULL) {
            json_object_set_new(within, at->name, json_string(at->within));
        }
    }
    json_object_set_new(to, "outside", losses);
    json_object_set_new(to, "outside_within", within);
    json_object_set_new(to, "events", events);
}

static json_t *port_json(const struct mr_engine *e, uint32_t number)
{
    const struct mr_port *port = e->ports[number];
    const char *device = mr_links_device(e, number);
    json_t *own = e->port_reports[number];
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:i}", "name", port->config->name, "driver", port->driver->name,
                  "mode", port->mode, "device", device == NULL ? json_null() : json_string(device), "node",
                  port->node < 0 ? json_null() : json_integer(port->node), "rx_queues", (int)port->n_rxq, "tx_queues",
                  (int)port->n_txq);
    json_object_set_new(o, "state", mr_links_json(e, number));
    put_queues(port, o);
    put_syscalls(e, port, o);
    mr_report_put_outside(&e->outsides[number], o);
    json_object_set_new(o, "driver_report", own == NULL ? json_object() : json_incref(own));
    return o;
}

json_t *mr_report_ports(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->config->n_ports; i++) {
        json_array_append_new(list, port_json(e, i));
    }
    return list;
}

/* ---- stages ---- */

static const struct mr_stage_work *as_work(const struct mr_stage *s)
{
    return MR_CONTAINER_OF(s, struct mr_stage_work, stage);
}

static json_t *batch_json(const struct mr_batch_counts *b)
{
    return json_pack("{s:f, s:i, s:i, s:i}", "mean", mr_batch_mean(b), "p50", (int)mr_batch_quantile(b, 0.50), "p99",
                     (int)mr_batch_quantile(b, 0.99), "max", (int)mr_batch_max(b));
}

/* Bytes are counted by queues; a work stage has none, and a source counts only frames. */
static json_t *bytes_json(const struct mr_engine *e, const struct mr_stage *s)
{
    if (s->kind == MR_STAGE_WORK || (s->kind == MR_STAGE_RX && e->config->ports[s->plan->port].source)) {
        return json_null();
    }
    const struct mr_port *port = e->ports[s->plan->port];
    const uint64_t *bytes =
        s->kind == MR_STAGE_RX ? &port->rxq[s->plan->queue]->bytes : &port->txq[s->plan->queue]->bytes;
    return json_integer((json_int_t)mr_counted(bytes));
}

void mr_report_add_work_drops(const struct mr_stage *stage, json_t *drops, bool all)
{
    const struct mr_stage_work *s = as_work(stage);
    for (uint32_t i = 0; i < s->n_reasons; i++) {
        char name[96];
        uint64_t n = mr_counted(&stage->counters.drops[MR_DROP_ENGINE_COUNT + i]);
        snprintf(name, sizeof name, "%s.%s", s->reason_works[i], s->reasons[i]);
        if (n != 0 || all) {
            mr_json_add(drops, name, n);
        }
    }
}

static json_t *drops_json(const struct mr_stage *s)
{
    json_t *drops = json_object();
    for (uint32_t r = 0; r < MR_DROP_ENGINE_COUNT; r++) {
        uint64_t n = mr_counted(&s->counters.drops[r]);
        if (n != 0) {
            mr_json_put(drops, mr_drop_word(r), n);
        }
    }
    if (s->kind == MR_STAGE_WORK) {
        mr_report_add_work_drops(s, drops, false);
    }
    return drops;
}

static json_t *works_json(const struct mr_stage_work *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->n_works; i++) {
        json_t *counters = json_object();
        const char *const *names = s->works[i].ops->counters;
        for (uint32_t c = 0; names != NULL && names[c] != NULL; c++) {
            mr_json_put(counters, names[c], mr_counted(&s->work_counters[i][c]));
        }
        json_array_append_new(list, json_pack("{s:s, s:o, s:I}", "name", s->works[i].ops->name, "counters", counters,
                                              "breaches", (json_int_t)mr_counted(&s->breaches[i])));
    }
    return list;
}

const char *mr_report_kind(const struct mr_stage *s)
{
    static const char *const kinds[] = {"rx", "work", "tx"};
    return kinds[s->kind];
}

static json_t *stage_json(const struct mr_engine *e, const struct mr_stage *s)
{
    const struct mr_stage_counters *c = &s->counters;
    json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", s->plan->name, "kind", mr_report_kind(s), "core",
                          (int)s->core->cpu, "thread", (int)s->core->index, "node", s->core->node);
    mr_json_put(o, "frames", mr_counted(&c->frames));
    json_object_set_new(o, "bytes", bytes_json(e, s));
    mr_json_put(o, "made_frames", mr_counted(&c->made));
    mr_json_put(o, "polls", mr_counted(&c->polls));
    mr_json_put(o, "polls_with_work", mr_counted(&c->polls_with_work));
    json_object_set_new(o, "batch", batch_json(&s->batches));
    mr_json_put(o, "blocked", mr_counted(&c->blocked));
    json_object_set_new(o, "drops", drops_json(s));
    if (s->kind == MR_STAGE_WORK) {
        json_object_set_new(o, "works", works_json(as_work(s)));
    }
    return o;
}

json_t *mr_report_stages(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        json_array_append_new(list, stage_json(e, e->stages[i]));
    }
    return list;
}

/* ---- cores ---- */

/* Busy time divides as the sampled busy passes did. Without one it is not known how: null, never a guess. */
static void put_busy(const struct mr_core_time *t, const struct mr_clock *clock, json_t *to)
{
    static const char *const parts[] = {"receive", "work", "send"};
    uint64_t sampled = t->sampled[0] + t->sampled[1] + t->sampled[2];
    for (uint32_t k = 0; k < 3; k++) {
        double share = sampled == 0 ? 0 : (double)t->sampled[k] / (double)sampled;
        if (sampled == 0 && t->busy != 0) {
            json_object_set_new(to, parts[k], json_null());
        } else {
            mr_json_put(to, parts[k], mr_ticks_to_ns(clock, (uint64_t)((double)t->busy * share)));
        }
    }
}

static json_t *time_json(const struct mr_core_time *t, const struct mr_clock *clock)
{
    json_t *o = json_object();
    put_busy(t, clock, o);
    mr_json_put(o, "blocked", mr_ticks_to_ns(clock, t->blocked));
    mr_json_put(o, "idle", mr_ticks_to_ns(clock, t->idle));
    mr_json_put(o, "housekeeping", mr_ticks_to_ns(clock, t->housekeeping));
    return o;
}

static void put_usage(const struct mr_usage *before, const struct mr_usage *after, json_t *to)
{
    uint64_t faults_before = before->minor_faults + before->major_faults;
    mr_json_put(to, "voluntary_switches", after->voluntary_switches - before->voluntary_switches);
    mr_json_put(to, "involuntary_switches", after->involuntary_switches - before->involuntary_switches);
    mr_json_put(to, "page_faults", after->minor_faults + after->major_faults - faults_before);
}

static json_t *core_json(const struct mr_engine *e, const struct mr_core *c)
{
    const struct mr_core_time *t = &c->time;
    json_t *o = json_pack("{s:i, s:i, s:i}", "core", (int)c->cpu, "thread", (int)c->index, "node", c->node);
    json_t *gaps = json_object();
    mr_json_put(gaps, "count", t->gaps);
    mr_json_put(gaps, "total_ns", mr_ticks_to_ns(e->clock, t->gap_ticks));
    mr_json_put(gaps, "max_ns", mr_ticks_to_ns(e->clock, t->gap_max));
    mr_json_put(o, "total_ns", mr_ticks_to_ns(e->clock, t->end - t->begin));
    mr_json_put(o, "busy_ns", mr_ticks_to_ns(e->clock, t->busy));
    mr_json_put(o, "busy_sampled_ns", mr_ticks_to_ns(e->clock, t->sampled[0] + t->sampled[1] + t->sampled[2]));
    json_object_set_new(o, "time_ns", time_json(t, e->clock));
    json_object_set_new(o, "gaps", gaps);
    mr_json_put(o, "passes", c->passes);
    mr_json_put(o, "off_core", mr_counted(&c->off_core));
    put_usage(&c->usage_before, &c->usage, o);
    return o;
}

json_t *mr_report_cores(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        json_array_append_new(list, core_json(e, e->cores[i]));
    }
    return list;
}
