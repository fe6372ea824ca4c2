/* The report of a run on memory ports: every field is there, every identity holds, and a planted leak shows. */
#include <criterion/criterion.h>

#include <millrace/report.h>

#include "lib/engine/engine_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES 100000

static struct mr_error error;
static struct mr_config *config;
static struct mr_engine *engine;

#define IN                                                                                                             \
    "memory: { chunks: 4096 }\n"                                                                                       \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: memory, frames: 100000, flows: 16 }\n"
#define IN_OUT IN "  - { name: out, driver: memory, verify: yes }\n"

/* Drops each 16th frame under a reason of its own. */
static void sieve_process(struct mr_work *w, struct mr_burst *b)
{
    uint64_t *seen = w->state;
    for (uint32_t i = 0; i < b->n; i++) {
        if ((*seen)++ % 16 == 0) {
            mr_burst_drop(b, i, w->first_reason + 1);
        }
    }
    mr_count(&w->counters[0], b->n);
}

static const struct mr_work_ops sieve = {
    .name = "sieve",
    .summary = "drop each 16th",
    .drop_reasons = (const char *const[]){"never", "sixteenth", NULL},
    .counters = (const char *const[]){"looked_at", NULL},
    .state_bytes = sizeof(uint64_t),
    .process = sieve_process,
};

/* Run to the sources' end and report. */
static json_t *report_of(const char *text)
{
    char *argv[] = {"millrace", "run", "-c", "it's here.yaml", NULL};
    struct mr_run_options options = {0};
    mr_work_register(&sieve);
    int rc = mr_config_parse(&config, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(config, &error);
    rc = rc < 0 ? rc : mr_engine_create(config, &engine, &error);
    rc = rc < 0 ? rc : mr_engine_run(engine, &options, &error);
    cr_assert(rc == 0, "%s", error.text);
    return mr_report_json(engine, 4, argv);
}

static void end(json_t *report)
{
    json_decref(report);
    mr_engine_destroy(engine);
    mr_config_destroy(config);
}

/* ---- looking ---- */

/* "ports.0.rx_frames" */
static json_t *at(json_t *value, const char *path)
{
    char steps[128];
    char *rest = steps;
    snprintf(steps, sizeof steps, "%s", path);
    for (char *step; value != NULL && (step = strsep(&rest, ".")) != NULL;) {
        value = json_is_array(value) ? json_array_get(value, strtoul(step, NULL, 10)) : json_object_get(value, step);
    }
    return value;
}

static json_int_t whole(json_t *report, const char *path)
{
    json_t *value = at(report, path);
    cr_assert(json_is_integer(value), "%s is no whole number", path);
    return json_integer_value(value);
}

static json_int_t sum(json_t *object)
{
    json_int_t total = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        cr_expect(json_is_integer(value), "%s", key);
        total += json_integer_value(value);
    }
    return total;
}

/* Exactly these keys, in any order. */
static void expect_keys(json_t *report, const char *path, const char *keys)
{
    json_t *object = path[0] == 0 ? report : at(report, path);
    char list[1024];
    char *rest = list;
    size_t n = 0;
    snprintf(list, sizeof list, "%s", keys);
    cr_assert(json_is_object(object), "no object %s", path);
    for (char *key; (key = strsep(&rest, " ")) != NULL; n++) {
        cr_expect_not_null(json_object_get(object, key), "%s has no %s", path, key);
    }
    cr_expect_eq(json_object_size(object), n, "%s has %zu keys, %zu are known", path, json_object_size(object), n);
}

static char *printed(json_t *report, bool colour)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    mr_report_print(report, out, colour);
    fclose(out);
    return text;
}

static void expect_printed(json_t *report, const char *words, bool there)
{
    char *text = printed(report, false);
    cr_expect_eq(strstr(text, words) != NULL, there, "%s \"%s\" in:\n%s", there ? "no" : "unexpected", words, text);
    free(text);
}

/* ---- fields ---- */

Test(report, has_every_field)
{
    json_t *r = report_of("engine: { cores: [0] }\n" IN_OUT "paths:\n  - { from: in, work: sieve, to: out }\n");
    expect_keys(r, "", "schema millrace command host config seconds drain_seconds first_frame_seconds ended_by marks events "
                       "events_not_kept ports stages cores totals chunks checks rate latency_ns cost memory intervals");
    expect_keys(r, "millrace", "version commit compiler options");
    expect_keys(r, "ports.0", "name driver mode device state node rx_queues tx_queues rx_frames rx_bytes tx_frames tx_bytes "
                              "made_frames syscalls syscalls_shared_with outside outside_within events driver_report");
    expect_keys(r, "stages.0", "name kind core thread node frames bytes made_frames polls polls_with_work batch blocked drops");
    expect_keys(r, "stages.1", "name kind core thread node frames bytes made_frames polls polls_with_work batch blocked drops works");
    expect_keys(r, "stages.0.batch", "mean p50 p99 max");
    expect_keys(r, "cores.0", "core thread node total_ns busy_ns busy_sampled_ns time_ns gaps passes off_core voluntary_switches "
                              "involuntary_switches page_faults");
    expect_keys(r, "cores.0.time_ns", "receive work send blocked idle housekeeping");
    expect_keys(r, "cores.0.gaps", "count total_ns max_ns");
    expect_keys(r, "totals", "rx_frames rx_bytes made_frames tx_frames tx_bytes drops outside in_flight unaccounted");
    expect_keys(r, "chunks", "total by_owner unaccounted home_after_close");
    expect_keys(r, "chunks.by_owner", "free_lists recycle_rings side_lists rings receiving received sending kept lost");
    expect_keys(r, "rate", "mpps gbps");
    expect_keys(r, "latency_ns", "p50 p90 p99 p99_9 max samples measured undisturbed buckets");
    expect_keys(r, "latency_ns.undisturbed", "p50 p90 p99 p99_9 max samples");
    expect_keys(r, "cost", "cpu_ns cpu_ns_per_frame cpu_ns_per_frame_system system_reason steal_ns syscalls syscalls_per_frame");
    expect_keys(r, "memory", "rss_bytes arena_bytes huge_bytes per_node note");
    cr_expect_str_eq(json_string_value(at(r, "schema")), "millrace.run/1");
    cr_expect_str_eq(json_string_value(at(r, "command")), "millrace run -c 'it'\\''s here.yaml'");
    cr_expect_str_eq(json_string_value(at(r, "ended_by")), "sources ended");
    end(r);
}

/* ---- identities ---- */

static void check_frames(json_t *r)
{
    json_int_t in = whole(r, "totals.rx_frames") + whole(r, "totals.made_frames");
    json_int_t out = whole(r, "totals.tx_frames") + sum(at(r, "totals.drops")) + whole(r, "totals.in_flight");
    cr_expect_eq(in, out);
    cr_expect_eq(whole(r, "totals.unaccounted"), 0);
    cr_expect_eq(whole(r, "totals.in_flight"), 0);
    cr_expect_eq(whole(r, "totals.made_frames"), FRAMES);
    cr_expect_eq(whole(r, "ports.0.made_frames"), FRAMES);
    cr_expect_eq(whole(r, "ports.1.tx_frames"), whole(r, "totals.tx_frames"));
    cr_expect_eq(whole(r, "ports.1.tx_bytes"), 60 * whole(r, "totals.tx_frames"));
}

static void check_chunks(json_t *r)
{
    cr_expect_eq(whole(r, "chunks.total"), 4096);
    cr_expect_eq(sum(at(r, "chunks.by_owner")), whole(r, "chunks.total"));
    cr_expect_eq(whole(r, "chunks.unaccounted"), 0);
    cr_expect_eq(whole(r, "chunks.home_after_close"), whole(r, "chunks.total"));
}

static void check_time(json_t *r)
{
    size_t i;
    json_t *core;
    json_array_foreach(at(r, "cores"), i, core) {
        double total = (double)whole(core, "total_ns");
        cr_expect_gt(total, 0);
        cr_expect_lt(fabs((double)sum(at(core, "time_ns")) - total), total / 1000, "core %zu: %lld of %.0f ns", i,
                     (long long)sum(at(core, "time_ns")), total);
    }
}

static void check_latency(json_t *r)
{
    size_t i;
    json_t *bucket;
    json_int_t samples = 0, before = -1;
    json_array_foreach(at(r, "latency_ns.buckets"), i, bucket) {
        cr_expect_geq(whole(bucket, "0"), before);
        cr_expect_gt(whole(bucket, "1"), whole(bucket, "0"));
        cr_expect_gt(whole(bucket, "2"), 0);
        before = whole(bucket, "1");
        samples += whole(bucket, "2");
    }
    cr_expect_eq(samples, whole(r, "latency_ns.samples"));
    cr_expect_eq(samples, whole(r, "totals.tx_frames"));
    cr_expect_leq(whole(r, "latency_ns.undisturbed.samples"), samples);
    cr_expect_leq(whole(r, "latency_ns.p50"), whole(r, "latency_ns.p99"));
    cr_expect_leq(whole(r, "latency_ns.p99"), whole(r, "latency_ns.max"));
    cr_expect_leq(whole(r, "latency_ns.max"), before);
}

static void check_rates(json_t *r)
{
    double mpps = (double)whole(r, "totals.tx_frames") / json_real_value(at(r, "seconds")) / 1e6;
    cr_expect_lt(fabs(json_real_value(at(r, "rate.mpps")) - mpps), mpps / 1e6);
    cr_expect_lt(fabs(json_real_value(at(r, "rate.gbps")) - mpps * 60 * 8 / 1e3), mpps / 1e3);
    cr_expect_gt(json_real_value(at(r, "cost.cpu_ns_per_frame")), 0);
    cr_expect_eq(json_is_null(at(r, "cost.cpu_ns_per_frame_system")), json_is_string(at(r, "cost.system_reason")));
    cr_expect_gt(whole(r, "memory.rss_bytes") + whole(r, "memory.huge_bytes"), 4096 * 2496); // huge pages are not resident
}

Test(report, run_to_completion)
{
    json_t *r = report_of("engine: { cores: [0] }\n" IN_OUT "paths:\n  - { from: in, work: forward, to: out }\n");
    check_frames(r);
    check_chunks(r);
    check_time(r);
    check_latency(r);
    check_rates(r);
    cr_expect_eq(whole(r, "totals.tx_frames"), FRAMES);
    cr_expect_eq(whole(r, "ports.1.driver_report.verified"), FRAMES);
    cr_expect_eq(whole(r, "ports.1.events.verify_lost"), 0);
    expect_printed(r, "rx 0 + made 100,000 = tx 100,000 + drops 0 + in flight 0 · unaccounted 0\n", true);
    expect_printed(r, "dropped inside", false);
    expect_printed(r, "\033", false);
    char *coloured = printed(r, true);
    cr_expect_not_null(strstr(coloured, "\033[1m"));
    free(coloured);
    end(r);
}

Test(report, pipeline)
{
    json_t *r = report_of("engine: { layout: pipeline, cores: [0, 1] }\n" IN_OUT "paths:\n  - { from: in, work: macswap, to: out }\n");
    check_frames(r);
    check_chunks(r);
    check_time(r);
    check_latency(r);
    cr_expect_eq(json_array_size(at(r, "cores")), 2);
    end(r);
}

/* A function's own reason and counter have their names, in totals, stage and table. */
Test(report, names_own_reasons)
{
    json_t *r = report_of("engine: { cores: [0] }\n" IN_OUT "paths:\n  - { from: in, work: [forward, sieve], to: out }\n");
    check_frames(r);
    json_t *drops = at(r, "totals.drops");
    cr_expect_eq(json_integer_value(json_object_get(drops, "sieve.sixteenth")), FRAMES / 16);
    cr_expect_eq(json_integer_value(json_object_get(drops, "sieve.never")), 0);
    cr_expect_eq(json_integer_value(json_object_get(at(r, "stages.1.drops"), "sieve.sixteenth")), FRAMES / 16);
    cr_expect_eq(json_object_size(at(r, "stages.1.drops")), 1, "only what is not 0");
    cr_expect_eq(whole(r, "stages.1.works.1.counters.looked_at"), FRAMES);
    expect_printed(r, "sieve: looked_at 100,000\n", true);
    expect_printed(r, "sieve.sixteenth", true);
    expect_printed(r, "tx 93,750 + drops 6,250 +", true);
    end(r);
}

/* An engine's reason comes with its meaning, and what no frame can tell is null. */
Test(report, nothing_sent)
{
    json_t *r = report_of("engine: { cores: [0] }\n" IN "paths:\n  - { from: in, work: drop, to: [] }\n");
    cr_expect_eq(whole(r, "totals.drops.work_drop"), FRAMES);
    cr_expect_eq(whole(r, "totals.unaccounted"), 0);
    cr_expect(json_is_null(at(r, "latency_ns.p50")) && json_is_null(at(r, "cost.cpu_ns_per_frame")));
    cr_expect_str_eq(json_string_value(at(r, "cost.system_reason")), "no frame was sent");
    expect_printed(r, mr_drop_text(MR_DROP_work_drop), true);
    expect_printed(r, "no frame was sent", true);
    end(r);
}

/* ---- leaks ---- */

Test(report, planted_leaks_show)
{
    json_t *r = report_of("engine: { cores: [0] }\n" IN_OUT "paths:\n  - { from: in, work: forward, to: out }\n");
    json_decref(r);
    engine->ports[1]->txq[0]->frames -= 1;
    engine->owners.free_lists -= 3;
    r = mr_report_json(engine, 0, NULL);
    cr_expect_eq(whole(r, "totals.unaccounted"), 1);
    cr_expect_eq(whole(r, "chunks.unaccounted"), 3);
    expect_printed(r, "· unaccounted 1\n", true);
    expect_printed(r, "3 unaccounted", true);
    json_decref(r);
    engine->ports[1]->txq[0]->frames += 3;
    r = mr_report_json(engine, 0, NULL);
    cr_expect_eq(whole(r, "totals.unaccounted"), -2, "too many is no less wrong");
    end(r);
}

/* ---- writing ---- */

Test(report, written_and_read_again)
{
    char file[] = "/tmp/millrace-report-XXXXXX";
    json_t *r = json_pack("{s:i, s:f}", "n", 7, "x", 0.1);
    int fd = mkstemp(file);
    cr_assert_geq(fd, 0);
    cr_expect_eq(mr_report_write(r, file, &error), 0, "%s", error.text);
    json_t *again = json_load_file(file, 0, NULL);
    cr_expect(json_equal(r, again));
    close(fd);
    unlink(file);
    json_decref(again);
    json_decref(r);
}

Test(report, says_why_it_cannot_be_written)
{
    json_t *r = json_pack("{s:i}", "n", 7);
    cr_expect_eq(mr_report_write(r, "/dev/full", &error), -ENOSPC);
    cr_expect_not_null(strstr(error.text, "/dev/full: No space left"), "%s", error.text);
    cr_expect_eq(mr_report_write(r, "/nowhere/r.json", &error), -ENOENT);
    cr_expect_eq(error.fault, MR_FAULT_RUN);
    json_decref(r);
}
