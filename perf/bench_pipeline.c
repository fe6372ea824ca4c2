/* bench_pipeline: what the engine itself costs: memory → forward → memory with everything counted, against testpmd
 * forwarding between two net_null ports on one core; over two cores against one; with latency measured against without,
 * in ticks (of the TSC) per frame, where the difference of the two figures is what measuring costs.
 *
 * With `content: descriptors` neither side moves bytes; testpmd touches an mbuf per frame and we nothing, so the ratio
 * is a yardstick of engines, not of data planes. With content 64 bytes are written at the source and verified at the
 * sink, and testpmd copies (copy=1). Both run on the second CPU, control on the first. testpmd is one process that is
 * told start and stop; its few hundred microseconds of starting count as ours would, in its favour.
 */
#include "perf/bench_testpmd.h"

#include "lib/sys/clock.h"

#include <millrace/engine.h>
#include <millrace/report.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct ours {
    const char *layout;  /* run-to-completion: on the second CPU; pipeline: on both */
    const char *content; /* full: written and verified */
    uint32_t burst;
    bool latency;
    bool ticks; /* the value is ticks per frame, not Mframes/s */
};

/* ---- ours ---- */

static struct mr_config *config_of(const struct bench *b, const struct ours *o, struct mr_error *err)
{
    char text[1024];
    char cores[32];
    bool pipeline = strcmp(o->layout, "pipeline") == 0;
    struct mr_config *cfg = NULL;
    snprintf(cores, sizeof cores, pipeline && b->cpu[1] >= 0 ? "%d, %d" : "%d", b->cpu[1] >= 0 ? b->cpu[1] : b->cpu[0],
             b->cpu[0]);
    int n = snprintf(text, sizeof text,
                     "engine: { layout: %s, cores: [%s], burst: %u, latency: %s }\n"
                     "batcher: { cap: %u }\n"
                     "ports:\n"
                     "  - { name: in, driver: memory, source: yes, content: %s }\n"
                     "  - { name: out, driver: memory, content: %s, verify: %s }\n"
                     "paths:\n"
                     "  - { from: in, work: forward, to: out }\n",
                     o->layout, cores, o->burst, o->latency ? "yes" : "no", o->burst, o->content, o->content,
                     strcmp(o->content, "full") == 0 ? "yes" : "no");
    int rc = mr_config_parse(&cfg, text, (size_t)n, "bench", err);
    rc = rc < 0 ? rc : mr_config_check(cfg, err);
    return rc < 0 ? NULL : cfg;
}

/* Million frames a second through the engine (or ticks per frame), all of them accounted for. */
static double ours_run(struct bench *b, void *arg)
{
    struct mr_error err = {0};
    struct mr_engine *e = NULL;
    struct mr_run_options options = {.for_ns = bench_window_ms(b) * 1000000ull};
    const struct ours *o = arg;
    struct mr_config *cfg = config_of(b, o, &err);
    double mpps = -1;
    bench_float(b); // the core threads pin themselves, to CPUs that we must be allowed to use
    if (cfg != NULL && mr_engine_create(cfg, &e, &err) == 0 && mr_engine_run(e, &options, &err) == 0) {
        json_t *report = mr_report_json(e, 0, NULL);
        json_t *totals = json_object_get(report, "totals");
        bool exact = json_integer_value(json_object_get(totals, "unaccounted")) == 0;
        mpps = exact ? json_number_value(json_object_get(json_object_get(report, "rate"), "mpps")) : -1;
        json_decref(report);
    } else {
        fprintf(stderr, "bench_pipeline: %s\n", err.text);
    }
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
    bench_pin(b);
    return mpps > 0 && o->ticks ? mr_clock_get()->ticks_per_ns * 1e3 / mpps : mpps;
}

/* ---- cases ---- */

static const char one[] = "run-to-completion", two[] = "pipeline";
static struct ours descriptors[] = {
    {one, "descriptors", 32, true}, {one, "descriptors", 64, true}, {one, "descriptors", 256, true}};
static struct ours written[] = {{one, "full", 32, true}, {one, "full", 256, true}};
static struct ours two_cores[] = {{two, "descriptors", 32, true}, {two, "descriptors", 256, true}};
static struct ours same_on_one[] = {{one, "descriptors", 32, true}, {one, "descriptors", 256, true}};
static struct ours measured[] = {{one, "descriptors", 32, true, true}, {one, "descriptors", 256, true, true}};
static struct ours unmeasured[] = {{one, "descriptors", 32, false, true}, {one, "descriptors", 256, false, true}};
static struct testpmd null_io, null_copy;

static void add_against(struct bench *b, struct ours *o, uint32_t n, const char *what, struct testpmd *peer,
                        const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        struct bench_case *c = bench_add(b, false, "Mframes/s", BENCH_HIGHER, "%s, burst %u", what, o[i].burst);
        bench_cell(c, "ours", ours_run, &o[i]);
        if (peer->pid > 0) {
            bench_cell(c, name, testpmd_mpps, peer);
        }
    }
}

static void add_pairs(struct bench *b, struct ours *a, struct ours *peer, uint32_t n, const char *what,
                      const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        struct bench_case *c = bench_add(b, false, a[i].ticks ? "ticks/frame" : "Mframes/s",
                                         a[i].ticks ? BENCH_LOWER : BENCH_HIGHER, "%s, burst %u", what, a[i].burst);
        bench_cell(c, "ours", ours_run, &a[i]);
        bench_cell(c, name, ours_run, &peer[i]);
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    signal(SIGPIPE, SIG_IGN);
    int rc = bench_init(&b, "bench_pipeline", argc, argv);
    if (rc != 0) {
        return rc;
    }
    bool io = testpmd_open(&b, &null_io, false), copy = testpmd_open(&b, &null_copy, true);
    if (!io || !copy) {
        bench_said(&b, "dpdk-testpmd%s does not start here (package dpdk-dev; two CPUs): left out",
                   io ? " with copy=1" : copy ? " without copy" : "");
    } else if (!null_copy.huge) {
        bench_said(&b, "fewer than 128 free 2 MiB huge pages: testpmd runs on plain ones, which is a weaker peer");
    }
    add_against(&b, descriptors, 3, "descriptors, one core", &null_io,
                null_io.huge ? "testpmd" : "testpmd, 4 KiB pages");
    add_against(&b, written, 2, "64 B written and verified, one core", &null_copy,
                null_copy.huge ? "testpmd copy=1" : "testpmd copy=1, 4 KiB pages");
    add_pairs(&b, two_cores, same_on_one, 2, "descriptors, two cores", "one core");
    add_pairs(&b, measured, unmeasured, 2, "latency on", "latency off");
    rc = bench_finish(&b);
    testpmd_close(&null_io);
    testpmd_close(&null_copy);
    return rc;
}
