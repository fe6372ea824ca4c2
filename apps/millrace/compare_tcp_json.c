/* compare_tcp_json.c: the second table in the document. Every figure is a median over rounds, beside the rounds themselves; what
 * was not measured is null. */
#include "apps/millrace/compare_tcp.h"

#include "lib/sys/clock.h"

#include <math.h>

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *estimate_json(const char *key, const struct mr_estimate *e)
{
    return e->n == 0 ? json_null()
                     : json_pack("{s:f, s:f, s:f, s:i, s:s}", key, e->median, "low", e->low, "high", e->high, "rounds", (int)e->n, "is",
                                 e->range ? "range" : "95 % by bootstrap");
}

static json_t *values_json(const double *values, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(list, real_or_null(values[i]));
    }
    return list;
}

/* What is below the pipeline's own share of it by more than the ruler is off is no figure. */
static void put_box(const struct compare *c, const struct compare_tcp_row *r, json_t *j)
{
    uint32_t n = r->form->rounds;
    double box = mr_estimate(r->box_s, n, c->options.seed).median, own = mr_estimate(r->cpu_s, n, c->options.seed).median;
    double resolution = mr_estimate(r->resolution_s, n, c->options.seed).median;
    const char *refusal = r->reason[0] != 0                ? "it did not run"
                          : isnan(box)                     ? "each round was disturbed, and what disturbed it would be in the figure"
                          : !isnan(own) && box < own - resolution ? "it came out below the CPU time of the pipeline"
                                                           : NULL;
    json_object_set_new(j, "cpu_s_per_gbit_system", refusal == NULL ? json_real(box) : json_null());
    json_object_set_new(j, "system_reason", refusal == NULL ? json_null() : json_string(refusal));
    json_object_set_new(j, "system_resolution_s", real_or_null(resolution));
    json_object_set_new(j, "disturbed_rounds", json_integer(r->disturbed));
}

static json_t *row_json(const struct compare *c, const struct compare_tcp_row *r, const struct compare_tcp_row *bridge)
{
    uint32_t n = r->form->rounds;
    const struct mr_estimate rate = mr_estimate(r->gbit_per_s, n, c->options.seed);
    const struct mr_estimate ratio = mr_estimate_ratio(r->gbit_per_s, bridge->gbit_per_s, n, c->options.seed);
    json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "driver", r->of->name, "frames", r->form->frames, "bytes", (json_int_t)r->form->bytes,
                          "carried_bytes", (json_int_t)r->carried);
    json_object_set_new(j, "gbit_per_s", estimate_json("median", &rate));
    json_object_set_new(j, "ratio_to_bridge", r == bridge ? json_null() : estimate_json("ratio", &ratio));
    json_object_set_new(j, "cpu_s_per_gbit", real_or_null(mr_estimate(r->cpu_s, n, c->options.seed).median));
    put_box(c, r, j);
    json_object_set_new(j, "copies", r->of->copies >= 0 ? json_integer(r->of->copies) : json_null());
    json_object_set(j, "drops", r->drops);
    json_object_set_new(j, "reason", r->reason[0] != 0 ? json_string(r->reason) : json_null());
    json_object_set_new(j, "rounds", json_pack("{s:o, s:o, s:o}", "gbit_per_s", values_json(r->gbit_per_s, n), "cpu_s_per_gbit",
                                               values_json(r->cpu_s, n), "cpu_s_per_gbit_system", values_json(r->box_s, n)));
    return j;
}

/* Each form has one. */
static const struct compare_tcp_row *bridge_of(const struct compare_tcp *t, const struct compare_form *form)
{
    const struct compare_tcp_row *r = t->rows;
    while (r->of->kind != COMPARE_BRIDGE || r->form != form) {
        r++;
    }
    return r;
}

void compare_tcp_json(const struct compare *c, const struct compare_tcp *t, json_t *document)
{
    json_t *list = json_object_get(document, "tcp"), *method = json_object_get(document, "method");
    for (uint32_t i = 0; i < t->n_rows; i++) {
        json_array_append_new(list, row_json(c, &t->rows[i], bridge_of(t, t->rows[i].form)));
    }
    json_object_set_new(method, "tcp", json_pack("{s:i, s:f, s:f}", "rounds_asked", (int)c->times.tcp_rounds, "seconds",
                                                 (double)(mr_now_ns() - t->begin_ns) / 1e9, "stream_seconds_most",
                                                 (double)c->times.stream_ns / 1e9));
}
