/* fuzz_frame.c: frames of any length and content through every work function there is, alone and in chains, with nothing
 * but the frame, its headroom and its own words to be touched: the rest of the memory is poisoned, in builds with AddressSanitizer.
 * Frames are first grown and cut at both ends, as a function of a user's would.
 *
 * Held to: every frame leaves by an output of its path or dies of a reason that exists, once; a copy has the bytes of
 * its frame, a chunk of its own and a place in it; what is counted is what happened. */
#include "tests/fuzz/fuzz.h"

#include <millrace/work.h>

enum { FRAMES = 6, SMALL = 10, BIG = 3, CHAIN = 3, OUTPUTS = 6, MADE = FRAMES * OUTPUTS, BURSTS = 8, HEAD = 40 };
enum { BIG_LINES = MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE, SMALL_LINES = MR_CHUNK_STRIDE / MR_CACHE_LINE };
enum { POOL = FRAMES * BIG_LINES, POOL_BIG = POOL + SMALL * SMALL_LINES, LINES = POOL_BIG + BIG * BIG_LINES };

struct bench {
    struct mr_pool pool;
    struct mr_work works[CHAIN];
    struct mr_stage_counters stage;
    uint64_t counters[CHAIN][MR_WORK_COUNTERS_MAX];
    uint32_t small[SMALL], big[BIG], side[SMALL + BIG];
    uint32_t n_works, n_reasons;
    bool chooses;
    struct mr_frame in[FRAMES], made[MADE];
};

static unsigned char memory[LINES * MR_CACHE_LINE] MR_ALIGNED(MR_CACHE_LINE);

static void make_pool(struct bench *t)
{
    struct mr_pool *p = &t->pool;
    mr_pool_init(p, memory, POOL, POOL_BIG, LINES, t->small, SMALL, t->big, BIG, t->side);
    p->small_bytes = MR_CHUNK_STRIDE;
    p->big_bytes = MR_CHUNK_BIG_STRIDE;
    for (uint32_t i = 0; i < SMALL + BIG; i++) {
        uint32_t chunk = i < SMALL ? POOL + i * SMALL_LINES : POOL_BIG + (i - SMALL) * BIG_LINES;
        uint32_t bytes = i < SMALL ? p->small_bytes : p->big_bytes;
        mr_pool_free(p, &chunk, 1);
        ASAN_UNPOISON_MEMORY_REGION(memory + chunk * MR_CACHE_LINE + MR_CHUNK_META, bytes - MR_CHUNK_META);
    }
}

static void make_work(struct bench *t, struct fuzz *f, const struct mr_work_ops *ops, uint32_t n_outputs)
{
    struct mr_work *w = &t->works[t->n_works];
    uint8_t number = fuzz_u8(f) % 32;
    w->ops = ops;
    w->counters = t->counters[t->n_works++];
    w->stage = &t->stage;
    w->pool = ops->flags & MR_WORK_COPIES ? &t->pool : NULL;
    w->first_reason = MR_DROP_ENGINE_COUNT + t->n_reasons;
    for (uint32_t i = 0; ops->drop_reasons != NULL && ops->drop_reasons[i] != NULL; i++) {
        t->n_reasons++;
    }
    for (; w->n_outputs < n_outputs; number += 3) {
        w->outputs[w->n_outputs++] = number;
    }
    if (posix_memalign(&w->state, MR_LINE_PAIR, ops->state_bytes + 1) != 0) {
        abort();
    }
    memset(w->state, 0, ops->state_bytes);
    FUZZ_CHECK(ops->init == NULL || ops->init(w, NULL) == 0, "init of %s", ops->name);
    t->chooses |= (ops->flags & MR_WORK_CHOOSES) != 0;
}

/* All functions of a path have its outputs. */
static void make_chain(struct bench *t, struct fuzz *f)
{
    uint32_t known = 0, n = 1 + fuzz_below(f, CHAIN), outputs = 1 + fuzz_below(f, OUTPUTS);
    const struct mr_work_ops *chosen[CHAIN];
    bool chooses = false;
    while (mr_work_at(known) != NULL) {
        known++;
    }
    for (uint32_t i = 0; i < n; i++) {
        chosen[i] = mr_work_at(fuzz_below(f, known));
        chooses |= (chosen[i]->flags & MR_WORK_CHOOSES) != 0;
    }
    struct fuzz same = *f;
    for (uint32_t i = 0; i < n; i++) {
        *f = same;
        make_work(t, f, chosen[i], chooses ? outputs : 1);
    }
}

/* Whatever is asked, what is left lies in the chunk. */
static void reshape(struct mr_frame *f, struct fuzz *bytes)
{
    uint32_t n = fuzz_u16(bytes);
    switch (fuzz_below(bytes, 8)) {
    case 0:
        mr_frame_prepend(memory, f, n % 200);
        break;
    case 1:
        mr_frame_adjust(memory, f, n);
        break;
    case 2:
        mr_frame_trim(f, n);
        break;
    case 3:
        mr_frame_append(f, n, MR_CHUNK_BIG_STRIDE);
        break;
    default:
        break;
    }
    FUZZ_CHECK(f->offset >= MR_CHUNK_BUF + MR_VNET_BYTES, "offset %u", f->offset);
    FUZZ_CHECK((uint32_t)f->offset + f->length <= MR_CHUNK_BIG_STRIDE, "offset %u length %u", f->offset, f->length);
}

static void make_frame(struct bench *t, struct fuzz *f, uint32_t i)
{
    struct mr_frame *frame = &t->in[i];
    unsigned char *chunk = memory + i * MR_CHUNK_BIG_STRIDE;
    uint32_t kind = fuzz_below(f, 4);
    uint32_t length = kind == 0 ? fuzz_below(f, 64) : kind == 1 ? 64u + fuzz_u8(f) * 8u : fuzz_u16(f);
    ASAN_UNPOISON_MEMORY_REGION(chunk, MR_CHUNK_BIG_STRIDE);
    *frame = (struct mr_frame){.chunk = i * BIG_LINES, .tick = i, .offset = MR_CHUNK_DATA, .length = (uint16_t)length,
                               .port = fuzz_u8(f) % MR_PORTS_MAX, .flags = fuzz_u8(f), .hash = (uint16_t)(i + 1)};
    for (uint32_t k = 0; k < HEAD; k++) {
        chunk[MR_CHUNK_DATA - MR_VNET_BYTES + k] = fuzz_u8(f);
    }
    reshape(frame, f);
    reshape(frame, f);
    ASAN_POISON_MEMORY_REGION(chunk, MR_CHUNK_BIG_STRIDE);
    ASAN_UNPOISON_MEMORY_REGION(chunk + MR_CHUNK_META, frame->offset + frame->length - MR_CHUNK_META);
}

static bool is_output(const struct bench *t, uint8_t port)
{
    return memchr(t->works[0].outputs, port, t->works[0].n_outputs) != NULL;
}

/* As the engine does between two functions and after the last: who died is counted and taken out. */
static uint32_t sift(const struct bench *t, struct mr_frame *frames, uint32_t n, uint32_t *dropped)
{
    uint32_t kept = 0;
    *dropped = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t reason = frames[i].port & ~MR_DROPPED;
        if (frames[i].port & MR_DROPPED) {
            FUZZ_CHECK(reason < MR_DROP_ENGINE_COUNT + t->n_reasons, "reason %u", reason);
            ++*dropped;
        } else {
            frames[kept++] = frames[i];
        }
    }
    return kept;
}

/* Those that one function made; one behind it in the chain may change the frame, and sees no copy. */
static void check_copies(const struct bench *t, const struct mr_frame *in, const struct mr_burst *b, uint32_t from)
{
    for (uint32_t i = from; i < b->made_n; i++) {
        const struct mr_frame *copy = &b->made[i];
        uint32_t bytes = copy->chunk < POOL_BIG ? MR_CHUNK_STRIDE : MR_CHUNK_BIG_STRIDE;
        FUZZ_CHECK(is_output(t, copy->port), "copy for port %u", copy->port);
        FUZZ_CHECK(copy->chunk >= POOL && copy->chunk < LINES, "chunk %u", copy->chunk);
        FUZZ_CHECK((uint32_t)copy->offset + copy->length <= bytes, "%u bytes at %u", copy->length, copy->offset);
        FUZZ_CHECK(copy->hash >= 1 && copy->hash <= FRAMES, "a copy of no frame");
        const struct mr_frame *source = &in[copy->hash - 1];
        FUZZ_CHECK(copy->length == source->length, "%u bytes of %u", copy->length, source->length);
        FUZZ_CHECK(memcmp(mr_frame_data(memory, copy), mr_frame_data(memory, source), copy->length) == 0, "other bytes");
        for (uint32_t k = 0; k < i; k++) {
            FUZZ_CHECK(b->made[k].chunk != copy->chunk, "two copies in chunk %u", copy->chunk);
        }
    }
}

static void send_home(struct bench *t, const struct mr_burst *b)
{
    for (uint32_t i = 0; i < b->made_n; i++) {
        mr_pool_free(&t->pool, &b->made[i].chunk, 1);
    }
    FUZZ_CHECK(t->pool.small.count == SMALL && t->pool.big.count == BIG, "chunks are away");
}

static void burst(struct bench *t, struct fuzz *f)
{
    struct mr_burst b = {.frames = t->in, .n = 1 + fuzz_below(f, FRAMES), .base = memory, .made = t->made};
    struct mr_frame before[FRAMES];
    uint32_t dropped = 0;
    uint64_t made = t->stage.made, no_chunk = t->stage.drops[MR_DROP_no_chunk];
    b.made_max = fuzz_below(f, MADE + 1);
    b.now_ns = (uint64_t)fuzz_u32(f) << 8;
    for (uint32_t i = 0; i < b.n; i++) {
        make_frame(t, f, i);
    }
    memcpy(before, t->in, sizeof before);
    for (uint32_t i = 0; i < t->n_works && b.n != 0; i++) {
        struct mr_work *w = &t->works[i];
        uint32_t made_before = b.made_n;
        b.dropped = 0;
        if (w->ops->process != NULL) {
            w->ops->process(w, &b);
        }
        check_copies(t, before, &b, made_before);
        b.n = sift(t, b.frames, b.n, &dropped);
        FUZZ_CHECK(b.dropped == dropped, "%s says %u dropped, %u are", w->ops->name, b.dropped, dropped);
        if (w->ops->tick != NULL) {
            w->ops->tick(w, b.now_ns);
        }
    }
    for (uint32_t i = 0; i < b.n; i++) {
        FUZZ_CHECK(!t->chooses || is_output(t, b.frames[i].port), "left by port %u", b.frames[i].port);
        FUZZ_CHECK((uint32_t)b.frames[i].offset + b.frames[i].length <= MR_CHUNK_BIG_STRIDE, "out of its chunk");
    }
    FUZZ_CHECK(b.made_n <= b.made_max, "%u copies, room for %u", b.made_n, b.made_max);
    FUZZ_CHECK(t->stage.made - made == b.made_n + t->stage.drops[MR_DROP_no_chunk] - no_chunk, "copies are counted");
    send_home(t, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct bench t;
    struct fuzz f = {data, bytes};
    memset(&t, 0, sizeof t);
    ASAN_POISON_MEMORY_REGION(memory, sizeof memory);
    make_pool(&t);
    make_chain(&t, &f);
    for (uint32_t i = 0; i < BURSTS && f.left != 0; i++) {
        burst(&t, &f);
    }
    for (uint32_t i = 0; i < t.n_works; i++) {
        if (t.works[i].ops->fini != NULL) {
            t.works[i].ops->fini(&t.works[i]);
        }
        free(t.works[i].state);
    }
    ASAN_UNPOISON_MEMORY_REGION(memory, sizeof memory);
    return 0;
}
