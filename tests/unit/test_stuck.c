/* Ends that do not come by themselves: functions that never return, a device that takes nothing any more. The run ends
 * all the same, says why, and counts what stayed inside. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"

#include <millrace/report.h>

#include <stdio.h>
#include <unistd.h>

static struct mr_error error;
static uint32_t stuck_events;
static char stuck_stage[48];

/* What a core that never came back may still use: it is kept, and a leak's sanitizer finds it here. */
static struct {
    struct mr_engine *engine;
    struct mr_config *config;
} left_behind;

static void hang(void)
{
    for (;;) {
        usleep(100000); // leaves its CPU to the other tests
    }
}

static void hang_process(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    (void)b;
    hang();
}

static void hang_tick(struct mr_work *w, uint64_t now_ns)
{
    (void)w;
    (void)now_ns;
    hang();
}

static const struct mr_work_ops in_process = {.name = "in_process", .process = hang_process};
static const struct mr_work_ops in_tick = {.name = "in_tick", .tick = hang_tick};

static void on_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    if (strcmp(event->what, "stuck") == 0) {
        stuck_events++;
        memcpy(stuck_stage, event->stage, sizeof stuck_stage);
    }
}

static json_int_t of(const json_t *report, const char *object, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(report, object), key));
}

/* 50 frames are inside when the run ends: counted as stopped, in a balance that is even. */
static void check(struct mr_engine *e, int exit_code, const char *ended_by)
{
    json_t *report = mr_report_json(e, 0, NULL);
    cr_assert_eq(exit_code, MR_FAULT_RUN);
    cr_assert_str_eq(json_string_value(json_object_get(report, "ended_by")), ended_by);
    cr_assert_eq(of(report, "totals", "made_frames"), 50);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(json_object_get(report, "totals"), "drops"), "stopped")), 50);
    cr_assert_eq(of(report, "totals", "unaccounted"), 0);
    cr_assert_eq(of(report, "totals", "in_flight"), 0);
    cr_assert_eq(of(report, "chunks", "unaccounted"), 0);
    json_decref(report);
}

static struct mr_engine *create(const char *work, const char *layout, struct mr_config **cfg)
{
    char text[512];
    struct mr_engine *e = NULL;
    snprintf(text, sizeof text, "engine: { layout: %s, cores: [0, 1] }\nmemory: { huge_pages: off }\nports:\n"
             "  - { name: in, driver: memory, frames: 50 }\n  - { name: out, driver: memory }\n"
             "paths:\n  - { from: in, work: [forward, %s], to: out }\n", layout, work);
    int rc = mr_config_parse(cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(*cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(*cfg, &e, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    left_behind.engine = e;
    left_behind.config = *cfg;
    return e;
}

static void run_with(const char *work, const char *layout, const char *ended_by, const char *stage)
{
    struct mr_config *cfg;
    struct mr_engine *e = create(work, layout, &cfg);
    struct mr_run_options options = {.for_ns = 1500000000, .event = on_event};
    int rc = mr_engine_run(e, &options, &error);
    check(e, rc, ended_by);
    cr_assert_eq(stuck_events, 1);
    cr_assert_str_eq(stuck_stage, stage);
    cr_assert(!mr_engine_destroy(e), "it leaves the core what it has");
}

Test(stuck, in_a_work_function, .timeout = 20)
{
    mr_work_register(&in_process);
    run_with("in_process", "run-to-completion", "core 0 (CPU 0) did not come back from work:0.0: forward, in_process", "work:0.0");
}

Test(stuck, in_a_work_function_of_another_core, .timeout = 20)
{
    mr_work_register(&in_process);
    run_with("in_process", "pipeline", "core 1 (CPU 1) did not come back from work:0.0: forward, in_process", "work:0.0");
}

/* The tick may come before the first frame: how many were made is not known. */
Test(stuck, in_a_tick, .timeout = 20)
{
    struct mr_config *cfg;
    struct mr_run_options options = {.for_ns = 100000000, .event = on_event};
    mr_work_register(&in_tick);
    struct mr_engine *e = create("in_tick", "run-to-completion", &cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), MR_FAULT_RUN);
    cr_assert_str_eq(e->ended_by, "core 0 (CPU 0) did not come back from a driver's doorbell or a work function's tick");
    cr_assert_str_eq(stuck_stage, "");
}

static int told[2];

static void ask_twice(void *arg)
{
    (void)arg;
    cr_assert_eq(write(told[1], "xx", 2), 2);
}

/* A stop that is asked for at once is bounded just so, and keeps its exit code. */
Test(stuck, second_request, .timeout = 20)
{
    struct mr_config *cfg;
    struct mr_run_options options = {.stop_fd = &told[0], .started = ask_twice};
    cr_assert_eq(pipe(told), 0);
    mr_work_register(&in_tick);
    struct mr_engine *e = create("in_tick", "run-to-completion", &cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 130);
    cr_assert_neq(strstr(e->ended_by, "did not come back"), NULL, "%s", e->ended_by);
}

static uint32_t takes_nothing(struct mr_txq *q, const struct mr_frame *frames, uint32_t n)
{
    (void)q;
    (void)frames;
    (void)n;
    return 0;
}

/* Cores run, frames do not move: the drain gives up after 2 s, and all is taken home. */
Test(stuck, device_that_takes_nothing, .timeout = 20)
{
    struct mr_config *cfg;
    struct mr_run_options options = {.for_ns = 100000000};
    struct mr_engine *e = create("macswap", "pipeline", &cfg);
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind == MR_STAGE_TX) {
            MR_CONTAINER_OF(e->stages[i], struct mr_stage_tx, stage)->tx_burst = takes_nothing;
        }
    }
    int rc = mr_engine_run(e, &options, &error);
    check(e, rc, "drain gave up after 2 s without progress");
    cr_assert_eq(e->owners.home_after_close, e->owners.total);
    cr_assert(mr_engine_destroy(e));
    mr_config_destroy(cfg);
}
