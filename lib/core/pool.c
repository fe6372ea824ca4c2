#include <millrace/pool.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void mr_pool_init(struct mr_pool *p, void *base, uint32_t first, uint32_t big_first, uint32_t end, uint32_t *small_items,
                  uint32_t small_capacity, uint32_t *big_items, uint32_t big_capacity, uint32_t *side_items)
{
    memset(p, 0, sizeof *p);
    p->base = (unsigned char *)base;
    p->first = first;
    p->big_first = big_first;
    p->end = end;
    p->small = (struct mr_stack){small_items, 0, small_capacity};
    p->big = (struct mr_stack){big_items, 0, big_capacity};
    p->side.items = side_items;
    p->side.capacity = small_capacity + big_capacity;
}

enum { GATHER = 256 }; // elements a look, so that credits flow back in pieces

uint32_t mr_pool_gather(struct mr_pool *p)
{
    uint32_t came = 0;
    for (uint32_t i = 0; i < p->n_recycle; i++) {
        void *span;
        uint32_t k;
        while ((k = mr_ring_peek(p->recycle[i], sizeof(uint32_t), GATHER, &span)) != 0) {
            mr_pool_free(p, (const uint32_t *)span, k);
            mr_ring_release(p->recycle[i], k);
            came += k;
        }
    }
    return came;
}

static int lock_try(uint32_t *lock)
{
    MR_POINT("lock");
    return __atomic_exchange_n(lock, 1u, __ATOMIC_ACQUIRE) == 0;
}

uint32_t mr_pool_gather_side(struct mr_pool *p)
{
    MR_POINT("side");
    if (__atomic_load_n(&p->side.count, __ATOMIC_RELAXED) == 0 || !lock_try(&p->side.lock)) {
        return 0;
    }
    uint32_t n = p->side.count;
    mr_pool_free(p, p->side.items, n);
    MR_POINT("side");
    __atomic_store_n(&p->side.count, 0u, __ATOMIC_RELAXED);
    MR_POINT("unlock");
    mr_store_release(&p->side.lock, 0);
    return n;
}

void mr_pool_side_free(struct mr_pool *p, const uint32_t *chunks, uint32_t n)
{
    while (!lock_try(&p->side.lock)) {
        mr_pause();
    }
    assert(p->side.count + n <= p->side.capacity);
#ifdef MR_POOL_DEBUG
    mr_pool_debug_homing(p, chunks, n);
#endif
    MR_POINT("side");
    memcpy(p->side.items + p->side.count, chunks, n * sizeof *chunks);
    __atomic_store_n(&p->side.count, p->side.count + n, __ATOMIC_RELAXED);
    MR_POINT("unlock");
    mr_store_release(&p->side.lock, 0);
}

/* Runs of chunks of one home go in one piece: senders complete in the order they were given, so runs are long. */
void mr_recycle_far(struct mr_recycle *r, const uint32_t *chunks, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        uint32_t home = 0;
        while (home < r->n_homes && chunks[done] - r->homes[home].first >= r->homes[home].end - r->homes[home].first) {
            home++;
        }
        assert(home < r->n_homes && "a chunk of no home");
        uint32_t first = r->homes[home].first;
        uint32_t span = r->homes[home].end - first;
        uint32_t run = done + 1;
        while (run < n && chunks[run] - first < span) {
            run++;
        }
        if (r->homes[home].own != NULL) {
            mr_pool_free(r->homes[home].own, chunks + done, run - done);
        } else {
#ifdef MR_POOL_DEBUG
            mr_pool_debug_homing(r->homes[home].pool, chunks + done, run - done);
#endif
            mr_recycle_send(r->homes[home].ring, chunks + done, run - done);
        }
        done = run;
    }
}

void mr_recycle_overflow(const struct mr_ring *ring)
{
    fprintf(stderr, "millrace: recycle ring %p: more chunks came home than there are: one was freed twice\n",
            (const void *)ring);
    abort();
}
