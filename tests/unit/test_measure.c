/* Statistics, the search for a rate, and the line that says why: all pure, so all told in numbers. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "lib/measure/box.h"
#include "lib/measure/estimate.h"
#include "lib/measure/search.h"
#include "lib/measure/why.h"

#include <math.h>
#include <string.h>

/* ---- estimate ---- */

Test(measure, median_of_odd_even_and_none)
{
    const double v[] = {5, 1, 4, 2};
    cr_assert(eq(dbl, mr_median(v, 3), 4));
    cr_assert(eq(dbl, mr_median(v, 4), 3));
    cr_assert(eq(dbl, mr_median(v, 0), 0));
}

Test(measure, few_rounds_give_their_range_and_say_so)
{
    const double v[] = {3, NAN, 1, 2};
    const struct mr_estimate e = mr_estimate(v, 4, 7);
    cr_assert(eq(u32, e.n, 3), "a round that was not measured is left out");
    cr_assert(e.range);
    cr_assert(eq(dbl, e.median, 2));
    cr_assert(eq(dbl, e.low, 1));
    cr_assert(eq(dbl, e.high, 3));
    cr_assert(eq(u32, mr_estimate(v + 1, 1, 7).n, 0));
    cr_assert(isnan(mr_estimate(v + 1, 1, 7).median));
}

Test(measure, a_round_that_measured_nothing_is_a_value)
{
    const double v[] = {0, 5, 0};
    const struct mr_estimate e = mr_estimate(v, 3, 7);
    cr_assert(eq(u32, e.n, 3));
    cr_assert(eq(dbl, e.median, 0), "two rounds of three let nothing through");
    cr_assert(eq(dbl, e.high, 5));
    const double theirs[] = {2, 2, 0};
    const struct mr_estimate ratio = mr_estimate_ratio(v, theirs, 3, 7);
    cr_assert(eq(u32, ratio.n, 2), "none by nothing");
    cr_assert(eq(dbl, ratio.low, 0));
    const struct mr_estimate by = mr_estimate_quotient(v, 3, theirs, 3, 7);
    cr_assert(eq(dbl, by.median, 0));
    cr_assert(isinf(by.high));
    cr_assert(eq(u32, mr_estimate_quotient(theirs, 3, v, 3, 7).n, 0));
}

/* Of samples whose true median is 100, the interval must hold it in about 95 of 100 cases. */
Test(measure, the_interval_holds_the_true_median_as_often_as_it_says)
{
    uint64_t random = 42;
    uint32_t held = 0;
    enum { TRIES = 400, VALUES = 25 };
    for (uint32_t t = 0; t < TRIES; t++) {
        double v[VALUES];
        for (uint32_t i = 0; i < VALUES; i++) {
            v[i] = 50 + (double)(mr_random(&random) % 100001) / 1000;
        }
        const struct mr_estimate e = mr_estimate(v, VALUES, t + 1);
        cr_assert(not(e.range));
        held += e.low <= 100 && e.high >= 100;
    }
    cr_assert(ge(u32, held, TRIES * 90 / 100));
    cr_assert(le(u32, held, TRIES * 99 / 100), "%u of %d: an interval that always holds says nothing", held, TRIES);
}

Test(measure, the_same_seed_gives_the_same_interval)
{
    const double v[] = {9, 7, 8, 6, 5, 9.5, 7.5, 8.5};
    const struct mr_estimate a = mr_estimate(v, 8, 1), b = mr_estimate(v, 8, 1);
    cr_assert(eq(dbl, a.low, b.low));
    cr_assert(eq(dbl, a.high, b.high));
}

Test(measure, ratios_are_taken_within_rounds)
{
    const double ours[] = {2, 20, 200, NAN}, theirs[] = {1, 10, 100, 5};
    const struct mr_estimate e = mr_estimate_ratio(ours, theirs, 4, 1);
    cr_assert(eq(u32, e.n, 3));
    cr_assert(eq(dbl, e.median, 2));
    cr_assert(eq(dbl, e.low, 2), "rounds a hundred times apart, and still the ratio is sure");
    cr_assert(eq(dbl, e.high, 2));
}

Test(measure, quotients_of_runs_that_were_not_paired_are_less_sure)
{
    const double ours[] = {2, 4}, theirs[] = {1, 2, 1};
    const struct mr_estimate e = mr_estimate_quotient(ours, 2, theirs, 3, 1);
    cr_assert(eq(dbl, e.median, 3));
    cr_assert(eq(dbl, e.low, 1));
    cr_assert(eq(dbl, e.high, 4));
    double many[20];
    for (int i = 0; i < 20; i++) {
        many[i] = 10 + i % 5;
    }
    const struct mr_estimate same = mr_estimate_quotient(many, 20, many, 20, 1);
    cr_assert(not(same.range));
    cr_assert(eq(dbl, same.median, 1));
    cr_assert(lt(dbl, same.low, 1));
    cr_assert(gt(dbl, same.high, 1));
}

Test(measure, a_shuffle_holds_each_row_once_and_moves_them)
{
    uint64_t random = 3;
    uint32_t first[10] = {0}, order[10];
    for (int t = 0; t < 1000; t++) {
        uint32_t seen = 0;
        mr_shuffle(order, 10, &random);
        for (int i = 0; i < 10; i++) {
            seen |= 1u << order[i];
        }
        cr_assert(eq(u32, seen, 1023));
        first[order[0]]++;
    }
    for (int i = 0; i < 10; i++) {
        cr_assert(gt(u32, first[i], 50), "row %d came first %u times of 1000", i, first[i]);
    }
}

/* ---- box ---- */

/* Two CPUs, full for 500 ms; 100,000 of 200,000 frames came through; the source alone needs 2 us a frame. */
static const struct mr_box half = {.busy_ns = 1e9, .sent = 2e5, .received = 1e5, .tick_ns = 2e7};

Test(measure, the_box_is_the_busy_time_less_the_source_alone)
{
    cr_assert(eq(dbl, mr_box_ns(&half, 2000), 6000));
    cr_assert(eq(dbl, mr_box_resolution_ns(&half), 300));
    struct mr_box w = half;
    w.disturbed = true;
    cr_assert(isnan(mr_box_ns(&w, 2000)));
    cr_assert(isnan(mr_box_ns(&half, NAN)), "the source alone was not measured");
}

Test(measure, a_box_below_its_own_process_is_refused_and_never_clipped)
{
    cr_assert(eq(ptr, (void *)mr_box_refuse(6000, 5000, 300), NULL));
    cr_assert(eq(ptr, (void *)mr_box_refuse(4800, 5000, 300), NULL), "within the resolution: as it was measured");
    cr_assert(ne(ptr, (void *)mr_box_refuse(4600, 5000, 300), NULL));
    cr_assert(eq(ptr, (void *)mr_box_refuse(-100, 0, 300), NULL));
    cr_assert(ne(ptr, (void *)mr_box_refuse(-400, 0, 300), NULL));
    cr_assert(ne(ptr, (void *)mr_box_refuse(NAN, 0, 300), NULL));
}

/* ---- search ---- */

static const struct mr_search_rules rules = {
    .loss_most = 0.001, .offered_least = 0.98, .precision = 0.03, .stride = 0.1, .trials_most = 40};

/* A road that carries `limit` and loses what is above; a source that offers `source_limit` at most. */
static struct mr_search look_for(double limit, double source_limit, double guess, const struct mr_search_rules *r)
{
    struct mr_search s;
    mr_search_init(&s, r, guess);
    while (mr_search_next(&s)) {
        double offered = s.rate < source_limit ? s.rate : source_limit;
        mr_search_tell(&s, offered, (uint64_t)(offered * 1000), (uint64_t)((offered < limit ? offered : limit) * 1000));
    }
    return s;
}

Test(measure, the_search_ends_within_its_precision_from_either_side)
{
    const double guesses[] = {50, 100, 400, 1000, 9000};
    for (int i = 0; i < 5; i++) {
        const struct mr_search s = look_for(1000, 1e9, guesses[i], &rules);
        cr_assert(le(dbl, s.passed, 1001.01), "from %f", guesses[i]);
        cr_assert(ge(dbl, s.passed, 965), "from %f", guesses[i]);
        cr_assert(lt(u32, s.trials, 30), "from %f: %u trials", guesses[i], s.trials);
        cr_assert(not(s.source_limited));
        cr_assert(mr_search_converged(&s));
        cr_assert(eq(dbl, s.carried, s.passed));
    }
}

Test(measure, a_search_that_is_out_of_trials_did_not_converge)
{
    struct mr_search_rules few = rules;
    few.trials_most = 6;
    const struct mr_search s = look_for(1000, 1e9, 9000, &few);
    cr_assert(not(mr_search_converged(&s)));
    cr_assert(eq(u32, s.trials, 6));
}

/* A source that is late by less than the rules allow: rates are told apart as asked for, the result is what was offered. */
Test(measure, a_source_that_is_a_little_late_keeps_the_search_going)
{
    struct mr_search s;
    mr_search_init(&s, &rules, 100);
    while (mr_search_next(&s)) {
        double offered = 0.985 * s.rate;
        mr_search_tell(&s, offered, 1000, offered > 400 ? 900 : 1000);
    }
    cr_assert(mr_search_converged(&s));
    cr_assert(not(s.source_limited));
    cr_assert(le(dbl, s.carried, 400));
    cr_assert(ge(dbl, s.carried, 385));
    cr_assert(ge(dbl, s.passed, s.carried * 1.01));
}

Test(measure, a_source_at_its_limit_ends_the_search_and_shows)
{
    const struct mr_search s = look_for(1000, 500, 300, &rules);
    cr_assert(s.source_limited);
    cr_assert(eq(dbl, s.carried, 500));
}

Test(measure, one_stall_is_no_verdict_and_two_are)
{
    struct mr_search s;
    mr_search_init(&s, &rules, 100);
    cr_assert(mr_search_next(&s));
    mr_search_tell(&s, 100, 1000, 900);
    cr_assert(mr_search_next(&s));
    cr_assert(eq(dbl, s.rate, 100), "the same rate again");
    mr_search_tell(&s, 100, 1000, 1000);
    cr_assert(eq(dbl, s.carried, 100));
    cr_assert(eq(dbl, s.failed, 0));
    mr_search_next(&s);
    double above = s.rate;
    mr_search_tell(&s, above, 1000, 900);
    mr_search_next(&s);
    mr_search_tell(&s, above, 1000, 900);
    cr_assert(eq(dbl, s.failed, above));
}

/* A loss is no lateness, nor the other way round: each is judged when it came twice. */
Test(measure, one_loss_and_one_late_source_are_no_verdict)
{
    struct mr_search s;
    mr_search_init(&s, &rules, 100);
    mr_search_next(&s);
    mr_search_tell(&s, 100, 1000, 900);
    mr_search_tell(&s, 50, 1000, 1000);
    cr_assert(not(s.source_limited));
    cr_assert(not(s.over));
    cr_assert(eq(dbl, s.rate, 100));
    mr_search_init(&s, &rules, 100);
    mr_search_next(&s);
    mr_search_tell(&s, 50, 1000, 1000);
    mr_search_tell(&s, 100, 1000, 900);
    cr_assert(eq(dbl, s.failed, 0));
    mr_search_tell(&s, 50, 1000, 1000);
    cr_assert(s.source_limited);
    cr_assert(eq(dbl, s.carried, 50));
}

Test(measure, loss_within_the_criterion_passes)
{
    struct mr_search s;
    mr_search_init(&s, &rules, 100);
    mr_search_next(&s);
    mr_search_tell(&s, 100, 100000, 99900);
    cr_assert(eq(dbl, s.passed, 100));
    mr_search_init(&s, &rules, 100);
    mr_search_next(&s);
    mr_search_tell(&s, 100, 100000, 99899);
    cr_assert(eq(dbl, s.passed, 0));
}

Test(measure, a_road_that_carries_nothing_ends_too)
{
    const struct mr_search s = look_for(0, 1e9, 1000, &rules);
    cr_assert(eq(dbl, s.passed, 0));
    cr_assert(eq(u32, s.trials, rules.trials_most));
}

/* ---- why ---- */

static const struct mr_why base = {.name = "socket", .receive_ns = 400, .send_ns = 1600, .work_ns = 5, .syscalls = 2,
                                   .batch_frames = 1, .copies = 2};

static const char *line(const struct mr_why *row, const struct mr_why *against)
{
    static char text[MR_WHY_BYTES];
    return mr_why_line(text, row, against);
}

#define SAYS(w, against, words)                                                                                        \
    cr_assert(ne(ptr, strstr(line(w, against), words), NULL), "\"%s\" does not say \"%s\"", line(w, against), words)
#define SAYS_NOT(w, against, words)                                                                                    \
    cr_assert(eq(ptr, strstr(line(w, against), words), NULL), "\"%s\" says \"%s\"", line(w, against), words)

Test(measure, why_names_the_largest_part_first)
{
    struct mr_why w = base;
    cr_assert(eq(str, (char *)line(&w, NULL), "send 1600 ns (80 %), receive 400 ns (20 %); 1.0 frames a batch"));
    w.receive_ns = 3000;
    cr_assert(eq(int, strncmp(line(&w, NULL), "receive 3000 ns (65 %), send", 28), 0));
}

Test(measure, why_follows_the_cause_that_changed)
{
    struct mr_why w = base;
    SAYS(&w, &base, "against socket: no part changed by more than noise");
    w.syscalls = 0.0157;
    SAYS(&w, &base, "system calls a frame 2.0 -> 0.02");
    w = base, w.work_ns = 19, w.receive_ns = 430, w.syscalls = 2.1;
    SAYS(&w, &base, "no part changed by more than noise"); // 14 ns; 7 %; 5 %
    w = base, w.syscalls = 0.004;
    struct mr_why few = w;
    few.syscalls = 0.0005;
    SAYS(&few, &w, "no part changed by more than noise");
    w = base, w.send_ns = 700;
    SAYS(&w, &base, "send -900 ns");
    SAYS_NOT(&w, &base, "receive -");
    w = base, w.copies = 0;
    SAYS(&w, &base, "copies 2 -> 0");
    SAYS_NOT(&base, NULL, "idle");
    w = base, w.idle_share = 0.4;
    SAYS(&w, NULL, "40 % idle: the source is the limit");
    w = base, w.lost_share = 0.25, w.lost_as = "left_tp_drops", w.lost_as_share = 0.6;
    SAYS(&w, NULL, "25 % lost, most as left_tp_drops");
    w.lost_as_share = 0.5;
    SAYS(&w, NULL, "25 % lost, under several counters, left_tp_drops the largest");
    SAYS_NOT(&w, NULL, "most as");
    w.idle_share = 0.4;
    SAYS_NOT(&w, NULL, "the source is the limit");
    w = base, w.unnamed_share = 0.03, w.idle_share = 0.4;
    SAYS(&w, NULL, "40 % idle; 3.0 % lost under no counter of the row");
    w.unnamed_share = 0.0005, w.lost_share = 0.0005, w.lost_as = "left_tp_drops", w.lost_as_share = 1;
    SAYS_NOT(&w, NULL, "lost");
}

Test(measure, why_of_a_row_that_moved_nothing)
{
    const struct mr_why w = {.name = "x", .syscalls = -1};
    cr_assert(eq(str, (char *)line(&w, NULL), "no frame went through"));
}

Test(measure, why_never_leaves_its_room)
{
    char name[600];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct mr_why w = base;
    w.lost_as = name, w.lost_share = 1, w.lost_as_share = 1;
    cr_assert(eq(sz, strlen(line(&w, &base)), MR_WHY_BYTES - 1));
}
