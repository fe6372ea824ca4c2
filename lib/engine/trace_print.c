/* trace_print.c: a trace for a terminal, from its document alone: a block a frame, a line a step. */
#include "lib/engine/print.h"
#include "lib/engine/trace.h"

#include <inttypes.h>
#include <string.h>

/* Times of one frame stand below each other: one unit, three decimals are nanoseconds. */
static void print_time(const struct mr_printer *p, long long ns)
{
    fprintf(p->out, "  %11.3f us  ", (double)ns / 1e3);
}

static void print_batch(const struct mr_printer *p, const json_t *step)
{
    if (mr_json_get(step, "batch") != NULL) {
        fprintf(p->out, ", %lld of %lld", mr_json_number(step, "position"), mr_json_number(step, "batch"));
    }
}

static void print_pair(const struct mr_printer *p, const json_t *step, const char *key, const char *format)
{
    const json_t *pair = mr_json_get(step, key);
    if (pair != NULL) {
        fprintf(p->out, format, (long long)json_integer_value(json_array_get(pair, 0)),
                (long long)json_integer_value(json_array_get(pair, 1)));
    }
}

static void print_word(const struct mr_printer *p, const json_t *step, const char *key, const char *format)
{
    if (mr_json_get(step, key) != NULL) {
        fprintf(p->out, format, mr_json_text(step, key));
    }
}

static void print_step(const struct mr_printer *p, const json_t *step)
{
    const char *what = mr_json_text(step, "what");
    print_time(p, mr_json_number(step, "ns"));
    fprintf(p->out, "%-16s core %-3lld ", mr_json_text(step, "stage"), mr_json_number(step, "core"));
    if (strcmp(what, "dropped") == 0) {
        fprintf(p->out, "%sdropped: %s, %s:%lld%s\n", p->red, mr_json_text(step, "reason"), mr_json_text(step, "file"),
                mr_json_number(step, "line"), p->plain);
        return;
    }
    if (strcmp(what, "worked") == 0) {
        fputs(mr_json_text(step, "function"), p->out);
    } else if (strcmp(what, "handed") == 0) {
        fprintf(p->out, "handed to %s", mr_json_text(step, "driver"));
    } else if (mr_json_get(step, "function") != NULL) {
        fprintf(p->out, "%s: %s", mr_json_text(step, "function"), what);
    } else {
        fputs(what, p->out);
    }
    print_batch(p, step);
    print_word(p, step, "output", ", to %s");
    print_word(p, step, "drops", ", drops it: %s");
    print_pair(p, step, "length", ", length %lld now %lld");
    print_pair(p, step, "offset", ", offset %lld now %lld");
    print_pair(p, step, "changed", ", bytes %lld to %lld changed");
    print_word(p, step, "to", ", into ring %s");
    print_word(p, step, "reason", ": %s");
    fputc('\n', p->out);
}

/* Addresses and type, as far as the bytes go. */
static void print_data(const struct mr_printer *p, const char *hex)
{
    if (strlen(hex) < 28) {
        fprintf(p->out, "           bytes %s\n", hex);
        return;
    }
    fputs("          ", p->out);
    for (int i = 0; i < 12; i++) {
        const char *byte = hex + 2 * (i < 6 ? i + 6 : i - 6); // the source first, as people read it
        fprintf(p->out, "%s%.2s", i == 0 ? " " : i == 6 ? " > " : ":", byte);
    }
    fprintf(p->out, ", type %.4s\n", hex + 24);
}

static void print_life(const struct mr_printer *p, const json_t *life)
{
    size_t i;
    json_t *step;
    bool lost = strcmp(mr_json_text(life, "end"), "sent") != 0;
    fprintf(p->out, "%strace %-4s %s", p->bold, mr_json_text(life, "id"), p->plain);
    if (json_is_null(mr_json_get(life, "copy_of"))) {
        fprintf(p->out, "port %s, queue %lld", mr_json_text(life, "port"), mr_json_number(life, "queue"));
    } else {
        fprintf(p->out, "copy of %s", mr_json_text(life, "copy_of"));
    }
    fprintf(p->out, ", %lld bytes", mr_json_number(life, "length"));
    if (json_is_integer(mr_json_get(life, "chunk"))) {
        fprintf(p->out, " at %lld in chunk %lld", mr_json_number(life, "offset"), mr_json_number(life, "chunk"));
    }
    fprintf(p->out, ", %.6f s after the start: %s%s%s\n", json_number_value(mr_json_get(life, "seconds")),
            lost ? p->red : "", mr_json_text(life, "end"), p->plain);
    print_data(p, mr_json_text(life, "data"));
    json_array_foreach(mr_json_get(life, "steps"), i, step) {
        print_step(p, step);
    }
    fputc('\n', p->out);
}

void mr_trace_print(const json_t *trace, long long lost, FILE *out, bool colour)
{
    struct mr_printer p = {.out = out, .bold = "", .red = "", .plain = ""};
    size_t i;
    json_t *life;
    if (colour) {
        p = (struct mr_printer){.out = out, .bold = "\033[1m", .red = "\033[31m", .plain = "\033[0m"};
    }
    if (json_is_array(trace) && json_array_size(trace) == 0) {
        fprintf(out, "trace: no frame that matches was received\n\n");
    }
    json_array_foreach(trace, i, life) {
        print_life(&p, life);
    }
    if (lost != 0) {
        fprintf(out, "%strace: %lld steps found no room and are not shown%s\n\n", p.red, lost, p.plain);
    }
}
