/* The capture writer against libpcap as reader, and against files that fail: full, limited, read by nobody. */
#include <criterion/criterion.h>

#include "lib/port/capture.h"
#include "lib/port/filter.h"
#include "lib/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAMP 1700000000123456789ull
enum { FRAMES = 1000, LANE_FRAMES = 1400, LONGEST = 1514, KINDS = 3 }; // 1400: nearly 1 MiB

static char folder[] = "/tmp/test_capture.XXXXXX";
static char path[128];
static unsigned char bytes[2048];
static const char *const names[] = {"left", "right"};
static struct mr_capture *capture;
static struct mr_error error;

static void build(void)
{
    cr_assert_not_null(mkdtemp(folder));
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 7 + 3);
    }
}

static void clear(void)
{
    char command[160];
    mr_capture_destroy(capture);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect_eq(system(command), 0);
}

static struct mr_capture_lane *open_as(const char *file, enum mr_capture_format format, uint32_t snap)
{
    struct mr_capture_setup setup = {.file = file, .format = format, .snap = snap, .n_lanes = 2, .node = -1};
    setup.ticks_per_ns = mr_clock_get()->ticks_per_ns;
    setup.lane_bytes = 1u << 20;
    setup.n_interfaces = 2;
    setup.interfaces = names;
    setup.comment = "of a test";
    cr_assert_eq(mr_capture_open(&setup, &capture, &error), 0, "%s", error.text);
    return mr_capture_lane(capture, 0);
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct mr_capture_record record(uint32_t i)
{
    return (struct mr_capture_record){.ns = STAMP + i * 1000003ull, .data = bytes + i % 64, .length = 14 + i % 1501,
                                      .cut = i % 5 == 0 ? i : 0, .interface = i % 2};
}

/* All of them, as who waits for room does; publishes each eighth. */
static void put_all(struct mr_capture_lane *lane, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mr_capture_record r = record(i);
        while (!mr_capture_put(lane, &r)) {
            mr_capture_publish(lane);
        }
        if (i % 8 == 0) {
            mr_capture_publish(lane);
        }
    }
    mr_capture_publish(lane);
}

/* libpcap reads what was put, in order, whole; resolution of the stamps in ns. Returns the number of records. */
static uint32_t read_back(const char *file, uint32_t snap, uint32_t resolution_ns)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *data;
    uint32_t n = 0;
    int rc;
    pcap_t *p = pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, text);
    cr_assert_not_null(p, "%s", text);
    cr_expect_eq(pcap_datalink(p), DLT_EN10MB);
    while ((rc = pcap_next_ex(p, &header, &data)) == 1) {
        struct mr_capture_record r = record(n);
        uint64_t ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
        uint32_t kept = r.length < snap ? r.length : snap;
        cr_assert_eq(ns, r.ns / resolution_ns * resolution_ns, "record %u", n);
        cr_assert_eq(header->caplen, kept);
        cr_assert_eq(header->len, r.length + r.cut);
        cr_assert_eq(memcmp(data, r.data, kept), 0, "record %u", n);
        n++;
    }
    cr_expect_eq(rc, PCAP_ERROR_BREAK, "record %u: %s", n, pcap_geterr(p));
    pcap_close(p);
    return n;
}

static struct mr_capture_counts counts(void)
{
    struct mr_capture_counts c;
    mr_capture_counts(capture, &c);
    return c;
}

TestSuite(capture, .init = build, .fini = clear);

Test(capture, libpcap_reads_every_format)
{
    const uint32_t resolution[] = {[MR_CAPTURE_PCAP] = 1000, [MR_CAPTURE_PCAP_NS] = 1, [MR_CAPTURE_PCAPNG] = 1};
    for (uint32_t format = MR_CAPTURE_PCAP; format <= MR_CAPTURE_PCAPNG; format++) {
        struct mr_capture_lane *lane = open_as(in_folder("out"), (enum mr_capture_format)format, 0);
        mr_capture_go(capture);
        put_all(lane, FRAMES);
        cr_expect_eq(mr_capture_stop(capture), 0);
        cr_expect_eq(counts().frames, FRAMES);
        cr_expect_eq(counts().lost, 0);
        cr_expect_eq(read_back(path, UINT32_MAX, resolution[format]), FRAMES, "format %u", format);
        mr_capture_destroy(capture);
        capture = NULL;
    }
}

Test(capture, keeps_what_snap_says_and_tells_the_length)
{
    struct mr_capture_lane *lane = open_as(in_folder("out.pcapng"), MR_CAPTURE_BY_NAME, 97); // no multiple of 4
    cr_expect_str_eq(mr_capture_format_text(capture), "pcapng");
    mr_capture_go(capture);
    put_all(lane, FRAMES);
    cr_expect_eq(mr_capture_stop(capture), 0);
    cr_expect_eq(read_back(path, 97, 1), FRAMES);
}

Test(capture, a_frame_of_no_bytes_keeps_its_length)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *data;
    struct mr_capture_record r = {.ns = STAMP, .data = bytes, .length = 0, .cut = 77};
    struct mr_capture_lane *lane = open_as(in_folder("out.pcapng"), MR_CAPTURE_BY_NAME, 0);
    mr_capture_go(capture);
    cr_assert(mr_capture_put(lane, &r));
    mr_capture_publish(lane);
    cr_expect_eq(mr_capture_stop(capture), 0);
    pcap_t *p = pcap_open_offline(path, text);
    cr_assert_eq(pcap_next_ex(p, &header, &data), 1);
    cr_expect_eq(header->caplen, 0);
    cr_expect_eq(header->len, 77);
    pcap_close(p);
}

Test(capture, interfaces_have_their_names)
{
    unsigned char file[256] = {0};
    struct mr_capture_lane *lane = open_as(in_folder("out.pcapng"), MR_CAPTURE_BY_NAME, 0);
    mr_capture_go(capture);
    put_all(lane, 1);
    mr_capture_stop(capture);
    FILE *in = fopen(path, "r");
    size_t n = fread(file, 1, sizeof file, in);
    fclose(in);
    cr_expect_not_null(memmem(file, n, "of a test", 9));
    cr_expect_not_null(memmem(file, n, "\2\0\4\0left", 8)); // if_name, 4 bytes
    cr_expect_not_null(memmem(file, n, "\2\0\5\0right\0\0\0", 12));
}

Test(capture, lanes_do_not_mix)
{
    struct mr_capture_lane *lane = open_as(in_folder("out"), MR_CAPTURE_PCAP_NS, 0);
    struct mr_capture_lane *other = mr_capture_lane(capture, 1);
    mr_capture_go(capture);
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct mr_capture_record r = record(i);
        cr_assert(mr_capture_put(i % 3 == 0 ? other : lane, &r));
    }
    mr_capture_publish(other);
    mr_capture_publish(lane);
    cr_expect_eq(mr_capture_stop(capture), 0);
    cr_expect_eq(counts().frames, FRAMES);
    cr_expect_eq(lane->frames + other->frames, FRAMES);
    cr_expect_eq(other->frames, other->put);
}

Test(capture, a_file_is_not_touched_before_it_goes)
{
    struct stat st;
    FILE *old = fopen(in_folder("old"), "w");
    fputs("precious", old);
    fclose(old);
    open_as(path, MR_CAPTURE_BY_NAME, 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect(mr_capture_is(capture, st.st_dev, st.st_ino));
    mr_capture_stop(capture);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_size, 8);
}

Test(capture, an_empty_one_is_a_file)
{
    open_as(in_folder("out"), MR_CAPTURE_BY_NAME, 0);
    mr_capture_go(capture);
    cr_expect_eq(mr_capture_stop(capture), 0);
    cr_expect_eq(read_back(path, UINT32_MAX, 1), 0);
}

/* A FIFO whose reader does not read: the lane fills, offers are lost and counted, and nobody waits. */
Test(capture, what_a_lane_cannot_take_is_counted)
{
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct mr_capture_lane *lane = open_as(path, MR_CAPTURE_PCAP_NS, 0);
    struct mr_capture_record r = {.ns = STAMP, .data = bytes, .length = LONGEST};
    mr_capture_go(capture);
    uint64_t begin = mr_now_ns();
    for (uint32_t i = 0; i < FRAMES * 10; i++) {
        mr_capture_offer(lane, &r);
        mr_capture_publish(lane);
    }
    cr_expect_lt(mr_now_ns() - begin, 1000000000u);
    cr_expect_gt(lane->lost, 0);
    cr_expect_eq(lane->lost + lane->put, FRAMES * 10);
    cr_expect_not(mr_capture_put(lane, &r), "and a queue that asks for room is told that there is none");
    cr_expect_eq(mr_capture_stop(capture), ETIMEDOUT);
    cr_expect_eq(lane->put, lane->frames + lane->discarded);
    cr_expect_eq(counts().lost + counts().frames, FRAMES * 10);
    close(reader);
}

/* Takes at most so many bytes, then sleeps, until the end of the FIFO. */
struct slow_reader {
    uint32_t bytes, pause_us;
    int fd, rc; // rc: what the stop said
    uint64_t taken;
};

static void *read_slowly(void *arg)
{
    static unsigned char sink[64 << 10];
    struct slow_reader *s = arg;
    for (ssize_t n = 1; n > 0 || (n < 0 && errno == EAGAIN); s->taken += n > 0 ? (uint64_t)n : 0) {
        usleep(s->pause_us);
        n = read(s->fd, sink, s->bytes);
    }
    return NULL;
}

/* How long the stop of a full lane took. */
static uint64_t stop_with_reader(struct slow_reader *s)
{
    pthread_t thread;
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    s->fd = open(path, O_RDONLY | O_NONBLOCK);
    struct mr_capture_lane *lane = open_as(path, MR_CAPTURE_PCAP_NS, 0);
    put_all(lane, LANE_FRAMES);
    cr_assert_eq(pthread_create(&thread, NULL, read_slowly, s), 0);
    mr_capture_go(capture);
    uint64_t begin = mr_now_ns();
    s->rc = mr_capture_stop(capture);
    uint64_t took = mr_now_ns() - begin;
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_expect_eq(lane->put, lane->frames + lane->discarded);
    return took;
}

/* The lane takes longer than a pipe may be silent, and is never silent so long. */
Test(capture, a_slow_reader_gets_everything)
{
    struct slow_reader slow = {.bytes = 64 << 10, .pause_us = 100000};
    uint64_t took = stop_with_reader(&slow);
    cr_expect_eq(slow.rc, 0, "%s", strerror(slow.rc));
    cr_expect_gt(took, MR_CAPTURE_SILENCE_NS, "a test of nothing: %lu ns", (unsigned long)took);
    cr_expect_eq(slow.taken, 24 + LANE_FRAMES * 16 + counts().bytes);
}

/* The lane would take 14 s: never silent for a second, and the end comes all the same. */
Test(capture, a_reader_that_is_too_slow)
{
    char why[400];
    struct slow_reader slow = {.bytes = 4096, .pause_us = 60000};
    uint64_t took = stop_with_reader(&slow);
    cr_expect_eq(slow.rc, ETIMEDOUT, "%s", strerror(slow.rc));
    cr_expect(took > MR_CAPTURE_END_NS && took < MR_CAPTURE_END_NS + MR_CAPTURE_SILENCE_NS, "%lu ns", (unsigned long)took);
    mr_capture_why(capture, why, sizeof why);
    cr_expect_not_null(strstr(why, "it took nothing, or too little, for so long"), "%s", why);
}

Test(capture, a_fifo_without_a_reader_is_refused)
{
    struct mr_capture_setup setup = {.n_lanes = 1, .ticks_per_ns = 1, .node = -1};
    setup.file = in_folder("fifo");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(mr_capture_open(&setup, &capture, &error), -ENXIO);
    cr_expect_not_null(strstr(error.text, "start the reader first"), "%s", error.text);
}

Test(capture, a_reader_that_goes_away)
{
    char why[400];
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct mr_capture_lane *lane = open_as(path, MR_CAPTURE_PCAP_NS, 0);
    mr_capture_go(capture);
    close(reader);
    put_all(lane, FRAMES);
    cr_expect_eq(mr_capture_stop(capture), EPIPE);
    cr_expect_eq(counts().frames, 0);
    cr_expect_eq(counts().lost, FRAMES);
    mr_capture_why(capture, why, sizeof why);
    cr_expect_not_null(strstr(why, "Broken pipe; 1000 more were lost to it (capture_lost); whoever read it went away"), "%s", why);
}

/* The limit falls into a record: the file ends before it. SIGXFSZ is pending for a thread that takes no signals. */
Test(capture, a_file_that_may_not_grow_ends_at_a_whole_record)
{
    char why[400];
    for (uint32_t format = MR_CAPTURE_PCAP; format <= MR_CAPTURE_PCAPNG; format++) {
        struct rlimit unlimited, limit;
        struct mr_capture_lane *lane = open_as(in_folder("out"), (enum mr_capture_format)format, 0);
        getrlimit(RLIMIT_FSIZE, &unlimited);
        limit = (struct rlimit){100000, unlimited.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
        mr_capture_go(capture);
        put_all(lane, FRAMES);
        while (mr_capture_error(capture) == 0) {
            usleep(100);
        }
        setrlimit(RLIMIT_FSIZE, &unlimited); // what ended does not go on behind a gap
        put_all(lane, FRAMES);
        cr_expect_eq(mr_capture_stop(capture), EFBIG);
        uint64_t frames = counts().frames;
        cr_expect(frames > 100 && frames < FRAMES, "%lu", (unsigned long)frames);
        cr_expect_eq(counts().lost, 2 * FRAMES - frames);
        cr_expect_eq(read_back(path, UINT32_MAX, format == MR_CAPTURE_PCAP ? 1000 : 1), frames);
        mr_capture_why(capture, why, sizeof why);
        cr_expect_not_null(strstr(why, "File too large"), "%s", why);
        mr_capture_destroy(capture);
        capture = NULL;
    }
}

Test(capture, a_full_device)
{
    struct mr_capture_lane *lane = open_as("/dev/full", MR_CAPTURE_BY_NAME, 0);
    mr_capture_go(capture);
    put_all(lane, FRAMES);
    cr_expect_eq(mr_capture_stop(capture), ENOSPC);
    cr_expect_eq(counts().frames, 0);
    cr_expect_eq(counts().lost, FRAMES);
}

Test(capture, the_wall_clock_follows_the_ticks)
{
    struct timespec wall;
    open_as(in_folder("out"), MR_CAPTURE_BY_NAME, 0);
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t ns = mr_capture_ns(capture, mr_ticks());
    uint64_t expected = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
    cr_expect_lt(ns - expected + 1000000, 20000000, "%ld ns apart", (long)(ns - expected));
}

Test(capture, what_cannot_be_opened_is_named)
{
    struct mr_capture_setup setup = {.n_lanes = 1, .ticks_per_ns = 1, .node = -1};
    setup.file = in_folder("no/such/folder");
    cr_expect_eq(mr_capture_open(&setup, &capture, &error), -ENOENT);
    cr_expect_not_null(strstr(error.text, "no/such/folder: cannot open it for writing: No such file"), "%s", error.text);
}

Test(capture, filters_choose_as_tcpdump_does)
{
    struct mr_filter *f;
    unsigned char udp[60] = {[12] = 8, [14] = 0x45, [17] = 46, [23] = 17, [37] = 53};
    cr_assert_eq(mr_filter_create("udp dst port 53", &f, &error), 0, "%s", error.text);
    cr_expect(mr_filter_match(f, udp, sizeof udp, sizeof udp));
    cr_expect_not(mr_filter_match(f, udp, sizeof udp, 30), "the port is not there");
    udp[37] = 54;
    cr_expect_not(mr_filter_match(f, udp, sizeof udp, sizeof udp));
    mr_filter_destroy(f);
    cr_expect_eq(mr_filter_create("udp prot 53", &f, &error), -EINVAL);
    cr_expect_not_null(strstr(error.text, "filter \"udp prot 53\": "), "%s", error.text);
}
