/* bare_socket: frames from one device to another without an engine: the shortest honest loop over AF_PACKET, one frame a
 * call. Looks without waiting, as the engine does, and drops what is not as usual, as bare_mmsg does.
 */
#include "perf/bare/bare.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

enum { BYTES = 2112, CONTROL = CMSG_SPACE(sizeof(struct tpacket_auxdata)) };

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "socket", .seconds = 3600, .cpu = -1};
    struct bare_total total = {0};
    _Alignas(struct cmsghdr) unsigned char control[CONTROL];
    bare_start(&o, argc, argv, "bare_socket --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    int from = bare_socket(o.from, true), to = bare_socket(o.to, false);
    unsigned char *frame = bare_memory(BYTES);
    struct iovec piece = {frame, BYTES};
    while (!bare_stop) {
        struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CONTROL};
        ssize_t n = recvmsg(from, &m, MSG_DONTWAIT);
        total.syscalls++;
        if (n < 0 || (m.msg_flags & MSG_TRUNC) != 0 || !bare_usual(control, m.msg_controllen)) {
            continue;
        }
        total.frames += send(to, frame, (size_t)n, 0) >= 0;
        total.syscalls++;
    }
    return bare_report(&o, &total);
}
