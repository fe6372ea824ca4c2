#include "lib/sys/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

/* The rate is the slope between two anchors: instants read on both scales at once. An anchor is the tightest of some
 * reads of the kernel's clock between two reads of the TSC, so that an interrupt or a lost time slice spoils a read,
 * never the anchor; its error is at most its width, some 20 ns. Windows are added until the best pair's error is small
 * enough. Where CPUID tells the rate and a window agrees, its figure is taken: the same in every process. */
#define ANCHORS   5u
#define READS     64
#define WINDOW_NS 2500000L
#define GOOD_PPM  10.0 /* an upper bound; two processes differ by 0.2 in practice */
#define AGREE_PPM 20.0 /* CPUID against the measurement; beyond it the figure is nominal or another machine's */

struct anchor {
    uint64_t tick; /* middle of the bracket */
    uint64_t width;
    uint64_t ns;
};

static struct mr_clock the_clock;
static struct anchor first_anchor;
static pthread_once_t begun = PTHREAD_ONCE_INIT, calibrated = PTHREAD_ONCE_INIT;

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct anchor anchor_now(clockid_t id)
{
    struct anchor best = {.width = UINT64_MAX};
    for (int i = 0; i < READS; i++) {
        uint64_t before = mr_ticks();
        uint64_t ns = read_ns(id);
        uint64_t width = mr_ticks() - before;
        if (width < best.width) {
            best = (struct anchor){before + width / 2, width, ns};
        }
    }
    return best;
}

struct rate {
    double ticks_per_ns, error_ppm;
};

/* From the pair of anchors with the smallest possible error. */
static struct rate best_rate(const struct anchor *a, uint32_t n)
{
    struct rate best = {1, 1e9};
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = i + 1; k < n; k++) {
            double ticks = (double)(a[k].tick - a[i].tick);
            double error_ppm = (double)(a[i].width + a[k].width) / ticks * 1e6;
            if (error_ppm < best.error_ppm) {
                best = (struct rate){ticks / (double)(a[k].ns - a[i].ns), error_ppm};
            }
        }
    }
    return best;
}

#if defined(__x86_64__) || defined(__i386__)

/* Ticks per ns as the processor or the hypervisor tells it, 0 when neither does. Leaf 0x15: crystal in Hz times a
 * ratio; 0x16: base frequency in whole MHz, which is the TSC's on the processors that leave the crystal out (Intel SDM,
 * CPUID); 0x40000010: the hypervisor's, in kHz (VMware's convention, followed by KVM). */
static double told_rate(void)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(0x15, &eax, &ebx, &ecx, &edx) && eax != 0 && ebx != 0 && ecx != 0) {
        return (double)ecx * ebx / eax / 1e9;
    }
    __cpuid(1, eax, ebx, ecx, edx);
    if ((ecx >> 31 & 1) != 0) {
        __cpuid(0x40000000, eax, ebx, ecx, edx);
        if (eax >= 0x40000010) {
            __cpuid(0x40000010, eax, ebx, ecx, edx);
            return eax / 1e6;
        }
    }
    if (__get_cpuid(0x16, &eax, &ebx, &ecx, &edx) && (eax & 0xFFFF) != 0) {
        return (eax & 0xFFFF) / 1e3;
    }
    return 0;
}

static bool is_invariant(void)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f != NULL && !found && getline(&line, &room, f) >= 0) {
        found = strncmp(line, "flags", 5) == 0;
    }
    bool invariant = found && strstr(line, " constant_tsc") != NULL && strstr(line, " nonstop_tsc") != NULL;
    free(line);
    if (f != NULL) {
        fclose(f);
    }
    return invariant;
}

#else

/* The architecture demands that the counter is one for all cores, never stops and tells its rate. */
static double told_rate(void)
{
    uint64_t hz;
    __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hz));
    return (double)hz / 1e9;
}

static bool is_invariant(void)
{
    return true;
}

#endif

static bool agree(double told, double measured)
{
    double ppm = (told / measured - 1) * 1e6;
    return ppm < AGREE_PPM && ppm > -AGREE_PPM;
}

static void take_first_anchor(void)
{
    first_anchor = anchor_now(CLOCK_MONOTONIC_RAW);
}

void mr_clock_begin(void)
{
    pthread_once(&begun, take_first_anchor);
}

/* What is left of the window that began at an anchor. */
static void sleep_until_over(const struct anchor *a)
{
    uint64_t passed = read_ns(CLOCK_MONOTONIC_RAW) - a->ns;
    if (passed < WINDOW_NS) {
        nanosleep(&(struct timespec){0, WINDOW_NS - (long)passed}, NULL);
    }
}

static double measure_rate(double told)
{
    struct anchor anchors[ANCHORS];
    struct rate rate = {1, 1e9};
    mr_clock_begin();
    anchors[0] = first_anchor;
    for (uint32_t n = 1; n < ANCHORS && rate.error_ppm > GOOD_PPM; n++) {
        sleep_until_over(&anchors[n - 1]);
        anchors[n] = anchor_now(CLOCK_MONOTONIC_RAW);
        rate = best_rate(anchors, n + 1);
        if (agree(told, rate.ticks_per_ns)) {
            return told;
        }
    }
    return rate.ticks_per_ns;
}

static void calibrate(void)
{
    the_clock.ticks_per_ns = measure_rate(told_rate());
    the_clock.invariant = is_invariant();
    struct anchor now = anchor_now(CLOCK_MONOTONIC);
    the_clock.tick0 = now.tick;
    the_clock.ns0 = now.ns;
}

const struct mr_clock *mr_clock_get(void)
{
    pthread_once(&calibrated, calibrate);
    return &the_clock;
}

uint64_t mr_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}
