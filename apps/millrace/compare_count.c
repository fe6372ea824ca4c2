/* compare_count.c: what a row's own counters say of the window flat out: the readings at its two ends, one less the other.
 * Before it and after it the core idles, starts and drains, and the kernel counts that too: none of it is the row's. */
#include "apps/millrace/compare.h"

#include <math.h>
#include <string.h>

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static double grown(const json_t *from, const json_t *to, const char *key)
{
    return number(to, key) - number(from, key);
}

/* ---- losses ---- */

static void add_losses(json_t *drops, const json_t *from, const json_t *to, const char *owner)
{
    const char *key;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)to, key, n) {
        char name[96];
        snprintf(name, sizeof name, "%s%s%s", owner, owner[0] != 0 ? "_" : "", key);
        json_int_t sum = json_integer_value(json_object_get(drops, name)) + json_integer_value(n) -
                         json_integer_value(json_object_get(from, key));
        if (sum != 0) {
            json_object_set_new(drops, name, json_integer(sum));
        }
    }
}

/* Outside the engine by port, but for what another counter contains; then the engine's own. */
static void add_drops(json_t *drops, const json_t *from, const json_t *to)
{
    size_t i;
    const json_t *port, *before = json_object_get(from, "ports");
    json_array_foreach(json_object_get(to, "ports"), i, port) {
        const char *key;
        json_t *n, *outside = json_copy(json_object_get(port, "outside"));
        json_object_foreach(json_object_get(port, "outside_within"), key, n) {
            json_object_del(outside, key);
        }
        add_losses(drops, json_object_get(json_array_get(before, i), "outside"), outside,
                   json_string_value(json_object_get(port, "name")));
        json_decref(outside);
    }
    add_losses(drops, json_object_get(from, "drops"), json_object_get(to, "drops"), "");
}

void compare_count_drops(json_t *drops, const json_t *report)
{
    add_drops(drops, NULL, report);
    add_losses(drops, NULL, json_object_get(json_object_get(report, "totals"), "drops"), "");
}

double compare_count_losses(const json_t *report)
{
    const char *key;
    json_t *n, *drops = json_object();
    double sum = 0;
    compare_count_drops(drops, report);
    json_object_foreach(drops, key, n) {
        sum += json_number_value(n);
    }
    json_decref(drops);
    return sum;
}

/* ---- time ---- */

/* Busy time divides as the sampled passes did. */
static void add_core(struct compare_row *row, const json_t *from, const json_t *to)
{
    const json_t *a = json_object_get(from, "sampled"), *b = json_object_get(to, "sampled");
    double receive = grown(a, b, "receive"), work = grown(a, b, "work"), send = grown(a, b, "send");
    double sampled = receive + work + send, busy = grown(from, to, "busy");
    if (sampled > 0) {
        row->sums.receive_ns += busy * receive / sampled;
        row->sums.work_ns += busy * work / sampled;
        row->sums.send_ns += busy * send / sampled;
    }
    row->sums.blocked_ns += grown(from, to, "blocked");
    row->sums.idle_ns += grown(from, to, "idle");
}

static void add_times(struct compare_row *row, struct compare_round *r, const json_t *from, const json_t *to)
{
    size_t i;
    const json_t *core;
    double busy = 0, all = 0;
    json_array_foreach(json_object_get(to, "cores"), i, core) {
        const json_t *before = json_array_get(json_object_get(from, "cores"), i);
        add_core(row, before, core);
        busy += grown(before, core, "busy") + grown(before, core, "blocked");
        all += grown(before, core, "idle") + grown(before, core, "housekeeping");
    }
    r->busy_share = busy + all > 0 ? busy / (busy + all) : NAN;
}

/* How many frames the sending stages forwarded. */
static double add_batches(struct compare_row *row, const json_t *from, const json_t *to)
{
    size_t i;
    const json_t *stage;
    double frames = 0;
    json_array_foreach(json_object_get(to, "stages"), i, stage) {
        const json_t *before = json_array_get(json_object_get(from, "stages"), i);
        if (strcmp(json_string_value(json_object_get(stage, "kind")), "tx") == 0) {
            frames += grown(before, stage, "frames");
            row->sums.batches += grown(before, stage, "polls_with_work");
        }
    }
    row->sums.frames += frames;
    return frames;
}

/* ---- all ---- */

static void put_mode(struct compare_row *row, const json_t *report)
{
    const json_t *ports = json_object_get(report, "ports");
    const char *rx = json_string_value(json_object_get(json_array_get(ports, 0), "mode"));
    const char *tx = json_string_value(json_object_get(json_array_get(ports, 1), "mode"));
    bool same = rx != NULL && tx != NULL && strcmp(rx, tx) == 0;
    snprintf(row->mode, sizeof row->mode, "%s%s%s", rx != NULL ? rx : "?", same ? "" : "; send: ",
             same ? "" : tx != NULL ? tx : "?");
}

void compare_count(struct compare_row *row, struct compare_round *r, const json_t *report)
{
    const json_t *counters = json_object_get(report, "counters");
    const json_t *from = json_array_get(counters, 0), *to = json_array_get(counters, 1);
    put_mode(row, report);
    if (to == NULL) {
        return;
    }
    add_drops(row->drops, from, to);
    add_times(row, r, from, to);
    double frames = add_batches(row, from, to);
    row->sums.syscalls += grown(from, to, "syscalls");
    r->syscalls = frames > 0 ? grown(from, to, "syscalls") / frames : NAN;
}
