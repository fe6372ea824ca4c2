/* engine_parts.h: the engine's insides, for the files of this room (build, control, report) only. */
#ifndef MILLRACE_ENGINE_PARTS_H
#define MILLRACE_ENGINE_PARTS_H

#include <millrace/engine.h>

#include "lib/engine/core_loop.h"
#include "lib/engine/plan.h"
#include "lib/engine/stage.h"
#include "lib/engine/witness.h"
#include "lib/sys/arena.h"
#include "lib/sys/cgroup.h"
#include "lib/sys/clock.h"

#define MR_INTERVALS_MAX 3600u /* seconds kept for the report; the first hour */
#define MR_EVENTS_MAX    256u

/* Balances of the running engine, as they went. */
struct mr_checks {
    uint64_t interval_ns; /* asked for, 0 = none */
    uint64_t made, failed, unanswered;
};

/* Where chunks were when the cores had ended, each counted on its own. */
struct mr_chunk_owners {
    uint64_t total;
    uint64_t free_lists;
    uint64_t recycle_rings;
    uint64_t side_lists;
    uint64_t rings;         /* in frames waiting between stages */
    uint64_t receiving;     /* held by kernel or device to receive into */
    uint64_t received;      /* received by a driver, not yet taken by its RX stage */
    uint64_t sending;       /* handed to kernel or device, not yet reclaimed */
    int64_t kept;           /* by drivers, in caches of their own */
    uint64_t lost;          /* that work functions hid where nobody finds them */
    uint64_t home_after_close; /* on free lists, recycle and side lists once all ports were closed */
};

struct mr_engine {
    const struct mr_config *config;
    struct mr_plan *plan;
    const struct mr_clock *clock;
    struct mr_arena arena;
    struct mr_port *ports[MR_PORTS_MAX];  /* by number; plan->config->n_ports */
    struct mr_pool *pools[MR_CORES_MAX];  /* plan->n_pools */
    struct mr_ring **rings;               /* plan->n_rings */
    struct mr_stage *stages[MR_STAGES_MAX]; /* plan->n_stages */
    struct mr_core *cores[MR_CORES_MAX];  /* plan->n_cores */
    struct mr_io *io[MR_CORES_MAX * MR_IO_MAX];
    uint32_t n_io;
    struct mr_tap *taps;                  /* config->n_taps */
    struct mr_trace *trace;               /* NULL: none asked for */
    struct mr_stage_witness *witnesses[MR_STAGES_MAX]; /* of the stages that somebody looks at, else NULL */

    /* result of the run; control */
    bool ran;
    bool settled;             /* ports are closed, everything below is final */
    bool left_behind;         /* a core did not come back: its thread may still run, its stages keep what they hold */
    int exit_code;            /* 0, 130 after a second signal, 1 when the drain gave up or a core did not come back */
    char ended_by[160];       /* "signal", "time", "sources ended", "stopped by a second signal" … */
    uint64_t start_ns, first_frame_ns, stop_ns, end_ns; /* CLOCK_MONOTONIC: cores run; RX off; drained */
    uint64_t create_ns;       /* when mr_engine_create was entered */
    uint64_t stopped_frames;  /* left inside when the cores ended: counted as drops[stopped] */
    uint64_t in_flight;       /* after that: frames still inside, counted: always 0 after a drain */
    struct mr_chunk_owners owners;
    struct mr_outsides outsides[MR_PORTS_MAX]; /* at the end, before close */
    void *port_reports[MR_PORTS_MAX];     /* json_t *, from the driver, or NULL */
    struct mr_usage usage_before, usage_after; /* of the process */
    uint64_t cpu_ns_before, cpu_ns_after;
    struct mr_system_time system_before, system_after;
    bool system_known;
    struct mr_throttle throttle_before, throttle_after;
    bool throttle_known;
    uint32_t n_intervals;
    struct mr_interval *intervals; /* MR_INTERVALS_MAX */
    uint32_t n_events;
    struct mr_event *events;       /* MR_EVENTS_MAX */
    uint32_t seen[MR_STAGES_MAX];  /* a bit for each drop reason that was told */
    struct mr_checks checks;
    struct mr_balance_stage *balance_stages; /* plan->n_stages; control */
    bool off_core_told[MR_CORES_MAX];
    uint32_t balance_asked;        /* by any thread; control takes it back */
    uint32_t events_not_kept;      /* told, and more than there is room for */
    struct mr_links *links;        /* link.h */
    void (*on_event)(const struct mr_event *event, void *arg);
    void *on_event_arg;
};

/* Sums over all writers, readable at any time. */
struct mr_totals {
    uint64_t rx_frames, rx_bytes;   /* devices */
    uint64_t made_frames;           /* sources and copies */
    uint64_t tx_frames, tx_bytes;
    uint64_t drops[MR_DROP_ENGINE_COUNT];
    uint64_t work_drops;            /* under the work functions' own reasons */
    uint64_t all_drops;
    uint64_t outside;               /* by mr_outside with is_loss and without `within` */
};
void mr_engine_totals(struct mr_engine *e, struct mr_totals *t);

/* mr_engine_latency: merge all TX stages' histograms (unit: 16 ticks) into zeroed ones; either may be NULL. */
void mr_engine_latency(struct mr_engine *e, struct mr_histogram *all, struct mr_histogram *undisturbed);

/* mr_engine_look_for_events: tell and keep what is new. mr_engine_note: tell and keep this; port and stage "" = none.
 * Returns its place in events, -1 = not kept. mr_engine_finish_events: what each drop reason came to. */
void mr_engine_look_for_events(struct mr_engine *e, uint64_t now_ns);
int mr_engine_note(struct mr_engine *e, uint64_t now_ns, const char *port, const char *stage, const char *what,
                   const char *format, ...) __attribute__((format(printf, 6, 7)));
void mr_engine_finish_events(struct mr_engine *e);

/* mr_engine_settle: after all cores have ended: count what was left inside, close the ports, take all chunks home. */
void mr_engine_settle(struct mr_engine *e);

/* build.c: everything that mr_engine_create makes and mr_engine_destroy takes apart, in the order of making. */
int mr_engine_build(struct mr_engine *e, struct mr_error *err);
void mr_engine_unbuild(struct mr_engine *e);

/* mr_engine_arena_bytes: what the arena of this plan takes, all nodes together; 0 without memory to find out. build.c */
size_t mr_engine_arena_bytes(struct mr_plan *p);

#endif
