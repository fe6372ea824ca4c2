/* Balances of running engines: exact each time, whoever asks; a frame or chunk that is lost on purpose is seen within one
 * interval, and a core that does not answer holds nobody up. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/engine/engine_parts.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MS 1000000ull

static struct mr_error error;

#define PORTS(more)                                                                                                    \
    "memory: { chunks: 8192, huge_pages: off }\n"                                                                      \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: memory" more " }\n"                                                                       \
    "  - { name: out, driver: memory }\n"

/* What was told, and how the run ended. */
static struct seen {
    uint32_t balances, failed, silent, failures_told, silences_told;
    struct mr_balance last; /* without its stages */
    char stage[48];         /* the first that does not come out, of the last balance */
    struct mr_event failure, silence; /* the last of each; of their texts only the details outlive the engine */
    struct mr_checks checks;
    uint64_t start_ns;
    int result;
} seen;

static void on_balance(const struct mr_balance *b, void *arg)
{
    (void)arg;
    seen.balances++;
    seen.failed += b->answered && !b->holds;
    seen.silent += !b->answered;
    seen.last = *b;
    for (uint32_t i = b->n_stages; i-- != 0;) {
        if (b->stages[i].unaccounted != 0) {
            snprintf(seen.stage, sizeof seen.stage, "%s", b->stages[i].name);
        }
    }
}

static void on_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    if (strcmp(event->what, "balance") == 0) {
        seen.failures_told++;
        seen.failure = *event;
    } else if (strcmp(event->what, "no_answer") == 0) {
        seen.silences_told++;
        seen.silence = *event;
    }
}

static void run(const char *text, struct mr_run_options *options)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    seen = (struct seen){0};
    options->balance = on_balance;
    options->event = on_event;
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    cr_assert(rc == 0, "%s", error.text);
    options->arg = e;
    seen.result = mr_engine_run(e, options, &error);
    cr_assert(seen.result >= 0, "%s", error.text);
    seen.checks = e->checks;
    seen.start_ns = e->start_ns;
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* ---- it holds ---- */

Test(balance, holds_while_four_threads_flood, .timeout = 30)
{
    struct mr_run_options options = {.for_ns = 1000 * MS, .check_ns = 1 * MS};
    run("engine: { layout: pipeline, cores: [0, 1, 0, 1], ring: 256 }\nmemory: { huge_pages: off }\nports:\n"
        "  - { name: a, driver: memory, queues: 2 }\n  - { name: b, driver: memory }\n  - { name: c, driver: memory }\n"
        "paths:\n  - { from: [a, b], work: l2, to: [a, b, c], workers: 2 }\n", &options);
    cr_assert_eq(seen.result, 0);
    cr_assert_eq(seen.checks.failed, 0);
    cr_assert_gt(seen.checks.made, 3, "%lu", seen.checks.made);
    cr_assert_eq(seen.balances, 0, "nobody asked");
}

/* Ends within the run's end: no round may wait for a core that has stopped. */
Test(balance, holds_until_the_sources_end, .timeout = 30)
{
    struct mr_run_options options = {.check_ns = 1};
    run("engine: { layout: pipeline, cores: [0, 1] }\n" PORTS(", queues: 2, frames: 300000")
        "paths:\n  - { from: in, work: macswap, to: out, workers: 2 }\n", &options);
    cr_assert_eq(seen.result, 0);
    cr_assert_eq(seen.checks.failed, 0);
}

static void ask(void *arg)
{
    mr_engine_ask_balance((struct mr_engine *)arg);
}

Test(balance, is_told_when_the_program_asks)
{
    struct mr_run_options options = {.for_ns = 100 * MS, .started = ask};
    run("engine: { cores: [1] }\n" PORTS(", rate: 100kpps") "paths:\n  - { from: in, work: forward, to: out }\n", &options);
    cr_assert_eq(seen.balances, 1);
    const struct mr_balance *b = &seen.last;
    cr_assert(b->asked && b->answered && b->holds);
    cr_assert_eq(b->chunks, 8192);
    cr_assert_eq(b->n_stages, 3);
    cr_assert_eq((int64_t)(b->rx + b->made), (int64_t)(b->tx + b->drops + b->in_queues) + b->in_rings);
    cr_assert_eq((int64_t)b->chunks, (int64_t)(b->free_lists + b->side_lists + b->receiving + b->received + b->sending) +
                 b->recycle_rings + b->in_rings);
}

static void raise_usr1(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

/* It is no reason to end. */
Test(balance, is_told_on_sigusr1)
{
    struct mr_run_options options = {.for_ns = 100 * MS, .started = raise_usr1, .signals = true};
    run("engine: { cores: [1] }\n" PORTS(", rate: 100kpps") "paths:\n  - { from: in, work: forward, to: out }\n", &options);
    cr_assert_eq(seen.result, 0);
    cr_assert_eq(seen.balances, 1);
    cr_assert(seen.last.asked && seen.last.holds && seen.last.seconds < 0.1, "%f", seen.last.seconds);
}

/* ---- it does not ---- */

enum { QUIET_TICKS = 50 }; // about 5 ms

static uint64_t stolen_ns;

/* Once, between two passes: a frame is taken out of the function's input ring, and nobody gets it. */
static void steal_frame(struct mr_work *w, uint64_t now_ns)
{
    struct mr_stage_work *s = MR_CONTAINER_OF(w, struct mr_stage_work, works);
    uint32_t *ticks = w->state;
    struct mr_frame frame;
    if (*ticks < QUIET_TICKS) {
        ++*ticks;
    } else if (*ticks == QUIET_TICKS) {
        *ticks += mr_ring_pop(s->in[0], sizeof frame, &frame, 1);
        stolen_ns = now_ns;
    }
}

static void steal_chunk(struct mr_work *w, uint64_t now_ns)
{
    struct mr_pool *pool = MR_CONTAINER_OF(w, struct mr_stage_work, works)->recycle->homes[0].own;
    uint32_t *ticks = w->state;
    uint32_t chunk;
    if (++*ticks == QUIET_TICKS) {
        cr_assert_eq(mr_pool_alloc(pool, &pool->small, &chunk, 1), 1);
        stolen_ns = now_ns;
    }
}

static void make_nothing(struct mr_work *w, uint64_t now_ns)
{
    uint32_t *ticks = w->state;
    if (++*ticks == QUIET_TICKS) {
        mr_count(&w->stage->made, 3);
        stolen_ns = now_ns;
    }
}

static const struct mr_work_ops thieves[] = {
    {.name = "steals_frame", .state_bytes = sizeof(uint32_t), .tick = steal_frame},
    {.name = "steals_chunk", .state_bytes = sizeof(uint32_t), .tick = steal_chunk},
    {.name = "makes_nothing", .state_bytes = sizeof(uint32_t), .tick = make_nothing},
};

/* Flat out on two cores, so that the ring between them is seldom empty. */
static void run_thief(uint32_t which, const char *layout)
{
    char text[600];
    struct mr_run_options options = {.for_ns = 1500 * MS, .check_ns = 10 * MS};
    cr_assert_eq(mr_work_register(&thieves[which]), 0);
    snprintf(text, sizeof text, "engine: { layout: %s, cores: [0, 1] }\n" PORTS("")
             "paths:\n  - { from: in, work: %s, to: out }\n", layout, thieves[which].name);
    run(text, &options);
    cr_assert_eq(seen.result, MR_FAULT_RUN);
    cr_assert_eq(seen.balances, 1, "told once: %u", seen.balances);
    cr_assert_eq(seen.failures_told, 1);
    cr_assert_eq(seen.failed, 1);
    cr_assert(seen.last.asked == false);
    double late = (double)seen.start_ns / 1e9 + seen.last.seconds - (double)stolen_ns / 1e9;
    cr_assert(late > -0.001 && late < 20, "told after %f s", late);
    cr_assert_gt(seen.checks.failed, 1, "it stays lost");
}

Test(balance, sees_a_stolen_frame)
{
    run_thief(0, "pipeline");
    cr_assert_eq(seen.last.unaccounted, 1);
    cr_assert_eq(seen.last.chunks_unaccounted, 1);
    cr_assert_str_eq(seen.stage, "work:0.0");
    cr_assert_str_eq(seen.failure.stage, "work:0.0");
    cr_assert(strncmp(seen.failure.detail, "1 frames and 1 chunks unaccounted for", 37) == 0, "%s", seen.failure.detail);
}

Test(balance, sees_a_stolen_chunk)
{
    run_thief(1, "run-to-completion");
    cr_assert_eq(seen.last.unaccounted, 0);
    cr_assert_eq(seen.last.chunks_unaccounted, 1);
    cr_assert_str_eq(seen.stage, "");
    cr_assert_str_eq(seen.failure.stage, "");
}

Test(balance, sees_frames_counted_and_not_made)
{
    run_thief(2, "pipeline");
    cr_assert_eq(seen.last.unaccounted, 3);
    cr_assert_eq(seen.last.chunks_unaccounted, 0);
    cr_assert_str_eq(seen.stage, "work:0.0");
}

/* ---- nobody answers ---- */

static void dawdle(struct mr_work *w, uint64_t now_ns)
{
    uint32_t *ticks = w->state;
    (void)now_ns;
    if (++*ticks == QUIET_TICKS) {
        usleep(1300000);
    }
}

/* A core that is away for 1.3 s: told, control goes on meanwhile, and the next round holds. On a machine that is busy
 * elsewhere others may be silent, too. */
Test(balance, says_who_did_not_answer, .timeout = 20)
{
    static const struct mr_work_ops ops = {.name = "dawdles", .state_bytes = sizeof(uint32_t), .tick = dawdle};
    struct mr_run_options options = {.for_ns = 2500 * MS, .check_ns = 20 * MS};
    cr_assert_eq(mr_work_register(&ops), 0);
    run("engine: { layout: pipeline, cores: [0, 1] }\n" PORTS(", rate: 10kpps")
        "paths:\n  - { from: in, work: dawdles, to: out }\n", &options);
    cr_assert_eq(seen.result, 0);
    cr_assert_geq(seen.checks.unanswered, 1);
    cr_assert_eq(seen.checks.failed, 0);
    cr_assert_gt(seen.checks.made, 0);
    cr_assert_geq(seen.silences_told, 1);
    cr_assert_eq(seen.failures_told, 0);
    cr_assert(strstr(seen.silence.detail, "did not answer in 1 s") != NULL, "%s", seen.silence.detail);
}
