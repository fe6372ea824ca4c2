#include "lib/sys/thread.h"
#include "lib/sys/node.h"

#include "lib/sys/file.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 16 /* what the kernel keeps, with the final 0 */

/* The creator writes the top of the new stack, so the thread's pages would begin on the creator's node. While it
 * creates, it prefers the thread's node, and the thread inherits that. A stack that libc uses again keeps its old
 * pages. */
static int create_near(pthread_t *thread, const pthread_attr_t *attr, uint32_t cpu, void *(*body)(void *), void *arg)
{
    struct mr_node_policy before;
    mr_node_prefer(&before, numa_available() < 0 ? -1 : numa_node_of_cpu((int)cpu));
    int rc = pthread_create(thread, attr, body, arg);
    mr_node_restore(&before);
    return rc;
}

int mr_thread_start(pthread_t *thread, uint32_t cpu, const char *name, void *(*body)(void *), void *arg,
                    struct mr_error *err)
{
    char kept[NAME_BYTES];
    pthread_attr_t attr;
    cpu_set_t set;
    sigset_t all, before;
    int rc = EINVAL;
    snprintf(kept, sizeof kept, "%s", name);
    pthread_attr_init(&attr);
    CPU_ZERO(&set);
    if (cpu < CPU_SETSIZE) {
        CPU_SET(cpu, &set);
        rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before); // the thread inherits it
        rc = rc != 0 ? rc : create_near(thread, &attr, cpu, body, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot start thread %s on CPU %u: %s%s", kept, cpu,
                            strerror(rc), rc == EINVAL ? "; the CPU is offline, or not in this process's cpuset"
                                                       : mr_error_remedy(rc));
    }
    pthread_setname_np(*thread, kept);
    return 0;
}

int mr_thread_start_anywhere(pthread_t *thread, const char *name, void *(*body)(void *), void *arg,
                             struct mr_error *err)
{
    char kept[NAME_BYTES];
    sigset_t all, before;
    snprintf(kept, sizeof kept, "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // the thread inherits it
    int rc = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot start thread %s: %s%s", kept, strerror(rc),
                            mr_error_remedy(rc));
    }
    pthread_setname_np(*thread, kept);
    return 0;
}

char mr_thread_state(pid_t tid)
{
    char text[256];
    const char *behind_name = mr_file_read(text, sizeof text, "/proc/self/task/%d/stat", tid) == 0 ? strrchr(text, ')') : NULL;
    return behind_name != NULL && behind_name[1] == ' ' ? behind_name[2] : 0;
}

uint64_t mr_thread_cpu_ns(pthread_t thread)
{
    clockid_t id;
    struct timespec t;
    bool known = pthread_getcpuclockid(thread, &id) == 0 && clock_gettime(id, &t) == 0;
    return known ? (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec : 0;
}

int mr_thread_pin(uint32_t cpu)
{
    cpu_set_t set;
    if (cpu >= CPU_SETSIZE) {
        return -EINVAL;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

static uint64_t timeval_ns(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

static void usage(int who, struct mr_usage *u)
{
    struct rusage r = {0};
    getrusage(who, &r);
    *u = (struct mr_usage){
        .user_ns = timeval_ns(&r.ru_utime),
        .system_ns = timeval_ns(&r.ru_stime),
        .voluntary_switches = (uint64_t)r.ru_nvcsw,
        .involuntary_switches = (uint64_t)r.ru_nivcsw,
        .minor_faults = (uint64_t)r.ru_minflt,
        .major_faults = (uint64_t)r.ru_majflt,
    };
}

void mr_usage_thread(struct mr_usage *u)
{
    usage(RUSAGE_THREAD, u);
}

void mr_usage_process(struct mr_usage *u)
{
    usage(RUSAGE_SELF, u);
}

uint64_t mr_process_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t mr_rss_bytes(void)
{
    char text[128];
    unsigned long pages = 0;
    mr_file_read(text, sizeof text, "/proc/self/statm");
    sscanf(text, "%*u %lu", &pages);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int mr_system_time(struct mr_system_time *t)
{
    char text[256];
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    int rc = mr_file_read(text, sizeof text, "/proc/stat");
    if (rc < 0) {
        return rc;
    }
    if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq,
               &softirq, &steal) != 8) {
        return -EPROTO;
    }
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    t->busy_ns = (user + nice + system + irq + softirq) * tick_ns; // guest time is in user and nice
    t->steal_ns = steal * tick_ns;
    t->total_ns = t->busy_ns + t->steal_ns + (idle + iowait) * tick_ns;
    return 0;
}
