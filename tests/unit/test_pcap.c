/* The pcap driver through its contract: a small pool, a file that is read, a file that is written, no engine. */
#include <criterion/criterion.h>

#include "lib/port/port.h"
#include "lib/sys/clock.h"
#include "tests/unit/pcap_bytes.h"

#include <errno.h>
#include <jansson.h>
#include <pcap.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define MAGIC_US 0xa1b2c3d4u
enum { CHUNKS = 256, BIG = 8, LINES = 39, BIG_LINES = 1089, BURST = 32, SECONDS = 1700000000, MANY = 300 };

static const struct mr_driver *driver;
static char folder[] = "/tmp/test_pcap.XXXXXX";
static unsigned char *base;
static struct mr_pool pool;
static struct mr_port_config config[2];
static struct mr_port ports[2];
static struct mr_port *table[2];
static struct mr_io *io[2];
static uint64_t drops[2][MR_DROP_MAX];
static struct mr_error error;
static struct bytes file;
static json_t *report;
static unsigned char data[4096];

static void build_pool(void)
{
    uint32_t *items = calloc(2 * (CHUNKS + BIG), sizeof *items);
    uint32_t *big = items + CHUNKS;
    uint32_t big_first = CHUNKS * LINES, end = big_first + BIG * BIG_LINES;
    base = aligned_alloc(64, (size_t)end * 64);
    mr_pool_init(&pool, base, 0, big_first, end, items, CHUNKS, big, BIG, big + BIG);
    pool.small_bytes = LINES * 64;
    pool.big_bytes = BIG_LINES * 64;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        items[pool.small.count++] = i * LINES;
    }
    for (uint32_t i = 0; i < BIG; i++) {
        big[pool.big.count++] = big_first + i * BIG_LINES;
    }
}

static void build(void)
{
    driver = mr_driver_find("pcap");
    cr_assert_not_null(mkdtemp(folder));
    build_pool();
    for (uint32_t p = 0; p < 2; p++) {
        config[p] = (struct mr_port_config){.name = {p == 0 ? 'a' : 'b'}, .loop = 1};
        ports[p] = (struct mr_port){.driver = driver, .config = &config[p], .number = (uint8_t)p, .base = base};
        ports[p].ticks_per_ns = mr_clock_get()->ticks_per_ns;
        snprintf(config[p].read, sizeof config[p].read, "%s/in", folder);
        snprintf(config[p].write, sizeof config[p].write, "%s/out", folder);
    }
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 13 + 5);
    }
}

static void destroy(uint32_t p)
{
    if (table[p] != NULL) {
        driver->close(&ports[p]);
        driver->destroy(&ports[p]);
        table[p] = NULL;
    }
    if (io[p] != NULL) {
        driver->io_destroy(io[p]);
        io[p] = NULL;
    }
}

static void clear(void)
{
    char command[64];
    json_decref(report);
    destroy(0);
    destroy(1);
    cr_expect_eq(pool.small.count, CHUNKS, "small chunks: %u", pool.small.count);
    cr_expect_eq(pool.big.count, BIG);
    free(pool.small.items);
    free(base);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect_eq(system(command), 0);
}

/* Port 0 reads, port 1 writes. */
static int open_port(uint32_t p)
{
    struct mr_io_setup io_setup = {.node = -1, .n_rxq = p == 0, .n_txq = p == 1};
    struct mr_port_setup setup = {.n_rxq = p == 0, .n_txq = p == 1, .ports = table, .n_ports = 2};
    cr_assert_eq(driver->io_create(&io_setup, &io[p], &error), 0);
    setup.rx_pool[0] = &pool;
    setup.rx_io[0] = setup.tx_io[0] = io[p];
    setup.rx_node[0] = setup.tx_node[0] = -1;
    int rc = driver->open(&ports[p], &setup, &error);
    if (rc == 0) {
        table[p] = &ports[p];
        *(p == 0 ? &ports[p].rxq[0]->drops : &ports[p].txq[0]->drops) = drops[p];
    }
    return rc;
}

static void open_both(void)
{
    cr_assert_eq(open_port(0), 0, "%s", error.text);
    cr_assert_eq(open_port(1), 0, "%s", error.text);
    cr_assert_eq(driver->attach(io[1], &error), 0);
}

static void reopen(void)
{
    destroy(0);
    destroy(1);
    open_both();
}

static uint32_t receive(struct mr_frame *frames, uint64_t now)
{
    struct mr_rxq *q = ports[0].rxq[0];
    q->now = now;
    q->tick = (uint32_t)(now >> MR_TICK_SHIFT);
    return driver->rx_burst(q, frames, BURST);
}

static void send_all(const struct mr_frame *frames, uint32_t n)
{
    uint32_t sent = 0;
    ports[1].txq[0]->now = mr_ticks();
    while (sent < n) {
        sent += driver->tx_burst(ports[1].txq[0], frames + sent, n - sent);
        driver->doorbell(io[1], MR_DOORBELL_SEND);
    }
    for (uint32_t i = 0; i < n; i++) {
        mr_pool_free(&pool, &frames[i].chunk, 1);
    }
}

/* From file to file until the source has ended, then the books. Returns frames sent. */
static uint64_t run(void)
{
    struct mr_frame frames[BURST];
    uint64_t give_up = mr_now_ns() + 5000000000ull;
    while (mr_load_acquire(&ports[0].rxq[0]->ended) == 0) {
        send_all(frames, receive(frames, mr_ticks()));
        cr_assert_lt(mr_now_ns(), give_up, "it does not end");
    }
    driver->detach(io[1], mr_now_ns() + 1000000000ull);
    uint64_t dropped = 0;
    for (uint32_t r = 0; r < MR_DROP_ENGINE_COUNT; r++) {
        dropped += drops[0][r] + drops[1][r];
    }
    cr_expect_eq(ports[1].txq[0]->in_flight, 0);
    cr_expect_eq(ports[0].rxq[0]->frames, ports[1].txq[0]->frames + dropped, "every frame is accounted for");
    return ports[1].txq[0]->frames;
}

static json_t *told(uint32_t p, const char *key)
{
    json_decref(report);
    report = driver->report(&ports[p]);
    return json_object_get(report, key);
}

static const char *error_of(uint32_t p)
{
    const char *error_text = json_string_value(told(p, "error"));
    return error_text == NULL ? "" : error_text;
}

static void begin(void)
{
    file = (struct bytes){.n = 0};
    put_pcap_header(&file, MAGIC_US, 262144, 1);
}

static void record(uint32_t i, uint32_t there, uint32_t length)
{
    put_pcap_record(&file, SECONDS + i, i * 3, data + i, there, length);
}

static void save(void)
{
    write_file(config[0].read, file.at, file.n);
}

static void make(uint32_t n)
{
    begin();
    for (uint32_t i = 0; i < n; i++) {
        record(i, 14 + i % 150, 14 + i % 150 + (i % 7 == 0 ? 1000 : 0));
    }
    save();
}

static bool same_files(void)
{
    char command[600];
    driver->close(&ports[1]);
    snprintf(command, sizeof command, "cmp %s %s", config[0].read, config[1].write);
    return system(command) == 0;
}

TestSuite(pcap, .init = build, .fini = clear);

/* Of many records, and of none. */
Test(pcap, file_to_file_is_exact)
{
    config[1].format = MR_PCAP_US;
    for (uint32_t n = MANY, round = 0; round < 2; n = 0, round++) {
        make(n);
        reopen();
        cr_expect_eq(run(), n);
        cr_expect(same_files());
        cr_expect_eq(json_integer_value(told(0, "records")), n);
        cr_expect_eq(json_integer_value(told(0, "cut_records")), (n + 6) / 7);
        cr_expect_str_eq(error_of(0), "");
    }
}

Test(pcap, what_is_no_frame_for_us_dies_by_name)
{
    begin();
    record(0, 0, 0);
    record(1, 13, 13);
    record(2, 14, 14);
    record(3, 60, 1500);
    record(4, LINES * 64 - MR_CHUNK_DATA, LINES * 64 - MR_CHUNK_DATA);
    record(5, LINES * 64 - MR_CHUNK_DATA + 1, LINES * 64 - MR_CHUNK_DATA + 1);
    save();
    config[0].cut = MR_CUT_DROP;
    pool.big.capacity = 0;
    open_both();
    cr_expect_eq(run(), 2);
    cr_expect_eq(drops[0][MR_DROP_runt], 2);
    cr_expect_eq(drops[0][MR_DROP_cut], 1);
    cr_expect_eq(drops[0][MR_DROP_too_long], 1);
    cr_expect_eq(ports[0].rxq[0]->frames, 6);
}

Test(pcap, long_frames_take_big_chunks)
{
    begin();
    record(0, 60, 60);
    record(1, 3000, 3000);
    save();
    config[1].format = MR_PCAP_US;
    open_both();
    cr_expect_eq(run(), 2);
    cr_expect(same_files());
}

Test(pcap, loops_filters_and_bounds)
{
    make(10);
    config[0].loop = 3;
    open_both();
    cr_expect_eq(run(), 30);
    cr_expect_eq(json_integer_value(told(0, "passes")), 3);
    config[0].loop = 0;
    config[0].max_frames = 25;
    reopen();
    cr_expect_eq(run(), 25);
    config[0].loop = 1;
    config[0].max_frames = 0;
    snprintf(config[0].filter, sizeof config[0].filter, "greater 1000");
    reopen();
    cr_expect_eq(run(), 2);
    cr_expect_eq(json_integer_value(told(0, "filtered")), 8);
    config[0].loop = 0; // and a pass that brings nothing ends a loop without end
    snprintf(config[0].filter, sizeof config[0].filter, "greater 9000");
    reopen();
    cr_expect_eq(run(), 0);
}

/* Without chunks nothing is taken and nothing is lost. */
Test(pcap, waits_for_chunks)
{
    struct mr_frame frames[BURST];
    make(20);
    open_both();
    uint32_t all = pool.small.count;
    while (receive(frames, mr_ticks()) == 0) {
    }
    send_all(frames, 0);
    uint32_t got = all - pool.small.count;
    pool.small.count = 0;
    cr_expect_eq(receive(frames + got, mr_ticks()), 0);
    pool.small.count = all - got;
    send_all(frames, got);
    cr_expect_eq(run(), 20);
}

/* Ten frames a second apart, by a clock of our own. */
Test(pcap, recorded_gaps_are_kept)
{
    struct mr_frame frames[BURST];
    make(10);
    config[0].replay = MR_REPLAY_RECORDED;
    open_both();
    uint64_t second = (uint64_t)(ports[0].ticks_per_ns * 1e9), now = 1000000;
    while (receive(frames, now) == 0) {
    }
    send_all(frames, 1);
    cr_expect_eq(receive(frames, now + second - second / 100), 0, "before its time");
    for (uint32_t i = 1; i < 10; i++) {
        now += second + second / 100000; // the stamps are 3 us more than a second apart
        cr_expect_eq(receive(frames, now), 1, "frame %u", i);
        send_all(frames, 1);
    }
    cr_expect_eq(run(), 10);
}

Test(pcap, a_rate_is_kept)
{
    struct mr_frame frames[BURST];
    uint32_t n = 0;
    make(100);
    config[0].rate_fps = 1000;
    open_both();
    uint64_t ms = (uint64_t)(ports[0].ticks_per_ns * 1e6), now = 1000000;
    while ((n = receive(frames, now)) == 0) {
    }
    cr_expect_eq(n, 1);
    send_all(frames, n);
    n = receive(frames, now + 10 * ms + ms / 2);
    cr_expect_eq(n, 10);
    send_all(frames, n);
    run();
}

Test(pcap, frames_from_elsewhere_get_the_wall_clock)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *h;
    const unsigned char *at;
    struct timespec wall;
    struct mr_frame f = {.offset = MR_CHUNK_DATA, .length = 60, .tick = (uint32_t)(mr_ticks() >> MR_TICK_SHIFT)};
    clock_gettime(CLOCK_REALTIME, &wall);
    cr_assert_eq(open_port(1), 0, "%s", error.text);
    driver->attach(io[1], &error);
    cr_assert_eq(mr_pool_alloc(&pool, &pool.small, &f.chunk, 1), 1);
    memset(mr_chunk_at(base, f.chunk) + MR_CHUNK_META, 0xee, 64); // an older frame's stamp is not this one's
    send_all(&f, 1);
    driver->detach(io[1], mr_now_ns() + 1000000000ull);
    driver->close(&ports[1]);
    pcap_t *p = pcap_open_offline(config[1].write, text);
    cr_assert_eq(pcap_next_ex(p, &h, &at), 1);
    double late = (double)(h->ts.tv_sec - wall.tv_sec) + (double)h->ts.tv_usec / 1e6 - (double)wall.tv_nsec / 1e9;
    cr_expect(late > -0.01 && late < 0.1, "%g s", late);
    cr_expect_eq(h->len, 60);
    pcap_close(p);
}

Test(pcap, a_broken_file_is_sent_up_to_there)
{
    make(50);
    write_file(config[0].read, file.at, file.n - 1);
    open_both();
    cr_expect_eq(run(), 49);
    cr_expect_not_null(strstr(error_of(0), "/in: record 50, at byte 2670: the file is cut off"), "%s", error_of(0));
}

Test(pcap, a_full_device_costs_frames_their_name_and_nothing_else)
{
    make(MANY);
    snprintf(config[1].write, sizeof config[1].write, "/dev/full");
    open_both();
    cr_expect_eq(run(), 0);
    cr_expect_eq(drops[1][MR_DROP_capture_lost], MANY);
    cr_expect_not_null(strstr(error_of(1), "/dev/full: the capture ends after 0 frames: No space left"), "%s", error_of(1));
}

Test(pcap, what_cannot_be_opened_says_why)
{
    make(1);
    snprintf(config[0].filter, sizeof config[0].filter, "udp prot 53");
    cr_expect_eq(open_port(0), -EINVAL);
    cr_expect_not_null(strstr(error.text, "port a: filter \"udp prot 53\": "), "%s", error.text);
    driver->io_destroy(io[0]);
    config[0].filter[0] = 0;
    snprintf(config[1].write, sizeof config[1].write, "%s", config[0].read);
    cr_assert_eq(open_port(0), 0, "%s", error.text);
    cr_expect_eq(open_port(1), -EBUSY);
    cr_expect_not_null(strstr(error.text, "it would write over "), "%s", error.text);
    struct stat st;
    cr_expect(stat(config[0].read, &st) == 0 && st.st_size == (off_t)file.n, "and it did not");
    driver->io_destroy(io[1]);
    destroy(0);
    io[1] = NULL;
    snprintf(config[0].read, sizeof config[0].read, "%s/none", folder);
    cr_expect_eq(open_port(0), -ENOENT);
    cr_expect_not_null(strstr(error.text, "cannot open it for reading: No such file"), "%s", error.text);
}
