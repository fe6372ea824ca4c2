/* The batcher has no clock and no I/O: a table of cases tests it. */
#include <criterion/criterion.h>
#include <millrace/batcher.h>

struct row {
    const char *what;
    uint32_t cap, visible, held;
    enum mr_batch_action action;
    uint32_t take;
};

static const struct row rows[] = {
    {"nothing anywhere: wait for input", 256, 0, 0, MR_BATCH_HOLD, 0},
    {"input: take all of it", 256, 17, 0, MR_BATCH_TAKE, 17},
    {"input beyond the cap: take the cap", 256, 1000, 0, MR_BATCH_TAKE, 256},
    {"input, some held: fill up to the cap", 256, 1000, 200, MR_BATCH_TAKE, 56},
    {"the cap is held: flush, whatever waits", 256, 1000, 256, MR_BATCH_FLUSH, 0},
    {"more than the cap is held: flush", 256, 1, 300, MR_BATCH_FLUSH, 0},
    {"input has ended, some held: flush now", 256, 0, 3, MR_BATCH_FLUSH, 0},
    {"cap 1: one by one", 1, 5, 0, MR_BATCH_TAKE, 1},
    {"cap 1, one held: flush it", 1, 5, 1, MR_BATCH_FLUSH, 0},
    {"one visible, one short of the cap", 32, 1, 31, MR_BATCH_TAKE, 1},
};

Test(batcher, natural_decides_by_the_table)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct mr_batcher b;
        mr_batcher_init(&b, row->cap);
        struct mr_batch_decision d =
            mr_batcher_decide(&b, &(struct mr_batch_view){.now = 1000, .visible = row->visible, .held = row->held});
        cr_expect_eq(d.action, row->action, "%s", row->what);
        cr_expect_eq(d.take, row->take, "%s: %u", row->what, d.take);
        if (d.action == MR_BATCH_HOLD) {
            cr_expect_eq(d.until, UINT64_MAX, "%s", row->what);
        }
    }
}

/* Natural batching never holds a frame while the input is empty, and no flush is above the cap. */
Test(batcher, natural_in_a_loop_keeps_its_promises)
{
    struct mr_batcher b;
    uint32_t waiting = 10007, held = 0, flushed = 0;
    mr_batcher_init(&b, 100);
    while (flushed < 10007) {
        struct mr_batch_decision d =
            mr_batcher_decide(&b, &(struct mr_batch_view){.visible = waiting < 37 ? waiting : 37, .held = held});
        cr_assert_neq(d.action, MR_BATCH_HOLD);
        if (d.action == MR_BATCH_TAKE) {
            waiting -= d.take;
            held += d.take;
            cr_assert_leq(held, 100);
        } else {
            flushed += held;
            mr_batcher_account(&b, held, 5);
            held = 0;
        }
    }
    cr_expect_eq(b.frames, 10007);
    cr_expect_eq(b.flushes, 101);
    cr_expect_eq(b.ticks, 5 * 101);
}
