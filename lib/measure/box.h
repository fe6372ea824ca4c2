/* box.h: what a frame costs the whole machine: the busy time of the CPUs in a window, less what the source alone needs.
 *
 * The kernel does the receiving half of the road under the source's sends, on the source's CPU and in its name, so that no
 * process's own CPU time tells of it. What the source needs for itself is measured with nobody listening. /proc/stat counts in
 * ticks on each CPU: what is below its resolution cannot be said.
 *
 * Pure.
 */
#ifndef MILLRACE_MEASURE_BOX_H
#define MILLRACE_MEASURE_BOX_H

#include <stdbool.h>

struct mr_box {
    double busy_ns;        /* of all CPUs concerned, in the window; NAN = could not be read */
    double sent, received; /* frames */
    double tick_ns;        /* how far off busy_ns may be */
    bool disturbed;        /* something else had a share of it */
};

/* mr_box_ns: a frame received; alone_ns: a frame sent by the source alone. NAN where it cannot be said. */
double mr_box_ns(const struct mr_box *w, double alone_ns);

/* mr_box_resolution_ns: how far off that may be; alone_ns was measured with the same ruler. */
double mr_box_resolution_ns(const struct mr_box *w);

/* mr_box_refuse: NULL, or why box_ns is not told: it is not known, or it lies below what the forwarding process alone used,
 * own_ns (0 = no process), by more than the resolution. */
const char *mr_box_refuse(double box_ns, double own_ns, double resolution_ns);

#endif
