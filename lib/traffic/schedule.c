#include "lib/traffic/schedule.h"

#include <errno.h>

enum { THOUSANDTHS = 1000 };

int mr_schedule_init(struct mr_schedule *s, double ticks_per_second, double rate_fps, uint32_t first, uint32_t stride)
{
    *s = (struct mr_schedule){.next = 0};
    if (rate_fps == 0) {
        return 0;
    }
    if (!(rate_fps >= 1.0 / THOUSANDTHS && rate_fps <= 1e12)) {
        return -EINVAL;
    }
    uint64_t ticks = (uint64_t)(ticks_per_second + 0.5) * THOUSANDTHS;
    s->divisor = (uint64_t)(rate_fps * THOUSANDTHS + 0.5);
    s->next = ticks * first / s->divisor;
    s->remainder = ticks * first % s->divisor;
    s->period = ticks * stride / s->divisor;
    s->fraction = ticks * stride % s->divisor;
    return 0;
}
