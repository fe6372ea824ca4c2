/* soak_piece.c: one engine's life: load, a fault, back to the rate, the next fault; then the balance. */
#include "tests/soak/soak.h"

#include "lib/sys/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum { BIN_MS = 100, BINS = 10, RATE = 95, TOO_LATE_MS = 10000, QUIET_MS = 1000, FLUSH_MS = 300, LIMIT_MS = 2000 };

#define BUSY_ELSEWHERE 0.25 /* CPUs that other processes took: then a rate tells nothing of the engine */

enum phase { QUIET, HURT, RECOVERING, SETTLING };

struct piece {
    const struct soak_options *o;
    json_t *doc;
    struct soak_engine engine;
    struct soak_wire wire;
    uint64_t start_ns, end_ns, frames;
    /* the rate, in tenths of a second */
    uint64_t bin_ns, bin_count;
    uint64_t bins[BINS]; /* the last ones without a fault */
    uint32_t n_bins;
    /* the fault */
    enum phase phase;
    struct soak_fault fault;
    uint64_t next_ns, begin_ns;
    uint64_t named, missing; /* when it began */
    uint32_t second;         /* of the engine's, when it was over */
    int64_t recovery_ms;
    uint64_t best_bin;        /* frames of the best tenth of a second since it was over */
    uint64_t busy_ns, own_ns; /* when it was over: of the machine, and of us and the engine */
    double foreign;           /* CPUs that others took until the rate was back */
    bool failed;
};

static uint64_t moved(const struct piece *p)
{
    return p->o->memory ? __atomic_load_n(&p->engine.shared->moved, __ATOMIC_RELAXED) : p->wire.received;
}

static uint64_t named(const struct piece *p)
{
    return p->engine.shared->drops + p->engine.shared->outside;
}

static uint32_t second_of(const struct piece *p)
{
    return __atomic_load_n(&p->engine.shared->seconds, __ATOMIC_ACQUIRE);
}

/* ---- the rate ---- */

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static uint64_t usual(const struct piece *p)
{
    uint64_t sorted[BINS];
    memcpy(sorted, p->bins, sizeof sorted);
    qsort(sorted, BINS, sizeof *sorted, by_size);
    return sorted[BINS / 2];
}

/* A tenth of a second is over: one without a fault is remembered, one after a fault is compared. */
static void end_bin(struct piece *p, uint64_t now)
{
    uint64_t n = moved(p) - p->bin_count;
    bool whole = now - p->bin_ns < 2 * BIN_MS * MS;
    if (p->phase == QUIET && whole) {
        p->bins[p->n_bins++ % BINS] = n;
    } else if (p->phase == RECOVERING) {
        p->best_bin = n > p->best_bin ? n : p->best_bin;
        p->recovery_ms = n * 100 >= usual(p) * RATE ? (int64_t)((now - p->next_ns) / MS) : -1;
    }
    p->bin_ns = now;
    p->bin_count += n;
}

/* ---- others on this machine ---- */

static uint64_t own_cpu(const struct piece *p)
{
    clockid_t id;
    struct timespec t = {0};
    if (clock_getcpuclockid(p->engine.pid, &id) == 0) {
        clock_gettime(id, &t);
    }
    return mr_process_cpu_ns() + (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static uint64_t machine_busy(void)
{
    struct mr_system_time t = {0};
    mr_system_time(&t);
    return t.busy_ns + t.steal_ns;
}

/* ---- the fault ---- */

static uint64_t fault_index(const struct piece *p)
{
    return json_array_size(json_object_get(p->doc, "faults"));
}

static void begin(struct piece *p, uint64_t now)
{
    p->fault = soak_fault_choose(p->o, fault_index(p));
    p->named = named(p);
    p->missing = p->wire.missing;
    p->begin_ns = now;
    p->next_ns = now + p->fault.ms * MS;
    p->recovery_ms = -1;
    p->best_bin = 0;
    p->phase = HURT;
    soak_fault_begin(&p->fault, &p->engine, &p->wire);
}

static void note_fault(struct piece *p)
{
    bool late = p->recovery_ms < 0 || p->recovery_ms > LIMIT_MS;
    json_array_append_new(
        json_object_get(p->doc, "faults"),
        json_pack("{s:s, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "kind", soak_fault_name(&p->fault), "piece",
                  (json_int_t)json_array_size(json_object_get(p->doc, "pieces")), "seconds",
                  (double)(p->begin_ns - p->start_ns) / 1e9, "for_ms", (json_int_t)p->fault.ms, "frames_named",
                  (json_int_t)(named(p) - p->named), "frames_missing", (json_int_t)(p->wire.missing - p->missing),
                  "recovery_ms", (json_int_t)p->recovery_ms, "kpps_before", (json_int_t)(usual(p) / BIN_MS), "kpps_best_after",
                  (json_int_t)(p->best_bin / BIN_MS), "foreign_cpus", p->foreign));
    if (late && p->foreign > BUSY_ELSEWHERE) {
        soak_add(p->doc, "recoveries_not_judged", 1);
    } else if (late) {
        fprintf(stderr, "soak: fault %llu (%s): no 95 %% of the rate within %d ms\n", (unsigned long long)fault_index(p) - 1,
                soak_fault_name(&p->fault), LIMIT_MS);
        p->failed = true;
    }
}

/* Each fault has the engine's next but one look at its counters behind it, so that it is named before the next begins. */
static void act(struct piece *p, uint64_t now)
{
    if (p->phase == QUIET && now >= p->next_ns && p->n_bins >= BINS) {
        begin(p, now);
    } else if (p->phase == HURT && now >= p->next_ns) {
        soak_fault_end(&p->fault, &p->engine);
        p->next_ns = p->bin_ns = now; // bins are counted from here
        p->bin_count = moved(p);
        p->busy_ns = machine_busy();
        p->own_ns = own_cpu(p);
        p->phase = RECOVERING;
    } else if (p->phase == RECOVERING && (p->recovery_ms >= 0 || now - p->next_ns > TOO_LATE_MS * MS)) {
        int64_t others = (int64_t)(machine_busy() - p->busy_ns) - (int64_t)(own_cpu(p) - p->own_ns);
        p->foreign = (double)(others > 0 ? others : 0) / (double)(now - p->next_ns);
        p->second = second_of(p);
        p->phase = SETTLING;
    } else if (p->phase == SETTLING && second_of(p) >= p->second + 2) {
        note_fault(p);
        p->phase = QUIET;
        p->next_ns = now + soak_random(~p->o->seed, fault_index(p)) % (QUIET_MS * MS);
    }
}

/* ---- its life ---- */

static const char *yaml_of(struct piece *p, char *text, size_t bytes)
{
    if (p->o->memory) {
        snprintf(text, bytes,
                 "engine: { cores: [%u] }\nports:\n"
                 "  - { name: in, driver: memory, frames: %llu, flows: 64, size: 64..1518, window: 4096, window_with: out, seed: %llu }\n"
                 "  - { name: out, driver: memory, verify: yes }\npaths:\n  - { from: in, work: macswap, to: out }\n",
                 p->engine.cpu, (unsigned long long)p->frames, (unsigned long long)(p->o->seed & 0xffff));
    } else {
        snprintf(text, bytes,
                 "engine: { cores: [%u] }\nports:\n  - { name: left, driver: uring, device: left, reopen: yes, socket_bytes: 16MiB }\n"
                 "  - { name: right, driver: uring, device: right, reopen: yes }\npaths:\n  - { from: left, work: forward, to: right }\n",
                 p->engine.cpu);
    }
    return text;
}

static bool over(const struct piece *p, uint64_t now)
{
    bool all = p->o->memory ? soak_engine_over(&p->engine) : p->wire.number >= p->frames && fault_index(p) >= p->o->faults;
    return p->phase == QUIET && (all || now >= p->end_ns);
}

/* Faults may last longer than the frames that were asked for: load goes on until the last one is over. */
static void live(struct piece *p)
{
    uint64_t now = soak_now();
    p->start_ns = p->bin_ns = p->next_ns = now;
    for (; !over(p, now); now = soak_now()) {
        if (p->o->memory) {
            usleep(1000);
        } else {
            soak_wire_step(&p->wire, UINT64_MAX);
        }
        if (now - p->bin_ns >= BIN_MS * MS) {
            end_bin(p, now);
        }
        act(p, now);
        if (p->phase != QUIET && soak_engine_over(&p->engine)) {
            p->phase = QUIET; // a source that ended meanwhile: there is no rate to come back to
        }
    }
    uint64_t quiet = p->wire.last_ns;
    for (; !p->o->memory && now - quiet < FLUSH_MS * MS; now = soak_now(), quiet = p->wire.last_ns) {
        soak_wire_step(&p->wire, 0);
    }
}

static int64_t number(const json_t *report, const char *object, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(report, object), key));
}

/* What the verifying sink found, and what is missing between source and it. */
static json_t *memory_balance(const json_t *report)
{
    const json_t *sink = json_object_get(json_array_get(json_object_get(report, "ports"), 1), "driver_report");
    int64_t made = number(report, "totals", "made_frames"), altered = 0, backwards = 0;
    int64_t verified = json_integer_value(json_object_get(sink, "verified"));
    altered += json_integer_value(json_object_get(sink, "altered")) + json_integer_value(json_object_get(sink, "foreign"));
    for (const char *const *key = (const char *const[]){"lost", "duplicates", "reordered", "late", NULL}; *key != NULL; key++) {
        backwards += json_integer_value(json_object_get(sink, *key));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{}}", "sent", (json_int_t)made, "received", (json_int_t)verified,
                     "unnamed", (json_int_t)(made - verified), "unverified", (json_int_t)0, "altered", (json_int_t)altered,
                     "backwards", (json_int_t)backwards, "sink_drops", (json_int_t)0, "named");
}

/* Add the piece's balance to the whole's, and itself to the list. */
static void add(struct piece *p, const json_t *report, json_t *balance)
{
    static const char *const bad[] = {"unnamed", "unverified", "altered", "backwards", "unaccounted"};
    const struct soak_shared *s = p->engine.shared;
    json_t *wire = json_object_get(p->doc, "wire");
    const char *key;
    json_t *n, *inner;
    json_object_set_new(balance, "unaccounted", json_integer(llabs(number(report, "totals", "unaccounted")) +
                                                             llabs(number(report, "chunks", "unaccounted"))));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p->failed |= json_integer_value(json_object_get(balance, bad[i])) != 0;
    }
    json_object_foreach(balance, key, n) {
        if (json_is_integer(n)) {
            soak_add(wire, key, llabs(json_integer_value(n)));
        }
    }
    json_object_foreach(json_object_get(balance, "named"), key, inner) {
        soak_add(json_object_get(wire, "named"), key, json_integer_value(inner));
    }
    json_object_set_new(balance, "seconds", json_real((double)(soak_now() - p->start_ns) / 1e9));
    json_object_set_new(balance, "rss_start", json_integer((json_int_t)s->rss_start));
    json_object_set_new(balance, "rss_end", json_integer((json_int_t)s->rss_end));
    json_object_set_new(balance, "ended_by", json_incref(json_object_get(report, "ended_by")));
    for (int i = 0; i < SOAK_TENTHS; i++) {
        if (s->p999_ns[i] != 0) {
            json_array_set_new(json_object_get(p->doc, "p999_ns"), (size_t)i, json_integer((json_int_t)s->p999_ns[i]));
        }
    }
    soak_add(p->doc, "frames", json_integer_value(json_object_get(balance, "sent")));
    json_array_append(json_object_get(p->doc, "pieces"), balance);
}

/* The engine ends while its devices live, and these are read before its namespace goes with them. */
static json_t *end(struct piece *p)
{
    json_t *report = soak_engine_end(&p->engine);
    if (!p->o->memory) {
        soak_wire_close(&p->wire, &p->engine);
    }
    return report;
}

/* All CPUs that we were given: the engine has the last one, and inherits them all; we stay on the first. */
static uint32_t all_cpus(void)
{
    static cpu_set_t given;
    uint32_t last = 0;
    if (CPU_COUNT(&given) == 0) {
        sched_getaffinity(0, sizeof given, &given);
    }
    sched_setaffinity(0, sizeof given, &given);
    for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
        last = CPU_ISSET(i, &given) ? i : last;
    }
    return last;
}

static void first_cpu(uint32_t last)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (uint32_t i = 0; i < last; i++) {
        if (CPU_ISSET(i, &set)) {
            mr_thread_pin(i);
            return;
        }
    }
}

void soak_piece(const struct soak_options *o, json_t *doc, double seconds)
{
    static struct piece p;
    char text[1024];
    uint64_t done = soak_get(doc, "frames");
    uint64_t left = o->frames > done ? o->frames - done : 0;
    p = (struct piece){.o = o, .doc = doc, .frames = left < o->piece_frames ? left : o->piece_frames};
    p.engine.cpu = all_cpus();
    soak_engine_start(&p.engine, yaml_of(&p, text, sizeof text), done, o->frames);
    if (!o->memory) {
        soak_wire_devices(&p.engine);
    }
    soak_engine_go(&p.engine);
    first_cpu(p.engine.cpu);
    if (!o->memory) {
        soak_wire_open(&p.wire, &p.engine, soak_random(o->seed, done));
    }
    p.end_ns = seconds == 0 ? UINT64_MAX : soak_now() + (uint64_t)(seconds * 1e9);
    live(&p);
    json_t *report = end(&p);
    json_t *balance = o->memory ? memory_balance(report) : soak_wire_balance(&p.wire, report);
    add(&p, report, balance);
    json_decref(balance);
    json_decref(report);
    soak_engine_close(&p.engine);
    soak_add(doc, "failed", p.failed);
}
