/* trace.c: arming a trace, and its logs. */
#include "lib/engine/engine_parts.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <stdlib.h>

enum { RECORDS_OF_A_FRAME = 4, RECORDS_OF_A_COPY = 4 };

/* ---- the cores ---- */

bool mr_trace_all_taken(const struct mr_trace *t)
{
    return __atomic_load_n(&t->taken, __ATOMIC_RELAXED) >= t->wanted;
}

/* The one read-modify-write that cores share; only for a frame that matches, and no more once all are taken. */
uint32_t mr_trace_take(struct mr_trace *t)
{
    if (mr_trace_all_taken(t)) {
        return 0;
    }
    uint32_t before = __atomic_fetch_add(&t->taken, 1, __ATOMIC_RELAXED);
    return before < t->wanted ? before + 1 : 0;
}

struct mr_trace_record *mr_trace_add(struct mr_trace_log *log, uint64_t ticks, enum mr_trace_kind kind, uint32_t stage)
{
    if (log->n == log->max) {
        log->lost++;
        return NULL;
    }
    struct mr_trace_record *r = &log->records[log->n++];
    *r = (struct mr_trace_record){.ticks = ticks, .kind = kind, .stage = stage};
    r->ring_in = MR_TRACE_NO_RING;
    r->ring_out = MR_TRACE_NO_RING;
    return r;
}

/* ---- arming ---- */

/* What a frame leaves on one core when all of its stages are there, and a copy of it goes to each output. */
static uint32_t records_of_a_frame(const struct mr_config *c)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < c->n_paths; i++) {
        uint32_t n = c->paths[i].n_work + RECORDS_OF_A_COPY * c->paths[i].n_to;
        most = n > most ? n : most;
    }
    return RECORDS_OF_A_FRAME + most;
}

static int make_logs(struct mr_engine *e, struct mr_trace *t)
{
    uint32_t records = t->wanted * records_of_a_frame(e->config);
    t->log_bytes = records * sizeof(struct mr_trace_record);
    for (; t->n_logs < e->plan->n_cores; t->n_logs++) {
        struct mr_trace_log *log = &t->logs[t->n_logs];
        log->records = mr_node_alloc(t->log_bytes, e->plan->cores[t->n_logs].node);
        log->max = records;
        if (log->records == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static struct mr_trace *make(struct mr_engine *e, uint32_t frames)
{
    struct mr_trace *t = aligned_alloc(MR_LINE_PAIR, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->wanted = frames;
    t->heads = calloc(frames, sizeof *t->heads);
    if (t->heads == NULL || make_logs(e, t) < 0) {
        mr_trace_free(t);
        return NULL;
    }
    return t;
}

static int compile(struct mr_filter **out, const char *filter, struct mr_error *err)
{
    struct mr_error why;
    *out = NULL;
    if (filter == NULL || mr_filter_create(filter, out, &why) == 0) {
        return 0;
    }
    return mr_error_set(err, why.fault, why.code, "--trace-filter: %s", why.text);
}

int mr_trace_arm(struct mr_engine *e, uint32_t frames, const char *filter, struct mr_error *err)
{
    struct mr_filter *compiled = NULL;
    int rc = compile(&compiled, filter, err);
    if (rc < 0) {
        return rc;
    }
    e->trace = make(e, frames);
    if (e->trace == NULL) {
        mr_filter_destroy(compiled);
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory to trace %u frames; ask for fewer", frames);
    }
    e->trace->filter = compiled;
    return 0;
}

uint64_t mr_trace_lost(const struct mr_trace *t)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < t->n_logs; i++) {
        lost += t->logs[i].lost;
    }
    return lost;
}

void mr_trace_free(struct mr_trace *t)
{
    if (t == NULL) {
        return;
    }
    for (uint32_t i = 0; i < t->n_logs; i++) {
        mr_node_free(t->logs[i].records, t->log_bytes);
    }
    mr_filter_destroy(t->filter);
    free(t->heads);
    free(t);
}
