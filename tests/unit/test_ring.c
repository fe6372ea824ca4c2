/* The ring against a model that is two counters: element number i carries i in every word. */
#include <criterion/criterion.h>
#include <millrace/ring.h>

#include <stdlib.h>
#include <string.h>

static const uint32_t capacities[] = {2, 4, 8, 64, 1024};
static const uint32_t sizes[] = {4, 8, 16};
static const uint32_t starts[] = {0, (1u << 31) - 3, UINT32_MAX - 2};

static struct mr_ring *make(uint32_t capacity, uint32_t esz, uint32_t ahead_lines, uint32_t start)
{
    void *memory = aligned_alloc(MR_LINE_PAIR, mr_ring_bytes(capacity, esz));
    memset(memory, 0xA5, mr_ring_bytes(capacity, esz));
    struct mr_ring *r = mr_ring_init(memory, capacity, esz, ahead_lines, start);
    cr_assert_not_null(r);
    return r;
}

static void write_numbers(void *span, uint32_t esz, uint32_t from, uint32_t n)
{
    uint32_t *word = span;
    for (uint32_t i = 0; i < n * esz / 4; i++) {
        word[i] = from + i / (esz / 4);
    }
}

static void expect_numbers(const void *span, uint32_t esz, uint32_t from, uint32_t n)
{
    const uint32_t *word = span;
    for (uint32_t i = 0; i < n * esz / 4; i++) {
        cr_assert_eq(word[i], from + i / (esz / 4), "element %u of %u bytes", from + i / (esz / 4), esz);
    }
}

static void expect_inside(struct mr_ring *r, uint32_t esz, const void *span, uint32_t n)
{
    const unsigned char *slots = (const unsigned char *)(r + 1);
    const unsigned char *first = span;
    cr_assert(first >= slots);
    cr_assert(first + (size_t)n * esz <= slots + (size_t)r->producer.capacity * esz);
}

Test(ring, capacity_is_the_next_power_of_two)
{
    const uint32_t pairs[][2] = {{0, 2}, {1, 2}, {2, 2}, {3, 4}, {1024, 1024}, {1025, 2048}, {1u << 30, 1u << 30}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        cr_expect_eq(mr_ring_capacity(pairs[i][0]), pairs[i][1], "for %u", pairs[i][0]);
    }
    cr_expect_eq(mr_ring_capacity(UINT32_MAX), 1u << 31, "and comes to an end");
}

Test(ring, arguments_out_of_range_are_refused)
{
    char memory[8192] MR_ALIGNED(MR_LINE_PAIR);
    cr_expect_eq(mr_ring_bytes(0, 8), 0);
    cr_expect_eq(mr_ring_bytes(1, 8), 0);
    cr_expect_eq(mr_ring_bytes(48, 8), 0);
    cr_expect_eq(mr_ring_bytes(1u << 31, 8), 0);
    cr_expect_eq(mr_ring_bytes(64, 12), 0);
    cr_expect_eq(mr_ring_bytes(64, 0), 0);
    cr_expect_eq(mr_ring_bytes(2, 4), sizeof(struct mr_ring) + MR_LINE_PAIR);
    cr_expect_eq(mr_ring_bytes(1u << 30, 16), sizeof(struct mr_ring) + ((size_t)16 << 30));
    cr_expect_null(mr_ring_init(memory, 48, 8, 0, 0));
    cr_expect_null(mr_ring_init(memory, 64, 12, 0, 0));
    cr_expect_null(mr_ring_init(memory + 64, 64, 8, 0, 0));
    cr_expect_null(mr_ring_init(NULL, 64, 8, 0, 0));
}

Test(ring, nothing_is_visible_before_it_is_published)
{
    struct mr_ring *r = make(8, 8, 0, 0);
    void *span;
    cr_expect_eq(mr_ring_peek(r, 8, 8, &span), 0);
    cr_assert_eq(mr_ring_reserve(r, 8, 3, &span), 3);
    write_numbers(span, 8, 0, 3);
    cr_expect_eq(mr_ring_visible(r), 0);
    mr_ring_advance(r, 2);
    cr_expect_eq(mr_ring_visible(r), 0);
    cr_expect_eq(mr_ring_held(r), 2);
    mr_ring_publish(r);
    cr_expect_eq(mr_ring_visible(r), 2);
    mr_ring_commit(r, 0);
    cr_expect_eq(mr_ring_visible(r), 2, "a commit of 0 changes nothing");
    free(r);
}

Test(ring, what_is_not_released_comes_again)
{
    struct mr_ring *r = make(8, 4, 0, 0);
    const uint32_t items[5] = {0, 1, 2, 3, 4};
    void *span;
    cr_assert_eq(mr_ring_push(r, 4, items, 5), 5);
    cr_assert_eq(mr_ring_peek(r, 4, 3, &span), 3);
    mr_ring_release(r, 1);
    cr_assert_eq(mr_ring_peek(r, 4, 8, &span), 4);
    expect_numbers(span, 4, 1, 4);
    mr_ring_release(r, 0);
    cr_assert_eq(mr_ring_peek(r, 4, 8, &span), 4);
    expect_numbers(span, 4, 1, 4);
    free(r);
}

Test(ring, spans_end_where_the_array_ends)
{
    struct mr_ring *r = make(8, 16, 0, 0);
    void *span;
    cr_assert_eq(mr_ring_reserve(r, 16, 6, &span), 6);
    mr_ring_commit(r, 6);
    cr_assert_eq(mr_ring_peek(r, 16, 6, &span), 6);
    mr_ring_release(r, 6);
    cr_assert_eq(mr_ring_reserve(r, 16, 8, &span), 2, "two slots are left before the end");
    write_numbers(span, 16, 6, 2);
    mr_ring_advance(r, 2);
    cr_assert_eq(mr_ring_reserve(r, 16, 8, &span), 6);
    cr_expect_eq(span, (void *)(r + 1));
    write_numbers(span, 16, 8, 6);
    mr_ring_commit(r, 6);
    cr_assert_eq(mr_ring_peek(r, 16, 8, &span), 2);
    expect_numbers(span, 16, 6, 2);
    mr_ring_release(r, 2);
    cr_assert_eq(mr_ring_peek(r, 16, 8, &span), 6);
    expect_numbers(span, 16, 8, 6);
    free(r);
}

Test(ring, a_full_ring_refuses_and_keeps_what_it_has)
{
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        uint32_t n = capacities[c];
        uint64_t *in = calloc(n + 3, sizeof *in), *out = calloc(n + 3, sizeof *out);
        struct mr_ring *r = make(n, 8, 0, UINT32_MAX - n / 2);
        void *span;
        for (uint32_t i = 0; i < n + 3; i++) {
            in[i] = 7 * i;
        }
        cr_assert_eq(mr_ring_push(r, 8, in, n + 3), n);
        cr_expect_eq(mr_ring_push(r, 8, in, 1), 0);
        cr_expect_eq(mr_ring_reserve(r, 8, 1, &span), 0);
        cr_expect_eq(mr_ring_room(r, 1), 0);
        cr_expect_eq(mr_ring_depth(r), n);
        cr_assert_eq(mr_ring_pop(r, 8, out, n + 3), n);
        cr_expect_arr_eq(in, out, n * sizeof *in);
        cr_expect_eq(mr_ring_pop(r, 8, out, 1), 0);
        cr_expect_eq(mr_ring_room(r, n), n);
        free(r);
        free(in);
        free(out);
    }
}

/* The producer may be short of capacity/8 - 1 slots, never of more, and of none after an empty look or a return. */
Test(ring, credits_come_back_lazily_but_bounded)
{
    struct mr_ring *r = make(64, 8, 0, 0);
    uint64_t items[64] = {0};
    void *span;
    cr_assert_eq(mr_ring_push(r, 8, items, 64), 64);
    for (uint32_t taken = 1; taken <= 64; taken++) {
        cr_assert_neq(mr_ring_peek(r, 8, 1, &span), 0);
        mr_ring_release(r, 1);
        uint32_t room = mr_ring_room(r, 64);
        cr_assert(room <= taken && taken - room <= 7, "%u taken, room for %u", taken, room);
    }
    cr_assert_eq(mr_ring_push(r, 8, items, 3), 3);
    cr_assert_neq(mr_ring_peek(r, 8, 3, &span), 0);
    mr_ring_release(r, 3);
    cr_expect_eq(mr_ring_room(r, 64), 61);
    mr_ring_return(r);
    cr_expect_eq(mr_ring_room(r, 64), 64);
    cr_assert_eq(mr_ring_push(r, 8, items, 3), 3);
    cr_assert_neq(mr_ring_peek(r, 8, 3, &span), 0);
    mr_ring_release(r, 3);
    cr_assert_eq(mr_ring_peek(r, 8, 1, &span), 0);
    cr_expect_eq(mr_ring_room(r, 64), 64, "an empty look returns all");
    free(r);
}

/* After 2^31 elements without a prefetch a cursor left behind would seem to be ahead, and stay so for as many again. */
Test(ring, the_prefetch_cursor_never_falls_behind)
{
    struct mr_ring *r = make(1024, 8, 16, 0);
    uint64_t item = 0;
    void *span;
    for (uint32_t i = 0; i < 3000; i++) {
        cr_assert_eq(mr_ring_push(r, 8, &item, 1), 1);
        cr_assert_eq(mr_ring_pop(r, 8, &item, 1), 1);
        cr_assert_geq((int32_t)(r->producer.fetched - r->producer.tail), 0);
    }
    uint32_t n = mr_ring_reserve(r, 8, 32, &span);
    cr_expect_gt((int32_t)(r->producer.fetched - r->producer.tail), (int32_t)n, "lines beyond the span were asked for");
    cr_expect_leq((int32_t)(r->producer.fetched - r->producer.limit), 0, "none of the consumer's was");
    free(r);
}

struct model {
    struct mr_ring *r;
    uint32_t esz, capacity;
    uint32_t filled, published, taken; /* numbers of the next element */
};

static void produce(struct model *m, unsigned dice)
{
    void *span;
    uint32_t want = 1 + (uint32_t)rand() % (m->capacity + 2);
    uint32_t owed = m->capacity >= 8 ? m->capacity / 8 - 1 : 0;
    uint32_t room = m->capacity - (m->filled - m->taken);
    uint32_t to_end = m->capacity - (m->r->producer.tail & (m->capacity - 1));
    uint32_t n = mr_ring_reserve(m->r, m->esz, want, &span);
    uint32_t least = room > owed ? room - owed : 0;
    least = least < want ? least : want;
    cr_assert(n <= room && n <= want && n >= (least < to_end ? least : to_end), "room %u, want %u: %u", room, want, n);
    expect_inside(m->r, m->esz, span, n);
    n = dice % 3 == 0 ? n / 2 : n;
    write_numbers(span, m->esz, m->filled, n);
    mr_ring_advance(m->r, n);
    m->filled += n;
    if (dice % 4 != 0) {
        mr_ring_publish(m->r);
        m->published = m->filled;
    }
}

static void consume(struct model *m, unsigned dice)
{
    void *span;
    uint32_t want = 1 + (uint32_t)rand() % (m->capacity + 2);
    uint32_t to_end = m->capacity - (m->r->consumer.head & (m->capacity - 1));
    uint32_t have = m->published - m->taken;
    uint32_t most = have < want ? have : want;
    uint32_t n = mr_ring_peek(m->r, m->esz, want, &span);
    cr_assert_eq(n, most < to_end ? most : to_end);
    if (n != 0) {
        expect_inside(m->r, m->esz, span, n);
        expect_numbers(span, m->esz, m->taken, n);
    }
    n = dice % 3 == 0 ? n / 2 : n;
    mr_ring_release(m->r, n);
    m->taken += n;
}

static void copy(struct model *m, bool in)
{
    uint32_t items[64 * 4];
    uint32_t n = 1 + (uint32_t)rand() % 64;
    if (in) {
        write_numbers(items, m->esz, m->filled, n);
        m->filled += mr_ring_push(m->r, m->esz, items, n);
        m->published = m->filled;
    } else {
        n = mr_ring_pop(m->r, m->esz, items, n);
        expect_numbers(items, m->esz, m->taken, n);
        m->taken += n;
    }
}

static void run_model(uint32_t capacity, uint32_t esz, uint32_t ahead_lines, uint32_t start)
{
    struct model m = {make(capacity, esz, ahead_lines, start), esz, capacity, 0, 0, 0};
    for (uint32_t step = 0; step < 20000; step++) {
        unsigned dice = (unsigned)rand();
        unsigned phase = step / 64 % 3; /* fill up, run empty, both */
        bool in = phase == 0 ? dice % 4 != 0 : phase == 1 ? dice % 4 == 0 : dice % 2 == 0;
        if (dice % 7 == 0) {
            copy(&m, in);
        } else if (in) {
            produce(&m, dice >> 8);
        } else {
            consume(&m, dice >> 8);
        }
        cr_assert_eq(mr_ring_held(m.r), m.filled - m.taken);
        cr_assert_eq(mr_ring_visible(m.r), m.published - m.taken);
    }
    cr_assert_gt(m.taken, capacity * 3, "the model must have gone round");
    free(m.r);
}

Test(ring, random_operations_agree_with_the_model, .timeout = 60)
{
    srand(1);
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        for (size_t e = 0; e < sizeof sizes / sizeof *sizes; e++) {
            for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
                run_model(capacities[c], sizes[e], s == 0 ? 0 : 4, starts[s] - capacities[c]);
            }
        }
    }
}
