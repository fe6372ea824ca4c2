#include "lib/measure/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double mr_median(const double *values, uint32_t n)
{
    double sorted[MR_VALUES_MAX];
    if (n == 0) {
        return 0;
    }
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, by_value);
    return n % 2 != 0 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

uint64_t mr_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void mr_shuffle(uint32_t *order, uint32_t n, uint64_t *state)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(mr_random(state) % (i + 1));
        order[i] = order[at];
        order[at] = i;
    }
}

/* The median of n values drawn with replacement. */
static double drawn_median(const double *values, uint32_t n, uint64_t *random)
{
    double drawn[MR_VALUES_MAX];
    for (uint32_t k = 0; k < n; k++) {
        drawn[k] = values[mr_random(random) % n];
    }
    return mr_median(drawn, n);
}

static void middle(struct mr_estimate *e, double *drawn)
{
    qsort(drawn, RESAMPLES, sizeof *drawn, by_value);
    e->low = drawn[RESAMPLES / 40];
    e->high = drawn[RESAMPLES - 1 - RESAMPLES / 40];
}

static void bootstrap(struct mr_estimate *e, const double *values, uint64_t seed)
{
    double medians[RESAMPLES];
    for (uint32_t i = 0; i < RESAMPLES; i++) {
        medians[i] = drawn_median(values, e->n, &seed);
    }
    middle(e, medians);
}

static void range(struct mr_estimate *e, const double *values)
{
    e->range = true;
    e->low = e->high = values[0];
    for (uint32_t i = 1; i < e->n; i++) {
        e->low = values[i] < e->low ? values[i] : e->low;
        e->high = values[i] > e->high ? values[i] : e->high;
    }
}

/* Those that are there, into `there`; returns how many. */
static uint32_t present(const double *values, uint32_t n, double *there)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n && i < MR_VALUES_MAX; i++) {
        if (!isnan(values[i])) {
            there[k++] = values[i];
        }
    }
    return k;
}

struct mr_estimate mr_estimate(const double *values, uint32_t n, uint64_t seed)
{
    double there[MR_VALUES_MAX];
    struct mr_estimate e = {.n = present(values, n, there), .median = NAN, .low = NAN, .high = NAN};
    if (e.n == 0) {
        return e;
    }
    e.median = mr_median(there, e.n);
    if (e.n < MR_ROUNDS_FOR_INTERVAL) {
        range(&e, there);
    } else {
        bootstrap(&e, there, seed);
    }
    return e;
}

struct mr_estimate mr_estimate_ratio(const double *ours, const double *theirs, uint32_t n, uint64_t seed)
{
    double ratios[MR_VALUES_MAX];
    uint32_t pairs = 0;
    for (uint32_t i = 0; i < n && i < MR_VALUES_MAX; i++) {
        if (!isnan(ours[i]) && !isnan(theirs[i]) && theirs[i] != 0) {
            ratios[pairs++] = ours[i] / theirs[i];
        }
    }
    return mr_estimate(ratios, pairs, seed);
}

struct mr_estimate mr_estimate_quotient(const double *ours, uint32_t n_ours, const double *theirs, uint32_t n_theirs,
                                        uint64_t seed)
{
    double a[MR_VALUES_MAX], b[MR_VALUES_MAX], drawn[RESAMPLES];
    uint32_t n = present(ours, n_ours, a), m = present(theirs, n_theirs, b);
    struct mr_estimate e = {.n = n < m ? n : m, .median = NAN, .low = NAN, .high = NAN};
    if (e.n == 0 || mr_median(b, m) == 0) {
        e.n = 0; // there is no quotient by nothing
        return e;
    }
    e.median = mr_median(a, n) / mr_median(b, m);
    if (e.n >= MR_ROUNDS_FOR_INTERVAL) {
        for (uint32_t i = 0; i < RESAMPLES; i++) {
            double above = drawn_median(a, n, &seed), below = drawn_median(b, m, &seed);
            drawn[i] = below > 0 ? above / below : INFINITY;
        }
        middle(&e, drawn);
        return e;
    }
    struct mr_estimate own = {.n = n}, other = {.n = m};
    range(&own, a);
    range(&other, b);
    e.range = true;
    e.low = own.low / other.high;
    e.high = other.low > 0 ? own.high / other.low : INFINITY;
    return e;
}
