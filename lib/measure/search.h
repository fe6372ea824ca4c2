/* search.h: the highest offered rate that loses no more than is allowed: which rate to try next, and when to stop.
 *
 * It gallops from a guess, up while rates pass and down while they fail, doubling its stride, until one passed and a higher
 * one failed; then it halves the distance until that is within the precision, or the trials are used up. A rate that
 * fails is tried a second time, since on a shared machine one stall of the host loses frames at any rate: it has failed
 * when it failed twice. A source that twice could not offer what was asked of it ends the search upwards, and the result is
 * then a lower bound (source_limited); so it is where the trials were used up before it converged.
 *
 * Pure: whoever asks makes the trial and tells what came of it. A trial is one rate for a fixed time.
 */
#ifndef MILLRACE_MEASURE_SEARCH_H
#define MILLRACE_MEASURE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

struct mr_search_rules {
    double loss_most;      /* share of the frames sent that may be lost: 0.001 */
    double offered_least;  /* share of the asked rate that the source must have offered: 0.98 */
    double precision;      /* stop when the failing rate is within this share above the passing one: 0.03 */
    double stride;         /* first step of the gallop: 0.1 = 10 % */
    uint32_t trials_most;
};

struct mr_search {
    struct mr_search_rules rules;
    double rate;          /* of the trial under way */
    double passed;        /* highest rate that was carried; 0 = none yet */
    double carried;       /* what the source offered of it: the result */
    double failed;        /* lowest rate that was not; 0 = none yet */
    double step;          /* of the gallop */
    uint32_t trials;
    bool lost, late;      /* at the rate under way, once: frames; the source */
    bool source_limited;
    bool over;
};

/* mr_search_init: guess in any unit of rate, above 0. */
void mr_search_init(struct mr_search *s, const struct mr_search_rules *rules, double guess);

/* mr_search_next: another trial is to be made at s->rate. false: `carried` is the result. */
bool mr_search_next(struct mr_search *s);

/* mr_search_converged: a rate within the precision above the result failed. */
bool mr_search_converged(const struct mr_search *s);

/* mr_search_tell: what came of it: the rate that the source offered, frames sent and received. */
void mr_search_tell(struct mr_search *s, double offered, uint64_t sent, uint64_t received);

#endif
