/* watch.c: what control does while the cores run: seconds, events, signals, and the reasons to end. */
#include "lib/engine/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SECOND_NS 1000000000ull
#define LATE_NS   5000000ull /* how late an end or an event is seen */
#define DEAF_AFTER 1000u // milliseconds without being able to wait

/* ---- opening and closing ---- */

int mr_watch_open(struct mr_watch *w, struct mr_engine *e, const struct mr_run_options *options, struct mr_error *err)
{
    *w = (struct mr_watch){.engine = e, .options = options, .signal_fd = -1};
    w->latency = calloc(1, sizeof *w->latency);
    w->latency_before = calloc(1, sizeof *w->latency_before);
    if (w->latency == NULL || w->latency_before == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the live line; free some");
    }
    if (options->signals) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &set, &w->old_mask); // before any core starts: they inherit it
        w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (w->signal_fd < 0) {
            return mr_error_set(err, MR_FAULT_MACHINE, errno, "cannot watch signals: %s%s", strerror(errno),
                                mr_error_remedy(errno));
        }
    }
    return 0;
}

/* Signals nobody read, a third Ctrl-C, go here: let through, they would kill the process before its report is out. */
void mr_watch_close(struct mr_watch *w)
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

/* ---- a second has passed ---- */

static void note_interval(struct mr_engine *e, struct mr_watch *w, uint64_t now)
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
    mr_links_trouble(e, now, in.trouble, sizeof in.trouble);
    w->before = t;
    if (e->n_intervals < MR_INTERVALS_MAX) {
        e->intervals[e->n_intervals++] = in;
    }
    if (w->options->each_second != NULL) {
        w->options->each_second(&in, w->options->arg);
    }
}

/* ---- reasons to end ---- */

static void ask(struct mr_watch *w, uint32_t times, const char *by)
{
    w->asked_by = w->asked == 0 ? by : w->asked_by;
    w->asked += times;
}

/* Something asked to end: a signal, or the program by its descriptor. */
static void hear(struct mr_watch *w, const struct pollfd *fds)
{
    if (fds[0].revents & POLLIN) {
        struct signalfd_siginfo info;
        while (read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
            if (info.ssi_signo == SIGUSR1) {
                w->check.wanted = true;
            } else {
                ask(w, 1, "signal");
            }
        }
    }
    if (fds[1].revents & (POLLIN | POLLHUP)) {
        char byte;
        ask(w, TEMP_FAILURE_RETRY(read(fds[1].fd, &byte, 1)) <= 0 ? 2 : 1, "program"); // the other end is gone: nobody could ask again
    }
}

/* Nothing wakes control any more: not a signal either, so it must not go on for ever. */
static void cannot_wait(struct mr_watch *w, int error)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (++w->failures == DEAF_AFTER) {
        snprintf(w->deaf, sizeof w->deaf, "control cannot wait for news: %.40s", strerror(error));
        w->engine->exit_code = MR_FAULT_RUN;
        ask(w, 1, w->deaf);
    }
}

void mr_watch_listen(struct mr_watch *w, uint64_t ns)
{
    struct pollfd fds[3] = {{.fd = w->signal_fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    struct timespec t = {(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};
    if (w->options->stop_fd != NULL && w->asked < 2) {
        fds[1].fd = *w->options->stop_fd;
    }
    fds[2] = (struct pollfd){.fd = mr_links_fd(w->engine), .events = POLLIN};
    int n = ppoll(fds, 3, &t, NULL);
    if (n < 0) {
        cannot_wait(w, errno);
    } else {
        w->failures = 0;
        hear(w, fds);
    }
    mr_links_look(w->engine, mr_now_ns());
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* One that has halted goes on once its core hears that the device is back; `halted` goes down behind `ended`. */
static bool delivers(const struct mr_engine *e, uint32_t p, const struct mr_rxq *q)
{
    return mr_links_gone(e, p) ? mr_links_may_return(e, p)
                               : mr_load_acquire(&q->halted) != 0 || mr_load_acquire(&q->ended) == 0;
}

uint32_t mr_rx_left(const struct mr_engine *e, bool sources_only)
{
    uint32_t left = 0;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        bool counts = !sources_only || !e->ports[p]->driver->caps.needs_device;
        for (uint32_t q = 0; counts && q < e->ports[p]->n_rxq; q++) {
            left += delivers(e, p, e->ports[p]->rxq[q]);
        }
    }
    return left;
}

static bool has_source(const struct mr_engine *e)
{
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        if (!e->ports[p]->driver->caps.needs_device && e->ports[p]->n_rxq != 0) {
            return true;
        }
    }
    return false;
}

/* With linger, sources decide; an engine of devices only runs until it is told. */
static bool nothing_more(const struct mr_engine *e, const struct mr_watch *w)
{
    bool sources_only = w->options->linger_ns != 0;
    return mr_rx_left(e, sources_only) == 0 && (!sources_only || has_source(e));
}

static bool all_gone(const struct mr_engine *e)
{
    bool any = false;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        any |= e->ports[p]->n_rxq != 0 && mr_links_gone(e, p);
        if (e->ports[p]->n_rxq != 0 && !mr_links_gone(e, p)) {
            return false;
        }
    }
    return any;
}

static const char *why_end(const struct mr_engine *e, const struct mr_watch *w, uint64_t now, uint64_t end)
{
    if (w->asked != 0) {
        return w->asked_by;
    }
    if (now >= end) {
        return "time";
    }
    return !nothing_more(e, w) ? NULL : all_gone(e) ? "every receiving device is gone" : "sources ended";
}

void mr_watch(struct mr_engine *e, struct mr_watch *w)
{
    uint64_t end = w->options->for_ns == 0 ? UINT64_MAX : e->start_ns + w->options->for_ns;
    w->interval_ns = e->start_ns;
    w->next_second = e->start_ns + SECOND_NS;
    for (;;) {
        uint64_t now = mr_now_ns();
        mr_engine_look_for_events(e, now);
        mr_taps_look(e, now);
        mr_check_step(e, w, now);
        mr_stuck_look(e, w);
        if (now >= w->next_second) {
            note_interval(e, w, now);
            w->next_second = now + SECOND_NS - (now - e->start_ns) % SECOND_NS; // the next whole one: none is made up for
        }
        const char *why = why_end(e, w, now, end);
        if (why != NULL) {
            snprintf(e->ended_by, sizeof e->ended_by, "%s", why);
            e->exit_code = w->asked == 0 && now < end && all_gone(e) ? MR_FAULT_RUN : e->exit_code;
            return;
        }
        uint64_t next = earliest(earliest(w->next_second, end), now + earliest(LATE_NS, mr_check_due(w, now)));
        mr_watch_listen(w, next - now);
    }
}
