/* What the kernel loses of frames for an xdp port, one cause at a time: its counter says how many, and the others nothing. */
#include "tests/unit/xdp_scene.h"

enum { BUFFERS = 64, LONGEST = MR_CHUNK_STRIDE - MR_CHUNK_DATA, LARGE_MTU = 3000 };

struct losses {
    uint64_t dropped, no_chunk, no_room;
};

static const char *const modes[] = {"native", "generic"};
static int near;
static uint64_t sent, received;

/* A frame is counted under one name only: as lost, and not within another. */
static uint64_t lost_by_name(void)
{
    struct mr_outsides o = {0};
    uint64_t sum = 0;
    s.ports[0]->driver->stats(s.ports[0], &o);
    for (uint32_t i = 0; i < o.n; i++) {
        sum += o.at[i].is_loss && o.at[i].within == NULL ? o.at[i].count : 0;
    }
    return sum;
}

static void begin(const char *mode, const char *keys)
{
    char text[600];
    snprintf(text, sizeof text, TWO("xdp, mode: %s%s", "uring"), mode, keys);
    make_both(text);
    near = packet_socket("right", false);
    sent = received = 0;
}

static void put_in(uint32_t n, uint32_t bytes)
{
    send_whole(near, n, bytes);
    sent += n;
}

/* So many frames are received, and their chunks go back to the pool. */
static void take_out(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mr_frame f;
        cr_assert_eq(receive(&s, 0, &f), 1, "frame %u of %u", i, n);
        mr_recycle_put(&s.recycle, &f.chunk, 1);
    }
    received += n;
}

/* What was sent is with the kernel until a counter has it, or the ring has. */
static void expect(struct losses l)
{
    uint64_t ring = sent - received - l.dropped - l.no_room;
    const struct mr_xdp_rxq *q = MR_CONTAINER_OF(s.ports[0]->rxq[0], struct mr_xdp_rxq, q);
    for (int tries = 0; tries < 10000 && (lost_by_name() < l.dropped + l.no_room ||
                                          __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE) - q->rx.cached_cons < ring); tries++) {
        usleep(1000);
    }
    cr_assert_eq(outside(&s, 0, "rx_dropped"), l.dropped);
    cr_assert_eq(outside(&s, 0, "rx_fill_ring_empty_descs"), l.no_chunk);
    cr_assert_eq(outside(&s, 0, "rx_ring_full"), l.no_room);
    cr_assert_eq(lost_by_name(), l.dropped + l.no_room);
    cr_assert_eq(__atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE) - q->rx.cached_cons, ring);
}

/* No frame is lost any more, and none is on its way. */
static void end(struct losses l)
{
    struct mr_frame f;
    put_in(BUFFERS / 2, 1200);
    take_out(BUFFERS / 2);
    expect(l);
    cr_expect_eq(sent - received, l.dropped + l.no_room);
    cr_expect_eq(s.ports[0]->driver->rx_burst(s.ports[0]->rxq[0], &f, 1), 0);
    close(near);
    close_both();
}

/* Somebody has the pool's chunks: the kernel has those of the FILL ring, and no more after them. */
static void no_chunk(const char *mode)
{
    static uint32_t hoard[CHUNKS];
    uint32_t n;
    begin(mode, ", rx_ring: 256");
    n = mr_pool_alloc(&s.pool, &s.pool.small, hoard, s.pool.small.count);
    put_in(BUFFERS, 1200);
    expect((struct losses){0});
    put_in(30, 1200);
    expect((struct losses){.dropped = 30, .no_chunk = 30});
    struct mr_frame frames[BUFFERS];
    for (uint32_t i = 0; i < BUFFERS; i++) { // held, too
        cr_assert_eq(receive(&s, 0, &frames[i]), 1);
    }
    received += BUFFERS;
    put_in(7, 60);
    expect((struct losses){.dropped = 37, .no_chunk = 37});
    mr_recycle_put(&s.recycle, hoard, n);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        mr_recycle_put(&s.recycle, &frames[i].chunk, 1);
    }
    mr_xdp_rx_fill(MR_CONTAINER_OF(s.ports[0]->rxq[0], struct mr_xdp_rxq, q));
    end((struct losses){.dropped = 37, .no_chunk = 37});
}

/* Nobody looks into the RX ring, and there are chunks enough: a frame that finds no room gives its chunk back. */
static void no_room(const char *mode)
{
    begin(mode, ", rx_ring: 8");
    put_in(8, 1200);
    expect((struct losses){0});
    put_in(2 * BUFFERS, 1200);
    expect((struct losses){.no_room = 2 * BUFFERS});
    take_out(8);
    put_in(9, 60);
    expect((struct losses){.no_room = 2 * BUFFERS + 1});
    take_out(8);
    expect((struct losses){.no_room = 2 * BUFFERS + 1});
    cr_expect_eq(s.ports[0]->rxq[0]->held, BUFFERS);
    for (uint32_t i = 0; i < BUFFERS / 8; i++) {
        put_in(8, 1200);
        take_out(8);
    }
    close(near);
    close_both();
}

/* The device takes frames that are longer than a chunk has room for. One byte decides. */
static void no_fit(const char *mode)
{
    begin(mode, ", rx_ring: 256");
    cr_assert_eq(mr_link_mtu("left", LARGE_MTU, &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_mtu("right", LARGE_MTU, &error), 0, "%s", error.text);
    put_in(5, LONGEST);
    expect((struct losses){0});
    take_out(5);
    put_in(20, LONGEST + 1);
    expect((struct losses){.dropped = 20});
    put_in(3, LARGE_MTU + ETH);
    expect((struct losses){.dropped = 23});
    end((struct losses){.dropped = 23});
}

static void in_each_mode(void (*lose)(const char *mode))
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        lose(modes[i]);
    }
}

Test(xdp_loss, no_chunk_in_the_fill_ring)
{
    in_each_mode(no_chunk);
}

Test(xdp_loss, no_room_in_the_rx_ring)
{
    in_each_mode(no_room);
}

Test(xdp_loss, longer_than_a_chunk)
{
    in_each_mode(no_fit);
}
