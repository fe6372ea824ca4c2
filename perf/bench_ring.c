/* bench_ring: ours in place against the rings of the packet world, between two CPUs. Every item is numbered and checked
 * as part of the timed work. --all adds bursts of 4, 16 and 64, and rings of 512 and 4096. */
#include "perf/harness.h"
#include "perf/ring_lane.h"

#include <millrace/ring.h>

#include <stdlib.h>
#include <string.h>

enum { REPETITION_US = 3000, QUICK_US = 1500, COUNT_FIRST = 4000, TRIPS_FIRST = 1000, TRIPS_MAX = 20000 };

#ifndef AHEAD_LINES
#define AHEAD_LINES 0 /* as in the engine; on Zen 4 fetching 16 lines ahead halves the rate from bursts of 8 on */
#endif

static void ours_setup(struct lane *l, uint32_t esz)
{
    l->put.handle = l->get.handle = mr_ring_init(l->memory, l->capacity, esz, AHEAD_LINES, 0);
}

LANE_INLINE uint32_t ours_put(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct mr_ring *r = (struct mr_ring *)s->handle;
    void *span;
    n = mr_ring_reserve(r, esz, n, &span);
    if (n != 0) {
        lane_write(span, esz, seq, n);
        mr_ring_commit(r, n);
    }
    return n;
}

LANE_INLINE uint32_t ours_get(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n)
{
    struct mr_ring *r = (struct mr_ring *)s->handle;
    void *span;
    n = mr_ring_peek(r, esz, n, &span);
    if (n != 0) {
        s->wrong |= lane_wrong(span, esz, seq, n);
        mr_ring_release(r, n);
    }
    return n;
}

RING_KIND(ours, "ours")

/* One cell: a kind of ring at one size, burst and element. The count follows the rate, so that a repetition takes
 * about the same time whatever the ring. */
struct cell {
    const struct ring_kind *kind;
    uint32_t esz, capacity, burst;
    uint64_t count;
};

static struct lane lanes[2];
static struct cell cells[BENCH_CASES_MAX * BENCH_CELLS_MAX];
static uint32_t n_cells;
static const struct cell *now; /* the cell of this repetition */

static void prepare(const struct cell *c)
{
    for (int i = 0; i < 2; i++) {
        struct lane *l = &lanes[i];
        l->capacity = c->capacity;
        l->burst = c->burst;
        l->count = c->count;
        l->put.ready = 0;
        l->put.wrong = l->get.wrong = 0;
        c->kind->setup(l, c->esz);
    }
    now = c;
}

static bool wrong(void)
{
    return (lanes[0].get.wrong | lanes[1].get.wrong) != 0;
}

static uint64_t count_for(const struct bench *b, double per_ns, uint64_t least, uint64_t most)
{
    double count = per_ns * 1000 * (b->quick ? QUICK_US : REPETITION_US);
    return count < (double)least ? least : count > (double)most ? most : (uint64_t)count;
}

static void put_side(void *arg)
{
    (void)arg;
    now->kind->put[now->esz == 16](&lanes[0]);
}

static void get_side(void *arg)
{
    (void)arg;
    now->kind->get[now->esz == 16](&lanes[0]);
}

/* Million items a second, numbered items checked. */
static double stream(struct bench *b, void *arg)
{
    struct cell *c = arg;
    prepare(c);
    double ns = bench_both(b, put_side, get_side, NULL);
    double per_ns = (double)c->count / ns;
    c->count = count_for(b, per_ns, COUNT_FIRST, UINT32_MAX);
    return wrong() ? -1 : per_ns * 1e3;
}

static void serve_side(void *arg)
{
    (void)arg;
    now->kind->serve[now->esz == 16](&lanes[0], &lanes[1]);
}

static void answer_side(void *arg)
{
    (void)arg;
    now->kind->answer[now->esz == 16](&lanes[0], &lanes[1]);
}

/* Nanoseconds for one item there and back through two rings. */
static double ping_pong(struct bench *b, void *arg)
{
    struct cell *c = arg;
    prepare(c);
    double ns = bench_both(b, serve_side, answer_side, NULL);
    double trip_ns = ns / (double)c->count;
    c->count = count_for(b, 1 / trip_ns, TRIPS_FIRST, TRIPS_MAX);
    return wrong() ? -1 : trip_ns;
}

static void add_cells(struct bench_case *c, bench_run *run, uint32_t esz, uint32_t capacity, uint32_t burst)
{
    const struct ring_kind *kind = &ours;
    for (int i = 0; c != NULL && kind != NULL; kind = ring_peers[i++]) {
        struct cell *cell = &cells[n_cells++];
        *cell = (struct cell){kind, esz, capacity, burst, run == stream ? COUNT_FIRST : TRIPS_FIRST};
        bench_cell(c, kind->name, run, cell);
    }
}

static void add_cases(struct bench *b)
{
    const uint32_t capacities[] = {1024, 512, 4096}, bursts[] = {1, 8, 32, 256, 4, 16, 64};
    for (int c = 0; c < (b->all ? 3 : 1); c++) {
        for (uint32_t esz = 8; esz <= 16; esz += 8) {
            for (int i = 0; i < (b->all ? 7 : 4); i++) {
                add_cells(bench_add(b, true, "M/s", BENCH_HIGHER, "%u B, burst %u, ring %u", esz, bursts[i], capacities[c]),
                          stream, esz, capacities[c], bursts[i]);
            }
        }
    }
    for (uint32_t esz = 8; esz <= 16; esz += 8) {
        add_cells(bench_add(b, true, "ns", BENCH_LOWER, "%u B, ping-pong, ring 1024", esz), ping_pong, esz, 1024, 1);
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    int rc = bench_init(&b, "bench_ring", argc, argv);
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; ring_peers_missing[i] != NULL; i++) {
        bench_said(&b, "%s was not found when this was built: left out", ring_peers_missing[i]);
    }
    for (int i = 0; i < 2; i++) {
        lanes[i].memory = aligned_alloc(4096, (LANE_BYTES + 4095) / 4096 * 4096);
        if (lanes[i].memory == NULL) {
            return 1;
        }
        memset(lanes[i].memory, 0, LANE_BYTES);
    }
    add_cases(&b);
    rc = bench_finish(&b);
    free(lanes[0].memory);
    free(lanes[1].memory);
    return rc;
}
