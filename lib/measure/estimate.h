/* estimate.h: one figure out of several rounds, and how sure it is.
 *
 * A figure is the median over rounds; a comparison is the median of the ratios *within* rounds, since two that ran within
 * the same seconds saw the same machine. The interval is drawn by bootstrap: the middle 95 % of the medians of as many
 * values, drawn with replacement from those that were measured. Below 6 rounds that is no more than their range (the
 * median lies within the range of n values with 1 - 2/2^n: 50 % for 2, 94 % for 5), and `range` says so.
 *
 * Pure: no clock, no memory, and the same seed gives the same interval.
 */
#ifndef MILLRACE_MEASURE_ESTIMATE_H
#define MILLRACE_MEASURE_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#define MR_VALUES_MAX 512u /* that a figure may rest on */
#define MR_ROUNDS_MAX 64u  /* of one comparison of drivers */
#define MR_ROUNDS_FOR_INTERVAL 6u

struct mr_estimate {
    uint32_t n;       /* values that it rests on; 0 = none, and then what is below is no number (NAN) */
    double median;
    double low, high;
    bool range;       /* low and high are the least and the greatest value, no 95 % interval */
};

/* mr_median: of n values, at most MR_VALUES_MAX; 0 without any. */
double mr_median(const double *values, uint32_t n);

/* mr_estimate: of n values; NAN is a round that was not measured, and left out. One that measured 0 counts like any other. */
struct mr_estimate mr_estimate(const double *values, uint32_t n, uint64_t seed);

/* mr_estimate_ratio: of ours[i] / theirs[i], over the rounds in which both were measured and theirs is not 0. */
struct mr_estimate mr_estimate_ratio(const double *ours, const double *theirs, uint32_t n, uint64_t seed);

/* mr_estimate_quotient: of the median of ours over the median of theirs, which were not measured in pairs: each side is
 * drawn on its own. With fewer than 6 values on a side the interval is the range of all quotients. A quotient by 0 is
 * INFINITY. n is the smaller number; 0 too where the median of theirs is 0. */
struct mr_estimate mr_estimate_quotient(const double *ours, uint32_t n_ours, const double *theirs, uint32_t n_theirs,
                                        uint64_t seed);

/* mr_random: the next of a sequence (splitmix64); mr_shuffle: n numbers 0 … n-1 in random order. */
uint64_t mr_random(uint64_t *state);
void mr_shuffle(uint32_t *order, uint32_t n, uint64_t *state);

#endif
