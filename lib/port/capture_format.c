/* capture_format.c: bytes of pcap and pcapng files, in this machine's order, which the magic number tells to readers.
 *
 * Layouts: draft-ietf-opsawg-pcap (pcap) and draft-ietf-opsawg-pcapng (section header, interface description and
 * enhanced packet blocks).
 */
#include "lib/port/capture_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PCAP_RECORD = 16, ENHANCED_BEFORE = 28, ENHANCED_AFTER = 4 };
#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_ENHANCED = 6, BYTE_ORDER_MAGIC = 0x1a2b3c4d };
enum { OPTION_COMMENT = 1, OPTION_APPLICATION = 4, OPTION_IF_NAME = 2, OPTION_IF_TSRESOL = 9 };
enum { ETHERNET = 1, SNAP_ALL = 262144 }; // LINKTYPE_ETHERNET; what tcpdump writes for "all"
#define NS_PER_S 1000000000ull

static uint32_t padded(uint32_t bytes)
{
    return (bytes + 3) & ~3u;
}

static unsigned char *put_u32(unsigned char *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
    return at + sizeof v;
}

static unsigned char *put_u16(unsigned char *at, uint32_t v)
{
    uint16_t half = (uint16_t)v;
    memcpy(at, &half, sizeof half);
    return at + sizeof half;
}

enum mr_capture_format mr_capture_format_of(const struct mr_capture_setup *setup)
{
    static const char ending[] = ".pcapng";
    size_t length = strlen(setup->file);
    if (setup->format != MR_CAPTURE_BY_NAME) {
        return setup->format;
    }
    bool ng = length >= sizeof ending - 1 && strcmp(setup->file + length - (sizeof ending - 1), ending) == 0;
    return ng ? MR_CAPTURE_PCAPNG : MR_CAPTURE_PCAP_NS;
}

/* ---- the beginning ---- */

static unsigned char *put_option(unsigned char *at, uint32_t code, const void *value, uint32_t bytes)
{
    at = put_u16(put_u16(at, code), bytes);
    memset(at, 0, padded(bytes));
    memcpy(at, value, bytes);
    return at + padded(bytes);
}

/* A block's length stands in front and behind. */
static unsigned char *end_block(unsigned char *block, unsigned char *at)
{
    uint32_t bytes = (uint32_t)(at + sizeof bytes - block);
    put_u32(block + 4, bytes);
    return put_u32(at, bytes);
}

static unsigned char *put_section(unsigned char *at, const char *comment)
{
    static const char application[] = "millrace";
    unsigned char *block = at;
    at = put_u32(at, BLOCK_SECTION) + sizeof(uint32_t);
    at = put_u16(put_u16(put_u32(at, BYTE_ORDER_MAGIC), 1), 0);
    at = put_u32(put_u32(at, UINT32_MAX), UINT32_MAX); // the section's length is not known
    if (comment != NULL) {
        at = put_option(at, OPTION_COMMENT, comment, (uint32_t)strlen(comment));
    }
    at = put_option(at, OPTION_APPLICATION, application, sizeof application - 1);
    return end_block(block, put_u32(at, 0));
}

static unsigned char *put_interface(unsigned char *at, const char *name, uint32_t snap)
{
    static const unsigned char nanoseconds = 9; // 10^-9
    unsigned char *block = at;
    at = put_u32(at, BLOCK_INTERFACE) + sizeof(uint32_t);
    at = put_u32(put_u16(put_u16(at, ETHERNET), 0), snap);
    at = put_option(at, OPTION_IF_NAME, name, (uint32_t)strlen(name));
    at = put_option(at, OPTION_IF_TSRESOL, &nanoseconds, 1);
    return end_block(block, put_u32(at, 0));
}

static unsigned char *put_pcap(unsigned char *at, uint32_t magic, uint32_t snap)
{
    at = put_u16(put_u16(put_u32(at, magic), 2), 4);
    at = put_u32(put_u32(at, 0), 0); // stamps are UTC; no accuracy is claimed
    return put_u32(put_u32(at, snap), ETHERNET);
}

int mr_capture_header(struct mr_capture *c, const struct mr_capture_setup *setup)
{
    size_t most = 128 + (setup->comment != NULL ? strlen(setup->comment) : 0);
    for (uint32_t i = 0; i < setup->n_interfaces; i++) {
        most += 64 + strlen(setup->interfaces[i]);
    }
    uint32_t snap = c->snap == UINT32_MAX ? SNAP_ALL : c->snap;
    unsigned char *at = c->header = malloc(most);
    if (at == NULL) {
        return -ENOMEM;
    }
    if (c->format != MR_CAPTURE_PCAPNG) {
        at = put_pcap(at, c->format == MR_CAPTURE_PCAP ? MAGIC_US : MAGIC_NS, snap);
    } else {
        at = put_section(at, setup->comment);
        for (uint32_t i = 0; i < setup->n_interfaces; i++) {
            at = put_interface(at, setup->interfaces[i], snap);
        }
    }
    c->header_bytes = (uint32_t)(at - c->header);
    return 0;
}

/* ---- records ---- */

static uint32_t comment_length(const char *comment)
{
    return (uint32_t)strnlen(comment, MR_CAPTURE_COMMENT_MAX);
}

/* An option with its head, and the one that ends options. */
static uint32_t options_bytes(const char *comment)
{
    return comment == NULL ? 0 : 4 + padded(comment_length(comment)) + 4;
}

uint32_t mr_capture_record_bytes(enum mr_capture_format format, uint32_t kept, const char *comment)
{
    return format == MR_CAPTURE_PCAPNG ? ENHANCED_BEFORE + padded(kept) + options_bytes(comment) + ENHANCED_AFTER
                                       : PCAP_RECORD + kept;
}

static void write_enhanced(unsigned char *at, const struct mr_capture_record *r, uint32_t kept, uint32_t original)
{
    uint32_t bytes = mr_capture_record_bytes(MR_CAPTURE_PCAPNG, kept, r->comment);
    uint32_t options = ENHANCED_BEFORE + padded(kept);
    uint32_t head[ENHANCED_BEFORE / 4] = {BLOCK_ENHANCED,   bytes, r->interface, (uint32_t)(r->ns >> 32),
                                          (uint32_t)r->ns, kept,  original};
    memset(at + options - sizeof(uint32_t), 0, sizeof(uint32_t)); // the padding; what else it hits is written now
    memcpy(at, head, sizeof head);
    memcpy(at + ENHANCED_BEFORE, r->data, kept);
    if (r->comment != NULL) {
        put_u32(put_option(at + options, OPTION_COMMENT, r->comment, comment_length(r->comment)), 0);
    }
    put_u32(at + bytes - sizeof(uint32_t), bytes);
}

void mr_capture_record_write(enum mr_capture_format format, unsigned char *at, const struct mr_capture_record *r,
                             uint32_t kept, uint32_t original)
{
    if (format == MR_CAPTURE_PCAPNG) {
        write_enhanced(at, r, kept, original);
        return;
    }
    uint32_t rest = (uint32_t)(r->ns % NS_PER_S);
    uint32_t head[PCAP_RECORD / 4] = {(uint32_t)(r->ns / NS_PER_S), format == MR_CAPTURE_PCAP ? rest / 1000 : rest, kept,
                                      original};
    memcpy(at, head, sizeof head);
    memcpy(at + PCAP_RECORD, r->data, kept);
}

uint32_t mr_capture_record_read(enum mr_capture_format format, const unsigned char *at, uint32_t *kept)
{
    uint32_t bytes;
    memcpy(kept, at + (format == MR_CAPTURE_PCAPNG ? 20 : 8), sizeof *kept);
    memcpy(&bytes, at + 4, sizeof bytes); // pcapng: the block's
    return format == MR_CAPTURE_PCAPNG ? bytes : PCAP_RECORD + *kept;
}
