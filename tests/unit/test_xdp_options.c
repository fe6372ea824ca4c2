/* Options of an xdp port that change what the kernel does: tx_budget, busy_poll. */
#include "tests/unit/xdp_scene.h"

#include <errno.h>
#include <sys/mount.h>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif

/* ---- tx_budget ---- */

static struct mr_xdp_txq *sender(void)
{
    return MR_CONTAINER_OF(s.ports[1]->txq[0], struct mr_xdp_txq, q);
}

/* Of a full ring, the frames that one call of ours makes the kernel take. */
static uint32_t sent_by_a_call(const char *keys)
{
    static struct mr_frame frames[TX_RING];
    char text[600];
    snprintf(text, sizeof text, TWO("uring", "xdp%s"), keys);
    make_both(text);
    alloc_frames(frames, TX_RING);
    cr_assert_eq(s.ports[1]->driver->tx_burst(&sender()->q, frames, TX_RING), TX_RING);
    (void)!sendto(sender()->socket->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
    uint32_t n = __atomic_load_n(sender()->tx.consumer, __ATOMIC_ACQUIRE);
    for (int tries = 0; tries < 10000 && bring_home(&sender()->q) + sender()->head < TX_RING; tries++) {
        ring_bells(&s);
    }
    cr_expect_eq(sender()->head, TX_RING);
    bring_home(&sender()->q);
    close_both();
    return n;
}

Test(xdp_options, tx_budget_is_what_a_call_sends)
{
    cr_expect_eq(sent_by_a_call(""), 32, "what the kernel does by itself");
    cr_expect_eq(sent_by_a_call(", tx_budget: 48"), 48);
    cr_expect_eq(sent_by_a_call(", tx_budget: 64"), 64);
}

/* ---- busy_poll ---- */

static const struct mr_xdp_rxq *receiver(void)
{
    return MR_CONTAINER_OF(s.ports[0]->rxq[0], struct mr_xdp_rxq, q);
}

static uint32_t in_ring(void)
{
    return __atomic_load_n(receiver()->rx.producer, __ATOMIC_ACQUIRE) - receiver()->rx.cached_cons;
}

static int option(int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;
    cr_assert_eq(getsockopt(receiver()->socket->fd, SOL_SOCKET, name, &value, &bytes), 0);
    return value;
}

/* left's interrupts, once it has been polled, wait for a minute: until then it receives when it is polled, and not else. */
static void defer(void)
{
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    cr_assert_eq(mount("sysfs", "/sys", "sysfs", 0, NULL), 0, "%s", strerror(errno));
    write_file("/sys/class/net/left/napi_defer_hard_irqs", "1000000");
    write_file("/sys/class/net/left/gro_flush_timeout", "60000000000");
}

static void open_deferred(int budget)
{
    char text[600];
    snprintf(text, sizeof text, TWO("xdp, mode: native, rx_ring: 256, busy_poll: %d", "uring"), budget);
    make_both(text);
    defer();
}

static void take_out(uint32_t n)
{
    struct mr_frame f;
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(s.ports[0]->driver->rx_burst(s.ports[0]->rxq[0], &f, 1), 1);
        mr_recycle_put(&s.recycle, &f.chunk, 1);
    }
}

/* So many frames while nobody polls, behind one that was received: none is brought in until somebody does. */
static void leave_waiting(uint32_t n)
{
    int near = packet_socket("right", false);
    send_whole(near, 1, 100); // the socket learns which NAPI receives for it, if the kernel tells
    for (int tries = 0; tries < 10000 && in_ring() == 0; tries++) {
        usleep(1000);
    }
    take_out(1);
    ring_bells(&s);
    send_whole(near, n, 100);
    usleep(20000);
    cr_expect_eq(in_ring(), 0, "it receives though nobody polls");
    close(near);
}

/* Calls of a doorbell with nothing to send. */
static uint64_t calls_of_a_doorbell(void)
{
    uint64_t before = s.io[0]->syscalls;
    s.ports[0]->driver->doorbell(s.io[0], MR_DOORBELL_SEND | MR_DOORBELL_RECEIVE);
    return s.io[0]->syscalls - before;
}

/* Of a veth, Linux 6.18 tells a socket no NAPI (0), and then the call has nothing to poll. */
Test(xdp_options, busy_poll_asks_the_kernel_to_receive_within_our_call)
{
    enum { FRAMES = 48 };
    open_deferred(FRAMES);
    cr_expect_eq(option(SO_PREFER_BUSY_POLL), 1);
    cr_expect_gt(option(SO_BUSY_POLL), 0);
    leave_waiting(FRAMES);
    cr_expect_eq(calls_of_a_doorbell(), 1);
    uint32_t received = in_ring();
    cr_expect_eq(received, option(SO_INCOMING_NAPI_ID) != 0 ? FRAMES : 0);
    take_out(received);
    close_both();
}

Test(xdp_options, without_busy_poll_nothing_is_asked)
{
    open_deferred(0);
    cr_expect_eq(option(SO_PREFER_BUSY_POLL), 0);
    cr_expect_eq(option(SO_BUSY_POLL), 0);
    leave_waiting(48);
    cr_expect_eq(calls_of_a_doorbell(), 0);
    cr_expect_eq(in_ring(), 0);
    close_both();
}
