/* work.h: a work function, what users write.
 *
 * It looks at a burst of frames and leaves in each descriptor the port it shall leave by, or the reason it dies of.
 * It runs on a core: no lock, no system call, no allocation, no printing. It may change descriptors and bytes in place
 * (frame.h), count in counters of its own, and make copies (flags COPIES). lib/work has the built-in ones; a user's own
 * looks just like them and is made known with mr_work_register() before the configuration is loaded.
 *
 * It leaves n, frames, made and made_max as they are, each frame in its chunk, and keeps none for later. What a release
 * build sees of a breach it counts and tells; a debug build (debug-pool) aborts with the function's name.
 */
#ifndef MILLRACE_WORK_H
#define MILLRACE_WORK_H

#include <millrace/counters.h>
#include <millrace/error.h>
#include <millrace/frame.h>
#include <millrace/pool.h>
#include <millrace/witness.h>

#define MR_PORTS_MAX         64u
#define MR_WORK_COUNTERS_MAX 16u

struct mr_work;

/* The frames that process() is given. */
struct mr_burst {
    struct mr_frame *frames;
    uint32_t n;
    uint32_t dropped; /* out: how many of them were marked by mr_burst_drop */
    uint64_t now_ns;  /* of this pass, CLOCK_MONOTONIC's scale */
    unsigned char *base;   /* the arena's, for mr_frame_data */
    struct mr_frame *made; /* out: copies, by mr_burst_copy */
    uint32_t made_n;
    uint32_t made_max;
    struct mr_witness *witness; /* NULL: nobody asks where a frame died */
};

enum mr_work_flag {
    MR_WORK_CHOOSES = 1, /* picks the output per frame: may stand in a path with several `to` ports */
    MR_WORK_COPIES = 2,  /* may call mr_burst_copy: its core is given a home of chunks */
};

struct mr_work_ops {
    const char *name;    /* the word in the configuration */
    const char *summary; /* one line for people */
    uint32_t flags;      /* enum mr_work_flag */
    const char *const *drop_reasons; /* own ones, NULL-terminated words; may be NULL */
    const char *const *counters;     /* own ones, NULL-terminated words, at most MR_WORK_COUNTERS_MAX; may be NULL */
    size_t state_bytes;              /* zeroed memory on the core's node, as w->state */
    /* init: control thread, before anything runs. 0 or -errno with err filled. May be NULL. */
    int (*init)(struct mr_work *w, struct mr_error *err);
    /* process: the core. With MR_WORK_CHOOSES it sets frames[i].port for each i, to a port of the path's `to` or by
     * mr_burst_drop. Without, it touches the port only to drop: the rest leaves by the path's one output. */
    void (*process)(struct mr_work *w, struct mr_burst *burst); /* NULL: nothing to do to a frame */
    /* tick: the core, about every 100 us: timers and aging. May be NULL. */
    void (*tick)(struct mr_work *w, uint64_t now_ns);
    /* fini: control thread, after the core has ended. May be NULL. */
    void (*fini)(struct mr_work *w);
};

/* One instance: a work function in one work stage. The engine fills all but state's contents. */
struct mr_work {
    const struct mr_work_ops *ops;
    void *state;
    uint32_t n_outputs;
    uint8_t outputs[MR_PORTS_MAX]; /* port numbers of the path's `to`, in its order */
    uint32_t n_inputs;
    uint8_t inputs[MR_PORTS_MAX];  /* port numbers of the path's `from`, in its order */
    uint32_t first_reason;         /* own reason i is first_reason + i */
    uint64_t *counters;            /* own counter i, written by mr_count */
    struct mr_pool *pool;          /* for copies; NULL without MR_WORK_COPIES */
    struct mr_stage_counters *stage;
};

/* mr_burst_drop: frame i of the burst dies here, once. reason: enum mr_drop, or w->first_reason + i for an own one. A macro, so
 * that a trace shows the caller's file and line. */
#define mr_burst_drop(b, i, reason) mr_burst_drop_at((b), (i), (reason), __FILE__, __LINE__)

static inline void mr_burst_drop_at(struct mr_burst *b, uint32_t i, uint32_t reason, const char *file, uint32_t line)
{
    mr_tell_died_at(b->witness, &b->frames[i], 1, reason, file, line);
    b->frames[i].port = (uint8_t)(MR_DROPPED | reason);
    b->dropped++;
}

#ifdef __cplusplus
extern "C" {
#endif

/* mr_burst_copy: send a copy of a frame (bytes, flags, tick) to `port` as well, in a chunk of the core's own. Counted as
 * made. When there is no chunk or no room, it is counted as made and dropped (no_chunk), and false comes back. */
bool mr_burst_copy(struct mr_work *w, struct mr_burst *b, const struct mr_frame *frame, uint8_t port);

/* mr_work_register: make a work function known by its name. Control thread, before mr_config_load. The struct must
 * live on. -EEXIST for a name already taken, -ENOSPC after 64. */
int mr_work_register(const struct mr_work_ops *ops);

/* mr_work_find: by name; NULL when unknown. mr_work_at: the i-th known, built-in ones first; NULL behind the last. */
const struct mr_work_ops *mr_work_find(const char *name);
const struct mr_work_ops *mr_work_at(uint32_t i);

#ifdef __cplusplus
}
#endif

#endif
