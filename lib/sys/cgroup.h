/* cgroup.h: what a CPU quota took from this process. */
#ifndef MILLRACE_SYS_CGROUP_H
#define MILLRACE_SYS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* Of our cgroup and all above it, since each was made: periods at whose end the quota was used up, and how long tasks
 * stood still for it, added up over CPUs. Version 1 and 2. */
struct mr_throttle {
    uint64_t periods, ns;
};

/* mr_throttle_read: false when no cgroup tells (then all is 0). */
bool mr_throttle_read(struct mr_throttle *t);

#endif
