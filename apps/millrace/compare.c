/* compare.c: `millrace compare`: the order of things.
 *
 *   rows → lab → rounds: each row once, in a new random order → the same with TCP streams → document → tables
 */
#include "apps/millrace/compare.h"
#include "apps/millrace/verbs.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ull
#define S  1000000000ull

static const struct compare_times full = {.warm_ns = 100 * MS, .window_ns = 500 * MS, .trial_ns = 400 * MS,
                                          .latency_ns = 500 * MS, .limit_ns = 405 * S, .rounds = 4, .trials = 10,
                                          .whole_ns = 455 * S, .super_bytes = 1000000000, .segment_bytes = 1000000000,
                                          .stream_ns = 20 * S, .tcp_rounds = 8};
static const struct compare_times quick = {.warm_ns = 80 * MS, .window_ns = 300 * MS, .trial_ns = 180 * MS,
                                           .latency_ns = 200 * MS, .limit_ns = 77 * S, .rounds = 2, .trials = 6,
                                           .whole_ns = 87 * S, .super_bytes = 250000000, .segment_bytes = 100000000,
                                           .stream_ns = 8 * S, .tcp_rounds = 2};

/* What the lab's parts are told: the defaults of `millrace lab`, but for traffic and work. */
static int prepare(struct compare *c, struct mr_error *err)
{
    char *none[] = {"lab", NULL};
    int result = lab_options_parse(&c->lab, 1, none, err);
    c->lab.size = c->options.size;
    c->lab.work = c->options.work;
    c->lab.linger_ns = 60 * MS;
    c->lab.frames = 0;
    c->times = c->options.quick ? quick : full;
    c->times.rounds = c->options.rounds != 0 ? c->options.rounds : c->times.rounds;
    c->times.tcp_rounds = c->options.rounds != 0 ? c->options.rounds : c->times.tcp_rounds;
    c->random = c->options.seed;
    return result;
}

static void progress(const struct compare *c, const struct compare_row *row)
{
    if (!c->options.quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rround %u of %u: %s\033[K", c->rounds + 1, c->times.rounds, row->name);
    }
}

/* The time is over: what this round did not reach is as if it had been measured in one round less. */
static bool late(const struct compare *c, struct compare_row *row)
{
    bool over = mr_now_ns() - c->begin_ns > c->times.limit_ns;
    if (over && c->rounds == 0) {
        snprintf(row->reason, sizeof row->reason, "the rows before it took all of the %.0f s that there are: pick fewer by --drivers",
                 (double)c->times.limit_ns / 1e9);
    }
    return over;
}

static int one_round(struct compare *c, struct mr_error *err)
{
    uint32_t order[COMPARE_ROWS_MAX];
    mr_shuffle(order, c->n_rows, &c->random);
    for (uint32_t i = 0; i < c->n_rows; i++) {
        struct compare_row *row = &c->rows[order[i]];
        if (row->reason[0] != 0 || late(c, row)) {
            continue;
        }
        progress(c, row);
        int result = compare_row_measure(c, row, err);
        if (result < 0) {
            return result;
        }
    }
    c->rounds++;
    return 0;
}

/* As many as asked for, but none that would end behind the limit, judged by the longest so far. */
static int rounds(struct compare *c, struct mr_error *err)
{
    uint64_t longest = 0;
    int result = 0;
    c->begin_ns = mr_now_ns();
    while (result == 0 && c->rounds < c->times.rounds && mr_now_ns() - c->begin_ns + longest < c->times.limit_ns) {
        uint64_t begin = mr_now_ns();
        result = one_round(c, err);
        uint64_t took = mr_now_ns() - begin;
        longest = took > longest ? took : longest;
    }
    c->end_ns = mr_now_ns();
    if (!c->options.quiet && isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    return result;
}

/* Takes the document. */
static int tell(struct compare *c, json_t *doc, struct mr_error *err)
{
    struct options shown = {.json = c->options.json, .quiet = c->options.quiet};
    if (c->baseline != NULL) {
        compare_baseline(doc, c->baseline, c->options.baseline, c->options.seed);
    }
    int result = present(doc, &shown, compare_print, err);
    json_decref(doc);
    return result;
}

static int network(struct compare *c, struct mr_error *err)
{
    const char *device[LAB_DEVICES];
    for (uint32_t i = 0; i < LAB_DEVICES; i++) {
        device[i] = c->options.device[i];
    }
    return device[LAB_LEFT][0] == 0 ? lab_net_create(&c->net, MR_OFFLOAD_NONE, err)
                                    : lab_net_borrow(&c->net, device, c->options.yes, err);
}

/* The first table. */
static int frames(struct compare *c, struct mr_error *err)
{
    int result = network(c, err);
    if (result == 0) {
        memcpy(c->lab.devices, c->net.device, sizeof c->lab.devices);
        result = rounds(c, err);
        lab_net_destroy(&c->net);
    }
    return result;
}

static int compare(struct compare *c, int argc, char **argv, struct mr_error *err)
{
    int result = prepare(c, err);
    result = result < 0 ? result : compare_rows(c, err);
    result = result < 0 || c->options.only_tcp ? result : frames(c, err);
    if (result < 0) {
        return result;
    }
    json_t *doc = compare_json(c, argc + 1, argv - 1); // with the program's name, as main got it
    if (!c->options.no_tcp && !c->net.borrowed) {
        result = compare_tcp(c, doc, err);
    }
    struct mr_error own = {0};
    int told = tell(c, doc, result < 0 ? &own : err); // the first table is whole all the same
    return result < 0 ? result : told;
}

/* The tables of an earlier run. */
static int recorded(struct compare *c, struct mr_error *err)
{
    json_t *doc = compare_read("table-from", c->options.recorded, err);
    int result = doc == NULL ? -EINVAL : c->baseline == NULL ? 0 : compare_baseline_fits(&c->options, doc, c->baseline, err);
    if (result < 0) {
        json_decref(doc);
        return result;
    }
    return tell(c, doc, err);
}

int verb_compare(int argc, char **argv)
{
    struct mr_error err = {.fault = MR_FAULT_RUN};
    struct compare c = {.n_rows = 0};
    int result = compare_options_parse(&c.options, argc, argv, &err);
    if (result > 0) {
        result = finish_output(&err);
        return result < 0 ? print_error(&err, false) : 0;
    }
    if (c.options.seed == 0) {
        c.options.seed = mr_now_ns() % UINT32_MAX + 1;
    }
    if (result == 0 && c.options.baseline != NULL) {
        c.baseline = compare_read("baseline", c.options.baseline, &err);
        result = c.baseline == NULL ? -EINVAL
                 : c.options.recorded != NULL ? 0 : compare_baseline_fits(&c.options, NULL, c.baseline, &err);
    }
    if (result == 0) {
        result = c.options.recorded != NULL ? recorded(&c, &err) : compare(&c, argc, argv, &err);
    }
    for (uint32_t i = 0; i < c.n_rows; i++) {
        json_decref(c.rows[i].drops);
    }
    free(c.rows);
    json_decref(c.baseline);
    return result < 0 ? print_error(&err, c.options.verbose) : 0;
}
