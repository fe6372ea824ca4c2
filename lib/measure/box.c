#include "lib/measure/box.h"

#include <math.h>
#include <stddef.h>

double mr_box_ns(const struct mr_box *w, double alone_ns)
{
    return w->disturbed || !(w->received > 0) ? NAN : (w->busy_ns - alone_ns * w->sent) / w->received;
}

double mr_box_resolution_ns(const struct mr_box *w)
{
    return w->received > 0 ? 1.5 * w->tick_ns / w->received : NAN; // its own, and that of the source's CPU alone
}

const char *mr_box_refuse(double box_ns, double own_ns, double resolution_ns)
{
    return box_ns >= own_ns - resolution_ns
               ? NULL
               : "it came out below the CPU time of the forwarding process: the source needed less a frame here than it does alone";
}
