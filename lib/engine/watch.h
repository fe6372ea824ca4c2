/* watch.h: what the control thread's parts share: control.c, watch.c, drain.c, stuck.c. Control thread only. */
#ifndef MILLRACE_ENGINE_WATCH_H
#define MILLRACE_ENGINE_WATCH_H

#include "lib/engine/link.h"

#include <signal.h>

/* check.c: balances of the running engine. */
struct mr_check {
    uint64_t next_ns;  /* the next interval's; UINT64_MAX = none */
    uint64_t asked_ns; /* when the cores were asked; 0 = they are not */
    uint32_t looks;    /* at the answers */
    uint32_t number;   /* of the cut that was last asked for */
    bool wanted;       /* SIGUSR1 or mr_engine_ask_balance: the next round is for somebody */
    bool for_somebody; /* the one under way is */
    bool failing;      /* the last one did not hold: told once, until one holds again */
    bool silent;       /* the last one had no answer: told once, too */
};

/* How long each core has made no round of housekeeping. */
struct mr_silence {
    uint64_t last_ns; /* of the last look */
    uint64_t ns[MR_CORES_MAX];
    uint64_t cpu_ns[MR_CORES_MAX]; /* that its thread had used */
    uint32_t epoch[MR_CORES_MAX];
};

struct mr_watch {
    struct mr_engine *engine;
    const struct mr_run_options *options;
    int signal_fd;
    sigset_t old_mask;
    uint32_t asked;       /* signals and stop_fd events so far: 1 drain, 2 stop at once */
    const char *asked_by; /* the first: "signal", "program", or what made control deaf */
    uint32_t failures;    /* of waiting, one after the other */
    char deaf[80];
    uint64_t next_second; /* ns */
    uint64_t interval_ns; /* when the last interval was noted */
    struct mr_totals before;
    struct mr_histogram *latency, *latency_before;
    struct mr_check check;
    struct mr_silence silence;
};

/* watch.c. mr_watch_open blocks the signals it takes, before any core starts. mr_watch_listen: wait so long, or until
 * somebody asks or a device changes; then look after the devices. mr_watch: until somebody asks, the time is over, or
 * nothing more can come. */
int mr_watch_open(struct mr_watch *w, struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err);
void mr_watch_close(struct mr_watch *w);
void mr_watch_listen(struct mr_watch *w, uint64_t ns);
void mr_watch(struct mr_engine *e, struct mr_watch *w);

/* mr_rx_left: receiving queues that may still deliver, all or those that are sources; one whose device is gone only if it
 * may come back. */
uint32_t mr_rx_left(const struct mr_engine *e, bool sources_only);

/* drain.c */
void mr_linger(struct mr_engine *e, struct mr_watch *w);
void mr_drain(struct mr_engine *e, struct mr_watch *w);

/* check.c. mr_check_step: ask the cores when it is time, judge when they have answered; called in each of control's
 * loops. mr_check_due: ns until it wants to be called again. */
void mr_check_open(struct mr_engine *e, struct mr_watch *w);
void mr_check_step(struct mr_engine *e, struct mr_watch *w, uint64_t now);
uint64_t mr_check_due(const struct mr_watch *w, uint64_t now);

/* stuck.c. mr_stuck_look: at every look of control. mr_stuck_over: a core has been silent for so long that the run ends
 * without it: ended_by and exit_code say so. mr_stuck_join: end all cores, but for those. */
void mr_stuck_look(struct mr_engine *e, struct mr_watch *w);
bool mr_stuck_over(struct mr_engine *e, struct mr_watch *w);
void mr_stuck_join(struct mr_engine *e, struct mr_watch *w);

/* control.c: tell all cores; have all come so far? */
void mr_cores_command(struct mr_engine *e, enum mr_command what);
bool mr_cores_reached(struct mr_engine *e, uint32_t state);

#endif
