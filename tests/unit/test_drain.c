/* The end of a run, look by look: the cores are written by hand, in the moments in which control would wait for them, and
 * time is too. What happens between two accesses of a look is for tests/model/stop.pml; here each condition of drain.c
 * stands alone, and the number of looks tells whether it holds. */
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/engine/watch.h"

#include <string.h>

enum { CORES = 3, LOOKS_MAX = 50, PORTS = 2 };

static uint32_t looks, settles;

static void count_settle(struct mr_port *const *ports, uint32_t n)
{
    settles++;
    cr_assert(n == PORTS && ports[PORTS - 1] != NULL);
}

static struct mr_plan plan = {.n_cores = CORES};
static struct mr_rxq queue;
static const struct mr_driver driver = {.rx_settle = count_settle};
static struct mr_port port = {.driver = &driver, .n_rxq = 1, .rxq = {&queue}}, other = {.driver = &driver};
static struct mr_config *config;
static struct mr_engine engine = {.plan = &plan, .ports = {&port, &other}};
static struct mr_core cores[CORES];
static struct mr_watch watch;
static uint64_t now_ns;
static bool stuck;
static void (*between)(void); /* what the cores do while control waits */

/* Linked in place of control's own: see meson.build. */
void __wrap_mr_watch_listen(struct mr_watch *w, uint64_t ns);
void __wrap_mr_check_step(struct mr_engine *e, struct mr_watch *w, uint64_t now);
void __wrap_mr_stuck_look(struct mr_engine *e, struct mr_watch *w);
bool __wrap_mr_stuck_over(struct mr_engine *e, struct mr_watch *w);
uint64_t __wrap_mr_now_ns(void);

void __wrap_mr_watch_listen(struct mr_watch *w, uint64_t ns)
{
    (void)ns;
    cr_assert_lt(looks++, LOOKS_MAX, "it does not end");
    between();
    cr_assert_eq(w, &watch);
}

void __wrap_mr_check_step(struct mr_engine *e, struct mr_watch *w, uint64_t now)
{
    (void)e, (void)w, (void)now;
}

void __wrap_mr_stuck_look(struct mr_engine *e, struct mr_watch *w)
{
    (void)e, (void)w;
}

bool __wrap_mr_stuck_over(struct mr_engine *e, struct mr_watch *w)
{
    (void)e, (void)w;
    return stuck;
}

uint64_t __wrap_mr_now_ns(void)
{
    return now_ns;
}

/* Every core has been round so often. */
static void rounds(uint32_t n)
{
    for (uint32_t i = 0; i < CORES; i++) {
        cores[i].epoch += n;
    }
}

static void states(uint32_t state)
{
    for (uint32_t i = 0; i < CORES; i++) {
        cores[i].state = state;
    }
}

/* How many looks a drain takes, the first one left out. */
static uint32_t drain(void (*script)(void))
{
    config = mr_config_create();
    config->n_ports = PORTS;
    strcpy(config->ports[0].name, "left");
    engine.config = config;
    for (uint32_t i = 0; i < CORES; i++) {
        engine.cores[i] = &cores[i];
        cores[i].epoch = UINT32_MAX - 1; // epochs are compared by difference
    }
    looks = settles = 0;
    between = script;
    mr_drain(&engine, &watch);
    mr_config_destroy(config);
    cr_expect_eq(cores[CORES - 1].command, MR_COMMAND_RX_OFF);
    cr_expect_eq(settles, looks, "in each look once, for both ports of the driver");
    return looks;
}

static void two_rounds(void)
{
    rounds(2);
}

static void one_round(void)
{
    rounds(1);
}

/* The last core is slow: it makes a round in two looks. */
static void last_one_slow(void)
{
    rounds(1);
    cores[CORES - 1].epoch -= looks % 2;
}

Test(drain, two_rounds_of_every_core)
{
    states(MR_CORE_QUIET);
    cr_expect_eq(drain(two_rounds), 1);
    cr_expect_eq(drain(one_round), 2);
    cr_expect_eq(drain(last_one_slow), 4);
    cr_expect_eq(engine.exit_code, 0);
}

static void empty_from_the_third_on(void)
{
    rounds(5);
    cores[1].holding = looks < 3;
}

/* Something inside at the second look: the third finds nothing, the fourth confirms it. */
Test(drain, two_looks_that_find_nothing)
{
    states(MR_CORE_QUIET);
    cores[1].holding = 1;
    cr_expect_eq(drain(empty_from_the_third_on), 4);
}

static void something_at_the_second(void)
{
    rounds(5);
    cores[1].holding = looks == 1;
}

/* The first look was too early to see it. */
Test(drain, nothing_inside_at_the_second_look_either)
{
    states(MR_CORE_QUIET);
    cr_expect_eq(drain(something_at_the_second), 3);
}

static void moves_until_the_third(void)
{
    rounds(5);
    cores[2].moved += looks <= 3;
}

Test(drain, nothing_moved_between_them)
{
    states(MR_CORE_QUIET);
    cr_expect_eq(drain(moves_until_the_third), 4);
}

static void quiet_from_the_third_on(void)
{
    rounds(5);
    cores[0].state = looks < 3 ? MR_CORE_RUNNING : MR_CORE_QUIET;
}

Test(drain, nothing_more_comes_in)
{
    states(MR_CORE_QUIET);
    cores[0].state = MR_CORE_RUNNING;
    cr_expect_eq(drain(quiet_from_the_third_on), 4);
}

static void asked_again(void)
{
    watch.asked = 1 + looks / 5;
}

Test(drain, a_second_signal_ends_it)
{
    cores[0].holding = 3;
    watch.asked = 1;
    cr_expect_eq(drain(asked_again), 5);
    cr_expect_eq(engine.exit_code, 130);
    cr_expect_str_eq(engine.ended_by, "stopped by a second signal");
}

static void time_goes_by(void)
{
    now_ns += 600000000;
    rounds(400);
    cores[1].moved += looks == 2;
}

/* 2 s and 1000 rounds since the last frame moved, which was between the first and the second look. */
Test(drain, patience_is_time_without_a_frame)
{
    states(MR_CORE_QUIET);
    cores[1].holding = 3;
    cr_expect_eq(drain(time_goes_by), 6);
    cr_expect_eq(engine.exit_code, MR_FAULT_RUN);
}

Test(drain, a_queue_that_cannot_end_says_why)
{
    states(MR_CORE_QUIET);
    cores[1].holding = 3;
    queue.end_error = EPERM;
    drain(time_goes_by);
    cr_expect_str_eq(engine.ended_by, "drain gave up after 2 s without progress: port left cannot stop receiving: "
                                      "Operation not permitted");
}

static void cores_hardly_run(void)
{
    now_ns += 600000000;
    rounds(200);
}

static void time_stands_still(void)
{
    rounds(1000);
    cores[1].holding = looks < 10;
}

Test(drain, patience_is_rounds_too)
{
    states(MR_CORE_QUIET);
    cores[1].holding = 3;
    cr_expect_eq(drain(cores_hardly_run), 5, "1000 rounds, at 200 a look");
    cr_expect_eq(engine.exit_code, MR_FAULT_RUN);
}

Test(drain, rounds_alone_are_no_reason)
{
    states(MR_CORE_QUIET);
    cores[1].holding = 1;
    cr_expect_eq(drain(time_stands_still), 11);
    cr_expect_eq(engine.exit_code, 0);
}

static void silent(void)
{
    stuck = looks == 7;
}

/* A core that is silent ends the wait for its rounds, too, when nothing is inside. */
Test(drain, a_core_that_does_not_come_back_is_not_waited_for)
{
    states(MR_CORE_QUIET);
    cr_expect_eq(drain(silent), 7);
}
