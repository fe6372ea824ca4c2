#include "lib/measure/search.h"

void mr_search_init(struct mr_search *s, const struct mr_search_rules *rules, double guess)
{
    *s = (struct mr_search){.rules = *rules, .rate = guess, .step = rules->stride};
}

bool mr_search_converged(const struct mr_search *s)
{
    return s->passed != 0 && s->failed != 0 && s->failed <= s->passed * (1 + s->rules.precision);
}

bool mr_search_next(struct mr_search *s)
{
    if (s->over || s->trials >= s->rules.trials_most || mr_search_converged(s)) {
        s->over = true;
        return false;
    }
    s->trials++;
    return true;
}

/* Where to go from the rate that was just judged. */
static void move(struct mr_search *s, bool up)
{
    s->lost = s->late = false;
    if (s->passed != 0 && s->failed != 0) {
        s->rate = (s->passed + s->failed) / 2;
        return;
    }
    s->rate = up ? s->rate * (1 + s->step) : s->rate / (1 + s->step);
    s->step *= 2;
}

static void tell_passed(struct mr_search *s, double offered)
{
    bool limited = offered < s->rate * s->rules.offered_least;
    double carried = offered < s->rate ? offered : s->rate, passed = limited ? carried : s->rate;
    s->passed = passed > s->passed ? passed : s->passed;
    s->carried = carried > s->carried ? carried : s->carried;
    if (limited && !s->late) {
        s->late = true; // the same rate again
        return;
    }
    s->source_limited |= limited;
    s->over |= limited;
    move(s, true);
}

void mr_search_tell(struct mr_search *s, double offered, uint64_t sent, uint64_t received)
{
    double lost = received < sent ? (double)(sent - received) : 0;
    if (sent != 0 && lost <= s->rules.loss_most * (double)sent) {
        tell_passed(s, offered);
    } else if (!s->lost) {
        s->lost = true; // the same rate again
    } else {
        s->failed = s->rate;
        move(s, false);
    }
}
