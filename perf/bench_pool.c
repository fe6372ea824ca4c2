/* bench_pool: our pool against DPDK's mempool with its caches, in bursts of 32: taken and given back by one core; taken
 * by one and given back by another (ours goes home through the recycle ring). Then what the distance between chunks
 * costs: header line and first data line of each chunk written as a receiving driver would and read as a sending one
 * would, at our stride against a power of two, for the chunks of one burst and for as many as a driver has posted. */
#include "perf/harness.h"
#include "perf/pool_lane.h"

#include <millrace/pool.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { REPETITION_US = 3000, QUICK_US = 1500, FIRST = 64 * POOL_BURST, HUGE_PAGE = 2 << 20, POSTED = 1024 };

/* ---- ours ---- */

static struct mr_pool pool;
static struct mr_recycle far;
static uint32_t small_items[POOL_CHUNKS] MR_ALIGNED(MR_LINE_PAIR), side_items[POOL_CHUNKS];

static uint32_t chunk_of(uint32_t i)
{
    return i * (MR_CHUNK_STRIDE / MR_CACHE_LINE);
}

static bool ours_open(void)
{
    uint32_t end = chunk_of(POOL_CHUNKS);
    void *memory = aligned_alloc(MR_LINE_PAIR, mr_ring_bytes(POOL_CHUNKS, sizeof(uint32_t)));
    if (memory == NULL) {
        return false;
    }
    mr_pool_init(&pool, NULL, 0, end, end, small_items, POOL_CHUNKS, NULL, 0, side_items);
    for (uint32_t i = 0; i < POOL_CHUNKS; i++) {
        pool.small.items[pool.small.count++] = chunk_of(i);
    }
    pool.recycle[pool.n_recycle++] = mr_ring_init(memory, POOL_CHUNKS, sizeof(uint32_t), 0, 0);
    far.n_homes = 1;
    far.homes[0].end = end;
    far.homes[0].ring = pool.recycle[0];
    return true;
}

LANE_INLINE void ours_turn(uint32_t n)
{
    uint32_t chunks[POOL_BURST] MR_ALIGNED(MR_CACHE_LINE); // else the figure depends on where it happens to lie
    n = mr_pool_alloc(&pool, &pool.small, chunks, n);
    __asm__ __volatile__("" : : "r"(chunks) : "memory"); // they are used
    mr_pool_free(&pool, chunks, n);
}

LANE_INLINE uint32_t ours_take(void *to, uint32_t n)
{
    return mr_pool_alloc(&pool, &pool.small, (uint32_t *)to, n);
}

LANE_INLINE void ours_give(const void *from, uint32_t n)
{
    mr_recycle_put(&far, (const uint32_t *)from, n);
}

static bool ours_whole(void)
{
    mr_pool_gather(&pool);
    return pool.small.count == POOL_CHUNKS;
}

static void ours_close(void)
{
    free(pool.recycle[0]);
}

POOL_KIND(ours, "ours", sizeof(uint32_t))

/* ---- pools ---- */

struct cell {
    const struct pool_kind *kind;
    uint64_t frames;
};

static struct pool_lane lane = {.burst = POOL_BURST};
static void *wire; /* memory for the ring between the two */
static const struct pool_kind *now;

/* So many that a repetition takes about the same time whatever the pool. */
static uint64_t frames_for(const struct bench *b, double per_ns)
{
    double frames = per_ns * 1000 * (b->quick ? QUICK_US : REPETITION_US);
    return frames < FIRST ? FIRST : (uint64_t)frames / POOL_BURST * POOL_BURST;
}

static void local_side(void *arg)
{
    (void)arg;
    now->local(&lane);
}

static void take_side(void *arg)
{
    (void)arg;
    now->take(&lane);
}

static void give_side(void *arg)
{
    (void)arg;
    now->give(&lane);
}

/* Million frames a second; every chunk must be back in the end. */
static double move(struct bench *b, struct cell *c, bool two)
{
    now = c->kind;
    lane.frames = c->frames;
    lane.wire = mr_ring_init(wire, POOL_WIRE, now->esz, 0, 0);
    double ns = two ? bench_both(b, take_side, give_side, NULL) : bench_here(b, local_side, NULL);
    double per_ns = (double)c->frames / ns;
    c->frames = frames_for(b, per_ns);
    return now->whole() ? per_ns * 1e3 : -1;
}

static double on_one(struct bench *b, void *arg)
{
    return move(b, arg, false);
}

static double over_two(struct bench *b, void *arg)
{
    return move(b, arg, true);
}

/* ---- strides ---- */

struct stride {
    uint32_t bytes, chunks; /* chunks: a power of two, used in turn */
    uint64_t bursts;
    uint32_t at;
    uint64_t sum;
};

static unsigned char *memory; /* for POSTED chunks at either stride */

static void touch(void *arg)
{
    struct stride *s = arg;
    for (uint64_t k = 0; k < s->bursts; k++) {
        for (uint32_t i = 0; i < POOL_BURST; i++) {
            unsigned char *chunk = memory + (size_t)((s->at + i) & (s->chunks - 1)) * s->bytes;
            *(uint64_t *)(chunk + MR_CHUNK_META) = k;
            *(uint64_t *)(chunk + MR_CHUNK_DATA) = i;
        }
        for (uint32_t i = 0; i < POOL_BURST; i++) {
            unsigned char *chunk = memory + (size_t)((s->at + i) & (s->chunks - 1)) * s->bytes;
            s->sum += *(uint64_t *)(chunk + MR_CHUNK_META) + *(uint64_t *)(chunk + MR_CHUNK_DATA);
        }
        s->at += POOL_BURST;
    }
}

/* Nanoseconds per frame. */
static double touched(struct bench *b, void *arg)
{
    struct stride *s = arg;
    uint64_t burst_sum = POOL_BURST * (POOL_BURST - 1) / 2;
    s->sum = 0;
    double ns = bench_here(b, touch, s);
    bool right = s->sum == s->bursts * burst_sum + POOL_BURST * (s->bursts * (s->bursts - 1) / 2);
    double per_frame = ns / (double)(s->bursts * POOL_BURST);
    s->bursts = frames_for(b, 1 / per_frame) / POOL_BURST;
    return right ? per_frame : -1;
}

/* ---- cases ---- */

static void add_pools(struct bench *b)
{
    static struct cell cells[2 * BENCH_CELLS_MAX];
    struct bench_case *one = bench_add(b, false, "M/s", BENCH_HIGHER, "burst 32, one core");
    struct bench_case *two = bench_add(b, true, "M/s", BENCH_HIGHER, "burst 32, given back by another core");
    const struct pool_kind *kind = &ours;
    uint32_t n = 0;
    for (int i = 0; kind != NULL; kind = pool_peers[i++]) {
        if (!kind->open()) {
            bench_said(b, "%s does not start here: left out", kind->name);
            continue;
        }
        cells[n] = cells[n + 1] = (struct cell){kind, FIRST};
        bench_cell(one, kind->name, on_one, &cells[n++]);
        bench_cell(two, kind->name, over_two, &cells[n++]);
    }
}

static void add_strides(struct bench *b)
{
    static struct stride strides[] = {{MR_CHUNK_STRIDE, POOL_BURST, 1, 0, 0},
                                      {2048, POOL_BURST, 1, 0, 0},
                                      {MR_CHUNK_STRIDE, POSTED, 1, 0, 0},
                                      {2048, POSTED, 1, 0, 0}};
    for (uint32_t i = 0; i < 4; i += 2) {
        struct bench_case *c =
            bench_add(b, false, "ns/frame", BENCH_LOWER, "header and data, %u chunks", strides[i].chunks);
        bench_cell(c, "stride 2496", touched, &strides[i]);
        bench_cell(c, "stride 2048", touched, &strides[i + 1]);
    }
}

static bool make_memory(void)
{
    size_t bytes = ((size_t)POSTED * MR_CHUNK_STRIDE + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    wire = aligned_alloc(MR_LINE_PAIR, mr_ring_bytes(POOL_WIRE, sizeof(uint64_t)));
    memory = aligned_alloc(HUGE_PAGE, bytes);
    if (wire == NULL || memory == NULL) {
        return false;
    }
    madvise(memory, bytes, MADV_HUGEPAGE); // without: the sets of the second-level cache are drawn by lot
    memset(memory, 0, bytes);
    return true;
}

int main(int argc, char **argv)
{
    struct bench b;
    int rc = bench_init(&b, "bench_pool", argc, argv);
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; pool_peers_missing[i] != NULL; i++) {
        bench_said(&b, "%s was not found when this was built: left out", pool_peers_missing[i]);
    }
    if (!make_memory()) {
        return 1;
    }
    add_pools(&b);
    add_strides(&b);
    rc = bench_finish(&b);
    const struct pool_kind *kind = &ours;
    for (int i = 0; kind != NULL; kind = pool_peers[i++]) {
        kind->close();
    }
    free(wire);
    free(memory);
    return rc;
}
