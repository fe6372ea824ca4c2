/* bench_tap: real frames from one TAP device to another: `millrace run` with driver tap against tap_forward, the same loop
 * without an engine; and each of them by io_uring against itself by read and write.
 *
 * One namespace. The sender runs on the first CPU and puts frames into the kernel's side of `left`, the forwarder on the
 * second; what it has sent is counted by `right`, whose kernel drops it. Both devices are the forwarder's own. The ruler is
 * bench_uring's: frames and the process's CPU time over one window after a warm-up. A window in which something else took
 * more than 12 % of a CPU, or the host stole as much, is dropped.
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

enum { FULL_PAIRS = 40, QUICK_PAIRS = 10, WINDOW_MS = 500, QUICK_MS = 250, WARM_MS = 120, FIRST_FRAMES = 1000 };
static const double FOREIGN_MOST = 0.12;

/* A forwarder, and what its last window gave: 0 = disturbed, below 0 = it failed. */
struct forwarder {
    const char *name;
    bool engine;
    const char *by;
    double kpps, cpu_ns;
    uint32_t taken, disturbed;
    bool added;
};

static int namespace_fd;
static struct forwarder forwarders[] = {{.name = "engine", .engine = true, .by = "uring"},
                                        {.name = "bare", .by = "uring"},
                                        {.name = "engine by calls", .engine = true, .by = "calls"},
                                        {.name = "bare by calls", .by = "calls"}};

static void nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static uint64_t arrived(void)
{
    struct mr_link link;
    return mr_link_find("right", &link) == 0 ? link.rx_packets : 0;
}

/* Both devices there and up, or both gone: the kernel takes some milliseconds to end the ring of who had them. */
static bool wait_devices(bool there)
{
    struct mr_link left, right;
    for (int tries = 0; tries < 1000; tries++) {
        bool is_left = mr_link_find("left", &left) == 0, is_right = mr_link_find("right", &right) == 0;
        if (there ? is_left && is_right && left.up && right.up : !is_left && !is_right) {
            return true;
        }
        nap_ms(2);
    }
    return false;
}

static bool start(struct bench *b, const struct forwarder *f, struct bench_process *p)
{
    char cpu[16], config[512];
    snprintf(cpu, sizeof cpu, "%d", b->cpu[1]);
    snprintf(config, sizeof config,
             "engine: { layout: run-to-completion, cores: [%d] }\n"
             "ports:\n"
             "  - { name: left, driver: tap, device: left, by: %s }\n"
             "  - { name: right, driver: tap, device: right, by: %s }\n"
             "paths:\n"
             "  - { from: left, work: forward, to: right }\n",
             b->cpu[1], f->by, f->by);
    char *const bare[] = {"tap_forward", "--mode", (char *)f->by, "--cpu", cpu, NULL};
    char *const ours[] = {"millrace", "run", "-c", "-", "--json", "-", NULL};
    if (!wait_devices(false)) {
        return false;
    }
    return f->engine ? bench_process_start(b, p, namespace_fd, "../apps/millrace/millrace", ours, config)
                     : bench_process_start(b, p, namespace_fd, "tap_forward", bare, NULL);
}

static bool start_sender(struct bench *b, struct bench_process *p)
{
    char cpu[16];
    snprintf(cpu, sizeof cpu, "%d", b->cpu[0]);
    char *const argv[] = {"raw_sender", "--to", "left", "--cpu", cpu, "--for", "5", NULL};
    return bench_process_start(b, p, namespace_fd, "raw_sender", argv, NULL);
}

/* ---- the ruler ---- */

struct reading {
    double at_ns, frames, own_ns[2];
    struct bench_cpu_times cpu[2];
};

static void take_reading(const struct bench *b, const struct bench_process *sender, const struct bench_process *forwarder,
                         struct reading *r)
{
    struct timespec t;
    for (int i = 0; i < 2; i++) {
        bench_cpu_times(b->cpu[i], &r->cpu[i]);
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    r->at_ns = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    r->frames = (double)arrived();
    r->own_ns[0] = bench_process_cpu_ns(sender);
    r->own_ns[1] = bench_process_cpu_ns(forwarder);
}

/* The larger share of a CPU that neither of the two had. */
static double foreign(const struct reading *from, const struct reading *to)
{
    double most = 0;
    for (int i = 0; i < 2; i++) {
        double others = to->cpu[i].busy_ns - from->cpu[i].busy_ns - (to->own_ns[i] - from->own_ns[i]);
        most = fmax(most, fmax(others, to->cpu[i].steal_ns - from->cpu[i].steal_ns) / (to->at_ns - from->at_ns));
    }
    return most;
}

static bool frames_flow(void)
{
    uint64_t before = arrived();
    for (int tries = 0; tries < 400; tries++) {
        nap_ms(5);
        if (arrived() - before >= FIRST_FRAMES) {
            return true;
        }
    }
    return false;
}

static bool window(struct bench *b, struct forwarder *f, const struct bench_process *sender, const struct bench_process *p)
{
    struct reading from, to;
    nap_ms(WARM_MS);
    take_reading(b, sender, p, &from);
    nap_ms(b->quick ? QUICK_MS : WINDOW_MS);
    take_reading(b, sender, p, &to);
    double frames = to.frames - from.frames;
    if (foreign(&from, &to) > FOREIGN_MOST || frames <= 0) {
        return false;
    }
    f->kpps = frames * 1e6 / (to.at_ns - from.at_ns);
    f->cpu_ns = (to.own_ns[1] - from.own_ns[1]) / frames;
    return true;
}

/* Ended as it should, and an engine's accounts are right. */
static bool sound(const struct forwarder *f, json_t *report)
{
    json_t *unaccounted = json_object_get(json_object_get(report, "totals"), "unaccounted");
    return report != NULL && (!f->engine || (json_is_integer(unaccounted) && json_integer_value(unaccounted) == 0));
}

static bool take(struct bench *b, void *arg)
{
    struct forwarder *f = arg;
    struct bench_process p, sender;
    f->kpps = f->cpu_ns = 0;
    bool started = start(b, f, &p), sends = started && wait_devices(true) && start_sender(b, &sender);
    bool flows = sends && frames_flow();
    bool quiet = flows && window(b, f, &sender, &p);
    if (sends) {
        json_decref(bench_process_end(&sender, true, NULL));
    }
    json_t *report = started ? bench_process_end(&p, true, NULL) : NULL;
    if (!flows || !sound(f, report)) {
        f->kpps = f->cpu_ns = -1;
        quiet = true;
    } else {
        f->taken++;
        f->disturbed += !quiet;
    }
    json_decref(report);
    return quiet;
}

/* ---- cases ---- */

static double rate(struct bench *b, void *arg)
{
    (void)b;
    return ((struct forwarder *)arg)->kpps;
}

static double cpu(struct bench *b, void *arg)
{
    (void)b;
    return ((struct forwarder *)arg)->cpu_ns;
}

static void add(struct bench *b, struct forwarder *ours, struct forwarder *peer)
{
    struct forwarder *both[] = {ours, peer};
    for (int m = 0; m < 2; m++) {
        struct bench_case *c = bench_add(b, false, m == 0 ? "kframes/s" : "ns", m == 0 ? BENCH_HIGHER : BENCH_LOWER,
                                         "64 B, %s, %s", ours->name, m == 0 ? "rate" : "CPU per frame");
        bench_cell(c, "ours", m == 0 ? rate : cpu, ours);
        bench_cell(c, peer->name, m == 0 ? rate : cpu, peer);
        for (int k = 0; k < 2 && c != NULL; k++) {
            if (!both[k]->added) {
                both[k]->added = true;
                bench_sample(b, take, both[k]);
            }
        }
    }
}

static bool new_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0) {
        return false;
    }
    namespace_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // fails on a kernel without IPv6, which is as good
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
    return namespace_fd >= 0;
}

int main(int argc, char **argv)
{
    struct bench b;
    int rc = bench_init(&b, "bench_tap", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0 || !new_namespace()) {
        bench_said(&b, "left out: it needs two CPUs, and a network namespace: root, or unshare -Urn");
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    add(&b, &forwarders[0], &forwarders[1]);
    add(&b, &forwarders[0], &forwarders[2]);
    add(&b, &forwarders[1], &forwarders[3]);
    rc = bench_finish(&b);
    for (int i = 0; i < 4; i++) {
        const struct forwarder *f = &forwarders[i];
        bench_said(&b, "%s: %u windows, %u of them disturbed and dropped", f->name, f->taken, f->disturbed);
    }
    return rc;
}
