#include <criterion/criterion.h>
#include <millrace/histogram.h>

#include <stdlib.h>
#include <string.h>

static struct mr_histogram h, other;

Test(histogram, buckets_follow_one_another_without_gap_or_overlap)
{
    cr_expect_eq(mr_histogram_low(0), 0);
    for (uint32_t b = 0; b < MR_HISTOGRAM_BUCKETS; b++) {
        uint64_t low = mr_histogram_low(b), high = mr_histogram_high(b);
        cr_assert_leq(low, high);
        cr_assert_eq(mr_histogram_bucket(low), b);
        cr_assert_eq(mr_histogram_bucket(high), b);
        cr_assert_eq(mr_histogram_bucket(high + 1), b + 1 < MR_HISTOGRAM_BUCKETS ? b + 1 : b);
        cr_assert_leq((high - low) * MR_HISTOGRAM_SUB, low, "bucket %u is wider than 1/64 of its value", b);
    }
    cr_expect_eq(mr_histogram_high(MR_HISTOGRAM_BUCKETS - 1), (UINT64_C(1) << MR_HISTOGRAM_BITS) - 1);
}

Test(histogram, reported_value_is_within_a_64th_up_to_20_seconds_in_ns)
{
    for (uint64_t value = 1; value < UINT64_C(20000000000); value = value * 17 / 16 + 1) {
        memset(&h, 0, sizeof h);
        mr_histogram_add(&h, value, 1);
        mr_histogram_add(&h, value * 2, 1); /* so that max does not stand in for the bucket */
        uint64_t got = mr_histogram_quantile(&h, 0.5);
        uint64_t error = got > value ? got - value : value - got;
        cr_assert_leq(error * 64, value, "%lu reported as %lu", (unsigned long)value, (unsigned long)got);
        cr_assert_eq(h.clipped, 0);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

Test(histogram, quantiles_agree_with_a_sorted_sample)
{
    enum { N = 10000 };
    static uint64_t sample[N];
    const double quantiles[] = {0.001, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
    srand(3);
    for (int i = 0; i < N; i++) {
        sample[i] = (uint64_t)rand() >> rand() % 30;
        mr_histogram_add(&h, sample[i], 1);
    }
    qsort(sample, N, sizeof *sample, by_value);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        uint64_t exact = sample[(int)(quantiles[i] * N + 0.5) - 1];
        uint64_t got = mr_histogram_quantile(&h, quantiles[i]);
        cr_expect_eq(mr_histogram_bucket(got), mr_histogram_bucket(exact), "q %g: %lu for %lu", quantiles[i],
                     (unsigned long)got, (unsigned long)exact);
    }
    cr_expect_eq(mr_histogram_quantile(&h, 0), (mr_histogram_low(mr_histogram_bucket(sample[0]))
                 + mr_histogram_high(mr_histogram_bucket(sample[0]))) / 2, "q 0 is the smallest");
    cr_expect_eq(h.max, sample[N - 1]);
}

Test(histogram, equal_values_count_as_if_added_one_by_one)
{
    for (int i = 0; i < 32; i++) {
        mr_histogram_add(&h, 777, 1);
    }
    mr_histogram_add(&other, 777, 32);
    cr_expect_arr_eq((char *)&h, (char *)&other, sizeof h);
    cr_expect_eq(h.count, 32);
}

Test(histogram, merge_is_the_sum)
{
    mr_histogram_add(&h, 10, 5);
    mr_histogram_add(&h, 1000, 1);
    mr_histogram_add(&other, 10, 3);
    mr_histogram_add(&other, UINT64_MAX, 2);
    mr_histogram_merge(&h, &other);
    cr_expect_eq(h.count, 11);
    cr_expect_eq(h.buckets[10], 8);
    cr_expect_eq(h.buckets[MR_HISTOGRAM_BUCKETS - 1], 2);
    cr_expect_eq(h.max, UINT64_MAX);
    cr_expect_eq(h.clipped, 2);
    cr_expect_eq(other.count, 5, "what is merged from stays as it was");
}

Test(histogram, values_beyond_the_last_bucket_are_said)
{
    mr_histogram_add(&h, (UINT64_C(1) << MR_HISTOGRAM_BITS) - 1, 1);
    cr_expect_eq(h.clipped, 0);
    mr_histogram_add(&h, UINT64_C(1) << MR_HISTOGRAM_BITS, 4);
    cr_expect_eq(h.clipped, 4);
    cr_expect_eq(h.buckets[MR_HISTOGRAM_BUCKETS - 1], 5);
    cr_expect_eq(h.max, UINT64_C(1) << MR_HISTOGRAM_BITS);
}

Test(histogram, no_sample_and_one_sample)
{
    cr_expect_eq(mr_histogram_quantile(&h, 0.5), 0);
    mr_histogram_add(&h, 5000, 1);
    cr_expect_leq(mr_histogram_quantile(&h, 1.0), 5000, "never above max");
    cr_expect_eq(mr_histogram_bucket(mr_histogram_quantile(&h, 0.5)), mr_histogram_bucket(5000));
}
