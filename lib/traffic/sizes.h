/* sizes.h: drawing frame sizes, exactly as often as asked for, in an order that a seed decides.
 *
 * Weighted sizes are drawn without replacement: after Σ weights draws each size came exactly its weight's times. A range
 * is walked with a stride that is coprime to its span, from a drawn start: after `span` draws each size came once.
 * Pure; one user.
 */
#ifndef MILLRACE_TRAFFIC_SIZES_H
#define MILLRACE_TRAFFIC_SIZES_H

#include <millrace/atomic.h>

#include <stdbool.h>

#define MR_SIZE_DRAW_MAX 8u

struct mr_size_draw {
    uint32_t n; /* entries; 1: fixed */
    bool ranged;
    uint32_t bytes[MR_SIZE_DRAW_MAX];
    uint32_t weights[MR_SIZE_DRAW_MAX];
    uint32_t left[MR_SIZE_DRAW_MAX]; /* of this round */
    uint32_t total, left_total;      /* Σ weights, or the span of the range */
    uint32_t stride, at;             /* of a range */
    uint64_t random;
};

/* mr_size_draw_init: n sizes with weights, or the range bytes[0] … bytes[1]. 0, or -EINVAL: n not 1 … 8 (a range: 2), a
 * weight that is 0, a range whose end is before its start. The weights of a range and of a single size are not read. */
int mr_size_draw_init(struct mr_size_draw *d, const uint16_t *bytes, const uint16_t *weights, uint32_t n, bool ranged,
                      uint32_t seed);

/* mr_size_draw_longest: of all that may be drawn. */
uint32_t mr_size_draw_longest(const struct mr_size_draw *d);

/* mr_random: splitmix64, one step. */
static inline uint64_t mr_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* mr_random_below: 0 … n-1; the bias of n/2^32 is of no interest here. */
static inline uint32_t mr_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((mr_random(state) >> 32) * n >> 32);
}

static inline void mr_size_draw_deal(struct mr_size_draw *d)
{
    d->left_total = d->total;
    d->at = mr_random_below(&d->random, d->total);
    __builtin_memcpy(d->left, d->weights, sizeof d->left);
}

/* mr_size_draw_next: the next frame's bytes, without FCS. */
static inline uint32_t mr_size_draw_next(struct mr_size_draw *d)
{
    if (d->n == 1) {
        return d->bytes[0];
    }
    if (d->left_total == 0) {
        mr_size_draw_deal(d);
    }
    if (d->ranged) {
        d->left_total--;
        d->at += d->stride;
        d->at -= d->at >= d->total ? d->total : 0;
        return d->bytes[0] + d->at;
    }
    uint32_t card = mr_random_below(&d->random, d->left_total--);
    uint32_t i = 0;
    while (card >= d->left[i]) {
        card -= d->left[i++];
    }
    d->left[i]--;
    return d->bytes[i];
}

#endif
