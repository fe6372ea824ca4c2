/* schedule.h: when frames are due: open loop, by intended times that nothing can move.
 *
 * Frame k of a rate is meant for tick start + floor(k × ticks per second / rate), computed with a running remainder, so
 * that no fraction is ever lost. Who was held up is told of all frames that became due meanwhile, and each keeps the time
 * it was meant for: latency is then counted from the intention, and a stall cannot hide what it delayed (coordinated
 * omission). Flat out, every frame is due at once and meant for now. Pure: the clock is an argument; one user.
 *
 * Several queues share a rate by taking turns: queue `first` of `stride` has the frames first, first + stride, …
 */
#ifndef MILLRACE_TRAFFIC_SCHEDULE_H
#define MILLRACE_TRAFFIC_SCHEDULE_H

#include <millrace/atomic.h>

#include <stdbool.h>

struct mr_schedule {
    uint64_t next;      /* tick that the next frame is meant for */
    uint64_t remainder; /* of that tick, in 1/divisor */
    uint64_t period;    /* ticks between two frames: period + fraction/divisor */
    uint64_t fraction;
    uint64_t divisor;   /* thousandths of a frame per second; 0 = flat out */
};

/* mr_schedule_init: rate in frames per second, to a thousandth, of all `stride` queues together; 0 = flat out. 0, or
 * -EINVAL for rates that are negative, under a thousandth, or over 10^12. */
int mr_schedule_init(struct mr_schedule *s, double ticks_per_second, double rate_fps, uint32_t first, uint32_t stride);

/* mr_schedule_start: frame 0 of the rate is meant for `now`. Once, before the first mr_schedule_due. */
static inline void mr_schedule_start(struct mr_schedule *s, uint64_t now)
{
    s->next += now;
}

/* mr_schedule_due: how many of n frames are due at `now`. Asking changes nothing. n <= 65536. */
static inline uint32_t mr_schedule_due(const struct mr_schedule *s, uint64_t now, uint32_t n)
{
    if (s->divisor == 0) {
        return n;
    }
    if ((int64_t)(now - s->next) < 0) {
        return 0;
    }
    uint64_t late = now - s->next;
    if (late >= n * (s->period + 1)) {
        return n; // and the product below stays within 64 bits
    }
    uint64_t due = ((late + 1) * s->divisor - s->remainder - 1) / (s->period * s->divisor + s->fraction) + 1;
    return due < n ? (uint32_t)due : n;
}

/* mr_schedule_take: one frame is made: the tick it is meant for. */
static inline uint64_t mr_schedule_take(struct mr_schedule *s, uint64_t now)
{
    if (s->divisor == 0) {
        return now;
    }
    uint64_t meant = s->next;
    s->next += s->period;
    s->remainder += s->fraction;
    if (s->remainder >= s->divisor) {
        s->remainder -= s->divisor;
        s->next++;
    }
    return meant;
}

#endif
