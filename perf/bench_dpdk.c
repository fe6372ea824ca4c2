/* bench_dpdk: what the engine costs on DPDK: net_null → forward → net_null through two rings, everything counted, in ticks
 * (of the TSC) per frame, against testpmd in io mode and against dpdk_forward, the loop without an engine. One core, bursts
 * of 32, the same kind of pages and the same mempool cache (256) for all. CPU time is counted, of the whole process, so
 * that other load on the CPU falls out. net_null makes and frees an mbuf per frame and touches no data: what differs is the
 * engine's own work, so the difference of the two figures is its price: aimed at 6 ticks above testpmd.
 */
#include "perf/bench_testpmd.h"

#include "lib/sys/clock.h"

#include <millrace/engine.h>
#include <millrace/report.h>

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ours {
    const struct testpmd *peer; /* whose kind of pages it takes */
    bool latency;
    uint32_t ring; /* engine.ring */
};

struct bare {
    const struct testpmd *peer;
    char path[PATH_MAX];
};

static double ticks(double ns)
{
    return ns > 0 ? mr_clock_get()->ticks_per_ns * ns : -1;
}

static struct mr_config *config_of(const struct bench *b, const struct ours *o, struct mr_error *err)
{
    char text[512];
    struct mr_config *cfg = NULL;
    int n = snprintf(text, sizeof text,
                     "engine: { cores: [%d], burst: 32, latency: %s, ring: %u }\n"
                     "batcher: { cap: 32 }\n"
                     "memory: { huge_pages: %s }\n"
                     "ports:\n"
                     "  - { name: in, driver: dpdk, device: net_null2 }\n"
                     "  - { name: out, driver: dpdk, device: net_null3 }\n"
                     "paths:\n"
                     "  - { from: in, work: forward, to: out }\n",
                     b->cpu[1] >= 0 ? b->cpu[1] : b->cpu[0], o->latency ? "yes" : "no", o->ring,
                     o->peer->huge ? "required" : "off");
    int rc = mr_config_parse(&cfg, text, (size_t)n, "bench", err);
    rc = rc < 0 ? rc : mr_config_check(cfg, err);
    return rc < 0 ? NULL : cfg;
}

static double ours_run(struct bench *b, void *arg)
{
    struct mr_error err = {0};
    struct mr_engine *e = NULL;
    struct mr_run_options options = {.for_ns = bench_window_ms(b) * 1000000ull};
    struct mr_config *cfg = config_of(b, arg, &err);
    double ns = -1;
    bench_float(b); // the core threads pin themselves, to CPUs that we must be allowed to use
    if (cfg != NULL && mr_engine_create(cfg, &e, &err) == 0 && mr_engine_run(e, &options, &err) == 0) {
        json_t *report = mr_report_json(e, 0, NULL);
        json_t *totals = json_object_get(report, "totals");
        bool exact = json_integer_value(json_object_get(totals, "unaccounted")) == 0;
        ns = exact ? json_number_value(json_object_get(json_object_get(report, "cost"), "cpu_ns_per_frame")) : -1;
        json_decref(report);
    } else {
        fprintf(stderr, "bench_dpdk: %s\n", err.text);
    }
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
    bench_pin(b);
    return ticks(ns);
}

static double testpmd_ticks(struct bench *b, void *arg)
{
    return ticks(testpmd_cpu_ns(b, arg));
}

/* A process each time: it measures its own loop, not its start. */
static double bare_run(struct bench *b, void *arg)
{
    const struct bare *bare = arg;
    char line[PATH_MAX + 128];
    double seconds = 0;
    unsigned long frames = 0;
    bench_float(b);
    snprintf(line, sizeof line, "'%s' %d %.3f %s net_null0 net_null1", bare->path, b->cpu[1], bench_window_ms(b) / 1e3,
             bare->peer->huge ? "huge" : "plain");
    FILE *f = popen(line, "r");
    bool read = f != NULL && fscanf(f, "{\"frames\": %lu, \"cpu_seconds\": %lf}", &frames, &seconds) == 2;
    bool ended = f != NULL && pclose(f) == 0;
    bench_pin(b);
    return read && ended && frames != 0 ? ticks(seconds * 1e9 / (double)frames) : -1;
}

static const char *bare_path(char *path, size_t bytes)
{
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
        return NULL;
    }
    int n = snprintf(path, bytes, "%s/dpdk_forward", dirname(self));
    return n > 0 && (size_t)n < bytes && access(path, X_OK) == 0 ? path : NULL;
}

static void add_peers(const struct bench *b, struct bench_case *c, struct testpmd *io, bool has_testpmd, struct bare *bare)
{
    if (has_testpmd) {
        bench_cell(c, "testpmd", testpmd_ticks, io);
    }
    if (b->cpu[1] >= 0 && bare_path(bare->path, sizeof bare->path) != NULL) {
        bench_cell(c, "dpdk_forward", bare_run, bare);
    }
}

int main(int argc, char **argv)
{
    static struct testpmd io;
    static struct ours measured = {&io, true, 1024}, unmeasured = {&io, false, 1024}, small = {&io, false, 64};
    static struct bare bare = {.peer = &io};
    struct bench b;
    signal(SIGPIPE, SIG_IGN);
    int rc = bench_init(&b, "bench_dpdk", argc, argv);
    if (rc != 0) {
        return rc;
    }
    bool peer = testpmd_open(&b, &io, false);
    if (!peer) {
        bench_said(&b, "dpdk-testpmd does not start here (package dpdk-dev; two CPUs): left out");
    } else if (!io.huge) {
        bench_said(&b, "fewer than %d free 2 MiB huge pages (sysctl -w vm.nr_hugepages=%d): all run on plain ones, where testpmd's "
                   "mbufs lie a page apart, all in the same cache sets; it is left out", BENCH_HUGE_PAGES, BENCH_HUGE_PAGES);
        testpmd_close(&io);
        peer = false;
    }
    struct bench_case *c = bench_add(&b, false, "ticks/frame", BENCH_LOWER, "net_null to net_null, burst 32");
    bench_cell(c, "ours", ours_run, &measured);
    add_peers(&b, c, &io, peer, &bare);
    c = bench_add(&b, false, "ticks/frame", BENCH_LOWER, "the same, latency off");
    bench_cell(c, "ours", ours_run, &unmeasured);
    add_peers(&b, c, &io, peer, &bare);
    c = bench_add(&b, false, "ticks/frame", BENCH_LOWER, "latency off, rings of 64 frames");
    bench_cell(c, "ours", ours_run, &small);
    add_peers(&b, c, &io, peer, &bare);
    rc = bench_finish(&b);
    if (peer) {
        testpmd_close(&io);
    }
    return rc;
}
