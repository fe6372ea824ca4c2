/* stage_tx.c: rings into a sending queue; chunks whose sends are over go home; latency is recorded. */
#include "lib/engine/stage.h"
#include "lib/engine/core_loop.h"
#include "lib/engine/witness.h"
#include "lib/sys/clock.h"

/* A gap of the host that ended after the frames came in fell into their life. */
static bool disturbed(const struct mr_stage_tx *s, uint32_t tick)
{
    const struct mr_core *core = s->stage.core;
    for (uint32_t i = 0; i < core->n_cores; i++) {
        uint32_t end = __atomic_load_n(core->gap_ends[i], __ATOMIC_RELAXED);
        if (MR_UNLIKELY(end != 0) && (int32_t)(end - tick) > 0) {
            return true;
        }
    }
    return false;
}

void mr_stage_tx_settle(struct mr_stage_tx *s, uint64_t now)
{
    uint32_t tick = (uint32_t)(now >> MR_TICK_SHIFT);
    for (uint32_t i = 0; i < s->n_runs; i++) {
        struct mr_histogram *h = disturbed(s, s->runs[i].tick) ? &s->disturbed : &s->undisturbed;
        mr_histogram_add(h, tick - s->runs[i].tick, s->runs[i].n);
    }
    s->n_runs = 0;
}

static void note_run(struct mr_stage_tx *s, uint32_t tick, uint32_t n)
{
    if (s->n_runs != 0 && s->runs[s->n_runs - 1].tick == tick) {
        s->runs[s->n_runs - 1].n += n;
        return;
    }
    if (MR_UNLIKELY(s->n_runs == MR_LATENCY_RUNS)) {
        mr_stage_tx_settle(s, mr_ticks());
    }
    s->runs[s->n_runs++] = (struct mr_latency_run){tick, n};
}

static void note(struct mr_stage_tx *s, const struct mr_frame *frames, uint32_t n)
{
    if (MR_LIKELY(s->ticks_rise && frames[0].tick == frames[n - 1].tick)) {
        note_run(s, frames[0].tick, n);
        return;
    }
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && frames[end].tick == frames[i].tick; end++) {
        }
        note_run(s, frames[i].tick, end - i);
    }
}

static void send_home(struct mr_stage_tx *s, const struct mr_frame *frames, uint32_t n)
{
    uint32_t chunks[MR_BATCH_MAX];
    for (uint32_t i = 0; i < n; i++) {
        chunks[i] = frames[i].chunk;
    }
    mr_recycle_put(s->recycle, chunks, n);
}

void mr_stage_tx_reclaim(struct mr_stage_tx *s)
{
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t n;
    while ((n = s->reclaim(s->q, chunks, MR_BATCH_MAX)) != 0) {
        if (MR_UNLIKELY(s->stage.witness != NULL)) {
            mr_witness_reclaimed(s, chunks, n);
        }
        mr_recycle_put(s->recycle, chunks, n);
    }
}

static uint32_t send_from(struct mr_stage_tx *s, struct mr_ring *in)
{
    void *slots;
    uint32_t n = mr_ring_peek(in, sizeof(struct mr_frame), s->burst, &slots);
    const struct mr_frame *frames = (const struct mr_frame *)slots;
    if (n == 0) {
        return 0;
    }
    if (MR_UNLIKELY(s->stage.witness != NULL)) {
        mr_witness_hand(s, frames, n);
    }
    uint32_t sent = s->tx_burst(s->q, frames, n);
    s->stage.blocked |= sent < n;
    if (sent != 0) {
        if (MR_UNLIKELY(s->stage.witness != NULL)) {
            mr_witness_handed(s, in, frames, n, sent);
        }
        if (!s->takes_home) {
            mr_frames_hand(s->recycle, frames, sent, MR_OWNER_RING, MR_OWNER_SENDER);
        }
        if (s->measures) {
            note(s, frames, sent);
        }
        if (s->reclaim == NULL) {
            send_home(s, frames, sent);
        }
        mr_batch_count(&s->stage.batches, sent);
        mr_ring_release(in, sent);
    }
    return sent;
}

uint32_t mr_stage_tx_poll(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    uint32_t moved = 0;
    stage->blocked = 0;
    if (s->n_runs != 0) {
        mr_stage_tx_settle(s, now);
    }
    s->q->now = now;
    for (uint32_t i = 0; i < s->n_in; i++) {
        moved += send_from(s, s->in[s->next_in]);
        s->next_in = s->next_in + 1 == s->n_in ? 0 : s->next_in + 1;
    }
    if (s->reclaim != NULL && s->q->held != 0) {
        mr_stage_tx_reclaim(s);
    }
    mr_count(&stage->counters.polls, 1);
    if (moved != 0) {
        mr_count(&stage->counters.polls_with_work, 1);
        mr_count(&stage->counters.frames, moved);
    }
    mr_count(&stage->counters.blocked, stage->blocked);
    return moved;
}

void mr_stage_tx_finish(struct mr_stage_tx *s, uint64_t now)
{
    mr_stage_tx_settle(s, now);
    if (s->reclaim != NULL) {
        mr_stage_tx_reclaim(s);
    }
    mr_stage_tx_count_refused(s);
}

static void tx_tick(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    uint32_t link = mr_load_acquire(&s->q->port->link);
    bool halting = (link == MR_LINK_GONE) != (s->q->halted != 0);
    if (MR_UNLIKELY(link != s->link || halting || s->q->refused != s->q->counted)) {
        mr_stage_tx_follow(s, now);
    }
}

static bool always_quiet(struct mr_stage *stage)
{
    (void)stage;
    return true;
}

static uint64_t tx_holding(struct mr_stage *stage)
{
    struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    uint64_t sum = s->q->in_flight;
    for (uint32_t i = 0; i < s->n_in; i++) {
        sum += mr_ring_visible(s->in[i]);
    }
    return sum;
}

void mr_stage_tx_init(struct mr_stage_tx *s)
{
    s->stage.poll = mr_stage_tx_poll;
    s->stage.tick = tx_tick;
    s->stage.quiesce = always_quiet;
    s->stage.holding = tx_holding;
}
