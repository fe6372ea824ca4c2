/* bench_process.h: a program under measurement: started in a namespace, its CPU time read from outside while it runs,
 * ended by SIGTERM, its one JSON document taken from its standard output.
 */
#ifndef MILLRACE_PERF_BENCH_PROCESS_H
#define MILLRACE_PERF_BENCH_PROCESS_H

#include "perf/harness.h"

#include <jansson.h>
#include <sys/types.h>
#include <time.h>

struct bench_process {
    pid_t pid;
    clockid_t cpu;
    int out;
};

/* bench_process_start: `program` lies beside this benchmark (a relative path is taken from there), or else on the PATH; ns_fd:
 * network namespace; input: what it reads from its standard input, may be NULL; bench_input_held: nothing, and no end. It may
 * use all CPUs, dies with us, and runs at the highest priority below real time if we may. */
extern const char bench_input_held[];
bool bench_process_start(const struct bench *b, struct bench_process *p, int ns_fd, const char *program,
                         char *const argv[], const char *input);

/* bench_process_cpu_ns: its CPU time until now, all threads, kernel's work for it included. */
double bench_process_cpu_ns(const struct bench_process *p);

/* bench_process_end: SIGTERM (with `kill_it`), wait. Returns its JSON (new reference), or NULL when it failed or wrote
 * none. exit_code may be NULL. */
json_t *bench_process_end(struct bench_process *p, bool kill_it, int *exit_code);

/* bench_cpu_times: by /proc/stat, ns since boot of one CPU. */
struct bench_cpu_times {
    double busy_ns, steal_ns;
};
bool bench_cpu_times(int cpu, struct bench_cpu_times *t);

/* bench_softirq_ns: CPU time of a CPU's ksoftirqd, 0 where it cannot be seen. */
double bench_softirq_ns(int cpu);

#endif
