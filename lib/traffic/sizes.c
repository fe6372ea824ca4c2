#include "lib/traffic/sizes.h"

#include <errno.h>

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section of the span, so that neighbours in time are far apart in size. */
static uint32_t coprime_stride(uint32_t span)
{
    uint32_t stride = (uint32_t)(span * 0.6180339887) + 1;
    while (common_divisor(span, stride) != 1) {
        stride++;
    }
    return stride % span;
}

static int init_range(struct mr_size_draw *d)
{
    if (d->n != 2 || d->bytes[1] < d->bytes[0]) {
        return -EINVAL;
    }
    d->total = d->bytes[1] - d->bytes[0] + 1;
    d->stride = coprime_stride(d->total);
    return 0;
}

int mr_size_draw_init(struct mr_size_draw *d, const uint16_t *bytes, const uint16_t *weights, uint32_t n, bool ranged,
                      uint32_t seed)
{
    *d = (struct mr_size_draw){.n = n, .ranged = ranged, .random = seed};
    if (n == 0 || n > MR_SIZE_DRAW_MAX) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < n; i++) {
        d->bytes[i] = bytes[i];
    }
    if (ranged) {
        return init_range(d);
    }
    for (uint32_t i = 0; i < n && n > 1; i++) {
        if (weights[i] == 0) {
            return -EINVAL;
        }
        d->weights[i] = weights[i];
        d->total += weights[i];
    }
    return 0;
}

uint32_t mr_size_draw_longest(const struct mr_size_draw *d)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        longest = d->bytes[i] > longest ? d->bytes[i] : longest;
    }
    return longest;
}
