/* compare.h: the insides of `millrace compare`, for the compare*.c files only.
 *
 *   compare_options.c  what was typed
 *   compare_rows.c     which rows there are, and which cannot run here
 *   compare_reference.c what forwards without us
 *   compare_bare.c     the bare loop beside a row
 *   compare_xdp_source.c frames that were never socket buffers
 *   compare_offer.c    frames offered once: by the lab's generator, watched from outside
 *   compare_row.c      all measurements of one row in one round
 *   compare_cpu.c      CPU time, of processes and of CPUs
 *   compare_tcp*.c     the second table (compare_tcp.h)
 *   compare_count.c    what a row's own counters say of the window
 *   compare_json.c     the document
 *   compare_baseline.c ratios to an earlier one
 *   compare_print*.c   the tables made from it (compare_print.h)
 *   compare.c          the order of things
 *
 * The lab's network is made once. Each row of each round runs its pipeline in processes of their own, started anew.
 */
#ifndef MILLRACE_COMPARE_H
#define MILLRACE_COMPARE_H

#include "apps/millrace/lab.h"
#include "apps/millrace/lab_wire.h"
#include "lib/measure/box.h"
#include "lib/measure/estimate.h"
#include "lib/measure/search.h"
#include "lib/measure/why.h"

enum { COMPARE_ROWS_MAX = 64, COMPARE_SHARES = 3, COMPARE_SETS = 16, COMPARE_REASON_BYTES = 32 + sizeof((struct mr_error *)0)->text };

static const double COMPARE_LOSS_MOST = 0.001; /* of the frames sent, in one trial: what counts as without loss */
static const double COMPARE_FOREIGN_MOST = 0.12; /* of a CPU: above, something else disturbed the window */

struct compare_options {
    const char *drivers; /* as typed; NULL = all */
    const char *size, *work;
    const char *json;     /* NULL = none */
    const char *bare;     /* folder of the bare loops; NULL = of the build tree */
    const char *baseline; /* a document of an earlier run; NULL = none */
    uint32_t n_sets;
    const char *sets[COMPARE_SETS]; /* of every row's pipeline, as for `millrace run --set` */
    const char *recorded; /* --table-from: a document to print, and nothing is run; NULL = none */
    uint32_t rounds;      /* 0 = by --quick or full */
    uint64_t seed;
    char device[LAB_DEVICES][IF_NAMESIZE]; /* the user's, all four; none = the lab's */
    bool yes;      /* also such that are in use */
    bool skb, xdp; /* the feeds; none = by --quick or full */
    bool quick, quiet, verbose;
    bool no_tcp, only_tcp;
};

/* compare_options_parse: 0, 1 when help was printed, or -EINVAL with err filled. */
int compare_options_parse(struct compare_options *o, int argc, char **argv, struct mr_error *err);

/* How long things last; the first table ends before `limit_ns`, all before `whole_ns`, if need be with fewer rounds. */
struct compare_times {
    uint64_t warm_ns, window_ns; /* flat out: before the window, and the window */
    uint64_t trial_ns, latency_ns;
    uint64_t limit_ns;
    uint32_t rounds, trials;
    uint64_t whole_ns;                    /* from the first round on; the TCP streams have what is left of it */
    uint64_t super_bytes, segment_bytes; /* of one TCP stream */
    uint64_t stream_ns;                   /* the most that one may take */
    uint32_t tcp_rounds;                  /* the most for each form of them */
};

/* Who forwards: an engine, or something that it is compared with. */
enum compare_kind { COMPARE_DRIVER, COMPARE_NOBODY, COMPARE_BRIDGE, COMPARE_TC, COMPARE_XDP };

/* One latency point of one round. */
struct compare_latency {
    double p50_ns, p99_ns, p99_9_ns;
    double asked_mpps, offered_mpps;
};

/* What one round said of a row; what was not measured is NAN. */
struct compare_round {
    double flat_mpps, no_loss_mpps, offered_mpps; /* offered: flat out */
    double cpu_ns, box_ns, busy_share, syscalls;
    double failed_mpps; /* where none passed, no_loss_mpps being 0: the lowest rate tried */
    double source_ns;  /* busy time of the source's CPU a frame sent */
    double box_resolution_ns;
    struct mr_box box;
    double bare_mpps, bare_cpu_ns; /* of the bare loop, flat out */
    struct compare_latency latency[COMPARE_SHARES];
    bool disturbed, source_limited;
    bool out_of_trials; /* no_loss_mpps: before the search had converged */
};

/* Over rounds, of the windows flat out. */
struct compare_sums {
    double receive_ns, work_ns, send_ns, blocked_ns, idle_ns; /* of the forwarding cores' time */
    double batches, frames, syscalls;                         /* of the sending stages; of all */
    double sent, received, window_ns;                         /* by the source, at the sink's device, in so long */
    double sent_in_all, unnamed; /* from the first frame to an empty wire; lost under no counter of the row */
};

struct compare_row {
    enum compare_kind kind;
    bool xdp_fed;
    char name[48];
    const char *rx_driver, *tx_driver;
    bool usable;       /* a driver that can run between the lab's devices */
    int32_t copies;    /* below 0 = the device's vendor knows */
    bool calls_counted;
    char bare[2400];        /* the program of its bare loop; empty = none */
    char bare_reason[2500 + sizeof((struct mr_error *)0)->text]; /* why there is none, or it did not run */
    int program, link; /* of a reference that is a BPF program, while it forwards; else -1 */
    char mode[340];
    char reason[COMPARE_REASON_BYTES]; /* why it cannot run, or why it ended; empty = it ran */
    struct compare_round round[MR_ROUNDS_MAX];
    json_t *drops; /* as the sums */
    struct compare_sums sums;
};

struct compare {
    struct compare_options options;
    struct compare_times times;
    struct lab_options lab;
    struct lab_net net;
    uint32_t n_rows;
    struct compare_row *rows;
    uint32_t rounds; /* made so far */
    uint64_t begin_ns, end_ns;
    uint64_t random;
    json_t *baseline; /* NULL = none */
};

/* compare_rows: fill rows from the table of drivers and --drivers. compare_row_clear: as if nothing had been measured. */
int compare_rows(struct compare *c, struct mr_error *err);
void compare_row_clear(struct compare_row *row);

/* compare_row_measure: all of a row in round c->rounds. A row that fails gets its reason, and loses the figures of earlier
 * rounds; -errno only where the lab itself does not work any more. */
int compare_row_measure(struct compare *c, struct compare_row *row, struct mr_error *err);

/* compare_count: what the process that forwarded counted in the window, from its report; without its two readings nothing. */
void compare_count(struct compare_row *row, struct compare_round *r, const json_t *report);

/* compare_count_drops: frames lost under the row's own counters, by name, added to those in drops; compare_count_losses: Σ of a
 * report. Within a window some only wait in a queue. */
void compare_count_drops(json_t *drops, const json_t *report);
double compare_count_losses(const json_t *report);

/* compare_offer_ns: how long frames are offered so that a window fits in. */
uint64_t compare_offer_ns(const struct compare *c);

/* compare_receive_offload: of a device on one side. A veth takes XDP frames only while its peer has a NAPI, which generic
 * receive offload gives it. Devices of the user's are left as they are. */
int compare_receive_offload(const struct compare *c, enum lab_side side, enum lab_device which, bool on, struct mr_error *err);

/* compare_reference_start, _stop: have the kernel forward by itself, as the row says; for a driver's row nothing. */
int compare_reference_start(const struct compare *c, struct compare_row *row, struct mr_error *err);
int compare_reference_stop(const struct compare *c, struct compare_row *row, struct mr_error *err);

/* compare_bare_find: the program of a row's bare loop. compare_bare_measure: run it in round c->rounds, flat out; without
 * one nothing. One that fails costs the row nothing but its bare_reason. */
void compare_bare_find(const struct compare *c, struct compare_row *row);
void compare_bare_measure(struct compare *c, struct compare_row *row);

/* What is offered once, and what came of it. */
struct compare_offer {
    double fps;      /* 0 = flat out */
    uint64_t for_ns;
    bool verify;     /* a sink that verifies one traffic flow: latency */
    bool xdp;        /* fed as XDP frames */
    bool window;     /* watch a window of it */
    const struct lab_process *engine; /* whose CPU time to watch; NULL = nobody's */
    struct lab_process *counted;      /* whose counters to keep at both ends of the window; NULL = nobody's */
};

struct compare_offered {
    double seconds;
    uint64_t sent, received;
    double offered_fps;
    double p50_ns, p99_ns, p99_9_ns; /* of a verifying sink */
    /* of the window */
    double window_ns, window_sent, window_received;
    double engine_ns;                /* CPU time */
    double busy_ns, source_busy_ns;  /* of all CPUs that the lab uses; of the source's. By /proc/stat; NAN = cannot be read */
    double tick_ns;                  /* how far off busy_ns may be */
    bool disturbed;
};

/* compare_xdp_source_start: frames for o->for_ns from a process of its own. compare_xdp_source_end: waits for it. */
int compare_xdp_source_start(const struct compare *c, const struct compare_offer *o, struct lab_process *p,
                             struct mr_error *err);
int compare_xdp_source_end(struct lab_process *p, struct compare_offered *out, struct mr_error *err);

int compare_offer(struct compare *c, const struct compare_offer *o, struct compare_offered *out, struct mr_error *err);

/* compare_cpu_ns: CPU time of a process so far; 0 without one. compare_cpus_read: of the CPUs that the lab uses, and no others, or
 * without a lab of all; by /proc/stat, NAN where it cannot be read. */
struct compare_cpus {
    double busy_ns, source_busy_ns, steal_ns; /* of all; of the source's; taken by the host */
    double softirq_ns;                        /* of busy_ns, what interrupts did */
    double tick_ns;                           /* how far off a difference of busy_ns may be */
};
double compare_cpu_ns(const struct lab_process *p);
void compare_cpus_read(const struct lab_options *lab, struct compare_cpus *r);

/* compare_tcp: the second table, in a lab of its own: tcp[] of the document, and method.tcp. compare_print_tcp: prints it. */
int compare_tcp(struct compare *c, json_t *document, struct mr_error *err);
void compare_print_tcp(const json_t *document, FILE *out, bool colour);

/* compare_json: the document, a new reference. compare_print: its tables. */
json_t *compare_json(struct compare *c, int argc, char **argv);
void compare_print(const json_t *document, FILE *out, bool colour);

/* compare_read: a document that an option names, NULL with err filled. compare_baseline_fits: ratios of the two would mean
 * something; document NULL = the one that these options will make. compare_baseline: puts the ratios to `then`, what was unlike
 * and what only one of them has into the document. */
json_t *compare_read(const char *option, const char *file, struct mr_error *err);
int compare_baseline_fits(const struct compare_options *o, const json_t *document, const json_t *then, struct mr_error *err);
void compare_baseline(json_t *document, const json_t *then, const char *file, uint64_t seed);

/* compare_print_baseline: its table; nothing where the document has none. */
void compare_print_baseline(const json_t *document, FILE *out, bool colour);

#endif
