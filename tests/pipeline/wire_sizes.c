/* wire_sizes.c: frames of lengths that nobody should send, one at a time: which the kernel refuses to send, which arrive,
 * and whether they are what was sent. */
#include "tests/pipeline/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST = 65535, TAG = 4, ADDRESSES = 12, PATIENCE_MS = 40, LAST_PATIENCE_MS = 400 };

static const uint32_t lengths[] = {
    0,    1,    2,    12,   13,   14,   15,   17,   18,   20,    33,    46,    59,    60,    61,    64,    127,   1499,
    1500, 1513, 1514, 1515, 1518, 1519, 2047, 2048, 2111, 2112,  2113,  2115,  2116,  2117,  2120,  4096,  9014,  16384,
    32768, 40000, 65000, 65226, 65527, 65530, 65531, 65532, 65533, 65534, 65535};

struct sizes {
    uint32_t tags; /* 802.1Q headers, one in the other */
    uint32_t sent, refused, received, altered, longest;
    bool seen[MOST + 1];
};

/* A frame that follows from its length: addresses, as many tags as asked for and as it has room for, our type, noise. */
static void make(unsigned char *frame, uint32_t bytes, uint32_t tags)
{
    static const unsigned char head[ADDRESSES] = {2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 7};
    uint64_t state = bytes + 1;
    for (uint32_t i = 0; i < bytes; i++) {
        frame[i] = (unsigned char)(wire_random(&state) >> 40);
    }
    memcpy(frame, head, bytes < ADDRESSES ? bytes : ADDRESSES);
    uint32_t at = ADDRESSES;
    for (uint32_t i = 0; i < tags && at + TAG + 2 <= bytes; i++, at += TAG) {
        uint16_t words[2] = {htons(ETH_P_8021Q), htons((uint16_t)(100 + i))};
        memcpy(frame + at, words, sizeof words);
    }
    if (at + 2 <= bytes) {
        frame[at] = WIRE_TYPE >> 8;
        frame[at + 1] = WIRE_TYPE & 0xff;
    }
}

static void send_one(int fd, struct sizes *s, uint32_t bytes)
{
    static unsigned char frame[MOST + 1];
    make(frame, bytes, s->tags);
    ssize_t n = send(fd, frame, bytes, 0);
    if (n < 0 && errno != EINVAL) {
        wire_die("send");
    }
    bool taken = bytes != 0 && n == (ssize_t)bytes;
    s->sent += taken;
    s->refused += !taken;
}

/* The kernel has taken the outer tag out; it goes back in. The length of the whole. */
static size_t put_tag_back(struct msghdr *m, unsigned char *frame, size_t bytes)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) {
            continue;
        }
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0) {
            uint16_t words[2] = {htons(aux.tp_vlan_tpid), htons(aux.tp_vlan_tci)};
            memmove(frame + ADDRESSES + TAG, frame + ADDRESSES, bytes - ADDRESSES);
            memcpy(frame + ADDRESSES, words, sizeof words);
            return bytes + TAG;
        }
    }
    return bytes;
}

static bool receive_one(int fd, struct sizes *s)
{
    static unsigned char frame[MOST + 16], want[MOST + 1];
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct iovec piece = {frame, MOST};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
    if (n < ADDRESSES || memcmp(frame + 6, "\x02\0\0\0\x01\x07", 6) != 0) {
        return n >= 0; // somebody else's
    }
    size_t bytes = put_tag_back(&m, frame, (size_t)n);
    s->received++;
    if (bytes > MOST || s->seen[bytes]) {
        s->altered++;
        return true;
    }
    make(want, (uint32_t)bytes, s->tags);
    s->seen[bytes] = true;
    s->altered += memcmp(frame, want, bytes) != 0;
    s->longest = bytes > s->longest ? (uint32_t)bytes : s->longest;
    return true;
}

static void receive(int fd, struct sizes *s, int patience_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint32_t before = s->received;
    while (s->received == before && poll(&p, 1, patience_ms) > 0) {
        while (receive_one(fd, s)) {
        }
    }
}

int wire_sizes(const char *from, const char *to, uint32_t tags)
{
    static struct sizes s;
    int out = wire_open(from), in = wire_open(to);
    s.tags = tags;
    for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        send_one(out, &s, lengths[i]);
        receive(in, &s, PATIENCE_MS);
    }
    receive(in, &s, LAST_PATIENCE_MS);
    printf("{\"sent\": %u, \"refused\": %u, \"received\": %u, \"altered\": %u, \"longest\": %u}\n", s.sent, s.refused,
           s.received, s.altered, s.longest);
    return s.altered == 0 ? 0 : 1;
}
