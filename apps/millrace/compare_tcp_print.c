/* compare_tcp_print.c: the second table, made from the document alone. */
#include "apps/millrace/compare_print.h"
#include "apps/millrace/compare_tcp.h"

#include <string.h>

static double rate(const json_t *row)
{
    return number(json_object_get(row, "gbit_per_s"), "median");
}

static bool is_of(const json_t *row, const char *frames)
{
    return strcmp(text(row, "frames"), frames) == 0;
}

static void print_row(FILE *out, const json_t *row)
{
    const json_t *gbit = json_object_get(row, "gbit_per_s");
    char interval[48];
    snprintf(interval, sizeof interval, "[%.2f .. %.2f]", number(gbit, "low"), number(gbit, "high"));
    fprintf(out, "%-14s", text(row, "driver"));
    cell(out, 9, "%.2f", json_object_get(gbit, "median"), 1, number(row, "disturbed_rounds") != 0 ? "!" : " ");
    fprintf(out, " %-18s%6.0f  ", interval, number(gbit, "rounds"));
    compare_cell_ratio(out, 22, json_object_get(row, "ratio_to_bridge"));
    cell(out, 9, "%.3f", json_object_get(row, "cpu_s_per_gbit"), 1, "");
    cell(out, 9, "%.3f", json_object_get(row, "cpu_s_per_gbit_system"), 1, "");
    cell(out, 8, "%.0f", json_object_get(row, "copies"), 1, "");
    fputc('\n', out);
}

/* From the fastest down, so that the bridge stands above what it beats. */
static void print_rows(FILE *out, const json_t *list, const char *frames)
{
    bool printed[COMPARE_TCP_ROWS_MAX] = {false};
    for (;;) {
        size_t i, next = SIZE_MAX;
        const json_t *row;
        json_array_foreach(list, i, row) {
            bool here = i < COMPARE_TCP_ROWS_MAX && !printed[i] && is_of(row, frames) && rate(row) > 0;
            next = here && (next == SIZE_MAX || rate(row) > rate(json_array_get(list, next))) ? i : next;
        }
        if (next == SIZE_MAX) {
            return;
        }
        print_row(out, json_array_get(list, next));
        printed[next] = true;
    }
}

/* What the figures of a form have in common. */
struct common {
    uint32_t n, ranges;
    double bytes;
    bool disturbed;
};

static struct common common_of(const json_t *list, const char *frames)
{
    size_t i;
    const json_t *row;
    struct common c = {.n = 0};
    json_array_foreach(list, i, row) {
        if (is_of(row, frames)) {
            bool measured = rate(row) > 0;
            c.n += measured;
            c.ranges += measured && strcmp(text(json_object_get(row, "gbit_per_s"), "is"), "range") == 0;
            c.bytes = number(row, "bytes");
            c.disturbed |= measured && number(row, "disturbed_rounds") != 0;
        }
    }
    return c;
}

/* Rows that the first table has told of already. */
static bool told_above(const json_t *doc, const json_t *row, const char *reason)
{
    size_t i;
    const json_t *other;
    bool told = false;
    json_array_foreach(json_object_get(doc, "drivers"), i, other) {
        told |= strcmp(text(other, "reason"), reason) == 0 && strcmp(text(other, "driver"), text(row, "driver")) == 0;
    }
    return told;
}

/* Rows of the same reason in one line. */
static void print_reasons(FILE *out, const json_t *doc, const json_t *list, const char *frames)
{
    bool printed[COMPARE_TCP_ROWS_MAX] = {false};
    size_t i, k;
    const json_t *row, *other;
    json_array_foreach(list, i, row) {
        const char *reason = text(row, "reason"), *between = "  not run  ";
        if (i >= COMPARE_TCP_ROWS_MAX || printed[i] || !is_of(row, frames) || reason[0] == 0 || told_above(doc, row, reason)) {
            continue;
        }
        json_array_foreach(list, k, other) {
            if (k < COMPARE_TCP_ROWS_MAX && is_of(other, frames) && strcmp(text(other, "reason"), reason) == 0) {
                fprintf(out, "%s%s", between, text(other, "driver"));
                between = ", ";
                printed[k] = true;
            }
        }
        fprintf(out, ": %s\n", reason);
    }
}

static void print_losses(FILE *out, const json_t *list, const char *frames)
{
    size_t i;
    const json_t *row;
    char head[96];
    json_array_foreach(list, i, row) {
        if (is_of(row, frames)) {
            snprintf(head, sizeof head, "  lost     %s: ", text(row, "driver"));
            compare_print_losses(out, head, json_object_get(row, "drops"));
        }
    }
}

/* Why a row that has figures has no box; where it was disturbed throughout, the mark tells. */
static void print_no_box(FILE *out, const json_t *list, const char *frames)
{
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row) {
        bool all_disturbed = number(row, "disturbed_rounds") >= number(json_object_get(row, "gbit_per_s"), "rounds");
        if (is_of(row, frames) && rate(row) > 0 && !all_disturbed && json_is_string(json_object_get(row, "system_reason"))) {
            fprintf(out, "  box      %s: %s\n", text(row, "driver"), text(row, "system_reason"));
        }
    }
}

static void print_form(FILE *out, const json_t *doc, const char *frames, const char *words, bool colour)
{
    const json_t *list = json_object_get(doc, "tcp");
    const struct common c = common_of(list, frames);
    if (c.n != 0) {
        fprintf(out, "%sTCP, one stream of %.2f GB: %s%s\n", colour ? BOLD : "", c.bytes / 1e9, words, colour ? PLAIN : "");
        fprintf(out, "%-14s%9s %-18s%6s  %-22s%9s%9s%8s\n", "", "Gbit/s ",
                c.ranges == c.n ? "range of rounds" : c.ranges == 0 ? "95 % interval" : "range, 6 on: 95 %", "rounds", "/ bridge",
                "CPU s/Gb", "box s/Gb", "copies");
    }
    print_rows(out, list, frames);
    if (c.disturbed) {
        fprintf(out, "  !        in a round or more something else, or the host, took over %.0f %% of a CPU: such rounds are not in box\n",
                100 * number(json_object_get(doc, "method"), "foreign_cpu_most"));
    }
    print_no_box(out, list, frames);
    print_losses(out, list, frames);
    print_reasons(out, doc, list, frames);
    fputs(c.n != 0 ? "\n" : "", out);
}

void compare_print_tcp(const json_t *doc, FILE *out, bool colour)
{
    print_form(out, doc, "super", "super-frames, as the kernel's defaults make them; the bridge with GSO", colour);
    print_form(out, doc, "checksum", "segments, their checksum left to the devices; the bridge without GSO", colour);
    print_form(out, doc, "segments", "segments, nothing left to a device; the bridge without GSO", colour);
}
