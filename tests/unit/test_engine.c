/* The engine on memory ports: every layout, any number of threads, each end of a run; balance exact each time. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/engine/engine_parts.h"
#include "lib/port/port.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct mr_error error;

static struct mr_config *parse(const char *text)
{
    struct mr_config *cfg = NULL;
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    cr_assert(rc == 0, "%s", error.text);
    return cfg;
}

static struct mr_engine *create(const struct mr_config *cfg)
{
    struct mr_engine *e = NULL;
    int rc = mr_engine_create(cfg, &e, &error);
    cr_assert(rc == 0, "%s", error.text);
    return e;
}

static uint64_t drops_of(const struct mr_totals *t, enum mr_drop reason)
{
    return t->drops[reason];
}

/* rx + made = tx + drops + in flight, chunks = Σ by owner, and all are home after close. */
static void check_balance(struct mr_engine *e, struct mr_totals *t)
{
    mr_engine_totals(e, t);
    cr_assert_eq(t->rx_frames + t->made_frames, t->tx_frames + t->all_drops + e->in_flight,
                 "rx %lu made %lu tx %lu drops %lu in flight %lu", t->rx_frames, t->made_frames, t->tx_frames, t->all_drops,
                 e->in_flight);
    const struct mr_chunk_owners *o = &e->owners;
    uint64_t sum = o->free_lists + o->recycle_rings + o->side_lists + o->rings + o->receiving + o->received + o->sending +
                   (uint64_t)o->kept + o->lost;
    cr_assert_eq(sum, o->total, "chunks %lu of %lu", sum, o->total);
    cr_assert_eq(o->home_after_close, o->total, "home %lu of %lu", o->home_after_close, o->total);
}

static void run_and_check(const char *text, uint64_t frames, const struct mr_run_options *options, struct mr_totals *t)
{
    struct mr_config *cfg = parse(text);
    struct mr_engine *e = create(cfg);
    int rc = mr_engine_run(e, options, &error);
    cr_assert(rc == 0, "%s", error.text);
    check_balance(e, t);
    cr_assert_eq(e->in_flight, 0);
    if (frames != 0) {
        cr_assert_eq(t->made_frames, frames);
        cr_assert_eq(t->tx_frames, frames);
    }
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

#define PORTS(frames, more)                                                                                            \
    "memory: { chunks: 8192, huge_pages: off }\n"                                                                      \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: memory, frames: " frames more " }\n"                                                      \
    "  - { name: out, driver: memory, verify: yes" more " }\n"

Test(engine, run_to_completion)
{
    struct mr_totals t;
    struct mr_run_options options = {0};
    run_and_check("engine: { layout: run-to-completion, cores: [0] }\n" PORTS("300000", "")
                  "paths:\n  - { from: in, work: forward, to: out }\n", 300000, &options, &t);
}

Test(engine, pipeline)
{
    struct mr_totals t;
    struct mr_run_options options = {0};
    run_and_check("engine: { layout: pipeline, cores: [0, 1] }\n" PORTS("300000", "")
                  "paths:\n  - { from: in, work: macswap, to: out }\n", 300000, &options, &t);
}

Test(engine, four_threads_on_two_cpus)
{
    struct mr_totals t;
    struct mr_run_options options = {0};
    run_and_check("engine: { layout: pipeline, cores: [0, 1, 0, 1] }\n" PORTS("100000", ", queues: 2")
                  "paths:\n  - { from: in, work: forward, to: out, workers: 2 }\n", 100000, &options, &t);
}

Test(engine, chain_drops)
{
    struct mr_totals t;
    struct mr_run_options options = {0};
    struct mr_config *cfg = parse("engine: { cores: [0] }\nports:\n  - { name: in, driver: memory, frames: 10000 }\n"
                                  "paths:\n  - { from: in, work: [macswap, drop, forward, drop], to: [] }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 0);
    check_balance(e, &t);
    cr_assert_eq(drops_of(&t, MR_DROP_work_drop), 10000);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* Endless source, ended by the time: RX off, drained, nothing inside. */
Test(engine, ends_by_time)
{
    struct mr_totals t;
    struct mr_run_options options = {.for_ns = 100000000};
    run_and_check("engine: { cores: [1] }\n" PORTS("0", "") "paths:\n  - { from: in, work: forward, to: out }\n", 0, &options, &t);
    cr_assert_gt(t.tx_frames, 1000);
}

static void ask_twice(void *arg)
{
    cr_assert_eq(write(*(int *)arg, "xx", 2), 2);
}

/* Told twice before it could drain: exit code 130, what is inside is counted as stopped, the balance still holds. */
Test(engine, second_request_stops)
{
    int fds[2];
    struct mr_totals t;
    cr_assert_eq(pipe(fds), 0);
    struct mr_run_options options = {.stop_fd = &fds[0], .started = ask_twice, .arg = &fds[1]};
    struct mr_config *cfg = parse("engine: { layout: pipeline, cores: [0, 1] }\n" PORTS("0", "")
                                  "paths:\n  - { from: in, work: forward, to: out }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 130);
    check_balance(e, &t);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* A frame lost on purpose must be seen: a balance that cannot fail proves nothing. */
Test(engine, planted_leak_is_seen)
{
    struct mr_totals t;
    struct mr_run_options options = {0};
    struct mr_config *cfg = parse("engine: { cores: [0] }\n" PORTS("1000", "") "paths:\n  - { from: in, work: forward, to: out }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 0);
    e->ports[1]->txq[0]->frames -= 1;
    mr_engine_totals(e, &t);
    cr_assert_eq(t.rx_frames + t.made_frames - t.tx_frames - t.all_drops - e->in_flight, 1);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* ---- functions that do what they should not (more of them: test_contract.c) ---- */

#ifdef MR_POOL_DEBUG
#define CAUGHT SIGABRT
#else
#define CAUGHT 0
#endif

enum { NO_SUCH_REASON = 100, NO_SUCH_PORT = 60 };

static void rogue(struct mr_work *w, struct mr_burst *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (i % 3 == 0) {
            mr_burst_drop(b, i, NO_SUCH_REASON);
        } else if (i % 3 == 1) {
            b->frames[i].port = NO_SUCH_PORT;
        } else {
            b->frames[i].port = w->outputs[0];
            for (uint32_t k = 0; k < 3; k++) { // of 256 frames 340 to one port: more than a batch
                mr_burst_copy(w, b, &b->frames[i], w->outputs[0]);
            }
        }
    }
}

/* Undeclared reasons and outputs are counted under work_contract, and nothing is written past a table. */
Test(engine, rogue_function, .signal = CAUGHT)
{
    static const struct mr_work_ops ops = {
        .name = "rogue", .flags = MR_WORK_CHOOSES | MR_WORK_COPIES, .process = rogue};
    struct mr_totals t;
    struct mr_run_options options = {0};
    cr_assert_eq(mr_work_register(&ops), 0);
    struct mr_config *cfg = parse("engine: { cores: [0], burst: 256 }\nports:\n"
                                  "  - { name: in, driver: memory, frames: 30000 }\n  - { name: out, driver: memory }\n"
                                  "  - { name: more, driver: memory }\n"
                                  "paths:\n  - { from: in, work: rogue, to: [out, more] }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 0);
    check_balance(e, &t);
    cr_assert_gt(drops_of(&t, MR_DROP_work_contract), 20000);
    cr_assert_lt(drops_of(&t, MR_DROP_work_contract), 20400);
    cr_assert_eq(t.work_drops, 0);
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_stage *s = e->stages[i];
        uint64_t batches = 0;
        for (uint32_t n = 1; n <= MR_BATCH_MAX; n++) {
            batches += s->batches.counts[n];
        }
        cr_assert(s->kind != MR_STAGE_WORK || batches == s->counters.polls_with_work, "%lu batches", batches);
    }
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* ---- signals and seconds ---- */

static volatile sig_atomic_t signals_let_through;

static void on_signal(int number)
{
    (void)number;
    signals_let_through++;
}

/* Far enough apart to be read one by one: the third comes when control has stopped reading, and waits for this core. */
static void raise_signals(struct mr_work *w, uint64_t now_ns)
{
    (void)w;
    (void)now_ns;
    for (uint32_t i = 0; i < 3; i++) {
        kill(getpid(), SIGINT);
        usleep(20000);
    }
}

/* Ctrl-C again and again: the second stops, and none after it may kill the process before it has reported. */
Test(engine, third_signal_does_not_get_through)
{
    static const struct mr_work_ops ops = {.name = "nervous", .tick = raise_signals};
    struct mr_totals t;
    struct mr_run_options options = {.signals = true};
    cr_assert_eq(mr_work_register(&ops), 0);
    signal(SIGINT, on_signal);
    struct mr_config *cfg = parse("engine: { cores: [1] }\n" PORTS("0", "") "paths:\n  - { from: in, work: nervous, to: out }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 130);
    cr_assert_eq(signals_let_through, 0);
    check_balance(e, &t);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

static void dawdle(const struct mr_interval *now, void *arg)
{
    uint32_t *seen = arg;
    cr_assert_lt(now->period, 10);
    if (++*seen == 1) {
        usleep(2200000);
    }
}

/* Held up for more than two seconds: the seconds that passed are one interval, and the end is seen in time. */
Test(engine, control_held_up, .timeout = 20)
{
    uint32_t seen = 0;
    struct mr_run_options options = {.for_ns = 3600000000, .each_second = dawdle, .arg = &seen};
    struct mr_config *cfg = parse("engine: { cores: [1] }\n"
                                  "ports:\n  - { name: in, driver: memory, rate: 1kpps }\n  - { name: out, driver: memory }\n"
                                  "paths:\n  - { from: in, work: forward, to: out }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 0);
    cr_assert_eq(seen, 2);
    cr_assert_eq(e->n_intervals, 2);
    cr_assert(e->intervals[1].period > 2 && e->intervals[1].period < 2.5, "%f", e->intervals[1].period);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* What plan says the arena takes is what the engine makes. */
Test(engine, arena_is_as_planned)
{
    struct mr_config *cfg = parse("engine: { layout: pipeline, cores: [0, 1, 0] }\nmemory: { huge_pages: off }\n"
                                  "ports:\n  - { name: a, driver: memory }\n  - { name: b, driver: memory }\n"
                                  "paths:\n  - { from: [a, b], work: l2, to: [a, b] }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(e->plan->arena_bytes, e->arena.bytes);
    cr_assert_gt(e->plan->arena_bytes, e->plan->chunk_bytes + e->plan->ring_bytes);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* The parts of each core's time make the whole. */
Test(engine, time_adds_up)
{
    struct mr_run_options options = {.for_ns = 200000000};
    struct mr_config *cfg = parse("engine: { layout: pipeline, cores: [0, 1] }\n" PORTS("0", "")
                                  "paths:\n  - { from: in, work: forward, to: out }\n");
    struct mr_engine *e = create(cfg);
    cr_assert_eq(mr_engine_run(e, &options, &error), 0);
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        const struct mr_core_time *c = &e->cores[i]->time;
        double total = (double)(c->end - c->begin);
        double parts = (double)(c->busy + c->blocked + c->idle + c->housekeeping);
        cr_assert(parts > 0.999 * total && parts < 1.001 * total, "parts %f of %f", parts, total);
    }
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}
