#include <millrace/histogram.h>

uint64_t mr_histogram_low(uint32_t bucket)
{
    uint32_t group = bucket / MR_HISTOGRAM_SUB;
    uint64_t sub = bucket % MR_HISTOGRAM_SUB;
    return group == 0 ? sub : (MR_HISTOGRAM_SUB + sub) << (group - 1);
}

uint64_t mr_histogram_high(uint32_t bucket)
{
    return mr_histogram_low(bucket + 1) - 1;
}

void mr_histogram_merge(struct mr_histogram *into, const struct mr_histogram *from)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
        uint64_t n = mr_counted(&from->buckets[i]);
        into->buckets[i] += n;
        count += n;
    }
    uint64_t max = mr_counted(&from->max);
    into->count += count; // what was read, so that a merge during writing is consistent in itself
    into->clipped += mr_counted(&from->clipped);
    into->max = max > into->max ? max : into->max;
}

uint64_t mr_histogram_quantile(const struct mr_histogram *h, double q)
{
    double rank = q * (double)h->count;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] != 0 && (double)seen >= rank) {
            uint64_t middle = (mr_histogram_low(i) + mr_histogram_high(i)) / 2;
            return middle < h->max ? middle : h->max;
        }
    }
    return h->max;
}
