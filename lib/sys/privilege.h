/* privilege.h: what this process may do, and the words for what it may not. */
#ifndef MILLRACE_SYS_PRIVILEGE_H
#define MILLRACE_SYS_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* mr_has_capability: effective capability by its number in linux/capability.h (CAP_NET_RAW = 13 …). */
bool mr_has_capability(int capability);

/* mr_memlock_limit: RLIMIT_MEMLOCK in bytes, UINT64_MAX = unlimited, or lifted by CAP_IPC_LOCK; in a user namespace of its own
 * a process has that capability, too, and the kernel does not heed it. */
uint64_t mr_memlock_limit(void);

/* mr_seccomp_filters: a seccomp filter is set on this process. */
bool mr_seccomp_filters(void);

/* mr_open_files: descriptors of this process that are open; and how many it may have, in *limit. */
uint32_t mr_open_files(uint64_t *limit);

/* mr_sysctl_read: a number from /proc/sys, "kernel/io_uring_disabled"; false when there is none. */
bool mr_sysctl_read(const char *name, long *value);

/* mr_sysctl_write: false with errno when it cannot. */
bool mr_sysctl_write(const char *name, const char *value);

#endif
