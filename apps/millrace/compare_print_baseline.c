/* compare_print_baseline.c: this run beside an earlier one, from the document alone: what was unlike, and the ratios. */
#include "apps/millrace/compare_print.h"

enum { WIDTH = 26 };

static const char *told(const json_t *object, const char *key)
{
    const char *s = text(object, key);
    return s[0] != 0 ? s : "not told";
}

/* A value of any kind, as it stands in the document. */
static void print_value(FILE *out, const json_t *value)
{
    if (json_is_string(value)) {
        fputs(json_string_value(value), out);
    } else {
        json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(4));
    }
}

static void print_unlike(FILE *out, const json_t *list)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry) {
        fprintf(out, "%s%s ", i == 0 ? "  unlike   " : "; ", told(entry, "what"));
        print_value(out, json_object_get(entry, "now"));
        fputs(", then ", out);
        print_value(out, json_object_get(entry, "then"));
    }
    fputs(json_array_size(list) != 0 ? ": the ratios speak of that too\n" : "", out);
}

static void print_only(FILE *out, const char *head, const json_t *list)
{
    size_t i;
    const json_t *name;
    json_array_foreach(list, i, name) {
        fprintf(out, "%s%s", i == 0 ? head : ", ", json_string_value(name));
    }
    fputs(json_array_size(list) != 0 ? "\n" : "", out);
}

void compare_cell_ratio(FILE *out, int width, const json_t *ratio)
{
    char figure[64] = "n/a", high[24] = "";
    if (json_is_object(ratio)) {
        if (json_is_number(json_object_get(ratio, "high"))) {
            snprintf(high, sizeof high, "%.2f", number(ratio, "high"));
        }
        snprintf(figure, sizeof figure, "%.2f [%.2f .. %s]", number(ratio, "ratio"), number(ratio, "low"), high);
    }
    fprintf(out, "%-*s", width, figure);
}

void compare_print_baseline(const json_t *doc, FILE *out, bool colour)
{
    size_t i;
    const json_t *row, *b = json_object_get(doc, "baseline");
    const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
    if (b == NULL) {
        return;
    }
    fprintf(out, "%sthis run / %s%s (commit %s)\n", bold, told(b, "file"), plain, told(json_object_get(b, "millrace"), "commit"));
    print_unlike(out, json_object_get(b, "unlike"));
    print_only(out, "  only now   ", json_object_get(b, "only_now"));
    print_only(out, "  only then  ", json_object_get(b, "only_then"));
    fprintf(out, "%s%-14s%-5s%-*s%-*s%s%s\n", bold, "driver", "feed", WIDTH, "no loss (more = faster)", WIDTH, "flat out (more = faster)",
            "CPU a frame (less = cheaper)", plain);
    json_array_foreach(json_object_get(doc, "drivers"), i, row) {
        const json_t *ratios = json_object_get(row, "ratio_to_baseline");
        if (json_is_object(ratios)) {
            fprintf(out, "%-14s%-5s", text(row, "driver"), text(row, "feed"));
            compare_cell_ratio(out, WIDTH, json_object_get(ratios, "mpps_no_loss"));
            compare_cell_ratio(out, WIDTH, json_object_get(ratios, "mpps_flat_out"));
            compare_cell_ratio(out, 0, json_object_get(ratios, "cpu_ns_per_frame"));
            fputc('\n', out);
        }
    }
    fputc('\n', out);
}
