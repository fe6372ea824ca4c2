/* Traffic: schedules without drift, windows, exact sizes, right headers. */
#include <criterion/criterion.h>

#include "lib/traffic/flows.h"
#include "lib/traffic/schedule.h"
#include "lib/traffic/sizes.h"
#include "lib/traffic/window.h"

#include <stdlib.h>

typedef unsigned __int128 u128;

/* Walks through a whole rate by bursts as a poll would; each intended tick must be floor(k × ticks / rate). */
static void check_rate(uint64_t ticks_per_second, uint64_t fps, uint64_t frames, uint64_t jump)
{
    struct mr_schedule s;
    uint64_t start = 987654321, k = 0, now = start;
    cr_assert_eq(mr_schedule_init(&s, (double)ticks_per_second, (double)fps, 0, 1), 0);
    mr_schedule_start(&s, now);
    while (k < frames) {
        uint32_t due = mr_schedule_due(&s, now, 256);
        for (uint32_t i = 0; i < due; i++, k++) {
            uint64_t meant = start + (uint64_t)((u128)k * ticks_per_second / fps);
            uint64_t got = mr_schedule_take(&s, now);
            if (got != meant || got > now) {
                cr_assert_fail("frame %lu: %lu, not %lu at %lu", k, got, meant, now);
            }
        }
        if (due < 256) {
            uint64_t next = start + (uint64_t)((u128)k * ticks_per_second / fps);
            cr_assert_gt(next, now, "frame %lu was due and not offered", k);
            now += jump;
        }
    }
}

Test(traffic, schedule_has_no_drift)
{
    check_rate(2600000000, 3333333, 3000000, 100000);
    check_rate(2600000000, 1, 1000, 1300000001);
    check_rate(2599998765, 14880952, 3000000, 7777);
    check_rate(2600000000, 1000000, 1000000, 999);
}

/* 10^9 frames: the schedule's own step, against the product. */
Test(traffic, schedule_is_exact_after_a_billion_frames)
{
    struct mr_schedule s;
    cr_assert_eq(mr_schedule_init(&s, 2.6e9, 3333333, 0, 1), 0);
    mr_schedule_start(&s, 5);
    uint64_t last = 0;
    for (uint64_t k = 0; k <= 1000000000; k++) {
        last = mr_schedule_take(&s, 0);
    }
    cr_expect_eq(last, 5 + (uint64_t)((u128)1000000000 * 2600000000 / 3333333));
}

Test(traffic, schedule_catches_up_without_limit)
{
    struct mr_schedule s;
    cr_assert_eq(mr_schedule_init(&s, 1e9, 1e6, 0, 1), 0);
    mr_schedule_start(&s, 0);
    uint64_t made = 0, late = 3000000000; // three seconds nobody asked
    for (uint32_t due; (due = mr_schedule_due(&s, late, 100)) != 0; made += due) {
        for (uint32_t i = 0; i < due; i++) {
            cr_assert_eq(mr_schedule_take(&s, late), (made + i) * 1000);
        }
    }
    cr_expect_eq(made, 3000001);
}

Test(traffic, schedule_is_shared_by_turns)
{
    struct mr_schedule all, part[3];
    cr_assert_eq(mr_schedule_init(&all, 2.6e9, 7777777, 0, 1), 0);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(mr_schedule_init(&part[i], 2.6e9, 7777777, i, 3), 0);
    }
    for (uint32_t k = 0; k < 100000; k++) {
        cr_assert_eq(mr_schedule_take(&part[k % 3], 0), mr_schedule_take(&all, 0), "frame %u", k);
    }
}

Test(traffic, flat_out_and_bad_rates)
{
    struct mr_schedule s;
    cr_assert_eq(mr_schedule_init(&s, 2.6e9, 0, 0, 1), 0);
    cr_expect_eq(mr_schedule_due(&s, 77, 200), 200);
    cr_expect_eq(mr_schedule_take(&s, 77), 77);
    cr_expect_lt(mr_schedule_init(&s, 2.6e9, -1, 0, 1), 0);
    cr_expect_lt(mr_schedule_init(&s, 2.6e9, 0.0001, 0, 1), 0);
    cr_expect_lt(mr_schedule_init(&s, 2.6e9, 1e13, 0, 1), 0);
}

Test(traffic, window_is_never_exceeded)
{
    struct mr_window w = {0};
    struct mr_window_watch a = {0}, b = {0};
    cr_expect_eq(mr_window_take(&w, &a, 64, 0, 10, 1000, 40), 40);
    cr_expect_eq(mr_window_take(&w, &b, 64, 0, 11, 1000, 40), 24);
    cr_expect_eq(mr_window_take(&w, &a, 64, 0, 12, 1000, 40), 0);
    cr_expect_eq(mr_window_take(&w, &a, 64, 10, 13, 1000, 40), 10);
    mr_window_give(&w, 3);
    cr_expect_eq(mr_window_take(&w, &b, 64, 10, 14, 1000, 40), 3);
    cr_expect_eq(mr_window_take(&w, &a, 64, 74, 15, 1000, 100), 64);
    cr_expect_eq(w.stalls, 0);
}

Test(traffic, window_gives_up_what_never_returns)
{
    struct mr_window w = {0};
    struct mr_window_watch a = {0};
    cr_assert_eq(mr_window_take(&w, &a, 8, 0, 10, 1000, 8), 8);
    cr_expect_eq(mr_window_take(&w, &a, 8, 0, 5000, 1000, 8), 0, "full since this look only");
    cr_expect_eq(mr_window_take(&w, &a, 8, 0, 6000, 1000, 8), 0);
    cr_expect_eq(w.stalls, 0);
    cr_expect_eq(mr_window_take(&w, &a, 8, 0, 6001, 1000, 8), 0);
    cr_expect_eq(w.stalls, 1);
    cr_expect_eq(mr_window_take(&w, &a, 8, 0, 6002, 1000, 100), 8, "the whole window, not more");
    cr_expect_eq(mr_window_take(&w, &a, 8, 16, 6003, 1000, 100), 8, "late returns do not open it beyond its size");
}

Test(traffic, imix_is_exact)
{
    uint16_t bytes[] = {60, 590, 1514}, weights[] = {7, 4, 1};
    struct mr_size_draw d;
    cr_assert_eq(mr_size_draw_init(&d, bytes, weights, 3, false, 42), 0);
    cr_expect_eq(mr_size_draw_longest(&d), 1514);
    uint32_t orders = 0, first = 0;
    for (uint32_t round = 0; round < 100; round++) {
        uint32_t seen[3] = {0}, order = 0;
        for (uint32_t i = 0; i < 12; i++) {
            uint32_t size = mr_size_draw_next(&d);
            uint32_t which = size == 60 ? 0 : size == 590 ? 1 : 2;
            cr_assert(size == bytes[which]);
            seen[which]++;
            order = order * 3 + which;
        }
        first = round == 0 ? order : first;
        orders += order != first;
        cr_assert(seen[0] == 7 && seen[1] == 4 && seen[2] == 1, "round %u: %u %u %u", round, seen[0], seen[1], seen[2]);
    }
    cr_expect_gt(orders, 90, "drawn, not dealt in one order");
}

Test(traffic, a_range_has_each_size_once_a_round)
{
    uint16_t bytes[] = {60, 1514};
    struct mr_size_draw d, again;
    cr_assert_eq(mr_size_draw_init(&d, bytes, NULL, 2, true, 7), 0);
    cr_assert_eq(mr_size_draw_init(&again, bytes, NULL, 2, true, 7), 0);
    for (uint32_t round = 0; round < 3; round++) {
        unsigned char seen[1515] = {0};
        for (uint32_t i = 60; i <= 1514; i++) {
            uint32_t size = mr_size_draw_next(&d);
            cr_assert(size >= 60 && size <= 1514 && !seen[size]);
            cr_assert_eq(size, mr_size_draw_next(&again), "the same seed draws the same");
            seen[size] = 1;
        }
    }
    bytes[1] = 59;
    cr_expect_lt(mr_size_draw_init(&d, bytes, NULL, 2, true, 7), 0);
    bytes[1] = 60;
    cr_assert_eq(mr_size_draw_init(&d, bytes, NULL, 2, true, 7), 0);
    cr_expect_eq(mr_size_draw_next(&d), 60);
    cr_expect_eq(mr_size_draw_next(&d), 60);
}

static struct mr_fill *fill;

static void make_fill(void)
{
    fill = malloc(sizeof *fill);
    mr_fill_init(fill);
}

static void free_fill(void)
{
    free(fill);
}

/* RFC 1071, byte by byte, without any of the code under test. */
static uint16_t rfc1071(const unsigned char *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++) {
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
        sum = sum > 0xffff ? sum - 0xffff : sum;
    }
    return (uint16_t)sum;
}

static void check_checksums(const unsigned char *ip, uint32_t bytes)
{
    uint32_t udp_bytes = bytes - 20;
    cr_assert_eq(ip[2] << 8 | ip[3], (int)bytes);
    cr_assert_eq(ip[24] << 8 | ip[25], (int)udp_bytes);
    cr_assert_eq(rfc1071(ip, 20, 0), 0xffff, "IPv4 header checksum, %u bytes", bytes);
    uint16_t pseudo = rfc1071(ip + 12, 8, 17 + udp_bytes);
    cr_assert(ip[26] != 0 || ip[27] != 0, "a UDP checksum of 0 means none");
    cr_assert_eq(rfc1071(ip + 20, udp_bytes, pseudo), 0xffff, "UDP checksum, %u bytes", bytes);
}

Test(traffic, headers_and_checksums_are_right, .init = make_fill, .fini = free_fill)
{
    static unsigned char frame[65536];
    static const uint32_t flows[] = {0, 1, 2, 255, 256, 4711, 32768, 65534};
    for (uint32_t tag = 0; tag <= 4094; tag += 4094) {
        struct mr_flows t;
        mr_flows_init(&t, fill, tag, tag);
        uint32_t eth = tag == 0 ? 14 : 18;
        cr_expect_eq(mr_flows_shortest(&t), tag == 0 ? 60 : 64);
        for (uint32_t i = 0; i < 8; i++) {
            for (uint32_t length = mr_flows_shortest(&t); length <= 65535; length += length < 1600 ? 1 : 9973) {
                uint32_t sequence = length * 2654435761u + i;
                mr_flow_write(&t, frame, length, flows[i], sequence, 0x0123456789abcdefull * (i + 1));
                cr_assert_eq(frame[12] << 8 | frame[13], tag == 0 ? 0x0800 : 0x8100);
                cr_assert(tag == 0 || ((frame[14] << 8 | frame[15]) == (int)tag && frame[16] == 8 && frame[17] == 0));
                check_checksums(frame + eth, length - eth);
            }
        }
    }
}

Test(traffic, signature_stands_at_the_end, .init = make_fill, .fini = free_fill)
{
    unsigned char frame[100];
    memset(frame, 0xEE, sizeof frame);
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    mr_flow_write(&t, frame, 60, 0x1234, 0x56789abc, 0x1122334455667788);
    static const unsigned char is[] = {0x4d, 0x52, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    cr_expect_arr_eq(frame + 42, is, sizeof is);
    cr_expect_eq(frame[60], 0xEE, "nothing behind the frame");
}

Test(traffic, flows_differ_in_addresses_and_ports, .init = make_fill, .fini = free_fill)
{
    unsigned char frame[60], *seen = calloc(1, 65536);
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    uint32_t symmetric[16] = {0}; // what a symmetric receive hash, a xor of 16-bit words, would make of 16 queues
    for (uint32_t flow = 0; flow < 65535; flow++) {
        mr_flow_write(&t, frame, 60, flow, 0, 0);
        uint32_t address = (uint32_t)frame[28] << 8 | frame[29];
        uint32_t port = (uint32_t)frame[34] << 8 | frame[35];
        cr_assert_eq(seen[address]++, 0);
        cr_assert_geq(port, 49152);
        symmetric[(address ^ port) % 16]++;
    }
    for (uint32_t i = 0; i < 16; i++) {
        cr_expect(symmetric[i] > 3000 && symmetric[i] < 5200, "queue %u: %u flows", i, symmetric[i]);
    }
    free(seen);
}
