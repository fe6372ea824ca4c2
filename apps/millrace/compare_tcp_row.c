/* compare_tcp_row.c: one stream of one row: whoever forwards is started anew for it, and stopped behind it. */
#include "apps/millrace/compare_tcp.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum { DRAIN_MS = 5000, STOP_MS = 2000 };

/* ---- who forwards ---- */

struct forwarder {
    struct lab_process process; /* pid 0 = none: the kernel's bridge */
    struct lab_options lab;
};

static int config(const void *arg, struct mr_config **out, struct mr_error *err)
{
    struct lab_options o = *(const struct lab_options *)arg;
    return lab_config_pipeline(&o, out, err);
}

static int start(const struct compare *c, const struct compare_tcp_row *r, struct forwarder *f, struct mr_error *err)
{
    if (r->of->kind != COMPARE_DRIVER) {
        return compare_reference_start(c, r->of, err);
    }
    f->lab = c->lab;
    f->lab.work = "l2";
    f->lab.offload = r->form->offload;
    f->lab.rx_driver = r->of->rx_driver;
    f->lab.tx_driver = r->of->tx_driver;
    f->lab.n_sets = c->options.n_sets;
    memcpy(f->lab.sets, c->options.sets, sizeof c->options.sets);
    const struct lab_job job = {.who = "the pipeline", .name = "mr-pipeline", .side = LAB_FORWARDER, .control_cpu = -1,
                                .config = config, .arg = &f->lab};
    int result = lab_process_start(&f->process, &job, &c->net, err);
    return result < 0 || lab_process_go(&f->process)
               ? result
               : mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the pipeline ended before a frame came");
}

static bool ended(const struct lab_process *p, int ms)
{
    struct pollfd ready = {.fd = p->ready, .events = POLLIN};
    return TEMP_FAILURE_RETRY(poll(&ready, 1, ms)) > 0;
}

/* One that neither drains nor stops is killed: it costs its row, and not the run. */
static int stop_process(struct compare_tcp_row *r, struct lab_process *p, struct mr_error *err)
{
    lab_process_stop(p);
    if (!ended(p, DRAIN_MS)) {
        lab_process_stop(p);
    }
    bool stuck = !ended(p, STOP_MS);
    if (stuck) {
        kill(p->pid, SIGKILL);
    }
    json_t *report = lab_process_report(p, err);
    if (report == NULL) {
        return stuck ? mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "compare: the pipeline neither drained nor stopped within %d s, and was "
                                    "killed", (DRAIN_MS + STOP_MS) / 1000) : -ECHILD;
    }
    compare_count_drops(r->drops, report);
    json_decref(report);
    return 0;
}

/* Also of a start that failed half way: a bridge that has only one port would still take its frames. */
static int stop(const struct compare *c, struct compare_tcp_row *r, struct forwarder *f, struct mr_error *err)
{
    int result = 0;
    if (r->of->kind != COMPARE_DRIVER) {
        return compare_reference_stop(c, r->of, err);
    }
    if (f->process.pid > 0) {
        result = stop_process(r, &f->process, err);
    }
    lab_process_destroy(&f->process);
    return result;
}

/* ---- the stream ---- */

struct reading {
    double at_ns, pipeline_ns;
    struct compare_cpus cpus;
};

static void take_reading(const struct forwarder *f, struct reading *r)
{
    r->at_ns = (double)mr_now_ns();
    r->pipeline_ns = compare_cpu_ns(f->process.pid > 0 ? &f->process : NULL);
    compare_cpus_read(NULL, &r->cpus);
}

/* What ran besides is at least what no interrupt did and none of us: interrupts that ran in our name stand on both sides, so that a
 * small disturbance may not show. */
static double foreign_ns_of(const struct reading *from, const struct reading *to, const struct compare_streamed *s)
{
    double busy_ns = to->cpus.busy_ns - from->cpus.busy_ns, softirq_ns = to->cpus.softirq_ns - from->cpus.softirq_ns;
    return busy_ns - softirq_ns - (to->pipeline_ns - from->pipeline_ns) - s->ends_ns;
}

static void keep(struct compare_tcp_row *r, const struct reading *from, const struct reading *to, const struct compare_streamed *s)
{
    uint32_t round = r->form->rounds;
    double gbit = (double)r->form->bytes * 8e-9, pipeline_ns = to->pipeline_ns - from->pipeline_ns;
    double busy_ns = to->cpus.busy_ns - from->cpus.busy_ns, steal_ns = to->cpus.steal_ns - from->cpus.steal_ns;
    double foreign_ns = foreign_ns_of(from, to, s);
    double most_ns = COMPARE_FOREIGN_MOST * (to->at_ns - from->at_ns) + to->cpus.tick_ns; // short ones last a few ticks
    bool disturbed = (foreign_ns > steal_ns ? foreign_ns : steal_ns) > most_ns;
    r->gbit_per_s[round] = gbit / s->seconds;
    r->cpu_s[round] = r->of->kind == COMPARE_DRIVER ? pipeline_ns * 1e-9 / gbit : NAN;
    r->box_s[round] = disturbed ? NAN : busy_ns * 1e-9 / gbit;
    r->resolution_s[round] = to->cpus.tick_ns * 1e-9 / gbit;
    r->disturbed += disturbed;
}

static int stream(const struct compare *c, struct compare_tcp_row *r, const struct forwarder *f, uint64_t limit_ns,
                  struct mr_error *err)
{
    struct compare_stream s = {.sink = 0};
    struct compare_streamed streamed;
    struct reading from, to;
    int result = compare_stream_start(&s, &c->net, c->lab.source_cpu, r->form->bytes, err);
    take_reading(f, &from);
    result = result < 0 ? result : compare_stream_run(&s, f->process.pid > 0 ? f->process.ready : -1, limit_ns, &streamed, err);
    take_reading(f, &to);
    r->carried += compare_stream_end(&s);
    if (result == 0) {
        keep(r, &from, &to, &streamed);
    }
    return result;
}

/* ---- all ---- */

void compare_tcp_row_clear(struct compare_tcp_row *r)
{
    for (uint32_t i = 0; i < MR_ROUNDS_MAX; i++) {
        r->gbit_per_s[i] = r->cpu_s[i] = r->box_s[i] = r->resolution_s[i] = NAN;
    }
    r->disturbed = 0;
}

void compare_tcp_measure(struct compare *c, struct compare_tcp_row *r, uint64_t limit_ns)
{
    struct forwarder f = {.process = {.pid = 0}};
    struct mr_error why = {0}, cause = {0};
    int result = lab_net_offloads(&c->net, r->form->offload, &why);
    result = result < 0 ? result : start(c, r, &f, &why);
    result = result < 0 ? result : stream(c, r, &f, limit_ns, &why);
    int stopped = stop(c, r, &f, &cause);
    if (result < 0 || stopped < 0) { // one stream that was not whole makes the others of this row worth nothing
        const char *text = stopped < 0 ? cause.text : why.text;
        compare_tcp_row_clear(r);
        if (r->form->rounds == 0) {
            const char *cut = limit_ns < c->times.stream_ns ? "the time for all of it ran out: " : "";
            snprintf(r->reason, sizeof r->reason, "%s%s", cut, text);
        } else {
            snprintf(r->reason, sizeof r->reason, "in round %u: %s", r->form->rounds + 1, text);
        }
    }
}
