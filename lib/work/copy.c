/* copy.c: a second frame with the same bytes, in a chunk of the working core's own home. */
#include <millrace/work.h>

/* Small frames never take a big chunk: super-frames could not be copied for want of the few there are. */
static bool take_chunk(struct mr_pool *pool, uint32_t length, uint32_t *chunk)
{
    struct mr_stack *list = MR_CHUNK_DATA + length <= pool->small_bytes ? &pool->small : &pool->big;
    return mr_pool_alloc(pool, list, chunk, 1) == 1;
}

bool mr_burst_copy(struct mr_work *w, struct mr_burst *b, const struct mr_frame *frame, uint8_t port)
{
    uint32_t chunk;
    mr_count(&w->stage->made, 1);
    if (b->made_n == b->made_max || !take_chunk(w->pool, frame->length, &chunk)) {
        mr_count(&w->stage->drops[MR_DROP_no_chunk], 1);
        if (MR_UNLIKELY(b->witness != NULL)) {
            b->witness->copied(b->witness, frame, NULL, port, __FILE__, __LINE__);
        }
        return false;
    }
    struct mr_frame *copy = &b->made[b->made_n++];
    *copy = *frame;
    copy->chunk = chunk;
    copy->offset = MR_CHUNK_DATA;
    copy->port = port;
    copy->flags = (uint8_t)(frame->flags & ~MR_FRAME_CLONE);
    uint32_t before = frame->flags & MR_FRAME_VNET ? MR_VNET_BYTES : 0;
    if (frame->flags & MR_FRAME_STAMPED) {
        *mr_chunk_stamp(b->base, chunk) = *mr_chunk_stamp(b->base, frame->chunk);
    }
    memcpy(mr_frame_data(b->base, copy) - before, mr_frame_data(b->base, frame) - before, before + frame->length);
    if (MR_UNLIKELY(b->witness != NULL)) {
        b->witness->copied(b->witness, frame, copy, port, __FILE__, __LINE__);
    }
    return true;
}
