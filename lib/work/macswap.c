/* macswap.c: source and destination address change places, and the frame leaves by the path's one output. */
#include "lib/work/builtin.h"

enum { MAC_BYTES = 6 };

static void swap(unsigned char *data)
{
    unsigned char destination[MAC_BYTES];
    memcpy(destination, data, MAC_BYTES);
    memcpy(data, data + MAC_BYTES, MAC_BYTES);
    memcpy(data + MAC_BYTES, destination, MAC_BYTES);
}

static void process(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    for (uint32_t i = 0; i < b->n; i++) {
        if (MR_UNLIKELY(b->frames[i].length < MR_FRAME_MIN)) {
            mr_burst_drop(b, i, MR_DROP_runt);
        } else {
            swap(mr_frame_data(b->base, &b->frames[i]));
        }
    }
}

const struct mr_work_ops mr_work_macswap = {
    .name = "macswap",
    .summary = "source and destination address change places, in the frame itself",
    .process = process,
};
