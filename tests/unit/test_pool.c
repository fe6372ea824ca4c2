#include <criterion/criterion.h>
#include <millrace/pool.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { HOMES = 3, SMALL = 40, BIG = 8, PER_HOME = SMALL + BIG, STRIDE = 39, BIG_STRIDE = 1089 };
enum { HOME_LINES = SMALL * STRIDE + BIG * BIG_STRIDE };

/* Three homes side by side, each with both classes, and one core per home that may free any chunk. */
struct homes {
    struct mr_pool pool[HOMES];
    struct mr_recycle core[HOMES];
    uint32_t small[HOMES][SMALL], big[HOMES][BIG], side[HOMES][PER_HOME];
};
static struct homes h;

static void init_home(uint32_t i)
{
    uint32_t first = i * HOME_LINES, big_first = first + SMALL * STRIDE;
    struct mr_pool *p = &h.pool[i];
    mr_pool_init(p, NULL, first, big_first, first + HOME_LINES, h.small[i], SMALL, h.big[i], BIG, h.side[i]);
    for (uint32_t k = 0; k < PER_HOME; k++) {
        uint32_t chunk = k < SMALL ? first + k * STRIDE : big_first + (k - SMALL) * BIG_STRIDE;
        mr_pool_free(p, &chunk, 1);
    }
}

static struct mr_ring *recycle_ring(struct mr_pool *p)
{
    void *memory = aligned_alloc(MR_LINE_PAIR, mr_ring_bytes(64, 4));
    p->recycle[p->n_recycle] = mr_ring_init(memory, 64, 4, 0, 0);
    return p->recycle[p->n_recycle++];
}

static void setup(void)
{
    for (uint32_t i = 0; i < HOMES; i++) {
        init_home(i);
    }
    for (uint32_t core = 0; core < HOMES; core++) {
        h.core[core].n_homes = HOMES;
        for (uint32_t i = 0; i < HOMES; i++) {
            h.core[core].homes[i].first = h.pool[i].first;
            h.core[core].homes[i].end = h.pool[i].end;
            h.core[core].homes[i].own = i == core ? &h.pool[i] : NULL;
            h.core[core].homes[i].ring = i == core ? NULL : recycle_ring(&h.pool[i]);
        }
    }
}

TestSuite(pool, .init = setup);

Test(pool, the_chunk_freed_last_is_taken_first)
{
    struct mr_pool *p = &h.pool[0];
    uint32_t chunks[4], again[4];
    cr_assert_eq(mr_pool_alloc(p, &p->small, chunks, 4), 4);
    mr_pool_free(p, chunks, 4);
    cr_assert_eq(mr_pool_alloc(p, &p->small, again, 1), 1);
    cr_expect_eq(again[0], chunks[3]);
}

Test(pool, an_empty_list_gives_what_it_has)
{
    struct mr_pool *p = &h.pool[1];
    uint32_t chunks[SMALL + 9];
    cr_expect_eq(mr_pool_alloc(p, &p->small, chunks, SMALL + 9), SMALL);
    cr_expect_eq(mr_pool_alloc(p, &p->small, chunks, 1), 0);
    cr_expect_eq(mr_pool_alloc(p, &p->big, chunks, BIG + 9), BIG, "the other class has its own list");
}

Test(pool, a_chunk_goes_back_to_its_class)
{
    struct mr_pool *p = &h.pool[2];
    uint32_t mixed[6];
    cr_assert_eq(mr_pool_alloc(p, &p->small, mixed, 3), 3);
    cr_assert_eq(mr_pool_alloc(p, &p->big, mixed + 3, 3), 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_lt(mixed[i], p->big_first);
        cr_expect_geq(mixed[3 + i], p->big_first);
    }
    uint32_t order[6] = {mixed[3], mixed[0], mixed[4], mixed[1], mixed[2], mixed[5]};
    mr_pool_free(p, order, 6);
    cr_expect_eq(p->small.count, SMALL);
    cr_expect_eq(p->big.count, BIG);
    cr_expect_eq(p->big.items[BIG - 1], mixed[5]);
}

Test(pool, chunks_of_several_homes_go_each_to_its_own)
{
    uint32_t chunks[9];
    for (uint32_t i = 0; i < HOMES; i++) {
        cr_assert_eq(mr_pool_alloc(&h.pool[i], &h.pool[i].small, chunks + 3 * i, 3), 3);
    }
    uint32_t order[9] = {chunks[3], chunks[4], chunks[0], chunks[6], chunks[1], chunks[2], chunks[7], chunks[8], chunks[5]};
    mr_recycle_put(&h.core[0], order, 9);
    cr_expect_eq(h.pool[0].small.count, SMALL, "one's own come home at once");
    cr_expect_eq(h.pool[1].small.count, SMALL - 3, "others' wait in the ring");
    cr_expect_eq(mr_pool_gather(&h.pool[1]), 3);
    cr_expect_eq(mr_pool_gather(&h.pool[2]), 3);
    cr_expect_eq(h.pool[1].small.count, SMALL);
    cr_expect_eq(h.pool[2].small.count, SMALL);
    cr_expect_eq(mr_pool_gather(&h.pool[2]), 0);
}

/* The first chunk of a home is the number at which the one before it ends. */
Test(pool, a_run_ends_at_the_border_of_its_home)
{
    uint32_t all[HOMES][SMALL];
    for (uint32_t i = 0; i < HOMES; i++) {
        cr_assert_eq(mr_pool_alloc(&h.pool[i], &h.pool[i].small, all[i], SMALL), SMALL);
    }
    uint32_t order[3] = {h.pool[0].first, h.pool[1].first, h.pool[2].first};
    mr_recycle_put(&h.core[2], order, 3);
    cr_expect_eq(mr_pool_gather(&h.pool[0]), 1);
    cr_expect_eq(mr_pool_gather(&h.pool[1]), 1);
    cr_expect_eq(h.pool[2].small.count, 1);
}

Test(pool, alloc_gathers_when_it_runs_low)
{
    struct mr_pool *p = &h.pool[0];
    uint32_t chunks[SMALL];
    cr_assert_eq(mr_pool_alloc(p, &p->small, chunks, SMALL), SMALL);
    mr_recycle_put(&h.core[1], chunks, SMALL);
    cr_expect_eq(p->small.count, 0);
    cr_expect_eq(mr_pool_take(p, &p->small, 5), 5);
    cr_expect_eq(p->small.count, SMALL);
    cr_expect_eq(mr_pool_alloc(p, &p->small, chunks, SMALL), SMALL);
}

Test(pool, one_home_of_ones_own_needs_no_ring)
{
    static struct mr_recycle r;
    struct mr_pool *p = &h.pool[0];
    uint32_t chunks[4];
    r.n_homes = 1;
    r.homes[0].own = p; /* no range: it must not be looked at */
    cr_assert_eq(mr_pool_alloc(p, &p->small, chunks, 4), 4);
    mr_recycle_put(&r, chunks, 4);
    cr_expect_eq(p->small.count, SMALL);
}

Test(pool, the_side_list_is_emptied_by_the_owner_who_never_waits)
{
    struct mr_pool *p = &h.pool[0];
    uint32_t chunks[6];
    mr_pool_alloc(p, &p->small, chunks, 4);
    mr_pool_alloc(p, &p->big, chunks + 4, 2);
    mr_pool_side_free(p, chunks, 3);
    mr_pool_side_free(p, chunks + 3, 3);
    p->side.lock = 1; /* somebody is in there */
    cr_expect_eq(mr_pool_gather_side(p), 0);
    p->side.lock = 0;
    cr_expect_eq(mr_pool_gather_side(p), 6);
    cr_expect_eq(p->small.count, SMALL);
    cr_expect_eq(p->big.count, BIG);
    cr_expect_eq(mr_pool_gather_side(p), 0);
    cr_expect_eq(p->side.lock, 0, "the lock is free again");
}

static void expect_each_once(void)
{
    static unsigned char seen[HOMES * HOME_LINES];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < HOMES; i++) {
        cr_assert(h.pool[i].small.count == SMALL && h.pool[i].big.count == BIG);
        for (uint32_t k = 0; k < PER_HOME; k++) {
            uint32_t chunk = k < SMALL ? h.small[i][k] : h.big[i][k - SMALL];
            cr_assert(chunk >= h.pool[i].first && chunk < h.pool[i].end && !seen[chunk], "chunk %u", chunk);
            seen[chunk] = 1;
        }
    }
}

/* Chunks wander between the cores, are freed anywhere and on the side; at the end each is home, once. */
Test(pool, no_chunk_is_lost_or_doubled, .timeout = 30)
{
    static uint32_t bag[HOMES * PER_HOME];
    uint32_t n = 0;
    srand(7);
    for (int step = 0; step < 20000; step++) {
        struct mr_pool *p = &h.pool[rand() % HOMES];
        uint32_t k = (uint32_t)rand() % 12;
        switch (rand() % 4) {
        case 0:
        case 1:
            n += mr_pool_alloc(p, rand() % 3 ? &p->small : &p->big, bag + n, k);
            break;
        case 2:
            k = k < n ? k : n;
            mr_recycle_put(&h.core[rand() % HOMES], bag + n - k, k);
            n -= k;
            break;
        default:
            if (n != 0 && bag[n - 1] >= p->first && bag[n - 1] < p->end) {
                mr_pool_side_free(p, bag + --n, 1);
            }
            mr_pool_gather_side(p);
        }
    }
    mr_recycle_put(&h.core[0], bag, n);
    for (uint32_t i = 0; i < HOMES; i++) {
        mr_pool_gather(&h.pool[i]);
        mr_pool_gather_side(&h.pool[i]);
    }
    expect_each_once();
}

/* The owner map and the poison, called by hand so that they are tested in every build. */
static struct mr_pool d;
static uint32_t d_chunks[2] = {0, STRIDE};

static void debug_setup(void)
{
    static uint32_t items[2], side[2];
    static unsigned char memory[2 * MR_CHUNK_STRIDE] MR_ALIGNED(64), owners[2 * STRIDE];
    mr_pool_init(&d, memory, 0, 2 * STRIDE, 2 * STRIDE, items, 2, NULL, 0, side);
    d.small_bytes = MR_CHUNK_STRIDE;
    d.owners = owners;
    mr_chunks_copy(items, d_chunks, 2);
    d.small.count = 2; // the lists stay so: only the map is looked at
    mr_pool_debug_start(&d);
}

static void debug_end(void)
{
    mr_pool_debug_end(&d);
}

TestSuite(pool_debug, .init = debug_setup, .fini = debug_end);

/* As the kernel does: not seen by AddressSanitizer. */
__attribute__((no_sanitize_address, noinline)) static void write_unseen(uint32_t chunk, uint32_t at, unsigned char byte)
{
    mr_chunk_at(d.base, chunk)[at] = byte;
}

__attribute__((no_sanitize_address, noinline)) static unsigned char read_unseen(uint32_t chunk, uint32_t at)
{
    return mr_chunk_at(d.base, chunk)[at];
}

Test(pool_debug, right_use_passes)
{
    mr_pool_debug_alloc(&d, d_chunks, 2);
    memset(mr_chunk_at(d.base, STRIDE) + MR_CHUNK_DATA, 1, MR_CHUNK_STRIDE - MR_CHUNK_DATA);
    mr_pool_debug_free(&d, d_chunks, 2);
    cr_expect_eq(read_unseen(STRIDE, MR_CHUNK_DATA), 0xDB);
    cr_expect_eq(read_unseen(STRIDE, MR_CHUNK_BUF), 0xDB);
    mr_pool_debug_alloc(&d, d_chunks + 1, 1);
}

Test(pool_debug, freed_twice, .signal = SIGABRT)
{
    mr_pool_debug_free(&d, d_chunks + 1, 1);
}

Test(pool_debug, taken_twice, .signal = SIGABRT)
{
    mr_pool_debug_alloc(&d, d_chunks, 1);
    mr_pool_debug_alloc(&d, d_chunks, 1);
}

Test(pool_debug, written_after_free, .signal = SIGABRT)
{
    write_unseen(STRIDE, MR_CHUNK_STRIDE - 1, 0);
    mr_pool_debug_alloc(&d, d_chunks, 2);
}

Test(pool_debug, written_before_the_data_after_free, .signal = SIGABRT)
{
    write_unseen(0, MR_CHUNK_DATA - 1, 0);
    mr_pool_debug_alloc(&d, d_chunks, 1);
}

Test(pool_debug, header_written_after_free, .signal = SIGABRT)
{
    write_unseen(0, MR_CHUNK_META, 77);
    mr_pool_debug_alloc(&d, d_chunks, 1);
}

#ifdef __SANITIZE_ADDRESS__
Test(pool_debug, the_sanitizer_sees_a_write_after_free, .exit_code = 1)
{
    mr_chunk_at(d.base, 0)[MR_CHUNK_DATA] = 1;
}
#endif

/* One owner: out of a ring, and into one, only by who has it. */
static struct mr_recycle d_recycle;

static struct mr_frame frame_of(uint32_t chunk)
{
    d_recycle.n_homes = 1;
    d_recycle.homes[0].end = d.end;
    d_recycle.homes[0].pool = &d;
    return (struct mr_frame){.chunk = chunk};
}

static void walk(enum mr_owner to)
{
    static const enum mr_owner way[] = {MR_OWNER_PORT, MR_OWNER_RING, MR_OWNER_WORK, MR_OWNER_RING, MR_OWNER_SENDER};
    struct mr_frame f = frame_of(STRIDE);
    mr_pool_debug_alloc(&d, d_chunks + 1, 1);
    for (uint32_t i = 1; i < sizeof way / sizeof *way && way[i - 1] != to; i++) {
        mr_pool_debug_hand(&d_recycle, &f, 1, way[i - 1], way[i]);
    }
}

Test(pool_debug, the_way_of_a_frame_passes)
{
    walk(MR_OWNER_SENDER);
    mr_pool_debug_homing(&d, d_chunks + 1, 1);
    mr_pool_debug_free(&d, d_chunks + 1, 1);
    mr_pool_debug_alloc(&d, d_chunks + 1, 1);
}

Test(pool_debug, sent_twice, .signal = SIGABRT)
{
    struct mr_frame f = frame_of(STRIDE);
    walk(MR_OWNER_SENDER);
    mr_pool_debug_hand(&d_recycle, &f, 1, MR_OWNER_RING, MR_OWNER_SENDER);
}

Test(pool_debug, taken_out_of_a_ring_that_has_it_not, .signal = SIGABRT)
{
    struct mr_frame f = frame_of(STRIDE);
    walk(MR_OWNER_PORT);
    mr_pool_debug_hand(&d_recycle, &f, 1, MR_OWNER_RING, MR_OWNER_WORK);
}

Test(pool_debug, freed_while_it_lies_in_a_ring, .signal = SIGABRT)
{
    walk(MR_OWNER_RING);
    mr_pool_debug_free(&d, d_chunks + 1, 1);
}

Test(pool_debug, sent_home_twice, .signal = SIGABRT)
{
    walk(MR_OWNER_WORK);
    mr_pool_debug_homing(&d, d_chunks + 1, 1);
    mr_pool_debug_homing(&d, d_chunks + 1, 1);
}

Test(pool_debug, a_number_inside_a_chunk, .signal = SIGABRT)
{
    struct mr_frame f = frame_of(STRIDE + 1);
    walk(MR_OWNER_PORT);
    mr_pool_debug_hand(&d_recycle, &f, 1, MR_OWNER_PORT, MR_OWNER_RING);
}

Test(pool_debug, freed_to_a_foreign_home, .signal = SIGABRT)
{
    uint32_t foreign = 2 * STRIDE;
    mr_pool_debug_free(&d, &foreign, 1);
}
