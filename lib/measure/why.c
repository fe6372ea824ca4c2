#include "lib/measure/why.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const double IDLE_MATTERS = 0.05, LOSS_MATTERS = 0.005;

/* From one start of a process to the next the same row differs by so much: a change is told when it is above both. */
static const double CHANGE_MATTERS = 0.1, CHANGE_MATTERS_NS = 15, CHANGE_MATTERS_CALLS = 0.005;

struct line {
    char *text;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->used, MR_WHY_BYTES - l->used, format, args);
    va_end(args);
    l->used += n > 0 ? (size_t)n : 0;
    l->used = l->used < MR_WHY_BYTES ? l->used : MR_WHY_BYTES - 1;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double busy_of(const struct mr_why *w)
{
    return w->receive_ns + w->work_ns + w->send_ns + w->blocked_ns;
}

/* The parts of the busy time, largest first, but for those that are next to nothing. */
static void say_parts(struct line *l, const struct mr_why *w)
{
    struct {
        const char *name;
        double ns;
    } part[] = {{"send", w->send_ns}, {"receive", w->receive_ns}, {"blocked", w->blocked_ns}, {"work", w->work_ns}};
    const char *between = "";
    double busy = busy_of(w);
    for (int told = 0; told < 4; told++) {
        int most = 0;
        for (int i = 1; i < 4; i++) {
            most = part[i].ns > part[most].ns ? i : most;
        }
        if (busy <= 0 || part[most].ns < 0.02 * busy) {
            break;
        }
        say(l, "%s%s %.0f ns (%.0f %%)", between, part[most].name, part[most].ns, 100 * part[most].ns / busy);
        part[most].ns = -1;
        between = ", ";
    }
}

static void say_change(struct line *l, const char **between, const char *what, double now, double then)
{
    double more = now - then, least = larger(CHANGE_MATTERS_NS, CHANGE_MATTERS * larger(now, then));
    if (fabs(more) > least) {
        say(l, "%s%s %+.0f ns", *between, what, more);
        *between = ", ";
    }
}

/* 2.0 · 0.11 · 0.0025: as many places as tell it apart from nothing. */
static void say_calls(struct line *l, double calls)
{
    say(l, "%.*f", calls >= 1 ? 1 : calls >= 0.01 ? 2 : 4, calls);
}

static void say_changes(struct line *l, const struct mr_why *w, const struct mr_why *a)
{
    const char *between = "";
    say(l, "; against %s: ", a->name);
    size_t begin = l->used;
    if (w->syscalls >= 0 && a->syscalls >= 0 &&
        fabs(w->syscalls - a->syscalls) > larger(CHANGE_MATTERS_CALLS, CHANGE_MATTERS * larger(w->syscalls, a->syscalls))) {
        say(l, "system calls a frame ");
        say_calls(l, a->syscalls);
        say(l, " -> ");
        say_calls(l, w->syscalls);
        between = ", ";
    }
    if (w->copies != a->copies && w->copies >= 0 && a->copies >= 0) {
        say(l, "%scopies %d -> %d", between, a->copies, w->copies);
        between = ", ";
    }
    say_change(l, &between, "receive", w->receive_ns, a->receive_ns);
    say_change(l, &between, "send", w->send_ns, a->send_ns);
    say_change(l, &between, "work", w->work_ns, a->work_ns);
    say_change(l, &between, "blocked", w->blocked_ns, a->blocked_ns);
    if (l->used == begin) {
        say(l, "no part changed by more than noise");
    }
}

static void say_losses(struct line *l, const struct mr_why *w)
{
    if (w->lost_share > LOSS_MATTERS && w->lost_as != NULL) {
        say(l, "; %.*f %% lost, ", w->lost_share < 0.1, 100 * w->lost_share);
        say(l, w->lost_as_share > 0.5 ? "most as %s" : "under several counters, %s the largest", w->lost_as);
    }
    if (w->unnamed_share > LOSS_MATTERS) {
        say(l, "; %.*f %% lost under no counter of the row", w->unnamed_share < 0.1, 100 * w->unnamed_share);
    }
}

const char *mr_why_line(char *text, const struct mr_why *w, const struct mr_why *against)
{
    struct line l = {.text = text};
    text[0] = 0;
    if (busy_of(w) <= 0) {
        say(&l, "no frame went through");
    } else {
        say_parts(&l, w);
        say(&l, "; %.*f frames a batch", w->batch_frames < 10, w->batch_frames);
    }
    if (w->idle_share > IDLE_MATTERS) {
        bool whole = w->lost_share + w->unnamed_share < LOSS_MATTERS;
        say(&l, "; %.0f %% idle%s", 100 * w->idle_share, whole ? ": the source is the limit" : "");
    }
    say_losses(&l, w);
    if (against != NULL) {
        say_changes(&l, w, against);
    }
    return text;
}
