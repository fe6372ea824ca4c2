/* ring.h: the single-producer single-consumer index ring that every frame travels through.
 *
 * One thread reserves, fills in place and commits; one thread peeks, reads in place and releases. Neither ever waits:
 * every call returns how many elements it concerns, 0 included. The ring allocates nothing and holds no pointer, so it
 * may live in memory that two processes map at different addresses: slots follow the struct.
 *
 *   elements   4, 8 or 16 bytes; the size is a compile-time argument of every call (sizeof of the type)
 *   capacity   a power of two, 2 … 2^30; indices run freely through 2^32 and are compared only by difference
 *   span       what reserve and peek return is contiguous: at the end of the array it is short, the next call has the rest
 *
 * Memory order (all on the index itself; x86: plain moves, arm64: ldar/stlr):
 *   A  producer  load-acquire  head.published   when room looks short      pairs with D   slot was read before it is overwritten
 *   B  producer  store-release tail.published   after the slots are filled pairs with C   slot is filled before it is seen
 *   C  consumer  load-acquire  tail.published   when input looks short     pairs with B
 *   D  consumer  store-release head.published   after the slots were read  pairs with A
 *
 * Credits go back lazily (each capacity/8 elements, and on every empty look), which keeps the producer's line quiet:
 * room at an instant may be short by capacity/8 - 1 until the consumer's next empty look or mr_ring_return().
 */
#ifndef MILLRACE_RING_H
#define MILLRACE_RING_H

#include <millrace/atomic.h>

struct mr_ring_producer {
    uint32_t tail;    /* next index to fill; runs ahead of tail.published by what is advanced but not yet published */
    uint32_t limit;   /* last known head + capacity: the first index that may not be filled */
    uint32_t mask;
    uint32_t capacity;
    uint32_t ahead;   /* elements to prefetch for writing beyond a reserved span; 0 = off */
    uint32_t fetched; /* prefetch cursor: everything before this index was asked for */
};

struct mr_ring_consumer {
    uint32_t head; /* next index to read */
    uint32_t seen; /* last known tail */
    uint32_t mask;
    uint32_t capacity;
    uint32_t returned; /* what head.published holds */
    uint32_t lazy;     /* return credits when this many are owed */
    uint32_t ahead;    /* elements to prefetch for reading beyond a peeked span; 0 = off */
    uint32_t empties;  /* empty looks in a row */
};

struct mr_ring_index {
    uint32_t published;
};

struct mr_ring {
    struct mr_ring_producer producer MR_ALIGNED(MR_LINE_PAIR); /* producer only */
    struct mr_ring_index tail MR_ALIGNED(MR_LINE_PAIR);        /* producer writes, consumer reads */
    struct mr_ring_consumer consumer MR_ALIGNED(MR_LINE_PAIR); /* consumer only */
    struct mr_ring_index head MR_ALIGNED(MR_LINE_PAIR);        /* consumer writes, producer reads */
};

MR_STATIC_ASSERT(sizeof(struct mr_ring) == 4 * MR_LINE_PAIR, "four private blocks, then the slots");
MR_STATIC_ASSERT(offsetof(struct mr_ring, tail) == MR_LINE_PAIR, "tail has its own line pair");
MR_STATIC_ASSERT(offsetof(struct mr_ring, consumer) == 2 * MR_LINE_PAIR, "consumer has its own line pair");
MR_STATIC_ASSERT(offsetof(struct mr_ring, head) == 3 * MR_LINE_PAIR, "head has its own line pair");

#ifdef __cplusplus
extern "C" {
#endif

/* mr_ring_bytes: memory one ring needs, in bytes; 0 when capacity is no power of two from 2 to 2^30 or esz not 4, 8, 16. */
size_t mr_ring_bytes(uint32_t capacity, uint32_t esz);

/* mr_ring_capacity: the smallest capacity that holds n elements, a power of two from 2 on. n <= 2^30. */
uint32_t mr_ring_capacity(uint32_t n);

/* mr_ring_init: make an empty ring in memory of mr_ring_bytes(capacity, esz) bytes, aligned to MR_LINE_PAIR. Cold, one
 * thread, before either side starts. ahead_lines: cache lines to prefetch ahead, 0 = off (chosen by measurement).
 * start: first index, 0 except in tests of the wrap. Returns the ring, or NULL when the arguments are out of range. */
struct mr_ring *mr_ring_init(void *memory, uint32_t capacity, uint32_t esz, uint32_t ahead_lines, uint32_t start);

#ifdef __cplusplus
}
#endif

static inline unsigned char *mr_ring_slot(struct mr_ring *r, uint32_t index, uint32_t mask, uint32_t esz)
{
    return (unsigned char *)r + sizeof(struct mr_ring) + (size_t)(index & mask) * esz;
}

/* Ask for the lines behind a reserved span, up to the distance and never past the credits: lines beyond `limit` belong
 * to the consumer, and fetching them for writing would steal them. Off below one line: there it costs 20-40 %. */
static inline void mr_ring_fetch_ahead(struct mr_ring *r, uint32_t tail, uint32_t n, uint32_t esz)
{
    struct mr_ring_producer *p = &r->producer;
    const uint32_t per_line = MR_CACHE_LINE / esz;
    uint32_t end = tail + n + p->ahead;
    uint32_t from = (int32_t)(p->fetched - tail) > 0 ? p->fetched : tail;
    if ((int32_t)(end - p->limit) > 0) {
        end = p->limit;
    }
    for (; (int32_t)(end - from) >= (int32_t)per_line; from += per_line) {
        __builtin_prefetch(mr_ring_slot(r, from, p->mask, esz), 1, 3);
    }
    p->fetched = from;
}

/* mr_ring_reserve: producer. The next up to n free slots, contiguous; returns how many and sets *span. They are the
 * caller's to fill until it advances over them; what it does not advance over stays free. */
static inline uint32_t mr_ring_reserve(struct mr_ring *r, uint32_t esz, uint32_t n, void **span)
{
    struct mr_ring_producer *p = &r->producer;
    uint32_t tail = p->tail;
    uint32_t room = p->limit - tail;
    uint32_t to_end = p->capacity - (tail & p->mask);
    if (MR_UNLIKELY(room < n)) {
        MR_POINT("A");
        p->limit = mr_load_acquire(&r->head.published) + p->capacity; // A, pairs with D
        room = p->limit - tail;
        n = room < n ? room : n;
    }
    n = to_end < n ? to_end : n;
    *span = mr_ring_slot(r, tail, p->mask, esz);
    if (p->ahead != 0 && n * esz >= MR_CACHE_LINE) {
        mr_ring_fetch_ahead(r, tail, n, esz);
    } else {
        p->fetched = tail + n; // else its signed distance would turn over after 2^31 elements
    }
    return n;
}

/* mr_ring_advance: producer. k of the reserved slots are filled; not yet visible. k <= what reserve returned. */
static inline void mr_ring_advance(struct mr_ring *r, uint32_t k)
{
    r->producer.tail += k;
}

/* mr_ring_publish: producer. Make everything advanced visible to the consumer. */
static inline void mr_ring_publish(struct mr_ring *r)
{
    MR_POINT("B");
    mr_store_release(&r->tail.published, r->producer.tail); // B, pairs with C
}

/* mr_ring_commit: producer. Advance and publish at once. k = 0 is allowed. */
static inline void mr_ring_commit(struct mr_ring *r, uint32_t k)
{
    mr_ring_advance(r, k);
    mr_ring_publish(r);
}

/* mr_ring_room: producer. Free slots, whether contiguous or not; looks at the consumer's index only if fewer than
 * `enough` are known. */
static inline uint32_t mr_ring_room(struct mr_ring *r, uint32_t enough)
{
    struct mr_ring_producer *p = &r->producer;
    if (p->limit - p->tail < enough) {
        MR_POINT("A");
        p->limit = mr_load_acquire(&r->head.published) + p->capacity; // A, pairs with D
    }
    return p->limit - p->tail;
}

/* mr_ring_return: consumer. Give back all credits now: before it sleeps, yields, or stops looking at this ring. */
static inline void mr_ring_return(struct mr_ring *r)
{
    struct mr_ring_consumer *c = &r->consumer;
    if (c->returned != c->head) {
        c->returned = c->head;
        MR_POINT("D");
        mr_store_release(&r->head.published, c->head); // D, pairs with A
    }
}

/* An empty look: return credits; after a while of them fetch the next slot together with the tail, so that a lone
 * element costs one line transfer's time and not two (ping-pong 617 to 386 ns on Sapphire Rapids). Not sooner: a busy
 * consumer would steal the line that is being filled. */
static inline void mr_ring_look_empty(struct mr_ring *r, uint32_t esz)
{
    struct mr_ring_consumer *c = &r->consumer;
    mr_ring_return(r);
    if (++c->empties >= 16) {
        __builtin_prefetch(mr_ring_slot(r, c->head, c->mask, esz), 0, 3);
    }
}

/* mr_ring_peek: consumer. The next up to n filled slots, contiguous; returns how many and sets *span. They may be read
 * and written in place until they are released; what is not released comes again with the next peek. */
static inline uint32_t mr_ring_peek(struct mr_ring *r, uint32_t esz, uint32_t n, void **span)
{
    struct mr_ring_consumer *c = &r->consumer;
    uint32_t head = c->head;
    uint32_t have = c->seen - head;
    uint32_t to_end = c->capacity - (head & c->mask);
    if (MR_UNLIKELY(have < n)) {
        MR_POINT("C");
        c->seen = mr_load_acquire(&r->tail.published); // C, pairs with B
        have = c->seen - head;
        if (have == 0) {
            mr_ring_look_empty(r, esz);
            return 0;
        }
        c->empties = 0;
        n = have < n ? have : n;
    }
    n = to_end < n ? to_end : n;
    *span = mr_ring_slot(r, head, c->mask, esz);
    return n;
}

/* mr_ring_release: consumer. The first k of the peeked slots were read and are free again. */
static inline void mr_ring_release(struct mr_ring *r, uint32_t k)
{
    struct mr_ring_consumer *c = &r->consumer;
    c->head += k;
    if (c->head - c->returned >= c->lazy) {
        mr_ring_return(r);
    }
}

/* mr_ring_visible: consumer. Filled slots, by a fresh look at the producer's index (one line transfer). */
static inline uint32_t mr_ring_visible(struct mr_ring *r)
{
    MR_POINT("C");
    r->consumer.seen = mr_load_acquire(&r->tail.published); // C, pairs with B
    return r->consumer.seen - r->consumer.head;
}

/* mr_ring_depth: any thread. Published and not yet returned: above the truth by up to capacity/8 while both sides run,
 * exact when they stand still and the consumer has looked at it empty or returned its credits. */
static inline uint32_t mr_ring_depth(const struct mr_ring *r)
{
    uint32_t head = mr_load_acquire(&r->head.published);
    return mr_load_acquire(&r->tail.published) - head;
}

/* mr_ring_held: exact number of elements in the ring, advanced ones included; only when neither side runs. */
static inline uint32_t mr_ring_held(const struct mr_ring *r)
{
    return r->producer.tail - r->consumer.head;
}

/* mr_ring_push, mr_ring_pop: the same with the elements copied, for tests, control paths and 4-byte chunk numbers.
 * Return how many were moved, 0 … n. */
static inline uint32_t mr_ring_push(struct mr_ring *r, uint32_t esz, const void *items, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        void *span;
        uint32_t k = mr_ring_reserve(r, esz, n - done, &span);
        if (k == 0) {
            break;
        }
        MR_POINT("fill");
        __builtin_memcpy(span, (const char *)items + (size_t)done * esz, (size_t)k * esz);
        mr_ring_advance(r, k);
        done += k;
    }
    mr_ring_publish(r);
    return done;
}

static inline uint32_t mr_ring_pop(struct mr_ring *r, uint32_t esz, void *items, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        void *span;
        uint32_t k = mr_ring_peek(r, esz, n - done, &span);
        if (k == 0) {
            break;
        }
        MR_POINT("read");
        __builtin_memcpy((char *)items + (size_t)done * esz, span, (size_t)k * esz);
        mr_ring_release(r, k);
        done += k;
    }
    return done;
}

#endif
