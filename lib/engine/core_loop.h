/* core_loop.h: a core thread: poll each stage, ring the doorbells, idle policy, now and then housekeeping.
 *
 * The only endless loop of the engine. One clock read a pass. Time is split without more reads: each pass belongs to busy,
 * blocked or idle; every 64th pass reads the clock around each stage and tells how busy time divides into receive, work
 * and send; housekeeping is measured each time. The parts are counted, their sum is compared with the wall in the report.
 *
 * Control speaks through `command`, looked at in housekeeping; the core answers through `state` and `epoch`. An epoch
 * says: everything the core looked at before is no longer looked at.
 */
#ifndef MILLRACE_ENGINE_CORE_LOOP_H
#define MILLRACE_ENGINE_CORE_LOOP_H

#include "lib/engine/stage.h"
#include "lib/sys/thread.h"

#include <pthread.h>

enum mr_command { MR_COMMAND_WAIT, MR_COMMAND_RUN, MR_COMMAND_SOURCES_OFF, MR_COMMAND_RX_OFF, MR_COMMAND_STOP };
enum mr_core_state { MR_CORE_NEW, MR_CORE_RUNNING, MR_CORE_QUIET, MR_CORE_ENDED, MR_CORE_FAILED };

#define MR_IO_MAX 8u /* drivers with something to share on one core */

/* Where a core's time went, in TSC ticks. Written by the core. */
struct mr_core_time {
    uint64_t begin, end;      /* first and last clock read of the loop */
    uint64_t busy, blocked, idle, housekeeping;
    uint64_t sampled[3];      /* receive, work, send: within the sampled busy passes; enum mr_stage_kind as index */
    uint64_t gaps, gap_ticks, gap_max; /* jumps of the clock that no work explains */
};

struct mr_core {
    /* read-only after build */
    uint32_t index, cpu;
    int node;
    bool shares_cpu;
    uint32_t n_stages, n_io;
    struct mr_stage *stages[MR_STAGES_MAX];
    struct mr_io *io[MR_IO_MAX];
    struct mr_pool *pool; /* the home this core owns, NULL = none */
    struct mr_recycle recycle;
    const uint32_t *const *gap_ends; /* every core's last_gap, for the TX stages */
    uint32_t n_cores;
    uint64_t gap_limit;          /* ticks: a longer pass without work is a gap */
    uint64_t sleep_limit;        /* ticks: nothing sleeps longer by itself */
    uint64_t gap_per_frame;      /* ticks a frame may take in a pass that went into the kernel */
    uint64_t housekeeping_ticks; /* period */
    pthread_t thread;
    bool started;
    struct mr_error error;       /* when state is MR_CORE_FAILED */

    /* control writes, the core reads */
    uint32_t command MR_ALIGNED(MR_LINE_PAIR);
    uint32_t cut_wanted; /* number of a cut (cut.h); another one than cut_taken asks for it */

    /* the core writes, control reads */
    uint32_t state MR_ALIGNED(MR_LINE_PAIR);
    pid_t tid;          /* before its state is more than NEW */
    uint32_t epoch;
    uint32_t cut_taken; /* the cuts of the core and its stages are of this number */
    struct mr_core_cut cut;
    uint32_t last_gap;  /* tick (TSC >> 4) at which the last gap ended; 0 = none yet */
    uint64_t holding;   /* frames inside its stages and the rings they read, as of epoch */
    uint64_t moved;     /* Σ frames its stages moved, as of epoch */
    uint64_t off_core;  /* housekeepings on another CPU than planned: a cpuset or affinity was changed from outside */
    uint32_t on_cpu;    /* at the last of them */
    uint64_t passes;
    bool sampling;      /* this pass's time is being split */
    struct mr_core_time time;
    struct mr_usage usage_before, usage; /* of the thread, at its first pass and at its end */
};

/* mr_core_main: the thread's body; arg is the struct mr_core. */
void *mr_core_main(void *arg);

#endif
