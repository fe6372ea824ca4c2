/* compare_print.c: the tables, made from the document alone. */
#include "apps/millrace/compare.h"

#include <string.h>

#define BOLD  "\033[1m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

/* A figure, or n/a where the document has null. */
static void cell(FILE *out, int width, const char *format, const json_t *value, double scale, const char *behind)
{
    char figure[48] = "n/a";
    if (json_is_number(value)) {
        snprintf(figure, sizeof figure, format, json_number_value(value) * scale);
        strncat(figure, behind, sizeof figure - strlen(figure) - 1);
    }
    fprintf(out, "%*s", width, figure);
}

static const char *name_of(const json_t *row)
{
    const char *driver = text(row, "driver");
    return driver[0] != 0 ? driver : text(row, "name");
}

static void print_latency(FILE *out, const json_t *row, bool with_p99_9)
{
    static const char *const shares[COMPARE_SHARES] = {"10", "50", "90"};
    for (int i = 0; i < COMPARE_SHARES; i++) {
        const json_t *at = json_object_get(json_object_get(row, "latency_ns"), shares[i]);
        cell(out, 7, "%.0f", json_object_get(at, "p50"), 1e-3, "");
        cell(out, 7, "/%.0f", json_object_get(at, "p99"), 1e-3, "");
        if (with_p99_9) {
            cell(out, 7, "/%.0f", json_object_get(at, "p99_9"), 1e-3, "");
        }
    }
}

/* A median of 0 is told in a word: most rounds found no rate that passed. */
static void print_no_loss(FILE *out, const json_t *row)
{
    const json_t *rate = json_object_get(row, "mpps_no_loss");
    if (json_is_number(rate) && json_number_value(rate) == 0) {
        fprintf(out, "%9s", "none");
    } else {
        cell(out, 9, "%.3f", rate, 1, json_is_true(json_object_get(row, "source_limited")) ? "+" : "");
    }
}

static void print_row(FILE *out, const json_t *row, bool with_p99_9)
{
    const json_t *flat = json_object_get(json_object_get(row, "interval"), "mpps_flat_out");
    char interval[40] = "";
    if (json_is_object(flat)) {
        snprintf(interval, sizeof interval, "[%.3f .. %.3f]", number(flat, "low"), number(flat, "high"));
    }
    fprintf(out, "%-14s", name_of(row));
    print_no_loss(out, row);
    cell(out, 9, "%.3f", json_object_get(row, "mpps_flat_out"), 1,
         json_integer_value(json_object_get(row, "disturbed_rounds")) != 0 ? "!" : "");
    fprintf(out, " %-18s", interval);
    print_latency(out, row, with_p99_9);
    cell(out, 10, "%.4f", json_object_get(row, "syscalls_per_frame"), 1, "");
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

static void print_head(FILE *out, bool with_p99_9, bool colour)
{
    int wide = with_p99_9 ? 21 : 14;
    fprintf(out, "%s%-14s%9s%9s %-18s%*s%*s%*s%10s%7s%8s%8s%7s\n%-14s%9s%9s %-18s%*s%*s%*s%10s%7s%8s%8s%7s%s\n",
            colour ? BOLD : "", "driver", "no loss", "flat out", "interval", wide, "us at 10 %", wide, "at 50 %", wide,
            "at 90 %", "syscalls", "copies", "CPU ns", "box ns", "busy", "", "Mpps", "Mpps", "over rounds", wide,
            with_p99_9 ? "p50/p99/p99.9" : "p50/p99", wide, "", wide, "", "a frame", "", "a frame", "a frame", "",
            colour ? PLAIN : "");
}

static void print_losses(FILE *out, const json_t *row)
{
    const char *name, *between = "  lost     ";
    json_t *n;
    json_object_foreach(json_object_get(row, "drops"), name, n) {
        fprintf(out, "%s%s %" JSON_INTEGER_FORMAT, between, name, json_integer_value(n));
        between = ", ";
    }
    fputs(between[0] == ',' ? "\n" : "", out);
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

static void print_row_words(FILE *out, const json_t *row, bool colour)
{
    int disturbed = (int)number(row, "disturbed_rounds");
    fprintf(out, "%s%s%s, fed %s\n", colour ? BOLD : "", name_of(row), colour ? PLAIN : "", text(row, "feed"));
    if (!ran(row)) {
        fprintf(out, "  %snot run%s  %s\n", colour ? RED : "", colour ? PLAIN : "", text(row, "reason"));
        return;
    }
    if (json_is_string(json_object_get(row, "why"))) {
        fprintf(out, "  mode     %s\n  why      %s\n", text(row, "mode"), text(row, "why"));
    }
    print_losses(out, row);
    if (json_is_true(json_object_get(row, "source_limited"))) {
        fprintf(out, "  source   at its limit: it could not offer what was asked, so that the rate without loss is at least this\n");
    }
    if (json_is_number(json_object_get(row, "mpps_none_passed"))) {
        fprintf(out, "  no loss  in %d of %d rounds no rate passed, down to %.3f Mpps\n", rounds_without(row), rounds_of(row),
                number(row, "mpps_none_passed"));
    }
    if (disturbed != 0) {
        fprintf(out, "  noise    in %d rounds something else took more than 12 %% of a CPU\n", disturbed);
    }
}

/* The bare loop of each row that has one, and how near we come to it. */
static void print_bare(FILE *out, const json_t *doc, bool colour)
{
    size_t i;
    const json_t *row;
    bool any = false;
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        const json_t *b = json_object_get(row, "ratio_to_bare"), *cpu = json_object_get(b, "cpu");
        if (!json_is_object(b)) {
            continue;
        }
        if (!any) {
            fprintf(out, "%s%-14s%9s%9s  %-26s%-26s%s\n", colour ? BOLD : "", "bare loop", "Mpps", "CPU ns",
                    "ours / bare, rate", "bare / ours, CPU a frame", colour ? PLAIN : "");
            any = true;
        }
        fprintf(out, "%-9s%-5s%9.3f%9.0f  %.2f [%.2f .. %.2f]%8s%.2f [%.2f .. %.2f]\n", name_of(row), text(row, "feed"),
                number(b, "bare_mpps"), number(b, "bare_cpu_ns_per_frame"), number(b, "ratio"), number(b, "low"), number(b, "high"), "",
                number(cpu, "ratio"), number(cpu, "low"), number(cpu, "high"));
    }
    fputs(any ? "\n" : "", out);
}

static void print_method(FILE *out, const json_t *doc)
{
    const json_t *m = json_object_get(doc, "method"), *host = json_object_get(doc, "host");
    fprintf(out, "compare: %s, %s; frames of %s bytes, work %s\n", text(host, "cpu"), text(host, "kernel"), text(m, "size"),
            text(m, "work"));
    fprintf(out, "%d rounds in random order (seed %.0f), %.0f s; no loss: at most %.1f %% lost in %.1f s\n",
            (int)number(m, "rounds_made"), number(m, "seed"), number(m, "seconds"), 100 * number(m, "loss_most"),
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
static void print_references(FILE *out, const json_t *doc, const char *feed, bool with_p99_9, double from, double below)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(doc, "reference"), i, row) {
        if (ran(row) && strcmp(text(row, "feed"), feed) == 0 && rate(row) >= from && rate(row) < below) {
            print_row(out, row, with_p99_9);
        }
    }
}

static double best_rate(const json_t *doc, const char *feed)
{
    size_t i;
    const json_t *row;
    double best = 0;
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        best = strcmp(text(row, "feed"), feed) == 0 && rate(row) > best ? rate(row) : best;
    }
    return best;
}

static void print_table(FILE *out, const json_t *doc, const json_t *source, bool colour)
{
    size_t i;
    const json_t *row;
    const char *feed = text(source, "feed");
    bool with_p99_9 = json_is_false(json_object_get(json_object_get(doc, "method"), "quick"));
    double best = best_rate(doc, feed);
    print_source(out, source);
    print_head(out, with_p99_9, colour);
    print_references(out, doc, feed, with_p99_9, best, 1e9);
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        if (ran(row) && strcmp(text(row, "feed"), feed) == 0) {
            print_row(out, row, with_p99_9);
        }
    }
    print_references(out, doc, feed, with_p99_9, 0, best);
}

/* What is said of each row: all of ours, and the references that did not run. */
static void print_words(FILE *out, const json_t *doc, const char *list, bool all, bool colour)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(doc, list), i, row) {
        if (all || !ran(row) || number(row, "disturbed_rounds") != 0) {
            print_row_words(out, row, colour);
        }
    }
}

void compare_print(const json_t *doc, FILE *out, bool colour)
{
    size_t i;
    const json_t *source;
    print_method(out, doc);
    json_array_foreach(json_object_get(doc, "sources"), i, source) {
        print_table(out, doc, source, colour);
    }
    fputc('\n', out);
    print_bare(out, doc, colour);
    compare_print_baseline(doc, out, colour);
    print_words(out, doc, "reference", false, colour);
    print_words(out, doc, "drivers", true, colour);
}
