/* round_trip.c: what it costs to send a cache line to another core and have it back. */
#include "lib/sys/clock.h"
#include "lib/sys/thread.h"
#include "lib/sys/topology.h"

#include <millrace/atomic.h>

#include <stdlib.h>

#define WARM_TRIPS  200u
#define PATIENCE_NS 50000000u  /* where a CPU is taken by others, fewer trips must do, */
#define MOST_NS     400000000u /* but some: both threads must once have run at the same time */
#define STOP        UINT32_MAX

/* One line: ping writes odd numbers, pong answers with the even one above. */
struct table {
    uint32_t ball MR_ALIGNED(MR_LINE_PAIR);
    uint32_t trips MR_ALIGNED(MR_LINE_PAIR);
    uint32_t done;
    uint32_t *ticks;
    uint64_t until, at_last;
};

static void *pong(void *arg)
{
    struct table *t = arg;
    for (uint32_t expected = 1;; expected += 2) {
        uint32_t seen;
        while ((seen = mr_load_acquire(&t->ball)) != expected && seen != STOP) {
            mr_pause();
        }
        if (seen == STOP) {
            return NULL;
        }
        mr_store_release(&t->ball, expected + 1);
    }
}

static void *ping(void *arg)
{
    struct table *t = arg;
    uint64_t before = mr_ticks();
    for (uint32_t i = 0; i < t->trips + WARM_TRIPS && before < (t->done != 0 ? t->until : t->at_last); i++) {
        mr_store_release(&t->ball, 2 * i + 1);
        while (mr_load_acquire(&t->ball) != 2 * i + 2) {
            mr_pause();
        }
        uint64_t after = mr_ticks();
        if (i >= WARM_TRIPS) {
            t->ticks[t->done++] = (uint32_t)(after - before);
        }
        before = after;
    }
    mr_store_release(&t->ball, STOP);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

double mr_core_round_trip_ns(uint32_t cpu_a, uint32_t cpu_b, uint32_t trips)
{
    const struct mr_clock *clock = mr_clock_get();
    uint64_t now = mr_ticks();
    struct table t = {.trips = trips,
                      .until = now + mr_ns_to_ticks(clock, PATIENCE_NS),
                      .at_last = now + mr_ns_to_ticks(clock, MOST_NS)};
    pthread_t a, b;
    double ns = -1;
    if (cpu_a == cpu_b || trips == 0 || (t.ticks = calloc(trips, sizeof *t.ticks)) == NULL) {
        return -1;
    }
    if (mr_thread_start(&b, cpu_b, "pong", pong, &t, NULL) == 0) {
        if (mr_thread_start(&a, cpu_a, "ping", ping, &t, NULL) == 0) {
            pthread_join(a, NULL);
        } else {
            mr_store_release(&t.ball, STOP);
        }
        pthread_join(b, NULL);
    }
    if (t.done > 0) {
        qsort(t.ticks, t.done, sizeof *t.ticks, by_size);
        ns = t.ticks[t.done / 2] / clock->ticks_per_ns;
    }
    free(t.ticks);
    return ns;
}
