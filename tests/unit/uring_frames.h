/* uring_frames.h: frames with tags and offloads, and packet sockets that send and receive them with a virtio_net_hdr. */
#ifndef MILLRACE_TEST_URING_FRAMES_H
#define MILLRACE_TEST_URING_FRAMES_H

#include <criterion/criterion.h>

#include "lib/port/vnet.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

enum { ADDRESSES = 12, ETH = 14, IP = 20, UDP = 8, TCP = 20 };

/* ---- frames ---- */

struct made {
    struct mr_vnet vnet;
    uint32_t n;
    unsigned char bytes[4096];
};

static inline void ethernet_ip(struct made *m, uint8_t protocol, uint32_t payload)
{
    static const unsigned char ethernet[ETH] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
    uint32_t ip_bytes = payload + IP + (protocol == IPPROTO_UDP ? UDP : TCP);
    unsigned char ip[IP] = {0x45, 0, (unsigned char)(ip_bytes >> 8), (unsigned char)ip_bytes, 0, 1, 0, 0, 64, protocol,
                            0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    memset(m, 0, sizeof *m);
    memcpy(m->bytes, ethernet, ETH);
    memcpy(m->bytes + ETH, ip, IP);
    m->n = ETH + ip_bytes;
    for (uint32_t i = m->n - payload; i < m->n; i++) {
        m->bytes[i] = (unsigned char)(i * 7);
    }
}

/* A UDP datagram; its checksum is left to the device. */
static inline struct made datagram(uint32_t payload)
{
    struct made m;
    ethernet_ip(&m, IPPROTO_UDP, payload);
    uint16_t udp[4] = {htons(1000), htons(2000), htons((uint16_t)(payload + UDP)), htons(0x1234)};
    memcpy(m.bytes + ETH + IP, udp, sizeof udp);
    m.vnet = (struct mr_vnet){.flags = MR_VNET_NEEDS_CSUM, .csum_start = ETH + IP, .csum_offset = 6};
    return m;
}

/* TCP, 3000 bytes in segments of 1000. */
static inline struct made super_frame(void)
{
    struct made m;
    ethernet_ip(&m, IPPROTO_TCP, 3000);
    m.bytes[ETH + IP + 12] = 0x50;
    m.vnet = (struct mr_vnet){.flags = MR_VNET_NEEDS_CSUM, .gso_type = 1, .hdr_len = ETH + IP + TCP, .gso_size = 1000,
                              .csum_start = ETH + IP, .csum_offset = 16};
    return m;
}

static inline struct made tagged(struct made m, uint16_t tpid, uint16_t tci)
{
    uint16_t tag[2] = {htons(tpid), htons(tci)};
    memmove(m.bytes + ADDRESSES + 4, m.bytes + ADDRESSES, m.n - ADDRESSES);
    memcpy(m.bytes + ADDRESSES, tag, sizeof tag);
    m.n += 4;
    m.vnet.csum_start = (uint16_t)(m.vnet.csum_start + (m.vnet.flags != 0 ? 4 : 0));
    m.vnet.hdr_len = (uint16_t)(m.vnet.hdr_len + (m.vnet.gso_type != 0 ? 4 : 0));
    return m;
}

/* Ones' complement sum; a datagram's has the pseudo header's sum in it, as its field holds that. */
static inline uint32_t sum_of(const unsigned char *bytes, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* ---- the ends ---- */

static inline int packet_socket(const char *device, bool receives)
{
    int one = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device)};
    to.sll_protocol = receives ? htons(3) : 0; // ETH_P_ALL
    cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
    cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one), 0);
    cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one), 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

struct got {
    struct made frame;
    struct tpacket_auxdata aux;
};

static inline bool get(int fd, struct got *g)
{
    char control[CMSG_SPACE(sizeof g->aux)] __attribute__((aligned(8)));
    struct iovec iov[2] = {{&g->frame.vnet, sizeof g->frame.vnet}, {g->frame.bytes, sizeof g->frame.bytes}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
    if (n < 0) {
        return false;
    }
    cr_assert_neq(CMSG_FIRSTHDR(&msg), NULL);
    memcpy(&g->aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof g->aux);
    g->frame.n = (uint32_t)n - MR_VNET_BYTES;
    return true;
}

#endif
