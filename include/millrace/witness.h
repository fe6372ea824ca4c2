/* witness.h: who is told where in the source a frame died or was copied, when somebody asks (a trace, a capture tap).
 *
 * A queue, a burst and a work stage have a pointer to one: NULL as long as nobody asks, so that counting a death costs one
 * test of that pointer. It is called on the core that has the frame, before the frame's chunk goes home; it neither keeps
 * the frame nor changes it. What counts a death tells it too, by one of
 *
 *   mr_burst_drop   a work function (work.h)
 *   mr_rxq_drop, mr_rxq_refuse, mr_txq_drop   a driver (lib/port/port.h)
 *   mr_tell_died    anybody else, next to the counter
 */
#ifndef MILLRACE_WITNESS_H
#define MILLRACE_WITNESS_H

#include <millrace/frame.h>

struct mr_witness {
    /* died: n frames, all of one reason (enum mr_drop, or one of the path's own), told at file:line. A driver that no longer
     * has the descriptor says chunk and length, and offset 0. */
    void (*died)(struct mr_witness *w, const struct mr_frame *frames, uint32_t n, uint32_t reason, const char *file,
                 uint32_t line);
    /* refused: a driver that receives dropped a frame before it had a chunk: its bytes are at data. */
    void (*refused)(struct mr_witness *w, const unsigned char *data, uint32_t length, uint32_t reason, const char *file,
                    uint32_t line);
    /* copied: a copy of `from` was made, to leave by its port; or none could be made (no_chunk), then copy is NULL. */
    void (*copied)(struct mr_witness *w, const struct mr_frame *from, const struct mr_frame *copy, uint8_t port,
                   const char *file, uint32_t line);
};

/* mr_tell_died: w may be NULL. A macro, so that file and line are the caller's. */
#define mr_tell_died(w, frames, n, reason) mr_tell_died_at((w), (frames), (n), (reason), __FILE__, __LINE__)

static inline void mr_tell_died_at(struct mr_witness *w, const struct mr_frame *frames, uint32_t n, uint32_t reason,
                                   const char *file, uint32_t line)
{
    if (MR_UNLIKELY(w != NULL)) {
        w->died(w, frames, n, reason, file, line);
    }
}

#endif
