/* lab_redirect.h: a BPF program of four instructions, made here, that sends each frame on by another device.
 *
 * Attached by a link whose descriptor is the only thing that holds it: closed, or with our end, it is gone, and nothing
 * stands in a file system. Needs CAP_BPF and CAP_NET_ADMIN of the first user namespace (root). Control thread.
 */
#ifndef MILLRACE_LAB_REDIRECT_H
#define MILLRACE_LAB_REDIRECT_H

#include <millrace/error.h>

#include <stdint.h>

enum lab_hook { LAB_HOOK_XDP, LAB_HOOK_TC }; /* the driver's own receive path, native · behind the socket buffer, by tcx */

/* lab_redirect_load: a program for the hook that sends to a device, by its index. A descriptor, or -errno with err filled. */
int lab_redirect_load(enum lab_hook hook, int to, struct mr_error *err);

/* lab_redirect_attach: to what comes in by a device. A descriptor that holds it there, or -errno with err filled. */
int lab_redirect_attach(enum lab_hook hook, int program, int from, struct mr_error *err);

/* A source: a program that sends a copy of one frame on whenever one is due, and throws away the copies in between. It runs
 * in the kernel without coming back, as each start of it takes milliseconds. */
struct lab_xdp_source {
    int program, state;
};

/* What the program and we share: times in 1/256 ns of CLOCK_MONOTONIC. */
struct lab_xdp_pace {
    uint64_t next, period; /* period 0: always due */
    uint64_t latest;       /* a frame that is due for longer is not made up for */
    uint64_t made;
};

/* lab_xdp_source_load: to a device. fps 0 = flat out. lab_xdp_source_run: until a signal comes; how many it made, or -errno. */
int lab_xdp_source_load(struct lab_xdp_source *s, int to, struct mr_error *err);
int64_t lab_xdp_source_run(const struct lab_xdp_source *s, double fps, uint64_t now_ns, const unsigned char *frame,
                           uint32_t length);

#endif
