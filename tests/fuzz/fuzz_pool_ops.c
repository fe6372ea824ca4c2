/* fuzz_pool_ops.c: two cores and a control thread that take chunks and give them back, in any order, against a plain
 * table of who has which. One home or two, each owned by a core; the other core sends chunks home by its ring, control by
 * the side list. No chunk is ever in two places, and each list is as long as the table says. */
#include "tests/fuzz/fuzz.h"

#include <millrace/pool.h>

enum { SMALL = 12, BIG = 3, PER_HOME = SMALL + BIG, LINES = 7, BIG_LINES = 9, OPS_MAX = 4096, AT_ONCE = 8 };
enum { HOME_LINES = SMALL * LINES + BIG * BIG_LINES, HOMES = 2, RING = 16 };

enum place { FREE, IN_RING, ON_SIDE, IN_HAND };

struct home {
    struct mr_pool pool;
    uint32_t small[SMALL], big[BIG], side[PER_HOME];
    enum place place[PER_HOME];
    uint8_t owners[HOME_LINES];
    uint64_t ring[(sizeof(struct mr_ring) + RING * 4) / 8] MR_ALIGNED(MR_LINE_PAIR);
};

struct world {
    uint32_t n_homes;
    struct home home[HOMES];
    struct mr_recycle core[2];
    unsigned char memory[HOMES * HOME_LINES * MR_CACHE_LINE] MR_ALIGNED(MR_LINE_PAIR);
};

static uint32_t chunk_of(uint32_t home, uint32_t i)
{
    uint32_t first = home * HOME_LINES;
    return i < SMALL ? first + i * LINES : first + SMALL * LINES + (i - SMALL) * BIG_LINES;
}

static enum place *place_of(struct world *w, uint32_t chunk, uint32_t *home)
{
    for (*home = 0; *home < w->n_homes; ++*home) {
        for (uint32_t i = 0; i < PER_HOME; i++) {
            if (chunk_of(*home, i) == chunk) {
                return &w->home[*home].place[i];
            }
        }
    }
    FUZZ_CHECK(0, "chunk %u is nobody's", chunk);
    return NULL;
}

static uint32_t count(const struct home *h, enum place place, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        n += h->place[i] == place;
    }
    return n;
}

static void move(struct home *h, enum place from, enum place to)
{
    for (uint32_t i = 0; i < PER_HOME; i++) {
        h->place[i] = h->place[i] == from ? to : h->place[i];
    }
}

/* Core c owns home c, if there is one; into each other home it has a ring. */
static void make_home(struct world *w, uint32_t i)
{
    struct home *h = &w->home[i];
    uint32_t first = i * HOME_LINES;
    struct mr_pool *p = &h->pool;
    mr_pool_init(p, w->memory, first, first + SMALL * LINES, first + HOME_LINES, h->small, SMALL, h->big, BIG, h->side);
    p->small_bytes = LINES * MR_CACHE_LINE;
    p->big_bytes = BIG_LINES * MR_CACHE_LINE;
    p->recycle[p->n_recycle++] = mr_ring_init(h->ring, RING, 4, 0, UINT32_MAX - 40);
    for (uint32_t k = 0; k < PER_HOME; k++) {
        uint32_t chunk = chunk_of(i, k);
        mr_pool_free(p, &chunk, 1);
    }
#ifdef MR_POOL_DEBUG
    p->owners = h->owners;
    mr_pool_debug_start(p);
#endif
    for (uint32_t c = 0; c < 2; c++) {
        struct mr_recycle *r = &w->core[c];
        r->homes[r->n_homes].first = first;
        r->homes[r->n_homes].end = first + HOME_LINES;
        r->homes[r->n_homes].pool = p;
        r->homes[r->n_homes].own = c == i ? p : NULL;
        r->homes[r->n_homes++].ring = c == i ? NULL : p->recycle[0];
    }
}

static void alloc(struct world *w, uint32_t home, uint32_t n, int big)
{
    struct home *h = &w->home[home];
    uint32_t chunks[PER_HOME];
    uint32_t from = big ? SMALL : 0, to = big ? PER_HOME : SMALL;
    uint32_t owner;
    if (count(h, FREE, from, to) < n) {
        move(h, IN_RING, FREE);
    }
    uint32_t sure = fuzz_least(n, count(h, FREE, from, to));
    uint32_t got = mr_pool_alloc(&h->pool, big ? &h->pool.big : &h->pool.small, chunks, n);
    FUZZ_CHECK(got == sure, "alloc(%u) gave %u of %u", n, got, sure);
    for (uint32_t i = 0; i < got; i++) {
        enum place *place = place_of(w, chunks[i], &owner);
        FUZZ_CHECK(owner == home && (chunks[i] >= h->pool.big_first) == (big != 0), "chunk %u is of another kind", chunks[i]);
        FUZZ_CHECK(*place == FREE, "chunk %u is in two places", chunks[i]);
        *place = IN_HAND;
        memset(mr_chunk_at(w->memory, chunks[i]) + MR_CHUNK_BUF, (int)i,
               (big ? h->pool.big_bytes : h->pool.small_bytes) - MR_CHUNK_BUF);
    }
}

/* Up to n of the chunks in hand, those of all homes, from the start-th on. */
static uint32_t pick(struct world *w, uint32_t start, uint32_t n, uint32_t *chunks)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < w->n_homes * PER_HOME && k < n; i++) {
        uint32_t at = (start + i) % (w->n_homes * PER_HOME);
        if (w->home[at / PER_HOME].place[at % PER_HOME] == IN_HAND) {
            chunks[k++] = chunk_of(at / PER_HOME, at % PER_HOME);
        }
    }
    return k;
}

static void put(struct world *w, uint32_t core, uint32_t start, uint32_t n)
{
    uint32_t chunks[AT_ONCE];
    uint32_t home;
    n = pick(w, start, n, chunks);
    for (uint32_t i = 0; i < n; i++) {
        enum place *place = place_of(w, chunks[i], &home);
        *place = home == core ? FREE : IN_RING;
    }
    mr_recycle_put(&w->core[core], chunks, n);
}

static void side_free(struct world *w, uint32_t start, uint32_t n)
{
    uint32_t chunks[AT_ONCE];
    uint32_t home;
    n = pick(w, start, n, chunks);
    for (uint32_t i = 0; i < n; i++) {
        *place_of(w, chunks[i], &home) = ON_SIDE;
        mr_pool_side_free(&w->home[home].pool, &chunks[i], 1);
    }
}

static void gather(struct world *w, uint32_t home, int side)
{
    struct home *h = &w->home[home];
    enum place from = side ? ON_SIDE : IN_RING;
    uint32_t sure = count(h, from, 0, PER_HOME);
    uint32_t got = side ? mr_pool_gather_side(&h->pool) : mr_pool_gather(&h->pool);
    FUZZ_CHECK(got == sure, "%u came home of %u", got, sure);
    move(h, from, FREE);
}

static void check(const struct home *h)
{
    FUZZ_CHECK(h->pool.small.count == count(h, FREE, 0, SMALL), "%u small on the list", h->pool.small.count);
    FUZZ_CHECK(h->pool.big.count == count(h, FREE, SMALL, PER_HOME), "%u big on the list", h->pool.big.count);
    FUZZ_CHECK(mr_ring_held(h->pool.recycle[0]) == count(h, IN_RING, 0, PER_HOME), "what is in the ring");
    FUZZ_CHECK(h->pool.side.count == count(h, ON_SIDE, 0, PER_HOME), "%u on the side list", h->pool.side.count);
}

static void step(struct world *w, struct fuzz *f)
{
    uint32_t op = fuzz_below(f, 7), who = fuzz_below(f, 2), home = who % w->n_homes;
    uint32_t n = fuzz_below(f, AT_ONCE + 1);
    switch (op) {
    case 0:
    case 1:
        alloc(w, home, n, (int)op);
        break;
    case 2:
    case 3:
        put(w, who, fuzz_u8(f), n);
        break;
    case 4:
        side_free(w, fuzz_u8(f), n);
        break;
    default:
        gather(w, home, op == 6);
        break;
    }
    for (uint32_t i = 0; i < w->n_homes; i++) {
        check(&w->home[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct world w;
    struct fuzz f = {data, bytes};
    memset(&w, 0, sizeof w);
    w.n_homes = 1 + fuzz_below(&f, HOMES);
    for (uint32_t i = 0; i < w.n_homes; i++) {
        make_home(&w, i);
    }
    for (uint32_t i = 0; i < OPS_MAX && f.left != 0; i++) {
        step(&w, &f);
    }
    for (uint32_t i = 0; i < w.n_homes; i++) {
        mr_pool_debug_end(&w.home[i].pool);
    }
    return 0;
}
