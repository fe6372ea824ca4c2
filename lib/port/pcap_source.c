/* pcap_source.c: the receiving side: records from the reading thread's ring into chunks, when they are due. */
#include "lib/port/pcap.h"
#include "lib/sys/clock.h"

#include <errno.h>

/* ---- when ---- */

/* A gap between two stamps, in ticks; time that runs back, as it does between two passes, is no gap. Bounded, so that a
 * lying stamp is a long wait and not a wrapped one. */
static uint64_t gap_ticks(const struct mr_pcap_source *s, uint64_t ns)
{
    uint64_t gap = (int64_t)(ns - s->last_ns) > 0 ? ns - s->last_ns : 0;
    double ticks = (double)gap * s->q.port->ticks_per_ns;
    return ticks < 4e18 ? (uint64_t)ticks : (uint64_t)4e18;
}

/* The tick that a record is meant for, by the stamps. */
static uint64_t meant_for(const struct mr_pcap_source *s, uint64_t ns)
{
    return s->first ? s->q.now : s->due + gap_ticks(s, ns);
}

/* How many frames a rate allows now; stamps are asked one by one. */
static uint32_t allowed(struct mr_pcap_source *s, uint32_t n)
{
    if (MR_UNLIKELY(!s->started)) {
        mr_schedule_start(&s->schedule, s->q.now);
        s->started = true;
    }
    return mr_schedule_due(&s->schedule, s->q.now, n);
}

static void note_taken(struct mr_pcap_source *s, const struct mr_pcap_record *r)
{
    mr_count(&s->cut, r->length > r->there);
    if (s->recorded) {
        s->due = meant_for(s, r->ns);
        s->last_ns = r->ns;
        s->first = false;
    }
    mr_schedule_take(&s->schedule, 0);
}

/* ---- one record ---- */

enum { GOOD = MR_DROP_ENGINE_COUNT };

/* The class of chunk that holds it, or why it cannot be a frame of ours. */
static uint32_t judge(const struct mr_pcap_source *s, const struct mr_pcap_record *r, struct mr_stack **list)
{
    *list = &s->q.pool->small;
    if (MR_LIKELY(r->there >= MR_FRAME_MIN && r->there <= s->small_room && r->length <= r->there)) {
        return GOOD;
    }
    if (r->there < MR_FRAME_MIN) {
        return MR_DROP_runt;
    }
    if (r->length > r->there && s->q.port->config->cut == MR_CUT_DROP) {
        return MR_DROP_cut;
    }
    *list = r->there <= s->small_room ? &s->q.pool->small : &s->q.pool->big;
    return r->there <= s->small_room || r->there <= s->big_room ? GOOD : MR_DROP_too_long;
}

static void fill(struct mr_pcap_source *s, struct mr_frame *f, uint32_t number, const struct mr_pcap_record *r,
                 const unsigned char *data)
{
    unsigned char *base = s->q.port->base;
    *f = (struct mr_frame){.chunk = number, .tick = s->q.tick, .offset = MR_CHUNK_DATA, .length = (uint16_t)r->there,
                           .port = s->q.port->number, .flags = MR_FRAME_STAMPED};
    *mr_chunk_stamp(base, number) =
        (struct mr_frame_stamp){.ns = r->ns, .cut = r->length > r->there ? r->length - r->there : 0};
    memcpy(mr_frame_data(base, f), data, r->there);
}

/* ---- a burst ---- */

/* The thread says done behind its last bytes: who sees that, and then no bytes, has seen all. */
static uint32_t peek(struct mr_pcap_source *s, unsigned char **at)
{
    bool done = mr_load_acquire(&s->reader.done) != 0;
    uint32_t bytes = mr_byte_ring_peek(&s->reader.ring, at);
    if (bytes == 0 && done) {
        mr_store_release(&s->q.ended, 1);
    }
    return bytes;
}

/* What died by name counts into n as well: a poll is bounded. A record without a chunk, or before its time, stays. */
uint32_t mr_pcap_rx_burst(struct mr_rxq *q, struct mr_frame *frames, uint32_t n)
{
    struct mr_pcap_source *s = MR_CONTAINER_OF(q, struct mr_pcap_source, q);
    unsigned char *at = NULL;
    uint32_t used = 0, looked = 0, made = 0;
    uint64_t bytes = 0;
    n = allowed(s, n);
    uint32_t there = n == 0 || q->ended != 0 ? 0 : peek(s, &at);
    while (used < there && looked < n) {
        struct mr_pcap_record r;
        struct mr_stack *list;
        uint32_t chunk;
        memcpy(&r, at + used, sizeof r);
        uint32_t reason = judge(s, &r, &list);
        if ((s->recorded && (int64_t)(q->now - meant_for(s, r.ns)) < 0) ||
            (reason == GOOD && mr_pool_alloc(q->pool, list, &chunk, 1) == 0)) {
            break;
        }
        if (MR_LIKELY(reason == GOOD)) {
            fill(s, &frames[made++], chunk, &r, at + used + sizeof r);
        } else {
            mr_rxq_refuse(q, at + used + sizeof r, r.there, reason);
        }
        note_taken(s, &r);
        bytes += r.there;
        used += mr_pcap_ring_bytes(r.there);
        looked++;
    }
    if (looked != 0) {
        mr_byte_ring_release(&s->reader.ring, used);
        mr_count(&q->frames, looked);
        mr_count(&q->bytes, bytes);
    }
    return made;
}

/* What was read ahead is not received: it stays in the file, as it were. */
bool mr_pcap_rx_quiesce(struct mr_rxq *q)
{
    struct mr_pcap_source *s = MR_CONTAINER_OF(q, struct mr_pcap_source, q);
    mr_store_release(&s->reader.stop, 1);
    mr_store_release(&q->ended, 1);
    return true;
}

/* ---- control ---- */

static uint32_t longest_in(uint32_t chunk_bytes)
{
    uint32_t room = chunk_bytes < MR_CHUNK_DATA ? 0 : chunk_bytes - MR_CHUNK_DATA;
    return room < MR_FRAME_MAX ? room : MR_FRAME_MAX;
}

int mr_pcap_source_init(struct mr_pcap_source *s, struct mr_port *port, const struct mr_port_setup *setup,
                        struct mr_error *err)
{
    const struct mr_port_config *c = port->config;
    s->q.port = port;
    s->q.pool = setup->rx_pool[0];
    s->q.io = setup->rx_io[0];
    s->small_room = longest_in(s->q.pool->small_bytes);
    s->big_room = s->q.pool->big.capacity == 0 ? 0 : longest_in(s->q.pool->big_bytes);
    s->recorded = c->replay == MR_REPLAY_RECORDED;
    s->first = true;
    if (mr_schedule_init(&s->schedule, port->ticks_per_ns * 1e9, c->rate_fps, 0, 1) < 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: rate of %g frames/s; it must be flat-out, or from 0.001 "
                            "to 10^12", c->name, c->rate_fps);
    }
    return mr_pcap_reader_open(&s->reader, c, setup->rx_node[0], err);
}

void mr_pcap_source_fini(struct mr_pcap_source *s)
{
    mr_pcap_reader_fini(&s->reader);
}
