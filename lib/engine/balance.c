/* balance.c: what was counted, and where every chunk is.
 *
 * Nothing here is a remainder: frames left inside are counted one by one when the cores have ended, chunks by looking at
 * each place that can hold one. That the sums agree is for the report to check.
 */
#include "lib/engine/engine_parts.h"

#include <jansson.h>

void mr_engine_totals(struct mr_engine *e, struct mr_totals *t)
{
    *t = (struct mr_totals){0};
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_stage_counters *c = &e->stages[i]->counters;
        t->made_frames += mr_counted(&c->made);
        for (uint32_t r = 0; r < MR_DROP_MAX; r++) {
            uint64_t n = mr_counted(&c->drops[r]);
            *(r < MR_DROP_ENGINE_COUNT ? &t->drops[r] : &t->work_drops) += n;
            t->all_drops += n;
        }
    }
    t->drops[MR_DROP_stopped] += e->stopped_frames;
    t->all_drops += e->stopped_frames;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_port *port = e->ports[p];
        for (uint32_t q = 0; q < port->n_rxq; q++) {
            t->rx_frames += mr_counted(&port->rxq[q]->frames);
            t->rx_bytes += mr_counted(&port->rxq[q]->bytes);
            t->made_frames += mr_counted(&port->rxq[q]->made);
        }
        for (uint32_t q = 0; q < port->n_txq; q++) {
            t->tx_frames += mr_counted(&port->txq[q]->frames);
            t->tx_bytes += mr_counted(&port->txq[q]->bytes);
        }
        struct mr_outsides outs = e->outsides[p];
        if (!e->settled) {
            outs.n = 0;
            port->driver->stats(port, &outs);
        }
        for (uint32_t i = 0; i < outs.n; i++) {
            t->outside += outs.at[i].is_loss && outs.at[i].within == NULL ? outs.at[i].count : 0;
        }
    }
}

void mr_engine_latency(struct mr_engine *e, struct mr_histogram *all, struct mr_histogram *undisturbed)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind != MR_STAGE_TX) {
            continue;
        }
        struct mr_stage_tx *s = MR_CONTAINER_OF(e->stages[i], struct mr_stage_tx, stage);
        if (all != NULL) {
            mr_histogram_merge(all, &s->undisturbed);
            mr_histogram_merge(all, &s->disturbed);
        }
        if (undisturbed != NULL) {
            mr_histogram_merge(undisturbed, &s->undisturbed);
        }
    }
}

static struct mr_pool *home_of(struct mr_engine *e, uint32_t chunk)
{
    for (uint32_t i = 0; i < e->plan->n_pools; i++) {
        if (chunk >= e->pools[i]->first && chunk < e->pools[i]->end) {
            return e->pools[i];
        }
    }
    return NULL;
}

static void take_home(struct mr_engine *e, const uint32_t *chunks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mr_pool_free(home_of(e, chunks[i]), &chunks[i], 1);
    }
}

static uint64_t on_lists(const struct mr_engine *e)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < e->plan->n_pools; i++) {
        sum += e->pools[i]->small.count + e->pools[i]->big.count;
    }
    return sum;
}

static void count_owners(struct mr_engine *e)
{
    struct mr_chunk_owners *o = &e->owners;
    for (uint32_t i = 0; i < e->plan->n_pools; i++) {
        o->total += e->plan->pools[i].chunks + e->plan->pools[i].big_chunks;
        o->side_lists += e->pools[i]->side.count;
        for (uint32_t r = 0; r < e->pools[i]->n_recycle; r++) {
            o->recycle_rings += mr_ring_held(e->pools[i]->recycle[r]);
        }
    }
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        bool works = e->stages[i]->kind == MR_STAGE_WORK;
        o->lost += works ? MR_CONTAINER_OF(e->stages[i], struct mr_stage_work, stage)->lost_chunks : 0;
    }
    o->free_lists = on_lists(e);
    for (uint32_t i = 0; i < e->n_io; i++) {
        o->kept += e->io[i]->kept;
    }
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        o->rings += mr_ring_held(e->rings[i]);
    }
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_rxq; q++) {
            o->receiving += e->ports[p]->rxq[q]->held;
            o->received += e->ports[p]->rxq[q]->ready;
        }
        for (uint32_t q = 0; q < e->ports[p]->n_txq; q++) {
            o->sending += e->ports[p]->txq[q]->held;
        }
    }
}

/* Frames that a stop left inside: in rings, received and not taken in, under way in a driver. They die here, counted. */
static void count_stopped(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        struct mr_frame f;
        mr_ring_publish(e->rings[i]);
        while (mr_ring_pop(e->rings[i], sizeof f, &f, 1) == 1) {
            mr_tell_died(mr_witness_base(e->witnesses[e->plan->rings[i].to]), &f, 1, MR_DROP_stopped);
            mr_frames_hand(&e->stages[e->plan->rings[i].to]->core->recycle, &f, 1, MR_OWNER_RING, MR_OWNER_WORK);
            take_home(e, &f.chunk, 1);
            e->stopped_frames++;
        }
    }
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_rxq; q++) {
            struct mr_rxq *rxq = e->ports[p]->rxq[q];
            mr_count(&rxq->frames, rxq->ready); // received, and then nobody took them
            e->stopped_frames += rxq->ready;
        }
        for (uint32_t q = 0; q < e->ports[p]->n_txq; q++) {
            e->stopped_frames += e->ports[p]->txq[q]->in_flight;
            e->ports[p]->txq[q]->in_flight = 0;
        }
    }
}

/* By the places, not by the stages: what a stage held back in a ring is in the ring. */
static void count_in_flight(struct mr_engine *e)
{
    e->in_flight = 0;
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        e->in_flight += mr_ring_held(e->rings[i]);
    }
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_txq; q++) {
            e->in_flight += e->ports[p]->txq[q]->in_flight;
        }
    }
}

/* Close all ports: only that gives back what kernel and devices hold. Then every chunk must be home. */
static void close_ports(struct mr_engine *e)
{
    uint32_t chunks[MR_BATCH_MAX];
    uint32_t n;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_port *port = e->ports[p];
        port->driver->stats(port, &e->outsides[p]);
        e->port_reports[p] = port->driver->report == NULL ? NULL : port->driver->report(port);
        port->driver->close(port);
        while (port->driver->chunks_back != NULL && (n = port->driver->chunks_back(port, chunks, MR_BATCH_MAX)) != 0) {
            take_home(e, chunks, n);
        }
    }
    for (uint32_t i = 0; i < e->plan->n_pools; i++) {
        mr_pool_gather(e->pools[i]);
        mr_pool_gather_side(e->pools[i]);
    }
    e->owners.home_after_close = on_lists(e);
}

static void note_first_frame(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind != MR_STAGE_RX || e->stages[i]->counters.frames == 0) {
            continue;
        }
        uint64_t ticks = MR_CONTAINER_OF(e->stages[i], struct mr_stage_rx, stage)->first;
        uint64_t ns = e->clock->ns0 + mr_ticks_to_ns(e->clock, ticks - e->clock->tick0);
        if (e->first_frame_ns == 0 || ns < e->first_frame_ns) {
            e->first_frame_ns = ns;
        }
    }
}

/* A core that was left behind may come back: nothing is taken from its places. Its frames are counted where they are, and
 * ports stay open. */
static void count_left_behind(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        e->stopped_frames += mr_ring_held(e->rings[i]);
    }
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_port *port = e->ports[p];
        for (uint32_t q = 0; q < port->n_rxq; q++) {
            mr_count(&port->rxq[q]->frames, port->rxq[q]->ready);
            e->stopped_frames += port->rxq[q]->ready;
        }
        for (uint32_t q = 0; q < port->n_txq; q++) {
            e->stopped_frames += port->txq[q]->in_flight;
        }
        port->driver->stats(port, &e->outsides[p]);
        e->port_reports[p] = port->driver->report == NULL ? NULL : port->driver->report(port);
    }
    e->owners.home_after_close = on_lists(e);
    note_first_frame(e);
    e->settled = true;
}

void mr_engine_settle(struct mr_engine *e)
{
    count_owners(e);
    if (e->left_behind) {
        count_left_behind(e);
        return;
    }
    count_stopped(e);
    count_in_flight(e);
    note_first_frame(e);
    close_ports(e);
    e->settled = true;
}
