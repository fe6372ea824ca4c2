/* byte_ring.h: one producer, one consumer, records of any length in a row.
 *
 * For what goes to and comes from files: a core fills, a thread that may sleep in the kernel empties, or the other way
 * round. The memory is mapped twice, one copy behind the other, so that every record and everything visible is
 * contiguous: nobody asks where the end is, and a whole megabyte goes into one write. Like mr_ring it never waits.
 *
 * Free-running 32-bit indices in bytes, compared by unsigned difference only. Order, as in ring.h:
 *     A  producer reads head      pairs with D  consumer gives bytes back
 *     B  producer publishes tail  pairs with C  consumer reads tail
 */
#ifndef MILLRACE_PORT_BYTE_RING_H
#define MILLRACE_PORT_BYTE_RING_H

#include <millrace/atomic.h>

#include <stdint.h>

#define MR_BYTE_RING_MAX (1u << 30)

struct mr_byte_ring {
    unsigned char *bytes; /* capacity, and the same again; read-only after init */
    uint32_t capacity;
    uint32_t tail MR_ALIGNED(MR_LINE_PAIR);           /* producer only: next byte to fill */
    uint32_t limit;                                   /* producer only: first byte that may not be filled */
    uint32_t published_tail MR_ALIGNED(MR_LINE_PAIR); /* producer writes, consumer reads */
    uint32_t head MR_ALIGNED(MR_LINE_PAIR);           /* consumer only: next byte to read */
    uint32_t published_head MR_ALIGNED(MR_LINE_PAIR); /* consumer writes, producer reads */
};

/* mr_byte_ring_init: an empty ring of `bytes`, rounded up to a power of two and whole pages, touched, on a node (-1 =
 * anywhere). Control thread. 0 or -errno. mr_byte_ring_fini: of one that init failed for is fine. */
int mr_byte_ring_init(struct mr_byte_ring *r, uint32_t bytes, int node);
void mr_byte_ring_fini(struct mr_byte_ring *r);

/* mr_byte_ring_reserve: producer. n bytes to fill, or NULL when not so many are free. n <= capacity. */
static inline unsigned char *mr_byte_ring_reserve(struct mr_byte_ring *r, uint32_t n)
{
    if (MR_UNLIKELY(r->limit - r->tail < n)) {
        r->limit = mr_load_acquire(&r->published_head) + r->capacity; // A, pairs with D
        if (r->limit - r->tail < n) {
            return NULL;
        }
    }
    return r->bytes + (r->tail & (r->capacity - 1));
}

/* mr_byte_ring_advance: producer. n of the reserved bytes are filled; not yet visible. */
static inline void mr_byte_ring_advance(struct mr_byte_ring *r, uint32_t n)
{
    r->tail += n;
}

/* mr_byte_ring_publish: producer. Everything advanced becomes visible. */
static inline void mr_byte_ring_publish(struct mr_byte_ring *r)
{
    mr_store_release(&r->published_tail, r->tail); // B, pairs with C
}

/* mr_byte_ring_peek: consumer. Bytes that are there, contiguous from *at on. */
static inline uint32_t mr_byte_ring_peek(struct mr_byte_ring *r, unsigned char **at)
{
    *at = r->bytes + (r->head & (r->capacity - 1));
    return mr_load_acquire(&r->published_tail) - r->head; // C, pairs with B
}

/* mr_byte_ring_release: consumer. The first n of the peeked bytes are free again. */
static inline void mr_byte_ring_release(struct mr_byte_ring *r, uint32_t n)
{
    r->head += n;
    mr_store_release(&r->published_head, r->head); // D, pairs with A
}

#endif
