/* area.h: one node's part of the arena while it is being laid out; for build.c and wire.c only.
 *
 * Laying runs twice over the same code: first without memory, which adds up what each node needs, then with it. So size
 * and layout cannot disagree.
 */
#ifndef MILLRACE_ENGINE_AREA_H
#define MILLRACE_ENGINE_AREA_H

#include "lib/engine/engine_parts.h"

struct mr_area {
    int node;
    size_t used;         /* bytes handed out */
    unsigned char *base; /* NULL in the first run */
};

struct mr_areas {
    uint32_t n;
    struct mr_area at[MR_NODES_MAX];
};

static inline size_t mr_round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

/* mr_area_take: the next zeroed bytes at this alignment; NULL in the first run. */
static inline void *mr_area_take(struct mr_area *a, size_t bytes, size_t alignment)
{
    a->used = mr_round_up(a->used, alignment) + bytes;
    return a->base == NULL ? NULL : a->base + a->used - bytes;
}

/* mr_area_of: the area of a node. */
struct mr_area *mr_area_of(struct mr_areas *areas, int node);

/* wire.c: lay one stage with its rings' table, work functions' state and copies; then ports, and what joins them. */
void mr_wire_lay_stage(struct mr_engine *e, struct mr_areas *areas, uint32_t index);
int mr_wire_ports(struct mr_engine *e, struct mr_error *err);
int mr_wire_stages(struct mr_engine *e, struct mr_error *err);
void mr_unwire_works(struct mr_engine *e);
void mr_unwire_ports(struct mr_engine *e);

#endif
