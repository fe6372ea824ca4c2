/* stage_rx.c: a receiving queue into its ring, in place: the driver writes descriptors into the ring's own slots. */
#include "lib/engine/stage.h"
#include "lib/engine/core_loop.h"
#include "lib/engine/witness.h"

static uint32_t rx_poll(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_rx *s = MR_CONTAINER_OF(stage, struct mr_stage_rx, stage);
    void *slots;
    uint32_t room = mr_ring_reserve(s->out, sizeof(struct mr_frame), s->burst, &slots);
    stage->blocked = room == 0;
    if (MR_UNLIKELY(room == 0)) {
        mr_count(&stage->counters.polls, 1);
        mr_count(&stage->counters.blocked, 1);
        return 0;
    }
    s->q->tick = (uint32_t)(now >> MR_TICK_SHIFT);
    s->q->now = now;
    uint32_t n = s->rx_burst(s->q, (struct mr_frame *)slots, room);
    mr_count(&stage->counters.polls, 1); // behind the driver: a poll that is missing has not returned
    if (n != 0) {
        if (MR_UNLIKELY(stage->witness != NULL)) {
            mr_witness_received(s, (struct mr_frame *)slots, n);
        }
        mr_frames_hand(&stage->core->recycle, (struct mr_frame *)slots, n, MR_OWNER_PORT, MR_OWNER_RING);
        mr_ring_commit(s->out, n);
        if (MR_UNLIKELY(stage->counters.frames == 0)) {
            s->first = now;
        }
        mr_count(&stage->counters.polls_with_work, 1);
        mr_count(&stage->counters.frames, n);
        mr_batch_count(&stage->batches, n);
    }
    return n;
}

static bool rx_quiesce(struct mr_stage *stage)
{
    struct mr_stage_rx *s = MR_CONTAINER_OF(stage, struct mr_stage_rx, stage);
    if (!s->off) {
        s->off = s->q->halted != 0 || s->q->port->driver->rx_quiesce(s->q);
    }
    return s->off;
}

static void rx_tick(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_rx *s = MR_CONTAINER_OF(stage, struct mr_stage_rx, stage);
    bool gone = mr_load_acquire(&s->q->port->link) == MR_LINK_GONE;
    (void)now;
    mr_pool_gather_side(stage->core->pool);
    if (MR_UNLIKELY(gone != (s->q->halted != 0))) {
        mr_stage_rx_follow(s);
    }
}

static uint64_t rx_holding(struct mr_stage *stage)
{
    return MR_CONTAINER_OF(stage, struct mr_stage_rx, stage)->q->ready;
}

void mr_stage_rx_init(struct mr_stage_rx *s)
{
    s->stage.poll = rx_poll;
    s->stage.tick = rx_tick;
    s->stage.quiesce = rx_quiesce;
    s->stage.holding = rx_holding;
}
