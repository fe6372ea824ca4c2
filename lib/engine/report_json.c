/* report_json.c: the report, "millrace.run/1". docs/report.md describes each field.
 *
 * What is compared was counted on its own: `unaccounted` is the only difference in it, and so it is a check.
 */
#include "lib/engine/report_parts.h"

#include <millrace/report.h>

#include <errno.h>
#include <stdlib.h>

#define SYSTEM_MIN_NS 1000000000ull /* /proc/stat counts in steps of 10 ms on each CPU: shorter runs say nothing */

static json_t *count_or_null(bool known, uint64_t n)
{
    return known ? json_integer((json_int_t)n) : json_null();
}

static double seconds_of(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

/* ---- the balance ---- */

json_t *mr_report_drops(const struct mr_engine *e, const struct mr_totals *t)
{
    json_t *drops = json_object();
    for (uint32_t r = 0; r < MR_DROP_ENGINE_COUNT; r++) {
        mr_json_put(drops, mr_drop_word(r), t->drops[r]);
    }
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind == MR_STAGE_WORK) {
            mr_report_add_work_drops(e->stages[i], drops, true);
        }
    }
    return drops;
}

static json_t *totals_json(const struct mr_engine *e, const struct mr_totals *t)
{
    json_t *o = json_object();
    uint64_t difference = t->rx_frames + t->made_frames - t->tx_frames - t->all_drops - e->in_flight;
    mr_json_put(o, "rx_frames", t->rx_frames);
    mr_json_put(o, "rx_bytes", t->rx_bytes);
    mr_json_put(o, "made_frames", t->made_frames);
    mr_json_put(o, "tx_frames", t->tx_frames);
    mr_json_put(o, "tx_bytes", t->tx_bytes);
    json_object_set_new(o, "drops", mr_report_drops(e, t));
    mr_json_put(o, "outside", t->outside);
    mr_json_put(o, "in_flight", e->in_flight);
    mr_json_put(o, "unaccounted", difference);
    return o;
}

static json_t *chunks_json(const struct mr_chunk_owners *c)
{
    const struct {
        const char *name;
        uint64_t chunks;
    } owners[] = {
        {"free_lists", c->free_lists}, {"recycle_rings", c->recycle_rings}, {"side_lists", c->side_lists},
        {"rings", c->rings},           {"receiving", c->receiving},         {"received", c->received},
        {"sending", c->sending},       {"kept", (uint64_t)c->kept},         {"lost", c->lost},
    };
    json_t *by_owner = json_object();
    json_t *o = json_object();
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        mr_json_put(by_owner, owners[i].name, owners[i].chunks);
        sum += owners[i].chunks;
    }
    mr_json_put(o, "total", c->total);
    json_object_set_new(o, "by_owner", by_owner);
    mr_json_put(o, "unaccounted", c->total - sum);
    mr_json_put(o, "home_after_close", c->home_after_close);
    return o;
}

/* Of the balances taken while it ran; interval_ns 0: only when asked. */
static json_t *checks_json(const struct mr_checks *c)
{
    json_t *o = json_object();
    mr_json_put(o, "interval_ns", c->interval_ns);
    mr_json_put(o, "made", c->made);
    mr_json_put(o, "failed", c->failed);
    mr_json_put(o, "unanswered", c->unanswered);
    return o;
}

/* ---- rate and latency ---- */

static json_t *rate_json(const struct mr_engine *e, const struct mr_totals *t)
{
    double ns = (double)(e->stop_ns - e->start_ns);
    double frames_per_ns = ns == 0 ? 0 : (double)t->tx_frames / ns;
    double bits_per_ns = ns == 0 ? 0 : (double)t->tx_bytes * 8 / ns;
    return json_pack("{s:f, s:f}", "mpps", frames_per_ns * 1e3, "gbps", bits_per_ns);
}

static uint64_t unit_ns(const struct mr_engine *e, uint64_t units)
{
    return mr_ticks_to_ns(e->clock, units << MR_TICK_SHIFT);
}

static json_t *quantiles_json(const struct mr_engine *e, const struct mr_histogram *h)
{
    static const struct {
        const char *name;
        double q;
    } wanted[] = {{"p50", 0.50}, {"p90", 0.90}, {"p99", 0.99}, {"p99_9", 0.999}};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint64_t ns = unit_ns(e, mr_histogram_quantile(h, wanted[i].q));
        json_object_set_new(o, wanted[i].name, count_or_null(h->count != 0, ns));
    }
    json_object_set_new(o, "max", count_or_null(h->count != 0, unit_ns(e, h->max)));
    mr_json_put(o, "samples", h->count);
    return o;
}

static json_t *buckets_json(const struct mr_engine *e, const struct mr_histogram *h)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] != 0) {
            json_array_append_new(list, json_pack("[I, I, I]", (json_int_t)unit_ns(e, mr_histogram_low(i)),
                                                  (json_int_t)unit_ns(e, mr_histogram_high(i) + 1),
                                                  (json_int_t)h->buckets[i]));
        }
    }
    return list;
}

static json_t *latency_json(struct mr_engine *e)
{
    struct mr_histogram *h = aligned_alloc(MR_LINE_PAIR, 2 * sizeof *h);
    if (h == NULL) {
        return json_null();
    }
    memset(h, 0, 2 * sizeof *h);
    mr_engine_latency(e, &h[0], &h[1]);
    json_t *o = quantiles_json(e, &h[0]);
    json_object_set_new(o, "measured", json_boolean(e->config->latency));
    json_object_set_new(o, "undisturbed", quantiles_json(e, &h[1]));
    json_object_set_new(o, "buckets", buckets_json(e, &h[0]));
    free(h);
    return o;
}

/* ---- cost and memory ---- */

/* Per frame sent; null when none was. */
static json_t *per_frame(uint64_t n, const struct mr_totals *t)
{
    return t->tx_frames == 0 ? json_null() : json_real((double)n / (double)t->tx_frames);
}

static const char *no_system_cost(const struct mr_engine *e, const struct mr_totals *t)
{
    bool too_short = e->end_ns - e->start_ns < SYSTEM_MIN_NS;
    return t->tx_frames == 0  ? "no frame was sent"
           : !e->system_known ? "/proc/stat cannot be read"
           : too_short        ? "ran for less than 1 s, and /proc/stat counts in steps of 10 ms"
                              : NULL;
}

static json_t *cost_json(const struct mr_engine *e, const struct mr_totals *t)
{
    uint64_t syscalls = 0;
    const char *reason = no_system_cost(e, t);
    json_t *o = json_object();
    for (uint32_t i = 0; i < e->n_io; i++) {
        syscalls += mr_counted(&e->io[i]->syscalls);
    }
    uint64_t cpu_ns = e->cpu_ns_after - e->cpu_ns_before;
    uint64_t system_ns = e->system_after.busy_ns - e->system_before.busy_ns;
    uint64_t steal_ns = e->system_after.steal_ns - e->system_before.steal_ns;
    mr_json_put(o, "cpu_ns", cpu_ns);
    json_object_set_new(o, "cpu_ns_per_frame", per_frame(cpu_ns, t));
    json_object_set_new(o, "cpu_ns_per_frame_system", reason != NULL ? json_null() : per_frame(system_ns, t));
    json_object_set_new(o, "system_reason", reason == NULL ? json_null() : json_string(reason));
    json_object_set_new(o, "steal_ns", count_or_null(e->system_known, steal_ns));
    mr_json_put(o, "syscalls", syscalls);
    json_object_set_new(o, "syscalls_per_frame", per_frame(syscalls, t));
    return o;
}

static json_t *memory_json(const struct mr_engine *e)
{
    json_t *nodes = json_object();
    json_t *o = json_object();
    uint64_t huge = 0;
    for (uint32_t i = 0; i < e->arena.n; i++) {
        const struct mr_arena_segment *s = &e->arena.segments[i];
        char name[16] = "any";
        json_t *node = json_object();
        huge += s->huge_bytes;
        if (s->node >= 0) {
            snprintf(name, sizeof name, "%d", s->node);
        }
        mr_json_put(node, "bytes", s->bytes);
        mr_json_put(node, "page_bytes", s->page_bytes);
        json_object_set_new(node, "transparent", json_boolean(s->transparent));
        mr_json_put(node, "huge_bytes", s->huge_bytes);
        mr_json_put(node, "misplaced_pages", s->misplaced);
        json_object_set_new(nodes, name, node);
    }
    uint64_t rss = mr_rss_bytes();
    json_object_set_new(o, "rss_bytes", count_or_null(rss != 0, rss));
    mr_json_put(o, "arena_bytes", e->arena.bytes);
    mr_json_put(o, "huge_bytes", huge);
    json_object_set_new(o, "per_node", nodes);
    json_object_set_new(o, "note", json_string(e->arena.note));
    return o;
}

static json_t *intervals_json(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->n_intervals; i++) {
        const struct mr_interval *in = &e->intervals[i];
        json_t *o = json_pack("{s:f, s:f}", "seconds", in->seconds, "period", in->period);
        mr_json_put(o, "rx_frames", in->rx_frames);
        mr_json_put(o, "made_frames", in->made_frames);
        mr_json_put(o, "tx_frames", in->tx_frames);
        mr_json_put(o, "drops", in->drops);
        mr_json_put(o, "outside", in->outside);
        json_object_set_new(o, "p50_ns", count_or_null(in->p50_ns != 0, in->p50_ns));
        json_object_set_new(o, "p99_ns", count_or_null(in->p99_ns != 0, in->p99_ns));
        json_object_set_new(o, "trouble", in->trouble[0] == 0 ? json_null() : json_string(in->trouble));
        json_array_append_new(list, o);
    }
    return list;
}

/* ---- the whole ---- */

json_t *mr_report_json(struct mr_engine *e, int argc, char **argv)
{
    struct mr_totals t;
    json_t *r = json_object();
    mr_engine_totals(e, &t);
    json_object_set_new(r, "schema", json_string("millrace.run/1"));
    json_object_set_new(r, "millrace", mr_build_json());
    json_object_set_new(r, "command", mr_command_json(argc, argv));
    json_object_set_new(r, "host", mr_host_json());
    json_object_set_new(r, "config", mr_plan_config_json(e->plan));
    json_object_set_new(r, "seconds", json_real(seconds_of(e->start_ns, e->stop_ns)));
    json_object_set_new(r, "drain_seconds", json_real(seconds_of(e->stop_ns, e->end_ns)));
    json_object_set_new(r, "first_frame_seconds",
                        e->first_frame_ns == 0 ? json_null() : json_real(seconds_of(e->create_ns, e->first_frame_ns)));
    json_object_set_new(r, "ended_by", json_string(e->ended_by));
    json_object_set_new(r, "marks", mr_report_marks(e));
    json_object_set_new(r, "events", mr_report_events(e));
    mr_json_put(r, "events_not_kept", e->events_not_kept);
    json_object_set_new(r, "ports", mr_report_ports(e));
    json_object_set_new(r, "stages", mr_report_stages(e));
    json_object_set_new(r, "cores", mr_report_cores(e));
    json_object_set_new(r, "totals", totals_json(e, &t));
    json_object_set_new(r, "chunks", chunks_json(&e->owners));
    json_object_set_new(r, "checks", checks_json(&e->checks));
    json_object_set_new(r, "rate", rate_json(e, &t));
    json_object_set_new(r, "latency_ns", latency_json(e));
    json_object_set_new(r, "cost", cost_json(e, &t));
    json_object_set_new(r, "memory", memory_json(e));
    json_object_set_new(r, "intervals", intervals_json(e));
    if (e->config->n_taps != 0) {
        json_object_set_new(r, "taps", mr_taps_json(e));
    }
    if (e->trace != NULL) {
        json_object_set_new(r, "trace", mr_trace_json(e));
        mr_json_put(r, "trace_lost", mr_trace_lost(e->trace));
    }
    return r;
}

int mr_report_write(const json_t *report, const char *file, struct mr_error *err)
{
    bool to_stdout = strcmp(file, "-") == 0;
    const char *name = to_stdout ? "standard output" : file;
    FILE *out = to_stdout ? stdout : fopen(file, "we");
    if (out == NULL) {
        return mr_error_set(err, MR_FAULT_RUN, errno, "cannot write the report to %s: %s", name, strerror(errno));
    }
    errno = 0;
    bool failed = json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 || fputc('\n', out) == EOF ||
                  fflush(out) != 0;
    int code = errno;
    if (!to_stdout && fclose(out) != 0 && !failed) {
        failed = true;
        code = errno;
    }
    return failed ? mr_error_set(err, MR_FAULT_RUN, code == 0 ? EIO : code, "cannot write the report to %s: %s", name,
                                 strerror(code == 0 ? EIO : code))
                  : 0;
}
