/* lab_sample.c: a verifying sink that sees one traffic flow and leaves the others to the kernel.
 *
 * A sink that takes in every frame costs its CPU more than the source does, and would hold the source up long before a
 * fast road is at its end. Of one flow in many it takes in few, and latency is as well known from these. The kernel throws
 * the others away where it asks the socket's filter, before it makes a copy. */
#include "apps/millrace/lab.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { FLOW_AT = ETH_HLEN + 14 }; // low half of the IPv4 source address: the flow's number (lib/traffic/flows.h)

/* A socket of this process that receives from dst. */
static bool receives_from_dst(int fd, unsigned int dst)
{
    struct sockaddr_ll at = {0};
    socklen_t bytes = sizeof at;
    return getsockname(fd, (struct sockaddr *)&at, &bytes) == 0 && at.sll_family == AF_PACKET &&
           at.sll_ifindex == (int)dst && at.sll_protocol != 0;
}

static int attach(int fd)
{
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, FLOW_AT),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0x40000),
                                 BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 ? 0 : -errno;
}

int lab_sample(const void *options, struct mr_error *err)
{
    DIR *files = opendir("/proc/self/fd");
    const struct lab_options *o = options;
    unsigned int dst = if_nametoindex(o->devices[LAB_DST]);
    const struct dirent *entry;
    int result = files == NULL ? -errno : 0, found = 0;
    while (result == 0 && (entry = readdir(files)) != NULL) {
        int fd = atoi(entry->d_name);
        if (receives_from_dst(fd, dst)) {
            result = attach(fd);
            found++;
        }
    }
    if (files != NULL) {
        closedir(files);
    }
    if (result == 0 && found == 0) {
        result = -ENOENT;
    }
    return result == 0 ? 0
                       : mr_error_set(err, MR_FAULT_RUN, result, "lab: cannot leave all but one flow out of the sink: %s",
                                      strerror(-result));
}
