/* The memory driver through its contract: a small pool, a source, a sink, and no engine between them. */
#include <criterion/criterion.h>

#include "lib/port/port.h"

#include <jansson.h>
#include <stdlib.h>

enum { CHUNKS = 512, BIG = 8, LINES = 39, BIG_LINES = 1089, BURST = 32, GHZ = 1 };

static const struct mr_driver *driver;
static unsigned char *base;
static struct mr_pool pool;
static struct mr_port_config config[2];
static struct mr_port ports[2];
static struct mr_port *table[2];
static struct mr_error error;
static uint64_t now;

static void build(void)
{
    uint32_t *items = calloc(2 * (CHUNKS + BIG), sizeof *items);
    uint32_t *big = items + CHUNKS;
    uint32_t big_first = CHUNKS * LINES, end = big_first + BIG * BIG_LINES;
    driver = mr_driver_find("memory");
    base = aligned_alloc(64, (size_t)end * 64);
    mr_pool_init(&pool, base, 0, big_first, end, items, CHUNKS, big, BIG, big + BIG);
    pool.small_bytes = LINES * 64;
    pool.big_bytes = BIG_LINES * 64;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        items[pool.small.count++] = i * LINES;
    }
    for (uint32_t i = 0; i < BIG; i++) {
        big[pool.big.count++] = big_first + i * BIG_LINES;
    }
    for (uint32_t p = 0; p < 2; p++) {
        config[p] = (struct mr_port_config){.name = {p == 0 ? 'a' : 'b'}, .size = {.n = 1, .bytes = {60}}, .flows = 4, .source = p == 0};
        ports[p] = (struct mr_port){.driver = driver, .config = &config[p], .number = (uint8_t)p, .base = base, .ticks_per_ns = GHZ};
        table[p] = NULL;
    }
    now = 1000000;
}

static void clear(void)
{
    for (uint32_t p = 0; p < 2; p++) {
        if (ports[p].state != NULL) {
            driver->close(&ports[p]);
            driver->destroy(&ports[p]);
        }
    }
    cr_expect_eq(pool.small.count, CHUNKS, "small chunks: %u", pool.small.count);
    cr_expect_eq(pool.big.count, BIG);
    free(pool.small.items);
    free(base);
}

static int open_port(uint32_t p, uint32_t n_rxq, uint32_t n_txq)
{
    struct mr_port_setup setup = {.n_rxq = n_rxq, .n_txq = n_txq, .ports = table, .n_ports = 2};
    for (uint32_t i = 0; i < n_rxq; i++) {
        setup.rx_pool[i] = &pool;
    }
    int rc = driver->open(&ports[p], &setup, &error);
    table[p] = rc == 0 ? &ports[p] : NULL;
    return rc;
}

/* Port a makes, port b takes. */
static void open_both(uint32_t queues)
{
    cr_assert_eq(open_port(0, queues, 0), 0, "%s", error.text);
    cr_assert_eq(open_port(1, 0, queues), 0, "%s", error.text);
}

static uint32_t receive(uint32_t queue, struct mr_frame *frames, uint32_t n)
{
    struct mr_rxq *q = ports[0].rxq[queue];
    q->now = now;
    q->tick = (uint32_t)(now >> MR_TICK_SHIFT);
    return driver->rx_burst(q, frames, n);
}

/* What the TX stage does: hand over, then take the chunks home. */
static void deliver(uint32_t queue, const struct mr_frame *frames, uint32_t n)
{
    struct mr_txq *q = ports[1].txq[queue];
    q->now = now + 500;
    cr_assert_eq(driver->tx_burst(q, frames, n), n);
    for (uint32_t i = 0; i < n; i++) {
        mr_pool_free(&pool, &frames[i].chunk, 1);
    }
}

static uint64_t report_of(uint32_t p, const char *key)
{
    json_t *j = driver->report(&ports[p]);
    const json_t *value = json_object_get(j, key);
    cr_assert_not_null(value, "no %s in the report", key);
    uint64_t n = (uint64_t)json_integer_value(value);
    json_decref(j);
    return n;
}

static uint64_t outside(uint32_t p, const char *name)
{
    struct mr_outsides out = {0};
    driver->stats(&ports[p], &out);
    for (uint32_t i = 0; i < out.n; i++) {
        if (strcmp(out.at[i].name, name) == 0) {
            cr_expect_eq(out.at[i].is_loss, false);
            return out.at[i].count;
        }
    }
    cr_assert_fail("no %s", name);
    return 0;
}

/* Until the source has ended: receive and deliver at once; every `lose`-th frame is thrown away (0 = none). */
static uint64_t run(uint32_t queue, uint32_t lose)
{
    struct mr_frame frames[BURST];
    uint64_t made = 0;
    for (uint32_t empty = 0; !ports[0].rxq[queue]->ended && empty < 1000; now += 1000) {
        uint32_t n = receive(queue, frames, BURST);
        empty = n == 0 ? empty + 1 : 0;
        for (uint32_t i = 0; i < n; i++, made++) {
            if (lose != 0 && made % lose == lose - 1) {
                mr_pool_free(&pool, &frames[i].chunk, 1);
            } else {
                deliver(queue, &frames[i], 1);
            }
        }
    }
    return made;
}

Test(memory, is_in_the_table, .init = build, .fini = clear)
{
    struct mr_probe probe;
    cr_assert_not_null(driver);
    cr_expect(driver->probe(&probe) == 0 && probe.usable);
    cr_expect(driver->caps.completes_at_return && !driver->caps.needs_device);
    cr_expect_null(mr_driver_find("nothing"));
    uint32_t i = 0;
    for (const struct mr_driver_entry *e; (e = mr_driver_at(i)) != NULL; i++) {
        cr_expect((e->driver != NULL) || e->why_not != NULL, "%s", e->name);
    }
    cr_expect_geq(i, 2);
}

Test(memory, descriptors_touch_nothing, .init = build, .fini = clear)
{
    struct mr_frame frames[BURST];
    config[0].content = MR_CONTENT_DESCRIPTORS;
    config[0].frames = 1000;
    memset(base, 0x5A, (size_t)pool.end * 64);
    open_both(1);
    cr_assert_eq(receive(0, frames, BURST), BURST);
    for (uint32_t i = 0; i < BURST; i++) {
        struct mr_frame *f = &frames[i];
        cr_assert(f->length == 60 && f->offset == MR_CHUNK_DATA && f->port == 0 && f->tick == now >> MR_TICK_SHIFT && f->flags == 0);
        cr_assert(f->chunk % LINES == 0 && f->chunk < CHUNKS * LINES);
        for (uint32_t k = 0; k < i; k++) {
            cr_assert_neq(f->chunk, frames[k].chunk);
        }
    }
    cr_expect_eq(pool.small.count, CHUNKS - BURST);
    deliver(0, frames, BURST);
    cr_expect_eq(run(0, 0), 1000 - BURST);
    cr_expect_eq(ports[0].rxq[0]->made, 1000);
    cr_expect_eq(ports[0].rxq[0]->frames, 0, "a source receives nothing");
    cr_expect_eq(ports[1].txq[0]->frames, 1000);
    cr_expect_eq(ports[1].txq[0]->bytes, 60000);
    for (uint32_t i = 0; i < pool.end * 64; i++) {
        cr_assert_eq(base[i], 0x5A);
    }
}

Test(memory, content_is_verified, .init = build, .fini = clear)
{
    config[0].frames = 10000;
    config[0].size = (struct mr_sizes){.n = 2, .bytes = {60, 1514}, .ranged = true};
    config[1].verify = true;
    open_both(1);
    cr_expect_eq(run(0, 0), 10000);
    cr_expect_eq(report_of(1, "verified"), 10000);
    static const char *const faults[] = {"lost", "duplicates", "reordered", "late", "altered", "foreign"};
    for (uint32_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char name[40] = "verify_";
        cr_expect_eq(report_of(1, faults[i]), 0);
        cr_expect_eq(outside(1, strcat(name, faults[i])), 0);
    }
    json_t *j = driver->report(&ports[1]);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(j, "latency_ns"), "max")), 500);
    json_decref(j);
    cr_expect_eq(ports[0].rxq[0]->ended, 1);
    cr_expect_eq(run(0, 0), 0);
}

Test(memory, faults_are_reported, .init = build, .fini = clear)
{
    struct mr_frame frames[BURST];
    config[0].flows = 1;
    config[1].verify = true;
    open_both(1);
    cr_assert_eq(receive(0, frames, BURST), BURST);
    mr_frame_data(base, &frames[5])[50] ^= 4;
    mr_pool_free(&pool, &frames[9].chunk, 1);
    deliver(0, frames, 9);
    deliver(0, frames + 10, BURST - 10);
    cr_expect_eq(report_of(1, "altered"), 1);
    cr_expect_eq(report_of(1, "lost"), 2);
    cr_expect_eq(outside(1, "verify_lost"), 2);
    cr_expect_eq(report_of(1, "verified"), BURST - 2);
}

Test(memory, two_queues_share_frames_flows_and_rate, .init = build, .fini = clear)
{
    config[0].frames = 10001;
    config[0].flows = 5;
    config[0].rate_fps = 2e6; // at 1 GHz a frame of the port each 500 ticks
    config[1].verify = true;
    open_both(2);
    uint64_t start = now;
    cr_expect_eq(run(0, 0), 5001);
    cr_expect_geq(now - start, 5000 * 1000);
    cr_expect_leq(now - start, 5003 * 1000);
    cr_expect_eq(ports[0].rxq[1]->ended, 0);
    cr_expect_eq(run(1, 0), 5000);
    cr_expect_eq(report_of(1, "verified"), 10001);
    cr_expect_eq(report_of(1, "lost") + report_of(1, "duplicates") + report_of(1, "late"), 0);
}

Test(memory, more_queues_than_flows, .init = build, .fini = clear)
{
    config[0].frames = 300;
    config[0].flows = 1;
    config[1].verify = true;
    open_both(3);
    cr_expect_eq(run(0, 0) + run(1, 0) + run(2, 0), 300);
    cr_expect_eq(report_of(1, "verified"), 300);
    cr_expect_eq(report_of(1, "lost") + report_of(1, "duplicates"), 0);
}

static void check_window(uint32_t first, uint32_t second)
{
    struct mr_frame frames[2][BURST];
    config[0].window = 20;
    strcpy(config[0].window_with, "b");
    config[1].verify = true;
    cr_assert_eq(open_port(first, first == 0 ? 2 : 0, first == 0 ? 0 : 2), 0, "%s", error.text);
    cr_assert_eq(open_port(second, second == 0 ? 2 : 0, second == 0 ? 0 : 2), 0, "%s", error.text);
    cr_assert_eq(receive(0, frames[0], 15), 15);
    cr_assert_eq(receive(1, frames[1], 15), 5, "both queues have one window");
    cr_assert_eq(receive(0, frames[1] + 5, 15), 0);
    deliver(0, frames[0], 7);
    cr_assert_eq(receive(1, frames[1] + 5, 15), 7);
    deliver(0, frames[0] + 7, 8);
    deliver(1, frames[1], 12);
    cr_expect_eq(outside(0, "window_stalls"), 0);
    cr_expect_eq(report_of(0, "window_stalls"), 0);
}

Test(memory, window_is_closed_by_the_sink, .init = build, .fini = clear)
{
    check_window(0, 1);
}

Test(memory, window_whose_sink_was_opened_first, .init = build, .fini = clear)
{
    check_window(1, 0);
}

Test(memory, window_survives_losses, .init = build, .fini = clear)
{
    struct mr_frame frames[BURST];
    config[0].window = 8;
    strcpy(config[0].window_with, "b");
    open_both(1);
    for (uint32_t round = 0; round < 3; round++) {
        cr_assert_eq(receive(0, frames, BURST), 8);
        mr_pool_free(&pool, &frames[0].chunk, 1);
        for (uint32_t i = 1; i < 8; i++) {
            mr_pool_free(&pool, &frames[i].chunk, 1);
        }
        cr_assert_eq(receive(0, frames, BURST), 0);
        now += 900000000;
        cr_assert_eq(receive(0, frames, BURST), 0);
        cr_assert_eq(outside(0, "window_stalls"), round);
        now += 200000000;
        cr_assert_eq(receive(0, frames, BURST), 0);
        cr_assert_eq(outside(0, "window_stalls"), round + 1);
    }
}

Test(memory, window_without_a_sink_is_refused, .init = build, .fini = clear)
{
    config[0].window = 8;
    cr_expect_lt(open_port(0, 1, 0), 0);
    cr_expect_not_null(strstr(error.text, "window"), "%s", error.text);
    cr_expect_null(ports[0].state);
}

Test(memory, big_frames_take_big_chunks, .init = build, .fini = clear)
{
    struct mr_frame frames[BURST];
    config[0].size = (struct mr_sizes){.n = 2, .bytes = {9014, 60}, .weights = {1, 3}};
    config[0].frames = 4000;
    config[1].verify = true;
    open_both(1);
    cr_expect_eq(run(0, 0), 4000);
    cr_expect_eq(report_of(1, "verified"), 4000);
    cr_expect_eq(ports[1].txq[0]->bytes, 1000 * 9014 + 3000 * 60);
    driver->destroy(&ports[0]);
    config[0].size = (struct mr_sizes){.n = 1, .bytes = {2113}};
    cr_assert_eq(open_port(0, 1, 0), 0);
    cr_assert_eq(receive(0, frames, BURST), BIG, "as many as there are big chunks");
    for (uint32_t i = 0; i < BIG; i++) {
        cr_assert_geq(frames[i].chunk, pool.big_first);
        mr_pool_free(&pool, &frames[i].chunk, 1);
    }
}

Test(memory, sizes_that_do_not_fit_are_refused, .init = build, .fini = clear)
{
    config[0].vlan = 5;
    cr_expect_lt(open_port(0, 1, 0), 0, "60 bytes hold no tagged frame");
    cr_expect_not_null(strstr(error.text, "68"), "%s", error.text);
    config[0].vlan = 0;
    config[0].size.bytes[0] = 9000;
    pool.big.capacity = 0;
    cr_expect_lt(open_port(0, 1, 0), 0);
    cr_expect_not_null(strstr(error.text, "big_chunks"), "%s", error.text);
}

Test(memory, ends_when_quiesced_and_when_no_source, .init = build, .fini = clear)
{
    struct mr_frame frames[BURST];
    open_both(1);
    cr_assert_eq(receive(0, frames, BURST), BURST);
    deliver(0, frames, BURST);
    cr_expect_eq(ports[0].rxq[0]->ended, 0);
    cr_expect(driver->rx_quiesce(ports[0].rxq[0]));
    cr_expect_eq(receive(0, frames, BURST), 0);
    cr_expect_eq(ports[0].rxq[0]->ended, 1);
    driver->destroy(&ports[0]);
    config[0].source = false;
    cr_assert_eq(open_port(0, 1, 0), 0);
    cr_expect_eq(ports[0].rxq[0]->ended, 1);
    cr_expect_eq(receive(0, frames, BURST), 0);
}

Test(memory, an_empty_pool_makes_nothing, .init = build, .fini = clear)
{
    struct mr_frame frames[CHUNKS];
    open_both(1);
    uint32_t have = 0;
    for (uint32_t n; (n = receive(0, frames + have, MR_BATCH_MAX)) != 0; have += n) {
    }
    cr_expect_eq(have, CHUNKS);
    deliver(0, frames, have);
    cr_expect_eq(receive(0, frames, 1), 1);
    deliver(0, frames, 1);
    cr_expect_eq(ports[0].rxq[0]->made, CHUNKS + 1);
}
