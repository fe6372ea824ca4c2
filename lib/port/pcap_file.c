/* pcap_file.c: records of a plain pcap file: version 2.4, Ethernet, either byte order, micro- or nanoseconds.
 *
 * This is what nearly all captures are, and the only format that is read here: one copy from the ring to the chunk, no
 * call per record.
 * Accepts and refuses what libpcap does (tests/unit/test_pcap_file.c holds both against each other).
 */
#include "lib/port/pcap.h"

#include <errno.h>
#include <inttypes.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define NS_PER_S 1000000000ull
enum { HEADER = 24, RECORD = 16, VERSION_MAJOR = 2, VERSION_MINOR = 4, ETHERNET = 1 };

static uint32_t u32_at(const struct mr_pcap_file *f, const unsigned char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return f->swapped ? __builtin_bswap32(v) : v;
}

static uint32_t u16_at(const struct mr_pcap_file *f, const unsigned char *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return f->swapped ? __builtin_bswap16(v) : v;
}

static void advance(struct mr_pcap_input *in, uint32_t n)
{
    in->begin += n;
    in->offset += n;
}

/* ---- records ---- */

static int fail(struct mr_pcap_file *f, const char *what)
{
    snprintf(f->text, sizeof f->text, "record %" PRIu64 ", at byte %" PRIu64 ": %s", f->records + 1, f->in.offset, what);
    return -1;
}

static int cut_off(struct mr_pcap_file *f, int64_t there, uint32_t wanted, const char *of)
{
    char what[120];
    if (there < 0) {
        snprintf(what, sizeof what, "it cannot be read: %s", strerror((int)-there));
    } else {
        snprintf(what, sizeof what, "the file is cut off: %u bytes of %s should follow, %" PRId64 " are there", wanted, of,
                 there);
    }
    return fail(f, what);
}

static int lying(struct mr_pcap_file *f, uint32_t there)
{
    char what[120];
    snprintf(what, sizeof what, "it says that %u bytes were captured, and %u is the most there can be: the file is damaged",
             there, MR_PCAP_LONGEST);
    return fail(f, what);
}

static int next_plain(struct mr_pcap_file *f, struct mr_pcap_record *r, const unsigned char **data)
{
    struct mr_pcap_input *in = &f->in;
    int64_t got = mr_pcap_input_fill(in, RECORD);
    if (got < RECORD) {
        return got == 0 ? 0 : cut_off(f, got, RECORD, "its header");
    }
    const unsigned char *at = in->buffer + in->begin;
    uint32_t there = u32_at(f, at + 8);
    if (MR_UNLIKELY(there > MR_PCAP_LONGEST)) {
        return lying(f, there);
    }
    got = mr_pcap_input_fill(in, RECORD + there);
    if (MR_UNLIKELY(got < (int64_t)RECORD + there)) {
        return cut_off(f, got < 0 ? got : got - RECORD, there, "the frame");
    }
    at = in->buffer + in->begin;
    r->ns = u32_at(f, at) * NS_PER_S + (uint64_t)u32_at(f, at + 4) * f->ns_per_unit;
    r->there = there < f->snap ? there : f->snap; // as libpcap: not more than the file's own header promised
    r->length = u32_at(f, at + 12);
    *data = at + RECORD;
    advance(in, RECORD + there);
    f->records++;
    return 1;
}

/* ---- the beginning ---- */

static bool is_plain(struct mr_pcap_file *f, const unsigned char *at)
{
    uint32_t magic;
    memcpy(&magic, at, sizeof magic);
    f->swapped = magic == __builtin_bswap32(MAGIC_US) || magic == __builtin_bswap32(MAGIC_NS);
    magic = u32_at(f, at);
    f->ns_per_unit = magic == MAGIC_US ? 1000 : 1;
    return (magic == MAGIC_US || magic == MAGIC_NS) && u16_at(f, at + 4) == VERSION_MAJOR &&
           u16_at(f, at + 6) == VERSION_MINOR && u32_at(f, at + 20) == ETHERNET;
}

int mr_pcap_file_begin(struct mr_pcap_file *f)
{
    int64_t got = mr_pcap_input_fill(&f->in, HEADER);
    f->records = 0;
    if (got < 0) {
        snprintf(f->text, sizeof f->text, "it cannot be read: %s", strerror((int)-got));
        return -1;
    }
    const unsigned char *at = f->in.buffer + f->in.begin;
    if (got < HEADER || !is_plain(f, at)) {
        return mr_pcap_libpcap_begin(f);
    }
    f->snap = u32_at(f, at + 16);
    f->snap = f->snap == 0 || f->snap > INT32_MAX ? MR_PCAP_LONGEST : f->snap;
    f->format = f->ns_per_unit == 1 ? "pcap, nanoseconds" : "pcap, microseconds";
    f->next = next_plain;
    advance(&f->in, HEADER);
    return 0;
}

void mr_pcap_file_end(struct mr_pcap_file *f)
{
    mr_pcap_libpcap_end(f);
}
