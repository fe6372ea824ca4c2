/* histogram.h: log-linear histogram of times, fixed memory, one writer.
 *
 * 64 linear buckets per power of two: a bucket is at most 1/64 of its value wide, and the value reported for it (its
 * middle) is within 1/128. Values are whole numbers of any unit; the engine records units of 16 TSC ticks and converts
 * when it reports, with 37 bits that is 1 unit … 137 G units (over 20 s in ns, and in ticks). Larger values count in the
 * last bucket and in `clipped`. Adding is one subtraction-free index computation and a plain add; no clock, no OS call.
 */
#ifndef MILLRACE_HISTOGRAM_H
#define MILLRACE_HISTOGRAM_H

#include <millrace/atomic.h>

#define MR_HISTOGRAM_SUB_BITS 6u
#define MR_HISTOGRAM_SUB      (1u << MR_HISTOGRAM_SUB_BITS)
#define MR_HISTOGRAM_BITS     37u
#define MR_HISTOGRAM_BUCKETS  ((MR_HISTOGRAM_BITS - MR_HISTOGRAM_SUB_BITS + 1u) * MR_HISTOGRAM_SUB)

struct mr_histogram {
    uint64_t count;
    uint64_t max;     /* exact */
    uint64_t clipped; /* values beyond the last bucket */
    uint64_t buckets[MR_HISTOGRAM_BUCKETS];
} MR_ALIGNED(MR_LINE_PAIR);

/* mr_histogram_bucket: index of the bucket a value falls into. */
static inline uint32_t mr_histogram_bucket(uint64_t value)
{
    if (value < MR_HISTOGRAM_SUB) {
        return (uint32_t)value;
    }
    uint32_t top = 63u - (uint32_t)__builtin_clzll(value);
    if (MR_UNLIKELY(top >= MR_HISTOGRAM_BITS)) {
        return MR_HISTOGRAM_BUCKETS - 1;
    }
    uint32_t shift = top - MR_HISTOGRAM_SUB_BITS;
    return (shift + 1) * MR_HISTOGRAM_SUB + (uint32_t)((value >> shift) - MR_HISTOGRAM_SUB);
}

/* mr_histogram_add: record n equal values. Writer's thread. */
static inline void mr_histogram_add(struct mr_histogram *h, uint64_t value, uint64_t n)
{
    mr_count(&h->buckets[mr_histogram_bucket(value)], n);
    mr_count(&h->count, n);
    if (MR_UNLIKELY(value > h->max)) {
        __atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
    }
    if (MR_UNLIKELY(value >> MR_HISTOGRAM_BITS != 0)) {
        mr_count(&h->clipped, n);
    }
}

#ifdef __cplusplus
extern "C" {
#endif

/* mr_histogram_low, mr_histogram_high: smallest and largest value of a bucket. */
uint64_t mr_histogram_low(uint32_t bucket);
uint64_t mr_histogram_high(uint32_t bucket);

/* mr_histogram_merge: add all of `from` to `into`; any thread may be writing `from`, the caller owns `into`. */
void mr_histogram_merge(struct mr_histogram *into, const struct mr_histogram *from);

/* mr_histogram_quantile: the smallest value that at least q (0 … 1) of the samples do not exceed, as the middle of its
 * bucket and never above max; 0 without samples. */
uint64_t mr_histogram_quantile(const struct mr_histogram *h, double q);

#ifdef __cplusplus
}
#endif

#endif
