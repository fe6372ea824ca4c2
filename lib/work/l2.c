/* l2.c: a learning switch over the path's ports.
 *
 * A frame goes to the port behind which its destination was last seen as a source, and to all other outputs when that
 * is not known or the destination is a group. Stations are told by address alone: one table for all VLANs, so an
 * address used in two VLANs behind two ports moves back and forth (counted: moved). Each worker of a path has a table
 * of its own and learns from the queues it reads. Who was not seen for 300 s is forgotten.
 */
#include "lib/work/builtin.h"
#include "lib/work/mac_table.h"

#include <stdlib.h>

enum { AGE_STEPS = 100 };
#define STEP_NS (300 * UINT64_C(1000000000) / AGE_STEPS)

enum { SAME_PORT, NO_OUTPUT, BAD_SOURCE };
static const char *const reasons[] = {"same_port", "no_output", "bad_source", NULL};

enum { LEARNED, MOVED, AGED, FLOODED, REPLACED };
static const char *const counters[] = {"learned", "moved", "aged", "flooded", "replaced", NULL};

struct l2 {
    uint64_t outputs;      /* bit n: port n is an output */
    uint64_t next_step_ns; /* 0 before the first tick */
    struct mac_table table;
};

MR_STATIC_ASSERT(MR_PORTS_MAX <= 64, "outputs is one word");

static int init(struct mr_work *w, struct mr_error *err)
{
    (void)err;
    struct l2 *s = w->state;
    arc4random_buf(s->table.key, sizeof s->table.key);
    for (uint32_t i = 0; i < w->n_outputs; i++) {
        s->outputs |= UINT64_C(1) << w->outputs[i];
    }
    return 0;
}

static void learn(struct mr_work *w, uint64_t source, uint8_t port)
{
    struct l2 *s = w->state;
    enum mac_learnt what = mac_table_learn(&s->table, source, port);
    if (MR_LIKELY(what == MAC_KNOWN)) {
        return;
    }
    mr_count(&w->counters[what == MAC_MOVED ? MOVED : LEARNED], 1);
    mr_count(&w->counters[REPLACED], what == MAC_REPLACED);
}

/* The frame itself takes the first output, copies take the others: two ports need no copy at all. */
static void flood(struct mr_work *w, struct mr_burst *b, uint32_t i)
{
    struct mr_frame *f = &b->frames[i];
    uint8_t first = MAC_NOBODY;
    for (uint32_t o = 0; o < w->n_outputs; o++) {
        if (w->outputs[o] == f->port) {
            continue;
        }
        if (first == MAC_NOBODY) {
            first = w->outputs[o];
        } else {
            mr_burst_copy(w, b, f, w->outputs[o]);
        }
    }
    if (first == MAC_NOBODY) {
        mr_burst_drop(b, i, w->first_reason + NO_OUTPUT);
    } else {
        f->port = first;
        mr_count(&w->counters[FLOODED], 1);
    }
}

static void send(struct mr_work *w, struct mr_burst *b, uint32_t i, uint8_t port)
{
    const struct l2 *s = w->state;
    if (port == b->frames[i].port) {
        mr_burst_drop(b, i, w->first_reason + SAME_PORT);
    } else if (MR_UNLIKELY((s->outputs >> port & 1) == 0)) {
        mr_burst_drop(b, i, w->first_reason + NO_OUTPUT);
    } else {
        b->frames[i].port = port;
    }
}

static void switch_frame(struct mr_work *w, struct mr_burst *b, uint32_t i)
{
    struct l2 *s = w->state;
    const unsigned char *data = mr_frame_data(b->base, &b->frames[i]);
    uint64_t destination = mac_read(data);
    uint64_t source = mac_read(data + 6);
    if (MR_UNLIKELY(mac_is_group(source) || source == 0)) {
        mr_burst_drop(b, i, w->first_reason + BAD_SOURCE);
        return;
    }
    learn(w, source, b->frames[i].port);
    uint8_t port = mac_is_group(destination) ? MAC_NOBODY : mac_table_port(&s->table, destination);
    if (port == MAC_NOBODY) {
        flood(w, b, i);
    } else {
        send(w, b, i, port);
    }
}

static void process(struct mr_work *w, struct mr_burst *b)
{
    uint32_t n = b->n;
    for (uint32_t i = 0; i < n; i++) {
        if (MR_UNLIKELY(b->frames[i].length < MR_FRAME_MIN)) {
            mr_burst_drop(b, i, MR_DROP_runt);
        } else {
            switch_frame(w, b, i);
        }
    }
}

static void tick(struct mr_work *w, uint64_t now_ns)
{
    struct l2 *s = w->state;
    if (s->next_step_ns == 0) {
        s->next_step_ns = now_ns + STEP_NS;
    }
    if (now_ns >= s->next_step_ns) {
        uint64_t passed = 1 + (now_ns - s->next_step_ns) / STEP_NS;
        s->next_step_ns += passed * STEP_NS;
        mr_count(&w->counters[AGED], mac_table_age(&s->table, passed, AGE_STEPS));
    }
}

const struct mr_work_ops mr_work_l2 = {
    .name = "l2",
    .summary = "learning switch: by destination address to the port it was seen behind, else to all others",
    .flags = MR_WORK_CHOOSES | MR_WORK_COPIES,
    .drop_reasons = reasons,
    .counters = counters,
    .state_bytes = sizeof(struct l2),
    .init = init,
    .process = process,
    .tick = tick,
};
