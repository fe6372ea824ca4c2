/* build.c: from the plan to the running parts, in a visible order: arena, pools, cores, rings, stages, ports.
 *
 * Everything that a core touches lies in the arena's segment of its node: chunks first, then rings, free lists, stages.
 * Nothing is allocated after this.
 */
#include "lib/engine/area.h"
#include "lib/engine/link.h"

#include <errno.h>
#include <stdlib.h>

#define SMALL_PER_PAGE(stride) (MR_ARENA_PAGE / (stride))

struct mr_area *mr_area_of(struct mr_areas *areas, int node)
{
    for (uint32_t i = 0; i < areas->n; i++) {
        if (areas->at[i].node == node) {
            return &areas->at[i];
        }
    }
    if (areas->n == MR_NODES_MAX) {
        return &areas->at[0];
    }
    areas->at[areas->n] = (struct mr_area){.node = node};
    return &areas->at[areas->n++];
}

/* ---- homes: chunks, free lists, recycle rings ---- */

static void fill_home(struct mr_engine *e, struct mr_pool *pool, const struct mr_plan_pool *home, unsigned char *chunks)
{
    uint32_t stride = e->config->chunk_bytes;
    uint32_t per_page = SMALL_PER_PAGE(stride);
    size_t small_pages = (home->chunks + per_page - 1) / per_page;
    unsigned char *big = chunks + small_pages * MR_ARENA_PAGE;
    for (uint32_t i = 0; i < home->chunks; i++) { // no small chunk crosses a page
        size_t at = (size_t)(i / per_page) * MR_ARENA_PAGE + (size_t)(i % per_page) * stride;
        pool->small.items[pool->small.count++] = (uint32_t)((size_t)(chunks + at - e->arena.base) / MR_CACHE_LINE);
    }
    for (uint32_t i = 0; i < home->big_chunks; i++) {
        size_t at = (size_t)i * MR_CHUNK_BIG_STRIDE;
        pool->big.items[pool->big.count++] = (uint32_t)((size_t)(big + at - e->arena.base) / MR_CACHE_LINE);
    }
#ifdef MR_POOL_DEBUG
    mr_pool_debug_start(pool);
#endif
}

static void lay_home(struct mr_engine *e, struct mr_areas *areas, uint32_t index)
{
    const struct mr_plan_pool *home = &e->plan->pools[index];
    struct mr_area *a = mr_area_of(areas, home->node);
    uint32_t all = home->chunks + home->big_chunks;
    size_t bytes = mr_plan_home_bytes(e->plan, home);
    unsigned char *chunks = mr_area_take(a, bytes, MR_ARENA_PAGE);
    struct mr_pool *pool = mr_area_take(a, sizeof *pool, MR_LINE_PAIR);
    uint32_t *small = mr_area_take(a, all * sizeof *small, MR_LINE_PAIR);
    uint32_t *big = mr_area_take(a, (home->big_chunks + 1u) * sizeof *big, MR_LINE_PAIR);
    uint32_t *side = mr_area_take(a, all * sizeof *side, MR_LINE_PAIR);
    if (chunks != NULL) {
        uint32_t first = (uint32_t)((size_t)(chunks - e->arena.base) / MR_CACHE_LINE);
        uint32_t end = first + (uint32_t)(bytes / MR_CACHE_LINE);
        size_t big_bytes = mr_round_up((size_t)home->big_chunks * MR_CHUNK_BIG_STRIDE, MR_ARENA_PAGE);
        mr_pool_init(pool, e->arena.base, first, end - (uint32_t)(big_bytes / MR_CACHE_LINE), end, small, home->chunks,
                     big, home->big_chunks, side);
        pool->small_bytes = e->config->chunk_bytes;
        pool->big_bytes = MR_CHUNK_BIG_STRIDE;
        e->pools[index] = pool;
    }
#ifdef MR_POOL_DEBUG
    unsigned char *owners = mr_area_take(a, bytes / MR_CACHE_LINE, MR_LINE_PAIR);
    if (owners != NULL) {
        e->pools[index]->owners = owners;
    }
#endif
    if (chunks != NULL) {
        fill_home(e, pool, home, chunks);
    }
}

/* Every core that frees chunks and does not own the home gets a ring into it that holds all of the home's chunks. */
static void lay_recycle(struct mr_engine *e, struct mr_areas *areas, uint32_t index)
{
    const struct mr_plan_pool *home = &e->plan->pools[index];
    uint32_t capacity = mr_ring_capacity(home->chunks + home->big_chunks);
    for (uint32_t c = 0; c < e->plan->n_cores; c++) {
        bool owns = home->core == c;
        if (!owns && !mr_plan_recycles(e->plan, home, c)) {
            continue;
        }
        void *memory = owns ? NULL : mr_area_take(mr_area_of(areas, home->node), mr_ring_bytes(capacity, 4), MR_LINE_PAIR);
        if (e->arena.base == NULL) {
            continue;
        }
        struct mr_pool *pool = e->pools[index];
        struct mr_recycle *r = &e->cores[c]->recycle;
        struct mr_ring *ring = owns ? NULL : mr_ring_init(memory, capacity, 4, 0, 0);
        r->homes[r->n_homes].first = pool->first;
        r->homes[r->n_homes].end = pool->end;
        r->homes[r->n_homes].own = owns ? pool : NULL;
        r->homes[r->n_homes].pool = pool;
        r->homes[r->n_homes++].ring = ring;
        if (ring != NULL) {
            pool->recycle[pool->n_recycle++] = ring;
        }
    }
}

/* ---- cores, rings, stages ---- */

static void lay_core(struct mr_engine *e, struct mr_areas *areas, uint32_t index)
{
    const struct mr_plan_core *planned = &e->plan->cores[index];
    struct mr_core *c = mr_area_take(mr_area_of(areas, planned->node), sizeof *c, MR_LINE_PAIR);
    const uint32_t **ends = mr_area_take(mr_area_of(areas, planned->node), e->plan->n_cores * sizeof *ends, MR_LINE_PAIR);
    if (c == NULL) {
        return;
    }
    c->index = index;
    c->cpu = planned->cpu;
    c->on_cpu = planned->cpu;
    c->node = planned->node;
    c->shares_cpu = planned->shares_cpu;
    c->gap_ends = ends;
    c->n_cores = e->plan->n_cores;
    c->gap_limit = mr_ns_to_ticks(e->clock, 20000);
    c->sleep_limit = mr_ns_to_ticks(e->clock, 2 * MR_WAIT_MS * 1000000ull); // the kernel's timers are coarse
    c->gap_per_frame = mr_ns_to_ticks(e->clock, 1000);
    c->housekeeping_ticks = mr_ns_to_ticks(e->clock, 100000);
    e->cores[index] = c;
}

static void join_cores(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        uint32_t pool = e->plan->cores[i].pool;
        const uint32_t **ends = (const uint32_t **)(uintptr_t)e->cores[i]->gap_ends;
        e->cores[i]->pool = pool == UINT32_MAX ? NULL : e->pools[pool];
        for (uint32_t k = 0; k < e->plan->n_cores; k++) {
            ends[k] = &e->cores[k]->last_gap;
        }
    }
}

static void lay_ring(struct mr_engine *e, struct mr_areas *areas, uint32_t index)
{
    const struct mr_plan_ring *r = &e->plan->rings[index];
    int node = e->plan->cores[e->plan->stages[r->to].core].node;
    void *memory = mr_area_take(mr_area_of(areas, node), mr_ring_bytes(r->capacity, sizeof(struct mr_frame)), MR_LINE_PAIR);
    if (memory != NULL) {
        e->rings[index] = mr_ring_init(memory, r->capacity, sizeof(struct mr_frame), 0, 0);
    }
}

/* ---- the whole ---- */

static void lay(struct mr_engine *e, struct mr_areas *areas)
{
    const struct mr_plan *p = e->plan;
    for (uint32_t i = 0; i < p->n_pools; i++) {
        lay_home(e, areas, i);
    }
    for (uint32_t i = 0; i < p->n_cores; i++) {
        lay_core(e, areas, i);
    }
    for (uint32_t i = 0; i < p->n_pools; i++) {
        lay_recycle(e, areas, i);
    }
    for (uint32_t i = 0; i < p->n_rings; i++) {
        lay_ring(e, areas, i);
    }
    for (uint32_t i = 0; i < p->n_stages; i++) {
        mr_wire_lay_stage(e, areas, i);
    }
}

size_t mr_engine_arena_bytes(struct mr_plan *p)
{
    struct mr_areas areas = {0};
    struct mr_engine *e = calloc(1, sizeof *e);
    size_t bytes = 0;
    if (e != NULL) {
        e->config = p->config;
        e->plan = p;
        lay(e, &areas);
    }
    for (uint32_t i = 0; i < areas.n; i++) {
        bytes += mr_round_up(areas.at[i].used, MR_ARENA_PAGE);
    }
    free(e);
    return bytes;
}

static int make_arena(struct mr_engine *e, struct mr_areas *areas, struct mr_error *err)
{
    int nodes[MR_NODES_MAX];
    size_t bytes[MR_NODES_MAX];
    lay(e, areas);
    for (uint32_t i = 0; i < areas->n; i++) {
        nodes[i] = areas->at[i].node;
        bytes[i] = mr_round_up(areas->at[i].used, MR_ARENA_PAGE);
    }
    int rc = mr_arena_create(&e->arena, areas->n, nodes, bytes, e->config->huge_pages, e->config->numa, err);
    for (uint32_t i = 0; rc == 0 && i < areas->n; i++) {
        areas->at[i].base = e->arena.base + e->arena.segments[i].offset;
        areas->at[i].used = 0;
    }
    return rc;
}

int mr_engine_build(struct mr_engine *e, struct mr_error *err)
{
    struct mr_areas areas = {0};
    e->rings = calloc(e->plan->n_rings + 1u, sizeof(struct mr_ring *));
    e->intervals = calloc(MR_INTERVALS_MAX, sizeof *e->intervals);
    e->events = calloc(MR_EVENTS_MAX, sizeof *e->events);
    e->balance_stages = calloc(e->plan->n_stages, sizeof *e->balance_stages);
    if (e->rings == NULL || e->intervals == NULL || e->events == NULL || e->balance_stages == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the engine's tables; free some");
    }
    int rc = make_arena(e, &areas, err);
    if (rc < 0) {
        return rc;
    }
    e->clock = mr_clock_get(); // calibrated while the arena was touched
    lay(e, &areas);
    join_cores(e);
    rc = mr_wire_ports(e, err);
    rc = rc < 0 ? rc : mr_links_open(e, err);
    rc = rc < 0 ? rc : mr_wire_stages(e, err);
    return rc < 0 ? rc : mr_taps_open(e, err);
}

void mr_engine_unbuild(struct mr_engine *e)
{
    if (e->arena.base != NULL) {
        mr_witness_free(e);
        mr_links_close(e);
        mr_unwire_works(e);
        mr_unwire_ports(e);
#ifdef MR_POOL_DEBUG
        for (uint32_t i = 0; i < e->plan->n_pools && e->pools[i] != NULL; i++) {
            mr_pool_debug_end(e->pools[i]);
        }
#endif
        mr_arena_destroy(&e->arena);
    }
    mr_taps_close(e);
    mr_trace_free(e->trace);
    free(e->rings);
    free(e->intervals);
    free(e->events);
    free(e->balance_stages);
}
