/* raw_sender: 64-byte frames (60 without FCS), or others, into a device as fast as sendmmsg takes them, for a bounded time and
 * number: the same sender for every forwarder that is compared. The frames carry an EtherType for experiments, which no
 * kernel answers, and are numbered. */
#include "perf/bare/bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { BURST = 32, BYTES_MOST = 1514, ETHERTYPE_EXPERIMENT = 0x88b5 };

static unsigned char frames[BURST][BYTES_MOST];
static struct iovec pieces[BURST];
static struct mmsghdr messages[BURST];

static void prepare(uint32_t bytes)
{
    const uint16_t type = htons(ETHERTYPE_EXPERIMENT);
    for (int i = 0; i < BURST; i++) {
        memcpy(frames[i], "\x02\0\0\0\0\2\x02\0\0\0\0\1", 12);
        memcpy(frames[i] + 12, &type, sizeof type);
        pieces[i] = (struct iovec){frames[i], bytes < BYTES_MOST ? bytes : BYTES_MOST};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "send", .seconds = 10, .frames = 100000000, .bytes = 60, .cpu = -1};
    struct bare_total t = {0};
    bare_start(&o, argc, argv, "raw_sender --to DEVICE [--bytes N] [--for SECONDS] [--frames N] [--cpu N]");
    int fd = bare_socket(o.to == NULL ? "" : o.to, false);
    prepare(o.bytes);
    while (!bare_stop && t.frames < o.frames) {
        for (uint64_t i = 0; i < BURST; i++) {
            uint64_t number = t.frames + i;
            memcpy(frames[i] + 14, &number, sizeof number);
        }
        int sent = sendmmsg(fd, messages, BURST, 0);
        t.syscalls++;
        if (sent > 0) {
            t.frames += (uint64_t)sent;
        } else if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS) {
            bare_die("sendmmsg");
        }
    }
    return bare_report(&o, &t);
}
