/* witness.c: records of marked frames, stage by stage. */
#include "lib/engine/witness.h"
#include "lib/engine/core_loop.h"
#include "lib/sys/clock.h"

static uint32_t ring_number(const struct mr_stage_witness *w, const struct mr_ring *ring)
{
    for (uint32_t i = 0; i < w->n_rings; i++) {
        if (w->rings[i] == ring) {
            return i;
        }
    }
    return MR_TRACE_NO_RING;
}

static struct mr_trace_record *add(struct mr_stage_witness *w, uint64_t ticks, enum mr_trace_kind kind,
                                   const struct mr_frame *f)
{
    struct mr_trace_record *r = mr_trace_add(w->log, ticks, kind, w->index);
    if (r != NULL) {
        r->chunk = f->chunk;
        r->length = f->length;
        r->offset = f->offset;
        r->port = f->port;
        r->flags = f->flags;
    }
    return r;
}

/* ---- RX ---- */

static void stop_marking(struct mr_stage_rx *s)
{
    s->stage.witness->trace = NULL;
    if (s->stage.witness->n_taps == 0) {
        s->q->witness = NULL;
        s->stage.witness = NULL;
    }
}

/* The frame gets an id if it matches and there is one left; 0 if not. */
static uint32_t take_bytes(struct mr_stage_witness *w, const unsigned char *data, uint32_t length)
{
    if (w->trace->filter != NULL && !mr_filter_match(w->trace->filter, data, length, length)) {
        return 0;
    }
    uint32_t id = mr_trace_take(w->trace);
    if (id != 0) {
        memcpy(w->trace->heads[id - 1], data, length < MR_TRACE_HEAD ? length : MR_TRACE_HEAD);
    }
    return id;
}

static uint32_t take(struct mr_stage_witness *w, const struct mr_frame *f)
{
    return take_bytes(w, w->arena + (uint64_t)f->chunk * MR_CACHE_LINE + f->offset, f->length);
}

static void note_received(struct mr_stage_witness *w, const struct mr_frame *f, uint32_t id, uint32_t position,
                          uint32_t batch)
{
    struct mr_trace_record *r = add(w, mr_ticks(), MR_TRACE_RECEIVED, f);
    if (r != NULL) {
        r->id = id;
        r->tick = f->tick;
        r->position = (uint16_t)position;
        r->batch = (uint16_t)batch;
        r->ring_out = batch == 0 ? MR_TRACE_NO_RING
                                 : ring_number(w, MR_CONTAINER_OF(w->stage, struct mr_stage_rx, stage)->out);
    }
}

static void mark(struct mr_stage_rx *s, struct mr_frame *frames, uint32_t n)
{
    struct mr_stage_witness *w = s->stage.witness;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = take(w, &frames[i]);
        if (id != 0) {
            frames[i].flags |= MR_FRAME_TRACE;
            note_received(w, &frames[i], id, i, n);
        }
    }
    if (mr_trace_all_taken(w->trace)) {
        stop_marking(s);
    }
}

void mr_witness_received(struct mr_stage_rx *s, struct mr_frame *frames, uint32_t n)
{
    struct mr_stage_witness *w = s->stage.witness;
    if (w->n_taps != 0) {
        mr_witness_show(w, MR_TAP_RX, frames, n);
    }
    if (w->trace != NULL) {
        mark(s, frames, n);
    }
}

/* ---- work ---- */

static void look_before(struct mr_stage_witness *w, const struct mr_burst *b)
{
    w->n_before = 0;
    for (uint32_t i = 0; w->log != NULL && i < b->n; i++) {
        if (b->frames[i].flags & MR_FRAME_TRACE) {
            struct mr_witness_before *before = &w->before[w->n_before++];
            before->index = i;
            before->frame = b->frames[i];
            uint32_t bytes = before->frame.length < MR_TRACE_HEAD ? before->frame.length : MR_TRACE_HEAD;
            memcpy(before->head, mr_frame_data(b->base, &before->frame), bytes);
        }
    }
}

/* Which of the first bytes are others now; both as long as the shorter of the two. */
static void note_changed(struct mr_trace_record *r, const struct mr_witness_before *before, const unsigned char *now)
{
    uint32_t n = r->length < r->length_before ? r->length : r->length_before;
    n = n < MR_TRACE_HEAD ? n : MR_TRACE_HEAD;
    for (uint32_t i = 0; i < n; i++) {
        if (before->head[i] != now[i]) {
            r->changed = r->changed_end == 0 ? (uint16_t)i : r->changed;
            r->changed_end = (uint16_t)(i + 1);
        }
    }
}

/* The ring that a frame goes into when its last function is done; of a dropped one none. */
static uint32_t ring_to(const struct mr_stage_work *s, uint8_t port)
{
    const struct mr_stage_witness *w = s->stage.witness;
    bool out = (port & MR_DROPPED) == 0 && s->output_of[port] != MR_OUTPUT_NONE;
    return out ? ring_number(w, s->out[s->output_of[port]].ring) : MR_TRACE_NO_RING;
}

/* frames, n: as the function was given them, whatever it made of its burst: contract.h mends that afterwards. */
static void note_worked(const struct mr_stage_work *s, const struct mr_witness_before *before, const struct mr_frame *frames,
                        uint32_t n, uint64_t ticks)
{
    struct mr_stage_witness *w = s->stage.witness;
    const struct mr_frame *f = &frames[before->index];
    struct mr_trace_record *r = add(w, ticks, MR_TRACE_WORKED, f);
    if (r == NULL) {
        return;
    }
    r->chunk = before->frame.chunk;
    r->function = (uint8_t)w->function;
    r->batch = (uint16_t)n;
    r->position = (uint16_t)before->index;
    r->length_before = before->frame.length;
    r->offset_before = before->frame.offset;
    r->port_before = before->frame.port;
    r->ring_in = w->function == 0 ? ring_number(w, s->in[s->next_in]) : MR_TRACE_NO_RING;
    r->ring_out = w->function + 1 == s->n_works ? ring_to(s, f->port) : MR_TRACE_NO_RING;
    if (f->chunk == before->frame.chunk && f->offset == before->frame.offset) {
        note_changed(r, before, w->arena + (uint64_t)f->chunk * MR_CACHE_LINE + f->offset);
    }
}

void mr_witness_process(struct mr_stage_work *s, uint32_t i, struct mr_burst *b)
{
    struct mr_stage_witness *w = s->stage.witness;
    struct mr_work *work = &s->works[i];
    const struct mr_frame *frames = b->frames;
    uint32_t n = b->n;
    uint64_t ticks = mr_ticks();
    w->function = i;
    if (i == 0 && w->n_taps != 0) {
        mr_witness_show(w, MR_TAP_WORK_IN, b->frames, b->n);
    }
    look_before(w, b);
    if (work->ops->process != NULL) {
        work->ops->process(work, b);
    }
    for (uint32_t k = 0; k < w->n_before; k++) {
        note_worked(s, &w->before[k], frames, n, ticks);
    }
}

static void copied(struct mr_witness *base, const struct mr_frame *from, const struct mr_frame *copy, uint8_t port,
                   const char *file, uint32_t line)
{
    struct mr_stage_witness *w = MR_CONTAINER_OF(base, struct mr_stage_witness, base);
    const struct mr_stage_work *s = MR_CONTAINER_OF(w->stage, struct mr_stage_work, stage);
    if (copy == NULL && w->n_taps != 0) {
        mr_witness_show_dead(w, from, 1, MR_DROP_no_chunk, file, line);
    }
    if (w->log == NULL || (from->flags & MR_FRAME_TRACE) == 0) {
        return;
    }
    struct mr_trace_record *r = add(w, mr_ticks(), copy != NULL ? MR_TRACE_COPIED : MR_TRACE_NO_COPY, from);
    if (r != NULL) {
        r->port = port;
        r->function = (uint8_t)w->function;
        r->other = copy != NULL ? copy->chunk : 0;
        r->file = file;
        r->line = line;
        r->ring_out = copy != NULL ? ring_to(s, port) : MR_TRACE_NO_RING;
    }
}

void mr_witness_worked(struct mr_stage_work *s, const struct mr_burst *b)
{
    if (s->stage.witness->n_taps != 0) {
        mr_witness_show(s->stage.witness, MR_TAP_WORK_OUT, b->frames, b->n);
        mr_witness_show(s->stage.witness, MR_TAP_WORK_OUT, b->made, b->made_n);
    }
}

/* ---- TX ---- */

void mr_witness_hand(struct mr_stage_tx *s, const struct mr_frame *frames, uint32_t n)
{
    struct mr_stage_witness *w = s->stage.witness;
    w->handed = mr_ticks();
    if (w->n_taps != 0) {
        mr_witness_remember(w, frames, n);
    }
}

static void note_done(struct mr_stage_witness *w, uint32_t chunk)
{
    add(w, mr_ticks(), MR_TRACE_DONE, &(struct mr_frame){.chunk = chunk});
}

static void note_flying(struct mr_stage_witness *w, uint32_t chunk)
{
    if (w->n_flying < w->max_flying) {
        w->flying[w->n_flying++] = chunk;
    } else {
        w->log->lost++;
    }
}

void mr_witness_handed(struct mr_stage_tx *s, const struct mr_ring *in, const struct mr_frame *frames, uint32_t n,
                       uint32_t sent)
{
    struct mr_stage_witness *w = s->stage.witness;
    if (w->n_taps != 0) {
        mr_witness_show(w, MR_TAP_TX, frames, sent);
    }
    for (uint32_t i = 0; w->log != NULL && i < sent; i++) {
        if ((frames[i].flags & MR_FRAME_TRACE) == 0) {
            continue;
        }
        struct mr_trace_record *r = add(w, w->handed, MR_TRACE_HANDED, &frames[i]);
        if (r != NULL) {
            r->batch = (uint16_t)n;
            r->position = (uint16_t)i;
            r->ring_in = ring_number(w, in);
        }
        if (s->reclaim == NULL || s->takes_home) {
            note_done(w, frames[i].chunk);
        } else {
            note_flying(w, frames[i].chunk);
        }
    }
}

void mr_witness_reclaimed(struct mr_stage_tx *s, const uint32_t *chunks, uint32_t n)
{
    struct mr_stage_witness *w = s->stage.witness;
    for (uint32_t i = 0; i < n && w->n_flying != 0; i++) {
        for (uint32_t k = 0; k < w->n_flying; k++) {
            if (w->flying[k] == chunks[i]) {
                note_done(w, chunks[i]);
                w->flying[k] = w->flying[--w->n_flying];
                break;
            }
        }
    }
}

/* ---- everywhere ---- */

/* Is it one of ours? A driver that sends may have forgotten the flags. */
static bool marked(const struct mr_stage_witness *w, const struct mr_frame *f)
{
    for (uint32_t k = 0; k < w->n_flying; k++) {
        if (w->flying[k] == f->chunk) {
            return true;
        }
    }
    return (f->flags & MR_FRAME_TRACE) != 0;
}

/* What dies in a driver that receives was never marked: it is received and dies at once. */
static bool marked_now(struct mr_stage_witness *w, const struct mr_frame *f)
{
    uint32_t id = w->stage->kind == MR_STAGE_RX && w->trace != NULL ? take(w, f) : 0;
    if (id != 0) {
        note_received(w, f, id, 0, 0);
    }
    return id != 0;
}

static void note_died(struct mr_stage_witness *w, const struct mr_frame *f, uint32_t reason, const char *file, uint32_t line)
{
    struct mr_trace_record *r = add(w, mr_ticks(), MR_TRACE_DIED, f);
    if (r != NULL) {
        r->reason = reason;
        r->file = file;
        r->line = line;
    }
}

static void refused(struct mr_witness *base, const unsigned char *data, uint32_t length, uint32_t reason, const char *file,
                    uint32_t line)
{
    struct mr_stage_witness *w = MR_CONTAINER_OF(base, struct mr_stage_witness, base);
    struct mr_frame f = {.length = (uint16_t)(length < MR_FRAME_MAX ? length : MR_FRAME_MAX)};
    if (w->n_taps != 0) {
        mr_witness_show_refused(w, data, length, reason, file, line);
    }
    uint32_t id = w->trace == NULL ? 0 : take_bytes(w, data, length);
    if (id != 0) {
        f.chunk = MR_TRACE_NO_CHUNK + id;
        note_received(w, &f, id, 0, 0);
        note_died(w, &f, reason, file, line);
    }
}

static void died(struct mr_witness *base, const struct mr_frame *frames, uint32_t n, uint32_t reason, const char *file,
                 uint32_t line)
{
    struct mr_stage_witness *w = MR_CONTAINER_OF(base, struct mr_stage_witness, base);
    if (w->n_taps != 0) {
        mr_witness_show_dead(w, frames, n, reason, file, line);
    }
    for (uint32_t i = 0; w->log != NULL && i < n; i++) {
        if (marked(w, &frames[i]) || marked_now(w, &frames[i])) {
            note_died(w, &frames[i], reason, file, line);
        }
    }
}

void mr_witness_init(struct mr_stage_witness *w)
{
    w->base.died = died;
    w->base.refused = refused;
    w->base.copied = copied;
}
