/* control.c: the control thread's part: start the cores, watch, drain, stop, and count what is where.
 *
 * Drain: RX off on every core; once all say that nothing more comes in, wait until none of them holds a frame and none
 * has moved one for two rounds of housekeeping on every core: then nothing is under way between them either. What does
 * not leave within the patience is stopped and counted as such.
 */
#include "lib/engine/engine_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_PATIENCE_NS 2000000000ull /* without any frame moving */
#define START_PATIENCE_NS 5000000000ull
#define SECOND_NS         1000000000ull

enum watch { WATCH_ON, WATCH_DRAIN, WATCH_STOP };

struct watch_state {
    const struct mr_run_options *options;
    int signal_fd;
    sigset_t old_mask;
    uint32_t asked;        /* signals and stop_fd events so far */
    uint64_t next_second;  /* ns */
    uint64_t interval_ns;  /* when the last interval was noted */
    uint64_t last_rx, last_rx_ns;
    struct mr_totals before;
    struct mr_histogram *latency, *latency_before;
};

/* ---- creating ---- */

int mr_engine_create(const struct mr_config *cfg, struct mr_engine **out, struct mr_error *err)
{
    struct mr_engine *e = calloc(1, sizeof *e);
    *out = NULL;
    if (e == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the engine");
    }
    e->create_ns = mr_now_ns();
    e->config = cfg;
    e->clock = mr_clock_get();
    int rc = mr_plan_make(cfg, &e->plan, err);
    if (rc == 0) {
        rc = mr_engine_build(e, err);
    }
    if (rc < 0) {
        mr_engine_destroy(e);
        return rc;
    }
    *out = e;
    return 0;
}

void mr_engine_destroy(struct mr_engine *e)
{
    if (e == NULL) {
        return;
    }
    if (e->plan != NULL) {
        mr_engine_unbuild(e);
    }
    mr_plan_free(e->plan);
    free(e);
}

/* ---- cores ---- */

static void command(struct mr_engine *e, enum mr_command what)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        mr_store_release(&e->cores[i]->command, what);
    }
}

static void join_all(struct mr_engine *e)
{
    command(e, MR_COMMAND_STOP);
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (e->cores[i]->started) {
            pthread_join(e->cores[i]->thread, NULL);
            e->cores[i]->started = false;
        }
    }
}

static bool all_reached(struct mr_engine *e, uint32_t state)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (mr_load_acquire(&e->cores[i]->state) < state) {
            return false;
        }
    }
    return true;
}

static void nap(uint64_t ns)
{
    struct timespec t = {0, (long)ns};
    nanosleep(&t, NULL);
}

static int start_cores(struct mr_engine *e, struct mr_error *err)
{
    uint64_t patience = mr_now_ns() + START_PATIENCE_NS;
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        struct mr_core *c = e->cores[i];
        char name[16];
        snprintf(name, sizeof name, "mr-core-%u", c->cpu % 1000);
        int rc = mr_thread_start(&c->thread, c->cpu, name, mr_core_main, c, err);
        if (rc < 0) {
            return rc;
        }
        c->started = true;
    }
    while (!all_reached(e, MR_CORE_RUNNING)) {
        if (mr_now_ns() > patience) {
            return mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "a core did not start within 5 s; is its CPU taken by a "
                                                              "real-time process?");
        }
        nap(50000);
    }
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (mr_load_acquire(&e->cores[i]->state) == MR_CORE_FAILED) {
            *err = e->cores[i]->error;
            return err->code;
        }
    }
    return 0;
}

/* ---- watching ---- */

static bool rx_ended(struct mr_engine *e, bool sources_only)
{
    uint32_t ended = 0;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_rxq; q++) {
            bool source = !e->ports[p]->driver->caps.needs_device;
            bool over = mr_load_acquire(&e->ports[p]->rxq[q]->ended) != 0;
            if (!over && (source || !sources_only)) {
                return false;
            }
            ended += over;
        }
    }
    return ended != 0;
}

static uint64_t device_rx(struct mr_engine *e)
{
    struct mr_totals t;
    mr_engine_totals(e, &t);
    return t.rx_frames;
}

static bool sources_over(struct mr_engine *e, struct watch_state *w, uint64_t now)
{
    if (rx_ended(e, false)) {
        return true;
    }
    if (w->options->linger_ns == 0 || !rx_ended(e, true)) {
        return false;
    }
    uint64_t rx = device_rx(e);
    if (rx != w->last_rx || w->last_rx_ns == 0) {
        w->last_rx = rx;
        w->last_rx_ns = now;
    }
    return now - w->last_rx_ns > w->options->linger_ns;
}

static void note_interval(struct mr_engine *e, struct watch_state *w, uint64_t now)
{
    struct mr_totals t;
    struct mr_interval in = {.seconds = (double)(now - e->start_ns) / 1e9};
    mr_engine_totals(e, &t);
    memset(w->latency, 0, sizeof *w->latency);
    mr_engine_latency(e, w->latency, NULL);
    in.period = (double)(now - w->interval_ns) / 1e9;
    w->interval_ns = now;
    in.rx_frames = t.rx_frames - w->before.rx_frames;
    in.tx_frames = t.tx_frames - w->before.tx_frames;
    in.made_frames = t.made_frames - w->before.made_frames;
    in.drops = t.all_drops - w->before.all_drops;
    in.outside = t.outside - w->before.outside;
    struct mr_histogram *was = w->latency_before;
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) { // what this second added
        uint64_t sum = w->latency->buckets[i];
        w->latency->buckets[i] -= was->buckets[i];
        was->buckets[i] = sum;
    }
    w->latency->count -= was->count;
    was->count += w->latency->count;
    uint64_t unit = 1u << MR_TICK_SHIFT;
    in.p50_ns = mr_ticks_to_ns(e->clock, mr_histogram_quantile(w->latency, 0.50) * unit);
    in.p99_ns = mr_ticks_to_ns(e->clock, mr_histogram_quantile(w->latency, 0.99) * unit);
    w->before = t;
    if (e->n_intervals < MR_INTERVALS_MAX) {
        e->intervals[e->n_intervals++] = in;
    }
    if (w->options->each_second != NULL) {
        w->options->each_second(&in, w->options->arg);
    }
}

/* Something asked to end: a signal, or the program by its descriptor. */
static void hear(struct watch_state *w, const struct pollfd *fds)
{
    if (fds[0].revents & POLLIN) {
        struct signalfd_siginfo info;
        while (read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
            w->asked++;
        }
    }
    if (fds[1].revents & (POLLIN | POLLHUP)) {
        char byte;
        w->asked += read(fds[1].fd, &byte, 1) <= 0 ? 2 : 1; // the other end is gone: nobody could ask again
    }
}

static void listen_for(struct watch_state *w, uint64_t ns)
{
    struct pollfd fds[2] = {{.fd = w->signal_fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    struct timespec t = {(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};
    if (w->options->stop_fd != NULL && w->asked < 2) {
        fds[1].fd = *w->options->stop_fd;
    }
    if (ppoll(fds, 2, &t, NULL) > 0) {
        hear(w, fds);
    }
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until somebody asks, the time is over, or nothing more can come. */
static void watch(struct mr_engine *e, struct watch_state *w)
{
    uint64_t end = w->options->for_ns == 0 ? UINT64_MAX : e->start_ns + w->options->for_ns;
    w->interval_ns = e->start_ns;
    w->next_second = e->start_ns + SECOND_NS;
    for (;;) {
        uint64_t now = mr_now_ns();
        mr_engine_look_for_events(e, now);
        if (now >= w->next_second) {
            note_interval(e, w, now);
            w->next_second = now + SECOND_NS - (now - e->start_ns) % SECOND_NS; // the next whole one: none is made up for
        }
        const char *why = w->asked != 0 ? "signal" : now >= end ? "time" : sources_over(e, w, now) ? "sources ended" : NULL;
        if (why != NULL) {
            snprintf(e->ended_by, sizeof e->ended_by, "%s", why);
            return;
        }
        uint64_t next = earliest(earliest(w->next_second, end), now + 5000000); // 5 ms: how late an end is seen
        listen_for(w, next - now);
    }
}

/* ---- draining ---- */

struct round {
    uint64_t holding, moved;
    uint32_t epoch[MR_CORES_MAX];
};

static void look(struct mr_engine *e, struct round *r)
{
    *r = (struct round){0};
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        r->epoch[i] = mr_load_acquire(&e->cores[i]->epoch);
        r->holding += mr_counted(&e->cores[i]->holding);
        r->moved += mr_counted(&e->cores[i]->moved);
    }
}

static bool two_rounds_later(const struct mr_engine *e, const struct round *then, const struct round *now)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (now->epoch[i] - then->epoch[i] < 2) {
            return false;
        }
    }
    return true;
}

static void drain(struct mr_engine *e, struct watch_state *w)
{
    struct round then;
    struct round now;
    command(e, MR_COMMAND_RX_OFF);
    look(e, &then);
    uint64_t moved_ns = mr_now_ns();
    while (w->asked < 2) {
        listen_for(w, 200000);
        look(e, &now);
        if (now.moved != then.moved || now.holding != 0 || !all_reached(e, MR_CORE_QUIET)) {
            moved_ns = now.moved != then.moved ? mr_now_ns() : moved_ns;
            if (mr_now_ns() - moved_ns > DRAIN_PATIENCE_NS) {
                snprintf(e->ended_by, sizeof e->ended_by, "drain gave up after 2 s without progress");
                return;
            }
            then = now;
        } else if (two_rounds_later(e, &then, &now)) {
            return;
        }
    }
    snprintf(e->ended_by, sizeof e->ended_by, "stopped by a second signal");
    e->exit_code = 130;
}

/* ---- running ---- */

static int open_watch(struct watch_state *w, const struct mr_run_options *options, struct mr_error *err)
{
    *w = (struct watch_state){.options = options, .signal_fd = -1};
    w->latency = calloc(1, sizeof *w->latency);
    w->latency_before = calloc(1, sizeof *w->latency_before);
    if (w->latency == NULL || w->latency_before == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the live line");
    }
    if (options->signals) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set, &w->old_mask); // before any core starts: they inherit it
        w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (w->signal_fd < 0) {
            return mr_error_set(err, MR_FAULT_MACHINE, errno, "cannot watch signals: %s", strerror(errno));
        }
    }
    return 0;
}

/* Signals nobody read, a third Ctrl-C, go here: let through, they would kill the process before its report is out. */
static void close_watch(struct watch_state *w)
{
    if (w->signal_fd >= 0) {
        struct signalfd_siginfo info;
        while (read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        }
        close(w->signal_fd);
        pthread_sigmask(SIG_SETMASK, &w->old_mask, NULL);
    }
    free(w->latency);
    free(w->latency_before);
}

static void meter(struct mr_engine *e, bool before)
{
    mr_usage_process(before ? &e->usage_before : &e->usage_after);
    *(before ? &e->cpu_ns_before : &e->cpu_ns_after) = mr_process_cpu_ns();
    e->system_known = mr_system_time(before ? &e->system_before : &e->system_after) == 0;
}

int mr_engine_run(struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err)
{
    struct watch_state w = {.signal_fd = -1};
    int rc = e->ran ? mr_error_set(err, MR_FAULT_RUN, EALREADY, "an engine runs once; create another one") : 0;
    if (rc == 0) {
        rc = open_watch(&w, options, err);
    }
    if (rc < 0) {
        close_watch(&w);
        return rc;
    }
    e->ran = true;
    e->on_event = options->event;
    e->on_event_arg = options->arg;
    meter(e, true);
    rc = start_cores(e, err);
    if (rc == 0) {
        e->start_ns = mr_now_ns();
        if (options->started != NULL) {
            options->started(options->arg);
        }
        watch(e, &w);
        e->stop_ns = mr_now_ns();
        drain(e, &w);
        e->end_ns = mr_now_ns();
        mr_engine_look_for_events(e, e->end_ns);
    }
    meter(e, false);
    join_all(e);
    if (rc == 0) {
        mr_engine_settle(e);
        rc = e->exit_code;
    }
    close_watch(&w);
    return rc;
}
