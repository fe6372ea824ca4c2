/* The built-in work functions through their contract, on a pool made here; every frame lies between guard bytes. */
#include "tests/unit/work_bench.h"

#include "lib/work/mac_table.h"

#include <errno.h>
#include <stdio.h>

enum { LEARNED, MOVED, AGED, FLOODED, REPLACED };
enum { SAME_PORT, NO_OUTPUT, BAD_SOURCE };

#define GROUP UINT64_C(0xFFFFFFFFFFFF)
#define A UINT64_C(0x02000000000A)
#define B UINT64_C(0x02000000000B)
#define C UINT64_C(0x02000000000C)

/* ---- names ---- */

Test(work, names)
{
    static const struct mr_work_ops mine = {.name = "mine"};
    static struct mr_work_ops many[64];
    static char names[64][16];
    cr_assert_str_eq(mr_work_at(0)->name, "forward");
    cr_assert_null(mr_work_find("mine"));
    cr_assert_eq(mr_work_register(&mine), 0);
    cr_assert_eq(mr_work_find("mine"), &mine);
    cr_assert_eq(mr_work_register(&mine), -EEXIST);
    cr_assert_eq(mr_work_register(mr_work_at(0)), -EEXIST);
    uint32_t n = 0;
    while (mr_work_at(n) != NULL) {
        n++;
    }
    for (uint32_t i = n; i <= 64; i++) {
        snprintf(names[i % 64], sizeof names[0], "w%u", i);
        many[i % 64].name = names[i % 64];
        cr_assert_eq(mr_work_register(&many[i % 64]), i < 64 ? 0 : -ENOSPC);
    }
}

Test(work, every_function_says_what_it_is)
{
    for (uint32_t i = 0; mr_work_at(i) != NULL; i++) {
        cr_assert(strlen(mr_work_at(i)->summary) > 10);
        cr_assert_eq(mr_work_find(mr_work_at(i)->name), mr_work_at(i));
    }
}

/* ---- copies ---- */

static void check_copy(struct bench *t, uint32_t length, uint16_t offset, uint8_t flags)
{
    uint32_t before = flags & MR_FRAME_VNET ? MR_VNET_BYTES : 0;
    struct mr_frame f = frame_at(1, length, 2);
    f.offset = offset;
    f.flags = flags;
    unsigned char *data = mr_frame_data(t->base, &f);
    for (uint32_t i = 0; i < before + length; i++) {
        (data - before)[i] = (unsigned char)(i * 31 + length);
    }
    process(t, 0);
    cr_assert(mr_burst_copy(&t->work, &t->burst, &f, 5));
    struct mr_frame *c = &t->made[0];
    unsigned char *copied = mr_frame_data(t->base, c);
    cr_assert(c->length == length && c->offset == MR_CHUNK_DATA && c->port == 5 && c->tick == f.tick && c->hash == 9);
    cr_assert_eq(c->flags, flags & ~MR_FRAME_CLONE);
    cr_assert_eq(c->chunk >= t->pool.big_first, length > MR_CHUNK_STRIDE - MR_CHUNK_DATA);
    cr_assert_eq(memcmp(copied - before, data - before, before + length), 0, "%u bytes", length);
    cr_assert_eq((copied - before)[-1], GUARD);
    cr_assert_eq(copied[length], GUARD);
    memset(data - before, GUARD, before + length);
    memset(copied - before, GUARD, before + length);
    send_home(t);
}

Test(work, copy)
{
    struct bench *t = bench_make("l2", 3);
    uint32_t lengths[] = {14, 60, 1514, 2111, 2112, 2113, 9000, 65226, 65535};
    uint32_t n = sizeof lengths / sizeof lengths[0];
    for (uint32_t i = 0; i < n; i++) {
        check_copy(t, lengths[i], MR_CHUNK_DATA, 0);
        check_copy(t, lengths[i], MR_CHUNK_DATA - 4, MR_FRAME_CSUM | MR_FRAME_VLAN);
        check_copy(t, lengths[i], MR_CHUNK_DATA + 3, MR_FRAME_SUPER | MR_FRAME_CLONE | MR_FRAME_DISTURBED);
    }
    cr_assert_eq(t->stage.made, 3 * n);
    cr_assert_eq(t->pool.small.count, CHUNKS);
    cr_assert_eq(t->pool.big.count, BIG_CHUNKS);
    bench_free(t);
}

Test(work, copy_without_chunk_or_room)
{
    struct bench *t = bench_make("l2", 3);
    struct mr_frame f = frame_at(1, 3000, 2);
    process(t, 0);
    for (uint32_t i = 0; i < BIG_CHUNKS; i++) {
        cr_assert(mr_burst_copy(&t->work, &t->burst, &f, 3));
    }
    cr_assert_not(mr_burst_copy(&t->work, &t->burst, &f, 3), "no big chunk is left");
    f.length = 60;
    t->burst.made_max = t->burst.made_n;
    cr_assert_not(mr_burst_copy(&t->work, &t->burst, &f, 3), "no room is left");
    cr_assert_eq(t->pool.small.count, CHUNKS, "and no chunk was lost over it");
    t->burst.made_max = INPUTS * 8;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        cr_assert(mr_burst_copy(&t->work, &t->burst, &f, 3));
    }
    cr_assert_not(mr_burst_copy(&t->work, &t->burst, &f, 3), "no small chunk is left");
    cr_assert_eq(t->stage.made, BIG_CHUNKS + CHUNKS + 3);
    cr_assert_eq(t->stage.drops[MR_DROP_no_chunk], 3);
    bench_free(t);
}

/* ---- simple ones ---- */

Test(work, macswap)
{
    struct bench *t = bench_make("macswap", 1);
    unsigned char want[12];
    one(t, 7, A, B);
    mac_write(want, A);
    mac_write(want + 6, B);
    cr_assert_eq(memcmp(mr_frame_data(t->base, &t->in[0]), want, 12), 0);
    cr_assert_eq(t->in[0].port, 7);
    bench_free(t);
}

Test(work, drop)
{
    struct bench *t = bench_make("drop", 0);
    cr_assert_eq(one(t, 2, A, B), MR_DROPPED | MR_DROP_work_drop);
    process(t, INPUTS);
    cr_assert_eq(t->burst.dropped, INPUTS);
    bench_free(t);
}

/* Random frames, runts among them: nothing is written outside a frame, and what has no header dies. */
static void check_guards(const char *name, uint32_t n_outputs)
{
    struct bench *t = bench_make(name, n_outputs);
    srandom(5);
    for (uint32_t round = 0; round < 300; round++) {
        for (uint32_t i = 0; i < INPUTS; i++) {
            uint32_t length = random() % 4 == 0 ? (uint32_t)random() % 20 : (uint32_t)random() % 1600;
            t->in[i] = frame_at(i, length, (uint8_t)(2 + random() % 3));
            for (uint32_t b = 0; b < length; b++) {
                mr_frame_data(t->base, &t->in[i])[b] = (unsigned char)(random() % 3);
            }
        }
        process(t, INPUTS);
        for (uint32_t i = 0; i < INPUTS; i++) {
            unsigned char *chunk = mr_chunk_at(t->base, t->in[i].chunk);
            uint32_t end = t->in[i].offset + t->in[i].length;
            memset(chunk + t->in[i].offset, GUARD, t->in[i].length);
            for (uint32_t b = 0; b < 3000; b++) {
                cr_assert_eq(chunk[b], GUARD, "%s wrote byte %u, the frame ends at %u", name, b, end);
            }
            bool runt = t->in[i].length < MR_FRAME_MIN && t->work.ops->process != NULL;
            cr_assert_not(runt && t->in[i].port < MR_DROPPED);
        }
        send_home(t);
    }
    cr_assert_eq(t->pool.small.count, CHUNKS);
    bench_free(t);
}

Test(work, guards_forward) { check_guards("forward", 1); }
Test(work, guards_macswap) { check_guards("macswap", 1); }
Test(work, guards_drop) { check_guards("drop", 1); }
Test(work, guards_l2) { check_guards("l2", 3); }

/* ---- the switch ---- */

Test(work, l2_learns_and_moves)
{
    struct bench *t = bench_make("l2", 2);
    cr_assert_eq(one(t, 2, A, B), 3, "B unknown: flooded to the only other port");
    cr_assert_eq(t->burst.made_n, 0, "which needs no copy");
    cr_assert_eq(one(t, 3, B, A), 2);
    cr_assert_eq(one(t, 2, A, B), 3);
    cr_assert_eq(t->counters[LEARNED], 2);
    cr_assert_eq(t->counters[FLOODED], 1);
    cr_assert_eq(one(t, 3, A, C), 2);
    cr_assert_eq(t->counters[MOVED], 1);
    cr_assert_eq(t->counters[LEARNED], 2);
    cr_assert_eq(one(t, 3, B, A), own(SAME_PORT), "A now sits where B does");
    bench_free(t);
}

Test(work, l2_refuses_sources)
{
    struct bench *t = bench_make("l2", 2);
    cr_assert_eq(one(t, 2, UINT64_C(0x030000000001), B), own(BAD_SOURCE));
    cr_assert_eq(one(t, 2, GROUP, B), own(BAD_SOURCE));
    cr_assert_eq(one(t, 2, 0, B), own(BAD_SOURCE));
    cr_assert_eq(t->counters[LEARNED], 0);
    cr_assert_eq(t->counters[FLOODED], 0);
    bench_free(t);
}

/* A station behind a port that only receives (9), and frames from there. */
Test(work, l2_port_that_does_not_send)
{
    struct bench *t = bench_make("l2", 1);
    cr_assert_eq(one(t, 9, A, GROUP), 2);
    cr_assert_eq(one(t, 2, B, A), own(NO_OUTPUT));
    cr_assert_eq(one(t, 2, B, GROUP), own(NO_OUTPUT), "one output, and it came from there");
    cr_assert_eq(t->counters[FLOODED], 1);
    bench_free(t);
}

static void check_flood(uint32_t n_ports)
{
    struct bench *t = bench_make("l2", n_ports);
    for (uint8_t from = 2; from < 2 + n_ports; from++) {
        uint64_t seen = UINT64_C(1) << one(t, from, A + from, GROUP);
        cr_assert_eq(t->burst.made_n, n_ports - 2);
        for (uint32_t i = 0; i < t->burst.made_n; i++) {
            seen |= UINT64_C(1) << t->made[i].port;
            cr_assert_eq(memcmp(mr_frame_data(t->base, &t->made[i]), mr_frame_data(t->base, &t->in[0]), 60), 0);
            cr_assert_neq(t->made[i].chunk, t->in[0].chunk);
        }
        cr_assert_eq(seen, ((UINT64_C(1) << n_ports) - 1) << 2 & ~(UINT64_C(1) << from), "from %u", from);
    }
    for (uint8_t to = 3; to < 2 + n_ports; to++) {
        cr_assert_eq(one(t, 2, A + 2, A + to), to);
        cr_assert_eq(t->burst.made_n, 0);
    }
    cr_assert_eq(t->stage.made, n_ports * (n_ports - 2));
    cr_assert_eq(t->counters[FLOODED], n_ports);
    bench_free(t);
}

Test(work, l2_floods_2_ports) { check_flood(2); }
Test(work, l2_floods_3_ports) { check_flood(3); }
Test(work, l2_floods_8_ports) { check_flood(8); }

/* Without chunks a flood still reaches the first port, and the lost copies are counted. */
Test(work, l2_floods_without_chunks)
{
    struct bench *t = bench_make("l2", 4);
    t->pool.small.count = 1;
    cr_assert_eq(one(t, 2, A, GROUP), 3);
    cr_assert_eq(t->burst.made_n, 1);
    cr_assert_eq(t->stage.made, 2);
    cr_assert_eq(t->stage.drops[MR_DROP_no_chunk], 1);
    bench_free(t);
}

#define SECOND UINT64_C(1000000000)

Test(work, l2_forgets)
{
    struct bench *t = bench_make("l2", 3);
    uint64_t start = 50 * SECOND;
    t->work.ops->tick(&t->work, start);
    one(t, 2, A, GROUP);
    one(t, 3, B, GROUP);
    for (uint64_t s = 0; s <= 297; s++) {
        t->work.ops->tick(&t->work, start + s * SECOND);
    }
    cr_assert_eq(one(t, 3, B, A), 2, "297 s: both still known, and B is seen again");
    t->work.ops->tick(&t->work, start + 304 * SECOND);
    cr_assert_eq(t->counters[AGED], 1);
    cr_assert_eq(one(t, 2, C, B), 3, "B was refreshed");
    one(t, 4, C + 1, A);
    cr_assert_eq(t->counters[FLOODED], 3, "A is forgotten");
    bench_free(t);
}

/* Ticks that stop for hours (the host slept) must not make old entries young again: the step is only 8 bits. */
Test(work, l2_forgets_after_a_gap)
{
    for (uint64_t gap = 304; gap < 4000; gap += 3) {
        struct bench *t = bench_make("l2", 2);
        t->work.ops->tick(&t->work, SECOND);
        one(t, 2, A, GROUP);
        t->work.ops->tick(&t->work, (1 + 200) * SECOND);
        cr_assert_eq(t->counters[AGED], 0);
        t->work.ops->tick(&t->work, (1 + gap) * SECOND);
        cr_assert_eq(t->counters[AGED], 1, "after %lu s", gap);
        bench_free(t);
    }
}

/* More stations than entries: the table takes what it can, the rest replaces, and nothing else breaks. */
Test(work, l2_full_table)
{
    enum { STATIONS = 20000 };
    struct bench *t = bench_make("l2", 2);
    for (uint64_t i = 0; i < STATIONS; i++) {
        one(t, 2, A + (i << 8), GROUP);
    }
    cr_assert_eq(t->counters[LEARNED], STATIONS);
    cr_assert_geq(t->counters[REPLACED], STATIONS - MAC_BUCKETS * MAC_BUCKET_SLOTS);
    cr_assert_lt(t->counters[REPLACED], STATIONS - 3000, "most of the table is used");
    t->work.ops->tick(&t->work, SECOND);
    t->work.ops->tick(&t->work, 900 * SECOND);
    cr_assert_eq(t->counters[AGED], STATIONS - t->counters[REPLACED]);
    bench_free(t);
}

/* ---- the table ---- */

/* Addresses that fall into one bucket, as one who knew the key would choose them: the bucket keeps the newest eight. */
Test(work, table_collisions)
{
    static struct mac_table t = {.key = {1, 2}};
    const struct mac_bucket *target = mac_bucket_of(&t, A << 16);
    uint64_t found[12];
    uint32_t n = 0;
    for (uint64_t mac = A; n < 12; mac++) {
        if (mac_bucket_of(&t, mac << 16) == target) {
            found[n++] = mac << 16;
        }
    }
    for (uint32_t i = 0; i < 12; i++) {
        t.step = (uint8_t)(250 + i); // wraps on the way
        cr_assert_eq(mac_table_learn(&t, found[i], (uint8_t)i), i < MAC_BUCKET_SLOTS ? MAC_LEARNED : MAC_REPLACED);
    }
    for (uint32_t i = 0; i < 12; i++) {
        cr_assert_eq(mac_table_port(&t, found[i]), i < 4 ? MAC_NOBODY : i, "station %u", i);
    }
}

/* Addresses as vendors and attackers number them fill the buckets evenly, whatever the key. */
Test(work, table_spreads)
{
    static struct mac_table t;
    srandom(3);
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t filled = 0;
        uint64_t stride = UINT64_C(1) << (random() % 40);
        memset(&t, 0, sizeof t);
        t.key[0] = (uint64_t)random() << 33 ^ (uint64_t)random();
        t.key[1] = (uint64_t)random() << 33 ^ (uint64_t)random();
        for (uint64_t i = 1; i <= 1024; i++) {
            filled += mac_table_learn(&t, (i * stride) << 16, 1) == MAC_LEARNED;
        }
        uint64_t distinct = stride <= UINT64_C(1) << 38 ? 1024 : 512;
        cr_assert_geq(filled, distinct * 9 / 10, "stride %lu: %u of %lu", stride, filled, distinct);
    }
}
