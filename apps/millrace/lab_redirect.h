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

/* lab_redirect_send: have the kernel make n copies of one frame as XDP frames, and give them to a program of the XDP hook.
 * 0 or -errno. */
int lab_redirect_send(int program, const unsigned char *frame, uint32_t length, uint32_t n);

#endif
