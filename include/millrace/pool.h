/* pool.h: a shard of the arena's chunks with one owning core, its home.
 *
 * Only the owner takes from and puts to the free lists (LIFO: the chunk freed last is the warmest). Another core sends
 * chunks home through a recycle ring of its own, large enough for all of the home's chunks, so that a push cannot fail.
 * A thread that is no core of the engine uses the locked side list, which the owner empties in housekeeping. No atomic
 * read-modify-write lies on a frame's way.
 *
 * Two classes: small (memory.chunk_bytes) and big (one super-frame each). All chunks of a home, small ones first, are one
 * contiguous range of the arena, so that a burst is told home by its lowest and highest chunk.
 *
 * Chunks are numbers: 64-byte lines from the arena's base. Memory comes from the caller; nothing is allocated here.
 */
#ifndef MILLRACE_POOL_H
#define MILLRACE_POOL_H

#include <millrace/frame.h>
#include <millrace/ring.h>

#define MR_CORES_MAX 64u

/* A free list of chunks. */
struct mr_stack {
    uint32_t *items; /* capacity entries */
    uint32_t count;
    uint32_t capacity;
};

struct mr_pool {
    unsigned char *base;   /* the arena's base, as mapped here */
    struct mr_stack small;
    struct mr_stack big;
    uint32_t first;        /* chunk numbers of this home: first <= chunk < end */
    uint32_t big_first;    /* chunks from here on are big; == end when there are none */
    uint32_t end;
    uint32_t small_bytes;  /* stride of a small chunk */
    uint32_t big_bytes;    /* stride of a big chunk */
    uint32_t n_recycle;
    struct mr_ring *recycle[MR_CORES_MAX]; /* in: one per other core that frees chunks of this home; elements uint32_t */
    struct {
        uint32_t lock; /* taken by threads that are no core, and by the owner in housekeeping */
        uint32_t count;
        uint32_t *items;
        uint32_t capacity;
    } side MR_ALIGNED(MR_LINE_PAIR);
    unsigned char *owners; /* debug: one byte per line of the home, a chunk's at its first; NULL = not kept */
};

/* One core's way of sending chunks home: its own homes directly, the others by ring. Read-only after build. */
struct mr_recycle {
    uint32_t n_homes;
    struct {
        uint32_t first, end;   /* range of the home */
        struct mr_pool *own;   /* set when this core owns the home */
        struct mr_ring *ring;  /* set otherwise */
        struct mr_pool *pool;  /* the home, whoever owns it: for debug builds only */
    } homes[MR_CORES_MAX];
};

#ifdef __cplusplus
extern "C" {
#endif

/* mr_pool_init: an empty pool for chunks first … end-1, of which those from big_first on are big; the stacks' and the
 * side list's item arrays must hold all of them (small_items, big_items, side_items entries). Cold. */
void mr_pool_init(struct mr_pool *p, void *base, uint32_t first, uint32_t big_first, uint32_t end, uint32_t *small_items,
                  uint32_t small_capacity, uint32_t *big_items, uint32_t big_capacity, uint32_t *side_items);

/* mr_pool_gather: owner. Take home what other cores returned (all recycle rings). Returns how many chunks came. */
uint32_t mr_pool_gather(struct mr_pool *p);

/* mr_pool_gather_side: owner, in housekeeping. Empties the side list; never waits (skips when the lock is taken). */
uint32_t mr_pool_gather_side(struct mr_pool *p);

/* mr_pool_side_free: any thread that is no core. Locked. */
void mr_pool_side_free(struct mr_pool *p, const uint32_t *chunks, uint32_t n);

/* mr_recycle_far: the general case of mr_recycle_put: chunks of several homes. mr_recycle_overflow: aborts: more chunks
 * came than the home has, so one was given back twice. */
void mr_recycle_far(struct mr_recycle *r, const uint32_t *chunks, uint32_t n);
void mr_recycle_overflow(const struct mr_ring *ring) __attribute__((noreturn, cold));

/* Debug builds (MR_POOL_DEBUG) know each chunk's owner and change it by compare-and-swap at every hand-over: who hands
 * over or frees what is not his aborts, and is named with the last owner. A free chunk is poisoned from MR_CHUNK_BUF on
 * with 0xDB (and for AddressSanitizer), its generation stands twice in its header; both are checked when it is taken: a
 * write after free, the kernel's too, aborts there. pool_debug.c, in every build, so that it is tested in every build. */
enum mr_owner {
    MR_OWNER_NONE,   /* no chunk begins here */
    MR_OWNER_POOL,   /* free */
    MR_OWNER_PORT,   /* taken from the pool: to receive or to make a frame */
    MR_OWNER_RING,   /* a frame between two stages */
    MR_OWNER_WORK,   /* a frame that functions work on */
    MR_OWNER_SENDER, /* a frame that a sending queue took */
    MR_OWNER_HOMING, /* in a recycle ring or on a side list */
    MR_OWNER_COUNT
};
void mr_pool_debug_start(struct mr_pool *p); /* when the free lists have been filled for the first time */
void mr_pool_debug_end(struct mr_pool *p);   /* before the memory goes back */
void mr_pool_debug_alloc(struct mr_pool *p, const uint32_t *chunks, uint32_t n);
void mr_pool_debug_free(struct mr_pool *p, const uint32_t *chunks, uint32_t n);
void mr_pool_debug_homing(struct mr_pool *p, const uint32_t *chunks, uint32_t n);
void mr_pool_debug_hand(const struct mr_recycle *r, const struct mr_frame *frames, uint32_t n, enum mr_owner from,
                        enum mr_owner to);

#ifdef __cplusplus
}
#endif

/* Chunk numbers of a burst, in blocks of half a line: a call of memcpy costs more than the copying (one core, burst of
 * 32, alloc and free: 1.3 times the rate). */
static inline void mr_chunks_copy(uint32_t *to, const uint32_t *from, uint32_t n)
{
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        __builtin_memcpy(to, from, 8 * sizeof *to);
    }
    for (; n != 0; n--) {
        *to++ = *from++;
    }
}

/* mr_pool_take: owner. Make sure that `n` small chunks are on the free list, by gathering when it runs low; returns
 * how many of n there are. The caller takes them from the top itself: p->small.items[--p->small.count]. */
static inline uint32_t mr_pool_take(struct mr_pool *p, struct mr_stack *list, uint32_t n)
{
    if (MR_UNLIKELY(list->count < n) && p->n_recycle != 0) {
        mr_pool_gather(p);
    }
    return list->count < n ? list->count : n;
}

/* mr_pool_alloc: owner. Up to n chunks of one class (&p->small or &p->big); returns how many, the caller owns them. */
static inline uint32_t mr_pool_alloc(struct mr_pool *p, struct mr_stack *list, uint32_t *chunks, uint32_t n)
{
    n = mr_pool_take(p, list, n);
    list->count -= n;
    mr_chunks_copy(chunks, list->items + list->count, n);
#ifdef MR_POOL_DEBUG
    mr_pool_debug_alloc(p, chunks, n);
#endif
    return n;
}

/* mr_pool_free: owner. Give back n chunks of this home, of either class. Cannot fail. */
static inline void mr_pool_free(struct mr_pool *p, const uint32_t *chunks, uint32_t n)
{
#ifdef MR_POOL_DEBUG
    mr_pool_debug_free(p, chunks, n);
#endif
    if (MR_LIKELY(p->big_first == p->end)) {
        mr_chunks_copy(p->small.items + p->small.count, chunks, n);
        p->small.count += n;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mr_stack *list = chunks[i] < p->big_first ? &p->small : &p->big;
        list->items[list->count++] = chunks[i];
    }
}

/* mr_recycle_send: n chunks of one home into its recycle ring, which holds all of them: a push cannot fail. */
static inline void mr_recycle_send(struct mr_ring *ring, const uint32_t *chunks, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        void *span;
        uint32_t k = mr_ring_reserve(ring, sizeof *chunks, n - done, &span);
        if (MR_UNLIKELY(k == 0)) {
            mr_recycle_overflow(ring);
        }
        MR_POINT("fill");
        mr_chunks_copy((uint32_t *)span, chunks + done, k);
        mr_ring_advance(ring, k);
        done += k;
    }
    mr_ring_publish(ring);
}

/* mr_frames_hand: frames change hands between stages; a release build does not look. */
static inline void mr_frames_hand(const struct mr_recycle *r, const struct mr_frame *frames, uint32_t n,
                                  enum mr_owner from, enum mr_owner to)
{
#ifdef MR_POOL_DEBUG
    mr_pool_debug_hand(r, frames, n, from, to);
#else
    (void)r, (void)frames, (void)n, (void)from, (void)to;
#endif
}

/* mr_recycle_put: send n chunks to their homes. With one home nobody asks which: straight onto its free list, or into
 * its ring. */
static inline void mr_recycle_put(struct mr_recycle *r, const uint32_t *chunks, uint32_t n)
{
    if (MR_UNLIKELY(r->n_homes != 1)) {
        mr_recycle_far(r, chunks, n);
    } else if (r->homes[0].own != NULL) {
        mr_pool_free(r->homes[0].own, chunks, n);
    } else {
#ifdef MR_POOL_DEBUG
        mr_pool_debug_homing(r->homes[0].pool, chunks, n);
#endif
        mr_recycle_send(r->homes[0].ring, chunks, n);
    }
}

#endif
