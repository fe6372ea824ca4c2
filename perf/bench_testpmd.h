/* bench_testpmd.h: testpmd as a peer: a process that forwards between two vdevs on the second CPU, told start and stop. */
#ifndef MILLRACE_PERF_BENCH_TESTPMD_H
#define MILLRACE_PERF_BENCH_TESTPMD_H

#include "perf/harness.h"

#include <sys/types.h>

enum { BENCH_WINDOW_MS = 120, BENCH_QUICK_MS = 60, BENCH_HUGE_PAGES = 160 }; /* free ones that all sides together need */

struct testpmd {
    pid_t pid;   /* 0: it did not come up */
    int in, out; /* its stdin and stdout */
    bool copy, huge;
};

/* bench_window_ms: how long one repetition forwards. bench_nap_ms, bench_now_s: sleep; CLOCK_MONOTONIC. */
uint32_t bench_window_ms(const struct bench *b);
void bench_nap_ms(uint32_t ms);
double bench_now_s(void);

/* testpmd_open: between net_null0 and net_null1, copy=1 when `copy`. false: it does not start here, and has no pid. */
bool testpmd_open(struct bench *b, struct testpmd *t, bool copy);
void testpmd_close(struct testpmd *t);

/* testpmd_cpu_ns: a repetition: nanoseconds of CPU time that its process takes per frame. Other load on the CPU adds nothing
 * but what it does to the caches. */
double testpmd_cpu_ns(struct bench *b, void *testpmd);

/* testpmd_mpps: a repetition: million frames a second, both directions together, as the forwarding core moves them. */
double testpmd_mpps(struct bench *b, void *testpmd);

#endif
