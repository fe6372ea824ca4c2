/* bare_uring: frames from one device to another without an engine: the shortest honest loop over AF_PACKET and
 * io_uring, for the engine to be measured against.
 *
 * One multishot RECVMSG with aux data into provided buffers, SEND per frame from the very buffer, one enter per
 * pass. A buffer goes back when its send is complete. Frames whose aux data say that more had to be done (a VLAN tag to
 * put back, a checksum to complete, a super-frame) are dropped: the bench sends none.
 */
#include "perf/bare/bare.h"

#include <errno.h>
#include <liburing.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CHUNKS = 1024, STRIDE = 2496, DATA = 384, CONTROL = CMSG_SPACE(sizeof(struct tpacket_auxdata)) };
enum { POSTED = DATA - CONTROL - (int)sizeof(struct io_uring_recvmsg_out) };
enum { SQ_ENTRIES = 2048, CQ_ENTRIES = 8192, GROUP = 0, RECEIVE = CHUNKS };

static unsigned char *memory;
static struct bare_total total;

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static struct msghdr shape = {.msg_controllen = CONTROL}; // how the kernel lays out a buffer
static int given_back; // in this pass, not yet published

static void give_back(unsigned int id)
{
    io_uring_buf_ring_add(buffers, memory + (size_t)id * STRIDE + POSTED, STRIDE - POSTED, (unsigned short)id,
                          io_uring_buf_ring_mask(CHUNKS), given_back++);
}

static void publish(void)
{
    io_uring_buf_ring_advance(buffers, given_back);
    given_back = 0;
}

static struct io_uring_sqe *entry(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    while (sqe == NULL) {
        io_uring_submit(&ring);
        total.syscalls++;
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void arm(void)
{
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_recvmsg_multishot(sqe, 0, &shape, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    io_uring_sqe_set_data64(sqe, RECEIVE);
}

static void open_ring(int receive, int send)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                .cq_entries = CQ_ENTRIES};
    const int files[] = {receive, send};
    buffers = bare_memory(CHUNKS * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers, .ring_entries = CHUNKS, .bgid = GROUP};
    if ((errno = -io_uring_queue_init_params(SQ_ENTRIES, &ring, &p)) != 0 || io_uring_register_ring_fd(&ring) != 1 ||
        (errno = -io_uring_register_files(&ring, files, 2)) != 0 ||
        (errno = -io_uring_register_buf_ring(&ring, &reg, 0)) != 0) {
        bare_die("io_uring");
    }
    io_uring_buf_ring_init(buffers);
    for (unsigned int id = 0; id < CHUNKS; id++) {
        give_back(id);
    }
    publish();
    arm();
}

static void received(unsigned int id, int bytes)
{
    unsigned char *posted = memory + (size_t)id * STRIDE + POSTED;
    const struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(posted, bytes, &shape);
    if (out == NULL || (out->flags & MSG_TRUNC) != 0 || !bare_usual((const unsigned char *)(out + 1), out->controllen)) {
        give_back(id);
        return;
    }
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_send(sqe, 1, posted - POSTED + DATA, out->payloadlen, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, id);
}

/* Everything that has completed. Returns whether the receive must be armed again. */
static bool complete(void)
{
    bool ended = false;
    unsigned int head, n = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&ring, head, cqe) {
        n++;
        if (cqe->user_data != RECEIVE) {
            total.frames += cqe->res > 0;
            give_back((unsigned int)cqe->user_data);
            continue;
        }
        ended = ended || (cqe->flags & IORING_CQE_F_MORE) == 0;
        if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            received(cqe->flags >> IORING_CQE_BUFFER_SHIFT, cqe->res);
        }
    }
    io_uring_cq_advance(&ring, n);
    return ended;
}

static void forward_by_uring(int receive, int send)
{
    struct __kernel_timespec patience = {.tv_nsec = 100000000};
    open_ring(receive, send);
    while (!bare_stop) {
        struct io_uring_cqe *cqe;
        io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &patience, NULL);
        total.syscalls++;
        bool ended = complete();
        publish();
        if (ended) { // only now: without buffers it would end at once again
            arm();
            total.rearms++;
        }
    }
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "uring", .seconds = 3600, .cpu = -1};
    bare_start(&o, argc, argv, "bare_uring --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    int receive = bare_socket(o.from, true), send = bare_socket(o.to, false);
    memory = bare_memory((size_t)CHUNKS * STRIDE);
    forward_by_uring(receive, send);
    return bare_report(&o, &total);
}
