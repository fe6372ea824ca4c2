/* compare_print.c: the tables, made from the document alone. */
#include "apps/millrace/compare_print.h"

#include <string.h>

static const char *name_of(const json_t *row)
{
    const char *driver = text(row, "driver");
    return driver[0] != 0 ? driver : text(row, "name");
}

enum { LATENCY = 12, LATENCY_FULL = 18 };

/* In us; from 10 ms on in ms, and says so. */
static void add_latency(char *to, size_t bytes, const char *between, const json_t *at, const char *key)
{
    double us = number(at, key) * 1e-3;
    size_t used = strlen(to);
    snprintf(to + used, bytes - used, us < 9999.5 ? "%s%.0f" : "%s%.0fms", between, us < 9999.5 ? us : us / 1e3);
}

/* 8/65/537: p50, p99 and in the full run p99.9, in us. */
static void print_latency(FILE *out, const json_t *row, bool full)
{
    static const char *const shares[COMPARE_SHARES] = {"10", "50", "90"};
    for (int i = 0; i < COMPARE_SHARES; i++) {
        const json_t *at = json_object_get(json_object_get(row, "latency_ns"), shares[i]);
        char figures[64] = "";
        add_latency(figures, sizeof figures, "", at, "p50");
        add_latency(figures, sizeof figures, "/", at, "p99");
        if (full) {
            add_latency(figures, sizeof figures, "/", at, "p99_9");
        }
        fprintf(out, "%*s", full ? LATENCY_FULL : LATENCY, json_is_number(json_object_get(at, "p50")) ? figures : "n/a");
    }
}

/* A median of 0 is told in a word: most rounds found no rate that passed. */
static void print_no_loss(FILE *out, const json_t *row)
{
    const json_t *rate = json_object_get(row, "mpps_no_loss");
    if (json_is_number(rate) && json_number_value(rate) == 0) {
        fprintf(out, "%9s", "none ");
    } else {
        cell(out, 9, "%.3f", rate, 1, json_is_true(json_object_get(row, "source_limited"))  ? "+"
                                      : json_is_true(json_object_get(row, "out_of_trials")) ? "~" : " ");
    }
}

static void print_row(FILE *out, const json_t *row, bool full)
{
    const json_t *flat = json_object_get(json_object_get(row, "interval"), "mpps_flat_out");
    char interval[40] = "";
    if (json_is_object(flat)) {
        snprintf(interval, sizeof interval, "%.3f-%.3f", number(flat, "low"), number(flat, "high"));
    }
    fprintf(out, "%-13s", name_of(row));
    print_no_loss(out, row);
    cell(out, 9, "%.3f", json_object_get(row, "mpps_flat_out"), 1, number(row, "disturbed_rounds") != 0 ? "!" : " ");
    fprintf(out, " %-11s", interval);
    print_latency(out, row, full);
    cell(out, 8, "%.3f", json_object_get(row, "syscalls_per_frame"), 1, "");
    cell(out, 7, "%.0f", json_object_get(row, "copies"), 1, "");
    cell(out, 8, "%.0f", json_object_get(row, "cpu_ns_per_frame"), 1, "");
    cell(out, 8, "%.0f", json_object_get(row, "cpu_ns_per_frame_system"), 1, "");
    cell(out, 7, "%.0f %%", json_object_get(row, "busy_share"), 100, "");
    fputc('\n', out);
}

static bool ran(const json_t *row)
{
    return json_is_null(json_object_get(row, "reason"));
}

static void print_head(FILE *out, bool full, bool colour)
{
    int wide = full ? LATENCY_FULL : LATENCY;
    const char *what = full ? "p50/p99/p99.9 us" : "p50/p99 us";
    fprintf(out, "%s%-13s%9s%9s %-11s%*s%*s%*s%8s%7s%8s%8s%7s\n", colour ? BOLD : "", "driver", "no loss ", "flat out ", "over", wide,
            "at 10 %", wide, "at 50 %", wide, "at 90 %", "calls", "copies", "CPU ns", "box ns", "busy");
    fprintf(out, "%-13s%9s%9s %-11s%*s%*s%*s%8s%7s%8s%8s%s\n", "", "Mpps ", "Mpps ", "rounds", wide, what, wide, "", wide, "",
            "a frame", "", "a frame", "a frame", colour ? PLAIN : "");
}

void compare_print_losses(FILE *out, const char *head, const json_t *drops)
{
    const char *name, *between = head;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)drops, name, n) {
        fprintf(out, "%s%s %" JSON_INTEGER_FORMAT, between, name, json_integer_value(n));
        between = ", ";
    }
    fputs(between != head ? "\n" : "", out);
}

static int rounds_of(const json_t *row)
{
    return (int)json_array_size(json_object_get(json_object_get(row, "rounds"), "mpps_none_passed"));
}

/* In which no rate passed. */
static int rounds_without(const json_t *row)
{
    size_t i;
    const json_t *rate;
    int n = 0;
    json_array_foreach(json_object_get(json_object_get(row, "rounds"), "mpps_none_passed"), i, rate) {
        n += json_is_number(rate);
    }
    return n;
}

/* What changed against the row above on a line of its own. */
static void print_why(FILE *out, const char *why)
{
    const char *against = strstr(why, "; against ");
    fprintf(out, "  why      %.*s\n", against != NULL ? (int)(against - why) : (int)strlen(why), why);
    if (against != NULL) {
        fprintf(out, "           %s\n", against + 2);
    }
}

static void print_row_words(FILE *out, const json_t *row, bool colour)
{
    fprintf(out, "%s%s%s, fed %s\n", colour ? BOLD : "", name_of(row), colour ? PLAIN : "", text(row, "feed"));
    if (json_is_string(json_object_get(row, "why"))) {
        fprintf(out, "  mode     %s\n", text(row, "mode"));
        print_why(out, text(row, "why"));
    }
    compare_print_losses(out, "  lost     ", json_object_get(row, "drops"));
    if (json_is_number(json_object_get(row, "mpps_none_passed"))) {
        fprintf(out, "  no loss  in %d of %d rounds no rate passed, down to %.3f Mpps\n", rounds_without(row), rounds_of(row),
                number(row, "mpps_none_passed"));
    }
    if (json_is_string(json_object_get(row, "system_reason"))) {
        fprintf(out, "  box      n/a: %s\n", text(row, "system_reason"));
    }
}

/* Whether the same was told of the row of that name before. */
static bool told_before(const json_t *list, size_t before, const json_t *row, const char *reason)
{
    for (size_t i = 0; i < before; i++) {
        const json_t *other = json_array_get(list, i);
        if (strcmp(name_of(other), name_of(row)) == 0 && strcmp(text(other, reason), text(row, reason)) == 0) {
            return true;
        }
    }
    return false;
}

static bool print_bare_reasons(FILE *out, const json_t *list)
{
    size_t i;
    const json_t *row;
    bool any = false;
    json_array_foreach(list, i, row) {
        if (ran(row) && text(row, "bare_reason")[0] != 0 && !told_before(list, i, row, "bare_reason")) {
            fprintf(out, "%-13s no bare loop: %s\n", name_of(row), text(row, "bare_reason"));
            any = true;
        }
    }
    return any;
}

/* The bare loop of each row that has one, and how near we come to it. */
static void print_bare(FILE *out, const json_t *doc, bool colour)
{
    size_t i;
    const json_t *row;
    bool any = false;
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        const json_t *b = json_object_get(row, "ratio_to_bare"), *cpu = json_object_get(b, "cpu");
        if (!json_is_object(b) || !ran(row)) {
            continue;
        }
        if (!any) {
            fprintf(out, "%s%-15s%8s%9s  %-26s%-26s%s\n", colour ? BOLD : "", "bare loop", "Mpps", "CPU ns",
                    "rate, ours / bare", "CPU a frame, bare / ours (above 1: ours is cheaper)", colour ? PLAIN : "");
            any = true;
        }
        fprintf(out, "%-10s %-4s%8.3f%9.0f  %.2f [%.2f .. %.2f]%8s%.2f [%.2f .. %.2f]\n", name_of(row), text(row, "feed"),
                number(b, "bare_mpps"), number(b, "bare_cpu_ns_per_frame"), number(b, "ratio"), number(b, "low"), number(b, "high"), "",
                number(cpu, "ratio"), number(cpu, "low"), number(cpu, "high"));
    }
    any |= print_bare_reasons(out, json_object_get(doc, "drivers"));
    fputs(any ? "\n" : "", out);
}

/* Nothing was measured but streams. */
static bool only_tcp(const json_t *doc)
{
    const json_t *m = json_object_get(doc, "method");
    return number(m, "rounds_made") == 0 && json_is_object(json_object_get(m, "tcp"));
}

static void print_method(FILE *out, const json_t *doc)
{
    const json_t *m = json_object_get(doc, "method"), *host = json_object_get(doc, "host");
    fprintf(out, "compare: %s, %s; frames of %s bytes, work %s\n", text(host, "cpu"), text(host, "kernel"), text(m, "size"),
            text(m, "work"));
    int rounds = (int)number(m, "rounds_made"), asked = (int)number(m, "rounds_asked");
    char of[32] = "";
    if (asked > rounds) { // there was no time for more
        snprintf(of, sizeof of, " of %d", asked);
    }
    if (only_tcp(doc)) {
        return;
    }
    fprintf(out, "%d%s round%s in random order (seed %.0f), %.0f s; no loss: at most %.1f %% lost in %.1f s; latency at shares "
            "of that rate\n",
            rounds, of, rounds == 1 && asked <= 1 ? "" : "s", number(m, "seed"), number(m, "seconds"), 100 * number(m, "loss_most"),
            number(m, "trial_seconds"));
}

static void print_source(FILE *out, const json_t *s)
{
    bool skb = strcmp(text(s, "feed"), "skb") == 0;
    fprintf(out, "\nfed with %s; the source alone: ", skb ? "socket buffers" : "XDP frames, which never were socket buffers");
    cell(out, 0, "%.3f Mpps", json_object_get(s, "mpps_alone"), 1, "");
    fputs(json_is_true(json_object_get(s, "shares_cpu_with_pipeline")) ? ", on the pipeline's own CPU\n" : "\n", out);
}

static double rate(const json_t *row)
{
    return json_number_value(json_object_get(row, "mpps_flat_out"));
}

/* Above ours where they win, below where they do not. */
static void print_references(FILE *out, const json_t *doc, const char *feed, bool full, double from, double below)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(doc, "reference"), i, row) {
        if (ran(row) && strcmp(text(row, "feed"), feed) == 0 && rate(row) >= from && rate(row) < below) {
            print_row(out, row, full);
        }
    }
}

static double best_rate(const json_t *doc, const char *feed)
{
    size_t i;
    const json_t *row;
    double best = 0;
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        best = strcmp(text(row, "feed"), feed) == 0 && ran(row) && rate(row) > best ? rate(row) : best;
    }
    return best;
}

/* What the marks mean, where there are any. */
struct marks {
    bool limited, out_of_trials, disturbed;
};

static void look_for_marks(const json_t *doc, const char *list, const char *feed, struct marks *m)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(doc, list), i, row) {
        bool shown = ran(row) && strcmp(text(row, "feed"), feed) == 0;
        bool limited = json_is_true(json_object_get(row, "source_limited"));
        m->limited |= shown && limited;
        m->out_of_trials |= shown && !limited && json_is_true(json_object_get(row, "out_of_trials"));
        m->disturbed |= shown && number(row, "disturbed_rounds") != 0;
    }
}

static void print_marks(FILE *out, const json_t *doc, const char *feed)
{
    struct marks m = {.limited = false};
    look_for_marks(doc, "drivers", feed, &m);
    look_for_marks(doc, "reference", feed, &m);
    fputs(m.limited ? "  + at least: the source could not offer more\n" : "", out);
    fputs(m.out_of_trials ? "  ~ at least: the search was out of trials before a rate near above had failed\n" : "", out);
    if (m.disturbed) {
        fprintf(out, "  ! in a round or more something else, or the host, took over %.0f %% of a CPU\n",
                100 * number(json_object_get(doc, "method"), "foreign_cpu_most"));
    }
}

static void print_table(FILE *out, const json_t *doc, const json_t *source, bool colour)
{
    size_t i;
    const json_t *row;
    const char *feed = text(source, "feed");
    bool full = json_is_false(json_object_get(json_object_get(doc, "method"), "quick"));
    double best = best_rate(doc, feed);
    print_source(out, source);
    print_head(out, full, colour);
    print_references(out, doc, feed, full, best, 1e9);
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        if (ran(row) && strcmp(text(row, "feed"), feed) == 0) {
            print_row(out, row, full);
        }
    }
    print_references(out, doc, feed, full, 0, best);
    print_marks(out, doc, feed);
}

static void print_words(FILE *out, const json_t *doc, bool colour)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        if (ran(row)) {
            print_row_words(out, row, colour);
        }
    }
}

static void print_not_run(FILE *out, const json_t *list, bool colour)
{
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row) {
        if (!ran(row) && !told_before(list, i, row, "reason")) {
            fprintf(out, "%-13s %snot run%s  %s\n", name_of(row), colour ? RED : "", colour ? PLAIN : "", text(row, "reason"));
        }
    }
}

static void print_frames(FILE *out, const json_t *doc, bool colour)
{
    size_t i;
    const json_t *source;
    json_array_foreach(json_object_get(doc, "sources"), i, source) {
        print_table(out, doc, source, colour);
    }
    fputc('\n', out);
    print_bare(out, doc, colour);
}

void compare_print(const json_t *doc, FILE *out, bool colour)
{
    bool frames = !only_tcp(doc);
    print_method(out, doc);
    if (frames) {
        print_frames(out, doc, colour);
    }
    compare_print_tcp(doc, out, colour);
    compare_print_baseline(doc, out, colour);
    if (frames) {
        print_words(out, doc, colour);
        fputc('\n', out);
    }
    print_not_run(out, json_object_get(doc, "reference"), colour);
    print_not_run(out, json_object_get(doc, "drivers"), colour);
}
