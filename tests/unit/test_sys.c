/* lib/sys against the machine it runs on. */
#include "lib/sys/clock.h"
#include "lib/sys/privilege.h"
#include "lib/sys/thread.h"
#include "lib/sys/topology.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static struct mr_error error;

/* ---- clock ---- */

Test(clock, agrees_with_the_kernel)
{
    const struct timespec nap = {0, 50000000};
    uint64_t begin = mr_now_ns();
    const struct mr_clock *c = mr_clock_get();
    uint64_t took = mr_now_ns() - begin;
    cr_assert_eq(mr_clock_get(), c);
    uint64_t ns = mr_now_ns(), ticks = mr_ticks();
    nanosleep(&nap, NULL);
    ns = mr_now_ns() - ns;
    ticks = mr_ticks() - ticks;
    double ratio = (double)mr_ticks_to_ns(c, ticks) / (double)ns;
    cr_assert_float_eq(ratio, 1, 0.01, "%f", ratio);
    cr_assert_float_eq((double)mr_ns_to_ticks(c, ns) / (double)ticks, 1, 0.01);
    cr_assert_lt(took, 100000000u, "calibration took %lu us", (unsigned long)(took / 1000));
    double now = (double)c->ns0 + (double)(mr_ticks() - c->tick0) / c->ticks_per_ns;
    cr_assert_float_eq(now, (double)mr_now_ns(), 1e6, "the scales meet at tick0, ns0");
}

static double rate_of_another_process(void)
{
    int ends[2];
    double rate = 0;
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        rate = mr_clock_get()->ticks_per_ns;
        _exit(write(ends[1], &rate, sizeof rate) != sizeof rate);
    }
    cr_assert_eq(read(ends[0], &rate, sizeof rate), (ssize_t)sizeof rate);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return rate;
}

Test(clock, processes_agree)
{
    double least = 1e9, most = 0;
    for (int i = 0; i < 5; i++) {
        double rate = rate_of_another_process();
        least = rate < least ? rate : least;
        most = rate > most ? rate : most;
    }
    cr_assert_lt((most / least - 1) * 1e6, 50, "%f ppm between processes", (most / least - 1) * 1e6);
}

/* ---- threads ---- */

static uint32_t last_allowed(void)
{
    cpu_set_t set;
    uint32_t last = 0;
    sched_getaffinity(0, sizeof set, &set);
    for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
        last = CPU_ISSET(i, &set) ? i : last;
    }
    return last;
}

struct seen {
    int cpu, allowed;
    char name[16];
};

static void *look(void *arg)
{
    struct seen *s = arg;
    cpu_set_t set;
    s->cpu = sched_getcpu();
    sched_getaffinity(0, sizeof set, &set);
    s->allowed = CPU_COUNT(&set);
    for (int i = 0; i < 1000 && strcmp(s->name, "a-name-of-sixte") != 0; i++) {
        usleep(1000);
        pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    }
    return NULL;
}

Test(thread, pinned_from_the_first_instruction)
{
    uint32_t cpu = last_allowed();
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        struct seen s = {-1, 0, ""};
        cr_assert_eq(mr_thread_start(&t, cpu, "a-name-of-sixteen", look, &s, &error), 0, "%s", error.text);
        pthread_join(t, NULL);
        cr_assert_eq(s.cpu, (int)cpu);
        cr_assert_eq(s.allowed, 1);
        cr_assert_str_eq(s.name, "a-name-of-sixte");
    }
}

Test(thread, impossible_cpu)
{
    pthread_t t;
    struct seen s;
    for (uint32_t cpu = 1000; cpu < 3000; cpu += 1000) {
        cr_assert_eq(mr_thread_start(&t, cpu, "nowhere", look, &s, &error), -EINVAL);
        cr_assert_not_null(strstr(error.text, "nowhere on CPU"), "%s", error.text);
        cr_assert_lt(mr_thread_pin(cpu), 0);
    }
}

Test(thread, one_allowed_cpu_is_enough)
{
    pthread_t t;
    struct seen s = {-1, 0, ""};
    uint32_t cpu = last_allowed();
    struct mr_topology *topology = malloc(sizeof *topology);
    char text[64], expected[16];
    cr_assert_eq(mr_thread_pin(cpu), 0);
    cr_assert_eq(mr_thread_start(&t, cpu, "a-name-of-sixteen", look, &s, &error), 0, "%s", error.text);
    pthread_join(t, NULL);
    cr_assert_eq(s.cpu, (int)cpu);
    cr_assert_eq(mr_topology_read(topology, &error), 0);
    snprintf(expected, sizeof expected, "%u", cpu);
    cr_assert_str_eq(mr_topology_allowed(topology, text, sizeof text), expected);
    free(topology);
}

Test(thread, usage_grows_with_use)
{
    struct mr_usage thread, process;
    struct mr_system_time before, after;
    cr_assert_eq(mr_system_time(&before), 0);
    uint64_t cpu = mr_process_cpu_ns();
    while (mr_process_cpu_ns() - cpu < 60000000u) {
    }
    mr_usage_thread(&thread);
    mr_usage_process(&process);
    cr_assert_eq(mr_system_time(&after), 0);
    cr_assert_geq(thread.user_ns + thread.system_ns, 30000000u);
    cr_assert_geq(process.user_ns + process.system_ns, thread.user_ns + thread.system_ns);
    cr_assert_geq(after.busy_ns - before.busy_ns, 30000000u);
    cr_assert_geq(after.total_ns - before.total_ns, after.busy_ns - before.busy_ns);
    uint64_t rss = mr_rss_bytes();
    void *memory = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    cr_assert_geq(mr_rss_bytes(), rss + 15 * MIB);
    munmap(memory, 16 * MIB);
}

/* ---- topology ---- */

Test(topology, is_sane)
{
    struct mr_topology *t = malloc(sizeof *t);
    uint32_t allowed = 0;
    cpu_set_t set;
    cr_assert_eq(mr_topology_read(t, &error), 0, "%s", error.text);
    cr_assert_geq(t->n_cpus, 1);
    cr_assert_geq(t->n_nodes, 1);
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        cr_assert(t->cpu[i].node >= 0 && t->cpu[i].node < (int)t->n_nodes);
        cr_assert(t->cpu[i].online || !t->cpu[i].allowed);
        allowed += t->cpu[i].allowed;
    }
    sched_getaffinity(0, sizeof set, &set);
    cr_assert_eq(allowed, (uint32_t)CPU_COUNT(&set));
    free(t);
}

Test(topology, allowed_as_ranges)
{
    struct mr_topology *t = calloc(1, sizeof *t);
    char text[32], tight[5];
    t->n_cpus = 12;
    cr_assert_str_eq(mr_topology_allowed(t, text, sizeof text), "");
    t->cpu[0].allowed = t->cpu[1].allowed = t->cpu[2].allowed = t->cpu[8].allowed = t->cpu[11].allowed = true;
    cr_assert_str_eq(mr_topology_allowed(t, text, sizeof text), "0-2,8,11");
    cr_assert_str_eq(mr_topology_allowed(t, tight, sizeof tight), "0-2,");
    free(t);
}

Test(topology, round_trip)
{
    uint32_t last = last_allowed();
    cpu_set_t before, after;
    cr_assert_lt(mr_core_round_trip_ns(last, last, 100), 0);
    cr_assert_lt(mr_core_round_trip_ns(last, 1000, 100), 0);
    cr_assert_lt(mr_core_round_trip_ns(2000, last, 100), 0);
    if (last == 0) {
        cr_skip("needs two CPUs");
    }
    sched_getaffinity(0, sizeof before, &before);
    double ns = mr_core_round_trip_ns(0, last, 1000);
    sched_getaffinity(0, sizeof after, &after);
    cr_assert(ns > 10 && ns < 1e6, "%f ns", ns);
    cr_assert(CPU_EQUAL(&before, &after));
}

Test(topology, host)
{
    struct mr_host h;
    mr_host_read(&h);
    cr_assert_neq(h.cpu[0], 0);
    cr_assert_not_null(strstr(h.kernel, "Linux "));
    cr_assert_geq(h.cpus, 1);
    cr_assert_geq(h.nodes, 1);
    cr_assert_gt(h.memory_bytes, 64 * MIB);
    cr_assert_leq(h.huge_2m_free, h.huge_2m_total);
    cr_assert_eq(mr_device_node("lo"), -1);
    cr_assert_eq(mr_device_node("no-such-device-at-all"), -1);
    cr_assert_eq(mr_pci_node("net_null0"), -1);
    cr_assert_eq(mr_pci_node("ffff:1f:1f.7"), -1);
}

/* ---- privileges ---- */

Test(privilege, capabilities_follow_the_user)
{
    cr_assert_not(mr_has_capability(-1));
    cr_assert_not(mr_has_capability(64));
    if (geteuid() != 0) {
        cr_skip("needs root, to lose it");
    }
    cr_assert(mr_has_capability(CAP_SETUID));
    cr_assert_eq(setresuid(65534, 65534, 65534), 0);
    cr_assert_not(mr_has_capability(CAP_SETUID));
    cr_assert_not(mr_has_capability(CAP_NET_ADMIN));
}

Test(privilege, limits_and_sysctls)
{
    long value = -1;
    struct rlimit limit = {65536, 65536};
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    cr_expect_eq(mr_memlock_limit(), mr_has_capability(CAP_IPC_LOCK) ? UINT64_MAX : 65536);
    pid_t pid = fork(); // one thread alone may enter a user namespace of its own
    if (pid == 0) {
        _exit(unshare(CLONE_NEWUSER) == 0 && mr_has_capability(CAP_IPC_LOCK) && mr_memlock_limit() == 65536 ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0, "in a user namespace of its own the capability lifts nothing");
    cr_assert(mr_sysctl_read("kernel/pid_max", &value));
    cr_assert_gt(value, 0);
    cr_assert_not(mr_sysctl_read("kernel/no_such_key", &value));
    cr_assert_not(mr_sysctl_write("kernel/no_such_key", "1"));
    cr_assert_eq(errno, ENOENT);
}
