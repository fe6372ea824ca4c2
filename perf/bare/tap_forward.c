/* tap_forward: frames from one TAP device to another without an engine: the shortest honest loop, for the engine to be
 * measured against. It makes both devices. --mode uring: 64 READs under way, a WRITE from the very buffer, one enter per
 * pass; a buffer is read into again when its WRITE is over. --mode calls: read and write, poll where there is nothing.
 */
#include "perf/bare/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS = 64, STRIDE = 2496, DATA = 384, WRITES = READS }; // user_data: of a READ its buffer, of a WRITE the same + WRITES

static unsigned char *memory;
static struct bare_total total;
static struct io_uring ring;

static int tap(const char *name, int flags)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | flags), any = socket(AF_INET, SOCK_DGRAM, 0);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
        bare_die(name);
    }
    request.ifr_flags = IFF_UP;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) {
        bare_die(name);
    }
    close(any);
    return fd;
}

static void post(unsigned int buffer, int bytes)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    unsigned char *data = memory + (size_t)buffer * STRIDE + DATA;
    if (bytes == 0) {
        io_uring_prep_read(sqe, 0, data, STRIDE - DATA, 0);
    } else {
        io_uring_prep_write(sqe, 1, data, (unsigned int)bytes, 0);
    }
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, bytes == 0 ? buffer : buffer + WRITES);
}

static void complete(const struct io_uring_cqe *cqe)
{
    unsigned int buffer = (unsigned int)cqe->user_data % WRITES;
    bool read = cqe->user_data < WRITES;
    if (read && cqe->res < 0) {
        errno = -cqe->res;
        bare_die("read");
    }
    total.frames += !read && cqe->res > 0;
    post(buffer, read ? cqe->res : 0);
}

static void forward_by_uring(int from, int to)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL};
    struct __kernel_timespec patience = {.tv_nsec = 100000000};
    const int files[] = {from, to};
    if ((errno = -io_uring_queue_init_params(4 * READS, &ring, &p)) != 0 || io_uring_register_ring_fd(&ring) != 1 ||
        (errno = -io_uring_register_files(&ring, files, 2)) != 0) {
        bare_die("io_uring");
    }
    for (unsigned int i = 0; i < READS; i++) {
        post(i, 0);
    }
    while (!bare_stop) {
        struct io_uring_cqe *cqe;
        unsigned int head, n = 0;
        io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &patience, NULL);
        total.syscalls++;
        io_uring_for_each_cqe(&ring, head, cqe) {
            complete(cqe);
            n++;
        }
        io_uring_cq_advance(&ring, n);
    }
}

static void forward_by_calls(int from, int to)
{
    while (!bare_stop) {
        ssize_t n = read(from, memory + DATA, STRIDE - DATA);
        total.syscalls++;
        if (n < 0) {
            struct pollfd p = {.fd = from, .events = POLLIN};
            poll(&p, 1, 100);
            total.syscalls++;
            continue;
        }
        total.frames += write(to, memory + DATA, (size_t)n) == n;
        total.syscalls++;
    }
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "uring", .has_modes = true, .seconds = 3600, .cpu = -1};
    bare_start(&o, argc, argv, "tap_forward --from NAME --to NAME [--mode uring|calls] [--cpu N] [--for SECONDS]");
    bool calls = strcmp(o.mode, "calls") == 0;
    int from = tap(o.from == NULL ? "left" : o.from, calls ? O_NONBLOCK : 0);
    int to = tap(o.to == NULL ? "right" : o.to, 0);
    memory = bare_memory((size_t)READS * STRIDE);
    if (calls) {
        forward_by_calls(from, to);
    } else {
        forward_by_uring(from, to);
    }
    return bare_report(&o, &total);
}
