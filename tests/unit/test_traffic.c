/* Traffic: schedules without drift, windows, exact sizes, right headers, and a verifier that misses nothing. */
#include <criterion/criterion.h>

#include "lib/traffic/flows.h"
#include "lib/traffic/schedule.h"
#include "lib/traffic/sizes.h"
#include "lib/traffic/verify.h"
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

/* A sink under test: one frame at a time, in a buffer of its own size, so that a sanitizer sees what reads beyond. */
static struct mr_verify sink;
static struct mr_histogram latency;
static void *seen;

static void open_sink(uint32_t expected_tag)
{
    free(seen);
    seen = aligned_alloc(64, mr_verify_seen_bytes());
    memset(seen, 0, mr_verify_seen_bytes());
    memset(&latency, 0, sizeof latency);
    mr_verify_init(&sink, fill, expected_tag, seen, &latency);
}

static void init_sink(void)
{
    make_fill();
    open_sink(0);
}

static void fini_sink(void)
{
    free(seen);
    free_fill();
}

static uint32_t arrive(const unsigned char *bytes, uint32_t length)
{
    unsigned char *copy = aligned_alloc(64, 65536);
    unsigned char *at = copy + 65536 - length; // ends with the buffer: a sanitizer sees who reads beyond
    memcpy(at, bytes, length);
    struct mr_frame f = {.chunk = 0, .offset = (uint16_t)(65536 - length), .length = (uint16_t)length};
    uint32_t home = mr_verify_burst(&sink, copy, &f, 1, 5000);
    free(copy);
    return home;
}

static uint32_t send_one(uint32_t tag, uint32_t length, uint32_t flow, uint32_t sequence)
{
    static unsigned char frame[65536];
    struct mr_flows t;
    mr_flows_init(&t, fill, tag, tag);
    mr_flow_write(&t, frame, length, flow, sequence, 1000);
    return arrive(frame, length);
}

static uint64_t faults(void)
{
    const struct mr_verify_counts *c = &sink.counts;
    return c->lost + c->duplicates + c->reordered + c->late + c->altered + c->foreign;
}

Test(traffic, what_was_sent_is_verified, .init = init_sink, .fini = fini_sink)
{
    uint32_t sequence = 0;
    for (uint32_t length = 64; length < 1600; length++, sequence++) {
        cr_assert_eq(send_one(0, length, 3, sequence), 1, "%u bytes", length);
        cr_assert_eq(send_one(100, length, 65534, sequence), 1, "%u bytes, tagged", length);
    }
    cr_expect_eq(send_one(0, 60, 3, sequence), 1);
    cr_expect_eq(send_one(0, 65535, 3, sequence + 1), 1);
    cr_expect_eq(sink.counts.verified, 2 * 1536 + 2);
    cr_expect_eq(faults(), 0);
    cr_expect_eq(latency.count, sink.counts.verified);
    cr_expect_eq(latency.max, 4000);
}

Test(traffic, every_flipped_bit_is_seen, .init = init_sink, .fini = fini_sink)
{
    static const struct { uint32_t tag, length; } cases[] = {{0, 60}, {0, 61}, {0, 127}, {0, 590}, {100, 64}, {100, 301}, {0, 1514}};
    unsigned char frame[1514];
    for (uint32_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct mr_flows t;
        open_sink(0);
        mr_flows_init(&t, fill, cases[c].tag, cases[c].tag);
        for (uint32_t bit = 0; bit < cases[c].length * 8; bit++) {
            mr_flow_write(&t, frame, cases[c].length, 7, bit, 123456789);
            cr_assert_eq(arrive(frame, cases[c].length), 1); // intact: the flow is known to the sink, and in step
            mr_flow_write(&t, frame, cases[c].length, 7, bit + 1, 123456789);
            frame[bit / 8] ^= (unsigned char)(1 << bit % 8);
            arrive(frame, cases[c].length);
            cr_assert_eq(sink.counts.altered, bit + 1, "%u bytes, tag %u: bit %u", cases[c].length, cases[c].tag, bit);
        }
        cr_assert_eq(sink.counts.verified, cases[c].length * 8);
        cr_assert_eq(sink.counts.lost, 0);
    }
}

Test(traffic, words_that_changed_places_are_seen, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[590];
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    uint32_t changed = 0;
    for (uint32_t at = 0; at + 4 <= 590; at += 2) {
        unsigned char word[2];
        mr_flow_write(&t, frame, 590, 7, 0, 123456789);
        changed += memcmp(frame + at, frame + at + 2, 2) != 0 && at < 590 - 18 - 2;
        memcpy(word, frame + at, 2);
        memcpy(frame + at, frame + at + 2, 2);
        memcpy(frame + at + 2, word, 2);
        if (at < 590 - 18 - 2 && memcmp(word, frame + at, 2) != 0) {
            arrive(frame, 590);
            cr_assert_eq(sink.counts.altered, changed, "words at %u", at);
        }
    }
    cr_expect_gt(changed, 250);
}

Test(traffic, truncated_and_grown_frames_are_seen, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[800] = {0};
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    mr_flow_write(&t, frame, 590, 7, 0, 1);
    for (uint32_t length = 12; length < 800; length++) {
        if (length != 590) {
            arrive(frame, length);
        }
    }
    cr_expect_eq(sink.counts.altered, 800 - 12 - 1);
    cr_expect_eq(sink.counts.verified, 0);
    arrive(frame, 11);
    cr_expect_eq(sink.counts.foreign, 1, "too short to be known by");
}

Test(traffic, a_piece_of_an_earlier_frame_is_seen, .init = init_sink, .fini = fini_sink)
{
    unsigned char older[1514], frame[1514];
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    for (uint32_t back = 1; back < 100; back++) {
        mr_flow_write(&t, older, 1514, 7, 1000 - back, 1);
        mr_flow_write(&t, frame, 1514, 7, 1000, 1);
        memcpy(frame + 512, older + 512, 512);
        arrive(frame, 1514);
        cr_assert_eq(sink.counts.altered, back);
    }
}

Test(traffic, swapped_addresses_are_no_fault, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[64], mac[6];
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    for (uint32_t i = 0; i < 10; i++) {
        mr_flow_write(&t, frame, 60, 7, i, 1);
        if (i % 3 != 0) {
            memcpy(mac, frame, 6);
            memcpy(frame, frame + 6, 6);
            memcpy(frame + 6, mac, 6);
        }
        arrive(frame, 60);
    }
    cr_expect_eq(sink.counts.verified, 10);
    cr_expect_eq(faults(), 0);
    memcpy(frame, frame + 6, 6); // both the same: that is no swap
    arrive(frame, 60);
    cr_expect_eq(sink.counts.altered, 1);
}

static uint32_t tag_frame(unsigned char *out, const unsigned char *in, uint32_t length, uint32_t tag)
{
    memcpy(out, in, 12);
    out[12] = 0x81;
    out[13] = 0;
    out[14] = (unsigned char)(tag >> 8);
    out[15] = (unsigned char)tag;
    memcpy(out + 16, in + 12, length - 12);
    return length + 4;
}

/* A sink that was told a tag wants it on every frame, whether the source or somebody on the way put it there. */
Test(traffic, tags, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[100], tagged[104];
    struct mr_flows t;
    mr_flows_init(&t, fill, 0, 0);
    mr_flow_write(&t, frame, 100, 1, 0, 1);
    cr_expect_eq(arrive(tagged, tag_frame(tagged, frame, 100, 77)), 1);
    cr_expect_eq(sink.counts.altered, 1, "a tag that the source did not make, and nobody said so");
    open_sink(77);
    arrive(tagged, 104);
    cr_expect_eq(sink.counts.verified, 1, "told to expect it");
    arrive(frame, 100);
    cr_expect_eq(sink.counts.altered, 1, "the tag was lost");
    send_one(77, 100, 1, 1);
    cr_expect_eq(sink.counts.verified, 2, "by the source");
    send_one(78, 100, 1, 2);
    cr_expect_eq(sink.counts.altered, 2, "another tag");
}

Test(traffic, loss_duplicates_and_order, .init = init_sink, .fini = fini_sink)
{
    const struct mr_verify_counts *c = &sink.counts;
    for (uint32_t i = 0; i < 1000; i++) {
        if (i != 100 && (i < 300 || i >= 310) && i != 990) {
            cr_assert_eq(send_one(0, 60, 9, i), 1);
        }
    }
    cr_expect_eq(c->lost, 12);
    cr_expect_eq(c->reordered + c->duplicates + c->late, 0);
    cr_expect_eq(send_one(0, 60, 9, 990), 1, "late, and home");
    cr_expect(c->lost == 11 && c->reordered == 1);
    cr_expect_eq(send_one(0, 60, 9, 990), 0, "came already");
    cr_expect_eq(send_one(0, 60, 9, 999), 0);
    cr_expect_eq(send_one(0, 60, 9, 600), 0);
    cr_expect(c->lost == 11 && c->duplicates == 3 && c->reordered == 1);
    cr_expect_eq(send_one(0, 60, 9, 100), 0, "too long ago to tell");
    cr_expect(c->late == 1 && c->lost == 11);
    cr_expect_eq(send_one(0, 60, 10, 0), 1, "another flow");
    cr_expect_eq(c->lost, 11);
}

/* Random order within 400 frames, with losses and duplicates: against a plain list of what was sent. */
Test(traffic, order_against_a_plain_list, .init = init_sink, .fini = fini_sink)
{
    enum { FRAMES = 20000, NEAR = 200 };
    uint64_t random = 5;
    static unsigned char came[FRAMES];
    static uint32_t order[2 * FRAMES];
    uint32_t n = 0, highest = 0, lost = 0, duplicates = 0, reordered = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t copies = i % 64 == 63 ? 1 : mr_random_below(&random, 10) == 0 ? 0 : 1 + (mr_random_below(&random, 20) == 0);
        for (uint32_t k = 0; k < copies; k++) {
            order[n++] = i;
        }
    }
    for (uint32_t i = 0; i + NEAR < n; i += NEAR) {
        for (uint32_t k = NEAR - 1; k > 0 && i / NEAR % 2 == 1; k--) {
            uint32_t other = mr_random_below(&random, k + 1), keep = order[i + k];
            order[i + k] = order[i + other];
            order[i + other] = keep;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t s = order[i];
        duplicates += came[s];
        reordered += !came[s] && s < highest;
        highest = s > highest ? s : highest;
        came[s] = 1;
        send_one(0, 60, 5, s);
    }
    for (uint32_t s = 0; s < highest; s++) {
        lost += !came[s];
    }
    cr_expect_eq(sink.counts.lost, lost, "%lu, not %u", sink.counts.lost, lost);
    cr_expect_eq(sink.counts.duplicates, duplicates, "%lu, not %u", sink.counts.duplicates, duplicates);
    cr_expect_eq(sink.counts.reordered, reordered, "%lu, not %u", sink.counts.reordered, reordered);
    cr_expect_eq(sink.counts.late, 0);
    cr_expect(lost > 1000 && duplicates > 500 && reordered > 1000);
}

Test(traffic, sequence_numbers_wrap, .init = init_sink, .fini = fini_sink)
{
    struct mr_flow_seen *s = &sink.seen[4];
    s->expected = 0xffffff00;
    for (uint32_t i = 0xffffff00; i != 0x300; i++) {
        if (i != 0xfffffff8 && (i < 5 || i > 80)) {
            cr_assert_eq(send_one(0, 60, 4, i), 1);
        }
        if (i == 100) {
            cr_assert_eq(send_one(0, 60, 4, 0xfffffff8), 1);
            cr_assert_eq(send_one(0, 60, 4, 70), 1);
        }
    }
    cr_expect(sink.counts.lost == 75 && sink.counts.reordered == 2 && sink.counts.duplicates == 0);
}

Test(traffic, other_traffic_is_foreign, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[100] = {0x33, 0x33, 0, 0, 0, 2, 0xaa, 1, 2, 3, 4, 5, 0x86, 0xdd, 0x60};
    cr_expect_eq(arrive(frame, 100), 0);
    cr_expect_eq(arrive(frame, 14), 0);
    cr_expect_eq(arrive(frame, 60), 0);
    cr_expect(sink.counts.foreign == 3 && sink.counts.altered == 0 && sink.counts.verified == 0);
}
