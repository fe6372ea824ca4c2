/* compare_baseline.c: this run against an earlier one: the ratio of each row's figures, with interval. */
#include "apps/millrace/compare.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static uint32_t values_of(const json_t *row, const char *key, double *to)
{
    size_t i;
    const json_t *value;
    uint32_t n = 0;
    json_array_foreach(json_object_get(json_object_get(row, "rounds"), key), i, value) {
        if (n < MR_ROUNDS_MAX) {
            to[n++] = json_is_number(value) ? json_number_value(value) : NAN;
        }
    }
    return n;
}

static json_t *ratio_json(const json_t *row, const json_t *then, const char *key, uint64_t seed)
{
    double ours[MR_ROUNDS_MAX], theirs[MR_ROUNDS_MAX];
    uint32_t n = values_of(row, key, ours), m = values_of(then, key, theirs);
    const struct mr_estimate e = mr_estimate_quotient(ours, n, theirs, m, seed);
    return e.n == 0 ? json_null()
                    : json_pack("{s:f, s:f, s:o, s:s}", "ratio", e.median, "low", e.low, "high",
                                isfinite(e.high) ? json_real(e.high) : json_null(), "is",
                                e.range ? "range" : "95 % by bootstrap");
}

static const json_t *same_row(const json_t *document, const json_t *row)
{
    size_t i;
    const json_t *other;
    json_array_foreach(json_object_get(document, "drivers"), i, other) {
        if (json_equal(json_object_get(other, "driver"), json_object_get(row, "driver")) &&
            json_equal(json_object_get(other, "feed"), json_object_get(row, "feed"))) {
            return other;
        }
    }
    return NULL;
}

static bool has_figures(const json_t *row)
{
    return json_is_object(json_object_get(row, "rounds")) && !json_is_string(json_object_get(row, "reason"));
}

json_t *compare_read(const char *option, const char *file, struct mr_error *err)
{
    json_error_t where;
    json_t *then = json_load_file(file, 0, &where);
    const char *schema = json_string_value(json_object_get(then, "schema"));
    if (then == NULL) {
        mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --%s %s: %s; give a file that compare --json wrote", option, file,
                     where.text);
    } else if (schema == NULL || strcmp(schema, "millrace.compare/1") != 0) {
        mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --%s %s: its schema is %s, not millrace.compare/1; give a file that "
                     "compare --json wrote", option, file, schema != NULL ? schema : "not told");
        json_decref(then);
        then = NULL;
    }
    return then;
}

/* ---- are they alike? ---- */

static const char *told(const json_t *document, const char *group, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(document, group), key));
    return text != NULL ? text : "not told";
}

int compare_baseline_fits(const struct compare_options *o, const json_t *document, const json_t *then, struct mr_error *err)
{
    const char *size = document != NULL ? told(document, "method", "size") : o->size, *size_then = told(then, "method", "size");
    const char *work = document != NULL ? told(document, "method", "work") : o->work, *work_then = told(then, "method", "work");
    bool size_differs = strcmp(size, size_then) != 0;
    if (!size_differs && strcmp(work, work_then) == 0) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --baseline %s: its %s is %s and this run's is %s: a ratio of the two "
                        "would say nothing; give --%s %s, or another baseline", o->baseline, size_differs ? "size" : "work",
                        size_differs ? size_then : work_then, size_differs ? size : work, size_differs ? "size" : "work",
                        size_differs ? size_then : work_then);
}

/* What the ratios speak of beside the program: each with both values. */
static json_t *unlike_json(const json_t *now, const json_t *then)
{
    static const char *const facts[][2] = {{"host", "cpu"}, {"host", "kernel"}, {"host", "cores"}, {"host", "hypervisor"},
                                           {"method", "devices"},
                                           {"method", "pipeline_cpus"}, {"method", "quick"}, {"method", "set"},
                                           {"method", "window_seconds"},
                                           {"method", "trial_seconds"}, {"method", "rounds_made"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        json_t *a = json_object_get(json_object_get(now, facts[i][0]), facts[i][1]);
        json_t *b = json_object_get(json_object_get(then, facts[i][0]), facts[i][1]);
        if (json_equal(a, b) == 0 && (a != NULL || b != NULL)) {
            json_array_append_new(list, json_pack("{s:s, s:O, s:O}", "what", facts[i][1], "now", a != NULL ? a : json_null(), "then",
                                                  b != NULL ? b : json_null()));
        }
    }
    return list;
}

/* Rows with figures that the other has none of. */
static json_t *only_json(const json_t *document, const json_t *other)
{
    size_t i;
    const json_t *row;
    json_t *list = json_array();
    json_array_foreach(json_object_get(document, "drivers"), i, row) {
        if (has_figures(row) && !has_figures(same_row(other, row))) {
            json_array_append_new(list, json_sprintf("%s fed %s", json_string_value(json_object_get(row, "driver")),
                                                     json_string_value(json_object_get(row, "feed"))));
        }
    }
    return list;
}

/* ---- all ---- */

static json_t *ratios_json(const json_t *row, const json_t *other, uint64_t seed)
{
    static const char *const keys[] = {"mpps_no_loss", "mpps_flat_out", "cpu_ns_per_frame"};
    json_t *ratios = json_object();
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        json_object_set_new(ratios, keys[k], ratio_json(row, other, keys[k], seed));
    }
    return ratios;
}

void compare_baseline(json_t *document, const json_t *then, const char *file, uint64_t seed)
{
    size_t i;
    json_t *row, *b = json_object();
    json_object_set_new(b, "file", json_string(file));
    json_object_set(b, "command", json_object_get(then, "command"));
    json_object_set(b, "host", json_object_get(then, "host"));
    json_object_set(b, "millrace", json_object_get(then, "millrace"));
    json_object_set_new(b, "unlike", unlike_json(document, then));
    json_object_set_new(b, "only_now", only_json(document, then));
    json_object_set_new(b, "only_then", only_json(then, document));
    json_object_set_new(document, "baseline", b);
    json_array_foreach(json_object_get(document, "drivers"), i, row) {
        const json_t *other = same_row(then, row);
        bool both = has_figures(row) && has_figures(other);
        json_object_set_new(row, "ratio_to_baseline", both ? ratios_json(row, other, seed) : json_null());
    }
}
