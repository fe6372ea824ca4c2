/* stage_link.c: how stages follow a device that comes and goes. In housekeeping, on the stage's core.
 *
 * A sending stage whose device is not up polls by another function: what would leave dies under the reason of the state,
 * so that nothing is tried for ever, and nobody behind a port waits for it. A queue whose device is gone halts: the
 * driver lets go of it; when control has opened it again, the queue resumes.
 */
#include "lib/engine/stage.h"
#include "lib/engine/core_loop.h"
#include "lib/engine/witness.h"

/* ---- sending ---- */

static uint32_t drop_from(struct mr_stage_tx *s, struct mr_ring *in)
{
    uint32_t chunks[MR_BATCH_MAX];
    void *slots;
    uint32_t n = mr_ring_peek(in, sizeof(struct mr_frame), s->burst, &slots);
    const struct mr_frame *frames = (const struct mr_frame *)slots;
    for (uint32_t i = 0; i < n; i++) {
        chunks[i] = frames[i].chunk;
    }
    if (n != 0) {
        mr_count(&s->stage.counters.drops[mr_link_reason(s->link)], n);
        mr_tell_died(mr_witness_base(s->stage.witness), frames, n, mr_link_reason(s->link));
        mr_frames_hand(s->recycle, frames, n, MR_OWNER_RING, MR_OWNER_SENDER);
        mr_recycle_put(s->recycle, chunks, n);
        mr_ring_release(in, n);
    }
    return n;
}

static uint32_t poll_closed(struct mr_stage *stage, uint64_t now)
{
    struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    uint32_t moved = 0;
    (void)now;
    stage->blocked = 0;
    for (uint32_t i = 0; i < s->n_in; i++) {
        moved += drop_from(s, s->in[i]);
    }
    if (s->reclaim != NULL && s->q->held != 0) {
        mr_stage_tx_reclaim(s);
    }
    mr_count(&stage->counters.polls, 1);
    mr_count(&stage->counters.polls_with_work, moved != 0);
    return moved;
}

static void count_refused(struct mr_txq *q, uint32_t n, uint32_t reason)
{
    if (n != 0) {
        mr_count(&q->drops[reason], n);
        q->in_flight -= n;
        mr_store_release(&q->counted, q->counted + n);
    }
}

void mr_stage_tx_count_refused(struct mr_stage_tx *s)
{
    count_refused(s->q, s->q->refused - s->q->counted, mr_link_reason(s->link));
}

static void halt_or_resume(struct mr_txq *q, uint32_t link)
{
    const struct mr_driver *driver = q->port->driver;
    if (link == MR_LINK_GONE && q->halted == 0 && driver->tx_halt != NULL && driver->tx_halt(q)) {
        mr_store_release(&q->halted, 1);
    } else if (link != MR_LINK_GONE && q->halted != 0 && driver->tx_resume(q) == 0) {
        mr_store_release(&q->halted, 0);
    }
}

void mr_stage_tx_follow(struct mr_stage_tx *s, uint64_t now)
{
    struct mr_txq *q = s->q;
    uint32_t link = mr_load_acquire(&q->port->link);
    uint32_t judged = mr_load_acquire(&q->judged) - q->counted; // before the verdict, which control writes first
    count_refused(q, judged, __atomic_load_n(&q->verdict, __ATOMIC_RELAXED));
    halt_or_resume(q, link);
    if (link != s->link && (link == MR_LINK_GONE || q->halted == 0)) {
        mr_stage_tx_settle(s, now);
        s->link = link;
        s->stage.poll = link == MR_LINK_UP ? mr_stage_tx_poll : poll_closed;
    }
}

/* ---- receiving ---- */

/* Once receiving was turned off, it stays so: what comes back now would come after the last. */
void mr_stage_rx_follow(struct mr_stage_rx *s)
{
    const struct mr_driver *driver = s->q->port->driver;
    if (s->q->halted == 0) {
        if (driver->rx_halt != NULL && driver->rx_halt(s->q)) {
            mr_store_release(&s->q->halted, 1);
        }
    } else if (!s->off && driver->rx_resume(s->q) == 0) {
        mr_store_release(&s->q->ended, 0);
        mr_store_release(&s->q->halted, 0);
    }
}
