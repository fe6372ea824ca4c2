/* why.h: one line that says where a row's time goes, made of the row's own counters and of what changed against another.
 *
 * Nothing in it is known beforehand: no driver's name is looked at. Whatever changes the counters changes the line.
 */
#ifndef MILLRACE_MEASURE_WHY_H
#define MILLRACE_MEASURE_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_WHY_BYTES 512u

/* What was counted while frames were offered flat out. Times in ns a forwarded frame, of the core that forwards. */
struct mr_why {
    const char *name;     /* of the row, for the line of the row that is compared with it */
    double receive_ns, work_ns, send_ns, blocked_ns; /* the core's busy time, split */
    double idle_share;    /* of the time that frames were offered: nothing to do */
    double syscalls;      /* per frame; below 0 = not counted */
    double batch_frames;  /* mean of the sending stage */
    int32_t copies;       /* per frame, between device and chunk; below 0 = not known */
    double lost_share;    /* of the frames offered: lost under the row's own counters */
    const char *lost_as;  /* the largest of these, by its counter's name; NULL = none */
    double lost_as_share; /* of those lost */
    double unnamed_share; /* of the frames offered: lost under none of them */
};

/* mr_why_line: into text, MR_WHY_BYTES. against: the row to compare with; NULL = none. Returns text. */
const char *mr_why_line(char *text, const struct mr_why *row, const struct mr_why *against);

#endif
