/* lab_wire.h: what happened to each frame between src and dst, by the kernel's own counters.
 *
 *   sent = received + Σ outside + Σ engine_drops − counted_twice − made + unnamed
 *
 * Each term is counted on its own, by whom it happened to; unnamed is the check, and it is 0. Below 0 more frames
 * arrived than were sent: strangers were on the wire. A counter that holds frames which another counter holds too is
 * shown under `within` and never added. Which those are was measured (docs/lab.md).
 */
#ifndef MILLRACE_LAB_WIRE_H
#define MILLRACE_LAB_WIRE_H

#include "apps/millrace/lab_net.h"

#include <jansson.h>

struct lab_wire {
    struct mr_link src, left, right, dst;
    uint64_t softnet_drops; /* /proc/net/softnet_stat, column 2, all CPUs: of the whole machine */
};

/* lab_wire_read: the counters now. The calling thread comes back to the forwarder's namespace. */
int lab_wire_read(const struct lab_net *net, struct lab_wire *w, struct mr_error *err);

/* lab_wire_settle: wait until no frame is on the way: no packet socket of the forwarder's namespace has one queued, and
 * none arrived at dst, for 50 ms; at most 5 s. */
void lab_wire_settle(const struct lab_net *net);

/* lab_wire_json: the balance, a new reference. run, generator: both engines' reports; verify: a sink counted. */
json_t *lab_wire_json(const struct lab_wire *before, const struct lab_wire *after, const json_t *run,
                      const json_t *generator, bool verify);

#endif
