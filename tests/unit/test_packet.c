/* Ports that call the kernel themselves (mmsg, socket, mmap), by the driver contract: on a veth pair what they receive, what is
 * left when they stop and what they find no chunk for; on a socket that fills up, what a send keeps, and what it drops. */
#include <criterion/criterion.h>

#include "lib/port/packet_port.h"
#include "tests/unit/uring_frames.h"
#include "tests/unit/uring_net.h"

#include <errno.h>
#include <time.h>

enum { SMALL = 64, BIG = 4, SMALL_LINES = MR_CHUNK_STRIDE / MR_CACHE_LINE, BIG_LINES = MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE };
enum { LINES = SMALL * SMALL_LINES + BIG * BIG_LINES, TRIES = 400 };

static unsigned char memory[LINES * MR_CACHE_LINE] MR_ALIGNED(MR_CACHE_LINE);
static struct mr_pool pool;
static uint32_t small[SMALL], big[BIG], side[SMALL + BIG];
static struct mr_port_config config;
static struct mr_port port;
static struct mr_io *io;
static uint64_t rx_drops[MR_DROP_MAX], tx_drops[MR_DROP_MAX];
static uint32_t blocks = 4;
static const char *const drivers[] = {"mmap", "mmsg", "socket"};
enum { DRIVERS = sizeof drivers / sizeof *drivers };

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

static void open_port(const char *driver, enum mr_offload offload)
{
    struct mr_io_setup io_setup = {.node = -1, .n_rxq = 1, .n_txq = 1};
    make_pool();
    config = (struct mr_port_config){.name = "left", .device = "left", .queues = 1, .offload = offload, .big_buffers = BIG,
                                     .socket_bytes = 4u << 20, .block_bytes = 128u << 10, .blocks = blocks, .retire_ms = 1};
    port = (struct mr_port){.driver = mr_driver_find(driver), .config = &config, .number = 1, .base = memory, .node = -1};
    memset(rx_drops, 0, sizeof rx_drops);
    memset(tx_drops, 0, sizeof tx_drops);
    cr_assert_eq(port.driver->io_create(&io_setup, &io, &error), 0);
    struct mr_port_setup setup = {.n_rxq = 1, .n_txq = 1, .rx_pool = {&pool}, .rx_io = {io}, .tx_io = {io},
                                  .rx_node = {-1}, .tx_node = {-1}, .tx_ring_frames = SMALL};
    cr_assert_eq(port.driver->open(&port, &setup, &error), 0, "%s: %s", driver, error.text);
    port.rxq[0]->drops = rx_drops;
    port.txq[0]->drops = tx_drops;
}

/* All chunks are home once what the caller has was given back. */
static void close_port(void)
{
    uint32_t chunks[MR_BATCH_MAX];
    port.driver->close(&port);
    mr_pool_free(&pool, chunks, port.driver->chunks_back(&port, chunks, MR_BATCH_MAX));
    cr_expect_eq(pool.small.count, SMALL, "%s: %u small chunks are home", port.driver->name, pool.small.count);
    cr_expect_eq(pool.big.count, BIG);
    port.driver->destroy(&port);
    port.driver->io_destroy(io);
}

static void nap(void)
{
    struct timespec ms = {.tv_nsec = 1000000};
    nanosleep(&ms, NULL);
}

/* Until so many have come, or none does any more. */
static uint32_t receive(struct mr_frame *frames, uint32_t n)
{
    uint32_t got = 0;
    for (int tries = 0; tries < TRIES && got < n; tries++) {
        uint32_t k = port.driver->rx_burst(port.rxq[0], frames + got, n - got);
        got += k;
        if (k == 0) {
            nap();
        }
    }
    return got;
}

static void give_back(const struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mr_pool_free(&pool, &frames[i].chunk, 1);
    }
}

static uint64_t outside(const char *name)
{
    struct mr_outsides all = {0};
    port.driver->stats(&port, &all);
    for (uint32_t i = 0; i < all.n; i++) {
        if (strcmp(all.at[i].name, name) == 0) {
            return all.at[i].count;
        }
    }
    cr_assert_fail("%s tells no %s", port.driver->name, name);
    return 0;
}

/* Frame i is i bytes longer than the first. */
static void put(int fd, uint32_t i, uint32_t bytes)
{
    unsigned char frame[MR_VNET_BYTES + 4096] = {0};
    memset(frame + MR_VNET_BYTES, (int)i + 1, bytes);
    cr_assert_eq(send(fd, frame, MR_VNET_BYTES + bytes, 0), (ssize_t)(MR_VNET_BYTES + bytes), "%s", strerror(errno));
}

static void receives_each(const char *driver, int from)
{
    struct mr_frame frames[40];
    open_port(driver, MR_OFFLOAD_NONE);
    for (uint32_t i = 0; i < 40; i++) {
        put(from, i, 60 + i);
    }
    cr_assert_eq(receive(frames, 40), 40, "%s", driver);
    for (uint32_t i = 0; i < 40; i++) {
        const unsigned char *data = mr_frame_data(memory, &frames[i]);
        cr_expect_eq(frames[i].length, 60 + i, "%s: frame %u of %u bytes", driver, i, frames[i].length);
        cr_expect(data[0] == i + 1 && data[59 + i] == i + 1 && frames[i].port == 1);
    }
    cr_expect_eq(port.rxq[0]->frames, 40);
    cr_expect_eq(outside("tp_packets"), 40);
    give_back(frames, 40);
    cr_expect_eq(port.driver->rx_burst(port.rxq[0], frames, 8), 0); // chunks stay at hand, and come back after close
    close_port();
}

Test(packet, each_frame_comes_with_its_length)
{
    make_net(1);
    int from = packet_socket("right", false);
    for (int d = 0; d < DRIVERS; d++) {
        receives_each(drivers[d], from);
    }
}

/* 90 frames for 64 chunks: the rest waits in the socket or ring, and nothing is lost. */
static void waits_for_chunks(const char *driver, int from)
{
    struct mr_frame frames[90];
    open_port(driver, MR_OFFLOAD_NONE);
    for (uint32_t i = 0; i < 90; i++) {
        put(from, i, 60);
    }
    uint32_t first = receive(frames, 90);
    cr_expect_eq(first, SMALL, "%s: %u frames in %u chunks", driver, first, SMALL);
    give_back(frames, first);
    uint32_t rest = receive(frames, 90 - first);
    cr_expect_eq(first + rest, 90, "%s: %u and %u of 90", driver, first, rest);
    give_back(frames, rest);
    cr_expect_eq(outside("tp_drops"), 0);
    close_port();
}

Test(packet, frames_wait_for_chunks)
{
    make_net(1);
    int from = packet_socket("right", false);
    for (int d = 0; d < DRIVERS; d++) {
        waits_for_chunks(drivers[d], from);
    }
}

/* Stopped: what was accepted and not received is counted, a half-walked block among it. Drained: nothing is left, though five
 * frames have just come, into a block that the kernel still writes. */
static void ends(const char *driver, int from, bool drained)
{
    struct mr_frame frames[55];
    open_port(driver, MR_OFFLOAD_NONE);
    for (uint32_t i = 0; i < 50; i++) {
        put(from, i, 60);
    }
    uint32_t got = receive(frames, 7);
    cr_expect_eq(got, 7);
    for (uint32_t i = 50; i < 55; i++) {
        put(from, i, 60);
    }
    while (drained && !port.driver->rx_quiesce(port.rxq[0])) {
        got += port.driver->rx_burst(port.rxq[0], frames + got, 55 - got);
    }
    put(from, 0, 60); // once drained, the valve does not let it in
    port.driver->detach(io, 0);
    cr_expect_eq(outside("tp_packets") - outside("tp_drops"), got + outside("left_in_socket"), "%s: %u received, %lu left",
                 driver, got, outside("left_in_socket"));
    cr_expect_eq(got, drained ? 55 : 7, "%s: %u", driver, got);
    cr_expect_eq(outside("left_in_socket"), drained ? 0 : 49, "%s: %lu left", driver, outside("left_in_socket"));
    give_back(frames, got);
    close_port();
}

Test(packet, what_is_left_is_counted)
{
    make_net(1);
    int from = packet_socket("right", false);
    for (int d = 0; d < DRIVERS; d++) {
        ends(drivers[d], from, false);
        ends(drivers[d], from, true);
    }
}

static void drops_by_name(const char *driver, int from)
{
    struct mr_frame frames[2];
    struct made partial = datagram(100);
    open_port(driver, MR_OFFLOAD_NONE);
    put(from, 1, 3000); // longer than a chunk's 2112
    unsigned char whole[MR_VNET_BYTES + 4096];
    memcpy(whole, &partial.vnet, MR_VNET_BYTES);
    memcpy(whole + MR_VNET_BYTES, partial.bytes, partial.n);
    cr_assert_eq(send(from, whole, MR_VNET_BYTES + partial.n, 0), (ssize_t)(MR_VNET_BYTES + partial.n));
    put(from, 2, 60);
    cr_expect_eq(receive(frames, 1), 1, "%s", driver);
    cr_expect_eq(rx_drops[MR_DROP_too_long], 1, "%s: %lu", driver, rx_drops[MR_DROP_too_long]);
    cr_expect_eq(rx_drops[MR_DROP_partial_checksum], 1, "%s", driver);
    cr_expect_eq(port.rxq[0]->frames, 3);
    give_back(frames, 1);
    close_port();
}

Test(packet, what_is_no_use_dies_under_its_name)
{
    make_net(1);
    cr_assert_eq(mr_link_mtu("left", 4000, &error), 0);
    cr_assert_eq(mr_link_mtu("right", 4000, &error), 0);
    int from = packet_socket("right", false);
    for (int d = 0; d < DRIVERS; d++) {
        drops_by_name(drivers[d], from);
    }
}

/* A flood of frames that die: a burst looks at as many as it was asked for, and the core's other queues have their turn. */
static void floods(const char *driver, int from)
{
    enum { FLOOD = 60, BURST = 8 };
    struct mr_frame frames[BURST];
    struct made partial = datagram(100);
    unsigned char whole[MR_VNET_BYTES + sizeof partial.bytes];
    uint64_t most = 0;
    open_port(driver, MR_OFFLOAD_NONE);
    memcpy(whole, &partial.vnet, MR_VNET_BYTES);
    memcpy(whole + MR_VNET_BYTES, partial.bytes, partial.n);
    for (uint32_t i = 0; i < FLOOD; i++) {
        cr_assert_eq(send(from, whole, MR_VNET_BYTES + partial.n, 0), (ssize_t)(MR_VNET_BYTES + partial.n));
    }
    for (int tries = 0; tries < TRIES && outside("tp_packets") < FLOOD; tries++) {
        nap();
    }
    for (int tries = 0; tries < TRIES && port.rxq[0]->frames < FLOOD; tries++) {
        uint64_t before = port.rxq[0]->frames;
        cr_expect_eq(port.driver->rx_burst(port.rxq[0], frames, BURST), 0, "%s", driver);
        most = port.rxq[0]->frames - before > most ? port.rxq[0]->frames - before : most;
        nap(); // until mmap's block is over
    }
    cr_expect_eq(rx_drops[MR_DROP_partial_checksum], FLOOD, "%s: %lu", driver, rx_drops[MR_DROP_partial_checksum]);
    cr_expect_eq(most, BURST, "%s: %lu frames in one burst", driver, most);
    close_port();
}

Test(packet, a_flood_of_frames_that_die_ends_with_the_burst)
{
    make_net(1);
    int from = packet_socket("right", false);
    for (int d = 0; d < DRIVERS; d++) {
        floods(drivers[d], from);
    }
}

/* A ring of two blocks that nobody empties: the rest is the kernel's loss, by its own count, and the freeze is told. */
Test(packet, a_full_ring_loses_by_count)
{
    struct mr_frame frames[SMALL];
    uint32_t got = 0, k;
    make_net(1);
    int from = packet_socket("right", false);
    blocks = 2;
    open_port("mmap", MR_OFFLOAD_NONE);
    for (uint32_t i = 0; i < 4000; i++) {
        put(from, i, 60);
    }
    while ((k = receive(frames, SMALL)) != 0) {
        give_back(frames, k);
        got += k;
    }
    cr_expect_gt(outside("tp_drops"), 0);
    cr_expect_gt(outside("tp_freeze_q_cnt"), 0);
    cr_expect_eq(outside("tp_packets"), 4000);
    cr_expect_eq(got, 4000 - outside("tp_drops"), "%u received, %lu lost", got, outside("tp_drops"));
    close_port();
}

/* ---- sending ---- */

static void make_frames(struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = (struct mr_frame){.offset = MR_CHUNK_DATA, .length = 60};
        cr_assert_eq(mr_pool_alloc(&pool, &pool.small, &frames[i].chunk, 1), 1);
        memset(mr_frame_data(memory, &frames[i]), (int)i + 1, 2000);
    }
}

/* The third is longer than the device takes: it alone dies, as mtu, and costs one call, or with sendmmsg two. */
static void one_is_too_long(const char *driver, int to)
{
    struct mr_frame frames[5];
    unsigned char got[128];
    open_port(driver, MR_OFFLOAD_NONE);
    make_frames(frames, 5);
    frames[2].length = 1600;
    cr_expect_eq(port.driver->tx_burst(port.txq[0], frames, 5), 5);
    cr_expect_eq(tx_drops[MR_DROP_mtu], 1, "%s", driver);
    cr_expect_eq(port.txq[0]->frames, 4);
    cr_expect_eq(io->syscalls, strcmp(driver, "socket") == 0 ? 5 : 3, "%s: %lu calls", driver, io->syscalls);
    for (int i = 0; i < 5; i++) {
        if (i != 2) {
            cr_expect_eq(recv(to, got, sizeof got, 0), 60 + MR_VNET_BYTES);
            cr_expect_eq(got[MR_VNET_BYTES], i + 1, "%s: the frames' order", driver);
        }
    }
    give_back(frames, 5);
    close_port();
}

Test(packet, an_error_costs_its_own_frame)
{
    make_net(1);
    int to = packet_socket("right", true);
    for (int d = 0; d < DRIVERS; d++) {
        one_is_too_long(drivers[d], to);
    }
}

/* A full socket: what it does not take stays the caller's, a checksum among it still partial. */
static void keeps_what_is_not_taken(const char *driver)
{
    struct mr_frame frames[SMALL];
    int ends[2], least = 1;
    open_port(driver, MR_OFFLOAD_NONE);
    struct mr_packet_txq *q = MR_CONTAINER_OF(port.txq[0], struct mr_packet_txq, q);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    cr_assert_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    close(q->socket.fd);
    q->socket.fd = ends[0];
    make_frames(frames, SMALL);
    uint32_t taken = port.driver->tx_burst(port.txq[0], frames, SMALL);
    cr_assert(taken > 0 && taken < SMALL, "%s: %u taken", driver, taken);
    cr_expect_eq(port.txq[0]->frames, taken);

    struct made partial = datagram(100);
    struct mr_frame *f = &frames[taken];
    f->flags = MR_FRAME_CSUM;
    f->length = (uint16_t)partial.n;
    memcpy(mr_frame_data(memory, f) - MR_VNET_BYTES, &partial.vnet, MR_VNET_BYTES);
    memcpy(mr_frame_data(memory, f), partial.bytes, partial.n);
    cr_expect_eq(port.driver->tx_burst(port.txq[0], f, 1), 0);
    cr_expect_arr_eq(mr_frame_data(memory, f), partial.bytes, partial.n, "%s: not as it was", driver);
    for (uint32_t i = 0; i < MR_DROP_MAX; i++) {
        cr_expect_eq(tx_drops[i], 0);
    }
    give_back(frames, SMALL);
    close(ends[1]);
    close_port();
}

Test(packet, what_is_not_taken_stays_as_it_was)
{
    make_net(1);
    for (int d = 0; d < DRIVERS; d++) {
        keeps_what_is_not_taken(drivers[d]);
    }
}
