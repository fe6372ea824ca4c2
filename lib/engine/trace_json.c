/* trace_json.c: from the records of all cores to the lives of frames.
 *
 * A chunk has one owner, so of the records of one chunk, ordered by time, those from a beginning (received, copied) to an
 * end (died, done) are one frame's. A life without an end was still inside when the cores had ended.
 */
#include "lib/engine/report_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct life {
    uint32_t id, copy;      /* copy: 0 = received itself */
    uint32_t parent;        /* copy number of what it is a copy of */
    uint32_t chunk;
    uint64_t begin;         /* ticks */
    uint64_t last;          /* ns since begin, of the last step */
    json_t *json, *steps;
};

struct gathering {
    const struct mr_engine *e;
    struct life *lives;
    uint32_t n;
    uint32_t *open;         /* indices of lives without an end */
    uint32_t n_open;
};

/* ---- words ---- */

static const char *port_name(const struct mr_engine *e, uint32_t port)
{
    return port < e->config->n_ports ? e->config->ports[port].name : "?";
}

static const struct mr_stage_work *as_work(const struct mr_engine *e, uint32_t stage)
{
    struct mr_stage *s = e->stages[stage];
    return s->kind == MR_STAGE_WORK ? MR_CONTAINER_OF(s, struct mr_stage_work, stage) : NULL;
}

static json_t *reason_json(const struct mr_engine *e, uint32_t stage, uint32_t reason)
{
    char text[2 * MR_NAME_MAX];
    return json_string(mr_witness_reason(e->stages[stage], reason, text, sizeof text));
}

static void put_ring(const struct mr_engine *e, json_t *step, const char *key, uint32_t ring)
{
    if (ring != MR_TRACE_NO_RING) {
        const struct mr_plan_ring *r = &e->plan->rings[ring];
        json_object_set_new(step, key, json_sprintf("%s > %s", e->plan->stages[r->from].name, e->plan->stages[r->to].name));
    }
}

static json_t *hex(const unsigned char *bytes, uint32_t n)
{
    char text[2 * MR_TRACE_HEAD + 1] = "";
    for (uint32_t i = 0; i < n && i < MR_TRACE_HEAD; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return json_string(text);
}

/* ---- steps ---- */

static void put_batch(json_t *step, const struct mr_trace_record *r)
{
    mr_json_put(step, "batch", r->batch);
    mr_json_put(step, "position", r->position + 1u);
}

static void received(const struct gathering *g, json_t *step, const struct mr_trace_record *r)
{
    json_object_set_new(step, "what", json_string("received"));
    if (r->batch != 0) {
        put_batch(step, r);
    }
    mr_json_put(step, "tick", r->tick);
    put_ring(g->e, step, "to", r->ring_out);
}

static void worked(const struct gathering *g, json_t *step, const struct mr_trace_record *r)
{
    const struct mr_stage_work *s = as_work(g->e, r->stage);
    json_object_set_new(step, "what", json_string("worked"));
    json_object_set_new(step, "function", json_string(s->works[r->function].ops->name));
    put_ring(g->e, step, "from", r->ring_in);
    put_batch(step, r);
    if (r->port & MR_DROPPED) {
        json_object_set_new(step, "drops", reason_json(g->e, r->stage, r->port & ~MR_DROPPED));
    } else if (s->chooses && r->port != r->port_before) {
        json_object_set_new(step, "output", json_string(port_name(g->e, r->port)));
    }
    if (r->length != r->length_before) {
        json_object_set_new(step, "length", json_pack("[i, i]", r->length_before, r->length));
    }
    if (r->offset != r->offset_before) {
        json_object_set_new(step, "offset", json_pack("[i, i]", r->offset_before, r->offset));
    }
    if (r->changed_end != 0) {
        json_object_set_new(step, "changed", json_pack("[i, i]", r->changed, r->changed_end - 1));
    }
    put_ring(g->e, step, "to", r->ring_out);
}

static void put_place(json_t *step, const char *reason, const struct mr_trace_record *r)
{
    json_object_set_new(step, "reason", json_string(reason));
    json_object_set_new(step, "file", json_string(mr_witness_file(r->file)));
    mr_json_put(step, "line", r->line);
}

static void copied(const struct gathering *g, json_t *step, const struct mr_trace_record *r)
{
    json_object_set_new(step, "what", json_string(r->kind == MR_TRACE_COPIED ? "copied" : "no copy"));
    json_object_set_new(step, "function", json_string(as_work(g->e, r->stage)->works[r->function].ops->name));
    json_object_set_new(step, "output", json_string(port_name(g->e, r->port)));
    put_ring(g->e, step, "to", r->ring_out);
    if (r->kind == MR_TRACE_NO_COPY) {
        put_place(step, mr_drop_word(MR_DROP_no_chunk), r);
    }
}

static void handed(const struct gathering *g, json_t *step, const struct mr_trace_record *r)
{
    const struct mr_plan_stage *s = &g->e->plan->stages[r->stage];
    json_object_set_new(step, "what", json_string("handed"));
    json_object_set_new(step, "port", json_string(port_name(g->e, s->port)));
    mr_json_put(step, "queue", s->queue);
    json_object_set_new(step, "driver", json_string(g->e->config->ports[s->port].driver));
    put_ring(g->e, step, "from", r->ring_in);
    put_batch(step, r);
}

static void died(const struct gathering *g, json_t *step, const struct mr_trace_record *r)
{
    char text[2 * MR_NAME_MAX];
    json_object_set_new(step, "what", json_string("dropped"));
    put_place(step, mr_witness_reason(g->e->stages[r->stage], r->reason, text, sizeof text), r);
}

static void add_step(const struct gathering *g, struct life *life, const struct mr_trace_record *r)
{
    json_t *step = json_object();
    life->last = mr_ticks_to_ns(g->e->clock, r->ticks - life->begin);
    mr_json_put(step, "ns", life->last);
    json_object_set_new(step, "stage", json_string(g->e->plan->stages[r->stage].name));
    mr_json_put(step, "core", g->e->plan->cores[g->e->plan->stages[r->stage].core].cpu);
    switch ((enum mr_trace_kind)r->kind) {
    case MR_TRACE_RECEIVED:
        received(g, step, r);
        break;
    case MR_TRACE_WORKED:
        worked(g, step, r);
        break;
    case MR_TRACE_COPIED:
    case MR_TRACE_NO_COPY:
        copied(g, step, r);
        break;
    case MR_TRACE_HANDED:
        handed(g, step, r);
        break;
    case MR_TRACE_DIED:
        died(g, step, r);
        break;
    case MR_TRACE_DONE:
        json_object_set_new(step, "what", json_string("complete"));
        break;
    }
    json_array_append_new(life->steps, step);
}

/* ---- lives ---- */

static json_t *id_json(uint32_t id, uint32_t copy)
{
    return copy == 0 ? json_sprintf("%u", id) : json_sprintf("%u.%u", id, copy);
}

static struct life *begin(struct gathering *g, const struct mr_trace_record *r, uint32_t chunk)
{
    struct life *life = &g->lives[g->n];
    *life = (struct life){.id = r->id, .chunk = chunk, .begin = r->ticks};
    life->json = json_object();
    life->steps = json_array();
    g->open[g->n_open++] = g->n++;
    return life;
}

static void describe(const struct gathering *g, struct life *life, const struct mr_trace_record *r)
{
    const struct mr_plan_stage *s = &g->e->plan->stages[r->stage];
    double seconds = mr_ticks_to_ns(g->e->clock, r->ticks - g->e->clock->tick0) / 1e9 -
                     (double)(g->e->start_ns - g->e->clock->ns0) / 1e9;
    json_object_set_new(life->json, "id", id_json(life->id, life->copy));
    json_object_set_new(life->json, "copy_of", life->copy == 0 ? json_null() : id_json(life->id, life->parent));
    json_object_set_new(life->json, "seconds", json_real(seconds));
    json_object_set_new(life->json, "port", s->kind == MR_STAGE_RX ? json_string(port_name(g->e, s->port)) : json_null());
    json_object_set_new(life->json, "queue", s->kind == MR_STAGE_RX ? json_integer(s->queue) : json_null());
    json_object_set_new(life->json, "chunk", life->chunk >= MR_TRACE_NO_CHUNK ? json_null() : json_integer(life->chunk));
    mr_json_put(life->json, "length", r->length);
    mr_json_put(life->json, "offset", r->offset);
    json_object_set_new(life->json, "data", hex(g->e->trace->heads[life->id - 1], r->length));
}

static void begin_copy(struct gathering *g, const struct life *parent, const struct mr_trace_record *r)
{
    uint32_t copies = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        copies += g->lives[i].id == parent->id;
    }
    uint32_t id = parent->id, number = parent->copy;
    struct life *life = begin(g, r, r->other);
    life->id = id;
    life->parent = number;
    life->copy = copies;
    describe(g, life, r);
    add_step(g, life, r);
}

static void end(struct gathering *g, uint32_t at, const struct mr_trace_record *r)
{
    struct life *life = &g->lives[g->open[at]];
    json_object_set_new(life->json, "end", json_string(r->kind == MR_TRACE_DONE ? "sent" : "dropped"));
    g->open[at] = g->open[--g->n_open];
}

/* Of the open lives the one with this chunk; n_open when there is none. */
static uint32_t find(const struct gathering *g, uint32_t chunk)
{
    uint32_t i = 0;
    while (i < g->n_open && g->lives[g->open[i]].chunk != chunk) {
        i++;
    }
    return i;
}

static void take(struct gathering *g, const struct mr_trace_record *r)
{
    if (r->kind == MR_TRACE_RECEIVED) {
        struct life *life = begin(g, r, r->chunk);
        describe(g, life, r);
        add_step(g, life, r);
        return;
    }
    uint32_t at = find(g, r->chunk);
    if (at == g->n_open) {
        return; // dead already: a driver gives the chunk of what it dropped back, too
    }
    add_step(g, &g->lives[g->open[at]], r);
    if (r->kind == MR_TRACE_COPIED) {
        begin_copy(g, &g->lives[g->open[at]], r);
    } else if (r->kind == MR_TRACE_DIED || r->kind == MR_TRACE_DONE) {
        end(g, at, r);
    }
}

/* ---- all of them ---- */

static int by_time(const void *a, const void *b)
{
    const struct mr_trace_record *x = a, *y = b;
    return x->ticks != y->ticks ? (x->ticks < y->ticks ? -1 : 1) : (x->kind > y->kind) - (x->kind < y->kind);
}

static int by_id(const void *a, const void *b)
{
    const struct life *x = a, *y = b;
    return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : (x->copy > y->copy) - (x->copy < y->copy);
}

static uint32_t count_records(const struct mr_trace *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_logs; i++) {
        n += t->logs[i].n;
    }
    return n;
}

static void collect(const struct mr_trace *t, struct mr_trace_record *records)
{
    for (uint32_t i = 0; i < t->n_logs; i++) {
        memcpy(records, t->logs[i].records, t->logs[i].n * sizeof *records);
        records += t->logs[i].n;
    }
}

static json_t *finish(struct gathering *g)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < g->n_open; i++) {
        json_object_set_new(g->lives[g->open[i]].json, "end", json_string("in flight"));
    }
    qsort(g->lives, g->n, sizeof *g->lives, by_id);
    for (uint32_t i = 0; i < g->n; i++) {
        mr_json_put(g->lives[i].json, "ns", g->lives[i].last);
        json_object_set_new(g->lives[i].json, "steps", g->lives[i].steps);
        json_array_append_new(list, g->lives[i].json);
    }
    return list;
}

json_t *mr_trace_json(const struct mr_engine *e)
{
    uint32_t n = e->trace == NULL ? 0 : count_records(e->trace);
    struct mr_trace_record *records = calloc(n + 1u, sizeof *records);
    struct gathering g = {.e = e, .lives = calloc(n + 1u, sizeof *g.lives), .open = calloc(n + 1u, sizeof *g.open)};
    json_t *list = NULL;
    if (e->trace != NULL && records != NULL && g.lives != NULL && g.open != NULL) {
        collect(e->trace, records);
        qsort(records, n, sizeof *records, by_time);
        for (uint32_t i = 0; i < n; i++) {
            take(&g, &records[i]);
        }
        list = finish(&g);
    }
    free(records);
    free(g.lives);
    free(g.open);
    return list;
}
