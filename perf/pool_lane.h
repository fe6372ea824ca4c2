/* pool_lane.h: how bench_pool drives any pool: one thread takes bursts and gives them back; or one takes, a ring carries
 * them to the second CPU, and a thread there gives them back.
 *
 * A pool brings three inlined functions; the loops around them are the same for all. The wire carries what the pool hands
 * out: a chunk's number in 4 bytes, an object's address in 8.
 */
#ifndef MILLRACE_PERF_POOL_LANE_H
#define MILLRACE_PERF_POOL_LANE_H

#include <millrace/ring.h>

#include <stdbool.h>

#define LANE_INLINE static inline __attribute__((always_inline))

enum { POOL_CHUNKS = 8192, POOL_BURST = 32, POOL_WIRE = 1024 };

struct pool_lane {
    struct mr_ring *wire; /* to the second CPU, of the kind's elements */
    uint64_t frames;      /* to move in this repetition, a multiple of the burst */
    uint32_t burst;       /* not known when compiled, as in a data plane */
};

struct pool_kind {
    const char *name;
    uint32_t esz;                       /* on the wire */
    bool (*open)(void);                 /* once, before anything else; false = cannot run here */
    void (*local)(struct pool_lane *l); /* takes and gives back l->frames in bursts */
    void (*take)(struct pool_lane *l);  /* first CPU: takes l->frames and sends them */
    void (*give)(struct pool_lane *l);  /* second CPU: receives l->frames and gives them back */
    bool (*whole)(void);                /* both stand still: every chunk is there again */
    void (*close)(void);
};

/* The peers that were found at build time, and the names of those that were not. */
extern const struct pool_kind *const pool_peers[];
extern const char *const pool_peers_missing[];

typedef void pool_turn(uint32_t n);                   /* take n and give them back */
typedef uint32_t pool_take(void *to, uint32_t n);     /* up to n; returns how many */
typedef void pool_give(const void *from, uint32_t n);

LANE_INLINE void pool_local(struct pool_lane *l, pool_turn *turn)
{
    for (uint64_t done = 0; done < l->frames; done += l->burst) {
        turn(l->burst);
    }
}

LANE_INLINE void pool_send(struct pool_lane *l, uint32_t esz, pool_take *take)
{
    for (uint64_t done = 0; done < l->frames;) {
        void *span;
        uint32_t n = mr_ring_reserve(l->wire, esz, l->burst, &span);
        n = n == 0 ? 0 : take(span, l->frames - done < n ? (uint32_t)(l->frames - done) : n);
        if (n == 0) {
            mr_pause();
        } else {
            mr_ring_commit(l->wire, n);
        }
        done += n;
    }
}

LANE_INLINE void pool_receive(struct pool_lane *l, uint32_t esz, pool_give *give)
{
    for (uint64_t done = 0; done < l->frames;) {
        void *span;
        uint32_t n = mr_ring_peek(l->wire, esz, l->burst, &span);
        if (n == 0) {
            mr_pause();
            continue;
        }
        give(span, n);
        mr_ring_release(l->wire, n);
        done += n;
    }
    mr_ring_return(l->wire);
}

/* POOL_KIND: struct pool_kind `id`, whose chunks travel as esz bytes, from id_open, id_turn, id_take, id_give, id_whole
 * and id_close. */
#define POOL_KIND(id, text, esz)                                                                                       \
    static void id##_local_loop(struct pool_lane *l) { pool_local(l, id##_turn); }                                     \
    static void id##_take_loop(struct pool_lane *l) { pool_send(l, esz, id##_take); }                                  \
    static void id##_give_loop(struct pool_lane *l) { pool_receive(l, esz, id##_give); }                               \
    static const struct pool_kind id = {text, esz, id##_open, id##_local_loop, id##_take_loop, id##_give_loop,         \
                                        id##_whole, id##_close};

#endif
