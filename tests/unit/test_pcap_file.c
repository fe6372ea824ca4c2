/* Reading captures, record by record, against libpcap: what it accepts, what it refuses, and where it stops. */
#include <criterion/criterion.h>

#include "lib/port/pcap.h"
#include "tests/unit/pcap_bytes.h"

#include <pcap.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
enum { RECORDS = 6, SNAP = 70, SECONDS = 1700000000 };

/* What a reading came to: enough to tell two apart. */
struct reading {
    bool opened, failed;
    uint32_t n;
    uint64_t sum;
};

static char path[40]; // of a file in memory: there are thousands of them
static struct bytes file;
static unsigned char data[256];
static uint32_t never;
static char said[400];

static void build(void)
{
    int fd = memfd_create("test_pcap_file", 0);
    cr_assert_geq(fd, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 11 + 1);
    }
}

static void begin(bool big)
{
    file.n = 0;
    file.big = big;
}

static uint64_t mix(uint64_t sum, uint64_t ns, uint32_t there, uint32_t length, const unsigned char *bytes)
{
    sum = sum * 1000003 + ns;
    sum = sum * 1000003 + there;
    sum = sum * 1000003 + length;
    for (uint32_t i = 0; i < there; i++) {
        sum = sum * 1000003 + bytes[i];
    }
    return sum;
}

static struct reading read_ours(void)
{
    struct reading r = {.opened = false};
    struct mr_pcap_file f = {.in.fd = -1};
    struct mr_pcap_record record;
    const unsigned char *at;
    struct mr_error error;
    cr_assert_eq(mr_pcap_input_open(&f.in, path, &never, &error), 0, "%s", error.text);
    int rc = mr_pcap_file_begin(&f);
    r.opened = rc == 0;
    while (r.opened && (rc = f.next(&f, &record, &at)) == 1) {
        r.sum = mix(r.sum, record.ns, record.there, record.length, at);
        r.n++;
    }
    r.failed = rc < 0;
    snprintf(said, sizeof said, "%s", f.text);
    mr_pcap_file_end(&f);
    mr_pcap_input_close(&f.in);
    return r;
}

/* Seconds and fractions of a file are unsigned; libpcap 1.10 takes those of this machine's byte order for signed ones. */
static uint64_t ns_of(const struct pcap_pkthdr *h)
{
    int64_t wrapped = h->ts.tv_usec < 0 ? (1000ll << 32) : 0; // microseconds, read as nanoseconds
    uint64_t seconds = h->ts.tv_sec < 0 ? (uint32_t)h->ts.tv_sec : (uint64_t)h->ts.tv_sec;
    return seconds * 1000000000u + (uint64_t)(h->ts.tv_usec + wrapped);
}

static struct reading read_theirs(void)
{
    char text[PCAP_ERRBUF_SIZE];
    struct reading r = {.opened = false};
    struct pcap_pkthdr *h;
    const unsigned char *at;
    int rc = PCAP_ERROR;
    pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
    r.opened = p != NULL && pcap_datalink(p) == DLT_EN10MB;
    while (r.opened && (rc = pcap_next_ex(p, &h, &at)) == 1) {
        r.sum = mix(r.sum, ns_of(h), h->caplen, h->len, at);
        r.n++;
    }
    r.failed = rc != PCAP_ERROR_BREAK;
    if (p != NULL) {
        pcap_close(p);
    }
    return r;
}

/* Both read the same of the first n bytes. Returns ours. */
static struct reading agree(size_t n, const char *what, size_t where)
{
    write_file(path, file.at, n);
    struct reading ours = read_ours();
    struct reading theirs = read_theirs();
    cr_assert_eq(ours.opened, theirs.opened, "%s %zu: %s", what, where, said);
    cr_assert_eq(ours.failed, theirs.failed, "%s %zu: %s", what, where, said);
    cr_assert_eq(ours.n, theirs.n, "%s %zu: %u records, libpcap has %u", what, where, ours.n, theirs.n);
    cr_assert_eq(ours.sum, theirs.sum, "%s %zu: other bytes, lengths or stamps", what, where);
    return ours;
}

static void make_pcap(bool big, uint32_t magic)
{
    begin(big);
    put_pcap_header(&file, magic, SNAP, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t there = i == 1 ? 0 : 20 + i * 10;
        put_pcap_record(&file, SECONDS + i, i * 99999, data + i, there, there + (i == 2 ? 1000 : 0));
    }
}

static void make_pcapng(bool big, uint32_t resolution)
{
    begin(big);
    put_section(&file);
    put_interface(&file, 1, SNAP, resolution);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint64_t unit = resolution == 9 ? 1000000000u : 1000000u;
        put_enhanced(&file, SECONDS * unit + i * 12345, data + i, 15 + i * 9, 15 + i * 9 + (i == 2 ? 7 : 0));
    }
}

TestSuite(pcap_file, .init = build);

Test(pcap_file, every_format_byte_order_and_stamp)
{
    for (uint32_t big = 0; big < 2; big++) {
        make_pcap(big, MAGIC_US);
        cr_expect_eq(agree(file.n, "pcap, us", big).n, RECORDS);
        make_pcap(big, MAGIC_NS);
        cr_expect_eq(agree(file.n, "pcap, ns", big).n, RECORDS);
        make_pcapng(big, 6);
        cr_expect_eq(agree(file.n, "pcapng, us", big).n, RECORDS);
        make_pcapng(big, 9);
        cr_expect_eq(agree(file.n, "pcapng, ns", big).n, RECORDS);
    }
}

Test(pcap_file, cut_at_every_byte)
{
    for (uint32_t big = 0; big < 2; big++) {
        make_pcap(big, MAGIC_US);
        for (size_t n = 0; n <= file.n; n++) {
            agree(n, "pcap cut at", n);
        }
        make_pcapng(big, 9);
        for (size_t n = 0; n <= file.n; n++) {
            agree(n, "pcapng cut at", n);
        }
    }
}

Test(pcap_file, every_byte_another)
{
    static const unsigned char values[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff};
    for (uint32_t format = 0; format < 2; format++) {
        if (format == 0) {
            make_pcap(false, MAGIC_US);
        } else {
            make_pcapng(false, 9);
        }
        for (size_t i = 0; i < file.n; i++) {
            unsigned char was = file.at[i];
            for (uint32_t k = 0; k < sizeof values; k++) {
                file.at[i] = values[k];
                agree(file.n, format == 0 ? "pcap with another byte" : "pcapng with another byte", i);
            }
            file.at[i] = was;
        }
    }
}

Test(pcap_file, says_where_a_file_is_cut_off)
{
    make_pcap(false, MAGIC_US);
    size_t begin_of_last = file.n - 16 - 70;
    agree(file.n - 30, "cut", 30);
    char expected[120];
    snprintf(expected, sizeof expected, "record %d, at byte %zu: the file is cut off: 70 bytes of the frame should follow, "
             "40 are there", RECORDS, begin_of_last);
    cr_expect_str_eq(said, expected);
    agree(begin_of_last + 5, "cut", 5);
    snprintf(expected, sizeof expected, "record %d, at byte %zu: the file is cut off: 16 bytes of its header should follow, "
             "5 are there", RECORDS, begin_of_last);
    cr_expect_str_eq(said, expected);
}

Test(pcap_file, says_where_a_file_lies)
{
    make_pcap(false, MAGIC_US);
    memset(file.at + 24 + 8, 0xff, 3); // little endian: fffffff0
    file.at[24 + 8] = 0xf0;
    file.at[24 + 11] = 0xff;
    struct reading r = agree(file.n, "lying", 0);
    cr_expect(r.failed && r.n == 0);
    cr_expect_str_eq(said, "record 1, at byte 24: it says that 4294967280 bytes were captured, and 262144 is the most there "
                           "can be: the file is damaged");
}

Test(pcap_file, records_longer_than_the_buffer)
{
    static unsigned char much[MR_PCAP_LONGEST];
    begin(false);
    put_pcap_header(&file, MAGIC_NS, MR_PCAP_LONGEST, 1);
    FILE *out = fopen(path, "w");
    fwrite(file.at, 1, file.n, out);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t there = i % 2 == 0 ? MR_PCAP_LONGEST : 60;
        uint32_t head[4] = {SECONDS, i, there, there};
        memset(much, (int)i + 1, sizeof much);
        fwrite(head, 1, sizeof head, out);
        fwrite(much, 1, there, out);
    }
    fclose(out);
    struct reading ours = read_ours();
    struct reading theirs = read_theirs();
    cr_expect_eq(ours.n, 5);
    cr_expect_eq(ours.sum, theirs.sum);
}

Test(pcap_file, other_links_and_no_captures_are_refused_by_name)
{
    begin(false);
    put_pcap_header(&file, MAGIC_US, SNAP, 113);
    write_file(path, file.at, file.n);
    cr_expect_not(read_ours().opened);
    cr_expect_not_null(strstr(said, "its link type is LINUX_SLL (Linux cooked v1)"), "%s", said);
    write_file(path, "engine: {}\npaths: []\nports: []\n", 31);
    cr_expect_not(read_ours().opened);
    cr_expect_not_null(strstr(said, "not a capture that libpcap reads: unknown file format"), "%s", said);
}
