/* fuzz_ring_ops.c: any order of the ring's calls, against a plain queue of numbers.
 *
 * The n-th element ever filled carries n, so that the queue is four counts; the ring's own indices start anywhere, at
 * the wrap of 32 bits as well. What a span of it may be is bounded from both sides: never more than is free (filled),
 * never less than what both sides know of. */
#include "tests/fuzz/fuzz.h"

#include <millrace/ring.h>

enum { ITEMS_MAX = 300, OPS_MAX = 4096 };

struct queue {
    struct mr_ring *ring;
    uint32_t esz, capacity, start;
    uint32_t filled, published, read; /* elements since the beginning */
};

static void write_item(void *slot, uint32_t esz, uint32_t n)
{
    for (uint32_t i = 0; i < esz; i += 4) {
        uint32_t word = n ^ i * 0x9E3779B9u;
        memcpy((char *)slot + i, &word, sizeof word);
    }
}

static void check_item(const void *slot, uint32_t esz, uint32_t n)
{
    unsigned char want[16];
    write_item(want, esz, n);
    FUZZ_CHECK(memcmp(slot, want, esz) == 0, "element %u is another one", n);
}

static uint32_t to_end(const struct queue *q, uint32_t count)
{
    return q->capacity - ((q->start + count) & (q->capacity - 1));
}

static uint32_t returned(const struct queue *q)
{
    return q->ring->head.published - q->start;
}

static uint32_t known_room(const struct queue *q)
{
    return q->capacity - (q->filled - returned(q));
}

static void reserve(struct queue *q, uint32_t n, uint32_t fill, int publish)
{
    void *span = NULL;
    uint32_t got = mr_ring_reserve(q->ring, q->esz, n, &span);
    uint32_t sure = fuzz_least(fuzz_least(n, to_end(q, q->filled)), known_room(q));
    FUZZ_CHECK(got == sure, "reserve(%u) gave %u of %u", n, got, sure);
    fill = fuzz_least(fill, got);
    for (uint32_t i = 0; i < fill; i++) {
        write_item((char *)span + i * q->esz, q->esz, q->filled + i);
    }
    q->filled += fill;
    if (publish) {
        mr_ring_commit(q->ring, fill);
        q->published = q->filled;
    } else {
        mr_ring_advance(q->ring, fill);
    }
}

static void peek(struct queue *q, uint32_t n, uint32_t release)
{
    void *span = NULL;
    uint32_t got = mr_ring_peek(q->ring, q->esz, n, &span);
    uint32_t sure = fuzz_least(fuzz_least(n, to_end(q, q->read)), q->published - q->read);
    FUZZ_CHECK(got == sure, "peek(%u) gave %u of %u", n, got, sure);
    FUZZ_CHECK(n == 0 || got != 0 || returned(q) == q->read, "an empty look gives all credits back");
    for (uint32_t i = 0; i < got; i++) {
        check_item((char *)span + i * q->esz, q->esz, q->read + i);
    }
    release = fuzz_least(release, got);
    mr_ring_release(q->ring, release);
    q->read += release;
}

static void push(struct queue *q, uint32_t n)
{
    static unsigned char items[ITEMS_MAX * 16];
    uint32_t sure = fuzz_least(n, known_room(q));
    for (uint32_t i = 0; i < n; i++) {
        write_item(items + i * q->esz, q->esz, q->filled + i);
    }
    uint32_t got = mr_ring_push(q->ring, q->esz, items, n);
    FUZZ_CHECK(got == sure, "push(%u) took %u of %u", n, got, sure);
    q->filled += got;
    q->published = q->filled;
}

static void pop(struct queue *q, uint32_t n)
{
    static unsigned char items[ITEMS_MAX * 16];
    uint32_t sure = fuzz_least(n, q->published - q->read);
    uint32_t got = mr_ring_pop(q->ring, q->esz, items, n);
    FUZZ_CHECK(got == sure, "pop(%u) gave %u of %u", n, got, sure);
    for (uint32_t i = 0; i < got; i++) {
        check_item(items + i * q->esz, q->esz, q->read + i);
    }
    q->read += got;
}

static void room(struct queue *q, uint32_t enough)
{
    uint32_t got = mr_ring_room(q->ring, enough);
    FUZZ_CHECK(got <= q->capacity - (q->filled - q->read), "room is %u, %u are in use", got, q->filled - q->read);
    FUZZ_CHECK(got >= fuzz_least(enough, known_room(q)), "room is %u, %u are known free", got, known_room(q));
}

/* What any thread may ask, and the promise about credits that come late. */
static void look(struct queue *q)
{
    uint32_t owed = q->read - returned(q);
    FUZZ_CHECK(mr_ring_visible(q->ring) == q->published - q->read, "of %u", q->published - q->read);
    FUZZ_CHECK(mr_ring_depth(q->ring) == q->published - returned(q), "of %u", q->published - returned(q));
    FUZZ_CHECK(mr_ring_held(q->ring) == q->filled - q->read, "of %u", q->filled - q->read);
    FUZZ_CHECK(owed == 0 || owed < q->capacity / 8, "%u credits are owed", owed);
}

static void step(struct queue *q, struct fuzz *f)
{
    uint32_t op = fuzz_below(f, 9);
    uint32_t n = fuzz_u8(f) + fuzz_u8(f) / 6u; // 0 … 297: more than the ring holds, as well
    uint32_t k = op < 4 ? fuzz_u8(f) : 0;
    switch (op) {
    case 0:
    case 1:
        reserve(q, n, k, op);
        break;
    case 2:
    case 3:
        peek(q, n, k);
        break;
    case 4:
        push(q, n);
        break;
    case 5:
        pop(q, n);
        break;
    case 6:
        room(q, n);
        break;
    case 7:
        mr_ring_publish(q->ring);
        q->published = q->filled;
        break;
    default:
        mr_ring_return(q->ring);
        FUZZ_CHECK(returned(q) == q->read, "all credits are back");
        break;
    }
    look(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint32_t sizes[] = {4, 8, 16};
    struct fuzz f = {data, bytes};
    struct queue q = {.esz = sizes[fuzz_below(&f, 3)], .capacity = 2u << fuzz_below(&f, 8)};
    uint32_t ahead_lines = fuzz_below(&f, 5);
    void *memory = NULL;
    q.start = fuzz_u32(&f);
    if (posix_memalign(&memory, MR_LINE_PAIR, mr_ring_bytes(q.capacity, q.esz)) != 0) {
        return 0;
    }
    q.ring = mr_ring_init(memory, q.capacity, q.esz, ahead_lines, q.start);
    FUZZ_CHECK(q.ring != NULL, "capacity %u", q.capacity);
    for (uint32_t i = 0; i < OPS_MAX && f.left != 0; i++) {
        step(&q, &f);
    }
    free(memory);
    return 0;
}
