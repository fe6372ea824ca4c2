/* bench_kick: many AF_XDP queues of one core, sent by one io_uring_enter (`kick: uring`) against a sendto for each (`kick:
 * send`): CPU time a frame, and system calls a frame.
 *
 * memory → forward → xdp, as many queues all along, on the second CPU; a pass leaves one batch in each queue, of 1 frame or of
 * 32. In a namespace of our own, on a veth pair of as many queues; the peer counts what comes, and its kernel drops it. That
 * happens within the sender's call, so each frame's figure contains it, the same for both. The ruler is bench_tap's: frames and
 * the process's CPU time (with its CPU's ksoftirqd) over one window after a warm-up. A window in which something else took more
 * than 12 % of that CPU, or the host stole as much, is dropped.
 */
#include "perf/bench_process.h"
#include "perf/harness.h"

#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

enum { FULL_PAIRS = 16, QUICK_PAIRS = 6, WINDOW_MS = 250, QUICK_MS = 150, WARM_MS = 80, FIRST_FRAMES = 1000, SHAPES = 6 };
static const double FOREIGN_MOST = 0.12;

/* An engine, and what its last window gave: 0 = disturbed, below 0 = it failed. */
struct engine {
    const char *kick;
    uint32_t queues, frames;
    double cpu_ns, calls;
    uint32_t taken, disturbed;
};

static int namespace_fd;
static struct engine engines[SHAPES][2];
static const uint32_t queues[] = {2, 4, 8}, batches[] = {1, 32};

static void nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static uint64_t arrived(const struct engine *e)
{
    char sink[16];
    struct mr_link link;
    snprintf(sink, sizeof sink, "sink%u", e->queues);
    return mr_link_find(sink, &link) == 0 ? link.rx_packets : 0;
}

static bool start(struct bench *b, const struct engine *e, struct bench_process *p)
{
    char config[512];
    snprintf(config, sizeof config,
             "engine: { layout: run-to-completion, cores: [%d], ring: 64, burst: 32 }\n"
             "memory: { chunks: 16384 }\n"
             "batcher: { cap: %u }\n"
             "ports:\n"
             "  - { name: in, driver: memory, queues: %u, flows: 64 }\n"
             "  - { name: out, driver: xdp, device: out%u, queues: %u, kick: %s }\n"
             "paths:\n"
             "  - { from: in, work: forward, workers: %u, to: out }\n",
             b->cpu[1], e->frames, e->queues, e->queues, e->queues, e->kick, e->queues);
    char *const argv[] = {"millrace", "run", "-c", "-", "--json", "-", NULL};
    return bench_process_start(b, p, namespace_fd, "../apps/millrace/millrace", argv, config);
}

/* ---- the ruler ---- */

struct reading {
    double at_ns, frames, own_ns, softirq_ns;
    struct bench_cpu_times cpu;
};

static void take_reading(const struct bench *b, const struct engine *e, const struct bench_process *p, struct reading *r)
{
    struct timespec t;
    bench_cpu_times(b->cpu[1], &r->cpu);
    r->softirq_ns = bench_softirq_ns(b->cpu[1]);
    clock_gettime(CLOCK_MONOTONIC, &t);
    r->at_ns = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    r->frames = (double)arrived(e);
    r->own_ns = bench_process_cpu_ns(p);
}

static bool frames_flow(const struct engine *e)
{
    uint64_t before = arrived(e);
    for (int tries = 0; tries < 1000; tries++) {
        nap_ms(5);
        if (arrived(e) - before >= FIRST_FRAMES) {
            return true;
        }
    }
    return false;
}

static bool window(struct bench *b, struct engine *e, const struct bench_process *p)
{
    struct reading from, to;
    nap_ms(WARM_MS);
    take_reading(b, e, p, &from);
    nap_ms(b->quick ? QUICK_MS : WINDOW_MS);
    take_reading(b, e, p, &to);
    double frames = to.frames - from.frames, ns = to.at_ns - from.at_ns;
    double own = to.own_ns - from.own_ns + to.softirq_ns - from.softirq_ns;
    double other = to.cpu.busy_ns - from.cpu.busy_ns - own;
    if (fmax(other, to.cpu.steal_ns - from.cpu.steal_ns) / ns > FOREIGN_MOST || frames <= 0) {
        return false;
    }
    e->cpu_ns = own / frames;
    return true;
}

/* System calls a frame by the port's own count; below 0 when the engine's accounts are not right. */
static double calls_of(json_t *report)
{
    json_t *unaccounted = json_object_get(json_object_get(report, "totals"), "unaccounted");
    json_t *port = json_array_get(json_object_get(report, "ports"), 1);
    double frames = json_number_value(json_object_get(port, "tx_frames"));
    if (!json_is_integer(unaccounted) || json_integer_value(unaccounted) != 0 || frames <= 0) {
        return -1;
    }
    return json_number_value(json_object_get(port, "syscalls")) / frames;
}

static bool take(struct bench *b, void *arg)
{
    struct engine *e = arg;
    struct bench_process p;
    e->cpu_ns = e->calls = 0;
    bool started = start(b, e, &p);
    bool flows = started && frames_flow(e);
    bool quiet = flows && window(b, e, &p);
    json_t *report = started ? bench_process_end(&p, true, NULL) : NULL;
    double calls = calls_of(report);
    json_decref(report);
    if (!flows || calls < 0) {
        e->cpu_ns = e->calls = -1;
        return true;
    }
    e->calls = calls;
    e->taken++;
    e->disturbed += !quiet;
    return quiet;
}

/* ---- cases ---- */

static double cpu(struct bench *b, void *arg)
{
    (void)b;
    return ((struct engine *)arg)->cpu_ns;
}

static double calls(struct bench *b, void *arg)
{
    (void)b;
    return ((struct engine *)arg)->calls;
}

static void add(struct bench *b, struct engine *uring, struct engine *send)
{
    bool added = false;
    for (int m = 0; m < 2; m++) {
        struct bench_case *c = bench_add(b, false, m == 0 ? "ns" : "calls", BENCH_LOWER, "%u queues x %u frame%s, %s", uring->queues,
                                         uring->frames, uring->frames == 1 ? "" : "s", m == 0 ? "CPU per frame" : "calls per frame");
        bench_cell(c, "ours", m == 0 ? cpu : calls, uring);
        bench_cell(c, "kick: send", m == 0 ? cpu : calls, send);
        added |= c != NULL;
    }
    if (added) {
        bench_sample(b, take, uring);
        bench_sample(b, take, send);
    }
}

static bool new_devices(struct bench *b)
{
    struct mr_error err;
    for (int i = 0; i < 3; i++) {
        char out[16], sink[16];
        snprintf(out, sizeof out, "out%u", queues[i]);
        snprintf(sink, sizeof sink, "sink%u", queues[i]);
        if (mr_link_veth(out, sink, -1, queues[i], &err) < 0 || mr_link_up(out, &err) < 0 || mr_link_up(sink, &err) < 0) {
            bench_said(b, "%s", err.text);
            return false;
        }
    }
    return true;
}

static bool new_namespace(struct bench *b)
{
    if (unshare(CLONE_NEWNET) != 0) {
        bench_said(b, "left out: it needs a network namespace: root, or unshare -Urn");
        return false;
    }
    namespace_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // fails on a kernel without IPv6, which is as good
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
    return namespace_fd >= 0 && new_devices(b);
}

int main(int argc, char **argv)
{
    struct bench b;
    int rc = bench_init(&b, "bench_kick", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0) {
        bench_said(&b, "left out: it needs two CPUs");
    }
    if (b.cpu[1] < 0 || !new_namespace(&b)) {
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    for (int i = 0; i < SHAPES; i++) {
        engines[i][0] = (struct engine){.kick = "uring", .queues = queues[i / 2], .frames = batches[i % 2]};
        engines[i][1] = (struct engine){.kick = "send", .queues = queues[i / 2], .frames = batches[i % 2]};
        add(&b, &engines[i][0], &engines[i][1]);
    }
    rc = bench_finish(&b);
    for (int i = 0; i < SHAPES; i++) {
        const struct engine *e = engines[i];
        bench_said(&b, "%u queues x %u: %u windows by io_uring, %u by sendto, %u and %u of them disturbed and dropped", e->queues,
                   e->frames, e[0].taken, e[1].taken, e[0].disturbed, e[1].disturbed);
    }
    return rc;
}
