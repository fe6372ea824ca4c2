/* arena_parts.h: what arena.c (the range of addresses) and arena_pages.c (the pages behind a segment) share. */
#ifndef MILLRACE_SYS_ARENA_PARTS_H
#define MILLRACE_SYS_ARENA_PARTS_H

#include "lib/sys/arena.h"

/* One making of an arena. */
struct mr_arena_maker {
    struct mr_arena *arena;
    enum mr_huge huge;
    enum mr_numa numa;
    struct mr_error *err;
    const char *step;    /* what was tried last, for the message when it failed */
    size_t needed, free; /* 2 MiB pages: of the segments without; when the first went without */
    int unbound;         /* -errno of mbind where numa: auto goes on without it */
    int unverified;      /* the same of move_pages */
};

static inline unsigned char *mr_arena_at(const struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    return m->arena->base + s->offset;
}

static inline bool mr_arena_binds(const struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    return s->node >= 0 && m->numa != MR_NUMA_OFF;
}

/* mr_arena_obtain: map, bind and touch the pages of a segment whose offset and bytes are laid out; its page_bytes says
 * the largest pages they are laid out for. 0, or -errno with err filled and the segment left for destroy. */
int mr_arena_obtain(struct mr_arena_maker *m, struct mr_arena_segment *s);

#endif
