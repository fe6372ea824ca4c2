/* compare_tcp.c: rows and rounds of TCP streams. Each row forwards both ways (l2), by one driver or by the kernel's bridge, and each
 * stream is sent once as segments, with no offload anywhere, and once as super-frames, with the kernel's defaults. */
#include "apps/millrace/compare_tcp.h"
#include "apps/millrace/verbs.h"

#include "lib/port/port.h"
#include "lib/sys/clock.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_MAX = 2 * COMPARE_ROWS_MAX, ROUNDS = 8 };

struct row {
    struct compare_row *of; /* the row of the first table whose driver it has */
    bool super;
    uint64_t bytes;
    char reason[COMPARE_REASON_BYTES];
    double gbit_per_s[ROUNDS], cpu_s[ROUNDS], box_s[ROUNDS]; /* CPU seconds a Gbit; NAN = not measured */
    json_t *drops;
};

struct table {
    uint32_t n_rows, rounds; /* made so far */
    struct row rows[ROWS_MAX];
};

/* ---- rows ---- */

static void add(struct table *t, const struct compare *c, struct compare_row *of, bool super)
{
    struct row *r = &t->rows[t->n_rows++];
    *r = (struct row){.of = of, .super = super, .bytes = super ? c->times.super_bytes : c->times.segment_bytes, .drops = json_object()};
    for (int i = 0; i < ROUNDS; i++) {
        r->gbit_per_s[i] = r->cpu_s[i] = r->box_s[i] = NAN;
    }
    snprintf(r->reason, sizeof r->reason, "%s", of->reason);
    const struct mr_driver *d = of->kind == COMPARE_DRIVER && of->reason[0] == 0 ? mr_driver_find(of->rx_driver) : NULL;
    if (super && d != NULL && !d->caps.offloads) {
        snprintf(r->reason, sizeof r->reason, "carries no super-frames");
    }
}

/* Bridge and drivers of the first feed's rows; pairs of drivers have no two-way form that says more. */
static void add_rows(struct table *t, struct compare *c)
{
    for (int super = 1; super >= 0; super--) {
        for (uint32_t i = 0; i < c->n_rows && c->rows[i].xdp_fed == c->rows[0].xdp_fed; i++) {
            struct compare_row *of = &c->rows[i];
            if (of->kind == COMPARE_BRIDGE || (of->kind == COMPARE_DRIVER && strcmp(of->rx_driver, of->tx_driver) == 0)) {
                add(t, c, of, super != 0);
            }
        }
    }
}

/* ---- one stream ---- */

struct forwarder {
    struct lab_process process;
    struct lab_options lab;
};

static int config(const void *arg, struct mr_config **out, struct mr_error *err)
{
    struct lab_options o = *(const struct lab_options *)arg;
    return lab_config_pipeline(&o, out, err);
}

static int start(const struct compare *c, const struct row *r, struct forwarder *f, struct mr_error *err)
{
    if (r->of->kind != COMPARE_DRIVER) {
        return compare_reference_start(c, r->of, err);
    }
    f->lab = c->lab;
    f->lab.work = "l2";
    f->lab.offload = r->super ? MR_OFFLOAD_SUPER : MR_OFFLOAD_NONE;
    f->lab.rx_driver = r->of->rx_driver;
    f->lab.tx_driver = r->of->tx_driver;
    f->lab.n_sets = c->options.n_sets;
    memcpy(f->lab.sets, c->options.sets, sizeof c->options.sets);
    const struct lab_job job = {.who = "the pipeline", .name = "mr-pipeline", .side = LAB_FORWARDER, .control_cpu = -1,
                                .config = config, .arg = &f->lab};
    int result = lab_process_start(&f->process, &job, &c->net, err);
    return result < 0 || lab_process_go(&f->process)
               ? result
               : mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the pipeline ended before a frame came");
}

static void add_drops(struct row *r, const json_t *report)
{
    const char *key;
    json_t *n;
    json_object_foreach(json_object_get(json_object_get(report, "totals"), "drops"), key, n) {
        if (json_integer_value(n) != 0) {
            json_object_set_new(r->drops, key, json_integer(json_integer_value(json_object_get(r->drops, key)) + json_integer_value(n)));
        }
    }
}

static int stop(const struct compare *c, struct row *r, struct forwarder *f, struct mr_error *err)
{
    if (r->of->kind != COMPARE_DRIVER) {
        return compare_reference_stop(c, r->of, err);
    }
    lab_process_stop(&f->process);
    json_t *report = lab_process_report(&f->process, err);
    add_drops(r, report);
    int result = report != NULL ? 0 : -ECHILD;
    json_decref(report);
    return result;
}

/* Whoever forwards is there; the CPU time is read when both ends are connected, and when all has come. */
static int stream(const struct compare *c, struct row *r, const struct forwarder *f, uint32_t round, struct mr_error *err)
{
    struct compare_stream s = {.sink = 0};
    struct compare_cpus from, to;
    double seconds = 0, gbit = (double)r->bytes * 8e-9;
    bool ours = r->of->kind == COMPARE_DRIVER;
    int result = compare_stream_start(&s, &c->net, c->lab.source_cpu, r->bytes, err);
    double cpu = compare_cpu_ns(ours ? &f->process : NULL);
    compare_cpus_read(&c->lab, &from);
    result = result < 0 ? result : compare_stream_run(&s, r->bytes, &seconds, err);
    compare_cpus_read(&c->lab, &to);
    cpu = compare_cpu_ns(ours ? &f->process : NULL) - cpu;
    compare_stream_end(&s);
    if (result == 0) {
        r->gbit_per_s[round] = gbit / seconds;
        r->cpu_s[round] = ours ? cpu * 1e-9 / gbit : NAN;
        r->box_s[round] = (to.busy_ns - from.busy_ns) * 1e-9 / gbit;
    }
    return result;
}

static void measure(struct compare *c, struct row *r, uint32_t round)
{
    struct forwarder f = {.process = {.pid = 0}};
    struct mr_error why = {0}, ignored = {0};
    int result = lab_net_offloads(&c->net, r->super ? MR_OFFLOAD_SUPER : MR_OFFLOAD_NONE, &why);
    result = result < 0 ? result : start(c, r, &f, &why);
    bool started = result == 0;
    result = result < 0 ? result : stream(c, r, &f, round, &why);
    if (started) {
        int stopped = stop(c, r, &f, result < 0 ? &ignored : &why);
        result = result < 0 ? result : stopped;
    }
    lab_process_destroy(&f.process);
    if (result < 0) {
        snprintf(r->reason, sizeof r->reason, "%s", why.text);
        for (int i = 0; i < ROUNDS; i++) { // one stream that was not whole makes the others of this row worth nothing
            r->gbit_per_s[i] = r->cpu_s[i] = r->box_s[i] = NAN;
        }
    }
}

/* ---- rounds ---- */

static void one_round(struct compare *c, struct table *t)
{
    uint32_t order[ROWS_MAX];
    mr_shuffle(order, t->n_rows, &c->random);
    for (uint32_t i = 0; i < t->n_rows; i++) {
        struct row *r = &t->rows[order[i]];
        if (r->reason[0] == 0) {
            if (!c->options.quiet && isatty(STDERR_FILENO)) {
                fprintf(stderr, "\rTCP, round %u: %s\033[K", t->rounds + 1, r->of->name);
            }
            measure(c, r, t->rounds);
        }
    }
    t->rounds++;
}

static void rounds(struct compare *c, struct table *t)
{
    uint64_t begin = mr_now_ns(), longest = 0;
    while (t->rounds < c->times.tcp_rounds && (t->rounds == 0 || mr_now_ns() - begin + longest < c->times.tcp_limit_ns)) {
        uint64_t at = mr_now_ns();
        one_round(c, t);
        uint64_t took = mr_now_ns() - at;
        longest = took > longest ? took : longest;
    }
    if (!c->options.quiet && isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

/* ---- the document ---- */

static json_t *estimate_json(const char *key, const struct mr_estimate *e)
{
    return e->n == 0 ? json_null()
                     : json_pack("{s:f, s:f, s:f, s:i, s:s}", key, e->median, "low", e->low, "high", e->high, "rounds", (int)e->n, "is",
                                 e->range ? "range" : "95 %");
}

static json_t *median_json(const struct compare *c, const double *values, uint32_t n)
{
    const struct mr_estimate e = mr_estimate(values, n, c->options.seed);
    return e.n == 0 ? json_null() : json_real(e.median);
}

static json_t *row_json(const struct compare *c, const struct table *t, const struct row *r, const struct row *bridge)
{
    const struct mr_estimate rate = mr_estimate(r->gbit_per_s, t->rounds, c->options.seed);
    const struct mr_estimate ratio = mr_estimate_ratio(r->gbit_per_s, bridge->gbit_per_s, t->rounds, c->options.seed);
    json_t *j = json_pack("{s:s, s:s, s:I}", "driver", r->of->name, "frames", r->super ? "super" : "segments", "bytes",
                          (json_int_t)r->bytes);
    json_object_set_new(j, "gbit_per_s", estimate_json("median", &rate));
    json_object_set_new(j, "ratio_to_bridge", r == bridge ? json_null() : estimate_json("ratio", &ratio));
    json_object_set_new(j, "cpu_s_per_gbit", median_json(c, r->cpu_s, t->rounds));
    json_object_set_new(j, "cpu_s_per_gbit_system", median_json(c, r->box_s, t->rounds));
    json_object_set_new(j, "copies", r->of->copies >= 0 ? json_integer(r->of->copies) : json_null());
    json_object_set(j, "drops", r->drops);
    json_object_set_new(j, "reason", r->reason[0] != 0 ? json_string(r->reason) : json_null());
    return j;
}

static const struct row *bridge_of(const struct table *t, bool super)
{
    const struct row *r = t->rows;
    while (r->of->kind != COMPARE_BRIDGE || r->super != super) {
        r++;
    }
    return r;
}

int compare_tcp(struct compare *c, json_t *document, struct mr_error *err)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "compare: no memory for the table of TCP; free some");
    }
    int result = lab_net_create_apart(&c->net, MR_OFFLOAD_NONE, err);
    if (result == 0) {
        add_rows(t, c);
        rounds(c, t);
        lab_net_destroy(&c->net);
    }
    for (uint32_t i = 0; i < t->n_rows; i++) {
        json_array_append_new(json_object_get(document, "tcp"), row_json(c, t, &t->rows[i], bridge_of(t, t->rows[i].super)));
        json_decref(t->rows[i].drops);
    }
    free(t);
    return result;
}
