/* lab.h: the insides of `millrace lab`, for the lab*.c files only.
 *
 *   lab_options.c    what was typed
 *   lab_net.c        namespaces and devices
 *   lab_borrow.c     devices of the user's instead, for `millrace compare --device`
 *   lab_auto.c       --driver auto
 *   lab_config.c     the two configurations: of the generator and of the pipeline under test
 *   lab_process.c    an engine in a process of its own
 *   lab_generator.c  the generator, such a process in the namespace "ends"
 *   lab_sample.c     a sink that sees one traffic flow
 *   lab_wire.c       the kernel's counters on the way, and the balance
 *   lab_report.c     the document and the tables
 *   lab.c            the order of things
 */
#ifndef MILLRACE_LAB_H
#define MILLRACE_LAB_H

#include <millrace/report.h>

#include "apps/millrace/lab_net.h"
#include "apps/millrace/lab_process.h"

#define LAB_SETS_MAX   32u
#define LAB_CORES_MAX  64u
#define LAB_WINDOW_MAX 4096u
#define LAB_LINGER_NS  1000000000ull /* a frame that is not back after this long will not come */
#define LAB_GRACE_NS   300000000ull /* how late a source may be with what --rate and --for ask of it */
#define LAB_FRAME_MAX  1514u        /* without FCS: the devices have the MTU that veth is born with, 1500 */

struct lab_options {
    const char *rx_driver, *tx_driver;
    bool choose;             /* --driver auto: what is not given of the two, by lab_auto */
    bool rx_given, tx_given;
    struct json_t *chosen;   /* {why, little_memory, passed_over: [{rx_driver, tx_driver, reason}]}; NULL = nothing was chosen */
    const char *const *first_sets; /* by lab_auto; the user's own come after them */
    uint32_t n_first_sets;
    uint64_t frames;  /* 0 = by time */
    uint64_t for_ns;  /* 0 = by frames */
    uint64_t linger_ns; /* how long a verifying sink waits for stragglers */
    const char *rate; /* as typed */
    uint32_t window;
    const char *size; /* as typed */
    uint32_t flows, vlan;
    const char *work;
    enum mr_layout layout;
    enum mr_offload offload;
    uint32_t trace_frames;    /* 0 = none */
    const char *trace_filter; /* NULL = all */
    bool verify; /* --sink verify */
    bool sample; /* verify one traffic flow only */
    bool sink_given;
    bool keep, quiet, verbose;
    const char *json; /* NULL = none */
    const char *devices[LAB_DEVICES]; /* as in struct lab_net */
    uint32_t n_sets;
    const char *sets[LAB_SETS_MAX];
    uint32_t source_cpu;
    uint32_t n_cores; /* of the pipeline */
    uint32_t cores[LAB_CORES_MAX];
    bool shared_cpu; /* source and pipeline have one in common */
};

/* lab_options_parse: 0, 1 when help was printed, or -EINVAL with err filled. */
int lab_options_parse(struct lab_options *o, int argc, char **argv, struct mr_error *err);

/* lab_config.c. lab_place: CPUs of source and pipeline; -EINVAL for one that is not allowed. Then the two configurations,
 * checked. */
int lab_place(struct lab_options *o, struct mr_error *err);
int lab_config_generator(const struct lab_options *o, struct mr_config **out, struct mr_error *err);
int lab_config_pipeline(struct lab_options *o, struct mr_config **out, struct mr_error *err);

/* lab_auto: the drivers, tried in the calling thread's namespace; o->chosen is the caller's. */
int lab_auto(struct lab_options *o, struct mr_error *err);

/* lab_source_ns: how long the source may send; 0 = until it has made its frames. With a rate the frames are counted
 * out, so that they do not depend on when the end is seen, and the time only ends a source that cannot keep up. */
uint64_t lab_source_ns(const struct lab_options *o);

/* lab_generator_start: source and sink in a process of their own; waits until its devices are open. */
int lab_generator_start(struct lab_process *p, const struct lab_options *o, const struct lab_net *net,
                        struct mr_error *err);

/* lab_sample.c: from now on the sockets of this process that receive from dst let in one traffic flow alone. */
int lab_sample(const void *options, struct mr_error *err);

/* lab_document: the lab's JSON document: the pipeline's report with lab, generator and wire put in; takes `run`. */
json_t *lab_document(const struct lab_options *o, const struct lab_net *net, json_t *run, json_t *generator,
                     json_t *wire);

/* lab_print: the tables; lab_live: one line for each second; lab_event: the first loss of each kind, and its fix.
 * lab_keep_print: how to enter and remove what is kept. */
void lab_print(const json_t *document, FILE *out, bool colour);
void lab_live(const struct mr_interval *now, void *arg);
void lab_event(const struct mr_event *event, void *arg);
void lab_keep_print(const struct lab_net *net, FILE *out);

/* lab_faults: frames that the verifying sink found wrong, of the document; 0 without such a sink. */
uint64_t lab_faults(const json_t *document);

#endif
