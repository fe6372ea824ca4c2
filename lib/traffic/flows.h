/* flows.h: the frames of F traffic flows: Ethernet, an 802.1Q tag if asked for, IPv4, UDP, fill, signature.
 *
 *   eth   02:4d:52:00:00:01 → 02:4d:52:00:00:02 for all flows
 *   ip    198.18.f.f → 198.19.0.1 (the benchmark network of RFC 2544), f being the flow's number; identification = ~f
 *   udp   49152 … 65535, spread by the flow → 9 (discard); checksum 0x4d52 xor the tag
 *   fill  a piece of one fixed random sequence, from a place that flow and sequence number choose: what a buffer still
 *         held from another frame shows
 *   signature, 18 bytes at the frame's very end, big-endian like all the rest:
 *         magic 16 (0x4d52) · flow 16 · sequence 32 · intended time 64 (ns) · check 16
 *
 * All checksums are right. UDP's could be 0 in IPv4, but then nobody on the way could tell a broken frame. It costs
 * nothing instead: `check` is what makes the ones' complement sum of the datagram come out as that constant, and the
 * identification balances the address, so that no header field but these few depends on the flow, and a header is made
 * once per length. The check so covers every byte that UDP's checksum covers, lengths and addresses among them, and by
 * the constant also the tag. It finds each single flipped bit, but not two 16-bit words that changed places: verify.h
 * therefore compares header and fill with what they must be, byte by byte.
 *
 * The shortest frame, 60 bytes (64 with a tag), is header and signature without fill. Pure; one user per mr_flows.
 */
#ifndef MILLRACE_TRAFFIC_FLOWS_H
#define MILLRACE_TRAFFIC_FLOWS_H

#include <millrace/frame.h>

#define MR_FLOWS_MAX       65535u
#define MR_SIGNATURE_BYTES 18u
#define MR_SIGNATURE_MAGIC 0x4d52u
#define MR_DATAGRAM_HEAD   28u /* IPv4 and UDP */
#define MR_DATAGRAM_MIN    (MR_DATAGRAM_HEAD + MR_SIGNATURE_BYTES)
#define MR_TAG_BYTES       4u

MR_STATIC_ASSERT(MR_FRAME_MIN + MR_DATAGRAM_MIN == 60, "the shortest frame of Ethernet, 64 bytes with FCS");
MR_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lanes of header words are counted from the low byte");

/* The fixed sequence, with its sums. Read-only once made; any number of users. */
#define MR_FILL_PLACES 512u /* even places that a piece starts from */
#define MR_FILL_BYTES  (MR_FRAME_MAX + 1u + 2u * MR_FILL_PLACES)
struct mr_fill {
    unsigned char bytes[MR_FILL_BYTES];
    uint16_t sums[MR_FILL_BYTES / 2 + 1]; /* sums[i]: ones' complement sum of the first i 16-bit words */
};

/* What the frames of one tag look like; the datagram's header for one length, made again when the length changes. */
struct mr_flows {
    const struct mr_fill *fill;
    uint32_t eth_bytes;     /* 14, or 18 with a tag */
    uint32_t made_tag;      /* the tag that the UDP checksum speaks of; 0 = none */
    unsigned char eth[32];  /* what stands before the datagram */
    uint32_t datagram;      /* IPv4 total length that `head` is for */
    uint32_t sum;           /* of what UDP's checksum covers, flow's parts, fill and signature left out */
    uint64_t head[4];       /* IPv4 and UDP header, as in memory, with 0 for the flow's parts */
};

/* What is the same in all shortest frames of one flow, so that writing or checking one is a copy or a compare. */
#define MR_LINE_SAME (MR_DATAGRAM_HEAD + 4u) /* behind the Ethernet header: IPv4, UDP, magic, flow */
struct mr_flow_line {
    unsigned char bytes[56]; /* eth_bytes + MR_LINE_SAME of them */
    uint32_t sum;            /* for the check: all but sequence and time, in memory's byte order */
    uint32_t length;         /* of such a frame; 0 = not made yet */
} MR_ALIGNED(MR_CACHE_LINE);

MR_STATIC_ASSERT(sizeof(struct mr_flow_line) == MR_CACHE_LINE, "one line");

#ifdef __cplusplus
extern "C" {
#endif

/* mr_fill_init: make the sequence. */
void mr_fill_init(struct mr_fill *fill);

/* mr_flows_init: frames with the tag `tag` (1 … 4094, 0 = none); made_tag: the tag they were made with, which differs
 * only where one was put on on the way. */
void mr_flows_init(struct mr_flows *t, const struct mr_fill *fill, uint32_t tag, uint32_t made_tag);

/* mr_flow_line_init: for a flow in the form of t; frame: a shortest one of that flow. */
void mr_flow_line_init(struct mr_flow_line *line, struct mr_flows *t, const unsigned char *frame);

/* mr_flows_resize: make t->head and t->sum for datagrams of so many bytes. */
void mr_flows_resize(struct mr_flows *t, uint32_t datagram);

#ifdef __cplusplus
}
#endif

static inline uint32_t mr_flows_shortest(const struct mr_flows *t)
{
    return t->eth_bytes + MR_DATAGRAM_MIN;
}

static inline uint64_t mr_get_be64(const unsigned char *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline uint16_t mr_get_be16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void mr_put_be64(unsigned char *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(p, &v, sizeof v);
}

static inline void mr_put_be16(unsigned char *p, uint32_t v)
{
    uint16_t swapped = __builtin_bswap16((uint16_t)v);
    __builtin_memcpy(p, &swapped, sizeof swapped);
}

/* mr_sum_fold: ones' complement sum of 16-bit words, kept in any wider sum; 0 only for 0. */
static inline uint32_t mr_sum_fold(uint64_t sum)
{
    sum += sum << 32 | sum >> 32; // the high half is the sum of both, with the carry that the low half made
    uint32_t half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return half >> 16;
}

static inline uint64_t mr_sum_halves(uint64_t v)
{
    return (v >> 32) + (v & 0xffffffff);
}

/* The flow's parts of the header. The multiplier is odd and no power of two: with ports in step with the addresses a
 * symmetric receive hash, blind to equal bits 16 apart, would see one flow only. */
static inline uint32_t mr_flow_source_port(uint32_t flow)
{
    return 0xC000u | ((flow * 40503u >> 2) & 0x3fffu);
}

/* A 16-bit field, big-endian, at byte `at` of a header word. */
static inline uint64_t mr_lane(uint32_t value, uint32_t at)
{
    return (uint64_t)__builtin_bswap16((uint16_t)value) << (8 * at);
}

/* Words of the datagram's header for a flow: identification at 4, low half of the source at 14, source port at 20. */
static inline void mr_flow_head(const struct mr_flows *t, uint32_t flow, uint64_t head[4])
{
    head[0] = t->head[0] | mr_lane(~flow, 4);
    head[1] = t->head[1] | mr_lane(flow, 6);
    head[2] = t->head[2] | mr_lane(mr_flow_source_port(flow), 4);
    head[3] = t->head[3];
}

/* Where the fill of a frame starts in the sequence: even, so that the sums hold. */
static inline uint32_t mr_fill_place(uint32_t flow, uint32_t sequence)
{
    return ((sequence + flow * 37u) & (MR_FILL_PLACES - 1)) * 2;
}

/* mr_fill_sum: ones' complement sum of n bytes from an even place. */
static inline uint32_t mr_fill_sum(const struct mr_fill *f, uint32_t place, uint32_t n)
{
    uint32_t sum = f->sums[(place + n) / 2] + (0xffffu - f->sums[place / 2]);
    return sum + (n % 2 != 0 ? (uint32_t)f->bytes[place + n - 1] << 8 : 0);
}

/* mr_flow_check: the check that a signature must have, t->head being for the frame's length. A signature at an odd
 * place of the datagram has its bytes in the other halves of the words: the sum's bytes are swapped. */
static inline uint16_t mr_flow_check(const struct mr_flows *t, uint64_t front, uint64_t intended_ns)
{
    uint32_t flow = (uint32_t)(front >> 32) & 0xffff;
    uint32_t fill = t->datagram - MR_DATAGRAM_MIN;
    uint64_t sum = (uint64_t)t->sum + flow + mr_flow_source_port(flow);
    if (fill != 0) {
        sum += mr_fill_sum(t->fill, mr_fill_place(flow, (uint32_t)front), fill);
        sum = fill % 2 == 0 ? sum : __builtin_bswap16((uint16_t)mr_sum_fold(sum));
    }
    return (uint16_t)~mr_sum_fold(sum + mr_sum_halves(front) + mr_sum_halves(intended_ns));
}

/* mr_sum_whole: whether a ones' complement sum comes out as 0xffff: a multiple of 65535, found by multiplying with that
 * number's inverse modulo 2^64. sum > 0. */
static inline bool mr_sum_whole(uint64_t sum)
{
    return sum * 0xFFFEFFFEFFFEFFFFull <= UINT64_MAX / 65535;
}

static inline uint64_t mr_signature_front(uint32_t flow, uint32_t sequence)
{
    return (uint64_t)MR_SIGNATURE_MAGIC << 48 | (uint64_t)flow << 32 | sequence;
}

/* mr_flow_write: frame `sequence` of a flow, `length` bytes without FCS, at least mr_flows_shortest. */
static inline void mr_flow_write(struct mr_flows *t, unsigned char *to, uint32_t length, uint32_t flow,
                                 uint32_t sequence, uint64_t intended_ns)
{
    uint64_t head[4];
    unsigned char *datagram = to + t->eth_bytes;
    unsigned char *end = to + length - MR_SIGNATURE_BYTES;
    uint64_t front = mr_signature_front(flow, sequence);
    if (MR_UNLIKELY(t->datagram != length - t->eth_bytes)) {
        mr_flows_resize(t, length - t->eth_bytes);
    }
    mr_flow_head(t, flow, head);
    __builtin_memcpy(to, t->eth, 16); // a fixed size, two stores at most: the datagram overwrites what is too much
    __builtin_memcpy(datagram - 4, t->eth + t->eth_bytes - 4, 4);
    for (uint32_t i = 0; i < 3; i++) {
        __builtin_memcpy(datagram + 8 * i, &head[i], 8); // one by one: in one piece they would go by way of the stack
    }
    __builtin_memcpy(datagram + 24, &head[3], MR_DATAGRAM_HEAD - 24);
    if (t->datagram != MR_DATAGRAM_MIN) {
        const unsigned char *fill = t->fill->bytes + mr_fill_place(flow, sequence);
        memcpy(datagram + MR_DATAGRAM_HEAD, fill, t->datagram - MR_DATAGRAM_MIN);
    }
    mr_put_be64(end, front);
    mr_put_be64(end + 8, intended_ns);
    mr_put_be16(end + 16, mr_flow_check(t, front, intended_ns));
}

/* mr_flow_line_sum: what the check of a shortest frame completes; sequence and time as they stand in memory, big-endian.
 * A ones' complement sum does not mind the byte order, as long as it is the same for all words (RFC 1071, 2 B). */
static inline uint64_t mr_flow_line_sum(const struct mr_flow_line *line, uint32_t sequence, uint64_t intended_ns)
{
    return (uint64_t)line->sum + sequence + mr_sum_halves(intended_ns);
}

/* mr_flow_line_write: mr_flow_write for a shortest frame. */
static inline void mr_flow_line_write(const struct mr_flow_line *line, unsigned char *to, uint32_t sequence,
                                      uint64_t intended_ns)
{
    unsigned char *end = to + line->length - MR_SIGNATURE_BYTES;
    uint32_t raw_sequence = __builtin_bswap32(sequence);
    uint64_t raw_ns = __builtin_bswap64(intended_ns);
    uint16_t check = (uint16_t)~mr_sum_fold(mr_flow_line_sum(line, raw_sequence, raw_ns));
    __builtin_memcpy(to, line->bytes, sizeof line->bytes); // as one size; the signature overwrites what is too much
    __builtin_memcpy(end + 4, &raw_sequence, sizeof raw_sequence);
    __builtin_memcpy(end + 8, &raw_ns, sizeof raw_ns);
    __builtin_memcpy(end + 16, &check, sizeof check);
}

#endif
