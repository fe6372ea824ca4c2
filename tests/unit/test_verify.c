/* The verifier misses nothing: every flipped bit, each loss, duplicate and change of order. */
#include <criterion/criterion.h>

#include "lib/traffic/sizes.h"
#include "lib/traffic/verify.h"

#include <stdlib.h>

static struct mr_fill *fill;

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
    fill = malloc(sizeof *fill);
    mr_fill_init(fill);
    open_sink(0);
}

static void fini_sink(void)
{
    free(seen);
    free(fill);
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

Test(verify, what_was_sent_is_verified, .init = init_sink, .fini = fini_sink)
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

Test(verify, every_flipped_bit_is_seen, .init = init_sink, .fini = fini_sink)
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

Test(verify, words_that_changed_places_are_seen, .init = init_sink, .fini = fini_sink)
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

Test(verify, truncated_and_grown_frames_are_seen, .init = init_sink, .fini = fini_sink)
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

Test(verify, a_piece_of_an_earlier_frame_is_seen, .init = init_sink, .fini = fini_sink)
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

Test(verify, swapped_addresses_are_no_fault, .init = init_sink, .fini = fini_sink)
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
Test(verify, tags, .init = init_sink, .fini = fini_sink)
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

Test(verify, loss_duplicates_and_order, .init = init_sink, .fini = fini_sink)
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
Test(verify, order_against_a_plain_list, .init = init_sink, .fini = fini_sink)
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

Test(verify, sequence_numbers_wrap, .init = init_sink, .fini = fini_sink)
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

Test(verify, other_traffic_is_foreign, .init = init_sink, .fini = fini_sink)
{
    unsigned char frame[100] = {0x33, 0x33, 0, 0, 0, 2, 0xaa, 1, 2, 3, 4, 5, 0x86, 0xdd, 0x60};
    cr_expect_eq(arrive(frame, 100), 0);
    cr_expect_eq(arrive(frame, 14), 0);
    cr_expect_eq(arrive(frame, 60), 0);
    cr_expect(sink.counts.foreign == 3 && sink.counts.altered == 0 && sink.counts.verified == 0);
}
