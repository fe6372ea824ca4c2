/* net_af_packet: frames that the PMD says it sent, and that no one took out of its ring; frames that found the other ring full. */
#include <criterion/criterion.h>

#include "tests/unit/scene.h"
#include "tests/unit/uring_frames.h"
#include "tests/unit/uring_net.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define PACKET_AND_URING                                                                                               \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: left, driver: dpdk, device: \"net_af_packet0,iface=left\" }\n"                                        \
    "  - { name: right, driver: uring, device: right, buffers: 64 }\n"                                                 \
    "paths:\n"                                                                                                         \
    "  - { from: [left, right], work: l2, to: [left, right] }\n"

static void take_peer_down(void)
{
    struct ifreq r = {.ifr_name = "right"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

/* The kernel takes nothing out of a ring whose device has no carrier. What stands there at the end was counted as sent, and is
 * named; what it takes once the carrier is back was not lost. */
static void leave_in_ring(bool carrier_back, uint64_t left)
{
    static struct scene s;
    struct mr_frame f[32];
    struct mr_link link;
    make_net(1);
    open_scene(&s, PACKET_AND_URING);
    take_peer_down();
    for (uint32_t i = 0; i < 32; i++) {
        f[i] = (struct mr_frame){.offset = MR_CHUNK_DATA, .length = 60};
        cr_assert_eq(mr_pool_alloc(&s.pool, &s.pool.small, &f[i].chunk, 1), 1);
    }
    cr_assert_eq(s.ports[0]->driver->tx_burst(s.ports[0]->txq[0], f, 32), 32);
    if (carrier_back) {
        cr_assert_eq(mr_link_up("right", &error), 0, "%s", error.text);
        for (int tries = 0; tries < 1000 && !(mr_link_find("left", &link) == 0 && link.carrier); tries++) {
            usleep(1000);
        }
    }
    s.ports[0]->driver->detach(s.io[0], 0);
    s.ports[1]->driver->detach(s.io[1], 0);
    cr_expect_eq(outside(&s, 0, "left_in_tx_ring"), left);
    s.ports[0]->driver->close(s.ports[0]);
    cr_expect_eq(outside(&s, 0, "left_in_tx_ring"), left);
    close_scene(&s);
}

Test(dpdk, what_af_packet_never_sent_is_named)
{
    leave_in_ring(false, 32);
}

Test(dpdk, what_af_packet_sends_late_is_not_lost)
{
    leave_in_ring(true, 0);
}

/* Twice what the ring holds comes while nobody looks. */
Test(dpdk, what_finds_af_packets_ring_full_is_named)
{
    static struct scene s;
    struct made m = datagram(100);
    m.vnet = (struct mr_vnet){0};
    make_net(1);
    open_scene(&s, PACKET_AND_URING);
    int near = packet_socket("right", false);
    struct iovec iov[2] = {{&m.vnet, sizeof m.vnet}, {m.bytes, m.n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    uint64_t came = 0;
    struct mr_frame f;
    for (uint32_t i = 0; i < 1024; i++) {
        cr_assert_gt(sendmsg(near, &msg, 0), 0);
    }
    while (receive(&s, 0, &f) == 1) {
        mr_recycle_put(&s.recycle, &f.chunk, 1);
        came++;
    }
    cr_expect_lt(came, 1024);
    cr_expect_eq(came + outside(&s, 0, "tp_drops"), 1024);
    close_scene(&s);
}
