/* lab.c: `millrace lab`: the order of things.
 *
 *   start   devices → generator opens its ports → pipeline opens its, receives → generator sends
 *   stop    source ends (time, frames, a signal) → wire empty → generator ends → pipeline drains
 *
 * In this order no frame can be on a wire where nobody listens, so that the balance must come out even. All ends are
 * told by pipes, so that signal handlers need no more than write().
 */
#include "apps/millrace/lab.h"
#include "apps/millrace/lab_wire.h"
#include "apps/millrace/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct lab {
    struct lab_options options;
    struct lab_net net;
    struct lab_process generator;
    struct mr_config *config;
    struct mr_engine *engine;
    struct lab_wire before, after;
    int stop_read; /* readable: the pipeline shall drain */
    int exit_code; /* of the pipeline's run: 0 or 130 */
};

/* For the signal handler: where to write, and what was written already. */
static struct {
    int generator, pipeline;
    pid_t child; /* the generator */
    volatile sig_atomic_t asked, drained;
} stop;

/* Nothing else may be done in a signal handler; whether it arrives cannot be helped. */
static void say(const char *text)
{
    ssize_t unused = write(STDERR_FILENO, text, strlen(text));
    (void)unused;
}

static void tell(int fd)
{
    if (write(fd, "s", 1) != 1) { // a pipe of our own, open at both ends, all but empty
        say("millrace: lab: cannot write to the pipe that starts and stops its parts: ");
        say(strerrordesc_np(errno));
        say("\n");
        _exit(MR_FAULT_RUN);
    }
}

/* Has it ended, and not only a namespace's holder, which nobody needs while we have the namespace open? It stays to be
 * waited for. */
static bool generator_over(void)
{
    siginfo_t info = {.si_pid = 0};
    return stop.child > 0 && (waitid(P_PID, (id_t)stop.child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
                              info.si_pid != 0);
}

/* SIGCHLD: the generator has ended, so the wire is empty. SIGINT, SIGTERM: first end the source, then stop at once. */
static void on_signal(int number)
{
    int saved = errno;
    if (number != SIGCHLD) {
        tell(stop.generator);
        stop.asked++;
    }
    if (number == SIGCHLD ? !stop.drained && generator_over() : stop.asked == 2) {
        tell(stop.pipeline);
        stop.drained = 1;
    }
    if (number != SIGCHLD && stop.asked == 2) {
        tell(stop.pipeline);
    }
    errno = saved;
}

static void take_signal(int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigaction(number, &action, NULL);
}

/* The generator, and the signals: taken when there is somebody to tell. Until then they end all of us, which leaves
 * nothing either. */
static int start_and_watch(struct lab *l, struct mr_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot make a pipe to stop by: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    l->stop_read = ends[0];
    stop.pipeline = ends[1];
    int result = lab_generator_start(&l->generator, &l->options, &l->net, err);
    if (result == 0) {
        stop.generator = l->generator.stop;
        stop.child = l->generator.pid;
        take_signal(SIGCHLD);
        raise(SIGCHLD); // it may have ended already
        take_signal(SIGINT);
        take_signal(SIGTERM);
    }
    return result;
}

static void start_generator(void *arg)
{
    struct lab *l = arg;
    tell(l->generator.go);
}

static int run_pipeline(struct lab *l, struct mr_error *err)
{
    struct mr_run_options options = {.stop_fd = &l->stop_read, .started = start_generator, .arg = l};
    bool live = !l->options.quiet && isatty(STDERR_FILENO);
    options.each_second = live ? lab_live : NULL;
    options.event = l->options.quiet ? NULL : lab_event;
    options.balance = print_balance;
    options.trace_frames = l->options.trace_frames;
    options.trace_filter = l->options.trace_filter;
    int result = mr_engine_run(l->engine, &options, err);
    fputs(live ? "\r\033[K" : "", stderr);
    if (result < 0) {
        return result;
    }
    l->exit_code = result;
    return 0;
}

static int run(struct lab *l, struct mr_error *err)
{
    int result = lab_net_create(&l->net, l->options.offload, err);
    if (result == 0 && l->options.choose) {
        result = lab_auto(&l->options, err);
        result = result < 0 ? result : lab_config_pipeline(&l->options, &l->config, err);
    }
    if (result == 0) {
        result = start_and_watch(l, err);
    }
    if (result == 0) {
        result = mr_engine_create(l->config, &l->engine, err);
    }
    if (result == 0) {
        result = lab_wire_read(&l->net, &l->before, err);
    }
    if (result == 0) {
        result = run_pipeline(l, err);
    }
    return result == 0 ? lab_wire_read(&l->net, &l->after, err) : result;
}

/* Frames and chunks that an engine's own counters do not know of: a chunk lost inside misses on no wire. */
static json_int_t unaccounted(const json_t *run)
{
    return llabs(json_integer_value(json_object_get(json_object_get(run, "totals"), "unaccounted"))) +
           llabs(json_integer_value(json_object_get(json_object_get(run, "chunks"), "unaccounted")));
}

/* Gaps that the verifying sink saw; 0 without one. */
static long long lost(const json_t *doc)
{
    const json_t *verify = json_object_get(json_object_get(doc, "generator"), "verify");
    return json_integer_value(json_object_get(verify, "lost"));
}

/* What an honest end looks like: nothing missing, nothing altered. */
static int judge(const struct lab *l, const json_t *doc, struct mr_error *err)
{
    json_int_t unnamed = json_integer_value(json_object_get(json_object_get(doc, "wire"), "unnamed"));
    uint64_t faults = lab_faults(doc);
    if (l->exit_code == MR_FAULT_RUN) {
        mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "lab: the pipeline's %s",
                     json_string_value(json_object_get(doc, "ended_by")));
    }
    if (l->exit_code != 0) {
        return l->exit_code; // 130, stopped at once: what was on the wire then is nobody's
    }
    if (unnamed != 0 || faults != 0) {
        mr_error_set(
            err, MR_FAULT_RUN, EIO,
            "lab: %lld frames %s, %llu faults found by the sink; see wire and generator.verify in the document",
            llabs(unnamed), unnamed < 0 ? "arrived that were not sent" : "lost without a name",
            (unsigned long long)faults);
        return MR_FAULT_RUN;
    }
    if (l->options.window != 0 && lost(doc) != 0) {
        mr_error_set(err, MR_FAULT_RUN, ENODATA, "lab: %lld frames were lost, though a window leaves room for all; by whom: wire",
                     lost(doc));
        return MR_FAULT_RUN;
    }
    if (unaccounted(doc) != 0 || unaccounted(json_object_get(json_object_get(doc, "generator"), "report")) != 0) {
        mr_error_set(err, MR_FAULT_RUN, EPROTO,
                     "lab: frames or chunks are unaccounted for: a bug in millrace; see totals and chunks in the "
                     "document");
        return MR_FAULT_RUN;
    }
    return 0;
}

/* The document, printed and written; 0, an exit code, or -errno. */
static int report(struct lab *l, int argc, char **argv, struct mr_error *err)
{
    json_t *generator = lab_process_report(&l->generator, err);
    if (generator == NULL) {
        return -ECHILD;
    }
    json_t *pipeline = mr_report_json(l->engine, argc + 1, argv - 1); // with the program's name, as main was given it
    json_t *wire = lab_wire_json(&l->before, &l->after, pipeline, generator, l->options.verify);
    json_t *doc = lab_document(&l->options, &l->net, pipeline, generator, wire);
    struct options shown = {.json = l->options.json, .quiet = l->options.quiet};
    int result = present(doc, &shown, lab_print, err);
    if (result == 0) {
        result = judge(l, doc, err);
    }
    json_decref(doc);
    return result;
}

static void dismantle(struct lab *l)
{
    signal(SIGINT, SIG_IGN); // the pipes that its handler writes to are about to close, and nothing is left to stop
    signal(SIGTERM, SIG_IGN);
    lab_process_destroy(&l->generator);
    if (mr_engine_destroy(l->engine)) {
        mr_config_destroy(l->config);
    }
    lab_net_destroy(&l->net);
    json_decref(l->options.chosen);
}

int verb_lab(int argc, char **argv)
{
    struct mr_error err = {.fault = MR_FAULT_RUN};
    struct lab *l = calloc(1, sizeof *l);
    if (l == NULL) {
        mr_error_set(&err, MR_FAULT_MACHINE, ENOMEM, "lab: no memory for its own state; free some");
        return print_error(&err, false);
    }
    int result = lab_options_parse(&l->options, argc, argv, &err);
    if (result > 0) {
        result = finish_output(&err);
        free(l);
        return result < 0 ? print_error(&err, false) : 0;
    }
    if (result == 0 && !l->options.choose) {
        result =
            lab_config_pipeline(&l->options, &l->config, &err); // what is wrong in it shows before anything is made
    }
    if (result == 0) {
        result = run(l, &err);
    }
    if (result == 0) {
        result = report(l, argc, argv, &err);
    }
    if (l->options.keep && l->net.side[LAB_ENDS].pid > 0 && lab_net_keep(&l->net, &err) == 0) {
        lab_keep_print(&l->net, stderr);
    }
    if (err.text[0] != 0) {
        print_error(&err, l->options.verbose);
    }
    dismantle(l);
    free(l);
    return result < 0 ? (int)err.fault : result;
}
