/* Chunks between two cores that each own a home, and a third thread that is no core.
 *
 *        core 0 ══wire══▶ core 1      each receives what the other sends and frees it: a chunk goes home
 *               ◀══wire══             by the recycle ring, or, handed to the third thread, by the side list
 *
 * Who holds a chunk writes its name into it by plain stores, so that ThreadSanitizer sees any hand-over that is not
 * ordered; a chunk that two hold at once has the wrong name in it. At the end all are home, each once. */
#include "stress.h"

#include <millrace/pool.h>

enum { CORES = 2, CHUNKS = 512, STRIDE = 3, BIG_FIRST = 384, BURST_MAX = 48, SENDS = 8000000, NOBODY = 0, STRANGER = 9 };

struct core {
    struct mr_pool pool;
    struct mr_recycle recycle;
    struct mr_ring *in;       /* frames from the other core */
    struct mr_ring *out;      /* to the other core */
    struct mr_ring *stranger; /* to the thread that is no core */
    uint32_t name;
    uint32_t done; /* written by this core, read by the others */
    uint32_t small[CHUNKS], big[CHUNKS], side[CHUNKS];
};

static struct core cores[CORES];
static unsigned char *arena;

/* The holder's name: first word of each chunk. */
static void pass(uint32_t chunk, uint32_t from, uint32_t to)
{
    uint32_t *holder = (uint32_t *)(void *)mr_chunk_at(arena, chunk);
    EXPECT(*holder == from, "chunk %u: held by %u, not by %u", chunk, *holder, from);
    *holder = to;
}

static struct mr_ring *make_ring(void)
{
    return mr_ring_init(stress_memory(MR_LINE_PAIR, mr_ring_bytes(CHUNKS, 4)), CHUNKS, 4, 0, UINT32_MAX - 99);
}

static uint32_t send_some(struct core *c, uint32_t *seed)
{
    uint32_t chunks[BURST_MAX];
    uint32_t dice = stress_random(seed);
    uint32_t n = 1 + dice % BURST_MAX;
    uint32_t room = mr_ring_room(c->out, n);
    n = mr_pool_alloc(&c->pool, dice & 0x10000 ? &c->pool.small : &c->pool.big, chunks, n < room ? n : room);
    for (uint32_t i = 0; i < n; i++) {
        pass(chunks[i], NOBODY, c->name);
    }
    EXPECT(mr_ring_push(c->out, 4, chunks, n) == n, "no room where room was");
    return n;
}

static uint32_t receive_some(struct core *c, uint32_t *seed)
{
    void *span;
    uint32_t dice = stress_random(seed);
    uint32_t n = mr_ring_peek(c->in, 4, 1 + dice % BURST_MAX, &span);
    if (n == 0) {
        return 0;
    }
    uint32_t *chunks = span;
    uint32_t strange = dice & 0x300000 ? 0 : n / 4;
    strange = mr_ring_push(c->stranger, 4, chunks, strange);
    for (uint32_t i = strange; i < n; i++) {
        pass(chunks[i], 3 - c->name, NOBODY);
    }
    mr_recycle_put(&c->recycle, chunks + strange, n - strange);
    mr_ring_release(c->in, n);
    return n;
}

static void *core_body(void *arg)
{
    struct core *c = arg;
    struct core *other = &cores[2 - c->name];
    uint32_t seed = 77 * c->name;
    uint32_t sent = 0;
    for (uint32_t pass_no = 0;; pass_no++) {
        uint32_t moved = sent < SENDS ? send_some(c, &seed) : 0;
        sent += moved;
        mr_store_release(&c->done, sent >= SENDS);
        uint32_t others_done = mr_load_acquire(&other->done);
        moved += receive_some(c, &seed);
        if (pass_no % 16 == 0) {
            mr_pool_gather_side(&c->pool);
        }
        if (moved == 0 && sent >= SENDS && others_done) {
            mr_store_release(&c->done, 2);
            return NULL;
        }
        if (moved == 0) {
            sched_yield();
        }
    }
}

/* Frees what it is handed by the side list of the chunk's home. The sender's name is still in the chunk. */
static void stranger_body(void)
{
    for (;;) {
        uint32_t over = mr_load_acquire(&cores[0].done) == 2 && mr_load_acquire(&cores[1].done) == 2;
        uint32_t moved = 0;
        for (int i = 0; i < CORES; i++) {
            uint32_t chunks[BURST_MAX];
            uint32_t n = mr_ring_pop(cores[i].stranger, 4, chunks, BURST_MAX);
            for (uint32_t k = 0; k < n; k++) {
                struct core *home = &cores[chunks[k] >= cores[1].pool.first];
                pass(chunks[k], 2 - (uint32_t)i, NOBODY);
                mr_pool_side_free(&home->pool, &chunks[k], 1);
            }
            moved += n;
        }
        if (moved == 0 && over) {
            return;
        }
        if (moved == 0) {
            sched_yield();
        }
    }
}

static void init_cores(void)
{
    arena = stress_memory(MR_CACHE_LINE, (size_t)CORES * CHUNKS * STRIDE * MR_CACHE_LINE);
    for (uint32_t i = 0; i < CORES; i++) {
        struct core *c = &cores[i];
        uint32_t first = i * CHUNKS * STRIDE;
        c->name = i + 1;
        mr_pool_init(&c->pool, arena, first, first + BIG_FIRST * STRIDE, first + CHUNKS * STRIDE, c->small, BIG_FIRST, c->big,
                     CHUNKS - BIG_FIRST, c->side);
        for (uint32_t k = 0; k < CHUNKS; k++) {
            uint32_t chunk = first + k * STRIDE;
            mr_pool_free(&c->pool, &chunk, 1);
        }
        c->stranger = make_ring();
        c->out = cores[1 - i].in = make_ring();
        c->pool.recycle[0] = make_ring();
    }
    for (uint32_t i = 0; i < CORES; i++) {
        struct core *c = &cores[i];
        c->pool.n_recycle = 1;
        c->recycle.n_homes = CORES;
        for (uint32_t h = 0; h < CORES; h++) {
            c->recycle.homes[h].first = cores[h].pool.first;
            c->recycle.homes[h].end = cores[h].pool.end;
            c->recycle.homes[h].own = h == i ? &c->pool : NULL;
            c->recycle.homes[h].ring = h == i ? NULL : cores[h].pool.recycle[0];
        }
    }
}

static void expect_all_home(struct core *c)
{
    static unsigned char seen[CORES * CHUNKS * STRIDE];
    mr_pool_gather(&c->pool);
    mr_pool_gather_side(&c->pool);
    EXPECT(c->pool.small.count == BIG_FIRST, "%u small ones home", c->pool.small.count);
    EXPECT(c->pool.big.count == CHUNKS - BIG_FIRST, "%u big ones home", c->pool.big.count);
    for (uint32_t k = 0; k < CHUNKS; k++) {
        uint32_t chunk = k < BIG_FIRST ? c->small[k] : c->big[k - BIG_FIRST];
        EXPECT(chunk >= c->pool.first && chunk < c->pool.end && !seen[chunk]++, "chunk %u", chunk);
        pass(chunk, NOBODY, NOBODY);
    }
}

int main(void)
{
    alarm(STRESS_DEADLINE_S);
    init_cores();
    pthread_t threads[CORES] = {stress_start(core_body, &cores[0]), stress_start(core_body, &cores[1])};
    stranger_body();
    for (int i = 0; i < CORES; i++) {
        pthread_join(threads[i], NULL);
    }
    expect_all_home(&cores[0]);
    expect_all_home(&cores[1]);
    return 0;
}
