/* pool_debug.c: the owner map, poison and generations of debug builds; told in pool.h. Any core may change a chunk's owner
 * at any time, so each change is a compare-and-swap: of two that claim one chunk the second is caught. */
#include <millrace/pool.h>

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#define ASAN __has_feature(address_sanitizer)
#else
#define ASAN 0
#endif

#if ASAN
void __asan_poison_memory_region(void const volatile *address, size_t bytes);
void __asan_unpoison_memory_region(void const volatile *address, size_t bytes);
#else
#define __asan_poison_memory_region(address, bytes)   ((void)(address), (void)(bytes))
#define __asan_unpoison_memory_region(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { POISON = 0xDB };

/* In the chunk's header, at MR_CHUNK_META. */
struct mark {
    uint32_t generation, not_generation; /* of how many times it was freed, and its complement */
    uint32_t last_owner;                 /* before it was freed */
};

static const char *const words[MR_OWNER_COUNT] = {
    [MR_OWNER_NONE] = "nobody (no chunk begins there)", [MR_OWNER_POOL] = "its pool",
    [MR_OWNER_PORT] = "a port or a copy",               [MR_OWNER_RING] = "a ring",
    [MR_OWNER_WORK] = "a work stage",                   [MR_OWNER_SENDER] = "a sending queue",
    [MR_OWNER_HOMING] = "a recycle ring or side list",
};

static struct mark *mark_of(const struct mr_pool *p, uint32_t chunk)
{
    return (struct mark *)(void *)(mr_chunk_at(p->base, chunk) + MR_CHUNK_META);
}

static const char *word_of(uint32_t owner)
{
    return owner < MR_OWNER_COUNT ? words[owner] : "an owner that there is not";
}

static _Noreturn void caught(uint32_t chunk, const char *what, const char *whose, const char *owner)
{
    fprintf(stderr, "millrace: chunk %u %s; %s: %s\n", chunk, what, whose, owner);
    abort();
}

static uint32_t chunk_bytes(const struct mr_pool *p, uint32_t chunk)
{
    return chunk < p->big_first ? p->small_bytes : p->big_bytes;
}

/* The owner changes, or somebody is caught. */
static void change(struct mr_pool *p, uint32_t chunk, enum mr_owner from, enum mr_owner to, const char *what)
{
    unsigned char was = (unsigned char)from;
    if (!__atomic_compare_exchange_n(&p->owners[chunk - p->first], &was, (unsigned char)to, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        caught(chunk, what, "it belongs to", word_of(was));
    }
}

/* From its way home a chunk brings its last owner in its header. */
static void poison(const struct mr_pool *p, uint32_t chunk, uint32_t last_owner)
{
    unsigned char *bytes = mr_chunk_at(p->base, chunk);
    struct mark *m = mark_of(p, chunk);
    m->generation++;
    m->not_generation = ~m->generation;
    m->last_owner = last_owner == MR_OWNER_HOMING ? m->last_owner : last_owner;
    __asan_unpoison_memory_region(bytes + MR_CHUNK_BUF, chunk_bytes(p, chunk) - MR_CHUNK_BUF); // it may be poisoned again
    memset(bytes + MR_CHUNK_BUF, POISON, chunk_bytes(p, chunk) - MR_CHUNK_BUF);
    __asan_poison_memory_region(bytes + MR_CHUNK_BUF, chunk_bytes(p, chunk) - MR_CHUNK_BUF);
}

void mr_pool_debug_start(struct mr_pool *p)
{
    struct mr_stack *lists[] = {&p->small, &p->big};
    for (uint32_t l = 0; l < 2; l++) {
        for (uint32_t i = 0; p->owners != NULL && i < lists[l]->count; i++) {
            p->owners[lists[l]->items[i] - p->first] = MR_OWNER_POOL;
            poison(p, lists[l]->items[i], MR_OWNER_NONE);
        }
    }
}

void mr_pool_debug_end(struct mr_pool *p)
{
    __asan_unpoison_memory_region(mr_chunk_at(p->base, p->first), (size_t)(p->end - p->first) * MR_CACHE_LINE);
}

static void check_poison(const struct mr_pool *p, uint32_t chunk)
{
    const unsigned char *bytes = mr_chunk_at(p->base, chunk);
    const struct mark *m = mark_of(p, chunk);
    __asan_unpoison_memory_region(bytes + MR_CHUNK_BUF, chunk_bytes(p, chunk) - MR_CHUNK_BUF);
    if (m->not_generation != ~m->generation) {
        caught(chunk, "has a header that was written after it was freed", "freed by", "not known any more");
    }
    for (uint32_t b = MR_CHUNK_BUF; b < chunk_bytes(p, chunk); b++) {
        if (bytes[b] != POISON) {
            char what[64];
            snprintf(what, sizeof what, "was written at byte %u after it was freed", b);
            caught(chunk, what, "freed by", word_of(m->last_owner));
        }
    }
}

void mr_pool_debug_alloc(struct mr_pool *p, const uint32_t *chunks, uint32_t n)
{
    for (uint32_t i = 0; p->owners != NULL && i < n; i++) {
        change(p, chunks[i], MR_OWNER_POOL, MR_OWNER_PORT, "is on the free list and not free");
        check_poison(p, chunks[i]);
    }
}

static void check_home(const struct mr_pool *p, uint32_t chunk)
{
    if (chunk < p->first || chunk >= p->end) {
        caught(chunk, "was freed to a home that is not its own", "its owner", "not known there");
    }
}

/* Who may let go of a chunk: all but its pool, which has it already, and a ring, out of which it must be taken first. */
static uint32_t let_go(struct mr_pool *p, uint32_t chunk, enum mr_owner to)
{
    check_home(p, chunk);
    uint32_t owner = __atomic_load_n(&p->owners[chunk - p->first], __ATOMIC_ACQUIRE);
    bool may = owner == MR_OWNER_PORT || owner == MR_OWNER_WORK || owner == MR_OWNER_SENDER ||
               (owner == MR_OWNER_HOMING && to == MR_OWNER_POOL);
    if (!may) {
        bool twice = owner == MR_OWNER_POOL || owner == MR_OWNER_HOMING;
        caught(chunk, twice ? "was freed twice" : "was freed by somebody who does not own it", "it belongs to", word_of(owner));
    }
    change(p, chunk, (enum mr_owner)owner, to, "was freed by two at once");
    return owner;
}

void mr_pool_debug_free(struct mr_pool *p, const uint32_t *chunks, uint32_t n)
{
    for (uint32_t i = 0; p->owners != NULL && i < n; i++) {
        poison(p, chunks[i], let_go(p, chunks[i], MR_OWNER_POOL));
    }
}

void mr_pool_debug_homing(struct mr_pool *p, const uint32_t *chunks, uint32_t n)
{
    for (uint32_t i = 0; p != NULL && p->owners != NULL && i < n; i++) {
        mark_of(p, chunks[i])->last_owner = let_go(p, chunks[i], MR_OWNER_HOMING);
    }
}

static struct mr_pool *home_of(const struct mr_recycle *r, uint32_t chunk)
{
    for (uint32_t i = 0; i < r->n_homes; i++) {
        if (chunk >= r->homes[i].first && chunk < r->homes[i].end) {
            return r->homes[i].pool;
        }
    }
    caught(chunk, "is handed on and lies in no home", "its owner", word_of(MR_OWNER_NONE));
}

void mr_pool_debug_hand(const struct mr_recycle *r, const struct mr_frame *frames, uint32_t n, enum mr_owner from,
                        enum mr_owner to)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mr_pool *p = home_of(r, frames[i].chunk);
        if (p != NULL && p->owners != NULL) {
            change(p, frames[i].chunk, from, to, "is handed on by somebody who does not own it");
        }
    }
}
