/* drain.c: how a run ends.
 *
 * RX off on every core; once all say that nothing more comes in, wait until two looks find that none of them holds a frame
 * and none has moved one, with two rounds of housekeeping on every core in between: then nothing is under way between
 * them either. One such look is not enough: a frame that was held back before it leaves for the next core unseen, for it
 * was counted as moved when it was taken in (tests/model/stop.pml). What does not leave within the patience is stopped
 * and counted as such; a core that somebody keeps from running is waited for, and one that does not come back at all is
 * left behind (stuck.c).
 */
#include "lib/engine/watch.h"

#include <stdio.h>

#define DRAIN_PATIENCE_NS 2000000000ull /* without any frame moving */
enum { DRAIN_ROUNDS = 1000 };           /* that every core has made meanwhile: a tenth of a second of its own time */

static uint64_t received(const struct mr_engine *e)
{
    uint64_t sum = 0;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_rxq; q++) {
            sum += mr_counted(&e->ports[p]->rxq[q]->frames);
        }
    }
    return sum;
}

/* The sources have ended; devices go on until nothing was received for linger_ns: what is on a wire may come back. */
void mr_linger(struct mr_engine *e, struct mr_watch *w)
{
    uint64_t last_rx = UINT64_MAX, last_ns = mr_now_ns();
    mr_cores_command(e, MR_COMMAND_SOURCES_OFF);
    while (w->asked < 2 && mr_now_ns() - last_ns < w->options->linger_ns) {
        uint64_t rx = received(e);
        last_ns = rx != last_rx || mr_rx_left(e, true) != 0 ? mr_now_ns() : last_ns;
        last_rx = rx;
        mr_watch_listen(w, 1000000);
        mr_check_step(e, w, mr_now_ns());
        mr_stuck_look(e, w);
    }
}

/* Each driver once, and for all its ports together: the wait is as long for one. */
static void settle(struct mr_engine *e)
{
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        const struct mr_driver *driver = e->ports[p]->driver;
        bool first = driver->rx_settle != NULL;
        for (uint32_t before = 0; before < p; before++) {
            first &= e->ports[before]->driver != driver;
        }
        if (first) {
            driver->rx_settle(e->ports, e->config->n_ports);
        }
    }
}

struct round {
    uint64_t ns, holding, moved;
    bool empty; // nothing more comes in, and none holds a frame
    uint32_t epoch[MR_CORES_MAX];
};

/* The states first: a core says that it is quiet after it has told what it holds, so that what came in until then is in
 * the counts that are read next. */
static void look(struct mr_engine *e, struct round *r)
{
    *r = (struct round){.ns = mr_now_ns()};
    bool quiet = mr_cores_reached(e, MR_CORE_QUIET);
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        r->epoch[i] = mr_load_acquire(&e->cores[i]->epoch);
        r->holding += mr_counted(&e->cores[i]->holding);
        r->moved += mr_counted(&e->cores[i]->moved);
    }
    r->empty = quiet && r->holding == 0;
}

static bool rounds_later(const struct mr_engine *e, const struct round *then, const struct round *now, uint32_t rounds)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        if (now->epoch[i] - then->epoch[i] < rounds) {
            return false;
        }
    }
    return true;
}

/* Frames are inside, and none has moved since `moved`. */
static bool out_of_patience(const struct mr_engine *e, const struct round *moved, const struct round *now)
{
    return now->ns - moved->ns > DRAIN_PATIENCE_NS && rounds_later(e, moved, now, DRAIN_ROUNDS);
}

/* A queue whose driver cannot stop receiving says why. */
static void give_up(struct mr_engine *e)
{
    const char *port = "", *why = "";
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_rxq; q++) {
            uint32_t error = mr_load_acquire(&e->ports[p]->rxq[q]->end_error);
            why = error != 0 ? strerror((int)error) : why;
            port = error != 0 ? e->config->ports[p].name : port;
        }
    }
    snprintf(e->ended_by, sizeof e->ended_by, "drain gave up after 2 s without progress%s%.40s%s%.40s", *why == 0 ? "" : ": port ", port,
             *why == 0 ? "" : " cannot stop receiving: ", why);
    e->exit_code = MR_FAULT_RUN;
}

void mr_drain(struct mr_engine *e, struct mr_watch *w)
{
    struct round moved; // when a frame was last seen to have moved
    struct round then;  // when something was last seen inside or on its way, then the first look that found nothing
    struct round now;
    mr_cores_command(e, MR_COMMAND_RX_OFF);
    look(e, &then);
    moved = then;
    while (w->asked < 2) {
        mr_watch_listen(w, 200000);
        settle(e);
        mr_check_step(e, w, mr_now_ns());
        mr_stuck_look(e, w);
        look(e, &now);
        moved = now.moved != then.moved ? now : moved;
        bool still = now.empty && then.empty && now.moved == then.moved;
        if ((still && rounds_later(e, &then, &now, 2)) || mr_stuck_over(e, w)) {
            return;
        }
        if (still) {
            continue;
        }
        if (out_of_patience(e, &moved, &now)) {
            give_up(e);
            return;
        }
        then = now;
    }
    if (w->deaf[0] == 0) {
        snprintf(e->ended_by, sizeof e->ended_by, "stopped by a second signal");
    }
    e->exit_code = e->exit_code != 0 ? e->exit_code : 130;
}
