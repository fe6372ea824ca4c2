/* compare_cpu.c: CPU time, of a process, of the CPUs that the lab uses, of all. */
#include "apps/millrace/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double compare_cpu_ns(const struct lab_process *p)
{
    struct timespec t = {0, 0};
    clockid_t clock;
    if (p == NULL || clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool used(const struct lab_options *lab, uint32_t cpu)
{
    bool found = lab == NULL || cpu == lab->source_cpu;
    for (uint32_t i = 0; lab != NULL && i < lab->n_cores; i++) {
        found |= cpu == lab->cores[i];
    }
    return found;
}

/* user … softirq without idle and iowait, and what the host took. */
void compare_cpus_read(const struct lab_options *lab, struct compare_cpus *r)
{
    char line[256];
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    uint32_t cpus = 0;
    FILE *f = fopen("/proc/stat", "re");
    *r = (struct compare_cpus){.busy_ns = 0};
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        uint32_t cpu;
        unsigned long long user, nice, system, idle, wait, irq, soft, steal;
        bool one = strncmp(line, "cpu", 3) == 0 && line[3] != ' '; // not the line of their sum
        if (!one || sscanf(line, "cpu%" SCNu32 " %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice, &system, &idle, &wait, &irq,
                   &soft, &steal) != 9 || !used(lab, cpu)) {
            continue;
        }
        double busy_ns = (double)(user + nice + system + irq + soft) * tick_ns;
        r->busy_ns += busy_ns;
        r->source_busy_ns += lab != NULL && cpu == lab->source_cpu ? busy_ns : 0;
        r->softirq_ns += (double)(irq + soft) * tick_ns;
        r->steal_ns += (double)steal * tick_ns;
        cpus++;
    }
    if (f != NULL) {
        fclose(f);
    }
    r->tick_ns = cpus * tick_ns;
    if (cpus == 0) {
        r->busy_ns = r->source_busy_ns = NAN;
    }
}
