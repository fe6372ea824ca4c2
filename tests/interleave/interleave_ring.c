/* The ring's own code, in every order of its steps: bursts, reserve and advance, publish held back, push and pop, lazy
 * credits, rings of 2 and 4, indices that pass 2^31 and 2^32. A producer's script against a consumer's, each with each.
 * Element i carries i; what was read is overwritten, so that a slot that is filled before it was read shows, and one that
 * is read before it was filled. */
#include "interleave.h"

#include <millrace/ring.h>

#include <string.h>

enum { CAPACITY_MAX = 4, READ = 0xEEEE, OPS = 4 };

enum what { NOTHING, RESERVE, HOLD, PUSH, ROOM, PUBLISH, PEEK, POP, RETURN, VISIBLE };

struct op {
    enum what what;
    uint32_t want, most; /* elements wanted; at most so many of what there is are filled or released */
};

static const struct op producers[][OPS] = {
    {{RESERVE, 1, 1}, {RESERVE, 2, 2}, {RESERVE, 2, 2}},
    {{RESERVE, 4, 4}, {RESERVE, 4, 1}, {RESERVE, 4, 4}},
    {{HOLD, 1, 1}, {HOLD, 2, 1}, {PUBLISH}, {RESERVE, 2, 2}},
    {{PUSH, 2, 2}, {PUSH, 3, 3}, {PUSH, 1, 1}},
    {{ROOM, 2, 2}, {ROOM, 4, 4}, {PUSH, 4, 4}},
    {{RESERVE, 3, 0}, {ROOM, 1, 1}, {HOLD, 4, 4}, {PUBLISH}},
};

static const struct op consumers[][OPS] = {
    {{PEEK, 1, 1}, {PEEK, 2, 2}, {PEEK, 2, 2}},
    {{PEEK, 4, 4}, {PEEK, 4, 1}, {PEEK, 4, 4}},
    {{POP, 2, 2}, {POP, 4, 4}},
    {{PEEK, 2, 0}, {PEEK, 2, 1}, {RETURN}, {PEEK, 1, 1}},
    {{VISIBLE}, {PEEK, 1, 1}, {VISIBLE}, {POP, 3, 3}},
};

static struct {
    unsigned char memory[sizeof(struct mr_ring) + MR_LINE_PAIR] MR_ALIGNED(MR_LINE_PAIR);
    struct mr_ring *ring;
    uint32_t capacity, start, lazy;
    const struct op *ops[2];
    uint32_t filled, published, taken; /* numbers of elements */
} t;

static uint32_t *slot(uint32_t number)
{
    uint32_t *slots = (uint32_t *)(void *)(t.ring + 1);
    return &slots[(t.start + number) & (t.capacity - 1)];
}

static void begin(void *arg)
{
    (void)arg;
    t.ring = mr_ring_init(t.memory, t.capacity, 4, 0, t.start);
    t.ring->consumer.lazy = t.lazy;
    t.filled = t.published = t.taken = 0;
    for (uint32_t i = 0; i < t.capacity; i++) {
        *slot(i) = READ;
    }
}

static void check(void *arg)
{
    const struct mr_ring *r = t.ring;
    (void)arg;
    IL_EXPECT(r->producer.tail - r->consumer.head <= t.capacity);
    IL_EXPECT(r->tail.published - r->consumer.head <= t.capacity);
    IL_EXPECT(r->producer.tail - r->head.published <= t.capacity);
    IL_EXPECT(r->consumer.seen - r->consumer.head <= t.capacity);
    IL_EXPECT(r->tail.published - r->consumer.seen <= t.capacity);
    for (uint32_t i = r->consumer.head; i != r->tail.published; i++) {
        uint32_t found = *slot(i - t.start);
        IL_EXPECT(found == i - t.start || (found == READ && i - t.start < t.taken));
    }
}

/* ---- the producer ---- */

static void inside(const void *span, uint32_t n)
{
    const uint32_t *first = span, *slots = (const uint32_t *)(const void *)(t.ring + 1);
    IL_EXPECT(first >= slots && first + n <= slots + t.capacity);
}

static uint32_t fill(uint32_t want, uint32_t most)
{
    void *span;
    uint32_t n = mr_ring_reserve(t.ring, 4, want, &span);
    IL_EXPECT(n <= want);
    inside(span, n);
    n = n < most ? n : most;
    for (uint32_t i = 0; i < n; i++) {
        mr_point("fill");
        uint32_t was = ((uint32_t *)span)[i]; // what pop took is left as it was
        IL_EXPECT(was == READ || was < t.ring->consumer.head - t.start);
        ((uint32_t *)span)[i] = t.filled + i;
    }
    mr_ring_advance(t.ring, n);
    t.filled += n;
    return n;
}

static void emit(uint32_t n)
{
    uint32_t room = mr_ring_room(t.ring, n);
    for (n = n < room ? n : room; n != 0;) {
        uint32_t k = fill(n, n);
        IL_EXPECT(k != 0); // room was there
        n -= k;
    }
    mr_ring_publish(t.ring);
}

static void push(uint32_t n)
{
    uint32_t items[CAPACITY_MAX];
    for (uint32_t i = 0; i < n; i++) {
        items[i] = t.filled + i;
    }
    t.filled += mr_ring_push(t.ring, 4, items, n);
}

static void produce(void *arg)
{
    (void)arg;
    for (const struct op *o = t.ops[0]; o < t.ops[0] + OPS && o->what != NOTHING; o++) {
        switch (o->what) {
        case RESERVE:
            fill(o->want, o->most);
            mr_ring_publish(t.ring);
            break;
        case HOLD:
            fill(o->want, o->most);
            break;
        case ROOM:
            emit(o->want);
            break;
        case PUSH:
            push(o->want);
            break;
        default:
            mr_ring_publish(t.ring);
        }
    }
}

/* ---- the consumer ---- */

static void take(uint32_t want, uint32_t most)
{
    void *span;
    uint32_t n = mr_ring_peek(t.ring, 4, want, &span);
    if (n == 0) {
        IL_EXPECT(t.ring->head.published == t.ring->consumer.head); // an empty look returns all
        return;
    }
    IL_EXPECT(n <= want);
    inside(span, n);
    mr_point("read");
    for (uint32_t i = 0; i < n; i++) {
        IL_EXPECT(((uint32_t *)span)[i] == t.taken + i);
    }
    n = n < most ? n : most;
    for (uint32_t i = 0; i < n; i++) {
        ((uint32_t *)span)[i] = READ;
    }
    t.taken += n;
    mr_ring_release(t.ring, n);
}

static void pop(uint32_t n)
{
    uint32_t items[2 * CAPACITY_MAX];
    n = mr_ring_pop(t.ring, 4, items, n);
    for (uint32_t i = 0; i < n; i++) {
        IL_EXPECT(items[i] == t.taken + i);
    }
    t.taken += n;
}

static void consume(void *arg)
{
    (void)arg;
    for (const struct op *o = t.ops[1]; o < t.ops[1] + OPS && o->what != NOTHING; o++) {
        switch (o->what) {
        case PEEK:
            take(o->want, o->most);
            break;
        case POP:
            pop(o->want);
            break;
        case RETURN:
            mr_ring_return(t.ring);
            IL_EXPECT(t.ring->head.published == t.ring->consumer.head);
            break;
        default:
            IL_EXPECT(mr_ring_visible(t.ring) <= t.filled - t.taken);
        }
    }
}

/* Both stand still: what is held back is published, all is taken, and then the whole ring is free. */
static void end(void *arg)
{
    (void)arg;
    mr_ring_publish(t.ring);
    IL_EXPECT(mr_ring_held(t.ring) == t.filled - t.taken);
    IL_EXPECT(mr_ring_visible(t.ring) == t.filled - t.taken);
    pop(2 * t.capacity);
    IL_EXPECT(t.taken == t.filled);
    void *span;
    IL_EXPECT(mr_ring_peek(t.ring, 4, 1, &span) == 0);
    IL_EXPECT(mr_ring_room(t.ring, t.capacity) == t.capacity);
}

static uint64_t play(uint64_t (*how)(const struct il_scene *))
{
    static char name[96];
    const struct il_scene scene = {name, begin, {produce, consume}, check, end, NULL};
    uint64_t schedules = 0;
    for (size_t p = 0; p < sizeof producers / sizeof *producers; p++) {
        for (size_t c = 0; c < sizeof consumers / sizeof *consumers; c++) {
            t.ops[0] = producers[p];
            t.ops[1] = consumers[c];
            snprintf(name, sizeof name, "capacity %u, start %u, lazy %u, producer %zu, consumer %zu", t.capacity, t.start, t.lazy,
                     p, c);
            schedules += how(&scene);
        }
    }
    return schedules;
}

int main(void)
{
    const uint32_t starts[] = {0, (1u << 31) - 1, UINT32_MAX - 1, UINT32_MAX};
    uint64_t all = 0;
    for (t.capacity = 2; t.capacity <= CAPACITY_MAX; t.capacity *= 2) {
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
            t.start = starts[s];
            t.lazy = 1 + (uint32_t)s % 2;
            all += play(il_explore);
        }
    }
    printf("%llu schedules, all of them\n", (unsigned long long)all);
    return 0;
}
