/* uring_probe.c: can it here, and if not why: a ring, a buffer group, a packet socket and a multishot receive are made,
 * used once, and closed.
 */
#include "lib/port/uring.h"
#include "lib/sys/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PROBE_BUFFERS = 8 };

#define ALLOW_CALLS "allow io_uring_setup, io_uring_enter and io_uring_register in the container's profile"

/* Somebody forbids it: which of the possible ones the system tells. */
static const char *who_forbids(void)
{
    long disabled = 0;
    mr_sysctl_read("kernel/io_uring_disabled", &disabled);
    if (disabled == 2) {
        return "forbidden for everybody; sysctl kernel.io_uring_disabled=0 allows it";
    }
    if (disabled == 1 && !mr_has_capability(CAP_SYS_ADMIN)) {
        return "forbidden without CAP_SYS_ADMIN; run as root, or sysctl kernel.io_uring_disabled=0";
    }
    return mr_seccomp_filters() ? "forbidden by a seccomp filter; " ALLOW_CALLS
                                : "forbidden, neither by sysctl kernel.io_uring_disabled nor by seccomp; a security module may";
}

/* Unless CAP_IPC_LOCK lifts it, what a ring takes counts against a limit that all processes of the user share: so what
 * is named is what suffices beside whatever they have. */
static void no_memory(size_t ring_bytes, char *text, size_t bytes)
{
    uint64_t limit = mr_memlock_limit();
    if (limit == UINT64_MAX) {
        snprintf(text, bytes, "no memory for its %zu KiB; free some, or raise the control group's limit", ring_bytes >> 10);
        return;
    }
    unsigned long long enough = (limit + ring_bytes + 1023) >> 10;
    snprintf(text, bytes, "it takes up to %zu KiB of locked memory, and all processes of this user may have %llu KiB; "
             "ulimit -l %llu, LimitMEMLOCK=%lluK in a unit of systemd, or CAP_IPC_LOCK", ring_bytes >> 10,
             (unsigned long long)limit >> 10, enough, enough);
}

const char *mr_uring_refusal(int error, size_t ring_bytes, char *text, size_t bytes)
{
    const char *why = strerror(error);
    if (error == ENOSYS) {
        why = mr_seccomp_filters() ? "a seccomp filter hides it, or this kernel has none; " ALLOW_CALLS
                                   : "this kernel has no io_uring; use another driver (millrace drivers lists them)";
    } else if (error == EPERM) {
        why = who_forbids();
    } else if (error == EINVAL) {
        why = "this kernel lacks what is needed (DEFER_TASKRUN, buffer rings, multishot recvmsg); Linux 6.1 has it";
    } else if (error == EMFILE || error == ENFILE) {
        why = "too many open files; raise ulimit -n, or lower the number of queues";
    } else if (error == ENOMEM) {
        no_memory(ring_bytes, text, bytes);
        return text;
    }
    snprintf(text, bytes, "%s", why);
    return text;
}

/* Arm a multishot receive: a kernel that cannot refuses it at once, one that can finds that no buffer is posted. */
static int try_receive(struct io_uring *ring, int fd)
{
    struct msghdr msg = {.msg_controllen = MR_URING_CONTROL};
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    io_uring_prep_recvmsg_multishot(sqe, fd, &msg, 0);
    sqe->flags = IOSQE_BUFFER_SELECT;
    int rc = io_uring_submit_and_get_events(ring);
    if (rc >= 0 && io_uring_peek_cqe(ring, &cqe) == 0 && cqe->res != -ENOBUFS) {
        rc = cqe->res;
    }
    return rc < 0 ? rc : 0;
}

static int try_ring(int fd)
{
    struct io_uring ring;
    struct io_uring_buf_reg reg = {.ring_entries = PROBE_BUFFERS};
    void *buffers = aligned_alloc(4096, 4096);
    int rc = buffers == NULL ? -ENOMEM : mr_uring_setup(&ring, PROBE_BUFFERS, PROBE_BUFFERS * 2);
    if (rc == 0) {
        memset(buffers, 0, 4096);
        reg.ring_addr = (uintptr_t)buffers;
        rc = io_uring_register_buf_ring(&ring, &reg, 0);
        rc = rc < 0 ? rc : mr_uring_enable(&ring);
        rc = rc < 0 ? rc : try_receive(&ring, fd);
        io_uring_queue_exit(&ring);
    }
    free(buffers);
    return rc;
}

int mr_uring_probe(struct mr_probe *probe)
{
    char why[240];
    struct utsname name;
    probe->usable = false;
    if (mr_packet_probe(probe->reason, sizeof probe->reason) != NULL) {
        return -EPERM;
    }
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    int rc = try_ring(fd);
    close(fd);
    if (rc < 0) {
        snprintf(probe->reason, sizeof probe->reason, "%s",
                 mr_uring_refusal(-rc, mr_uring_bytes(PROBE_BUFFERS, PROBE_BUFFERS * 2), why, sizeof why));
        return rc;
    }
    uname(&name);
    probe->usable = true;
    snprintf(probe->reason, sizeof probe->reason,
             "Linux %.40s: multishot recvmsg, buffer rings, DEFER_TASKRUN; AF_PACKET by CAP_NET_RAW", name.release);
    return 0;
}
