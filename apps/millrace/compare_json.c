/* compare_json.c: the document, "millrace.compare/1" (docs/compare.md). Every figure is a median over rounds, beside the
 * rounds themselves; what was not measured is null. */
#include "apps/millrace/compare.h"

#include "lib/engine/plan.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const SHARE_KEYS[COMPARE_SHARES] = {"10", "50", "90"};

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* ---- one figure over rounds ---- */

/* A field of struct compare_round, of all rounds, into `to`. */
static void column(const struct compare *c, const struct compare_row *row, size_t field, double *to)
{
    for (uint32_t i = 0; i < c->rounds; i++) {
        to[i] = *(const double *)((const char *)&row->round[i] + field);
    }
}

static double median_of(const struct compare *c, const struct compare_row *row, size_t field)
{
    double values[MR_ROUNDS_MAX];
    column(c, row, field, values);
    return mr_estimate(values, c->rounds, c->options.seed).median;
}

#define MEDIAN(field) median_of(c, row, offsetof(struct compare_round, field))

static json_t *interval_json(const struct mr_estimate *e)
{
    return e->n == 0 ? json_null()
                     : json_pack("{s:f, s:f, s:i, s:s}", "low", e->low, "high", e->high, "rounds", (int)e->n, "is",
                                 e->range ? "range" : "95 % by bootstrap");
}

static json_t *column_interval(const struct compare *c, const struct compare_row *row, size_t field)
{
    double values[MR_ROUNDS_MAX];
    column(c, row, field, values);
    const struct mr_estimate e = mr_estimate(values, c->rounds, c->options.seed);
    return interval_json(&e);
}

static json_t *column_json(const struct compare *c, const struct compare_row *row, size_t field)
{
    double values[MR_ROUNDS_MAX];
    json_t *list = json_array();
    column(c, row, field, values);
    for (uint32_t i = 0; i < c->rounds; i++) {
        json_array_append_new(list, real_or_null(values[i]));
    }
    return list;
}

/* ---- of the whole machine ---- */

static void fill_box(struct compare *c)
{
    double alone = NAN;
    for (uint32_t i = 0; i < c->n_rows; i++) {
        const struct compare_row *row = &c->rows[i];
        alone = row->kind == COMPARE_NOBODY ? MEDIAN(source_ns) : alone; // it comes first of each feed
        for (uint32_t k = 0; k < c->rounds && row->kind != COMPARE_NOBODY; k++) {
            struct compare_round *r = &c->rows[i].round[k];
            r->box_ns = mr_box_ns(&r->box, alone);
            r->box_resolution_ns = mr_box_resolution_ns(&r->box);
        }
    }
}

static const char *no_box(const struct compare *c, const struct compare_row *row)
{
    uint32_t undisturbed = 0;
    for (uint32_t i = 0; i < c->rounds; i++) {
        undisturbed += !row->round[i].disturbed;
    }
    return row->reason[0] != 0  ? "it did not run"
           : undisturbed == 0   ? "each round was disturbed, and what disturbed it would be in the figure"
                                : "the source alone was not measured, or no frame came through";
}

static void put_box(const struct compare *c, const struct compare_row *row, json_t *j)
{
    double own = MEDIAN(cpu_ns), box = MEDIAN(box_ns), resolution = MEDIAN(box_resolution_ns);
    const char *refusal = isnan(box) ? no_box(c, row) : mr_box_refuse(box, isnan(own) ? 0 : own, resolution);
    json_object_set_new(j, "cpu_ns_per_frame_system", refusal == NULL ? json_real(box) : json_null());
    json_object_set_new(j, "system_reason", refusal == NULL ? json_null() : json_string(refusal));
    json_object_set_new(j, "system_resolution_ns", real_or_null(resolution));
}

/* ---- why ---- */

static void put_losses(const struct compare_row *row, struct mr_why *w)
{
    const char *name;
    json_t *n;
    double largest = 0, sum = 0;
    json_object_foreach(row->drops, name, n) {
        double frames = json_number_value(n);
        sum += frames;
        w->lost_as = frames > largest ? name : w->lost_as;
        largest = frames > largest ? frames : largest;
    }
    w->lost_share = row->sums.sent > 0 ? sum / row->sums.sent : 0;
    w->lost_as_share = sum > 0 ? largest / sum : 0;
    w->unnamed_share = row->sums.sent_in_all > 0 ? row->sums.unnamed / row->sums.sent_in_all : 0;
}

static struct mr_why why_of(const struct compare *c, const struct compare_row *row)
{
    const struct compare_sums *s = &row->sums;
    struct mr_why w = {.name = row->name, .syscalls = row->calls_counted ? MEDIAN(syscalls) : -1, .copies = row->copies};
    put_losses(row, &w);
    double busy = s->receive_ns + s->work_ns + s->send_ns + s->blocked_ns;
    if (s->frames > 0) {
        w.receive_ns = s->receive_ns / s->frames;
        w.work_ns = s->work_ns / s->frames;
        w.send_ns = s->send_ns / s->frames;
        w.blocked_ns = s->blocked_ns / s->frames;
        w.batch_frames = s->frames / s->batches;
    }
    w.idle_share = busy > 0 ? s->idle_ns / (busy + s->idle_ns) : 0;
    return w;
}

static json_t *why_json(const struct compare *c, const struct compare_row *row, const struct compare_row *above)
{
    char text[MR_WHY_BYTES];
    if (row->sums.frames == 0) {
        return json_null();
    }
    const struct mr_why own = why_of(c, row), other = above != NULL ? why_of(c, above) : own;
    return json_string(mr_why_line(text, &own, above != NULL ? &other : NULL));
}

/* ---- a row ---- */

/* Against the bare loop of the same rounds; above 1 is better for us. */
static json_t *bare_json(const struct compare *c, const struct compare_row *row)
{
    double ours[MR_ROUNDS_MAX], theirs[MR_ROUNDS_MAX];
    column(c, row, offsetof(struct compare_round, flat_mpps), ours);
    column(c, row, offsetof(struct compare_round, bare_mpps), theirs);
    const struct mr_estimate rate = mr_estimate_ratio(ours, theirs, c->rounds, c->options.seed);
    column(c, row, offsetof(struct compare_round, cpu_ns), ours);
    column(c, row, offsetof(struct compare_round, bare_cpu_ns), theirs);
    const struct mr_estimate cpu = mr_estimate_ratio(theirs, ours, c->rounds, c->options.seed);
    if (rate.n == 0) {
        return json_null();
    }
    json_t *j = json_pack("{s:f, s:f, s:f, s:i, s:f}", "ratio", rate.median, "low", rate.low, "high", rate.high,
                          "pairs", (int)rate.n, "bare_mpps", MEDIAN(bare_mpps));
    json_object_set_new(j, "bare_cpu_ns_per_frame", real_or_null(MEDIAN(bare_cpu_ns)));
    json_object_set_new(j, "cpu", cpu.n == 0 ? json_null()
                                             : json_pack("{s:f, s:f, s:f}", "ratio", cpu.median, "low", cpu.low, "high", cpu.high));
    return j;
}

static json_t *latency_json(const struct compare *c, const struct compare_row *row)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < COMPARE_SHARES; i++) {
        json_t *at = json_object();
        json_object_set_new(at, "p50", real_or_null(MEDIAN(latency[i].p50_ns)));
        json_object_set_new(at, "p99", real_or_null(MEDIAN(latency[i].p99_ns)));
        if (!c->options.quick) {
            json_object_set_new(at, "p99_9", real_or_null(MEDIAN(latency[i].p99_9_ns)));
        }
        json_object_set_new(at, "asked_mpps", real_or_null(MEDIAN(latency[i].asked_mpps)));
        json_object_set_new(at, "offered_mpps", real_or_null(MEDIAN(latency[i].offered_mpps)));
        json_object_set_new(all, SHARE_KEYS[i], at);
    }
    return all;
}

/* What the why line is made of; sums over rounds. Null for what is no process of ours. */
static json_t *window_json(const struct compare_sums *s)
{
    return s->frames == 0
               ? json_null()
               : json_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "seconds", s->window_ns / 1e9, "sent",
                           (json_int_t)s->sent, "received", (json_int_t)s->received, "forwarded", (json_int_t)s->frames, "batches",
                           (json_int_t)s->batches, "syscalls", (json_int_t)s->syscalls, "receive_ns", s->receive_ns, "work_ns",
                           s->work_ns, "send_ns", s->send_ns, "blocked_ns", s->blocked_ns, "idle_ns", s->idle_ns, "sent_in_all",
                           (json_int_t)s->sent_in_all, "unnamed_in_all", (json_int_t)s->unnamed);
}

static json_t *rounds_json(const struct compare *c, const struct compare_row *row)
{
    json_t *j = json_object();
    json_object_set_new(j, "mpps_no_loss", column_json(c, row, offsetof(struct compare_round, no_loss_mpps)));
    json_object_set_new(j, "mpps_none_passed", column_json(c, row, offsetof(struct compare_round, failed_mpps)));
    json_object_set_new(j, "mpps_flat_out", column_json(c, row, offsetof(struct compare_round, flat_mpps)));
    json_object_set_new(j, "cpu_ns_per_frame", column_json(c, row, offsetof(struct compare_round, cpu_ns)));
    json_object_set_new(j, "cpu_ns_per_frame_system", column_json(c, row, offsetof(struct compare_round, box_ns)));
    return j;
}

static void put_rates(const struct compare *c, const struct compare_row *row, json_t *j)
{
    uint32_t disturbed = 0, limited = 0, out_of_trials = 0, searched = 0;
    for (uint32_t i = 0; i < c->rounds; i++) {
        searched += isfinite(row->round[i].no_loss_mpps) != 0;
        disturbed += row->round[i].disturbed;
        limited += row->round[i].source_limited;
        out_of_trials += row->round[i].out_of_trials;
    }
    bool at_least = limited + out_of_trials != 0 && (limited + out_of_trials) * 2 >= searched; // the median is no more than that
    json_object_set_new(j, "mpps_no_loss", real_or_null(MEDIAN(no_loss_mpps)));
    json_object_set_new(j, "mpps_none_passed", real_or_null(MEDIAN(failed_mpps)));
    json_object_set_new(j, "mpps_flat_out", real_or_null(MEDIAN(flat_mpps)));
    json_object_set_new(j, "mpps_offered", real_or_null(MEDIAN(offered_mpps)));
    json_object_set_new(j, "source_limited", json_boolean(at_least && limited >= out_of_trials));
    json_object_set_new(j, "out_of_trials", json_boolean(at_least && limited < out_of_trials));
    json_object_set_new(j, "disturbed_rounds", json_integer(disturbed));
    json_object_set_new(j, "interval",
                        json_pack("{s:o, s:o, s:o}", "mpps_no_loss",
                                  column_interval(c, row, offsetof(struct compare_round, no_loss_mpps)), "mpps_flat_out",
                                  column_interval(c, row, offsetof(struct compare_round, flat_mpps)), "cpu_ns_per_frame",
                                  column_interval(c, row, offsetof(struct compare_round, cpu_ns))));
}

static json_t *row_json(const struct compare *c, const struct compare_row *row, const struct compare_row *above)
{
    bool ran = row->reason[0] == 0;
    json_t *j = json_object();
    json_object_set_new(j, row->kind == COMPARE_DRIVER ? "driver" : "name", json_string(row->name));
    json_object_set_new(j, "feed", json_string(row->xdp_fed ? "xdp" : "skb"));
    json_object_set_new(j, "mode", row->mode[0] != 0 ? json_string(row->mode) : json_null());
    json_object_set_new(j, "reason", row->reason[0] != 0 ? json_string(row->reason) : json_null());
    put_rates(c, row, j);
    json_object_set_new(j, "latency_ns", latency_json(c, row));
    json_object_set_new(j, "syscalls_per_frame", ran && row->calls_counted ? real_or_null(MEDIAN(syscalls)) : json_null());
    json_object_set_new(j, "copies", ran && row->copies >= 0 ? json_integer(row->copies) : json_null());
    json_object_set_new(j, "cpu_ns_per_frame", real_or_null(MEDIAN(cpu_ns)));
    put_box(c, row, j);
    json_object_set_new(j, "busy_share", real_or_null(MEDIAN(busy_share)));
    json_object_set(j, "drops", row->drops);
    json_object_set_new(j, "window", window_json(&row->sums));
    json_object_set_new(j, "why", why_json(c, row, above));
    json_object_set_new(j, "ratio_to_bare", bare_json(c, row));
    json_object_set_new(j, "bare_reason", row->bare_reason[0] != 0 ? json_string(row->bare_reason) : json_null());
    json_object_set_new(j, "rounds", rounds_json(c, row));
    return j;
}

/* ---- all ---- */

static json_t *drivers_json(const struct compare *c)
{
    json_t *list = json_array();
    const struct compare_row *above = NULL;
    for (uint32_t i = 0; i < c->n_rows; i++) {
        const struct compare_row *row = &c->rows[i];
        above = row->kind == COMPARE_NOBODY ? NULL : above;
        if (row->kind == COMPARE_DRIVER) {
            json_array_append_new(list, row_json(c, row, above));
            above = row->sums.frames > 0 && row->reason[0] == 0 ? row : above;
        }
    }
    return list;
}

static json_t *reference_json(const struct compare *c)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->n_rows; i++) {
        const struct compare_row *row = &c->rows[i];
        if (row->kind != COMPARE_DRIVER && row->kind != COMPARE_NOBODY) {
            json_array_append_new(list, row_json(c, row, NULL));
        }
    }
    return list;
}

static json_t *sources_json(const struct compare *c)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->n_rows; i++) {
        const struct compare_row *row = &c->rows[i];
        if (row->kind == COMPARE_NOBODY) {
            json_array_append_new(
                list, json_pack("{s:s, s:o, s:o, s:o, s:i, s:b}", "feed", row->xdp_fed ? "xdp" : "skb", "mpps_alone",
                                real_or_null(MEDIAN(offered_mpps)), "cpu_ns_per_frame_alone", real_or_null(MEDIAN(source_ns)),
                                "reason", row->reason[0] != 0 ? json_string(row->reason) : json_null(), "cpu",
                                (int)c->lab.source_cpu, "shares_cpu_with_pipeline", (int)c->lab.shared_cpu));
        }
    }
    return list;
}

static json_t *sets_json(const struct compare *c)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->options.n_sets; i++) {
        json_array_append_new(list, json_string(c->options.sets[i]));
    }
    return list;
}

static json_t *devices_json(const struct compare *c)
{
    const char *const *d = c->net.device;
    return c->net.borrowed ? json_pack("{s:s, s:s, s:s, s:s}", "source", d[LAB_SRC], "from", d[LAB_LEFT], "to", d[LAB_RIGHT], "sink",
                                       d[LAB_DST])
                           : json_string("lab");
}

static json_t *method_json(const struct compare *c)
{
    const struct compare_times *t = &c->times;
    json_t *cpus = json_array();
    for (uint32_t i = 0; i < c->lab.n_cores; i++) {
        json_array_append_new(cpus, json_integer(c->lab.cores[i]));
    }
    return json_pack("{s:b, s:s, s:s, s:o, s:o, s:o, s:I, s:i, s:i, s:f, s:f, s:f, s:f, s:f}", "quick", (int)c->options.quick,
                     "size", c->options.size, "work", c->options.work, "set", sets_json(c), "devices",
                     devices_json(c), "pipeline_cpus", cpus, "seed",
                     (json_int_t)c->options.seed, "rounds_asked", (int)t->rounds, "rounds_made", (int)c->rounds, "seconds",
                     (double)(c->end_ns - c->begin_ns) / 1e9, "window_seconds", (double)t->window_ns / 1e9,
                     "trial_seconds", (double)t->trial_ns / 1e9, "loss_most", COMPARE_LOSS_MOST, "foreign_cpu_most",
                     COMPARE_FOREIGN_MOST);
}

json_t *compare_json(struct compare *c, int argc, char **argv)
{
    json_t *doc = json_object();
    fill_box(c);
    json_object_set_new(doc, "schema", json_string("millrace.compare/1"));
    json_object_set_new(doc, "millrace", mr_build_json());
    json_object_set_new(doc, "command", mr_command_json(argc, argv));
    json_object_set_new(doc, "host", mr_host_json());
    json_object_set_new(doc, "method", method_json(c));
    json_object_set_new(doc, "sources", sources_json(c));
    json_object_set_new(doc, "drivers", drivers_json(c));
    json_object_set_new(doc, "reference", reference_json(c));
    json_object_set_new(doc, "tcp", json_array());
    return doc;
}
