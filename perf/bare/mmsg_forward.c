/* bare_mmsg: frames from one device to another without an engine: the shortest honest loop over AF_PACKET, recvmmsg and
 * sendmmsg, 32 a call. Looks without waiting, as the engine does. Frames whose aux data say that more had to be done (a VLAN
 * tag to put back, a checksum to complete, a super-frame) are dropped: the bench sends none.
 */
#include "perf/bare/bare.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

enum { STRIDE = 2496, DATA = 384, BURST = 32, CONTROL = CMSG_SPACE(sizeof(struct tpacket_auxdata)) };

static unsigned char *memory;
static struct bare_total total;
static struct iovec pieces[BURST];
static struct mmsghdr messages[BURST];
static _Alignas(struct cmsghdr) unsigned char controls[BURST][CONTROL];

static int receive_burst(int fd)
{
    for (int i = 0; i < BURST; i++) {
        pieces[i] = (struct iovec){memory + (size_t)i * STRIDE + DATA, STRIDE - DATA};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &pieces[i], .msg_iovlen = 1, .msg_control = controls[i], .msg_controllen = CONTROL};
    }
    total.syscalls++;
    return recvmmsg(fd, messages, BURST, MSG_DONTWAIT, NULL);
}

/* Those that are as usual, to the front, as messages to send. */
static int keep_usual(int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const struct msghdr *h = &messages[i].msg_hdr;
        if ((h->msg_flags & MSG_TRUNC) != 0 || !bare_usual(controls[i], h->msg_controllen)) {
            continue;
        }
        pieces[kept] = (struct iovec){pieces[i].iov_base, messages[i].msg_len};
        messages[kept].msg_hdr = (struct msghdr){.msg_iov = &pieces[kept], .msg_iovlen = 1};
        kept++;
    }
    return kept;
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "mmsg", .seconds = 3600, .cpu = -1};
    bare_start(&o, argc, argv, "bare_mmsg --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    int receive = bare_socket(o.from, true), send = bare_socket(o.to, false);
    memory = bare_memory((size_t)BURST * STRIDE);
    while (!bare_stop) {
        bare_send(send, messages, keep_usual(receive_burst(receive)), &total);
    }
    return bare_report(&o, &total);
}
