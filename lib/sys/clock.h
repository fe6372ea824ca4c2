/* clock.h: one time scale: TSC ticks, calibrated against CLOCK_MONOTONIC_RAW and checked for invariance.
 *
 * mr_ticks() is for core loops and benchmarks, once a pass. Everything that people read is converted here.
 */
#ifndef MILLRACE_SYS_CLOCK_H
#define MILLRACE_SYS_CLOCK_H

#include <millrace/error.h>

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
static inline uint64_t mr_ticks(void)
{
    return __rdtsc();
}
#elif defined(__aarch64__)
static inline uint64_t mr_ticks(void)
{
    uint64_t t;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(t));
    return t;
}
#endif

struct mr_clock {
    double ticks_per_ns;
    uint64_t tick0; /* ticks and ns (CLOCK_MONOTONIC) at one instant */
    uint64_t ns0;
    bool invariant; /* constant_tsc and nonstop_tsc */
};

/* mr_clock_get: calibrated at first use (5 ms as a rule, 3 when CPUID tells the rate, 11 at most), then the same
 * struct. mr_clock_begin: these milliseconds run from here on, while other things are done. Any thread. */
void mr_clock_begin(void);
const struct mr_clock *mr_clock_get(void);

/* mr_now_ns: CLOCK_MONOTONIC by the kernel; for control. */
uint64_t mr_now_ns(void);

static inline uint64_t mr_ticks_to_ns(const struct mr_clock *c, uint64_t ticks)
{
    return (uint64_t)((double)ticks / c->ticks_per_ns);
}

static inline uint64_t mr_ns_to_ticks(const struct mr_clock *c, uint64_t ns)
{
    return (uint64_t)((double)ns * c->ticks_per_ns);
}

#endif
