/* compare_row.c: one row in one round: flat out, the rate without loss, latency at shares of it.
 *
 * Two processes forward one after the other: the first sees frames flat out and nothing else, so that its report (losses by
 * name, system calls, where the time went) speaks of that alone; the second sees all the rest. */
#include "apps/millrace/compare.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <string.h>

static const double SHARES[COMPARE_SHARES] = {0.1, 0.5, 0.9};
static const double OFFERED_LEAST = 0.98; /* of what was asked of the source */

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
                                .config = config,
                                .arg = &o};
    *p = (struct lab_process){.pid = 0};
    if (row->kind != COMPARE_DRIVER) {
        return 0;
    }
    o.rx_driver = row->rx_driver;
    o.tx_driver = row->tx_driver;
    o.n_sets = row->n_sets;
    memcpy(o.sets, row->sets, sizeof row->sets);
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

static void add_losses(json_t *drops, const json_t *losses, const char *owner)
{
    const char *key;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)losses, key, n) {
        char name[96];
        snprintf(name, sizeof name, "%s%s%s", owner, owner[0] != 0 ? "_" : "", key);
        json_int_t sum = json_integer_value(json_object_get(drops, name)) + json_integer_value(n);
        if (sum != 0) {
            json_object_set_new(drops, name, json_integer(sum));
        }
    }
}

/* Outside the engine by port, but for what another counter contains; then the engine's own. */
static void add_drops(struct compare_row *row, const json_t *report)
{
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const char *key;
        json_t *n, *outside = json_copy(json_object_get(port, "outside"));
        json_object_foreach(json_object_get(port, "outside_within"), key, n) {
            json_object_del(outside, key);
        }
        add_losses(row->drops, outside, json_string_value(json_object_get(port, "name")));
        json_decref(outside);
    }
    add_losses(row->drops, json_object_get(json_object_get(report, "totals"), "drops"), "");
}

static void add_mode(struct compare_row *row, const json_t *report)
{
    const json_t *ports = json_object_get(report, "ports");
    const char *rx = json_string_value(json_object_get(json_array_get(ports, 0), "mode"));
    const char *tx = json_string_value(json_object_get(json_array_get(ports, 1), "mode"));
    bool same = rx != NULL && tx != NULL && strcmp(rx, tx) == 0;
    snprintf(row->mode, sizeof row->mode, "%s%s%s", rx != NULL ? rx : "?", same ? "" : "; send: ",
             same ? "" : tx != NULL ? tx : "?");
}

/* The forwarding cores' time, split; and what their sending stages had in a batch. */
static double add_times(struct compare_row *row, const json_t *report)
{
    size_t i;
    const json_t *entry;
    double busy = 0;
    json_array_foreach(json_object_get(report, "cores"), i, entry) {
        const json_t *t = json_object_get(entry, "time_ns");
        double receive = json_number_value(json_object_get(t, "receive")), work = json_number_value(json_object_get(t, "work"));
        double send = json_number_value(json_object_get(t, "send")), blocked = json_number_value(json_object_get(t, "blocked"));
        row->receive_ns += receive;
        row->work_ns += work;
        row->send_ns += send;
        row->blocked_ns += blocked;
        busy += receive + work + send + blocked;
    }
    json_array_foreach(json_object_get(report, "stages"), i, entry) {
        const char *kind = json_string_value(json_object_get(entry, "kind"));
        if (kind != NULL && strcmp(kind, "tx") == 0) {
            row->frames += json_number_value(json_object_get(entry, "frames"));
            row->batches += json_number_value(json_object_get(entry, "polls_with_work"));
        }
    }
    return busy;
}

static void keep_flat(struct compare_row *row, struct compare_round *r, const struct compare_offered *f,
                      const json_t *report)
{
    r->offered_mpps = f->window_sent / f->window_ns * 1e3;
    r->source_ns = f->window_sent > 0 ? f->source_ns / f->window_sent : 0;
    r->disturbed = f->disturbed;
    row->sent += (double)f->sent;
    row->received += (double)f->received;
    row->offered_ns += f->seconds * 1e9;
    if (f->window_received > 0) {
        r->flat_mpps = f->window_received / f->window_ns * 1e3;
        r->cpu_ns = f->engine_ns / f->window_received;
    }
    if (report == NULL) {
        return;
    }
    add_drops(row, report);
    add_mode(row, report);
    double busy = add_times(row, report) / (f->seconds * 1e9);
    r->busy_share = busy < 1 ? busy : 1; // it also moved what came while the source ended
    r->syscalls = json_number_value(json_object_get(json_object_get(report, "cost"), "syscalls_per_frame"));
}

static int flat_out(struct compare *c, struct compare_row *row, struct compare_round *r, struct mr_error *err)
{
    struct lab_process p;
    struct compare_offered f = {.seconds = 0};
    const struct compare_offer o = {.for_ns = c->times.warm_ns + c->times.window_ns + 50000000u,
                                    .xdp = row->xdp_fed,
                                    .window = true,
                                    .engine = row->kind == COMPARE_DRIVER ? &p : NULL};
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

/* From what earlier rounds found, or else from what came through flat out. */
static double guess_of(const struct compare *c, const struct compare_row *row, const struct compare_round *r)
{
    double found[MR_ROUNDS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->rounds; i++) {
        if (row->round[i].no_loss_mpps > 0) {
            found[n++] = row->round[i].no_loss_mpps;
        }
    }
    return (n != 0 ? mr_median(found, n) : r->flat_mpps) * 1e6;
}

static int search(struct compare *c, const struct compare_row *row, struct compare_round *r, struct mr_error *err)
{
    const struct mr_search_rules rules = {.loss_most = COMPARE_LOSS_MOST,
                                          .offered_least = OFFERED_LEAST,
                                          .precision = c->options.quick ? 0.06 : 0.03,
                                          .stride = 0.2,
                                          .trials_most = c->times.trials};
    struct mr_search s;
    double guess = guess_of(c, row, r);
    if (guess <= 0) {
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
    r->no_loss_mpps = s.passed / 1e6;
    r->failed_mpps = s.passed > 0 ? 0 : s.failed / 1e6;
    r->source_limited = s.source_limited;
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

int compare_row_measure(struct compare *c, struct compare_row *row, struct mr_error *err)
{
    struct compare_round *r = &row->round[c->rounds];
    struct mr_error why = {0};
    struct lab_wire wire;
    bool bare_first = mr_random(&c->random) % 2 != 0;
    int result = row->xdp_fed ? compare_receive_offload(c, LAB_FORWARDER, "left", true, &why) : 0;
    result = result < 0 || !bare_first ? result : compare_bare_measure(c, row, &why);
    result = result < 0 ? result : compare_reference_start(c, row, &why);
    result = result < 0 ? result : flat_out(c, row, r, &why);
    if (result == 0 && row->kind != COMPARE_NOBODY) {
        result = below_loss(c, row, r, &why);
    }
    if (result < 0) {
        snprintf(row->reason, sizeof row->reason, "%s", why.text);
    }
    result = bare_first ? 0 : compare_bare_measure(c, row, err);
    result = result < 0 ? result : compare_reference_stop(c, row, err);
    result = result < 0 || !row->xdp_fed ? result : compare_receive_offload(c, LAB_FORWARDER, "left", false, err);
    return result < 0 ? result : lab_wire_read(&c->net, &wire, err); // the lab is as it was
}
