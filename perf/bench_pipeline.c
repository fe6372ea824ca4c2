/* bench_pipeline: what the engine itself costs: memory → forward → memory with everything counted, against testpmd
 * forwarding between two net_null ports on one core; over two cores against one; with latency measured against without,
 * in ticks (of the TSC) per frame, where the difference of the two figures is what measuring costs.
 *
 * With `content: descriptors` neither side moves bytes; testpmd touches an mbuf per frame and we nothing, so the ratio
 * is a yardstick of engines, not of data planes. With content 64 bytes are written at the source and verified at the
 * sink, and testpmd copies (copy=1). Both run on the second CPU, control on the first. testpmd is one process that is
 * told start and stop; its few hundred microseconds of starting count as ours would, in its favour.
 */
#include "perf/harness.h"

#include "lib/sys/clock.h"
#include "lib/sys/topology.h"

#include <millrace/engine.h>
#include <millrace/report.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_MS = 120, QUICK_MS = 60 };

struct ours {
    const char *layout;  /* run-to-completion: on the second CPU; pipeline: on both */
    const char *content; /* full: written and verified */
    uint32_t burst;
    bool latency;
    bool ticks; /* the value is ticks per frame, not Mframes/s */
};

struct testpmd {
    pid_t pid;
    int in, out; /* its stdin and stdout */
    bool copy, huge;
};

static uint32_t window_ms(const struct bench *b)
{
    return b->quick ? QUICK_MS : WINDOW_MS;
}

static void nap_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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
    struct mr_run_options options = {.for_ns = window_ms(b) * 1000000ull};
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

/* ---- testpmd ---- */

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
           "--burst=32", "--nb-cores=1", "--total-num-mbufs=8192", (char *)NULL);
    _exit(127);
}

static void testpmd_close(struct testpmd *t)
{
    if (t->pid > 0) {
        if (write(t->in, "quit\n", 5) != 5) {
            kill(t->pid, SIGTERM);
        }
        waitpid(t->pid, NULL, 0);
    }
}

/* What did not come up leaves no pid behind: then it has no cell, instead of one that can only be BAD. */
static bool testpmd_open(struct bench *b, struct testpmd *t, bool copy)
{
    int to[2], from[2];
    char text[65536];
    struct mr_host host;
    mr_host_read(&host);
    t->copy = copy;
    t->huge = host.huge_2m_free >= 64; // its 128 MiB; else plain pages, as ours then has, too
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

/* Million frames a second, both directions together, as the forwarding core moves them. */
static double testpmd_run(struct bench *b, void *arg)
{
    struct testpmd *t = arg;
    char text[65536];
    if (!tell(t, "start\n", "nb forwarding ports=", text, sizeof text)) {
        return -1;
    }
    double from = now_s();
    nap_ms(window_ms(b));
    double seconds = now_s() - from;
    if (!tell(t, "stop\n", "\nDone.", text, sizeof text)) {
        return -1;
    }
    const char *all = strstr(text, "Accumulated forward statistics");
    const char *tx = all == NULL ? NULL : strstr(all, "TX-packets:");
    return tx == NULL ? -1 : strtod(tx + strlen("TX-packets:"), NULL) / seconds / 1e6;
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
            bench_cell(c, name, testpmd_run, peer);
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
