/* trace.h: the ways of the first N frames that match a filter, written down while they are gone.
 *
 * Armed by control before the cores start. RX stages mark what matches (MR_FRAME_TRACE) until N are marked; from then on
 * each stage writes a record of a marked frame it sees into the log of its core: memory taken before, one writer, no lock.
 * Control puts them together when the cores have ended: records of all cores by time, a frame being known by its chunk
 * from the record that begins its life to the one that ends it.
 *
 * Who writes: witness.c. trace.c: arming and the logs. trace_json.c: from records to lives. trace_print.c: for people.
 */
#ifndef MILLRACE_ENGINE_TRACE_H
#define MILLRACE_ENGINE_TRACE_H

#include "lib/engine/stage.h"
#include "lib/port/filter.h"

#include <jansson.h>
#include <stdio.h>

#define MR_TRACE_HEAD    64u       /* bytes kept of each frame */
#define MR_TRACE_NO_RING UINT32_MAX
#define MR_TRACE_NO_CHUNK 0xffff0000u /* from here on: dropped before it had a chunk; + id */

/* In the order in which records of one frame and one instant belong. */
enum mr_trace_kind {
    MR_TRACE_RECEIVED, /* by an RX stage; or by its driver, which then drops it */
    MR_TRACE_WORKED,   /* a function saw it; ticks: when it began */
    MR_TRACE_COPIED,   /* other: the copy's chunk, whose life begins; port: where it goes */
    MR_TRACE_NO_COPY,  /* a copy could not be made: other says nothing */
    MR_TRACE_HANDED,   /* to the driver that sends; ticks: when the stage began to */
    MR_TRACE_DIED,
    MR_TRACE_DONE,     /* sent; its chunk goes home */
};

struct mr_trace_record {
    uint64_t ticks;
    const char *file;          /* DIED, COPIED, NO_COPY */
    uint32_t kind;             /* enum mr_trace_kind */
    uint32_t stage;            /* index */
    uint32_t chunk;
    uint32_t id;               /* RECEIVED: 1 … N */
    uint32_t other;            /* COPIED: chunk */
    uint32_t ring_in, ring_out; /* index or MR_TRACE_NO_RING */
    uint32_t line;             /* as file */
    uint32_t reason;           /* DIED */
    uint32_t tick;             /* RECEIVED: mr_frame.tick */
    uint16_t batch, position;  /* position: from 0 */
    uint16_t length, offset, length_before, offset_before;
    uint16_t changed, changed_end; /* WORKED: bytes [changed, changed_end) of the first MR_TRACE_HEAD are others now */
    uint8_t port, port_before;
    uint8_t function;          /* WORKED: index */
    uint8_t flags;
};

struct mr_trace_log {
    struct mr_trace_record *records;
    uint32_t n, max;
    uint64_t lost;             /* records that found no room */
} MR_ALIGNED(MR_LINE_PAIR);

struct mr_engine;

struct mr_trace {
    uint32_t wanted;
    struct mr_filter *filter;  /* NULL: every frame */
    uint32_t n_logs;
    size_t log_bytes;
    struct mr_trace_log logs[MR_CORES_MAX];
    unsigned char (*heads)[MR_TRACE_HEAD]; /* by id - 1: first bytes as received; written by who took the id */
    uint32_t taken MR_ALIGNED(MR_LINE_PAIR); /* ids so far, and failed tries: RX stages of all cores */
};

/* mr_trace_arm: before the cores start. 0, or -errno with err filled; then nothing is armed. mr_trace_free: NULL is fine. */
int mr_trace_arm(struct mr_engine *e, uint32_t frames, const char *filter, struct mr_error *err);
void mr_trace_free(struct mr_trace *t);

/* mr_trace_take: an id for one more frame; 0 when all are taken. mr_trace_all_taken: then. Any core. */
uint32_t mr_trace_take(struct mr_trace *t);
bool mr_trace_all_taken(const struct mr_trace *t);

/* mr_trace_add: room for one more record on this core, zeroed but for ticks, kind, stage; NULL when there is none, counted. */
struct mr_trace_record *mr_trace_add(struct mr_trace_log *log, uint64_t ticks, enum mr_trace_kind kind, uint32_t stage);

/* mr_trace_json: an array, an object a life, by id; the cores have ended. mr_trace_lost: records that found no room. mr_trace_print:
 * such an array for people, NULL is none; colour: bold heads and red losses. */
json_t *mr_trace_json(const struct mr_engine *e);
uint64_t mr_trace_lost(const struct mr_trace *t);
void mr_trace_print(const json_t *trace, long long lost, FILE *out, bool colour);

#endif
