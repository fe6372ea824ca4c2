/* fuzz_pcap.c: bytes as a capture file. Our reader and libpcap take the same records from it, end at the same one, and
 * accept and refuse the same; a record's bytes are the file's own, and all of them together no more than it has. */
#include "tests/fuzz/fuzz.h"

#include "lib/port/pcap.h"

#include <pcap.h>
#include <sys/mman.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

/* The other reader, straight from memory. */
struct other {
    FILE *stream;
    pcap_t *pcap;
    char why[PCAP_ERRBUF_SIZE];
};

/* false: it refuses the file, or it is not of Ethernet. */
static bool open_other(struct other *o, const uint8_t *data, size_t bytes)
{
    *o = (struct other){.stream = bytes == 0 ? NULL : fmemopen((void *)(uintptr_t)data, bytes, "r")};
    if (o->stream == NULL) {
        return false;
    }
    o->pcap = pcap_fopen_offline_with_tstamp_precision(o->stream, PCAP_TSTAMP_PRECISION_NANO, o->why);
    return o->pcap != NULL && pcap_datalink(o->pcap) == DLT_EN10MB;
}

static void close_other(struct other *o)
{
    if (o->pcap != NULL) {
        pcap_close(o->pcap);
    } else if (o->stream != NULL) {
        fclose(o->stream);
    }
}

/* A file of its own for the bytes, by a name that it can be opened by. */
static void write_file(const uint8_t *data, size_t bytes, char *name, size_t room)
{
    static int fd = -1;
    fd = fd < 0 ? memfd_create("fuzz_pcap", MFD_CLOEXEC) : fd;
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, bytes, 0) != (ssize_t)bytes) {
        abort();
    }
    snprintf(name, room, "/proc/self/fd/%d", fd);
}

/* Stamps that are none (a second of more than a second, before 1970 in libpcap's eyes) are told as they come. */
static bool is_time(const struct pcap_pkthdr *h)
{
    return h->ts.tv_sec >= 0 && h->ts.tv_usec >= 0 && h->ts.tv_usec < (suseconds_t)NS_PER_S;
}

static void compare(struct mr_pcap_file *f, struct other *o, size_t bytes)
{
    struct mr_pcap_record ours;
    struct pcap_pkthdr *theirs;
    const unsigned char *our_data, *their_data;
    uint64_t sum = 0;
    int rc = 1;
    for (uint32_t i = 0; rc == 1; i++) {
        rc = f->next(f, &ours, &our_data);
        int other = pcap_next_ex(o->pcap, &theirs, &their_data);
        FUZZ_CHECK(rc == (other == PCAP_ERROR_BREAK ? 0 : other), "record %u: %d (%s), libpcap %d (%s)", i, rc, f->text,
                   other, pcap_geterr(o->pcap));
        if (rc == 1) {
            FUZZ_CHECK(ours.there == theirs->caplen && ours.length == theirs->len, "record %u: %u of %u, libpcap %u of %u",
                       i, ours.there, ours.length, theirs->caplen, theirs->len);
            FUZZ_CHECK(memcmp(our_data, their_data, ours.there) == 0, "record %u: other bytes", i);
            uint64_t ns = (uint64_t)theirs->ts.tv_sec * NS_PER_S + (uint64_t)theirs->ts.tv_usec;
            FUZZ_CHECK(ours.ns == ns || !is_time(theirs), "record %u: at %zu, libpcap %zu", i, (size_t)ours.ns, (size_t)ns);
            sum += ours.there;
        }
    }
    FUZZ_CHECK(sum <= bytes, "%zu bytes of frames in %zu", (size_t)sum, bytes);
    FUZZ_CHECK(rc == 0 || strpbrk(f->text, "\n\r") == NULL, "%s", f->text);
    FUZZ_CHECK(rc == 0 || f->text[0] != 0, "refused without a word");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint32_t never;
    static struct mr_pcap_file f;
    struct mr_error err = {0};
    struct other o;
    char name[64];
    write_file(data, bytes, name, sizeof name);
    f = (struct mr_pcap_file){.snap = 0};
    if (mr_pcap_input_open(&f.in, name, &never, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    bool accepted = mr_pcap_file_begin(&f) == 0;
    bool theirs = open_other(&o, data, bytes);
    FUZZ_CHECK(accepted == theirs, "%s, libpcap %s: %s", accepted ? "accepted" : f.text, theirs ? "accepts" : "refuses", o.why);
    if (accepted) {
        compare(&f, &o, bytes);
    }
    close_other(&o);
    mr_pcap_file_end(&f);
    mr_pcap_input_close(&f.in);
    return 0;
}
