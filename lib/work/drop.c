/* drop.c: every frame dies, counted as work_drop: what receiving alone costs. */
#include "lib/work/builtin.h"

static void process(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    for (uint32_t i = 0; i < b->n; i++) {
        mr_burst_drop(b, i, MR_DROP_work_drop);
    }
}

const struct mr_work_ops mr_work_drop = {
    .name = "drop",
    .summary = "every frame is dropped, counted as work_drop",
    .flags = MR_WORK_CHOOSES,
    .process = process,
};
