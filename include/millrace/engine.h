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

/* What the engine says once a second while it runs. Control thread. */
struct mr_interval {
    double seconds;       /* since the start */
    double period;        /* length of this interval, seconds */
    uint64_t rx_frames, tx_frames, made_frames, drops; /* in this interval */
    uint64_t outside;     /* lost outside the engine, by the kernel's counters, in this interval */
    uint64_t p50_ns, p99_ns; /* latency of the frames sent in this interval; 0 without any */
};

/* The first frame that died of a reason at a stage; told within milliseconds. Control thread. */
struct mr_event {
    double seconds;    /* since the start */
    char port[MR_NAME_MAX]; /* empty for a work stage */
    char stage[48];    /* as in plan and report: rx:left.0 */
    const char *what;  /* the drop reason's word */
    const char *text;  /* what it means, and the fix */
};

struct mr_run_options {
    uint64_t for_ns;   /* stop after this time; 0 = until told or until all sources have ended */
    uint64_t linger_ns; /* end when all sources have ended, and whatever ends the run ends the sources first: devices
                           receive until nothing came for this long, then comes the drain. 0 = end when no receiving
                           queue can deliver any more, and drain at once */
    bool signals;      /* take SIGINT and SIGTERM: first drains, second stops at once */
    void (*each_second)(const struct mr_interval *now, void *arg); /* may be NULL */
    void (*event)(const struct mr_event *event, void *arg); /* may be NULL */
    void *arg;
    const int *stop_fd; /* readable = drain, again = stop now, end of file = both; NULL = none */
    void (*started)(void *arg); /* all cores run; may be NULL */
};

#ifdef __cplusplus
extern "C" {
#endif

/* mr_engine_create: plan and build. cfg must have passed mr_config_check and stay alive until destroy. */
int mr_engine_create(const struct mr_config *cfg, struct mr_engine **out, struct mr_error *err);

/* mr_engine_run: run and drain, once per engine. 0 = done, 130 = stopped by a second signal, 1 = the drain gave up after
 * 2 s without progress and what was left is counted as stopped (all three: the report is there); -errno with err filled =
 * did not start or failed. */
int mr_engine_run(struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err);

void mr_engine_destroy(struct mr_engine *e);

#ifdef __cplusplus
}
#endif

#endif
