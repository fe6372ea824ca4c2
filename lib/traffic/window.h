/* window.h: at most so many frames between a source and a sink of one process.
 *
 * The source's queues take room before they make frames; the sink's queues count what came back. `taken` is shared by
 * the source's queues (compare and swap, once a burst and only with a window), each `returned` is written by one sink
 * queue and read by the source. What is outstanding never exceeds the window, whatever the cores do at the same time.
 *
 * A frame that the engine drops or a wire loses never comes back, and would hold its place for ever. So when nothing has
 * come back for a timeout although the window is full, all that is outstanding is given up: one stall is counted and the
 * whole window is free again. A road without loss has 0 stalls.
 */
#ifndef MILLRACE_TRAFFIC_WINDOW_H
#define MILLRACE_TRAFFIC_WINDOW_H

#include <millrace/atomic.h>

struct mr_window {
    uint64_t taken MR_ALIGNED(MR_LINE_PAIR); /* the source's queues write and read */
    uint64_t stalls; /* by the source's queues, read by control */
};

/* One source queue's own view. */
struct mr_window_watch {
    uint64_t taken, returned; /* last seen */
    uint64_t since;           /* tick at which one of them changed; 0 = not looked yet */
};

/* Nothing came back for the whole timeout: give up what is outstanding. Only one queue can win the swap. */
static inline void mr_window_stalled(struct mr_window *w, uint64_t taken, uint64_t returned)
{
    if (__atomic_compare_exchange_n(&w->taken, &taken, returned, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&w->stalls, 1, __ATOMIC_RELAXED);
    }
}

/* mr_window_take: room for up to n frames in a window of `frames`, `returned` having come back so far. Frames that were
 * given up and come back late after all are taken for newer ones: after a stall twice the window may be under way. */
static inline uint32_t mr_window_take(struct mr_window *w, struct mr_window_watch *watch, uint32_t frames,
                                      uint64_t returned, uint64_t now, uint64_t timeout_ticks, uint32_t n)
{
    uint64_t taken = __atomic_load_n(&w->taken, __ATOMIC_RELAXED);
    if (returned != watch->returned || taken != watch->taken || watch->since == 0) {
        *watch = (struct mr_window_watch){taken, returned, now};
    }
    uint32_t take;
    uint64_t then;
    do {
        int64_t outstanding = (int64_t)(taken - returned);
        uint64_t under_way = outstanding > 0 ? (uint64_t)outstanding : 0;
        uint64_t room = under_way < frames ? frames - under_way : 0;
        take = room < n ? (uint32_t)room : n;
        then = returned + under_way + take;
    } while (take != 0 &&
             !__atomic_compare_exchange_n(&w->taken, &taken, then, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (take == 0 && n != 0 && now - watch->since > timeout_ticks) {
        mr_window_stalled(w, taken, returned);
        watch->since = now;
    }
    return take;
}

/* mr_window_give: k frames of what was taken were not made after all. */
static inline void mr_window_give(struct mr_window *w, uint32_t k)
{
    __atomic_fetch_sub(&w->taken, k, __ATOMIC_RELAXED);
}

#endif
