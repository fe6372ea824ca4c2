/* work_bench.h: all that an engine gives a work function, in one struct, so that a test can call it. */
#ifndef TESTS_WORK_BENCH_H
#define TESTS_WORK_BENCH_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <millrace/work.h>

#include <stdlib.h>

enum { CHUNKS = 64, BIG_CHUNKS = 4, INPUTS = 32, GUARD = 0xA7, REASON0 = MR_DROP_ENGINE_COUNT + 3 };

/* One instance of a work function with all that an engine gives it. */
struct bench {
    struct mr_pool pool;
    struct mr_work work;
    struct mr_stage_counters stage;
    uint64_t counters[MR_WORK_COUNTERS_MAX];
    struct mr_frame in[INPUTS], made[INPUTS * 8];
    struct mr_burst burst;
    uint32_t small_items[CHUNKS], big_items[BIG_CHUNKS], side_items[CHUNKS + BIG_CHUNKS];
    unsigned char *base; /* INPUTS big chunks for what comes in, then the pool's */
};

static inline void fill_pool(struct bench *t)
{
    uint32_t first = INPUTS * MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE;
    uint32_t big_first = first + CHUNKS * MR_CHUNK_STRIDE / MR_CACHE_LINE;
    uint32_t end = big_first + BIG_CHUNKS * MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE;
    t->base = aligned_alloc(MR_CACHE_LINE, (size_t)end * MR_CACHE_LINE);
    memset(t->base, GUARD, (size_t)end * MR_CACHE_LINE);
    mr_pool_init(&t->pool, t->base, first, big_first, end, t->small_items, CHUNKS, t->big_items, BIG_CHUNKS,
                 t->side_items);
    t->pool.small_bytes = MR_CHUNK_STRIDE;
    t->pool.big_bytes = MR_CHUNK_BIG_STRIDE;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        t->pool.small.items[t->pool.small.count++] = first + i * MR_CHUNK_STRIDE / MR_CACHE_LINE;
    }
    for (uint32_t i = 0; i < BIG_CHUNKS; i++) {
        t->pool.big.items[t->pool.big.count++] = big_first + i * MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE;
    }
}

/* Outputs are ports 2, 3, … : a port's number and its place among the outputs are different things. */
static inline struct bench *bench_make(const char *name, uint32_t n_outputs)
{
    struct bench *t = aligned_alloc(MR_LINE_PAIR, sizeof *t);
    memset(t, 0, sizeof *t);
    fill_pool(t);
    struct mr_work *w = &t->work;
    w->ops = mr_work_find(name);
    cr_assert_not_null(w->ops);
    size_t state_bytes = (w->ops->state_bytes / MR_LINE_PAIR + 1) * MR_LINE_PAIR;
    w->state = aligned_alloc(MR_LINE_PAIR, state_bytes);
    memset(w->state, 0, state_bytes);
    w->n_outputs = n_outputs;
    for (uint32_t i = 0; i < n_outputs; i++) {
        w->outputs[i] = (uint8_t)(i + 2);
    }
    w->first_reason = REASON0;
    w->counters = t->counters;
    w->pool = &t->pool;
    w->stage = &t->stage;
    if (w->ops->init != NULL) {
        cr_assert_eq(w->ops->init(w, NULL), 0);
    }
    return t;
}

static inline void bench_free(struct bench *t)
{
    free(t->work.state);
    free(t->base);
    free(t);
}

static inline struct mr_frame frame_at(uint32_t slot, uint32_t length, uint8_t port)
{
    uint32_t chunk = slot * MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE;
    return (struct mr_frame){chunk, 77 + slot, MR_CHUNK_DATA, (uint16_t)length, port, .flags = 0, .hash = 9};
}

static inline void mac_write(unsigned char *p, uint64_t mac)
{
    for (int i = 0; i < 6; i++) {
        p[i] = (unsigned char)(mac >> (40 - 8 * i));
    }
}

static inline void process(struct bench *t, uint32_t n)
{
    t->burst = (struct mr_burst){.frames = t->in, .n = n, .base = t->base, .made = t->made, .made_max = INPUTS * 8};
    if (t->work.ops->process != NULL) {
        t->work.ops->process(&t->work, &t->burst);
    }
}

/* What the engine does with frames that left: copies' chunks go home. */
static inline void send_home(struct bench *t)
{
    for (uint32_t i = 0; i < t->burst.made_n; i++) {
        mr_pool_free(&t->pool, &t->made[i].chunk, 1);
    }
}

/* One 60-byte frame through the function; where it went: a port, or MR_DROPPED | reason. */
static inline uint8_t one(struct bench *t, uint8_t port, uint64_t source, uint64_t destination)
{
    t->in[0] = frame_at(0, 60, port);
    mac_write(mr_frame_data(t->base, &t->in[0]), destination);
    mac_write(mr_frame_data(t->base, &t->in[0]) + 6, source);
    process(t, 1);
    cr_assert_eq(t->burst.dropped, (uint32_t)(t->in[0].port >= MR_DROPPED));
    send_home(t);
    return t->in[0].port;
}

static inline uint8_t own(uint32_t reason)
{
    return (uint8_t)(MR_DROPPED | (REASON0 + reason));
}

#endif
