/* forward.c: every frame leaves by the path's one output, as it came. There is nothing to do to it. */
#include "lib/work/builtin.h"

const struct mr_work_ops mr_work_forward = {
    .name = "forward",
    .summary = "every frame leaves by the path's one output, unchanged",
};
