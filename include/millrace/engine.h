/* engine.h: configuration → plan → build → run → drain → report.
 *
 *     struct mr_engine *engine;
 *     mr_engine_create(cfg, &engine, &err);   plan and build: opens devices, allocates everything, starts no thread
 *     mr_engine_run(engine, &options, &err);  starts the cores, returns after the drain
 *     mr_report_json(engine, …)               the report (report.h)
 *     mr_engine_destroy(engine);
 *
 * The calling thread becomes the control thread; the cores are threads of the engine. One engine after another or
 * several at once in a process are fine as long as they use different cores.
 */
#ifndef MILLRACE_ENGINE_H
#define MILLRACE_ENGINE_H

#include <millrace/config.h>

struct mr_engine;

#define MR_TRACE_FRAMES_MAX 10000u

/* What the engine says once a second while it runs. Control thread. */
struct mr_interval {
    double seconds;       /* since the start */
    double period;        /* length of this interval, seconds */
    uint64_t rx_frames, tx_frames, made_frames, drops; /* in this interval */
    uint64_t outside;     /* lost outside the engine, by the kernel's counters, in this interval */
    uint64_t p50_ns, p99_ns; /* latency of the frames sent in this interval; 0 without any */
    char trouble[96];     /* what is wrong with devices at its end: "left: no carrier since 3 s"; empty = nothing */
};

/* The first frame that died of a reason at a stage, or another thing that a person should know; told within
 * milliseconds. Control thread. */
struct mr_event {
    double seconds;    /* since the start */
    char port[MR_NAME_MAX]; /* empty when it concerns none */
    char stage[48];    /* as in plan and report: rx:left.0; empty when it concerns none */
    const char *what;  /* the drop reason's word, or "stuck", "balance", "no_answer", "off_core", "back_on_core", or of a
                          device: "up", "down", "no-carrier", "gone", "recreated", "flapped", "renamed", "mtu", "xdp" */
    const char *text;  /* what it means, and the fix; good as long as the engine lives */
    char detail[256];  /* behind text, when that is not the same each time */
    int64_t frames;    /* dropped by it, known at the end of the episode or of the run; -1 = it drops none by its nature */
};

/* One stage in a balance. */
struct mr_balance_stage {
    const char *name;
    uint64_t frames;        /* went through it, as in the report */
    uint64_t made, dropped; /* in it */
    uint64_t chunks;        /* held by its queue and the kernel or device behind it */
    int64_t unaccounted;    /* what came in and was made, less what went on, was dropped, or is held by its queue */
};

/* Where all frames and chunks were while the engine ran. Each core counted between two of its own passes, not all at the
 * same instant: what a ring got after its consumer was asked, or gave before its producer was, is in in_rings with its
 * sign, and so the sums are exact. Each number was counted; unaccounted are the two differences. */
struct mr_balance {
    double seconds;  /* since the start */
    bool asked;      /* by SIGUSR1 or mr_engine_ask_balance; else it is told because it does not hold */
    bool answered;   /* all cores did so within 1 s; else core (index) and cpu tell who did not, and nothing below is known */
    bool holds;
    uint32_t core, cpu;
    uint64_t rx, made, tx, drops; /* frames */
    uint64_t in_queues;           /* taken by a sending queue and not yet sent */
    int64_t in_rings;
    int64_t unaccounted;          /* rx + made - tx - drops - in_queues - in_rings */
    uint64_t chunks, free_lists, side_lists, receiving, received, sending;
    uint64_t lost;                /* that work functions hid where nobody finds them */
    int64_t recycle_rings;
    int64_t kept;                 /* by drivers, in caches of their own */
    int64_t chunks_unaccounted;   /* chunks - free_lists - … - in_rings */
    uint32_t n_stages;
    const struct mr_balance_stage *stages; /* valid while the call lasts */
};

struct mr_run_options {
    uint64_t for_ns;   /* stop after this time; 0 = until told or until all sources have ended */
    uint64_t linger_ns; /* end when all sources have ended, and whatever ends the run ends the sources first: devices
                           receive until nothing came for this long, then comes the drain. 0 = end when no receiving
                           queue can deliver any more, and drain at once */
    bool signals;      /* take SIGINT and SIGTERM: first drains, second stops at once */
    void (*each_second)(const struct mr_interval *now, void *arg); /* may be NULL */
    void (*event)(const struct mr_event *event, void *arg); /* may be NULL */
    uint64_t check_ns; /* verify the balance this often, or as often as the cores answer; 0 = only when asked */
    void (*balance)(const struct mr_balance *now, void *arg); /* it was asked for, or a check found that it does not hold;
                                                                 may be NULL. With signals, SIGUSR1 asks */
    void *arg;
    uint32_t trace_frames;    /* write down the ways of the first so many frames, at most MR_TRACE_FRAMES_MAX; 0 = none */
    const char *trace_filter; /* of those that match, in libpcap's words; NULL = all */
    const int *stop_fd; /* readable = drain, again = stop now, end of file = both; NULL = none */
    void (*started)(void *arg); /* all cores run; may be NULL */
};

#ifdef __cplusplus
extern "C" {
#endif

/* mr_engine_create: plan and build. cfg must have passed mr_config_check and stay alive until destroy. */
int mr_engine_create(const struct mr_config *cfg, struct mr_engine **out, struct mr_error *err);

/* mr_engine_run: run and drain, once per engine, in the network namespace of the create. 0 = done, 130 = stopped by a
 * second signal, 1 = the drain gave up after 2 s without progress and what was left is counted as stopped, a core did not
 * come back for 5 s (2 s after a second signal) from, say, a work function that never returns, and was left behind with what
 * it holds, every receiving device went away, or a balance did not hold (all: the report is there, ended_by says which end it
 * was); -errno with err filled = did not start or failed. */
int mr_engine_run(struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err);

/* mr_engine_ask_balance: have options->balance called, within milliseconds, while the engine runs. Any thread, or a
 * signal handler. */
void mr_engine_ask_balance(struct mr_engine *e);

/* mr_engine_destroy: frees everything; NULL is fine. false: a core was left behind, which may come back: nothing was freed,
 * and cfg must not be either. */
bool mr_engine_destroy(struct mr_engine *e);

#ifdef __cplusplus
}
#endif

#endif
