/* control.c: the control thread: create, start the cores, watch (watch.c), drain (drain.c), stop (stuck.c), settle (balance.c). */
#include "lib/engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define START_PATIENCE_NS 5000000000ull

/* ---- creating ---- */

int mr_engine_create(const struct mr_config *cfg, struct mr_engine **out, struct mr_error *err)
{
    struct mr_engine *e = calloc(1, sizeof *e);
    *out = NULL;
    if (e == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the engine; free some");
    }
    e->create_ns = mr_now_ns();
    e->config = cfg;
    mr_clock_begin();
    int rc = mr_plan_make(cfg, &e->plan, err);
    if (rc == 0) {
        rc = mr_engine_build(e, err);
    }
    if (rc < 0) {
        mr_engine_destroy(e);
        return rc;
    }
    *out = e;
    return 0;
}

bool mr_engine_destroy(struct mr_engine *e)
{
    if (e == NULL || e->left_behind) {
        return e == NULL; // a core that comes back after all must find its memory
    }
    if (e->plan != NULL) {
        mr_engine_unbuild(e);
    }
    mr_plan_free(e->plan);
    free(e);
    return true;
}

/* ---- cores ---- */

void mr_cores_command(struct mr_engine *e, enum mr_command what)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        mr_store_release(&e->cores[i]->command, what);
    }
}

bool mr_cores_reached(struct mr_engine *e, uint32_t state)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (mr_load_acquire(&e->cores[i]->state) < state) {
            return false;
        }
    }
    return true;
}

static void nap(uint64_t ns)
{
    struct timespec t = {0, (long)ns};
    nanosleep(&t, NULL);
}

static int start_cores(struct mr_engine *e, struct mr_error *err)
{
    uint64_t patience = mr_now_ns() + START_PATIENCE_NS;
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        struct mr_core *c = e->cores[i];
        char name[16];
        snprintf(name, sizeof name, "mr-core-%u", c->cpu % 1000);
        int rc = mr_thread_start(&c->thread, c->cpu, name, mr_core_main, c, err);
        if (rc < 0) {
            return rc;
        }
        c->started = true;
    }
    while (!mr_cores_reached(e, MR_CORE_RUNNING)) {
        if (mr_now_ns() > patience) {
            return mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "a core did not start within 5 s; is its CPU taken by a "
                                                              "real-time process?");
        }
        nap(50000);
    }
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (mr_load_acquire(&e->cores[i]->state) == MR_CORE_FAILED) {
            *err = e->cores[i]->error;
            return err->code;
        }
    }
    mr_cores_command(e, MR_COMMAND_RUN);
    return 0;
}

/* ---- running ---- */

static void meter(struct mr_engine *e, bool before)
{
    mr_usage_process(before ? &e->usage_before : &e->usage_after);
    *(before ? &e->cpu_ns_before : &e->cpu_ns_after) = mr_process_cpu_ns();
    e->system_known = mr_system_time(before ? &e->system_before : &e->system_after) == 0;
    e->throttle_known = mr_throttle_read(before ? &e->throttle_before : &e->throttle_after);
}

int mr_engine_run(struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err)
{
    struct mr_watch w = {.signal_fd = -1};
    int rc = e->ran ? mr_error_set(err, MR_FAULT_RUN, EALREADY, "an engine runs once; create another one") : 0;
    if (rc == 0) {
        rc = mr_watch_open(&w, e, options, err);
    }
    if (rc == 0 && options->trace_frames != 0) {
        rc = mr_trace_arm(e, options->trace_frames, options->trace_filter, err);
    }
    if (rc == 0) {
        rc = mr_witness_attach(e, err);
    }
    if (rc < 0) {
        mr_watch_close(&w);
        return rc;
    }
    e->ran = true;
    e->on_event = options->event;
    e->on_event_arg = options->arg;
    mr_taps_go(e);
    meter(e, true);
    rc = start_cores(e, err);
    if (rc == 0) {
        e->start_ns = mr_now_ns();
        mr_check_open(e, &w);
        mr_links_start(e);
        if (options->started != NULL) {
            options->started(options->arg);
        }
        mr_watch(e, &w);
        e->stop_ns = mr_now_ns();
        if (options->linger_ns != 0) {
            mr_linger(e, &w);
        }
        mr_links_end(e);
        mr_drain(e, &w);
        e->end_ns = mr_now_ns();
        mr_engine_look_for_events(e, e->end_ns);
    }
    meter(e, false);
    mr_stuck_join(e, &w);
    if (rc == 0) {
        mr_engine_settle(e);
        mr_links_settle(e);
        mr_engine_finish_events(e);
        mr_taps_stop(e);
        rc = e->exit_code;
    }
    mr_watch_close(&w);
    return rc;
}
