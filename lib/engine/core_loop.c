#include "lib/engine/core_loop.h"

#include "lib/sys/clock.h"

#include <sched.h>
#include <unistd.h>

enum { SPLIT_EVERY = 64 }; // passes between two whose time is split
#define DETACH_NS 300000000ull
enum { STACK_BYTES = 64 << 10, PAGE_BYTES = 4096 }; // of a core's stack: touched before the first pass; the smallest page

static uint32_t doorbells(struct mr_core *c, uint32_t what)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < c->n_io; i++) {
        seen += c->io[i]->driver->doorbell(c->io[i], what);
    }
    return seen;
}

static uint32_t pass(struct mr_core *c, uint64_t now)
{
    uint32_t moved = 0;
    for (uint32_t i = 0; i < c->n_stages; i++) {
        moved += c->stages[i]->poll(c->stages[i], now);
    }
    if (c->n_io != 0) {
        moved += doorbells(c, MR_DOORBELL_SEND | MR_DOORBELL_RECEIVE);
    }
    return moved;
}

/* The same pass with the clock read around each part, and with two doorbells instead of one, so that the kernel's time
 * for sending and receiving is told apart. */
static uint32_t pass_split(struct mr_core *c, uint64_t now)
{
    uint64_t spent[3] = {0, 0, 0};
    uint64_t from = now;
    uint64_t to;
    uint32_t moved = 0;
    for (uint32_t i = 0; i < c->n_stages; i++, from = to) {
        moved += c->stages[i]->poll(c->stages[i], now);
        to = mr_ticks();
        spent[c->stages[i]->kind] += to - from;
    }
    if (c->n_io != 0) {
        moved += doorbells(c, MR_DOORBELL_SEND);
        to = mr_ticks();
        spent[MR_STAGE_TX] += to - from;
        moved += doorbells(c, MR_DOORBELL_RECEIVE);
        spent[MR_STAGE_RX] += mr_ticks() - to;
    }
    for (uint32_t k = 0; k < 3 && moved != 0; k++) {
        mr_count(&c->time.sampled[k], spent[k]);
    }
    return moved;
}

static bool blocked(const struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_stages; i++) {
        if (c->stages[i]->blocked != 0) {
            return true;
        }
    }
    return false;
}

static void note_gap(struct mr_core *c, uint64_t now, uint64_t ticks)
{
    mr_count(&c->time.gaps, 1);
    mr_count(&c->time.gap_ticks, ticks);
    if (ticks > c->time.gap_max) {
        __atomic_store_n(&c->time.gap_max, ticks, __ATOMIC_RELAXED);
    }
    uint32_t end = (uint32_t)(now >> MR_TICK_SHIFT);
    __atomic_store_n(&c->last_gap, end != 0 ? end : 1u, __ATOMIC_RELAXED);
}

/* File the pass that just ended: it took so many ticks and moved so much. */
static void file_pass(struct mr_core *c, uint64_t now, uint64_t ticks, uint32_t moved)
{
    if (moved != 0) {
        mr_count(&c->time.busy, ticks);
    } else if (blocked(c)) {
        mr_count(&c->time.blocked, ticks);
    } else {
        mr_count(&c->time.idle, ticks);
    }
    if (MR_UNLIKELY(ticks > c->gap_limit) && ticks > c->gap_limit + moved * c->gap_per_frame) {
        note_gap(c, now, ticks);
    }
}

/* The io that sleeps for the core; NULL: a core polls, and gives way only where two cores are one CPU. */
static struct mr_io *waiter(const struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_io; i++) {
        if (c->io[i]->waits) {
            return c->io[i];
        }
    }
    return NULL;
}

/* Only when nothing is under way: neither a batch nor a frame that the device would not take waits for a core that sleeps.
 * Returns how long it slept: idle time, and no gap. */
static uint64_t sleep_in(struct mr_core *c, struct mr_io *io)
{
    for (uint32_t i = 0; i < c->n_stages; i++) {
        if (c->stages[i]->holding(c->stages[i]) != 0) {
            return 0;
        }
    }
    uint64_t from = mr_ticks();
    if (io->driver->doorbell(io, MR_DOORBELL_WAIT) == 0) {
        return 0;
    }
    uint64_t ticks = mr_ticks() - from;
    ticks = ticks < c->sleep_limit ? ticks : c->sleep_limit; // what is longer the host took, and that is a gap
    mr_count(&c->time.idle, ticks);
    return ticks;
}

static void idle(const struct mr_core *c)
{
    if (c->shares_cpu) {
        sched_yield();
    } else {
        mr_pause();
    }
}

static bool all_quiet(struct mr_core *c)
{
    bool quiet = true;
    for (uint32_t i = 0; i < c->n_stages; i++) {
        quiet &= c->stages[i]->quiesce(c->stages[i]);
    }
    return quiet;
}

/* Only what makes frames out of nothing; devices still receive what comes back. */
static void end_sources(struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_stages; i++) {
        struct mr_stage *s = c->stages[i];
        if (s->kind == MR_STAGE_RX && !MR_CONTAINER_OF(s, struct mr_stage_rx, stage)->q->port->driver->caps.needs_device) {
            s->quiesce(s);
        }
    }
}

/* The kernel moves a thread whose CPU is taken away without a word, and nothing breaks: only figures mean less. */
static void look_where(struct mr_core *c)
{
    uint32_t cpu = (uint32_t)sched_getcpu();
    if (cpu != c->on_cpu) {
        __atomic_store_n(&c->on_cpu, cpu, __ATOMIC_RELAXED);
    }
    if (MR_UNLIKELY(cpu != c->cpu)) {
        mr_count(&c->off_core, 1);
    }
}

/* Timers, mail, and what control may know. Returns false when the core shall end. */
static bool housekeeping(struct mr_core *c, uint64_t now)
{
    uint64_t holding = 0;
    uint64_t moved = 0;
    for (uint32_t i = 0; i < c->n_stages; i++) {
        struct mr_stage *s = c->stages[i];
        s->tick(s, now);
        holding += s->holding(s);
        moved += s->counters.frames;
    }
    look_where(c);
    __atomic_store_n(&c->holding, holding, __ATOMIC_RELAXED);
    __atomic_store_n(&c->moved, moved, __ATOMIC_RELAXED);
    uint32_t command = mr_load_acquire(&c->command);
    if (command == MR_COMMAND_SOURCES_OFF) {
        end_sources(c);
    }
    if (command == MR_COMMAND_RX_OFF && c->state == MR_CORE_RUNNING && all_quiet(c)) {
        mr_store_release(&c->state, MR_CORE_QUIET);
    }
    uint32_t wanted = mr_load_acquire(&c->cut_wanted);
    if (wanted != c->cut_taken) {
        mr_cut_take(c);
        mr_store_release(&c->cut_taken, wanted);
    }
    mr_store_release(&c->epoch, c->epoch + 1);
    return command != MR_COMMAND_STOP;
}

static void loop(struct mr_core *c)
{
    uint64_t last = mr_ticks();
    uint64_t next_housekeeping = last + c->housekeeping_ticks;
    uint32_t moved = 0;
    struct mr_io *io = waiter(c);
    c->time.begin = last;
    for (;;) {
        uint64_t now = mr_ticks();
        file_pass(c, now, now - last, moved);
        last = now;
        if (MR_UNLIKELY(now >= next_housekeeping)) {
            bool go_on = housekeeping(c, now);
            now = mr_ticks();
            mr_count(&c->time.housekeeping, now - last);
            last = now;
            next_housekeeping = now + c->housekeeping_ticks;
            if (!go_on) {
                break;
            }
        }
        mr_count(&c->passes, 1);
        c->sampling = c->passes % SPLIT_EVERY == 0;
        moved = c->sampling ? pass_split(c, now) : pass(c, now);
        if (moved == 0) {
            uint64_t slept = MR_UNLIKELY(io != NULL) ? sleep_in(c, io) : 0;
            last += slept;
            if (slept == 0) {
                idle(c);
            }
        }
    }
    c->time.end = last;
}

static bool attach(struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_io; i++) {
        if (c->io[i]->driver->attach != NULL && c->io[i]->driver->attach(c->io[i], &c->error) < 0) {
            return false;
        }
    }
    return true;
}

/* Sends under way end here or are given up; their chunks go home either way that the driver knows of. */
static void detach(struct mr_core *c)
{
    for (uint32_t i = 0; i < c->n_io; i++) {
        if (c->io[i]->driver->detach != NULL) {
            c->io[i]->driver->detach(c->io[i], mr_now_ns() + DETACH_NS);
        }
    }
    for (uint32_t i = 0; i < c->n_stages; i++) {
        if (c->stages[i]->kind == MR_STAGE_TX) {
            mr_stage_tx_finish(MR_CONTAINER_OF(c->stages[i], struct mr_stage_tx, stage), mr_ticks());
        }
    }
}

/* All cores start together: one that worked before the others would fill rings that nobody empties. */
static void wait_for_start(const struct mr_core *c)
{
    while (mr_load_acquire(&c->command) == MR_COMMAND_WAIT) {
        sched_yield();
    }
}

/* Calls go deeper later than they went so far: a work function's, or the dynamic linker's where a function is called for
 * the first time. */
static __attribute__((noinline)) void touch_stack(void)
{
    char deep[STACK_BYTES];
    for (uint32_t i = 0; i < sizeof deep; i += PAGE_BYTES) {
        __atomic_store_n(&deep[i], 0, __ATOMIC_RELAXED);
    }
}

void *mr_core_main(void *arg)
{
    struct mr_core *c = (struct mr_core *)arg;
    __atomic_store_n(&c->tid, gettid(), __ATOMIC_RELAXED);
    touch_stack();
    if (!attach(c)) {
        mr_store_release(&c->state, MR_CORE_FAILED);
        return NULL;
    }
    mr_store_release(&c->state, MR_CORE_RUNNING);
    wait_for_start(c);
    mr_usage_thread(&c->usage_before);
    loop(c);
    detach(c);
    mr_usage_thread(&c->usage);
    mr_store_release(&c->state, MR_CORE_ENDED);
    return NULL;
}
