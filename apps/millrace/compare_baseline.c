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
                    : json_pack("{s:f, s:f, s:f, s:s}", "ratio", e.median, "low", e.low, "high", e.high, "is",
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

void compare_baseline(json_t *document, const json_t *then, uint64_t seed)
{
    static const char *const keys[] = {"mpps_no_loss", "mpps_flat_out", "cpu_ns_per_frame"};
    size_t i;
    json_t *row;
    json_object_set(document, "baseline_command", json_object_get(then, "command"));
    json_object_set(document, "baseline_host", json_object_get(then, "host"));
    json_array_foreach(json_object_get(document, "drivers"), i, row) {
        const json_t *other = same_row(then, row);
        json_t *ratios = json_object();
        for (size_t k = 0; other != NULL && k < sizeof keys / sizeof *keys; k++) {
            json_object_set_new(ratios, keys[k], ratio_json(row, other, keys[k], seed));
        }
        json_object_set_new(row, "ratio_to_baseline", other != NULL ? ratios : json_null());
        if (other == NULL) {
            json_decref(ratios);
        }
    }
}
