/* compare_row.c: one row in one round: flat out, the rate without loss, latency at shares of it.
 *
 * Two processes forward one after the other: the first sees frames flat out and nothing else, so that its report (losses by
 * name, system calls, where the time went) speaks of that alone; the second sees all the rest. */
#include "apps/millrace/compare.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const double SHARES[COMPARE_SHARES] = {0.1, 0.5, 0.9};
static const double OFFERED_LEAST = 0.98; /* of what was asked of the source */
static const double OFFERED_LEAST_XDP = 0.94; /* of one that does not make up for what a stall of its CPU cost it */

/* ---- the process that forwards ---- */

static int config(const void *arg, struct mr_config **out, struct mr_error *err)
{
    struct lab_options o = *(const struct lab_options *)arg;
    return lab_config_pipeline(&o, out, err);
}

/* Forwarding: its devices are open and its cores run. */
static int start(const struct compare *c, const struct compare_row *row, struct lab_process *p, struct mr_error *err)
{
    struct lab_options o = c->lab;
    const struct lab_job job = {.who = "the pipeline",
                                .name = "mr-pipeline",
                                .side = LAB_FORWARDER,
                                .control_cpu = -1,
                                .counted = true,
                                .config = config,
                                .arg = &o};
    *p = (struct lab_process){.pid = 0};
    if (row->kind != COMPARE_DRIVER) {
        return 0;
    }
    o.rx_driver = row->rx_driver;
    o.tx_driver = row->tx_driver;
    o.n_sets = c->options.n_sets;
    memcpy(o.sets, c->options.sets, sizeof c->options.sets);
    int result = lab_process_start(p, &job, &c->net, err);
    if (result == 0 && !lab_process_go(p)) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the pipeline ended before a frame came");
    }
    return result;
}

/* Its report, or NULL: with err filled, or because nobody forwards. */
static json_t *finish(const struct compare_row *row, struct lab_process *p, struct mr_error *err)
{
    if (row->kind != COMPARE_DRIVER) {
        return NULL;
    }
    lab_process_stop(p);
    return lab_process_report(p, err);
}

/* ---- flat out ---- */

static void keep_flat(struct compare_row *row, struct compare_round *r, const struct compare_offered *f,
                      const json_t *report)
{
    r->offered_mpps = f->window_sent / f->window_ns * 1e3;
    r->source_ns = f->window_sent > 0 ? f->source_busy_ns / f->window_sent : NAN;
    r->disturbed = f->disturbed;
    r->box = (struct mr_box){f->busy_ns, f->window_sent, f->window_received, f->tick_ns, f->disturbed};
    row->sums.sent += f->window_sent;
    row->sums.received += f->window_received;
    row->sums.window_ns += f->window_ns;
    r->flat_mpps = f->window_received / f->window_ns * 1e3;
    if (f->window_received > 0 && row->kind == COMPARE_DRIVER) {
        r->cpu_ns = f->engine_ns / f->window_received;
    }
    if (report != NULL) {
        compare_count(row, r, report);
        row->sums.sent_in_all += (double)f->sent;
        row->sums.unnamed += (double)f->sent - (double)f->received - compare_count_losses(report);
    }
}

static int flat_out(struct compare *c, struct compare_row *row, struct compare_round *r, struct mr_error *err)
{
    struct lab_process p;
    struct compare_offered f = {.seconds = 0};
    const struct compare_offer o = {.for_ns = compare_offer_ns(c),
                                    .xdp = row->xdp_fed,
                                    .window = true,
                                    .engine = row->kind == COMPARE_DRIVER ? &p : NULL,
                                    .counted = row->kind == COMPARE_DRIVER ? &p : NULL};
    int result = start(c, row, &p, err);
    result = result < 0 ? result : compare_offer(c, &o, &f, err);
    json_t *report = result < 0 ? NULL : finish(row, &p, err);
    if (result == 0 && report == NULL && row->kind == COMPARE_DRIVER) {
        result = -ECHILD;
    }
    lab_process_destroy(&p);
    if (result == 0) {
        keep_flat(row, r, &f, report);
    }
    json_decref(report);
    return result;
}

/* ---- without loss, and latency ---- */

/* From what earlier rounds found, or else from what came through flat out; where nothing did, from far below. */
static double guess_of(const struct compare *c, const struct compare_row *row, const struct compare_round *r)
{
    double found[MR_ROUNDS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->rounds; i++) {
        if (row->round[i].no_loss_mpps > 0) {
            found[n++] = row->round[i].no_loss_mpps;
        }
    }
    double flat = r->flat_mpps > 0 ? r->flat_mpps : r->offered_mpps / 10;
    return (n != 0 ? mr_median(found, n) : flat) * 1e6;
}

static int search(struct compare *c, const struct compare_row *row, struct compare_round *r, struct mr_error *err)
{
    const struct mr_search_rules rules = {.loss_most = COMPARE_LOSS_MOST,
                                          .offered_least = row->xdp_fed ? OFFERED_LEAST_XDP : OFFERED_LEAST,
                                          .precision = c->options.quick ? 0.06 : 0.03,
                                          .stride = 0.1,
                                          .trials_most = c->times.trials};
    struct mr_search s;
    double guess = guess_of(c, row, r);
    if (!(guess > 0)) {
        return 0;
    }
    mr_search_init(&s, &rules, guess);
    while (mr_search_next(&s)) {
        const struct compare_offer o = {.fps = s.rate, .for_ns = c->times.trial_ns, .xdp = row->xdp_fed};
        struct compare_offered got;
        int result = compare_offer(c, &o, &got, err);
        if (result < 0) {
            return result;
        }
        mr_search_tell(&s, got.offered_fps, got.sent, got.received);
    }
    r->no_loss_mpps = s.carried / 1e6;
    r->failed_mpps = s.carried > 0 || s.failed <= 0 ? NAN : s.failed / 1e6;
    r->source_limited = s.source_limited;
    r->out_of_trials = s.carried > 0 && !s.source_limited && !mr_search_converged(&s);
    return 0;
}

/* A source that could not offer what was asked of it was late itself: its frames' latency is not the road's. */
static int latencies(struct compare *c, struct compare_round *r, struct mr_error *err)
{
    for (uint32_t i = 0; i < COMPARE_SHARES && r->no_loss_mpps > 0; i++) {
        struct compare_latency *l = &r->latency[i];
        const struct compare_offer o = {
            .fps = SHARES[i] * r->no_loss_mpps * 1e6, .for_ns = c->times.latency_ns, .verify = true};
        struct compare_offered got;
        int result = compare_offer(c, &o, &got, err);
        if (result < 0) {
            return result;
        }
        l->asked_mpps = o.fps / 1e6;
        l->offered_mpps = got.offered_fps / 1e6;
        if (got.offered_fps >= OFFERED_LEAST * o.fps) {
            l->p50_ns = got.p50_ns;
            l->p99_ns = got.p99_ns;
            l->p99_9_ns = got.p99_9_ns;
        }
    }
    return 0;
}

static int below_loss(struct compare *c, struct compare_row *row, struct compare_round *r, struct mr_error *err)
{
    struct lab_process p;
    int result = start(c, row, &p, err);
    result = result < 0 ? result : search(c, row, r, err);
    result = result < 0 || row->xdp_fed ? result : latencies(c, r, err);
    json_t *report = result < 0 ? NULL : finish(row, &p, err);
    if (result == 0 && report == NULL && row->kind == COMPARE_DRIVER) {
        result = -ECHILD;
    }
    json_decref(report);
    lab_process_destroy(&p);
    return result;
}

/* Its figures are those of rounds in which it ran: it did not always. */
static void fail(const struct compare *c, struct compare_row *row, const char *why)
{
    compare_row_clear(row);
    if (c->rounds == 0) {
        snprintf(row->reason, sizeof row->reason, "%s", why);
    } else {
        snprintf(row->reason, sizeof row->reason, "in round %u: %s", c->rounds + 1, why);
    }
}

int compare_row_measure(struct compare *c, struct compare_row *row, struct mr_error *err)
{
    struct compare_round *r = &row->round[c->rounds];
    struct mr_error why = {0};
    struct lab_wire wire;
    bool bare_first = mr_random(&c->random) % 2 != 0;
    int result = row->xdp_fed ? compare_receive_offload(c, LAB_FORWARDER, LAB_LEFT, true, &why) : 0;
    if (result == 0 && bare_first) {
        compare_bare_measure(c, row);
    }
    result = result < 0 ? result : compare_reference_start(c, row, &why);
    result = result < 0 ? result : flat_out(c, row, r, &why);
    if (result == 0 && row->kind != COMPARE_NOBODY) {
        result = below_loss(c, row, r, &why);
    }
    if (result < 0) {
        fail(c, row, why.text);
    } else if (!bare_first) {
        compare_bare_measure(c, row);
    }
    result = compare_reference_stop(c, row, err);
    result = result < 0 || !row->xdp_fed ? result : compare_receive_offload(c, LAB_FORWARDER, LAB_LEFT, false, err);
    return result < 0 ? result : lab_wire_read(&c->net, &wire, err); // the lab is as it was
}
