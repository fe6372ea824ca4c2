/* uring_probe.c: can it here, and if not why: a ring, a buffer group, a packet socket and a multishot receive are made,
 * used once, and closed.
 */
#include "lib/port/uring.h"
#include "lib/sys/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PROBE_BUFFERS = 8 };

const char *mr_uring_refusal(int error, char *text, size_t bytes)
{
    long disabled = 0;
    mr_sysctl_read("kernel/io_uring_disabled", &disabled);
    const char *why = strerror(error);
    if (error == ENOSYS) {
        why = "this kernel has no io_uring; use another driver (millrace drivers lists them)";
    } else if (error == EPERM && disabled == 2) {
        why = "forbidden for everybody; sysctl kernel.io_uring_disabled=0 allows it";
    } else if (error == EPERM && disabled == 1) {
        why = "forbidden without CAP_SYS_ADMIN; run as root, or sysctl kernel.io_uring_disabled=0";
    } else if (error == EPERM) {
        why = "forbidden, most likely by the container's seccomp profile; allow io_uring_setup, io_uring_enter and "
              "io_uring_register there";
    } else if (error == EINVAL) {
        why = "this kernel lacks what is needed (DEFER_TASKRUN, buffer rings, multishot recvmsg); Linux 6.1 has it";
    } else if (error == EMFILE || error == ENFILE) {
        why = "too many open files; raise ulimit -n, or lower the number of queues";
    } else if (error == ENOMEM) {
        why = "no memory for it; raise ulimit -l or the memory limit of the control group";
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
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    probe->usable = false;
    if (fd < 0) {
        snprintf(probe->reason, sizeof probe->reason, "no packet socket: %s%s", strerror(errno),
                 errno == EPERM ? "; needs CAP_NET_RAW: run as root, or in a namespace of your own (unshare -Urn)" : "");
        return -errno;
    }
    int rc = try_ring(fd);
    close(fd);
    if (rc < 0) {
        snprintf(probe->reason, sizeof probe->reason, "%s", mr_uring_refusal(-rc, why, sizeof why));
        return rc;
    }
    uname(&name);
    probe->usable = true;
    snprintf(probe->reason, sizeof probe->reason,
             "Linux %.40s: multishot recvmsg, buffer rings, DEFER_TASKRUN; AF_PACKET by CAP_NET_RAW", name.release);
    return 0;
}
