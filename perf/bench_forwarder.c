#include "perf/bench_forwarder.h"

#include "perf/bench_process.h"

#include "lib/sys/topology.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { WINDOW_MS = 500, WARM_MS = 120, QUICK_WINDOW_MS = 200, QUICK_WARM_MS = 80 };
enum { SOURCE_S = 20, FIRST_FRAMES = 1000, NAP_MS = 5, NAPS = 1000 };
static const double FOREIGN_MOST = 0.12;
static const char engine_program[] = "../apps/millrace/millrace";

static struct bench_net net;

int bench_forwarder_open(struct mr_error *err)
{
    return bench_net_create(&net, err);
}

static void nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* ---- start and end ---- */

static const char *from_of(const struct bench_forwarder *f)
{
    return f->from != NULL ? f->from : "left";
}

static const char *to_of(const struct bench_forwarder *f)
{
    return f->to != NULL ? f->to : "right";
}

static bool start_engine(struct bench *b, const struct bench_forwarder *f, struct bench_process *p)
{
    char config[768], latency[32];
    snprintf(config, sizeof config,
             "engine: { layout: run-to-completion, cores: [%d] }\n"
             "ports:\n"
             "  - { name: left, %s }\n"
             "  - { name: right, %s }\n"
             "paths:\n"
             "  - { from: left, work: forward, to: right }\n%s",
             b->cpu[1], f->from, f->to, f->both_ways ? "  - { from: right, work: forward, to: left }\n" : "");
    snprintf(latency, sizeof latency, "engine.latency=%s", f->latency != NULL ? f->latency : "yes");
    char *const argv[] = {"millrace", "run", "-c", "-", "--json", "-", "--set", latency, NULL};
    return bench_process_start(b, p, net.forwarder, engine_program, argv, config);
}

/* Else plain ones, as the engine does it. */
static bool large_pages(void)
{
    struct mr_host host;
    mr_host_read(&host);
    return host.huge_2m_free >= 64;
}

static bool start_testpmd(struct bench *b, const struct bench_forwarder *f, struct bench_process *p)
{
    char cores[32], from[96], to[96];
    snprintf(cores, sizeof cores, "%d,%d", b->cpu[0], b->cpu[1]);
    snprintf(from, sizeof from, "--vdev=%s", f->from);
    snprintf(to, sizeof to, "--vdev=%s", f->to);
    char *const argv[] = {"dpdk-testpmd", "-l", cores, "--no-pci", "-m", "128", "--no-telemetry",
                          large_pages() ? "--in-memory" : "--no-huge", "--no-shconf", from, to, "--",
                          "--forward-mode=io", "--no-flush-rx", "--burst=32", "--nb-cores=1", "--total-num-mbufs=16384", NULL};
    return bench_process_start(b, p, net.forwarder, "dpdk-testpmd", argv, bench_input_held);
}

/* XDP frames arrive at dst only where it runs NAPI: a program that drops them there sees to that. */
static bool start_sink(struct bench *b, const struct bench_forwarder *f, struct bench_process *sink)
{
    char *const argv[] = {"bare_redirect", "--from", "dst", NULL};
    return f->kind == BENCH_KERNEL && bench_process_start(b, sink, net.ends, "bare_redirect", argv, NULL);
}

static bool start(struct bench *b, const struct bench_forwarder *f, struct bench_process *p)
{
    char cpu[16];
    snprintf(cpu, sizeof cpu, "%d", b->cpu[1]);
    char *const vdevs[] = {"dpdk_forward", cpu, "20", large_pages() ? "huge" : "plain", (char *)from_of(f), (char *)to_of(f), NULL};
    char *const bare[] = {(char *)f->program, "--cpu", cpu, "--from", (char *)from_of(f), "--to", (char *)to_of(f), NULL};
    switch (f->kind) {
    case BENCH_ENGINE:
        return start_engine(b, f, p);
    case BENCH_TESTPMD:
        return start_testpmd(b, f, p);
    case BENCH_DPDK_FORWARD:
        return bench_process_start(b, p, net.forwarder, "dpdk_forward", vdevs, NULL);
    default:
        return bench_process_start(b, p, net.forwarder, f->program, bare, NULL);
    }
}

static bool start_source(struct bench *b, const struct bench_forwarder *f, struct bench_process *p)
{
    char cpu[16], seconds[16], bytes[16];
    const char *program = f->feed == BENCH_XDP ? "xdp_sender" : "raw_sender";
    snprintf(cpu, sizeof cpu, "%d", b->cpu[0]);
    snprintf(seconds, sizeof seconds, "%d", SOURCE_S);
    snprintf(bytes, sizeof bytes, "%d", f->bytes != 0 ? f->bytes : BENCH_FORWARDER_64);
    char *const argv[] = {(char *)program, "--to", f->own_devices ? (char *)f->from : "src", "--bytes", bytes,
                          "--cpu", cpu, "--for", seconds, NULL};
    return bench_process_start(b, p, f->own_devices ? net.forwarder : net.ends, program, argv, NULL);
}

/* System calls per frame by the forwarder's own count, 0 = it has none; below 0 when its accounts are not right. */
static double calls_of(const struct bench_forwarder *f, json_t *report)
{
    json_t *cost = json_object_get(report, "cost"), *totals = json_object_get(report, "totals");
    if (f->kind == BENCH_TESTPMD) {
        return 0;
    }
    if (report == NULL) {
        return -1;
    }
    if (f->kind != BENCH_ENGINE) {
        double frames = json_number_value(json_object_get(report, "frames"));
        return frames > 0 ? json_number_value(json_object_get(report, "syscalls")) / frames : f->kind == BENCH_KERNEL ? 0 : -1;
    }
    json_t *unaccounted = json_object_get(totals, "unaccounted");
    return json_is_integer(unaccounted) && json_integer_value(unaccounted) == 0
               ? json_number_value(json_object_get(cost, "syscalls_per_frame"))
               : -1;
}

/* ---- the ruler ---- */

struct reading {
    double at_ns, frames, forwarder_ns, source_ns, softirq_ns[2];
    struct bench_cpu_times cpu[2];
};

static uint64_t arrived(const struct bench_forwarder *f)
{
    return f->own_devices ? bench_net_arrived_at(&net, f->to) : bench_net_arrived();
}

static void take_reading(const struct bench *b, const struct bench_forwarder *f, const struct bench_process *forwarder,
                         const struct bench_process *source, struct reading *r)
{
    struct timespec t;
    for (int i = 0; i < 2; i++) {
        bench_cpu_times(b->cpu[i], &r->cpu[i]);
        r->softirq_ns[i] = bench_softirq_ns(b->cpu[i]);
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    r->at_ns = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    r->frames = (double)arrived(f);
    r->forwarder_ns = bench_process_cpu_ns(forwarder);
    r->source_ns = bench_process_cpu_ns(source);
}

/* The larger share of a CPU that neither of the two had. What the kernel forwards itself has nothing to do with the second. */
static double foreign(const struct bench_forwarder *f, const struct reading *from, const struct reading *to)
{
    double ns = to->at_ns - from->at_ns, most = 0;
    const double own[2] = {to->source_ns - from->source_ns, to->forwarder_ns - from->forwarder_ns};
    for (int i = 0; i < (f->kind == BENCH_KERNEL ? 1 : 2); i++) {
        double other = to->cpu[i].busy_ns - from->cpu[i].busy_ns - own[i] - (to->softirq_ns[i] - from->softirq_ns[i]);
        most = fmax(most, fmax(other, to->cpu[i].steal_ns - from->cpu[i].steal_ns) / ns);
    }
    return most;
}

static bool frames_flow(const struct bench_forwarder *f)
{
    uint64_t before = arrived(f);
    for (int tries = 0; tries < NAPS; tries++) {
        nap_ms(NAP_MS);
        if (arrived(f) - before >= FIRST_FRAMES) {
            return true;
        }
    }
    return false;
}

static bool window(struct bench *b, struct bench_forwarder *f, const struct bench_process *p, const struct bench_process *source)
{
    struct reading from, to;
    nap_ms(b->quick ? QUICK_WARM_MS : WARM_MS);
    take_reading(b, f, p, source, &from);
    nap_ms(b->quick ? QUICK_WINDOW_MS : WINDOW_MS);
    take_reading(b, f, p, source, &to);
    double frames = to.frames - from.frames;
    double ours = to.forwarder_ns - from.forwarder_ns + to.softirq_ns[1] - from.softirq_ns[1];
    double sources = to.source_ns - from.source_ns + to.softirq_ns[0] - from.softirq_ns[0];
    if (foreign(f, &from, &to) > FOREIGN_MOST || frames <= 0) {
        return false;
    }
    f->kpps = frames * 1e6 / (to.at_ns - from.at_ns);
    f->cpu_ns = (f->kind == BENCH_KERNEL ? sources : ours) / frames;
    return true;
}

/* Devices of its own are there when it has made them; until the kernel has let go of the last ones, no others can be. */
static bool wait_devices(const struct bench_forwarder *f, bool there)
{
    for (int tries = 0; f->own_devices && tries < NAPS; tries++) {
        if (bench_net_up(&net, f->from) == there && bench_net_up(&net, f->to) == there) {
            return true;
        }
        nap_ms(NAP_MS);
    }
    return !f->own_devices;
}

/* From source to forwarder and on; measured: for a window. false: disturbed, or nothing came through. */
static bool run(struct bench *b, struct bench_forwarder *f, const struct bench_process *p, bool measured, bool *flows)
{
    struct bench_process source, sink;
    bool drops = start_sink(b, f, &sink);
    bool sends = wait_devices(f, true) && start_source(b, f, &source);
    *flows = sends && frames_flow(f);
    bool quiet = *flows && (!measured || window(b, f, p, &source));
    if (sends) {
        json_decref(bench_process_end(&source, true, NULL));
    }
    if (drops) {
        json_decref(bench_process_end(&sink, true, NULL));
    }
    return quiet;
}

static bool take(struct bench *b, void *arg)
{
    struct bench_forwarder *f = arg;
    struct bench_process p;
    bool flows = false;
    f->kpps = f->cpu_ns = f->syscalls = 0;
    bench_net_receive_by_napi(&net, f->feed == BENCH_XDP);
    bool started = wait_devices(f, false) && start(b, f, &p);
    bool quiet = started && run(b, f, &p, true, &flows);
    json_t *report = started ? bench_process_end(&p, true, NULL) : NULL;
    double calls = calls_of(f, report);
    json_decref(report);
    if (!flows || calls < 0) {
        f->kpps = f->cpu_ns = f->syscalls = -1;
        f->failed++;
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
    return ((struct bench_forwarder *)arg)->kpps;
}

static double cpu(struct bench *b, void *arg)
{
    (void)b;
    return ((struct bench_forwarder *)arg)->cpu_ns;
}

static double calls(struct bench *b, void *arg)
{
    (void)b;
    return ((struct bench_forwarder *)arg)->syscalls;
}

static const struct measure {
    int bit;
    const char *name, *unit;
    enum bench_better better;
    bench_run *run;
} measures[] = {{BENCH_RATE, "rate", "kframes/s", BENCH_HIGHER, rate},
                {BENCH_CPU, "CPU per frame", "ns", BENCH_LOWER, cpu},
                {BENCH_CALLS, "system calls per frame", "calls", BENCH_LOWER, calls}};
enum { MEASURES = sizeof measures / sizeof *measures };

static void cell(struct bench *b, struct bench_case *c, const struct measure *m, const char *name, struct bench_forwarder *f)
{
    bench_cell(c, name, m->run, f);
    if (c != NULL && !f->added) {
        f->added = true;
        bench_sample(b, take, f);
    }
}

void bench_forwarder_add(struct bench *b, const char *what, int wanted, struct bench_forwarder *ours,
                         struct bench_forwarder *const *peers)
{
    for (int i = 0; i < MEASURES; i++) {
        const struct measure *m = &measures[i];
        struct bench_case *c = (wanted & m->bit) == 0 ? NULL : bench_add(b, false, m->unit, m->better, "%s, %s", what, m->name);
        cell(b, c, m, "ours", ours);
        for (int k = 0; peers[k] != NULL; k++) {
            cell(b, c, m, peers[k]->name, peers[k]);
        }
    }
}

bool bench_forwarder_there(struct bench *b, const struct bench_forwarder *f, int *rc)
{
    struct bench_forwarder trial = *f;
    struct bench_process p;
    int exit_code = -1;
    bool flows = false;
    bench_net_receive_by_napi(&net, f->feed == BENCH_XDP);
    bool started = wait_devices(f, false) && start(b, &trial, &p);
    if (started) {
        run(b, &trial, &p, false, &flows);
        json_decref(bench_process_end(&p, true, &exit_code));
    }
    if (!flows && exit_code == 0 && f->feed == BENCH_XDP) {
        bench_said(b, "%s is left out: nothing comes from xdp_sender (root, Linux 5.18; built with libxdp)", f->name);
    } else if (!flows) {
        bench_said(b, "%s does not run here (it ended with %d; of the engine's own: see millrace drivers): left out", f->name,
                   exit_code);
        *rc = f->kind != BENCH_ENGINE || exit_code == 3 || exit_code == 2 ? *rc : 1;
    }
    return flows;
}

void bench_forwarder_say(struct bench *b, const struct bench_forwarder *f)
{
    if (f->taken + f->failed != 0) {
        bench_said(b, "%s%s: %u windows, %u of them disturbed and dropped%s", f->name,
                   f->bytes == BENCH_FORWARDER_1514 ? ", 1514 B" : "", f->taken, f->disturbed, f->failed != 0 ? "; others failed" : "");
    }
}
