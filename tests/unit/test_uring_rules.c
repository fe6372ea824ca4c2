/* What the uring queues decide, rule by rule: the kernel's side is a submission queue that nobody enters, and completions
 * made here. Each case holds one condition of uring_rx.c, uring_tx.c and packet*.c in place, on both sides of it. */
#include <criterion/criterion.h>

#include "lib/port/uring.h"
#include "tests/unit/uring_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { SMALL = 24, BIG = 8, BUFFERS = 8, BIG_BUFFERS = 4, SENDING = 6, SQES = 64 };
enum { SMALL_LINES = MR_CHUNK_STRIDE / MR_CACHE_LINE, BIG_LINES = MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE };
enum { LINES = SMALL * SMALL_LINES + BIG * BIG_LINES };

static unsigned char memory[LINES * MR_CACHE_LINE] MR_ALIGNED(MR_CACHE_LINE);
static struct mr_uring u;
static struct mr_uring_rxq rx, *rxq[1] = {&rx};
static struct mr_uring_txq tx, *txq[1] = {&tx};
static struct mr_port_config config;
static struct mr_port port = {.base = memory, .config = &config, .number = 1};
static struct mr_pool pool;
static struct io_uring_sqe sqes[SQES];
static unsigned int head;
static uint64_t rx_drops[MR_DROP_MAX], tx_drops[MR_DROP_MAX];
static uint32_t small[SMALL], big[BIG], side[SMALL + BIG], done[SENDING];
static int peer; /* the other end of the receiving socket */

static void make_pool(void)
{
    mr_pool_init(&pool, memory, 0, SMALL * SMALL_LINES, LINES, small, SMALL, big, BIG, side);
    pool.small_bytes = MR_CHUNK_STRIDE;
    pool.big_bytes = MR_CHUNK_BIG_STRIDE;
    for (uint32_t i = 0; i < SMALL + BIG; i++) {
        uint32_t chunk = i < SMALL ? i * SMALL_LINES : SMALL * SMALL_LINES + (i - SMALL) * BIG_LINES;
        mr_pool_free(&pool, &chunk, 1);
    }
}

/* A socket that takes filters and tells what waits in it; frames go in at the other end. */
static void make(enum mr_offload offload)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    peer = ends[1];
    make_pool();
    u = (struct mr_uring){.rxq = rxq, .txq = txq, .n_rxq = 1, .max_rxq = 1, .n_txq = 1, .max_txq = 1};
    u.ring.ring_fd = u.ring.enter_ring_fd = -1;
    u.ring.sq.khead = &head;
    u.ring.sq.sqes = sqes;
    u.ring.sq.ring_entries = SQES;
    u.ring.sq.ring_mask = SQES - 1;
    config = (struct mr_port_config){.offload = offload, .receive = MR_RECEIVE_PLAIN, .buffers = BUFFERS};
    config.big_buffers = offload == MR_OFFLOAD_SUPER ? BIG_BUFFERS : 0;
    rx = (struct mr_uring_rxq){.q = {.port = &port, .io = &u.io, .pool = &pool, .drops = rx_drops}, .uring = &u, .socket.fd = ends[0]};
    tx = (struct mr_uring_txq){.q = {.port = &port, .io = &u.io, .drops = tx_drops}, .uring = &u, .socket.fd = -1, .done = done};
    tx.capacity = SENDING;
    cr_assert_eq(mr_uring_rx_init(&rx, &config, -1), 0);
    cr_assert_lt(mr_uring_rx_attach(&rx), 0, "there is no ring to attach to");
}

static uint32_t requests(void)
{
    return u.ring.sq.sqe_tail;
}

/* Post whatever may be posted, as a burst does. */
static uint32_t take(uint32_t n)
{
    struct mr_frame frames[MR_BATCH_MAX];
    return mr_uring_rx_burst(&rx.q, frames, n);
}

static void come(uint32_t times, int bytes)
{
    for (uint32_t i = 0; i < times; i++) {
        uint32_t number = 0;
        while (number < rx.n && rx.chunk_of[number] == MR_URING_NO_CHUNK) {
            number++;
        }
        cr_assert_lt(number, rx.n, "a buffer is posted");
        mr_uring_rx_complete(&rx, bytes, IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | number << IORING_CQE_BUFFER_SHIFT);
    }
}

/* ---- buffers ---- */

/* Frames that wait and buffers that are posted are together never more than the FIFO holds. */
Test(uring_rules, posts_no_more_than_the_fifo_holds)
{
    make(MR_OFFLOAD_NONE);
    take(0);
    cr_assert_eq(rx.q.held, BUFFERS);
    come(5, 60);
    cr_assert_eq(take(2), 2);
    cr_expect_eq(rx.q.ready, 3);
    cr_expect_eq(rx.q.held, BUFFERS - 3);
    come(2, 60);
    take(0);
    cr_expect_eq(rx.q.ready + rx.q.held, BUFFERS);
}

static bool armed_with(uint32_t held, uint32_t ready)
{
    uint32_t before = requests();
    rx.armed = false;
    rx.q.held = held;
    rx.q.ready = ready;
    mr_uring_rx_arm(&rx);
    cr_assert_eq(requests() - before, rx.armed);
    return rx.armed;
}

/* Never without a buffer; with a quarter of them, or with all that can come. */
Test(uring_rules, arms_when_buffers_are_back)
{
    make(MR_OFFLOAD_NONE);
    cr_expect(!armed_with(0, 0), "no buffer");
    cr_expect(!armed_with(BUFFERS / 4 - 1, 1), "more can come, and less than a quarter is there");
    cr_expect(armed_with(BUFFERS / 4 - 1, 0), "no more can come");
    cr_expect(armed_with(BUFFERS / 4, 1), "a quarter");
    uint32_t before = requests();
    mr_uring_rx_arm(&rx);
    cr_expect_eq(requests(), before, "one request at a time");
    rx.cancelled = true;
    cr_expect(!armed_with(BUFFERS, 0), "it shall end");
}

/* The request may still write into what is posted: only what was received comes back. */
Test(uring_rules, buffers_of_a_living_request_stay_away)
{
    uint32_t chunks[BUFFERS];
    make(MR_OFFLOAD_NONE);
    take(0);
    come(2, 60);
    rx.armed = true;
    cr_expect_eq(mr_uring_rx_chunks_back(&rx, chunks, BUFFERS), 2);
    cr_expect_eq(mr_uring_rx_chunks_back(&rx, chunks, BUFFERS), 0);
    rx.armed = false;
    cr_expect_eq(mr_uring_rx_chunks_back(&rx, chunks, BUFFERS), BUFFERS - 2);
}

/* ---- lengths ---- */

Test(uring_rules, shortest_and_longest_of_a_small_buffer)
{
    make(MR_OFFLOAD_NONE);
    take(0);
    come(1, MR_FRAME_MIN);
    cr_expect_eq(rx_drops[MR_DROP_runt], 0);
    come(1, MR_FRAME_MIN - 1);
    cr_expect_eq(rx_drops[MR_DROP_runt], 1);
    come(1, MR_CHUNK_STRIDE - MR_CHUNK_DATA);
    cr_expect_eq(rx_drops[MR_DROP_too_long], 0);
    come(1, MR_CHUNK_STRIDE - MR_CHUNK_DATA + 1);
    cr_expect_eq(rx_drops[MR_DROP_too_long], 1);
    cr_expect_eq(rx.q.ready, 2);
}

/* A tag may come back in: with it the length must still go into 16 bits. */
Test(uring_rules, longest_of_a_big_buffer)
{
    make(MR_OFFLOAD_SUPER);
    take(0);
    cr_assert_eq(rx.post_bytes, MR_FRAME_MAX + MR_VNET_BYTES);
    come(1, MR_VNET_BYTES + MR_FRAME_MAX - 4);
    cr_expect_eq(rx.q.ready, 1);
    come(1, MR_VNET_BYTES + MR_FRAME_MAX - 3);
    cr_expect_eq(rx.q.ready, 1);
    cr_expect_eq(rx_drops[MR_DROP_too_long], 1);
}

Test(uring_rules, what_fits_a_small_chunk_moves_there)
{
    make(MR_OFFLOAD_SUPER);
    take(0);
    come(1, (int)(MR_VNET_BYTES + MR_CHUNK_STRIDE - MR_CHUNK_DATA));
    cr_expect_eq(rx.socket.copied_small, 1);
    cr_expect_lt(rx.ready[0].chunk, pool.big_first);
    come(1, (int)(MR_VNET_BYTES + MR_CHUNK_STRIDE - MR_CHUNK_DATA + 1));
    cr_expect_eq(rx.socket.copied_small, 1);
    cr_expect_geq(rx.ready[1].chunk, pool.big_first);
}

/* ---- the end of receiving ---- */

Test(uring_rules, looks_three_times_before_it_cancels)
{
    make(MR_OFFLOAD_NONE);
    take(0);
    mr_uring_rx_arm(&rx);
    uint32_t before = requests();
    cr_expect(!mr_uring_rx_quiesce(&rx.q) && rx.socket.valve_closed, "the first look closes the valve");
    for (int look = 1; look < 3; look++) {
        cr_expect(!mr_uring_rx_quiesce(&rx.q) && requests() == before, "look %d", look);
    }
    cr_expect(!mr_uring_rx_quiesce(&rx.q) && requests() == before + 1, "the cancel goes out");
    cr_expect(!mr_uring_rx_quiesce(&rx.q), "the request lives");
    mr_uring_rx_complete(&rx, -ECANCELED, 0);
    cr_expect(mr_uring_rx_quiesce(&rx.q));
    cr_expect_eq(rx.q.ended, 1);
}

/* A frame among the looks begins them anew. */
Test(uring_rules, looks_begin_anew_after_a_frame)
{
    make(MR_OFFLOAD_NONE);
    take(0);
    mr_uring_rx_arm(&rx);
    uint32_t before = requests();
    for (int look = 0; look < 3; look++) {
        mr_uring_rx_quiesce(&rx.q);
    }
    come(1, 60);
    cr_expect(!mr_uring_rx_quiesce(&rx.q) && requests() == before, "a frame waits here");
    take(1);
    for (int look = 0; look < 2; look++) {
        cr_expect(!mr_uring_rx_quiesce(&rx.q) && requests() == before);
    }
    cr_expect(!mr_uring_rx_quiesce(&rx.q) && requests() == before + 1);
}

/* One that was on its way through the filter, and comes when the request was cancelled: it is received all the same. */
Test(uring_rules, receives_again_what_came_after_the_cancel)
{
    char frame[60] = {0};
    make(MR_OFFLOAD_NONE);
    cr_assert_eq(send(peer, frame, sizeof frame, 0), sizeof frame); // it waits in the socket, behind the valve
    take(0);
    mr_uring_rx_arm(&rx);
    rx.socket.valve_closed = rx.cancelled = true;
    mr_uring_rx_complete(&rx, -ECANCELED, 0);
    cr_expect(!mr_uring_rx_quiesce(&rx.q), "the socket has one");
    mr_uring_rx_arm(&rx);
    cr_expect(rx.armed, "so it is received");
    cr_expect_eq(recv(rx.socket.fd, frame, sizeof frame, 0), sizeof frame);
    for (int look = 0; look < 3; look++) {
        cr_expect(!mr_uring_rx_quiesce(&rx.q));
    }
    mr_uring_rx_complete(&rx, -ECANCELED, 0);
    cr_expect(mr_uring_rx_quiesce(&rx.q));
}

/* ---- sending ---- */

static uint32_t send_frames(uint32_t n)
{
    struct mr_frame frames[SQES];
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = (struct mr_frame){.chunk = i % SMALL * SMALL_LINES, .offset = MR_CHUNK_DATA, .length = 60};
    }
    return mr_uring_tx_burst(&tx.q, frames, n);
}

/* Room is for what is under way and what was not reclaimed; the submission queue is shared by all queues of the core. */
Test(uring_rules, sends_what_there_is_room_for)
{
    uint32_t chunks[SENDING];
    make(MR_OFFLOAD_NONE);
    cr_expect_eq(send_frames(SENDING - 1), SENDING - 1);
    cr_expect_eq(send_frames(3), 1);
    cr_expect_eq(send_frames(1), 0);
    mr_uring_tx_complete(&tx, MR_URING_USER_DATA(MR_URING_SEND, 0, 60, 0), 60);
    cr_expect_eq(send_frames(1), 0, "over, and its chunk not yet taken home");
    cr_expect_eq(mr_uring_reclaim(&tx.q, chunks, SENDING), 1);
    cr_expect_eq(send_frames(2), 1);
    tx.capacity = SQES;
    u.ring.sq.sqe_tail = SQES - 2;
    cr_expect_eq(send_frames(5), 2, "two places are left");
}

/* ---- sockets ---- */

static void set_down(const char *name)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

/* The socket tells once that its device is down, before it gives what waits behind that. */
Test(uring_rules, counts_what_is_left_behind_an_error)
{
    unsigned char frame[60] = {0};
    make(MR_OFFLOAD_NONE);
    make_net(1);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    at.sll_ifindex = (int)if_nametoindex("right");
    rx.socket.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(rx.socket.fd, (struct sockaddr *)&at, sizeof at), 0);
    at.sll_ifindex = (int)if_nametoindex("left");
    int sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = rx.socket.fd, .events = POLLIN};
    for (int i = 0; i < 500 && poll(&wait, 1, 10) == 0; i++) { // the link needs a moment
        cr_assert_eq(sendto(sender, frame, sizeof frame, 0, (struct sockaddr *)&at, sizeof at), sizeof frame);
    }
    mr_packet_valve_close(&rx.socket);
    set_down("right");
    mr_packet_count_left(&rx.socket);
    mr_packet_read_statistics(&rx.socket);
    cr_expect_gt(rx.socket.tp_packets, 0);
    cr_expect_eq(rx.socket.left_in_socket, rx.socket.tp_packets);
}

/* Through the queueing discipline a refusal would come back to nobody. */
Test(uring_rules, sends_past_the_queueing_discipline)
{
    make(MR_OFFLOAD_NONE);
    make_net(1);
    struct mr_packet_port p = {.port = &port};
    int value = 0;
    socklen_t size = sizeof value;
    port.ifindex = (int)if_nametoindex("left");
    cr_assert_eq(mr_packet_tx_open(&p, &tx.socket, &error), 0, "%s", error.text);
    cr_assert_eq(getsockopt(tx.socket.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &value, &size), 0);
    cr_expect_eq(value, 1);
}

/* A place for every buffer and every send under way: else the kernel ends receives and keeps completions back. */
Test(uring_rules, the_completion_queue_holds_all_that_can_end)
{
    struct mr_io_setup setup = {.n_rxq = 1, .n_txq = 1, .rx_buffers = 1024, .tx_frames = 1024};
    struct mr_io *io;
    cr_assert_eq(mr_uring_create(&setup, &io, &error), 0, "%s", error.text);
    const struct io_uring *ring = &MR_CONTAINER_OF(io, struct mr_uring, io)->ring;
    cr_expect_gt(ring->cq.ring_entries, setup.rx_buffers + setup.tx_frames, "and the end of each request");
    cr_expect_geq(ring->sq.ring_entries, MR_BATCH_MAX + 2, "a burst, an arming and a cancel");
    mr_uring_destroy(io);
}
