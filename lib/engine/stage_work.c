/* stage_work.c: the coalescing worker: rings in, work functions, a ring per output.
 *
 * Per look at one input: peek what is visible, ask the batcher how many to take, ask all outputs for room *before* the
 * functions run (a frame left in the input afterwards would be worked on twice), run them in place on the input ring's
 * slots, scatter by runs of equal port, release. What is scattered is published when the batcher says flush.
 */
#include "lib/engine/contract.h"
#include "lib/engine/core_loop.h"
#include "lib/engine/witness.h"
#include "lib/sys/clock.h"

/* A function that copies a frame twice to one port may fill more than a batch. */
static void flush(struct mr_stage_work *s, struct mr_work_output *o)
{
    mr_ring_publish(o->ring);
    mr_batch_count(&s->stage.batches, o->held < MR_BATCH_MAX ? o->held : MR_BATCH_MAX);
    o->held = 0;
}

/* A reason that nobody declared is a fault of the function's, and must not be counted past the counters. */
static void drop_run(struct mr_stage_work *s, const struct mr_frame *frames, uint32_t n, uint32_t reason)
{
    if (MR_UNLIKELY(reason >= MR_DROP_ENGINE_COUNT + s->n_reasons)) {
        mr_contract_note(s, s->n_works, MR_BREACH_OUTPUT);
        reason = MR_DROP_work_contract;
    }
    mr_count(&s->stage.counters.drops[reason], n);
    while (n != 0) {
        uint32_t chunks[MR_BATCH_MAX];
        uint32_t k = n < MR_BATCH_MAX ? n : MR_BATCH_MAX;
        for (uint32_t i = 0; i < k; i++) {
            chunks[i] = frames[i].chunk;
        }
        mr_recycle_put(s->recycle, chunks, k);
        frames += k;
        n -= k;
    }
}

/* Frames to one output; what it has no room for dies (only with when_full: drop, else room was asked before). */
static void emit(struct mr_stage_work *s, struct mr_work_output *o, const struct mr_frame *frames, uint32_t n)
{
    while (n != 0) {
        void *slots;
        uint32_t k = mr_ring_reserve(o->ring, sizeof *frames, n, &slots);
        if (MR_UNLIKELY(k == 0)) {
            mr_tell_died(mr_witness_base(s->stage.witness), frames, n, MR_DROP_tx_full);
            drop_run(s, frames, n, MR_DROP_tx_full);
            return;
        }
        mr_frames_hand(s->recycle, frames, k, MR_OWNER_WORK, MR_OWNER_RING);
        memcpy(slots, frames, k * sizeof *frames);
        mr_ring_advance(o->ring, k);
        o->held += k;
        frames += k;
        n -= k;
    }
}

static void emit_by_port(struct mr_stage_work *s, const struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0, end; i < n; i = end) {
        uint8_t port = frames[i].port;
        for (end = i + 1; end < n && frames[end].port == port; end++) {
        }
        if (MR_UNLIKELY(port & MR_DROPPED)) {
            drop_run(s, frames + i, end - i, port & ~MR_DROPPED);
        } else if (MR_UNLIKELY(s->output_of[port] == MR_OUTPUT_NONE)) {
            mr_tell_died(mr_witness_base(s->stage.witness), frames + i, end - i, MR_DROP_work_contract);
            mr_contract_note(s, s->n_works, MR_BREACH_OUTPUT);
            drop_run(s, frames + i, end - i, MR_DROP_work_contract);
        } else {
            emit(s, &s->out[s->output_of[port]], frames + i, end - i);
        }
    }
}

/* Take dropped frames out between two functions of a chain, so that none is worked on after it died. */
static uint32_t sift(struct mr_stage_work *s, struct mr_frame *frames, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (frames[i].port & MR_DROPPED) {
            drop_run(s, &frames[i], 1, frames[i].port & ~MR_DROPPED);
        } else {
            frames[kept++] = frames[i];
        }
    }
    return kept;
}

static void run_works(struct mr_stage_work *s, struct mr_burst *b)
{
    for (uint32_t i = 0; i < s->n_works && b->n != 0; i++) {
        struct mr_work *w = &s->works[i];
        if (b->dropped != 0) {
            b->n = sift(s, b->frames, b->n);
            b->dropped = 0;
        }
        if (b->witness == NULL && w->ops->process == NULL) {
            continue;
        }
        struct mr_given given;
        mr_contract_give(s, b, &given);
        if (MR_UNLIKELY(b->witness != NULL)) {
            mr_witness_process(s, i, b);
        } else {
            w->ops->process(w, b);
        }
        mr_contract_take(s, i, b, &given);
    }
}

/* Where no function chooses, output_of leads every port to output 0: then only a drop needs a look at the frames. */
static void work(struct mr_stage_work *s, struct mr_frame *frames, uint32_t n, uint64_t now)
{
    struct mr_burst b = {.frames = frames, .n = n, .base = s->base, .made = s->made, .made_max = s->made_max};
    b.witness = mr_witness_base(s->stage.witness);
    b.now_ns = s->ns0 + (uint64_t)((double)(now - s->ticks0) * s->ns_per_tick);
    mr_frames_hand(s->recycle, frames, n, MR_OWNER_RING, MR_OWNER_WORK);
    run_works(s, &b);
    if (MR_UNLIKELY(b.witness != NULL)) {
        mr_witness_worked(s, &b);
    }
    if (MR_LIKELY(!s->chooses && b.dropped == 0 && s->n_out == 1)) {
        emit(s, &s->out[0], b.frames, b.n);
    } else {
        emit_by_port(s, b.frames, b.n);
    }
    if (MR_UNLIKELY(b.made_n != 0)) {
        mr_frames_hand(s->recycle, b.made, b.made_n, MR_OWNER_PORT, MR_OWNER_WORK);
        emit_by_port(s, b.made, b.made_n);
    }
}

/* How many of the visible frames to take now; outputs whose batcher says so are flushed, and then it is none: one look
 * ends with its flush, so that a producer that never pauses cannot keep the worker here. */
static uint32_t ask(struct mr_stage_work *s, uint32_t visible, uint64_t now)
{
    uint32_t n = visible;
    for (uint32_t i = 0; i < s->n_out; i++) {
        struct mr_work_output *o = &s->out[i];
        struct mr_batch_view view = {.now = now, .visible = visible, .held = o->held};
        struct mr_batch_decision d = mr_batcher_decide(&o->batcher, &view);
        uint32_t take = d.action == MR_BATCH_TAKE ? d.take : 0;
        if (d.action == MR_BATCH_FLUSH) {
            flush(s, o);
        }
        n = take < n ? take : n;
    }
    return n;
}

static uint32_t room_for(struct mr_stage_work *s, uint32_t n)
{
    for (uint32_t i = 0; !s->drops_when_full && i < s->n_out; i++) {
        uint32_t room = mr_ring_room(s->out[i].ring, n);
        n = room < n ? room : n;
    }
    return n;
}

static uint32_t pull(struct mr_stage_work *s, struct mr_ring *in, uint64_t now)
{
    uint32_t moved = 0;
    while (moved < MR_BATCH_MAX) {
        void *frames;
        uint32_t visible = mr_ring_peek(in, sizeof(struct mr_frame), MR_BATCH_MAX, &frames);
        uint32_t n = visible == 0 ? 0 : ask(s, visible, now);
        uint32_t room = n == 0 ? 0 : room_for(s, n);
        if (room == 0) {
            s->stage.blocked |= n != 0;
            break;
        }
        work(s, (struct mr_frame *)frames, room, now);
        mr_ring_release(in, room);
        moved += room;
    }
    mr_ring_return(in);
    return moved;
}

static uint32_t work_poll(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_work *s = MR_CONTAINER_OF(stage, struct mr_stage_work, stage);
    uint64_t begin = stage->core->sampling ? mr_ticks() : 0;
    uint32_t moved = 0;
    stage->blocked = 0;
    for (uint32_t i = 0; i < s->n_in; i++) {
        moved += pull(s, s->in[s->next_in], now);
        s->next_in = s->next_in + 1 == s->n_in ? 0 : s->next_in + 1;
    }
    mr_count(&stage->counters.polls, 1);
    if (moved != 0) {
        mr_count(&stage->counters.polls_with_work, 1);
        mr_count(&stage->counters.frames, moved);
    }
    if (MR_UNLIKELY(begin != 0) && moved != 0) {
        mr_batcher_account(&s->out[0].batcher, moved, mr_ticks() - begin);
    }
    ask(s, 0, now); // every input was seen: what is held and wants to go, goes
    mr_count(&stage->counters.blocked, stage->blocked);
    return moved;
}

static void work_tick(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_work *s = MR_CONTAINER_OF(stage, struct mr_stage_work, stage);
    uint64_t now_ns = s->ns0 + (uint64_t)((double)(now - s->ticks0) * s->ns_per_tick);
    for (uint32_t i = 0; i < s->n_works; i++) {
        if (s->works[i].ops->tick != NULL) {
            s->works[i].ops->tick(&s->works[i], now_ns);
        }
    }
}

static uint64_t work_holding(struct mr_stage *stage)
{
    struct mr_stage_work *s = MR_CONTAINER_OF(stage, struct mr_stage_work, stage);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->n_in; i++) {
        sum += mr_ring_visible(s->in[i]);
    }
    for (uint32_t i = 0; i < s->n_out; i++) {
        sum += s->out[i].held;
    }
    return sum;
}

static bool always_quiet(struct mr_stage *stage)
{
    (void)stage;
    return true;
}

void mr_stage_work_init(struct mr_stage_work *s)
{
    s->stage.poll = work_poll;
    s->stage.tick = work_tick;
    s->stage.quiesce = always_quiet;
    s->stage.holding = work_holding;
}
