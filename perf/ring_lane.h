/* ring_lane.h: how bench_ring drives any ring: one thread puts numbered items, another gets and checks every one.
 *
 * A ring brings two functions, put and get, for up to n items from number `seq` on; both loops, the numbering and the
 * check are the same for all and are inlined around them, for elements of 8 and 16 bytes, with the burst known at
 * compile time for bursts of 1 only. 8 bytes: the number. 16 bytes: the number and its complement.
 */
#ifndef MILLRACE_PERF_RING_LANE_H
#define MILLRACE_PERF_RING_LANE_H

#include <millrace/atomic.h>

#include <stdbool.h>

#define LANE_INLINE static inline __attribute__((always_inline))

enum { LANE_BURST_MAX = 256, LANE_CAPACITY_MAX = 4096 };

/* What one side has for itself; `items` is the local array that copying rings need. */
struct lane_side {
    void *handle;
    uint32_t ready, at; /* of the local array: filled and not yet put, and where */
    uint64_t wrong;     /* bits that differed */
    uint64_t items[LANE_BURST_MAX * 2];
} MR_ALIGNED(MR_LINE_PAIR);

struct lane {
    void *memory; /* for the ring, LANE_BYTES, aligned to 4096 */
    uint32_t capacity, burst;
    uint64_t count; /* items of this repetition */
    struct lane_side put, get;
};

#define LANE_BYTES ((size_t)LANE_CAPACITY_MAX * 16 + 4096)

struct ring_kind {
    const char *name;
    void (*setup)(struct lane *l, uint32_t esz); /* an empty ring in l->memory; sets both handles */
    void (*put[2])(struct lane *l);              /* l->count items in bursts; [0] 8 bytes, [1] 16 */
    void (*get[2])(struct lane *l);
    void (*serve[2])(struct lane *to, struct lane *from);  /* ping-pong: one item out, wait for it to come back */
    void (*answer[2])(struct lane *from, struct lane *to);
};

/* The peers that were found at build time, and the names of those that were not. */
extern const struct ring_kind *const ring_peers[];
extern const char *const ring_peers_missing[];

LANE_INLINE void lane_write(void *at, uint32_t esz, uint64_t seq, uint32_t n)
{
    uint64_t *word = (uint64_t *)at;
    for (uint32_t i = 0; i < n; i++) {
        if (esz == 8) {
            word[i] = seq + i;
        } else {
            word[2 * i] = seq + i;
            word[2 * i + 1] = ~(seq + i);
        }
    }
}

LANE_INLINE uint64_t lane_wrong(const void *at, uint32_t esz, uint64_t seq, uint32_t n)
{
    const uint64_t *word = (const uint64_t *)at;
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (esz == 8) {
            wrong |= word[i] ^ (seq + i);
        } else {
            wrong |= (word[2 * i] ^ (seq + i)) | (word[2 * i + 1] ^ ~(seq + i));
        }
    }
    return wrong;
}

typedef uint32_t lane_move(struct lane_side *s, uint32_t esz, uint64_t seq, uint32_t n);

LANE_INLINE void lane_run(struct lane *l, struct lane_side *s, lane_move *move, uint32_t esz, uint32_t burst)
{
    for (uint64_t seq = 0; seq < l->count;) {
        uint64_t left = l->count - seq;
        uint32_t n = move(s, esz, seq, left < burst ? (uint32_t)left : burst);
        seq += n;
        if (n == 0) {
            mr_pause();
        }
    }
}

LANE_INLINE void lane_run_burst(struct lane *l, struct lane_side *s, lane_move *move, uint32_t esz)
{
    if (l->burst == 1) {
        lane_run(l, s, move, esz, 1);
    } else {
        lane_run(l, s, move, esz, l->burst);
    }
}

LANE_INLINE void lane_one(struct lane_side *s, lane_move *move, uint32_t esz, uint64_t seq)
{
    while (move(s, esz, seq, 1) == 0) {
        mr_pause();
    }
}

LANE_INLINE void lane_serve(struct lane *to, struct lane *from, lane_move *put, lane_move *get, uint32_t esz)
{
    for (uint64_t seq = 0; seq < to->count; seq++) {
        lane_one(&to->put, put, esz, seq);
        lane_one(&from->get, get, esz, seq);
    }
}

LANE_INLINE void lane_answer(struct lane *from, struct lane *to, lane_move *put, lane_move *get, uint32_t esz)
{
    for (uint64_t seq = 0; seq < from->count; seq++) {
        lane_one(&from->get, get, esz, seq);
        lane_one(&to->put, put, esz, seq);
    }
}

#define RING_ROUTINES(id, esz)                                                                                         \
    static void id##_put_##esz(struct lane *l) { lane_run_burst(l, &l->put, id##_put, esz); }                          \
    static void id##_get_##esz(struct lane *l) { lane_run_burst(l, &l->get, id##_get, esz); }                          \
    static void id##_serve_##esz(struct lane *a, struct lane *b) { lane_serve(a, b, id##_put, id##_get, esz); }        \
    static void id##_answer_##esz(struct lane *a, struct lane *b) { lane_answer(a, b, id##_put, id##_get, esz); }

/* RING_KIND: struct ring_kind `id` from id_setup, id_put and id_get. */
#define RING_KIND(id, text)                                                                                            \
    RING_ROUTINES(id, 8)                                                                                               \
    RING_ROUTINES(id, 16)                                                                                              \
    static const struct ring_kind id = {text, id##_setup, {id##_put_8, id##_put_16}, {id##_get_8, id##_get_16},        \
                                        {id##_serve_8, id##_serve_16}, {id##_answer_8, id##_answer_16}};

#endif
