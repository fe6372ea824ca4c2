/* Chunks between a home's owner and another thread, in every order of their steps: the owner allocates and hands over, the
 * other one sends home by recycle ring (a core) or by the side list (no core); the owner gathers. At each point each chunk
 * is somewhere, and nowhere twice; a push into a recycle ring never fails, though credits come back late. */
#include "interleave.h"

#include <millrace/pool.h>

#include <string.h>

enum { CHUNKS_MAX = 4, OPS = 4 };

enum what { NOTHING, HAND_OVER, KEEP_AND_FREE, GATHER, GATHER_SIDE, RECYCLE, SIDE };

struct op {
    enum what what;
    uint32_t n;
};

static const struct op owners[][OPS] = {
    {{HAND_OVER, 2}, {HAND_OVER, 2}, {HAND_OVER, 4}},
    {{HAND_OVER, 4}, {GATHER}, {HAND_OVER, 1}, {GATHER_SIDE}},
    {{HAND_OVER, 1}, {KEEP_AND_FREE, 3}, {GATHER_SIDE}, {HAND_OVER, 4}},
    {{HAND_OVER, 3}, {GATHER_SIDE}, {GATHER}, {GATHER_SIDE}},
};

static const struct op others[][OPS] = {
    {{RECYCLE, 1}, {RECYCLE, 1}, {RECYCLE, 2}},
    {{RECYCLE, 2}, {RECYCLE, 4}},
    {{SIDE, 1}, {SIDE, 2}},
    {{SIDE, 1}, {RECYCLE, 2}, {SIDE, 1}},
};

static struct {
    unsigned char memory[sizeof(struct mr_ring) + MR_LINE_PAIR] MR_ALIGNED(MR_LINE_PAIR);
    struct mr_pool pool;
    struct mr_recycle recycle;
    struct mr_ring *ring;
    uint32_t capacity, chunks, start, lazy;
    const struct op *ops[2];
    uint32_t small[CHUNKS_MAX], side[CHUNKS_MAX];
    uint32_t kept[CHUNKS_MAX], n_kept; /* the owner's, out of the list */
    uint32_t bag[CHUNKS_MAX], n_bag;   /* handed over, not yet freed */
    uint32_t going[CHUNKS_MAX], n_going; /* being freed by the other one: they may be counted where they go as well */
} t;

static void begin(void *arg)
{
    (void)arg;
    mr_pool_init(&t.pool, NULL, 0, t.chunks, t.chunks, t.small, t.chunks, NULL, 0, t.side);
    for (uint32_t i = 0; i < t.chunks; i++) {
        mr_pool_free(&t.pool, &i, 1);
    }
    t.ring = mr_ring_init(t.memory, t.capacity, 4, 0, t.start);
    t.ring->consumer.lazy = t.lazy;
    t.pool.recycle[0] = t.ring;
    t.pool.n_recycle = 1;
    t.recycle.n_homes = 1;
    t.recycle.homes[0].ring = t.ring;
    t.n_kept = t.n_bag = t.n_going = 0;
}

static void see(uint32_t *seen, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        IL_EXPECT(items[i] < t.chunks);
        seen[items[i]]++;
    }
}

static void check(void *arg)
{
    uint32_t seen[CHUNKS_MAX] = {0}, aside[CHUNKS_MAX] = {0}, going[CHUNKS_MAX] = {0};
    const uint32_t *slots = (const uint32_t *)(const void *)(t.ring + 1);
    (void)arg;
    IL_EXPECT(t.pool.small.count <= t.chunks && t.pool.side.count <= t.chunks);
    IL_EXPECT(t.ring->tail.published - t.ring->consumer.head <= t.chunks);
    see(seen, t.pool.small.items, t.pool.small.count);
    see(aside, t.pool.side.items, t.pool.side.count);
    for (uint32_t i = t.ring->consumer.head; i != t.ring->tail.published; i++) {
        see(seen, &slots[i & (t.capacity - 1)], 1);
    }
    see(seen, t.kept, t.n_kept);
    see(seen, t.bag, t.n_bag);
    see(going, t.going, t.n_going);
    for (uint32_t i = 0; i < t.chunks; i++) {
        IL_EXPECT(seen[i] <= 1 && aside[i] <= 1);
        IL_EXPECT(seen[i] + aside[i] <= 1 || t.pool.side.lock != 0); // who has the lock may be moving it
        IL_EXPECT(seen[i] + aside[i] + going[i] >= 1);
    }
}

/* ---- the owner ---- */

static void hand_over(uint32_t n)
{
    t.n_kept = mr_pool_alloc(&t.pool, &t.pool.small, t.kept, n);
    mr_point("taken");
    for (; t.n_kept != 0;) {
        t.bag[t.n_bag++] = t.kept[--t.n_kept];
    }
}

static void keep_and_free(uint32_t n)
{
    t.n_kept = mr_pool_alloc(&t.pool, &t.pool.small, t.kept, n);
    mr_point("kept");
    n = t.n_kept;
    t.n_kept = 0;
    mr_pool_free(&t.pool, t.kept, n);
}

static void own(void *arg)
{
    (void)arg;
    for (const struct op *o = t.ops[0]; o < t.ops[0] + OPS && o->what != NOTHING; o++) {
        switch (o->what) {
        case HAND_OVER:
            hand_over(o->n);
            break;
        case KEEP_AND_FREE:
            keep_and_free(o->n);
            break;
        case GATHER:
            mr_pool_gather(&t.pool);
            break;
        default:
            mr_pool_gather_side(&t.pool);
        }
    }
}

/* ---- the other one ---- */

static void free_some(const struct op *o)
{
    uint32_t n = o->n < t.n_bag ? o->n : t.n_bag;
    if (n == 0) {
        return;
    }
    memcpy(t.going, t.bag + t.n_bag - n, n * sizeof *t.going);
    t.n_going = n;
    t.n_bag -= n;
    if (o->what == SIDE) {
        mr_pool_side_free(&t.pool, t.going, n);
    } else {
        mr_recycle_put(&t.recycle, t.going, n);
    }
    t.n_going = 0;
}

static void free_all(void *arg)
{
    (void)arg;
    for (const struct op *o = t.ops[1]; o < t.ops[1] + OPS && o->what != NOTHING; o++) {
        mr_point("free");
        free_some(o);
    }
}

static void end(void *arg)
{
    (void)arg;
    mr_recycle_put(&t.recycle, t.bag, t.n_bag);
    t.n_bag = 0;
    mr_pool_gather(&t.pool);
    mr_pool_gather_side(&t.pool);
    check(NULL);
    IL_EXPECT(t.pool.small.count == t.chunks);
    IL_EXPECT(t.pool.side.lock == 0);
}

static uint64_t play(void)
{
    static char name[96];
    const struct il_scene scene = {name, begin, {own, free_all}, check, end, NULL};
    uint64_t schedules = 0;
    for (size_t o = 0; o < sizeof owners / sizeof *owners; o++) {
        for (size_t f = 0; f < sizeof others / sizeof *others; f++) {
            t.ops[0] = owners[o];
            t.ops[1] = others[f];
            snprintf(name, sizeof name, "capacity %u, start %u, lazy %u, owner %zu, other %zu", t.capacity, t.start, t.lazy, o, f);
            schedules += il_explore(&scene);
        }
    }
    return schedules;
}

int main(void)
{
    const uint32_t starts[] = {0, UINT32_MAX};
    uint64_t all = 0;
    for (t.capacity = 2; t.capacity <= CHUNKS_MAX; t.capacity *= 2) {
        t.chunks = t.capacity;
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
            t.start = starts[s];
            for (t.lazy = 1; t.lazy <= 2; t.lazy++) {
                all += play();
            }
        }
    }
    printf("%llu schedules, all of them\n", (unsigned long long)all);
    return 0;
}
