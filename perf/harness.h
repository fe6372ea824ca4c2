/* harness.h: measures ours against peers so that the ratio means something on a machine that is never quiet.
 *
 * A case has cells: ours first, then the peers. Every round visits all cells of all cases in a fresh random order, on
 * two pinned CPUs. Placement moves a ring's rate more than any trick, so the round trip of one cache line is probed
 * before and after each repetition: a repetition during which it changed is dropped, and ratios are only taken between
 * repetitions of one round that saw the same distance. What is reported: medians, and the median of the paired ratios
 * with its 95 % bootstrap interval. Rounds go on until every case has as many pairs as asked for, or 4 times as many
 * rounds were made.
 *
 * Where one run yields several measures (a process: its rate, its CPU time), the run is a sample: each round takes all
 * samples in random order, then the cells only read what the round's samples left.
 *
 * The real-time class is held inside a repetition only, which therefore lasts a few milliseconds.
 */
#ifndef MILLRACE_PERF_HARNESS_H
#define MILLRACE_PERF_HARNESS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_CASES_MAX = 128, BENCH_CELLS_MAX = 8, BENCH_ROUNDS_MAX = 400, BENCH_SAMPLES_MAX = 32 };
enum { BENCH_TRIES = 4 }; /* rounds made at most, per pair asked for */
enum bench_better { BENCH_HIGHER, BENCH_LOWER };

struct bench;

/* One repetition: returns the value in the case's unit, 0 when there is none this time (it was disturbed), or a negative
 * number when what was moved was not right. */
typedef double bench_run(struct bench *b, void *arg);

/* One sample: false when it was disturbed; it then counts as dropped. */
typedef bool bench_take(struct bench *b, void *arg);

struct bench_cell {
    const char *name;
    bench_run *run;
    void *arg;
    bool bad;                          /* a repetition moved wrong data: printed BAD, never left out */
    double value[BENCH_ROUNDS_MAX];    /* by round; 0 = dropped */
    double trip_ns[BENCH_ROUNDS_MAX];  /* line round trip around it */
};

struct bench_case {
    char name[48];
    const char *unit;
    enum bench_better better;
    bool two_cpus;
    uint32_t n_cells;
    struct bench_cell cell[BENCH_CELLS_MAX];
};

/* What a case came to. */
struct bench_result {
    double ours, peer, ratio, low, high; /* ratio above 1: ours is better */
    uint32_t peer_cell;                  /* the best peer by median; 0 = there is none */
    uint32_t pairs;
};

struct bench {
    const char *name;
    bool quick, all;
    uint32_t pairs;    /* asked for, per case */
    bool pairs_given;  /* on the command line */
    uint32_t rounds;   /* made */
    uint32_t dropped;  /* repetitions during which the distance changed, and samples that were disturbed */
    const char *only;
    const char *json_path;
    uint64_t seed;
    cpu_set_t allowed; /* what the process was given */
    int cpu[2];        /* cpu[1] = -1 when there is one only */
    bool real_time;    /* could be had */
    double trip_ns;    /* median over all repetitions of two CPUs */
    uint32_t n_cases;
    struct bench_case *cases;
    uint32_t n_samples;
    struct {
        bench_take *take;
        void *arg;
    } samples[BENCH_SAMPLES_MAX];
    struct bench_side *side;
};

/* bench_init: reads --quick --all --pairs N --only SUBSTRING --json FILE|- --cpus A,B; pins the caller to the first CPU
 * and starts the thread of the second. Returns 0, or the exit code of a usage error. */
int bench_init(struct bench *b, const char *name, int argc, char **argv);

/* bench_pairs: other numbers of pairs than usual, unless the command line says how many. */
void bench_pairs(struct bench *b, uint32_t full, uint32_t quick);

/* bench_float: the calling thread may run on any of the process's CPUs (for an engine's control thread, and before a
 * child is started); bench_pin: on the first CPU only, as after bench_init. */
void bench_float(const struct bench *b);
void bench_pin(const struct bench *b);

/* bench_sample: a sample that each round takes before its cells run. */
void bench_sample(struct bench *b, bench_take *take, void *arg);

/* bench_add: a new case named by the format, or NULL when --only leaves it out or it needs a second CPU that is not
 * there. bench_cell: its next cell; does nothing for a NULL case. */
struct bench_case *bench_add(struct bench *b, bool two_cpus, const char *unit, enum bench_better better,
                             const char *format, ...) __attribute__((format(printf, 5, 6)));
void bench_cell(struct bench_case *c, const char *name, bench_run *run, void *arg);

/* bench_both: for run functions: first(arg) here and second(arg) on the other CPU, started together; returns the
 * nanoseconds until both have ended. bench_here: first(arg) only. */
double bench_both(struct bench *b, void (*first)(void *), void (*second)(void *), void *arg);
double bench_here(struct bench *b, void (*first)(void *), void *arg);

/* bench_other: calls body(arg) on the second CPU's thread, outside of any measuring (to prepare that thread). */
void bench_other(struct bench *b, void (*body)(void *), void *arg);

/* bench_said: a line about what is left out and why; part of the output. */
void bench_said(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* bench_finish: makes the rounds, prints the table and the JSON lines, ends the second thread. Returns the exit code:
 * 1 when a cell moved wrong data or JSON could not be written. */
int bench_finish(struct bench *b);

/* Between harness.c, harness_options.c and harness_report.c. */
int bench_options(struct bench *b, int argc, char **argv);
struct bench_result bench_evaluate(struct bench *b, const struct bench_case *c);
bool bench_paired(const struct bench_cell *a, const struct bench_cell *b, uint32_t round);
uint32_t bench_random(struct bench *b, uint32_t below);
const char *bench_class(double trip_ns);
int bench_report(struct bench *b);

#endif
