/* plan_print.c: the plan drawn for a terminal, from its document alone.
 *
 *     paths[0]  l2   (workers 1, when full: drop, 2 copies per frame)
 *       rx:left.0 [cpu 1]   ==1024==>  work:0.0 [cpu 1]  ==1024==>  tx:left.0 [cpu 1]
 *       rx:right.0 [cpu 1]  ==1024==>                    ==1024==>  tx:right.0 [cpu 1]
 */
#include "lib/engine/plan.h"

#include <string.h>

struct printer {
    const json_t *plan;
    FILE *out;
    bool colour;
    int left, middle; /* widths of the columns */
};

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s == NULL ? "" : s;
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void head(const struct printer *p, const char *words)
{
    fprintf(p->out, p->colour ? "\033[1m%s\033[0m\n" : "%s\n", words);
}

static const char *joined(const json_t *list, char *to, size_t bytes)
{
    size_t used = 0;
    to[0] = 0;
    for (size_t i = 0; i < json_array_size(list) && used < bytes; i++) {
        used += (size_t)snprintf(to + used, bytes - used, "%s%s", i == 0 ? "" : ", ",
                                 json_string_value(json_array_get(list, i)));
    }
    return to;
}

/* ---- paths ---- */

static const json_t *stage_named(const struct printer *p, const char *name)
{
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(p->plan, "stages"), i, stage)
    {
        if (strcmp(text(stage, "name"), name) == 0) {
            return stage;
        }
    }
    return NULL;
}

/* "rx:left.0 [cpu 1, node 0]" */
static const char *box(const struct printer *p, const char *name, char *to, size_t bytes)
{
    const json_t *stage = stage_named(p, name);
    snprintf(to, bytes, "%s [cpu %lld, node %lld]", name, number(stage, "cpu"), number(stage, "node"));
    return to;
}

/* The k-th ring whose `end` is the stage: its other end and capacity; false when there is none. */
static bool ring_at(const struct printer *p, const char *end, const char *stage, size_t k, const json_t **found)
{
    size_t i;
    json_t *ring;
    json_array_foreach(json_object_get(p->plan, "rings"), i, ring)
    {
        if (strcmp(text(ring, end), stage) == 0 && k-- == 0) {
            *found = ring;
            return true;
        }
    }
    return false;
}

static void measure(struct printer *p)
{
    size_t i;
    json_t *stage;
    char name[96];
    json_array_foreach(json_object_get(p->plan, "stages"), i, stage)
    {
        int width = (int)strlen(box(p, text(stage, "name"), name, sizeof name));
        int *column = strcmp(text(stage, "kind"), "rx") == 0 ? &p->left : &p->middle;
        if (strcmp(text(stage, "kind"), "tx") != 0 && width > *column) {
            *column = width;
        }
    }
}

static void draw_worker(const struct printer *p, const char *work)
{
    for (size_t row = 0;; row++) {
        const json_t *in = NULL;
        const json_t *out = NULL;
        char left[96] = "";
        char middle[96] = "";
        char arrow_in[24] = "";
        char arrow_out[24] = "";
        char right[96] = "";
        if (ring_at(p, "to", work, row, &in)) {
            box(p, text(in, "from"), left, sizeof left);
            snprintf(arrow_in, sizeof arrow_in, "==%lld==>", number(in, "frames"));
        }
        if (ring_at(p, "from", work, row, &out)) {
            box(p, text(out, "to"), right, sizeof right);
            snprintf(arrow_out, sizeof arrow_out, "==%lld==>", number(out, "frames"));
        }
        if (in == NULL && out == NULL) {
            return;
        }
        if (row == 0) {
            box(p, work, middle, sizeof middle);
        }
        if (out == NULL) {
            fprintf(p->out, middle[0] != 0 ? "  %-*s  %-11s  %s\n" : "  %-*s  %s\n", p->left, left, arrow_in, middle);
        } else {
            fprintf(p->out, "  %-*s  %-11s  %-*s  %-11s  %s\n", p->left, left, arrow_in, p->middle, middle, arrow_out,
                    right);
        }
    }
}

static void draw_paths(const struct printer *p)
{
    size_t i, k;
    json_t *path, *stage;
    json_array_foreach(json_object_get(p->plan, "paths"), i, path)
    {
        char work[300];
        char line[500];
        long long workers = number(path, "workers");
        long long copies = number(path, "copies_per_frame");
        snprintf(line, sizeof line, "paths[%zu]  %s  (%lld worker%s, when full: %s, %lld cop%s per frame%s)", i,
                 joined(json_object_get(path, "work"), work, sizeof work), workers, workers == 1 ? "" : "s",
                 text(path, "when_full"), copies, copies == 1 ? "y" : "ies",
                 json_is_true(json_object_get(path, "floods")) ? ", one more per flooded output" : "");
        head(p, line);
        json_array_foreach(json_object_get(p->plan, "stages"), k, stage)
        {
            if (strcmp(text(stage, "kind"), "work") == 0 && number(stage, "path") == (long long)i) {
                draw_worker(p, text(stage, "name"));
            }
        }
        fputc('\n', p->out);
    }
}

/* ---- tables ---- */

static void print_cores(const struct printer *p)
{
    size_t i;
    json_t *core;
    char names[600];
    head(p, "core   cpu  node  stages, in the order they are polled");
    json_array_foreach(json_object_get(p->plan, "cores"), i, core)
    {
        fprintf(p->out, "%4zu  %4lld  %4lld  %s%s\n", i, number(core, "cpu"), number(core, "node"),
                joined(json_object_get(core, "stages"), names, sizeof names),
                json_is_true(json_object_get(core, "shares_cpu")) ? "  (shares its CPU)" : "");
    }
    fputc('\n', p->out);
}

static void print_ports(const struct printer *p)
{
    size_t i;
    json_t *port;
    head(p, "port              driver    device            queues rx/tx   copies");
    json_array_foreach(json_object_get(p->plan, "ports"), i, port)
    {
        const json_t *device = json_object_get(port, "device");
        fprintf(p->out, "%-16s  %-8s  %-16s  %5lld / %-5lld  %s\n", text(port, "name"), text(port, "driver"),
                json_is_object(device) ? text(device, "name") : "-", number(port, "rx_queues"),
                number(port, "tx_queues"), text(port, "copies"));
    }
    fputc('\n', p->out);
}

static double mib(long long bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_pools(const struct printer *p)
{
    const json_t *memory = json_object_get(p->plan, "memory");
    size_t i;
    json_t *pool;
    char title[160];
    snprintf(title, sizeof title, "home of core   node    chunks of %-5lld     big of %-6lld",
             number(memory, "chunk_bytes"), number(memory, "big_chunk_bytes"));
    head(p, title);
    json_array_foreach(json_object_get(p->plan, "pools"), i, pool)
    {
        fprintf(p->out, "%12lld   %4lld   %15lld   %15lld\n", number(pool, "core"), number(pool, "node"),
                number(pool, "chunks"), number(pool, "big_chunks"));
    }
    fprintf(p->out, "%12s          %15lld   %15lld\n", "together", number(memory, "chunks"),
            number(memory, "big_chunks"));
    fprintf(p->out, "%.1f MiB for chunks, %.1f MiB for rings, %.1f MiB in all; huge pages: %s\n\n",
            mib(number(memory, "all_chunks_bytes")), mib(number(memory, "ring_bytes")),
            mib(number(memory, "arena_bytes")), text(memory, "huge_pages"));
}

static void print_notes(const struct printer *p)
{
    size_t i;
    json_t *note;
    head(p, "notes");
    json_array_foreach(json_object_get(p->plan, "notes"), i, note)
    {
        const char *line = json_string_value(note);
        bool warning = strncmp(line, "warning: ", 9) == 0;
        fprintf(p->out, p->colour && warning ? "  \033[31m%s\033[0m\n" : "  %s\n", line);
    }
}

void mr_plan_print(const json_t *plan, FILE *out, bool colour)
{
    struct printer p = {.plan = plan, .out = out, .colour = colour};
    const char *file = text(plan, "file"); // "" when a program made it, or its name is not UTF-8
    fprintf(out, "%s%slayout %s, nothing is started\n\n", file, file[0] != 0 ? ": " : "", text(plan, "layout"));
    measure(&p);
    draw_paths(&p);
    print_cores(&p);
    print_ports(&p);
    print_pools(&p);
    print_notes(&p);
}
