#include "perf/harness.h"

#include "lib/measure/estimate.h"

#include <millrace/atomic.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { TRIPS = 300, FULL_PAIRS = 25, QUICK_PAIRS = 5 };
static const double SAME_DISTANCE = 1.5; /* two round trips within this factor were taken at the same distance */

/* The second CPU's thread, asleep between repetitions. */
struct bench_side {
    pthread_t thread;
    sem_t work, done;
    void (*body)(void *);
    void *arg;
    int cpu;
    bool quit, real_time;
    double end_ns; /* when body returned */
    uint32_t ready MR_ALIGNED(MR_LINE_PAIR); /* second writes */
    uint32_t go MR_ALIGNED(MR_LINE_PAIR);    /* first writes */
    uint32_t ball MR_ALIGNED(MR_LINE_PAIR);  /* both: the line of the probe */
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

uint32_t bench_random(struct bench *b, uint32_t below)
{
    b->seed ^= b->seed << 13;
    b->seed ^= b->seed >> 7;
    b->seed ^= b->seed << 17;
    return (uint32_t)(b->seed >> 32) % below;
}

static bool pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static bool real_time(bool on)
{
    struct sched_param p = {.sched_priority = on ? 1 : 0};
    return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p) == 0;
}

static void *second_thread(void *arg)
{
    struct bench_side *s = arg;
    pin(s->cpu);
    for (;;) {
        while (sem_wait(&s->work) != 0) {
        }
        if (s->quit) {
            return NULL;
        }
        if (s->real_time) {
            real_time(true);
        }
        mr_store_release(&s->ready, 1);
        while (mr_load_acquire(&s->go) == 0) {
            mr_pause();
        }
        s->body(s->arg);
        s->end_ns = now_ns();
        if (s->real_time) {
            real_time(false);
        }
        sem_post(&s->done);
    }
}

double bench_both(struct bench *b, void (*first)(void *), void (*second)(void *), void *arg)
{
    struct bench_side *s = b->side;
    s->body = second;
    s->arg = arg;
    s->real_time = b->real_time;
    s->ready = s->go = 0;
    sem_post(&s->work);
    while (mr_load_acquire(&s->ready) == 0) {
        sched_yield();
    }
    if (b->real_time) {
        real_time(true);
    }
    double start_ns = now_ns();
    mr_store_release(&s->go, 1);
    first(arg);
    double end_ns = now_ns();
    if (b->real_time) {
        real_time(false);
    }
    while (sem_wait(&s->done) != 0) {
    }
    return (end_ns > s->end_ns ? end_ns : s->end_ns) - start_ns;
}

static void nothing(void *arg)
{
    (void)arg;
}

void bench_other(struct bench *b, void (*body)(void *), void *arg)
{
    bench_both(b, nothing, body, arg);
}

double bench_here(struct bench *b, void (*first)(void *), void *arg)
{
    if (b->real_time) {
        real_time(true);
    }
    double start_ns = now_ns();
    first(arg);
    double ns = now_ns() - start_ns;
    if (b->real_time) {
        real_time(false);
    }
    return ns;
}

struct trips {
    struct bench_side *side;
    double ns[3];
};

static void hit(void *arg)
{
    struct trips *t = arg;
    for (uint32_t part = 0, i = 0; part < 3; part++) {
        double start_ns = now_ns();
        for (uint32_t end = i + TRIPS / 3; i < end; i++) {
            mr_store_release(&t->side->ball, 2 * i + 1);
            while (mr_load_acquire(&t->side->ball) != 2 * i + 2) {
            }
        }
        t->ns[part] = (now_ns() - start_ns) / (TRIPS / 3);
    }
}

static void hit_back(void *arg)
{
    struct trips *t = arg;
    for (uint32_t i = 0; i < TRIPS; i++) {
        while (mr_load_acquire(&t->side->ball) != 2 * i + 1) {
        }
        mr_store_release(&t->side->ball, 2 * i + 2);
    }
}

/* Median of three hundreds of trips: one interrupt must not look like a distance. */
static double probe_trip_ns(struct bench *b)
{
    struct trips t = {.side = b->side};
    b->side->ball = 0;
    bench_both(b, hit, hit_back, &t);
    return mr_median(t.ns, 3);
}

static bool same_distance(double a_ns, double b_ns)
{
    return a_ns <= b_ns * SAME_DISTANCE && b_ns <= a_ns * SAME_DISTANCE;
}

bool bench_paired(const struct bench_cell *a, const struct bench_cell *b, uint32_t round)
{
    return a->value[round] > 0 && b->value[round] > 0 && same_distance(a->trip_ns[round], b->trip_ns[round]);
}

static void repeat(struct bench *b, const struct bench_case *c, struct bench_cell *cell)
{
    double before_ns = c->two_cpus ? probe_trip_ns(b) : 1;
    double value = cell->run(b, cell->arg);
    double after_ns = c->two_cpus ? probe_trip_ns(b) : 1;
    cell->trip_ns[b->rounds] = (before_ns + after_ns) / 2;
    cell->bad = cell->bad || value < 0;
    if (same_distance(before_ns, after_ns)) {
        cell->value[b->rounds] = value; // not above 0: never paired
    } else {
        cell->value[b->rounds] = 0;
        b->dropped++;
    }
}

static void take_samples(struct bench *b)
{
    uint32_t order[BENCH_SAMPLES_MAX] = {0};
    for (uint32_t i = 0; i < b->n_samples; i++) { // each position takes what stood at a random one before it
        uint32_t other = bench_random(b, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (uint32_t i = 0; i < b->n_samples; i++) {
        b->dropped += !b->samples[order[i]].take(b, b->samples[order[i]].arg);
    }
}

/* One visit to each cell, in an order that no other round has. */
static void round_of_all(struct bench *b)
{
    take_samples(b);
    static struct {
        struct bench_case *c;
        struct bench_cell *cell;
    } order[BENCH_CASES_MAX * BENCH_CELLS_MAX], swap;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_cases; i++) {
        for (uint32_t k = 0; k < b->cases[i].n_cells; k++) {
            order[n].c = &b->cases[i];
            order[n++].cell = &b->cases[i].cell[k];
        }
    }
    for (uint32_t i = n; i > 1; i--) {
        uint32_t other = bench_random(b, i);
        swap = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swap;
    }
    for (uint32_t i = 0; i < n; i++) {
        repeat(b, order[i].c, order[i].cell);
    }
}

static bool enough(const struct bench *b)
{
    for (uint32_t i = 0; i < b->n_cases; i++) {
        for (uint32_t k = 1; k < b->cases[i].n_cells; k++) {
            uint32_t pairs = 0;
            for (uint32_t r = 0; r < b->rounds; r++) {
                pairs += bench_paired(&b->cases[i].cell[0], &b->cases[i].cell[k], r);
            }
            if (pairs < b->pairs) {
                return false;
            }
        }
    }
    return b->rounds >= b->pairs;
}

int bench_finish(struct bench *b)
{
    uint32_t most = b->pairs * BENCH_TRIES < BENCH_ROUNDS_MAX ? b->pairs * BENCH_TRIES : BENCH_ROUNDS_MAX;
    round_of_all(b); /* warm-up: caches, and the runs find how much fills a repetition; overwritten by round 0 */
    b->dropped = 0;
    for (b->rounds = 0; b->rounds < most && !enough(b); b->rounds++) {
        round_of_all(b);
    }
    int rc = bench_report(b);
    if (b->side != NULL) {
        b->side->quit = true;
        sem_post(&b->side->work);
        pthread_join(b->side->thread, NULL);
        free(b->side);
    }
    free(b->cases);
    return rc;
}

static int start_second(struct bench *b)
{
    b->side = aligned_alloc(MR_LINE_PAIR, sizeof *b->side);
    if (b->side == NULL) {
        return -1;
    }
    memset(b->side, 0, sizeof *b->side);
    b->side->cpu = b->cpu[1];
    sem_init(&b->side->work, 0, 0);
    sem_init(&b->side->done, 0, 0);
    return pthread_create(&b->side->thread, NULL, second_thread, b->side);
}

/* The first two CPUs that this process may use. */
static void choose_cpus(struct bench *b)
{
    b->cpu[0] = b->cpu[1] = -1;
    sched_getaffinity(0, sizeof b->allowed, &b->allowed);
    for (int cpu = 0, n = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
        if (CPU_ISSET(cpu, &b->allowed)) {
            b->cpu[n++] = cpu;
        }
    }
}

/* Above other load as far as nice goes, which where the kernel schedules by session is not beyond our own; the session's
 * own standing is raised only if it is ours alone, as under `meson test` or `setsid`. */
static void prefer(void)
{
    setpriority(PRIO_PROCESS, 0, -19);
    int fd = getsid(0) == getpid() ? open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!write(fd, "-19", 3);
        close(fd);
    }
}

int bench_init(struct bench *b, const char *name, int argc, char **argv)
{
    memset(b, 0, sizeof *b);
    prefer();
    b->name = name;
    b->seed = (uint64_t)now_ns() | 1;
    choose_cpus(b);
    int rc = bench_options(b, argc, argv);
    if (rc != 0) {
        return rc;
    }
    b->pairs_given = b->pairs != 0;
    bench_pairs(b, FULL_PAIRS, QUICK_PAIRS);
    b->cases = calloc(BENCH_CASES_MAX, sizeof *b->cases);
    bool second = b->cpu[1] >= 0; // its CPU is tried here, as its thread has nobody to tell
    if (b->cases == NULL || (second && !pin(b->cpu[1])) || !pin(b->cpu[0]) || (second && start_second(b) != 0)) {
        fprintf(stderr, "%s: no memory, or no right to CPUs %d,%d\n", name, b->cpu[0], b->cpu[1]);
        return 3;
    }
    b->real_time = real_time(true) && real_time(false);
    return 0;
}

void bench_pairs(struct bench *b, uint32_t full, uint32_t quick)
{
    if (!b->pairs_given) {
        b->pairs = b->quick ? quick : full;
    }
}

void bench_float(const struct bench *b)
{
    sched_setaffinity(0, sizeof b->allowed, &b->allowed);
}

void bench_pin(const struct bench *b)
{
    pin(b->cpu[0]);
}

/* A sample left out would show as a row of zeros: better none at all. */
void bench_sample(struct bench *b, bench_take *take, void *arg)
{
    if (b->n_samples == BENCH_SAMPLES_MAX) {
        fprintf(stderr, "%s: more than %d samples\n", b->name, BENCH_SAMPLES_MAX);
        abort();
    }
    b->samples[b->n_samples].take = take;
    b->samples[b->n_samples++].arg = arg;
}

struct bench_case *bench_add(struct bench *b, bool two_cpus, const char *unit, enum bench_better better,
                             const char *format, ...)
{
    struct bench_case *c = &b->cases[b->n_cases];
    va_list args;
    va_start(args, format);
    vsnprintf(c->name, sizeof c->name, format, args);
    va_end(args);
    if (b->only != NULL && strstr(c->name, b->only) == NULL) {
        return NULL;
    }
    if (b->n_cases == BENCH_CASES_MAX - 1 || (two_cpus && b->side == NULL)) {
        bench_said(b, "%s is left out: %s", c->name, b->side == NULL ? "it needs two CPUs" : "too many cases");
        return NULL;
    }
    c->two_cpus = two_cpus;
    c->unit = unit;
    c->better = better;
    b->n_cases++;
    return c;
}

void bench_cell(struct bench_case *c, const char *name, bench_run *run, void *arg)
{
    if (c != NULL && c->n_cells < BENCH_CELLS_MAX) {
        c->cell[c->n_cells++] = (struct bench_cell){.name = name, .run = run, .arg = arg};
    }
}
