/* Work functions that do what they must not. A release build counts it, names the function, and its books stay exact; a
 * debug build (debug-pool) aborts at once: there each of these tests expects the abort. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/engine/contract.h"
#include "lib/engine/engine_parts.h"

#include <signal.h>
#include <stdio.h>

#ifdef MR_POOL_DEBUG
#define CAUGHT SIGABRT
#else
#define CAUGHT 0
#endif

enum { FRAMES = 20000, EVERY = 7 }; // each seventh burst is spoilt

static struct mr_error error;
static uint32_t told;
static char told_text[256];

static bool now_and_then(struct mr_work *w)
{
    uint32_t *bursts = w->state;
    return ++*bursts % EVERY == 0;
}

static void longer(struct mr_work *w, struct mr_burst *b)
{
    b->n += now_and_then(w);
}

static void shorter(struct mr_work *w, struct mr_burst *b)
{
    b->n -= now_and_then(w);
}

static void hides_all(struct mr_work *w, struct mr_burst *b)
{
    b->n = now_and_then(w) ? 0 : b->n;
}

/* As if a list were filtered in place: a later frame lies over an earlier one. */
static void packs(struct mr_work *w, struct mr_burst *b)
{
    if (now_and_then(w) && b->n > 1) {
        memmove(b->frames, b->frames + 1, (b->n - 1) * sizeof *b->frames);
        b->n--;
    }
}

static void own_array(struct mr_work *w, struct mr_burst *b)
{
    static struct mr_frame kept[MR_BATCH_MAX];
    if (now_and_then(w)) {
        memcpy(kept, b->frames, b->n * sizeof *kept);
        b->frames = kept;
    }
}

static void own_copies(struct mr_work *w, struct mr_burst *b)
{
    if (now_and_then(w)) {
        b->made[b->made_n++] = b->frames[0]; // one chunk in two frames
    }
}

static void hides_copies(struct mr_work *w, struct mr_burst *b)
{
    if (now_and_then(w)) {
        mr_burst_copy(w, b, &b->frames[0], w->outputs[0]);
        b->made_n = 0;
    }
}

static void more_room(struct mr_work *w, struct mr_burst *b)
{
    b->made_max += now_and_then(w);
}

static void no_output(struct mr_work *w, struct mr_burst *b)
{
    b->frames[0].port = now_and_then(w) ? 60 : b->frames[0].port;
}

static void keep_and_send_later(struct mr_work *w, struct mr_burst *b)
{
    static struct mr_frame kept;
    if (now_and_then(w)) {
        b->made[b->made_n++] = kept;
    }
    kept = b->frames[b->n - 1];
}

static void choose(struct mr_work *w, struct mr_burst *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        b->frames[i].port = w->outputs[i & 1];
    }
}

static void choose_and(struct mr_work *w, struct mr_burst *b, void (*then)(struct mr_work *w, struct mr_burst *b))
{
    choose(w, b);
    then(w, b);
}

#define ROGUES(X) X(longer) X(shorter) X(hides_all) X(packs) X(own_array) X(own_copies) X(hides_copies) X(more_room) \
    X(no_output) X(keep_and_send_later)
#define X(f) static void f##_process(struct mr_work *w, struct mr_burst *b) { choose_and(w, b, f); }
ROGUES(X)
#undef X

static const struct mr_work_ops rogues[] = {
#define X(f) {.name = #f, .flags = MR_WORK_CHOOSES | MR_WORK_COPIES, .state_bytes = 4, .process = f##_process},
    ROGUES(X)
#undef X
};

static void on_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    if (strcmp(event->what, "work_contract") == 0) {
        told++;
        snprintf(told_text, sizeof told_text, "%s", event->text);
    }
}

/* What one run came to. */
struct outcome {
    struct mr_totals t;
    uint64_t lost, breaches;
};

static const struct mr_stage_work *work_of(const struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind == MR_STAGE_WORK) {
            return MR_CONTAINER_OF(e->stages[i], struct mr_stage_work, stage);
        }
    }
    return NULL;
}

static void expect_balance(struct mr_engine *e, struct outcome *o)
{
    const struct mr_chunk_owners *c = &e->owners;
    mr_engine_totals(e, &o->t);
    cr_assert_eq(o->t.rx_frames + o->t.made_frames, o->t.tx_frames + o->t.all_drops + e->in_flight);
    cr_assert_eq(e->in_flight, 0);
    cr_assert_eq(c->total, c->free_lists + c->recycle_rings + c->side_lists + c->rings + c->receiving + c->received +
                               c->sending + c->lost);
    cr_assert_eq(c->home_after_close + c->lost, c->total);
    cr_assert_eq(e->checks.failed, 0);
    o->lost = c->lost;
}

static struct outcome run(const char *rogue)
{
    char text[600];
    struct mr_run_options options = {.event = on_event, .check_ns = 1000000};
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    struct outcome o = {0};
    for (size_t i = 0; i < sizeof rogues / sizeof *rogues; i++) {
        mr_work_register(&rogues[i]);
    }
    snprintf(text, sizeof text, "engine: { cores: [0], burst: 32 }\nmemory: { chunks: 8192, huge_pages: off }\nports:\n"
             "  - { name: in, driver: memory, frames: %d }\n  - { name: out, driver: memory }\n"
             "  - { name: more, driver: memory }\npaths:\n  - { from: in, work: [%s, macswap], to: [out, more] }\n",
             FRAMES, rogue);
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    rc = rc < 0 ? rc : mr_engine_run(e, &options, &error);
    cr_assert(rc == 0, "%d %s", rc, error.text);
    expect_balance(e, &o);
    o.breaches = work_of(e)->breaches[0];
    cr_assert_eq(work_of(e)->breaches[1], 0, "the right one of two functions");
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
    return o;
}

/* Told once, with the function's name and what it did. */
static void expect_told(const char *words)
{
    cr_assert_eq(told, 1);
    cr_assert(strstr(told_text, words) != NULL, "%s", told_text);
}

static uint64_t buried(const struct outcome *o)
{
    return o->t.drops[MR_DROP_work_contract];
}

Test(contract, a_longer_burst_is_not_believed, .signal = CAUGHT)
{
    struct outcome o = run("longer");
    expect_told("work function longer raised n");
    cr_assert_eq(o.t.tx_frames, FRAMES);
    cr_assert_eq(buried(&o), 0);
    cr_assert_gt(o.breaches, FRAMES / 32 / EVERY - 2);
}

Test(contract, a_hidden_frame_dies_by_name, .signal = CAUGHT)
{
    struct outcome o = run("shorter");
    expect_told("work function shorter lowered n");
    cr_assert_gt(o.breaches, 10);
    cr_assert_eq(buried(&o), o.breaches);
    cr_assert_eq(o.t.tx_frames + o.breaches, FRAMES);
    cr_assert_eq(o.lost, 0);
}

Test(contract, a_hidden_burst_dies_by_name, .signal = CAUGHT)
{
    struct outcome o = run("hides_all");
    expect_told("work function hides_all lowered n");
    cr_assert_gt(buried(&o), 10 * 32);
    cr_assert_eq(o.lost, 0);
}

/* The frame that was written over has no name any more: its chunk is lost, and counted so. */
Test(contract, a_frame_written_over_is_lost_by_count, .signal = CAUGHT)
{
    struct outcome o = run("packs");
    expect_told("work function packs lowered n");
    cr_assert_gt(o.breaches, 10);
    cr_assert_eq(buried(&o), o.breaches);
    cr_assert_eq(o.lost, o.breaches);
}

Test(contract, another_array_is_not_taken, .signal = CAUGHT)
{
    struct outcome o = run("own_array");
    expect_told("work function own_array changed where frames or made point");
    cr_assert_eq(o.t.tx_frames, FRAMES);
}

Test(contract, a_copy_of_its_own_is_not_believed, .signal = CAUGHT)
{
    struct outcome o = run("own_copies");
    expect_told("work function own_copies changed made_n");
    cr_assert_eq(o.t.tx_frames, FRAMES);
    cr_assert_eq(o.t.made_frames, FRAMES);
}

Test(contract, a_hidden_copy_dies_by_name, .signal = CAUGHT)
{
    struct outcome o = run("hides_copies");
    expect_told("work function hides_copies changed made_n");
    cr_assert_gt(o.breaches, 10);
    cr_assert_eq(buried(&o), o.breaches);
    cr_assert_eq(o.t.made_frames, FRAMES + o.breaches);
    cr_assert_eq(o.lost, 0);
}

Test(contract, the_room_for_copies_stays, .signal = CAUGHT)
{
    struct outcome o = run("more_room");
    expect_told("work function more_room changed where frames or made point, or made_max");
    cr_assert_eq(o.t.tx_frames, FRAMES);
}

/* Which of the path's functions it was is not known any more when the output is looked up. */
Test(contract, an_output_it_has_not_is_told, .signal = CAUGHT)
{
    struct outcome o = run("no_output");
    expect_told("one of its functions named an output or a drop reason");
    cr_assert_gt(buried(&o), 10);
}

Test(contract, a_kept_frame_is_not_taken_back, .signal = CAUGHT)
{
    struct outcome o = run("keep_and_send_later");
    expect_told("work function keep_and_send_later changed made_n");
    cr_assert_eq(o.t.tx_frames, FRAMES);
}

/* ---- what only a debug build sees ---- */

#ifdef MR_POOL_DEBUG
static void changes_chunk(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    b->frames[0].chunk = b->frames[b->n - 1].chunk;
}

static void past_chunk(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    b->frames[0].length = MR_CHUNK_STRIDE;
}

static void marks_itself(struct mr_work *w, struct mr_burst *b)
{
    choose(w, b);
    b->frames[0].port = MR_DROPPED | MR_DROP_work_drop;
}

static void run_one(const char *name, void (*process)(struct mr_work *w, struct mr_burst *b),
                    void (*tick)(struct mr_work *w, uint64_t now_ns))
{
    struct mr_work_ops ops = {.name = name, .flags = MR_WORK_CHOOSES, .state_bytes = 4, .process = process, .tick = tick};
    mr_work_register(&ops);
    run(name);
}

Test(contract_debug, a_chunk_is_changed, .signal = SIGABRT)
{
    run_one("changes_chunk", changes_chunk, NULL);
}

Test(contract_debug, a_length_reaches_past_the_chunk, .signal = SIGABRT)
{
    run_one("past_chunk", past_chunk, NULL);
}

Test(contract_debug, a_drop_is_not_counted, .signal = SIGABRT)
{
    run_one("marks_itself", marks_itself, NULL);
}

/* A frame is kept after it went on, and written between two passes, when its chunk is free again. */
static unsigned char *kept_data;

static void keeps(struct mr_work *w, struct mr_burst *b)
{
    choose(w, b);
    kept_data = mr_frame_data(b->base, &b->frames[0]);
}

static void writes_later(struct mr_work *w, uint64_t now_ns)
{
    (void)w;
    (void)now_ns;
    if (kept_data != NULL) {
        *kept_data ^= 1;
    }
}

#if defined(__SANITIZE_ADDRESS__)
#define WRITTEN .exit_code = 1 /* the sanitizer sees the write itself */
#else
#define WRITTEN .signal = SIGABRT
#endif

Test(contract_debug, a_free_chunk_is_written, WRITTEN)
{
    run_one("writes_later", keeps, writes_later);
}
#endif
