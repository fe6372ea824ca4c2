/* Completions that do not come: what was sent waits in a queue behind the peer, and the kernel keeps its chunks meanwhile. */
#include "tests/unit/xdp_scene.h"

enum { FRAMES = 3 * TX_RING, PASSED_MOST = 8, NUMBER_AT = 60 };

static struct mr_txq *txq;
static uint32_t put_in, home; /* frames handed over; chunks that came back */

static void run(const char *command)
{
    cr_assert_eq(system(command), 0, "%s", command);
}

/* left2 ~ right2 = bridge = hold ~ sink: hold sends a frame each 10 s, and has room for all. */
static void starve(void)
{
    run("ip link add name hold type veth peer name sink");
    run("ip link add name bridge type bridge forward_delay 0 mcast_snooping 0");
    run("ip link set dev right2 master bridge && ip link set dev hold master bridge");
    run("for d in sink hold bridge; do ip link set dev $d up; done"); // hold last: with a carrier its queue is there at once
    run("for try in $(seq 1000); do [ $(bridge link | grep -c forwarding) = 2 ] && exit; sleep 0.01; done; exit 1");
    run("tc qdisc add dev hold root tbf rate 80bit burst 200 limit 1000000");
}

/* It looks at its new rate when a frame comes: one of IP, which ours are not. */
static void feed(void)
{
    int fd = packet_socket("hold", false);
    run("tc qdisc change dev hold root tbf rate 1gbit burst 20000 limit 1000000");
    send_whole(fd, 1, 100);
    close(fd);
}

static struct mr_frame numbered(uint32_t n)
{
    struct made m = datagram(100);
    struct mr_frame f;
    alloc_frames(&f, 1);
    memcpy(mr_frame_data(s.arena.base, &f), m.bytes, ADDRESSES); // of no protocol: a bridge may look into IP
    memcpy(mr_frame_data(s.arena.base, &f) + NUMBER_AT, &n, sizeof n);
    return f;
}

/* As many as the queue takes, up to the last; then a core's round. */
static void round_of_core(void)
{
    while (put_in < FRAMES) {
        struct mr_frame f = numbered(put_in);
        if (txq->port->driver->tx_burst(txq, &f, 1) == 0) {
            mr_recycle_put(&s.recycle, &f.chunk, 1);
            break;
        }
        put_in++;
    }
    ring_bells(&s);
    home += bring_home(txq);
    usleep(500);
}

static void expect_nothing_lost(void)
{
    for (uint32_t i = 0; i < MR_DROP_MAX; i++) {
        cr_expect_eq(s.drops[i], 0, "reason %u", i);
    }
    cr_expect_eq(txq->held, put_in - home);
    cr_expect_eq(txq->in_flight, txq->held);
    cr_expect_eq(held(&s) + s.pool.small.count, CHUNKS);
}

static void expect_all_arrived(int sink)
{
    uint32_t next = 0, number;
    struct got g;
    for (int tries = 0; tries < 10000 && next < FRAMES; tries++) {
        for (; get(sink, &g); next += g.frame.bytes[ADDRESSES] == 0) {
            memcpy(&number, g.frame.bytes + NUMBER_AT, sizeof number);
            cr_assert(g.frame.bytes[ADDRESSES] != 0 || number == next, "%u for %u", number, next);
        }
        usleep(next < FRAMES ? 1000 : 0);
    }
    cr_expect_eq(next, FRAMES);
}

static void starve_and_feed(const char *keys)
{
    char text[600];
    snprintf(text, sizeof text, TWO("uring", "xdp%s"), keys);
    make_both(text);
    starve();
    txq = s.ports[1]->txq[0];
    put_in = home = 0;
    int near = packet_socket("right", false);
    int sink = packet_socket("sink", true);
    for (int i = 0; i < 100; i++) {
        round_of_core();
    }
    cr_expect_leq(home, PASSED_MOST);
    cr_expect_eq(put_in, home + TX_RING, "the queue takes as many as its ring has, and then no more");
    expect_nothing_lost();
    for (int i = 0; i < 20; i++) { // what comes in meanwhile is received
        struct mr_frame f;
        send_whole(near, 1, 100);
        cr_assert_eq(receive(&s, 0, &f), 1);
        mr_recycle_put(&s.recycle, &f.chunk, 1);
    }
    feed();
    for (int tries = 0; tries < 10000 && home < FRAMES; tries++) {
        round_of_core();
    }
    cr_assert_eq(home, FRAMES);
    expect_nothing_lost();
    expect_all_arrived(sink);
    close(near);
    close(sink);
    close_both();
}

Test(xdp_starved, of_completions)
{
    starve_and_feed("");
}

Test(xdp_starved, of_completions_in_generic_mode)
{
    starve_and_feed(", mode: generic");
}

/* The kernel still has frames when the port closes: their chunks come home with it, each frame is counted. */
Test(xdp_starved, of_completions_to_the_end)
{
    make_both(TWO("uring", "xdp"));
    starve();
    txq = s.ports[1]->txq[0];
    for (int i = 0; i < 20; i++) {
        round_of_core();
    }
    cr_expect_eq(txq->in_flight, put_in - home);
    cr_expect_gt(txq->in_flight, TX_RING - PASSED_MOST);
    close_both();
}
