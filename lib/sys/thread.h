/* thread.h: threads on CPUs, and what a process costs. */
#ifndef MILLRACE_SYS_THREAD_H
#define MILLRACE_SYS_THREAD_H

#include <millrace/error.h>

#include <pthread.h>
#include <stdint.h>

/* mr_thread_start: a thread on one CPU from its first instruction on, with a name (15 characters are kept) and its
 * stack on the CPU's node. A cpuset that shrinks later moves it without a word: compare sched_getcpu() now and then.
 * It takes no signals: handlers run on the threads that the program made itself. */
int mr_thread_start(pthread_t *thread, uint32_t cpu, const char *name, void *(*body)(void *), void *arg,
                    struct mr_error *err);

/* mr_thread_start_anywhere: a thread beside the cores, on whatever CPU the scheduler gives it of those that the caller
 * has; it takes no signals either. */
int mr_thread_start_anywhere(pthread_t *thread, const char *name, void *(*body)(void *), void *arg,
                             struct mr_error *err);

/* mr_thread_pin: the calling thread. 0 or -errno. */
int mr_thread_pin(uint32_t cpu);

/* mr_thread_state: of a thread of this process, the kernel's letter: R = runs or waits for its CPU, S, D, T, t …; 0 = not
 * to be had. mr_thread_cpu_ns: CPU time it has used so far; 0 = not to be had. */
char mr_thread_state(pid_t tid);
uint64_t mr_thread_cpu_ns(pthread_t thread);

/* Usage of the calling thread or the whole process since its start. */
struct mr_usage {
    uint64_t user_ns, system_ns;
    uint64_t voluntary_switches, involuntary_switches;
    uint64_t minor_faults, major_faults;
};
void mr_usage_thread(struct mr_usage *u);
void mr_usage_process(struct mr_usage *u);

/* mr_process_cpu_ns: CLOCK_PROCESS_CPUTIME_ID. mr_rss_bytes: resident memory of the process,
 * which by the kernel's definition leaves out reserved huge pages. */
uint64_t mr_process_cpu_ns(void);
uint64_t mr_rss_bytes(void);

/* Busy time of all CPUs by /proc/stat in ns (user, nice, system, irq, softirq; not idle, iowait, steal), and steal. */
struct mr_system_time {
    uint64_t busy_ns, steal_ns, total_ns;
};
int mr_system_time(struct mr_system_time *t);

#endif
