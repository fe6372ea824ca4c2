/* pcap_libpcap.c: records by libpcap, which reads from our bytes: pcapng, old versions, and the refusal of the rest. */
#include "lib/port/pcap.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap.h>

#define NS_PER_S 1000000000ull

/* ---- our bytes as a stream ---- */

static ssize_t stream_read(void *arg, char *to, size_t n)
{
    struct mr_pcap_input *in = arg;
    uint32_t most = n < MR_PCAP_BUFFER ? (uint32_t)n : MR_PCAP_BUFFER;
    int64_t there = mr_pcap_input_fill(in, 1);
    if (there <= 0) {
        errno = (int)-there;
        return there == 0 ? 0 : -1;
    }
    most = there < most ? (uint32_t)there : most;
    memcpy(to, in->buffer + in->begin, most);
    in->begin += most;
    in->offset += most;
    return most;
}

/* Only for ftello: where the stream stands. */
static int stream_seek(void *arg, off64_t *offset, int whence)
{
    const struct mr_pcap_input *in = arg;
    if (whence != SEEK_CUR || *offset != 0) {
        errno = ESPIPE;
        return -1;
    }
    *offset = (off64_t)in->offset;
    return 0;
}

/* ---- records ---- */

static int fail(struct mr_pcap_file *f, const char *why)
{
    off_t at = ftello(f->stream);
    if (mr_load_acquire(f->in.stop) != 0) {
        return 0; // it was told to stop, and takes that for the end of the file
    }
    snprintf(f->text, sizeof f->text, "record %" PRIu64 ", before byte %lld: %s", f->records + 1, (long long)at, why);
    return -1;
}

static int next_libpcap(struct mr_pcap_file *f, struct mr_pcap_record *r, const unsigned char **data)
{
    struct pcap_pkthdr *header;
    int rc = pcap_next_ex(f->libpcap, &header, data);
    if (rc == PCAP_ERROR_BREAK) {
        return 0;
    }
    if (rc != 1) {
        return fail(f, pcap_geterr(f->libpcap));
    }
    r->ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;
    r->there = header->caplen;
    r->length = header->len;
    if (r->there > MR_PCAP_LONGEST) {
        return fail(f, "longer than any Ethernet frame can be captured");
    }
    f->records++;
    return 1;
}

/* ---- the beginning ---- */

static int check_link(struct mr_pcap_file *f)
{
    int link = pcap_datalink(f->libpcap);
    const char *name = pcap_datalink_val_to_name(link);
    const char *text = pcap_datalink_val_to_description(link);
    if (link == DLT_EN10MB) {
        return 0;
    }
    snprintf(f->text, sizeof f->text, "its link type is %s (%s), and only Ethernet (EN10MB) can be sent; capture on an "
             "Ethernet interface, not on \"any\"", name == NULL ? "unknown" : name, text == NULL ? "unknown" : text);
    return -1;
}

int mr_pcap_libpcap_begin(struct mr_pcap_file *f)
{
    static const unsigned char section[] = {0x0a, 0x0d, 0x0d, 0x0a};
    char why[PCAP_ERRBUF_SIZE];
    bool is_pcapng = memcmp(f->in.buffer + f->in.begin, section, sizeof section) == 0; // less is there: it is refused anyway
    cookie_io_functions_t calls = {.read = stream_read, .seek = stream_seek};
    f->stream = fopencookie(&f->in, "r", calls);
    if (f->stream == NULL) {
        snprintf(f->text, sizeof f->text, "no memory to read it");
        return -1;
    }
    setvbuf(f->stream, NULL, _IOFBF, MR_PCAP_BUFFER);
    f->libpcap = pcap_fopen_offline_with_tstamp_precision(f->stream, PCAP_TSTAMP_PRECISION_NANO, why);
    if (f->libpcap == NULL) {
        fclose(f->stream);
        f->stream = NULL;
        snprintf(f->text, sizeof f->text, "not a capture that libpcap reads: %s", why);
        return -1;
    }
    f->format = is_pcapng ? "pcapng" : "pcap of another version";
    f->next = next_libpcap;
    return check_link(f);
}

void mr_pcap_libpcap_end(struct mr_pcap_file *f)
{
    if (f->libpcap != NULL) {
        pcap_close(f->libpcap); // and the stream with it
    }
    f->libpcap = NULL;
    f->stream = NULL;
}
