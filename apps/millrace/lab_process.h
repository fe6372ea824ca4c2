/* lab_process.h: an engine in a process of its own, in one of the lab's two namespaces.
 *
 * A process and not a thread, so that what one engine costs is not mistaken for another's. It dies with its parent. The
 * lab's generator is one; `compare` runs the pipeline of each row in another.
 *
 *   parent                              child
 *   start ─────────────────────────────▶ enters the namespace, opens the devices
 *         ◀───────────────────── ready
 *   go    ─────────────────────────────▶ runs
 *         ◀─────────────────── started   all its cores run
 *   count ─────────────────────────────▶ (a job with `counted`) keeps its counters as they are now
 *         ◀─────────────────── counted
 *   stop  ─────────────────────────────▶ (or its time is over) drains, leaves its report, ends
 */
#ifndef MILLRACE_LAB_PROCESS_H
#define MILLRACE_LAB_PROCESS_H

#include "apps/millrace/lab_net.h"

#include <jansson.h>

/* What it shall run. */
struct lab_job {
    const char *who;    /* for messages: "the generator" */
    const char *name;   /* of the process, at most 15 letters */
    enum lab_side side;
    int control_cpu;    /* where its control thread stays; -1 = wherever */
    uint64_t for_ns, linger_ns; /* as in struct mr_run_options */
    bool settle;        /* end only when the wire is empty */
    bool counted;       /* lab_process_count may be called */
    int (*config)(const void *arg, struct mr_config **out, struct mr_error *err); /* called in the child */
    int (*opened)(const void *arg, struct mr_error *err); /* called in the child, its devices being open; may be NULL */
    const void *arg;
};

/* What parent and child share: a page that both have mapped, and a report in a memfd. */
struct lab_shared {
    int result; /* of the child: 0, or -errno with error filled */
    struct mr_error error;
};

struct lab_process {
    const char *who;
    pid_t pid;
    int ready;    /* a byte comes when its devices are open, when its cores run, when it counted; the end of file when it ended */
    int go, stop; /* a byte written to go starts it; each one written to stop: drain, again: stop at once */
    int go_end, stop_end; /* the other ends, kept so that a write is harmless when the child has ended already */
    int report;   /* memfd: its run report as JSON text */
    struct lab_shared *shared;
    void *arg; /* of whoever started it */
};

/* lab_process_start: fork it and wait until its devices are open. */
int lab_process_start(struct lab_process *p, const struct lab_job *job, const struct lab_net *net, struct mr_error *err);

/* lab_process_go: start it, wait until its cores run. false: it has ended. lab_process_stop: have it drain. */
bool lab_process_go(struct lab_process *p);
void lab_process_stop(struct lab_process *p);

/* lab_process_count: have its counters as they are now (mr_report_counters) put into its report, as the next of `counters`;
 * waits until they are. false: it has ended. */
bool lab_process_count(struct lab_process *p);

/* lab_process_report: after its end, for which it waits; new reference, NULL with err filled when it left none.
 * lab_process_destroy: ends it if it still runs. Zeroed or destroyed ones are fine. */
json_t *lab_process_report(struct lab_process *p, struct mr_error *err);
void lab_process_destroy(struct lab_process *p);

#endif
