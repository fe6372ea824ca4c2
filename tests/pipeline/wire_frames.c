/* wire_frames.c: numbered frames from one device to another. Both sockets are in one process, so it knows what is
 * outstanding, and no frame is lost for want of room. */
#include "tests/pipeline/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BYTES = 65535, PATIENCE_MS = 1000, KNOCK_US = 2000, KNOCKS = 50, PRIORITY = 5 << 13 };

static const double PATIENCE_S = 10; // of a knock

struct tally {
    uint32_t sent, received, reordered, altered, wrong_tag;
    uint32_t next[WIRE_FLOWS];
};

static int open_socket(const char *device)
{
    int one = 1, bytes = 8 << 20;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    at.sll_ifindex = (int)if_nametoindex(device);
    if (fd < 0) {
        wire_die("socket");
    }
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        wire_die(device);
    }
    return fd;
}

const char *wire_enter(const char *where)
{
    char path[256] = "/run/netns/";
    const char *slash = strchr(where, '/');
    int ns = -1;
    if (slash != NULL) {
        strncat(path, where, (size_t)(slash - where) < 200 ? (size_t)(slash - where) : 200);
        ns = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
        wire_die(where);
    }
    close(ns);
    return slash + 1;
}

/* A socket belongs to the namespace it was made in, wherever its process goes afterwards. */
int wire_open(const char *where)
{
    return open_socket(wire_enter(where));
}

uint32_t wire_make(unsigned char *frame, const struct wire_frames *job, uint32_t flow, uint32_t sequence)
{
    uint64_t state = (uint64_t)(flow + 1) << 32 | (sequence + 1);
    uint32_t bytes = job->min_bytes + (uint32_t)(wire_random(&state) >> 33) % (job->max_bytes - job->min_bytes + 1);
    struct wire_head h = {.destination = {2, 0, 0, 0, 2, 1}, .source = {2, 0, 0, 0, 1, (unsigned char)flow},
                     .type = htons(WIRE_TYPE), .bytes = (uint16_t)bytes, .flow = flow, .sequence = sequence};
    memcpy(frame, &h, sizeof h);
    for (uint32_t i = sizeof h; i < bytes; i += 8) {
        uint64_t word = wire_random(&state);
        memcpy(frame + i, &word, sizeof word);
    }
    return bytes;
}

static uint32_t tag(unsigned char *frame, uint32_t bytes, uint32_t vlan)
{
    uint16_t words[2] = {htons(ETH_P_8021Q), htons((uint16_t)(PRIORITY | vlan))};
    memmove(frame + 16, frame + 12, bytes - 12);
    memcpy(frame + 12, words, sizeof words);
    return bytes + 4;
}

enum { ADDRESSES = 12, ETHERNET = 14, IP_UDP = 28, PORT = 20000 };

/* What a flow has of IPv4 and UDP; checksums are 0, nobody between the ends looks at them. */
static void ip_udp(unsigned char *header, uint32_t flow, uint32_t bytes)
{
    uint16_t ip_bytes = htons((uint16_t)(bytes - ETHERNET)), udp_bytes = htons((uint16_t)(bytes - ETHERNET - 20));
    uint16_t port = htons((uint16_t)(PORT + flow));
    static const unsigned char ip[IP_UDP] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 77, 1, 1, 10, 77, 1, 2, 0, 0, 0, 9};
    memcpy(header, ip, sizeof ip);
    memcpy(header + 2, &ip_bytes, 2);
    memcpy(header + 20, &port, 2);
    memcpy(header + 24, &udp_bytes, 2);
}

static uint32_t wrap(unsigned char *frame, uint32_t bytes, uint32_t flow)
{
    memmove(frame + ETHERNET + IP_UDP, frame + ETHERNET, bytes - ETHERNET);
    frame[ADDRESSES] = ETH_P_IP >> 8;
    frame[ADDRESSES + 1] = ETH_P_IP & 0xff;
    ip_udp(frame + ETHERNET, flow, bytes + IP_UDP);
    return bytes + IP_UDP;
}

/* Bytes of the frame as it was before wrap; 0: it is none of ours, or its header was altered. */
static uint32_t unwrap(unsigned char *frame, uint32_t bytes)
{
    unsigned char want[IP_UDP];
    struct wire_head h;
    if (bytes < IP_UDP + sizeof h || frame[ADDRESSES] != ETH_P_IP >> 8 || frame[ADDRESSES + 1] != (ETH_P_IP & 0xff)) {
        return 0;
    }
    memcpy((unsigned char *)&h + ETHERNET, frame + ETHERNET + IP_UDP, sizeof h - ETHERNET);
    ip_udp(want, h.flow, bytes);
    if (memcmp(want, frame + ETHERNET, sizeof want) != 0) {
        return 0;
    }
    memmove(frame + ETHERNET, frame + ETHERNET + IP_UDP, bytes - ETHERNET - IP_UDP);
    frame[ADDRESSES] = WIRE_TYPE >> 8;
    frame[ADDRESSES + 1] = WIRE_TYPE & 0xff;
    return bytes - IP_UDP;
}

/* false: the device has no room for now. */
static bool send_one(int fd, const struct wire_frames *job, uint32_t n)
{
    static unsigned char frame[MAX_BYTES + 16];
    uint32_t bytes = wire_make(frame, job, n % WIRE_FLOWS, n / WIRE_FLOWS);
    if (job->udp) {
        bytes = wrap(frame, bytes, n % WIRE_FLOWS);
    } else if (job->vlan != 0) {
        bytes = tag(frame, bytes, job->vlan);
    }
    if (send(fd, frame, bytes, 0) == (ssize_t)bytes) {
        return true;
    }
    if (errno != ENOBUFS && errno != EAGAIN) {
        wire_die("send");
    }
    return false;
}

static bool tag_is(struct msghdr *m, uint32_t vlan)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata aux;
            memcpy(&aux, CMSG_DATA(c), sizeof aux);
            bool tagged = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0;
            bool same = aux.tp_vlan_tci == (PRIORITY | vlan) && aux.tp_vlan_tpid == ETH_P_8021Q;
            return vlan == 0 ? !tagged : tagged && same;
        }
    }
    return false;
}

static void verify(struct tally *t, const struct wire_frames *job, const unsigned char *frame, size_t bytes)
{
    static unsigned char want[MAX_BYTES + 16];
    struct wire_head h;
    memcpy(&h, frame, sizeof h);
    t->received++;
    if (h.flow >= WIRE_FLOWS || wire_make(want, job, h.flow, h.sequence) != bytes || memcmp(frame, want, bytes) != 0) {
        t->altered++;
        return;
    }
    t->reordered += h.sequence != t->next[h.flow]; // a gap or a duplicate shows here too
    t->next[h.flow] = h.sequence + 1;
}

/* Takes all that is there. Frames of others (neighbour discovery and the like) are not ours to judge. */
static void receive(int fd, struct tally *t, const struct wire_frames *job)
{
    static unsigned char frame[MAX_BYTES + 16];
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct iovec piece = {frame, sizeof frame};
    for (;;) {
        struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
        if (n < 0) {
            return;
        }
        struct wire_head h;
        n = job->udp ? (ssize_t)unwrap(frame, (uint32_t)n) : n;
        memcpy(&h, frame, sizeof h);
        if (n >= (ssize_t)sizeof h && h.type == htons(WIRE_TYPE)) {
            verify(t, job, frame, (size_t)n);
            t->wrong_tag += !tag_is(&m, job->vlan);
        }
    }
}

void wire_show(int fd)
{
    unsigned char frame[60] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 2, 1, 0x88, 0xB6};
    if (send(fd, frame, sizeof frame, 0) < 0) {
        wire_die("send");
    }
    usleep(20000);
}

static int print(const struct tally *t, double seconds)
{
    bool good = t->received == t->sent && t->reordered + t->altered + t->wrong_tag == 0;
    printf("{\"sent\": %u, \"received\": %u, \"reordered\": %u, \"altered\": %u, ", t->sent, t->received, t->reordered,
           t->altered);
    printf("\"wrong_tag\": %u, \"seconds\": %.3f}\n", t->wrong_tag, seconds);
    return good ? 0 : 1;
}

int wire_frames(const struct wire_frames *job)
{
    struct tally t = {0};
    int from = wire_open(job->from), to = wire_open(job->to);
    bool ranged = job->min_bytes >= sizeof(struct wire_head) && job->max_bytes >= job->min_bytes;
    if (!ranged || job->max_bytes > MAX_BYTES || job->window == 0) {
        errno = EINVAL;
        wire_die("sizes or window");
    }
    wire_show(to);
    double start = wire_seconds();
    while (t.received < job->frames) {
        while (t.sent < job->frames && t.sent - t.received < job->window && send_one(from, job, t.sent)) {
            t.sent++;
        }
        struct pollfd p = {.fd = to, .events = POLLIN};
        if (poll(&p, 1, PATIENCE_MS) == 0) {
            break; // what is outstanding is lost
        }
        receive(to, &t, job);
    }
    return print(&t, wire_seconds() - start);
}

static bool there(const char *where)
{
    return if_nametoindex(wire_enter(where)) != 0;
}

/* On sockets of its own: a device that was there may be the one of an engine that has just ended. */
static bool knock(const char *from, const char *to)
{
    unsigned char sent[60] = {2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 0, 0x88, 0xB6}, came[60];
    int in = wire_open(from), out = wire_open(to);
    bool through = false;
    for (int i = 0; i < KNOCKS && !through && send(in, sent, sizeof sent, 0) > 0; i++) {
        usleep(KNOCK_US);
        while (recv(out, came, sizeof came, MSG_DONTWAIT) > 0) {
            through |= memcmp(came, sent, sizeof came) == 0;
        }
    }
    close(in);
    close(out);
    return through;
}

int wire_knock(const char *from, const char *to)
{
    for (double begin = wire_seconds(); wire_seconds() - begin < PATIENCE_S;) {
        if (there(from) && there(to) && knock(from, to)) {
            return 0;
        }
        usleep(KNOCK_US);
    }
    return 1;
}

int wire_send(const char *device, uint32_t frames)
{
    struct wire_frames job = {.min_bytes = 60, .max_bytes = 60};
    int fd = open_socket(device);
    for (uint32_t n = 0; n < frames;) {
        n += send_one(fd, &job, n);
    }
    return 0;
}
