/* bench_testpmd.c: see bench_testpmd.h. */
#include "perf/bench_testpmd.h"

#include "lib/sys/topology.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint32_t bench_window_ms(const struct bench *b)
{
    return b->quick ? BENCH_QUICK_MS : BENCH_WINDOW_MS;
}

void bench_nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

double bench_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool read_until(int fd, const char *word, char *text, size_t bytes)
{
    size_t n = 0;
    while (n + 1 < bytes) {
        ssize_t k = read(fd, text + n, bytes - n - 1);
        if (k <= 0) {
            return false;
        }
        n += (size_t)k;
        text[n] = 0;
        if (strstr(text, word) != NULL) {
            return true;
        }
    }
    return false;
}

/* By line, or its words would stay in its buffer while it waits for ours. */
static void become_testpmd(const struct bench *b, const struct testpmd *t, const int *to, const int *from)
{
    char cores[32], null0[48], null1[48], prefix[48];
    snprintf(cores, sizeof cores, "%d,%d", b->cpu[0], b->cpu[1]);
    snprintf(prefix, sizeof prefix, "--file-prefix=mrbench%d", (int)getpid());
    snprintf(null0, sizeof null0, "--vdev=net_null0,copy=%d", t->copy);
    snprintf(null1, sizeof null1, "--vdev=net_null1,copy=%d", t->copy);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // it would forward for ever
    dup2(to[0], 0);
    dup2(from[1], 1);
    dup2(from[1], 2);
    for (int fd = 3; fd < 64; fd++) {
        close(fd);
    }
    execlp("stdbuf", "stdbuf", "-oL", "dpdk-testpmd", "-l", cores, "--no-pci", t->huge ? "--in-memory" : "--no-huge",
           "-m", "128", "--no-telemetry", prefix, null0, null1, "--", "-i", "--forward-mode=io", "--no-flush-rx",
           "--burst=32", "--nb-cores=1", "--total-num-mbufs=8192", "--mbcache=256", (char *)NULL);
    _exit(127);
}

void testpmd_close(struct testpmd *t)
{
    if (t->pid > 0) {
        if (write(t->in, "quit\n", 5) != 5) {
            kill(t->pid, SIGTERM);
        }
        waitpid(t->pid, NULL, 0);
    }
}

/* What did not come up leaves no pid behind: then it has no cell, instead of one that can only be BAD. */
bool testpmd_open(struct bench *b, struct testpmd *t, bool copy)
{
    int to[2], from[2];
    char text[65536];
    struct mr_host host;
    mr_host_read(&host);
    t->copy = copy;
    t->huge = host.huge_2m_free >= BENCH_HUGE_PAGES; // for it and for ours; else plain ones for both
    if (b->cpu[1] < 0 || pipe(to) < 0 || pipe(from) < 0) {
        return false;
    }
    t->pid = fork();
    if (t->pid == 0) {
        bench_float(b);
        become_testpmd(b, t, to, from);
    }
    close(to[0]);
    close(from[1]);
    t->in = to[1];
    t->out = from[0];
    bool up = t->pid > 0 && read_until(t->out, "testpmd> ", text, sizeof text);
    if (!up) {
        testpmd_close(t);
        t->pid = 0;
    }
    return up;
}

/* Say a line and wait for a word of the answer. Not for the prompt: it comes when it likes, also late from the line
 * before. */
static bool tell(struct testpmd *t, const char *line, const char *word, char *text, size_t bytes)
{
    size_t n = strlen(line);
    return write(t->in, line, n) == (ssize_t)n && read_until(t->out, word, text, bytes);
}

static double cpu_s(const struct testpmd *t)
{
    clockid_t clock;
    struct timespec now = {0};
    return clock_getcpuclockid(t->pid, &clock) == 0 && clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec * 1e-9
                                                                                     : 0;
}

/* Frames of one window; -1: it does not answer. */
static double forward(struct bench *b, struct testpmd *t, double *seconds, double *cpu_seconds)
{
    char text[65536];
    double cpu_from = cpu_s(t);
    if (!tell(t, "start\n", "nb forwarding ports=", text, sizeof text)) {
        return -1;
    }
    double from = bench_now_s();
    bench_nap_ms(bench_window_ms(b));
    *seconds = bench_now_s() - from;
    if (!tell(t, "stop\n", "\nDone.", text, sizeof text)) {
        return -1;
    }
    *cpu_seconds = cpu_s(t) - cpu_from;
    const char *all = strstr(text, "Accumulated forward statistics");
    const char *tx = all == NULL ? NULL : strstr(all, "TX-packets:");
    return tx == NULL ? -1 : strtod(tx + strlen("TX-packets:"), NULL);
}

double testpmd_mpps(struct bench *b, void *arg)
{
    double seconds, cpu_seconds, frames = forward(b, arg, &seconds, &cpu_seconds);
    return frames < 0 ? -1 : frames / seconds / 1e6;
}

double testpmd_cpu_ns(struct bench *b, void *arg)
{
    double seconds, cpu_seconds, frames = forward(b, arg, &seconds, &cpu_seconds);
    return frames <= 0 || cpu_seconds <= 0 ? -1 : cpu_seconds * 1e9 / frames;
}
