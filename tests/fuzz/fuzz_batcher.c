/* fuzz_batcher.c: a work stage's view of its batcher, whatever time and queue do: clocks that stand, leap and run back,
 * input that comes and goes. It never takes more than there is or than fits, never flushes nothing, and never holds what
 * it has past the moment it named itself. */
#include "tests/fuzz/fuzz.h"

#include <millrace/batcher.h>

enum { LOOKS_MAX = 4096 };

struct stage {
    struct mr_batcher batcher;
    struct mr_batch_view view;
    uint64_t until;    /* of the last hold with frames held; 0 = not holding */
    uint64_t frames, flushes, ticks;
};

static uint64_t move_clock(struct fuzz *f, uint64_t now)
{
    switch (fuzz_below(f, 6)) {
    case 0:
        return now;
    case 1:
        return now + fuzz_u8(f);
    case 2:
        return now + fuzz_u32(f);
    case 3:
        return now - fuzz_u32(f);
    case 4:
        return fuzz_number(f, 8);
    default:
        return UINT64_MAX - fuzz_u8(f);
    }
}

static void flush(struct stage *s, struct fuzz *f)
{
    uint64_t cost = fuzz_u32(f);
    mr_batcher_account(&s->batcher, s->view.held, cost);
    s->flushes++;
    s->frames += s->view.held;
    s->ticks += cost;
    s->view.held = 0;
    s->until = 0;
}

static void look(struct stage *s, struct fuzz *f)
{
    struct mr_batch_decision d = mr_batcher_decide(&s->batcher, &s->view);
    switch (d.action) {
    case MR_BATCH_TAKE:
        FUZZ_CHECK(d.take != 0 && d.take <= s->view.visible, "%u of %u visible", d.take, s->view.visible);
        FUZZ_CHECK(s->view.held + d.take <= s->batcher.cap, "%u + %u, cap %u", s->view.held, d.take, s->batcher.cap);
        s->view.visible -= d.take;
        s->view.held += d.take;
        break;
    case MR_BATCH_FLUSH:
        FUZZ_CHECK(s->view.held != 0, "nothing is held");
        flush(s, f);
        break;
    case MR_BATCH_HOLD:
        if (s->view.held != 0) {
            FUZZ_CHECK(d.until != UINT64_MAX, "%u frames held for ever", s->view.held);
            FUZZ_CHECK(s->until == 0 || s->view.now < s->until, "held past its own deadline");
            s->until = d.until;
        }
        FUZZ_CHECK(s->view.held < s->batcher.cap, "a full batch waits");
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz f = {data, bytes};
    struct stage s = {0};
    mr_batcher_init(&s.batcher, 1 + fuzz_u8(&f));
    for (uint32_t i = 0; i < LOOKS_MAX && f.left != 0; i++) {
        uint32_t what = fuzz_below(&f, 4);
        s.view.now = move_clock(&f, s.view.now);
        s.view.visible = what == 0 ? 0 : what == 1 ? fuzz_u8(&f) : what == 2 ? fuzz_u32(&f) : s.view.visible;
        look(&s, &f);
    }
    FUZZ_CHECK(s.batcher.flushes == s.flushes && s.batcher.frames == s.frames && s.batcher.ticks == s.ticks,
               "what was accounted for is what happened");
    return 0;
}
