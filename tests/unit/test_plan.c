/* The plan: which stage on which core, which rings, how many chunks, and what is refused. */
#include <criterion/criterion.h>

#include "lib/engine/plan.h"
#include "lib/port/port.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <stdlib.h>

static struct mr_error error;
static uint32_t cpus[2]; /* two allowed ones; the same twice where there is only one */

static void find_cpus(void)
{
    struct mr_topology *t = malloc(sizeof *t);
    uint32_t n = 0;
    cr_assert_eq(mr_topology_read(t, &error), 0, "%s", error.text);
    for (uint32_t i = 0; i < t->n_cpus && n < 2; i++) {
        if (t->cpu[i].online && t->cpu[i].allowed) {
            cpus[n++] = i;
        }
    }
    cpus[1] = n < 2 ? cpus[0] : cpus[1];
    free(t);
}

TestSuite(plan, .init = find_cpus);

/* 'A' and 'B' in `cores` stand for the two CPUs. */
static struct mr_config *configure(const char *layout, const char *cores, const char *rest)
{
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "engine: { layout: %s, cores: [", layout);
    struct mr_config *cfg;
    for (const char *c = cores; *c != 0; c++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", c == cores ? "" : ", ", cpus[*c - 'A']);
    }
    snprintf(text + used, sizeof text - used, "] }\n%s", rest);
    int rc = mr_config_parse(&cfg, text, strlen(text), "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    cr_assert(rc == 0, "%s\n%s", error.text, text);
    return cfg;
}

static struct mr_plan *make(const struct mr_config *cfg)
{
    struct mr_plan *p;
    int rc = mr_plan_make(cfg, &p, &error);
    cr_assert(rc == 0, "%s", error.text);
    return p;
}

static void check_refused(const struct mr_config *cfg, const char *place, const char *says)
{
    struct mr_plan *p;
    cr_assert_eq(mr_plan_make(cfg, &p, &error), -EINVAL);
    cr_assert_null(p);
    cr_expect_eq(error.fault, MR_FAULT_CONFIG);
    cr_expect(strncmp(error.text, place, strlen(place)) == 0, "%s", error.text);
    cr_expect(strstr(error.text, says) != NULL, "\"%s\" does not say \"%s\"", error.text, says);
}

static const struct mr_plan_stage *stage(const struct mr_plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        if (strcmp(p->stages[i].name, name) == 0) {
            return &p->stages[i];
        }
    }
    cr_assert(false, "no stage %s", name);
    return NULL;
}

static uint32_t core_of(const struct mr_plan *p, const char *name)
{
    return stage(p, name)->core;
}

static bool has_ring(const struct mr_plan *p, const char *from, const char *to)
{
    for (uint32_t i = 0; i < p->n_rings; i++) {
        if (strcmp(p->stages[p->rings[i].from].name, from) == 0 && strcmp(p->stages[p->rings[i].to].name, to) == 0) {
            return true;
        }
    }
    return false;
}

static bool notes_say(const struct mr_plan *p, const char *words)
{
    for (uint32_t i = 0; i < p->n_notes; i++) {
        if (strstr(p->notes[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

/* What holds of every plan. */
static void check_whole(const struct mr_plan *p)
{
    uint32_t chunks = 0;
    uint32_t stages = 0;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        cr_expect_lt(p->stages[i].core, p->n_cores);
        cr_expect(i == 0 || p->stages[i - 1].kind <= p->stages[i].kind, "RX, work, TX in this order");
        cr_expect(p->stages[i].kind == MR_STAGE_RX || p->stages[i].n_in != 0, "%s is fed", p->stages[i].name);
        bool receives = p->stages[i].kind == MR_STAGE_RX;
        cr_expect(!receives || p->cores[p->stages[i].core].pool != UINT32_MAX, "%s has a home", p->stages[i].name);
    }
    for (uint32_t i = 0; i < p->n_cores; i++) {
        stages += p->cores[i].n_stages;
        cr_expect_gt(p->cores[i].n_stages, 0);
        cr_expect(p->cores[i].pool == UINT32_MAX || p->pools[p->cores[i].pool].core == i);
    }
    for (uint32_t i = 0; i < p->n_pools; i++) {
        chunks += p->pools[i].chunks;
    }
    cr_expect_eq(chunks, p->chunks);
    cr_expect_eq(stages, p->n_stages);
    cr_expect_eq(p->chunk_bytes % (2u << 20), 0);
}

static void done(struct mr_config *cfg, struct mr_plan *p)
{
    mr_plan_free(p);
    mr_config_destroy(cfg);
}

#define TWO      "ports:\n  - { name: a, driver: memory }\n  - { name: b, driver: memory }\n"
#define ONE_PATH TWO "paths:\n  - { from: a, work: forward, to: b }\n"
#define CROSSING TWO "paths:\n  - { from: a, work: forward, to: b }\n  - { from: b, work: macswap, to: a }\n"
#define L2       TWO "paths:\n  - { from: [a, b], work: l2, to: [a, b] }\n"
#define QUEUES                                                                                                         \
    "ports:\n  - { name: a, driver: memory, queues: 2 }\n  - { name: b, driver: memory, queues: 2 }\n"                 \
    "paths:\n  - { from: a, work: forward, to: b, workers: 2 }\n"

Test(plan, one_path)
{
    struct mr_config *cfg = configure("run-to-completion", "A", ONE_PATH);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->n_stages, 3);
    cr_expect_eq(p->n_rings, 2);
    cr_expect(has_ring(p, "rx:a.0", "work:0.0") && has_ring(p, "work:0.0", "tx:b.0"));
    cr_expect_eq(p->rings[0].capacity, 1024);
    cr_expect_eq(p->n_pools, 1);
    cr_expect_eq(p->chunks, 16384);
    cr_expect_eq(p->big_chunks, 0);
    cr_expect_eq(p->chunk_bytes, (16384 + 839) / 840 * (size_t)(2 << 20));
    cr_expect_eq(p->ring_bytes, 2 * mr_ring_bytes(1024, 16));
    cr_expect_eq(p->when_full[0], MR_FULL_WAIT);
    cr_expect_not(p->cores[0].shares_cpu);
    cr_expect_eq(p->round_trip_ns, 0);
    cr_expect(notes_say(p, "a frame stays on one core"));
    done(cfg, p);
}

Test(plan, default_core_is_an_allowed_one)
{
    struct mr_config *cfg = configure("run-to-completion", "A", ONE_PATH);
    cfg->n_cores = 0;
    struct mr_plan *p = make(cfg);
    cr_expect_eq(p->n_cores, 1);
    cr_expect(notes_say(p, "the last allowed CPU"));
    done(cfg, p);
}

Test(plan, crossing_paths_on_two_cores)
{
    struct mr_config *cfg = configure("run-to-completion", "AB", CROSSING);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->n_stages, 6);
    cr_expect_eq(p->n_rings, 4);
    cr_expect(core_of(p, "rx:a.0") == 0 && core_of(p, "work:0.0") == 0 && core_of(p, "tx:b.0") == 0);
    cr_expect(core_of(p, "rx:b.0") == 1 && core_of(p, "work:1.0") == 1 && core_of(p, "tx:a.0") == 1);
    cr_expect_eq(p->n_pools, 2);
    cr_expect_eq(p->pools[0].chunks, 8192);
    cr_expect_eq(p->round_trip_ns, 0, "no ring crosses");
    cr_expect_eq(p->ring_bytes, 4 * mr_ring_bytes(1024, 16) + 2 * mr_ring_bytes(8192, 4));
    done(cfg, p);
}

Test(plan, pipeline_takes_cores_in_turn)
{
    struct mr_config *cfg = configure("pipeline", "AB", ONE_PATH);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect(core_of(p, "rx:a.0") == 0 && core_of(p, "work:0.0") == 1 && core_of(p, "tx:b.0") == 0);
    cr_expect_eq(p->n_pools, 1, "forward makes no copies");
    for (int i = 0; i < 100 && cpus[0] != cpus[1] && p->round_trip_ns == 0; i++) { // others had a CPU for the whole probe
        mr_plan_free(p);
        p = make(cfg);
    }
    if (cpus[0] != cpus[1]) {
        cr_expect_gt(p->round_trip_ns, 0);
        cr_expect(notes_say(p, "trivial work is slower"));
    }
    done(cfg, p);
}

Test(plan, more_cores_than_stages)
{
    struct mr_config *cfg = configure("pipeline", "ABABA", ONE_PATH);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->n_cores, 3);
    cr_expect(notes_say(p, "3 of 5 cores are used"));
    done(cfg, p);
}

/* Fan-in and fan-out: one work stage, fed by two, feeding two; its core has a home for the copies it makes. */
Test(plan, l2)
{
    struct mr_config *cfg = configure("pipeline", "ABABA", L2);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->n_stages, 5);
    cr_expect_eq(p->n_rings, 4);
    cr_expect_eq(stage(p, "work:0.0")->n_in, 2);
    cr_expect_eq(stage(p, "work:0.0")->n_out, 2);
    cr_expect_eq(p->rings[2].port, 0, "outputs in the order of `to`");
    cr_expect_eq(p->rings[3].port, 1);
    cr_expect_eq(p->n_pools, 3);
    cr_expect_eq(p->cores[core_of(p, "work:0.0")].pool, 2);
    cr_expect_eq(p->cores[core_of(p, "tx:a.0")].pool, UINT32_MAX);
    cr_expect_eq(p->when_full[0], MR_FULL_DROP);
    done(cfg, p);
}

Test(plan, four_threads_on_two_cpus)
{
    struct mr_config *cfg = configure("pipeline", "ABAB", QUEUES);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->n_cores, 4);
    cr_expect_eq(p->n_stages, 6);
    cr_expect_eq(p->n_rings, 4, "each queue feeds one worker, each worker sends by one queue");
    cr_expect(has_ring(p, "rx:a.0", "work:0.0") && has_ring(p, "rx:a.1", "work:0.1"));
    cr_expect(has_ring(p, "work:0.0", "tx:b.0") && has_ring(p, "work:0.1", "tx:b.1"));
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect(p->cores[i].shares_cpu);
    }
    cr_expect(notes_say(p, "take turns"));
    done(cfg, p);
}

Test(plan, queues_stay_on_their_cores)
{
    struct mr_config *cfg = configure("run-to-completion", "AB", QUEUES);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect(core_of(p, "rx:a.0") == 0 && core_of(p, "work:0.0") == 0 && core_of(p, "tx:b.0") == 0);
    cr_expect(core_of(p, "rx:a.1") == 1 && core_of(p, "work:0.1") == 1 && core_of(p, "tx:b.1") == 1);
    done(cfg, p);
}

Test(plan, many_queues_workers_and_outputs)
{
    struct mr_config *cfg =
        configure("pipeline", "AB",
                  "ports:\n  - { name: a, driver: memory, queues: 4 }\n  - { name: b, driver: memory, queues: 2 }\n"
                  "paths:\n  - { from: [a, b], work: l2, to: [a, b], workers: 3 }\n");
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_eq(p->ports[0].n_txq, 3, "three workers use three of four queues");
    cr_expect_eq(p->ports[1].n_txq, 2);
    cr_expect_eq(p->n_stages, 6 + 3 + 5);
    cr_expect_eq(p->n_rings, 6 + 3 * 2);
    cr_expect_eq(stage(p, "work:0.0")->n_in, 3, "queues 0 and 3 of a, 0 of b");
    cr_expect(has_ring(p, "rx:a.3", "work:0.0") && has_ring(p, "work:0.2", "tx:b.0"));
    done(cfg, p);
}

Test(plan, too_few_chunks)
{
    struct mr_config *cfg = configure("run-to-completion", "A", "memory: { chunks: 2000 }\n" ONE_PATH);
    check_refused(cfg, "t.yaml:2: memory.chunks: ", "2000 are too few, at least 2240 are needed: 0 posted");
    check_refused(cfg, "t.yaml:2: memory.chunks: ",
                  "2048 in rings (engine.ring 1024 each) + 0 being sent (1024 per sending queue) + 192 in bursts");
    mr_config_destroy(cfg);
    cfg = configure("run-to-completion", "A", "memory: { chunks: 2240 }\n" ONE_PATH);
    done(cfg, make(cfg));
}

Test(plan, default_chunks_give_way)
{
    struct mr_config *cfg = configure("run-to-completion", "A", ONE_PATH);
    cfg->ring_frames = 16384;
    struct mr_plan *p = make(cfg);
    cr_expect_eq(p->chunks, 2 * 16384 + 192);
    cr_expect(notes_say(p, "instead of the default 16384"));
    done(cfg, p);
}

Test(plan, long_frames_take_big_chunks)
{
    struct mr_config *cfg =
        configure("run-to-completion", "A",
                  "ports:\n  - { name: a, driver: memory, size: 64..9000 }\n"
                  "  - { name: b, driver: memory }\npaths:\n  - { from: a, work: forward, to: b }\n");
    struct mr_plan *p = make(cfg);
    cr_expect_eq(p->big_chunks, 256);
    cr_expect_eq(p->pools[0].big_chunks, 256);
    mr_plan_free(p);
    cr_assert_eq(mr_config_set(cfg, "memory.big_chunks=64", &error), 0);
    check_refused(cfg, "--set memory.big_chunks: ", "at least 128");
    cr_assert_eq(mr_config_set(cfg, "memory.big_chunks=200", &error), 0);
    p = make(cfg);
    cr_expect_eq(p->big_chunks, 200);
    done(cfg, p);
    cfg = configure("run-to-completion", "A", "memory: { big_chunks: 99 }\n" ONE_PATH);
    p = make(cfg);
    cr_expect_eq(p->big_chunks, 0);
    cr_expect(notes_say(p, "memory.big_chunks: none are made"));
    done(cfg, p);
}

Test(plan, machine_is_asked)
{
    struct mr_config *cfg = configure("run-to-completion", "A", ONE_PATH);
    cfg->cores[0] = 60000;
    check_refused(cfg, "t.yaml:1: engine.cores: ", "CPU 60000 does not exist; allowed are: ");
    cfg->cores[0] = cpus[0];
    cfg->chunks = 1u << 30; // 2.4 TiB
    check_refused(cfg, "t.yaml: memory.chunks: ", "this machine has");
    mr_config_destroy(cfg);
}

#define ON_LO(more, device)                                                                                            \
    "ports:\n  - { name: a, driver: uring, device: lo" more " }\n"                                                     \
    "  - { name: b, driver: uring, device: " device " }\npaths:\n  - { from: a, work: l2, to: [a, b] }\n"

Test(plan, devices)
{
    if (mr_driver_find("uring") == NULL) {
        cr_skip("built without the uring driver");
    }
    struct mr_config *cfg = configure("run-to-completion", "A", ON_LO("", "no_such_one"));
    check_refused(
        cfg, "t.yaml:4: ports[1].device: ", "no interface \"no_such_one\" in this network namespace; there are: lo");
    mr_config_destroy(cfg);
    cfg = configure("run-to-completion", "A", ON_LO("", "lo"));
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect(p->ports[0].has_device);
    cr_expect(notes_say(p, "offload: none"));
    cr_expect(notes_say(p, "may arrive and are dropped"));
    mr_plan_free(p);
    cr_assert_eq(mr_config_set(cfg, "memory.chunks=6399", &error), 0);
    check_refused(cfg, "--set memory.chunks: ", "at least 6400 are needed: 1024 posted");
    mr_config_destroy(cfg);
    cfg = configure("run-to-completion", "A", ON_LO(", offload: super", "lo"));
    p = make(cfg);
    cr_expect_eq(p->big_chunks, 4 * 64 + 2 * 64, "a queue's and its copies'");
    done(cfg, p);
}

Test(plan, sums_of_homes_with_shared_outputs)
{
    struct mr_config *cfg = configure("pipeline", "ABABA", "memory: { chunks: 4480 }\n" L2);
    struct mr_plan *p = make(cfg);
    check_whole(p);
    cr_expect_leq(p->pools[0].chunks - p->pools[1].chunks, 2, "equal needs, equal shares");
    done(cfg, p);
}

/* What is drawn comes from the document alone. */
Test(plan, document_and_drawing)
{
    struct mr_config *cfg = configure("pipeline", "AB", L2);
    struct mr_plan *p = make(cfg);
    json_t *doc = mr_plan_json(p);
    done(cfg, p);
    cr_assert_not_null(doc);
    cr_expect_str_eq(json_string_value(json_object_get(doc, "schema")), "millrace.plan/1");
    cr_expect_eq(json_array_size(json_object_get(doc, "stages")), 5);
    cr_expect_eq(json_array_size(json_object_get(doc, "rings")), 4);
    cr_expect(json_is_object(json_object_get(doc, "config")) && json_is_object(json_object_get(doc, "host")));
    char *drawn = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&drawn, &bytes);
    mr_plan_print(doc, out, false);
    fclose(out);
    static const char *const words[] = {"paths[0]  l2", "rx:a.0 [cpu",     "==1024==>", "work:0.0 [cpu", "tx:b.0 [cpu",
                                        "home of core", "when full: drop", "together",  "notes"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        cr_expect(strstr(drawn, words[i]) != NULL, "no \"%s\" in\n%s", words[i], drawn);
    }
    cr_expect(strchr(drawn, '\033') == NULL, "no colour unless asked for");
    free(drawn);
    json_decref(doc);
}
