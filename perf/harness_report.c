#include "perf/harness.h"

#include "lib/measure/estimate.h"
#include "lib/sys/topology.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Classes for people; acceptance never depends on these bounds. S = two threads of one core, or a shared L2. */
const char *bench_class(double trip_ns)
{
    return trip_ns < 30 ? "S" : trip_ns < 140 ? "near" : "far";
}

static double cell_median(const struct bench *b, const struct bench_cell *cell)
{
    double values[BENCH_ROUNDS_MAX];
    uint32_t n = 0;
    for (uint32_t r = 0; r < b->rounds; r++) {
        if (cell->value[r] > 0) {
            values[n++] = cell->value[r];
        }
    }
    return mr_median(values, n);
}

static uint32_t best_peer(const struct bench *b, const struct bench_case *c)
{
    uint32_t best = 0;
    double best_value = 0;
    for (uint32_t k = 1; k < c->n_cells; k++) {
        double value = cell_median(b, &c->cell[k]);
        if (value > 0 && (best == 0 || (c->better == BENCH_HIGHER ? value > best_value : value < best_value))) {
            best = k;
            best_value = value;
        }
    }
    return best;
}

struct bench_result bench_evaluate(struct bench *b, const struct bench_case *c)
{
    struct bench_result result = {.ours = cell_median(b, &c->cell[0]), .peer_cell = best_peer(b, c)};
    double ratios[BENCH_ROUNDS_MAX];
    if (result.peer_cell == 0) {
        return result;
    }
    const struct bench_cell *ours = &c->cell[0], *peer = &c->cell[result.peer_cell];
    for (uint32_t r = 0; r < b->rounds; r++) {
        if (bench_paired(ours, peer, r)) {
            double ratio = ours->value[r] / peer->value[r];
            ratios[result.pairs++] = c->better == BENCH_HIGHER ? ratio : 1 / ratio;
        }
    }
    result.peer = cell_median(b, peer);
    if (result.pairs != 0) {
        struct mr_estimate e = mr_estimate(ratios, result.pairs, b->seed);
        result.ratio = e.median;
        result.low = e.low;
        result.high = e.high;
    }
    return result;
}

/* With JSON on stdout the words for people go to stderr. */
static FILE *people(const struct bench *b)
{
    return b->json_path != NULL && strcmp(b->json_path, "-") == 0 ? stderr : stdout;
}

void bench_said(struct bench *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(people(b), "%s: ", b->name);
    vfprintf(people(b), format, args);
    fputc('\n', people(b));
    va_end(args);
}

static double median_trip(const struct bench *b)
{
    static double trips[BENCH_CASES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_cases; i++) {
        if (b->cases[i].two_cpus) {
            trips[n++] = mr_median(b->cases[i].cell[0].trip_ns, b->rounds);
        }
    }
    return mr_median(trips, n);
}

static void print_host(struct bench *b, const struct mr_host *host)
{
    FILE *out = people(b);
    fprintf(out, "%s on %s, %s%s%s", b->name, host->cpu, host->kernel, host->hypervisor[0] ? ", under " : "",
            host->hypervisor);
    if (b->trip_ns > 0) {
        fprintf(out, "\nCPUs %d and %d, line round trip %.0f ns (%s)", b->cpu[0], b->cpu[1], b->trip_ns,
                bench_class(b->trip_ns));
    }
    fprintf(out, "\n%u rounds, %u repetitions dropped (distance changed, or disturbed by other load), %s\n\n",
            b->rounds, b->dropped,
            b->real_time ? "real-time class" : "no right to the real-time class: other load disturbs more");
    fprintf(out, "%-46s %10s  %-44s %6s  %-15s %s\n", "case", "ours", "best peer", "ratio", "95 % interval", "others");
}

static void print_case(struct bench *b, const struct bench_case *c, const struct bench_result *r)
{
    FILE *out = people(b);
    fprintf(out, "%-46s %10.4g  ", c->name, r->ours);
    if (r->peer_cell == 0) {
        fprintf(out, "%s, no peer", c->unit);
    } else {
        char peer[96];
        snprintf(peer, sizeof peer, "%.4g %s %s", r->peer, c->unit, c->cell[r->peer_cell].name);
        fprintf(out, "%-44s %6.2f  [%5.2f .. %5.2f]", peer, r->ratio, r->low, r->high);
    }
    for (uint32_t k = 1; k < c->n_cells; k++) {
        if (k != r->peer_cell) {
            fprintf(out, "  %s %.4g", c->cell[k].name, cell_median(b, &c->cell[k]));
        }
    }
    for (uint32_t k = 0; k < c->n_cells; k++) {
        fprintf(out, "%s%s", c->cell[k].bad ? "  BAD: " : "", c->cell[k].bad ? c->cell[k].name : "");
    }
    fputc('\n', out);
}

static json_t *host_json(const struct bench *b, const struct mr_host *host)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:b}", "cpu", host->cpu, "kernel", host->kernel, "hypervisor",
                          host->hypervisor, "cpus", (int)host->cpus, "nodes", (int)host->nodes, "compiler", __VERSION__,
                          "real_time", b->real_time);
    if (b->trip_ns > 0) {
        json_object_set_new(j, "used_cpus", json_pack("[i, i]", b->cpu[0], b->cpu[1]));
        json_object_set_new(j, "round_trip_ns", json_real(b->trip_ns));
        json_object_set_new(j, "class", json_string(bench_class(b->trip_ns)));
    }
    return j;
}

static int write_case(struct bench *b, FILE *out, const struct bench_case *c, const struct bench_result *r,
                      json_t *host)
{
    json_t *j = json_pack("{s:s, s:s, s:f, s:s}", "bench", b->name, "case", c->name, "ours", r->ours, "unit", c->unit);
    json_t *others = json_object();
    bool bad = false;
    if (r->peer_cell != 0) {
        json_t *against =
            json_pack("{s:f, s:s, s:f, s:[f, f], s:i}", "peer", r->peer, "peer_name", c->cell[r->peer_cell].name,
                      "ratio", r->ratio, "interval", r->low, r->high, "pairs", (int)r->pairs);
        json_object_update(j, against);
        json_decref(against);
    }
    for (uint32_t k = 0; k < c->n_cells; k++) {
        bad = bad || c->cell[k].bad;
        if (k != 0 && k != r->peer_cell) {
            json_object_set_new(others, c->cell[k].name, json_real(cell_median(b, &c->cell[k])));
        }
    }
    json_object_set_new(j, "others", others);
    json_object_set_new(j, "rounds", json_integer(b->rounds));
    json_object_set_new(j, "dropped", json_integer(b->dropped));
    json_object_set_new(j, "bad", json_boolean(bad));
    json_object_set(j, "host", host);
    int rc = json_dumpf(j, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(j);
    return rc != 0 || fputc('\n', out) == EOF ? -1 : 0;
}

static FILE *open_json(const struct bench *b)
{
    if (b->json_path == NULL) {
        return NULL;
    }
    FILE *json = strcmp(b->json_path, "-") == 0 ? stdout : fopen(b->json_path, "w");
    if (json == NULL) {
        perror(b->json_path);
    }
    return json;
}

int bench_report(struct bench *b)
{
    struct mr_host host;
    mr_host_read(&host);
    b->trip_ns = median_trip(b);
    FILE *json = open_json(b);
    json_t *facts = host_json(b, &host);
    int rc = b->json_path != NULL && json == NULL ? 1 : 0;
    print_host(b, &host);
    for (uint32_t i = 0; i < b->n_cases; i++) {
        const struct bench_case *c = &b->cases[i];
        struct bench_result r = bench_evaluate(b, c);
        print_case(b, c, &r);
        for (uint32_t k = 0; k < c->n_cells; k++) {
            rc = c->cell[k].bad ? 1 : rc;
        }
        if (json != NULL && write_case(b, json, c, &r, facts) != 0) {
            rc = 1;
        }
    }
    json_decref(facts);
    if (json != NULL && (json == stdout ? fflush(json) : fclose(json)) != 0) {
        rc = 1;
    }
    return rc;
}
