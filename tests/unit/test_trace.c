/* Traces on memory ports: exactly N lives, whole from receive to end, in the order of time, with the place of each drop. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"

#include <millrace/report.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct mr_error error;

struct traced {
    struct mr_config *cfg;
    struct mr_engine *e;
    json_t *report;
    const json_t *trace;
};

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s == NULL ? "" : s;
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static struct traced run(const char *config, struct mr_run_options options)
{
    struct traced t = {0};
    cr_assert_eq(mr_config_parse(&t.cfg, config, strlen(config), "test.yaml", &error), 0, "%s", error.text);
    cr_assert_eq(mr_config_check(t.cfg, &error), 0, "%s", error.text);
    cr_assert_eq(mr_engine_create(t.cfg, &t.e, &error), 0, "%s", error.text);
    int rc = mr_engine_run(t.e, &options, &error);
    cr_assert(rc == 0 || rc == 130, "%d: %s", rc, error.text);
    t.report = mr_report_json(t.e, 0, NULL);
    t.trace = json_object_get(t.report, "trace");
    cr_assert_eq(number(json_object_get(t.report, "totals"), "unaccounted"), 0);
    return t;
}

static void end(struct traced *t)
{
    json_decref(t->report);
    mr_engine_destroy(t->e);
    mr_config_destroy(t->cfg);
}

static const json_t *last_step(const json_t *life)
{
    const json_t *steps = json_object_get(life, "steps");
    return json_array_get(steps, json_array_size(steps) - 1);
}

/* Steps by time, and an end that the last one tells. */
static void check_life(const json_t *life)
{
    size_t i;
    json_t *step;
    long long before = 0;
    json_array_foreach (json_object_get(life, "steps"), i, step) {
        cr_assert_geq(number(step, "ns"), before, "trace %s, step %zu", text(life, "id"), i);
        before = number(step, "ns");
    }
    const char *what = text(last_step(life), "what");
    cr_assert((strcmp(text(life, "end"), "sent") == 0) == (strcmp(what, "complete") == 0), "%s, %s", text(life, "id"), what);
    cr_assert((strcmp(text(life, "end"), "dropped") == 0) == (strcmp(what, "dropped") == 0), "%s, %s", text(life, "id"), what);
}

static uint32_t check_all(const struct traced *t)
{
    uint32_t received = 0;
    size_t i;
    json_t *life;
    json_array_foreach (t->trace, i, life) {
        check_life(life);
        received += json_is_null(json_object_get(life, "copy_of"));
    }
    cr_assert_eq(number(t->report, "trace_lost"), 0);
    return received;
}

/* what: words of the steps, in their order. */
static void check_steps(const json_t *life, const char *const *what)
{
    size_t i;
    json_t *step;
    json_array_foreach (json_object_get(life, "steps"), i, step) {
        cr_assert(what[i] != NULL && strcmp(text(step, "what"), what[i]) == 0, "trace %s, step %zu: %s", text(life, "id"), i,
                  text(step, "what"));
    }
    cr_assert(what[i] == NULL, "trace %s ends before %s", text(life, "id"), what[i] == NULL ? "" : what[i]);
}

/* The line that a drop names is one that drops, in the file of that name. */
static void check_place(const json_t *step, const char *directory, const char *file)
{
    char path[512], line[400] = "";
    cr_assert_str_eq(text(step, "file"), file);
    snprintf(path, sizeof path, "%s/%s/%s", SOURCE_ROOT, directory, file);
    FILE *in = fopen(path, "re");
    cr_assert(in != NULL, "%s", path);
    for (long long i = 0; i < number(step, "line"); i++) {
        cr_assert(fgets(line, sizeof line, in) != NULL);
    }
    fclose(in);
    cr_assert(strstr(line, "drop") != NULL || strstr(line, "died") != NULL, "%s:%lld: %s", file, number(step, "line"), line);
}

#define MEMORY "memory: { chunks: 8192, huge_pages: off }\n"
#define ONE_WAY(more, work)                                                                                            \
    MEMORY "ports:\n  - { name: in, driver: memory" more " }\n  - { name: out, driver: memory, verify: yes }\n"        \
           "paths:\n  - { from: in, work: " work ", to: out }\n"

Test(trace, one_core)
{
    static const char *const steps[] = {"received", "worked", "worked", "handed", "complete", NULL};
    struct traced t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 20000", "[forward, macswap]"),
                          (struct mr_run_options){.trace_frames = 50});
    cr_assert_eq(json_array_size(t.trace), 50);
    cr_assert_eq(check_all(&t), 50);
    for (size_t i = 0; i < 50; i++) {
        const json_t *life = json_array_get(t.trace, i);
        const json_t *first = json_array_get(json_object_get(life, "steps"), 0);
        char id[8];
        snprintf(id, sizeof id, "%zu", i + 1);
        cr_assert_str_eq(text(life, "id"), id);
        cr_assert_str_eq(text(life, "port"), "in");
        cr_assert_str_eq(text(first, "to"), "rx:in.0 > work:0.0");
        cr_assert_eq(number(first, "position"), (long long)i + 1, "the first burst is longer than 50, and these lead it");
        check_steps(life, steps);
        const json_t *swapped = json_object_get(json_array_get(json_object_get(life, "steps"), 2), "changed");
        cr_assert_eq(json_integer_value(json_array_get(swapped, 0)), 5); // the addresses differ in their last bytes
        cr_assert_eq(json_integer_value(json_array_get(swapped, 1)), 11);
    }
    end(&t);
}

Test(trace, all_of_fewer)
{
    struct traced t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 30", "forward"),
                          (struct mr_run_options){.trace_frames = 50});
    cr_assert_eq(json_array_size(t.trace), 30);
    cr_assert_eq(check_all(&t), 30);
    end(&t);
}

/* Two cores mark at once: together no more and no fewer than asked for, each id once. */
Test(trace, several_receive)
{
    struct traced t = run("engine: { layout: pipeline, cores: [0, 1, 0, 1] }\n" MEMORY
                          "ports:\n  - { name: in, driver: memory, frames: 30000, queues: 2 }\n"
                          "  - { name: out, driver: memory, queues: 2 }\n"
                          "paths:\n  - { from: in, work: forward, to: out, workers: 2 }\n",
                          (struct mr_run_options){.trace_frames = 1000});
    cr_assert_eq(json_array_size(t.trace), 1000);
    cr_assert_eq(check_all(&t), 1000);
    for (size_t i = 1; i < 1000; i++) {
        cr_assert_eq(atoi(text(json_array_get(t.trace, i), "id")), (int)i + 1);
    }
    end(&t);
}

Test(trace, none_asked_for)
{
    struct traced t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 1000", "forward"), (struct mr_run_options){0});
    cr_assert(t.trace == NULL);
    end(&t);
}

/* Flow 2 of 5 by its address: of 1000 frames 200 match, the first 7 are wanted. */
Test(trace, filter)
{
    struct traced t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 1000, flows: 5", "forward"),
                          (struct mr_run_options){.trace_frames = 7, .trace_filter = "src host 198.18.0.2"});
    cr_assert_eq(json_array_size(t.trace), 7);
    cr_assert_eq(check_all(&t), 7);
    for (size_t i = 0; i < 7; i++) {
        cr_assert_eq(strncmp(text(json_array_get(t.trace, i), "data") + 52, "c6120002", 8), 0);
    }
    end(&t);
    t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 1000", "forward"),
            (struct mr_run_options){.trace_frames = 7, .trace_filter = "tcp"});
    cr_assert(json_is_array(t.trace) && json_array_size(t.trace) == 0);
    end(&t);
}

Test(trace, filter_that_is_none)
{
    static const char config[] = "engine: { cores: [0] }\n" ONE_WAY(", frames: 1000", "forward");
    struct mr_run_options options = {.trace_frames = 7, .trace_filter = "udp and porst 53"};
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    cr_assert_eq(mr_config_parse(&cfg, config, strlen(config), "test.yaml", &error), 0);
    cr_assert_eq(mr_config_check(cfg, &error), 0);
    cr_assert_eq(mr_engine_create(cfg, &e, &error), 0);
    cr_assert_eq(mr_engine_run(e, &options, &error), -EINVAL);
    cr_assert(strstr(error.text, "--trace-filter: filter \"udp and porst 53\": syntax error") != NULL, "%s", error.text);
    cr_assert_eq(mr_counted(&e->ports[0]->rxq[0]->made), 0);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* Nobody knows the destination: one frame and two copies, each with a life of its own. */
Test(trace, copies)
{
    static const char *const steps[] = {"received", "worked", "copied", "copied", "handed", "complete", NULL};
    static const char *const of_a_copy[] = {"copied", "handed", "complete", NULL};
    struct traced t = run("engine: { layout: pipeline, cores: [0, 1] }\n" MEMORY
                          "ports:\n  - { name: in, driver: memory, frames: 500 }\n  - { name: a, driver: memory }\n"
                          "  - { name: b, driver: memory }\n  - { name: c, driver: memory }\n"
                          "paths:\n  - { from: in, work: l2, to: [a, b, c], when_full: wait }\n",
                          (struct mr_run_options){.trace_frames = 20});
    cr_assert_eq(json_array_size(t.trace), 60);
    cr_assert_eq(check_all(&t), 20);
    for (size_t i = 0; i < 60; i++) {
        const json_t *life = json_array_get(t.trace, i);
        char id[16], parent[8];
        snprintf(parent, sizeof parent, "%zu", i / 3 + 1);
        snprintf(id, sizeof id, i % 3 == 0 ? "%s" : "%s.%zu", parent, i % 3);
        cr_assert_str_eq(text(life, "id"), id);
        cr_assert_str_eq(text(life, "copy_of"), i % 3 == 0 ? "" : parent);
        check_steps(life, i % 3 == 0 ? steps : of_a_copy);
    }
    end(&t);
}

Test(trace, dropped_by_a_function)
{
    static const char *const steps[] = {"received", "worked", "worked", "dropped", NULL};
    struct traced t = run("engine: { cores: [0] }\n" MEMORY "ports:\n  - { name: in, driver: memory, frames: 500 }\n"
                          "paths:\n  - { from: in, work: [macswap, drop], to: [] }\n",
                          (struct mr_run_options){.trace_frames = 3});
    cr_assert_eq(json_array_size(t.trace), 3);
    cr_assert_eq(check_all(&t), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *life = json_array_get(t.trace, i);
        check_steps(life, steps);
        cr_assert_str_eq(text(last_step(life), "reason"), "work_drop");
        check_place(last_step(life), "lib/work", "drop.c");
    }
    end(&t);
}

/* A function of a program's own: its reason, its file, and what it did to the frame before. */
static void shorten(struct mr_work *w, struct mr_burst *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        mr_frame_adjust(b->base, &b->frames[i], 4);
        mr_frame_trim(&b->frames[i], 6);
        if (i % 2 == 1) {
            mr_burst_drop(b, i, w->first_reason + 1);
        }
    }
}

static const char *const shorten_reasons[] = {"never", "odd", NULL};
static const struct mr_work_ops shorten_ops = {.name = "shorten", .summary = "test", .process = shorten, .drop_reasons = shorten_reasons};

Test(trace, own_function)
{
    mr_work_register(&shorten_ops);
    struct traced t = run("engine: { cores: [0] }\n" MEMORY "ports:\n  - { name: in, driver: memory, frames: 64 }\n"
                          "  - { name: out, driver: memory }\npaths:\n  - { from: in, work: shorten, to: out }\n",
                          (struct mr_run_options){.trace_frames = 2});
    cr_assert_eq(check_all(&t), 2);
    const json_t *sent = json_array_get(t.trace, 0), *lost = json_array_get(t.trace, 1);
    const json_t *worked = json_array_get(json_object_get(sent, "steps"), 1);
    cr_assert_str_eq(text(worked, "function"), "shorten");
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(worked, "length"), 0)), 60);
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(worked, "length"), 1)), 50);
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(worked, "offset"), 0)), 384);
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(worked, "offset"), 1)), 388);
    cr_assert_str_eq(text(sent, "end"), "sent");
    cr_assert_str_eq(text(last_step(lost), "reason"), "shorten.odd");
    check_place(last_step(lost), "tests/unit", "test_trace.c");
    end(&t);
}

static void misname(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    for (uint32_t i = 0; i < b->n; i++) {
        b->frames[i].port = 77;
    }
}

static const struct mr_work_ops misname_ops = {.name = "misname", .summary = "test", .flags = MR_WORK_CHOOSES, .process = misname};

#ifdef MR_POOL_DEBUG // which ends a program whose work function breaks its contract
#define CAUGHT SIGABRT
#else
#define CAUGHT 0
#endif

Test(trace, contract, .signal = CAUGHT)
{
    mr_work_register(&misname_ops);
    struct traced t = run("engine: { cores: [0] }\n" ONE_WAY(", frames: 640", "misname"), (struct mr_run_options){.trace_frames = 5});
    cr_assert_eq(check_all(&t), 5);
    cr_assert_str_eq(text(last_step(json_array_get(t.trace, 4)), "reason"), "work_contract");
    check_place(last_step(json_array_get(t.trace, 4)), "lib/engine", "stage_work.c");
    end(&t);
}

/* Two bursts come in a pass and one leaves, until the ring is full. */
Test(trace, output_full)
{
    struct traced t = run("engine: { cores: [0], burst: 64, ring: 1024 }\n" MEMORY
                          "ports:\n  - { name: in, driver: memory, frames: 2000 }\n  - { name: too, driver: memory, frames: 2000 }\n"
                          "  - { name: a, driver: memory }\npaths:\n  - { from: [in, too], work: forward, to: a, when_full: drop }\n",
                          (struct mr_run_options){.trace_frames = 4000});
    cr_assert_eq(check_all(&t), 4000);
    uint64_t dropped = 0;
    size_t i;
    json_t *life;
    json_array_foreach (t.trace, i, life) {
        if (strcmp(text(life, "end"), "dropped") == 0) {
            cr_assert_str_eq(text(last_step(life), "reason"), "tx_full");
            check_place(last_step(life), "lib/engine", "stage_work.c");
            dropped++;
        }
    }
    cr_assert_gt(dropped, 0);
    cr_assert_eq(dropped, (uint64_t)number(json_object_get(json_object_get(t.report, "totals"), "drops"), "tx_full"));
    end(&t);
}

/* Stopped at once, with frames in a ring in front of a function that does not come back in time: they end as stopped, none is
 * forgotten. */
static void sleep_once(struct mr_work *w, struct mr_burst *b)
{
    uint32_t *slept = w->state;
    (void)b;
    if (*slept == 0) {
        *slept = 1;
        usleep(300000);
    }
}

static const struct mr_work_ops sleeper_ops = {
    .name = "sleeper", .summary = "test", .process = sleep_once, .state_bytes = sizeof(uint32_t)};

static void stop_twice(void *arg)
{
    usleep(100000);
    cr_assert_eq(write(*(int *)arg, "xx", 2), 2);
}

Test(trace, stopped)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct mr_run_options options = {.trace_frames = 10000, .stop_fd = &ends[0], .started = stop_twice, .arg = &ends[1]};
    mr_work_register(&sleeper_ops);
    struct traced t = run("engine: { layout: pipeline, cores: [0, 1] }\n" ONE_WAY("", "sleeper"), options);
    long long made = number(json_object_get(t.report, "totals"), "made_frames"); // as many as came in that time
    cr_assert_eq(check_all(&t), made < 10000 ? made : 10000);
    size_t i;
    json_t *life;
    uint32_t stopped = 0;
    json_array_foreach (t.trace, i, life) {
        bool sent = strcmp(text(life, "end"), "sent") == 0;
        cr_assert(sent || strcmp(text(last_step(life), "reason"), "stopped") == 0);
        stopped += !sent;
    }
    cr_assert_gt(stopped, 0);
    end(&t);
    close(ends[0]);
    close(ends[1]);
}
