/* bench_wire: real frames from one veth to another over AF_PACKET: `millrace run` by each driver against that driver's bare
 * loop, the same without an engine; of uring also its bare loop against recvmmsg and sendmmsg, and the engine with latency
 * measured against without.
 *
 * The sender runs on the first CPU, the forwarder on the second. All forwarders are measured from outside by one ruler:
 * the frames that reach the sink's device and the process's CPU time, over one window after a warm-up. Only the system
 * calls are their own count. A window in which something else took more than 12 % of a CPU, or the host stole as much,
 * is dropped.
 *
 * The forwarder's CPU time contains the sink's share (the receiving half of its veth pair runs under our send), and not
 * the receiving half of its own pair, which runs on the sender's CPU: the same for all that are compared here.
 */
#include "perf/bench_net.h"
#include "perf/bench_process.h"
#include "perf/harness.h"

#include <millrace/atomic.h>

#include <math.h>
#include <string.h>

enum {
    FULL_PAIRS = 40,
    QUICK_PAIRS = 10,
    WINDOW_MS = 500,
    QUICK_MS = 250,
    WARM_MS = 120,
    SENDER_S = 5,
    FIRST_FRAMES = 1000
};
static const double FOREIGN_MOST = 0.12;
static const char engine_program[] = "../apps/millrace/millrace";

/* A forwarder, and what its last window gave: 0 = disturbed, below 0 = it failed. */
struct forwarder {
    const char *driver;
    const char *bare;    /* the bare loop's program; NULL = the engine */
    const char *latency; /* of the engine */
    double kpps, cpu_ns, syscalls;
    uint32_t taken, disturbed;
    bool added;
};

static struct bench_net net;
static struct wire {
    const char *name; /* of the case */
    const char *peer;
    struct forwarder engine, loop;
} wires[] = {
    {"uring, 64 B", "bare uring", {"uring", NULL, "engine.latency=yes"}, {"uring", "bare_uring"}},
    {"mmap, 64 B", "bare mmap", {"mmap", NULL, "engine.latency=yes"}, {"mmap", "bare_mmap"}},
    {"mmsg, 64 B", "bare mmsg", {"mmsg", NULL, "engine.latency=yes"}, {"mmsg", "bare_mmsg"}},
    {"socket, 64 B", "bare socket", {"socket", NULL, "engine.latency=yes"}, {"socket", "bare_socket"}},
    {"xdp, 64 B", "bare xdp", {"xdp", NULL, "engine.latency=yes"}, {"xdp", "bare_xdp"}},
};
enum { WIRES = sizeof wires / sizeof *wires, URING = 0, MMSG = 2 };
static struct forwarder unmeasured = {"uring", NULL, "engine.latency=no"};

static void nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static bool start(struct bench *b, struct forwarder *f, struct bench_process *p)
{
    char cpu[16], config[512];
    snprintf(cpu, sizeof cpu, "%d", b->cpu[1]);
    snprintf(config, sizeof config,
             "engine: { layout: run-to-completion, cores: [%d] }\n"
             "ports:\n"
             "  - { name: left, driver: %s, device: left }\n"
             "  - { name: right, driver: %s, device: right }\n"
             "paths:\n"
             "  - { from: left, work: forward, to: right }\n",
             b->cpu[1], f->driver, f->driver);
    char *const bare[] = {(char *)f->bare, "--cpu", cpu, "--from", "left", "--to", "right", NULL};
    char *const ours[] = {"millrace", "run", "-c", "-", "--json", "-", "--set", (char *)f->latency, NULL};
    return f->bare != NULL ? bench_process_start(b, p, net.forwarder, f->bare, bare, NULL)
                           : bench_process_start(b, p, net.forwarder, engine_program, ours, config);
}

static bool start_sender(struct bench *b, struct bench_process *p)
{
    char cpu[16], seconds[16];
    snprintf(cpu, sizeof cpu, "%d", b->cpu[0]);
    snprintf(seconds, sizeof seconds, "%d", SENDER_S);
    char *const argv[] = {"raw_sender", "--to", "src", "--cpu", cpu, "--for", seconds, NULL};
    return bench_process_start(b, p, net.ends, "raw_sender", argv, NULL);
}

/* The ruler, at one instant. */
struct reading {
    double at_ns, frames, forwarder_ns, sender_ns;
    struct bench_cpu_times cpu[2];
};

static void take_reading(const struct bench *b, const struct bench_process *forwarder,
                         const struct bench_process *sender, struct reading *r)
{
    struct timespec t;
    bench_cpu_times(b->cpu[0], &r->cpu[0]);
    bench_cpu_times(b->cpu[1], &r->cpu[1]);
    clock_gettime(CLOCK_MONOTONIC, &t);
    r->at_ns = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    r->frames = (double)bench_net_arrived();
    r->forwarder_ns = bench_process_cpu_ns(forwarder);
    r->sender_ns = bench_process_cpu_ns(sender);
}

/* The larger share of a CPU that neither of the two had. */
static double foreign(const struct reading *from, const struct reading *to)
{
    double ns = to->at_ns - from->at_ns;
    const double own[2] = {to->sender_ns - from->sender_ns, to->forwarder_ns - from->forwarder_ns};
    double most = 0;
    for (int i = 0; i < 2; i++) {
        double other =
            fmax(to->cpu[i].busy_ns - from->cpu[i].busy_ns - own[i], to->cpu[i].steal_ns - from->cpu[i].steal_ns);
        most = fmax(most, other / ns);
    }
    return most;
}

static bool frames_flow(void)
{
    uint64_t before = bench_net_arrived();
    for (int tries = 0; tries < 400; tries++) {
        nap_ms(5);
        if (bench_net_arrived() - before >= FIRST_FRAMES) {
            return true;
        }
    }
    return false;
}

/* System calls per frame by the forwarder's own count; below 0 when its accounts are not right. */
static double calls_of(const struct forwarder *f, json_t *report)
{
    json_t *cost = json_object_get(report, "cost"), *totals = json_object_get(report, "totals");
    if (report == NULL) {
        return -1;
    }
    if (f->bare != NULL) {
        double frames = json_number_value(json_object_get(report, "frames"));
        return frames > 0 ? json_number_value(json_object_get(report, "syscalls")) / frames : -1;
    }
    json_t *unaccounted = json_object_get(totals, "unaccounted");
    return json_is_integer(unaccounted) && json_integer_value(unaccounted) == 0
               ? json_number_value(json_object_get(cost, "syscalls_per_frame"))
               : -1;
}

static bool window(struct bench *b, struct forwarder *f, const struct bench_process *p,
                   const struct bench_process *sender)
{
    struct reading from, to;
    nap_ms(WARM_MS);
    take_reading(b, p, sender, &from);
    nap_ms(b->quick ? QUICK_MS : WINDOW_MS);
    take_reading(b, p, sender, &to);
    double frames = to.frames - from.frames;
    if (foreign(&from, &to) > FOREIGN_MOST) {
        return false;
    }
    f->kpps = frames * 1e6 / (to.at_ns - from.at_ns);
    f->cpu_ns = (to.forwarder_ns - from.forwarder_ns) / frames;
    return true;
}

static bool take(struct bench *b, void *arg)
{
    struct forwarder *f = arg;
    struct bench_process p, sender;
    f->kpps = f->cpu_ns = f->syscalls = 0;
    bool started = start(b, f, &p) && start_sender(b, &sender), flows = started && frames_flow();
    bool quiet = flows && window(b, f, &p, &sender);
    if (started) {
        json_decref(bench_process_end(&sender, true, NULL));
    }
    json_t *report = bench_process_end(&p, true, NULL);
    double calls = calls_of(f, report);
    json_decref(report);
    if (!flows || calls < 0) {
        f->kpps = f->cpu_ns = f->syscalls = -1;
        return true;
    }
    f->syscalls = quiet ? calls : 0;
    f->taken++;
    f->disturbed += !quiet;
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

static double calls(struct bench *b, void *arg)
{
    (void)b;
    return ((struct forwarder *)arg)->syscalls;
}

static const struct measure {
    const char *name, *unit;
    enum bench_better better;
    bench_run *run;
} measures[] = {{"rate", "kframes/s", BENCH_HIGHER, rate},
                {"CPU per frame", "ns", BENCH_LOWER, cpu},
                {"system calls per frame", "calls", BENCH_LOWER, calls}};

static void add(struct bench *b, const char *what, struct forwarder *ours, struct forwarder *peer,
                const char *peer_name, uint32_t n_measures)
{
    for (uint32_t i = 0; i < n_measures; i++) {
        const struct measure *m = &measures[i];
        struct bench_case *c = bench_add(b, false, m->unit, m->better, "%s, %s", what, m->name);
        struct forwarder *both[] = {ours, peer};
        bench_cell(c, "ours", m->run, ours);
        bench_cell(c, peer_name, m->run, peer);
        for (int k = 0; k < 2 && c != NULL; k++) {
            if (!both[k]->added) {
                both[k]->added = true;
                bench_sample(b, take, both[k]);
            }
        }
    }
}

/* Whether the engine opens these ports here at all. *rc: 1 when it does not, and not because this machine lacks
 * something (its exit code 3), or the driver was left out of the build (2). */
static bool engine_there(struct bench *b, const char *driver, int *rc)
{
    char *const argv[] = {"millrace", "run", "-c", "-", "--for", "10ms", "--json", "-", NULL};
    char config[256];
    struct bench_process p;
    int exit_code = -1;
    json_t *report = NULL;
    snprintf(config, sizeof config,
             "ports:\n"
             "  - { name: left, driver: %s, device: left }\n"
             "  - { name: right, driver: %s, device: right }\n"
             "paths:\n"
             "  - { from: left, work: forward, to: right }\n",
             driver, driver);
    if (bench_process_start(b, &p, net.forwarder, engine_program, argv, config)) {
        report = bench_process_end(&p, false, &exit_code);
    }
    if (report == NULL) {
        bench_said(b, "millrace run with driver %s ends with %d here (see: millrace drivers): left out", driver, exit_code);
        *rc = exit_code == 3 || exit_code == 2 ? *rc : 1;
    }
    json_decref(report);
    return report != NULL;
}

static void say_of(struct bench *b, const char *name, const struct forwarder *f)
{
    if (f->taken != 0) {
        bench_said(b, "%s: %u windows, %u of them disturbed and dropped", name, f->taken, f->disturbed);
    }
}

static void say_disturbed(struct bench *b)
{
    for (int i = 0; i < WIRES; i++) {
        say_of(b, wires[i].name, &wires[i].engine);
        say_of(b, wires[i].peer, &wires[i].loop);
    }
    say_of(b, "latency off", &unmeasured);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct mr_error err = {0};
    int engine_rc = 0, rc = bench_init(&b, "bench_wire", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0 || bench_net_create(&net, &err) < 0) {
        bench_said(&b, "left out: %s", b.cpu[1] < 0 ? "it needs two CPUs" : err.text);
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    for (int i = 0; i < WIRES; i++) {
        struct wire *w = &wires[i];
        if (engine_there(&b, w->engine.driver, &engine_rc)) {
            add(&b, w->name, &w->engine, &w->loop, w->peer, 3);
        }
    }
    if (wires[URING].engine.added) {
        add(&b, "latency on", &wires[URING].engine, &unmeasured, "latency off", 2);
        add(&b, "bare loop", &wires[URING].loop, &wires[MMSG].loop, "recvmmsg b32", 3);
    }
    rc = bench_finish(&b);
    say_disturbed(&b);
    return rc != 0 ? rc : engine_rc;
}
