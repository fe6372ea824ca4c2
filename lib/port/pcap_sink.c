/* pcap_sink.c: the sending side: frames into the capture's lane; they are sent when the writing thread says so. */
#include "lib/port/pcap.h"
#include "lib/port/vnet.h"
#include "lib/sys/clock.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

/* ---- sending ---- */

/* Recorded frames keep their time; for others it is when they came in. */
static uint64_t stamp_of(const struct mr_pcap_sink *s, const struct mr_frame *f, uint32_t *cut)
{
    *cut = 0;
    if (MR_LIKELY(f->flags & MR_FRAME_STAMPED)) {
        const struct mr_frame_stamp *stamp = mr_chunk_stamp(s->q.port->base, f->chunk);
        *cut = stamp->cut;
        return stamp->ns;
    }
    uint32_t age = (uint32_t)(s->q.now >> MR_TICK_SHIFT) - f->tick;
    return mr_capture_ns(s->capture, s->q.now - ((uint64_t)age << MR_TICK_SHIFT));
}

/* A partial checksum is completed, as the wire would have it, and once: only where the frame will be taken. A super-frame
 * is written as the host sees it. */
static bool put(struct mr_pcap_sink *s, const struct mr_frame *frame)
{
    struct mr_frame f = *frame;
    if (MR_UNLIKELY((f.flags & MR_FRAME_VNET) == MR_FRAME_CSUM)) {
        if (!mr_capture_has_room(s->lane, f.length)) {
            return false;
        }
        mr_vnet_complete(s->q.port->base, &f);
    }
    struct mr_capture_record r = {.data = mr_frame_data(s->q.port->base, &f), .length = f.length};
    r.ns = stamp_of(s, &f, &r.cut);
    return mr_capture_put(s->lane, &r);
}

uint32_t mr_pcap_tx_burst(struct mr_txq *q, const struct mr_frame *frames, uint32_t n)
{
    struct mr_pcap_sink *s = MR_CONTAINER_OF(q, struct mr_pcap_sink, q);
    uint32_t done = 0;
    while (done < n && put(s, &frames[done])) {
        done++;
    }
    mr_capture_publish(s->lane);
    q->in_flight += done;
    return done;
}

/* ---- completing ---- */

/* What the writing thread says of the lane, into the queue's counters. */
static uint32_t complete(struct mr_pcap_sink *s)
{
    uint64_t frames = mr_counted(&s->lane->frames) - s->seen_frames;
    uint64_t bytes = mr_counted(&s->lane->bytes) - s->seen_bytes;
    uint64_t discarded = mr_counted(&s->lane->discarded) - s->seen_discarded;
    if (frames + bytes + discarded == 0) {
        return 0;
    }
    s->seen_frames += frames;
    s->seen_bytes += bytes;
    s->seen_discarded += discarded;
    s->q.in_flight -= (uint32_t)(frames + discarded);
    mr_count(&s->q.frames, frames);
    mr_count(&s->q.bytes, bytes);
    mr_count(&s->q.drops[MR_DROP_capture_lost], discarded);
    return (uint32_t)(frames + discarded);
}

uint32_t mr_pcap_doorbell(struct mr_io *io, uint32_t what)
{
    struct mr_pcap_io *p = MR_CONTAINER_OF(io, struct mr_pcap_io, io);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < p->n && (what & MR_DOORBELL_SEND) != 0; i++) {
        seen += complete(p->sinks[i]);
    }
    return seen;
}

int mr_pcap_attach(struct mr_io *io, struct mr_error *err)
{
    struct mr_pcap_io *p = MR_CONTAINER_OF(io, struct mr_pcap_io, io);
    (void)err;
    for (uint32_t i = 0; i < p->n; i++) {
        mr_capture_go(p->sinks[i]->capture);
    }
    return 0;
}

/* A file that takes nothing until then is given up; the thread answers for what it still held. */
void mr_pcap_detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_pcap_io *p = MR_CONTAINER_OF(io, struct mr_pcap_io, io);
    const struct timespec moment = {0, 50000};
    for (uint32_t i = 0; i < p->n; i++) {
        struct mr_pcap_sink *s = p->sinks[i];
        for (complete(s); s->q.in_flight != 0 && mr_now_ns() < deadline_ns; complete(s)) {
            nanosleep(&moment, NULL);
        }
        if (s->q.in_flight != 0) {
            mr_capture_give_up(s->capture);
        }
        for (uint32_t tries = 0; s->q.in_flight != 0 && tries < 2000; tries++, complete(s)) {
            nanosleep(&moment, NULL);
        }
    }
}

/* ---- control ---- */

int mr_pcap_io_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    size_t bytes = sizeof(struct mr_pcap_io) + setup->n_txq * sizeof(struct mr_pcap_sink *);
    struct mr_pcap_io *p = mr_node_alloc(bytes, setup->node);
    if (p == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the pcap ports of a core; free some");
    }
    p->bytes = bytes;
    *out = &p->io;
    return 0;
}

void mr_pcap_io_destroy(struct mr_io *io)
{
    struct mr_pcap_io *p = MR_CONTAINER_OF(io, struct mr_pcap_io, io);
    mr_node_free(p, p->bytes);
}

static enum mr_capture_format format_of(enum mr_pcap_format format)
{
    static const enum mr_capture_format formats[] = {
        [MR_PCAP_AUTO] = MR_CAPTURE_BY_NAME, [MR_PCAP_US] = MR_CAPTURE_PCAP, [MR_PCAP_NS] = MR_CAPTURE_PCAP_NS,
        [MR_PCAP_NG] = MR_CAPTURE_PCAPNG};
    return formats[format];
}

int mr_pcap_sink_init(struct mr_pcap_sink *s, struct mr_port *port, const struct mr_port_setup *setup,
                      struct mr_error *err)
{
    const struct mr_port_config *c = port->config;
    struct mr_error why = {.text = ""};
    const char *names[] = {c->name};
    struct mr_capture_setup capture = {.file = c->write, .format = format_of(c->format), .snap = c->snap, .n_lanes = 1};
    capture.node = setup->tx_node[0];
    capture.ticks_per_ns = port->ticks_per_ns;
    capture.n_interfaces = 1;
    capture.interfaces = names;
    s->q.port = port;
    s->q.io = setup->tx_io[0];
    int rc = mr_capture_open(&capture, &s->capture, &why);
    if (rc < 0) {
        return mr_error_set(err, why.fault, rc, "port %s: %s", c->name, why.text);
    }
    s->lane = mr_capture_lane(s->capture, 0);
    struct mr_pcap_io *io = MR_CONTAINER_OF(s->q.io, struct mr_pcap_io, io);
    io->sinks[io->n++] = s;
    return 0;
}

void mr_pcap_sink_fini(struct mr_pcap_sink *s)
{
    mr_capture_destroy(s->capture);
}
