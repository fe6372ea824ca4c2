/* compare_tcp_print.c: the second table, made from the document alone. */
#include "apps/millrace/compare_print.h"

#include <string.h>

static double rate(const json_t *row)
{
    return number(json_object_get(row, "gbit_per_s"), "median");
}

static void print_row(FILE *out, const json_t *row)
{
    const json_t *gbit = json_object_get(row, "gbit_per_s"), *ratio = json_object_get(row, "ratio_to_bridge");
    char interval[48];
    snprintf(interval, sizeof interval, "[%.2f .. %.2f]", number(gbit, "low"), number(gbit, "high"));
    fprintf(out, "%-14s%8.2f  %-18s", text(row, "driver"), rate(row), interval);
    compare_cell_ratio(out, 22, ratio);
    cell(out, 9, "%.3f", json_object_get(row, "cpu_s_per_gbit"), 1, "");
    cell(out, 9, "%.3f", json_object_get(row, "cpu_s_per_gbit_system"), 1, "");
    cell(out, 8, "%.0f", json_object_get(row, "copies"), 1, "");
    fputc('\n', out);
}

/* From the fastest down, so that the bridge stands above what it beats. */
static void print_frames(FILE *out, const json_t *list, const char *frames)
{
    bool printed[2 * COMPARE_ROWS_MAX] = {false};
    for (;;) {
        size_t i, next = SIZE_MAX;
        const json_t *row;
        json_array_foreach(list, i, row) {
            bool here = i < sizeof printed && !printed[i] && strcmp(text(row, "frames"), frames) == 0 && rate(row) > 0;
            next = here && (next == SIZE_MAX || rate(row) > rate(json_array_get(list, next))) ? i : next;
        }
        if (next == SIZE_MAX) {
            return;
        }
        print_row(out, json_array_get(list, next));
        printed[next] = true;
    }
}

static double bytes_of(const json_t *list, const char *frames)
{
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row) {
        if (strcmp(text(row, "frames"), frames) == 0) {
            return number(row, "bytes");
        }
    }
    return 0;
}

/* Rows that the first table has not told of already. */
static void print_reasons(FILE *out, const json_t *doc, const json_t *list)
{
    size_t i, k;
    const json_t *row, *other;
    json_array_foreach(list, i, row) {
        bool told = text(row, "reason")[0] == 0;
        json_array_foreach(json_object_get(doc, "drivers"), k, other) {
            told |= strcmp(text(other, "reason"), text(row, "reason")) == 0 && strcmp(text(other, "driver"), text(row, "driver")) == 0;
        }
        if (!told) {
            fprintf(out, "%-14s%s: %s\n", text(row, "driver"), text(row, "frames"), text(row, "reason"));
        }
    }
}

void compare_print_tcp(const json_t *doc, FILE *out, bool colour)
{
    static const struct {
        const char *frames, *words;
    } kinds[] = {{"super", "super-frames, as the kernel's defaults make them; the bridge with GSO"},
                 {"segments", "segments, nothing left to a device; the bridge without GSO"}};
    const json_t *list = json_object_get(doc, "tcp");
    for (int i = 0; i < 2 && json_array_size(list) != 0; i++) {
        fprintf(out, "%s%sTCP, one stream of %.2f GB: %s%s\n", i == 0 ? "" : "\n", colour ? BOLD : "",
                bytes_of(list, kinds[i].frames) / 1e9, kinds[i].words, colour ? PLAIN : "");
        fprintf(out, "%-14s%8s  %-18s%-22s%9s%9s%8s\n", "", "Gbit/s", "interval", "/ bridge", "CPU s/Gb", "box", "copies");
        print_frames(out, list, kinds[i].frames);
    }
    print_reasons(out, doc, list);
    fputs(json_array_size(list) != 0 ? "\n" : "", out);
}
