#include "lib/traffic/verify.h"

enum { ADDRESSES = 12, ETHERTYPE_TAG = 0x8100 };

#define ALWAYS_INLINE inline __attribute__((always_inline)) /* into code for another instruction set */

enum verdict { ALTERED, FOREIGN };

size_t mr_verify_seen_bytes(void)
{
    return (MR_FLOWS_MAX + 1) * sizeof(struct mr_flow_seen);
}

static inline uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t load32(const unsigned char *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline bool eth_fits(const struct mr_flows *t, const unsigned char *frame)
{
    const unsigned char *to_end = frame + t->eth_bytes - 8;
    return ((load64(frame) ^ load64(t->eth)) | (load64(frame + 6) ^ load64(t->eth + 6)) |
            (load64(to_end) ^ load64(t->eth + t->eth_bytes - 8))) == 0;
}

static inline bool head_fits(const struct mr_flows *t, const unsigned char *datagram, uint32_t flow)
{
    uint64_t head[4];
    mr_flow_head(t, flow, head);
    return ((load64(datagram) ^ head[0]) | (load64(datagram + 8) ^ head[1]) | (load64(datagram + 16) ^ head[2]) |
            (load32(datagram + 24) ^ (uint32_t)head[3])) == 0;
}

static inline bool fill_fits(const struct mr_flows *t, const unsigned char *datagram, uint64_t front)
{
    uint32_t place = mr_fill_place((uint32_t)(front >> 32) & 0xffff, (uint32_t)front);
    uint32_t n = t->datagram - MR_DATAGRAM_MIN;
    return n == 0 || memcmp(datagram + MR_DATAGRAM_HEAD, t->fill->bytes + place, n) == 0;
}

/* All behind the Ethernet header is as it was made; t->head is for another length at most. */
static inline bool datagram_fits(struct mr_flows *t, const unsigned char *frame, uint32_t length)
{
    const unsigned char *datagram = frame + t->eth_bytes;
    const unsigned char *end = frame + length - MR_SIGNATURE_BYTES;
    if (MR_UNLIKELY(t->datagram != length - t->eth_bytes)) {
        mr_flows_resize(t, length - t->eth_bytes);
    }
    uint64_t front = mr_get_be64(end);
    return front >> 48 == MR_SIGNATURE_MAGIC &&
           mr_get_be16(end + 16) == mr_flow_check(t, front, mr_get_be64(end + 8)) &&
           head_fits(t, datagram, (uint32_t)(front >> 32) & 0xffff) && fill_fits(t, datagram, front);
}

static bool eth_fits_swapped(const struct mr_flows *t, const unsigned char *frame)
{
    return memcmp(frame, t->eth + 6, 6) == 0 && memcmp(frame + 6, t->eth, 6) == 0 &&
           memcmp(frame + ADDRESSES, t->eth + ADDRESSES, t->eth_bytes - ADDRESSES) == 0;
}

/* Intact in the other forms a frame may have: addresses swapped, another tag. A tag that was met is expected next. */
static bool fits_otherwise(struct mr_verify *v, const unsigned char *frame, uint32_t length)
{
    uint32_t found = mr_get_be16(frame + ADDRESSES) == ETHERTYPE_TAG ? mr_get_be16(frame + ADDRESSES + 2) : 0;
    if (v->expected_tag != 0 && found != v->expected_tag) {
        return false;
    }
    uint32_t made_tags[] = {found, v->expected_tag != 0 ? 0 : found};
    for (uint32_t i = 0; i < 2; i++) {
        struct mr_flows form;
        mr_flows_init(&form, v->flows.fill, found, made_tags[i]);
        if (length >= mr_flows_shortest(&form) && (eth_fits(&form, frame) || eth_fits_swapped(&form, frame)) &&
            datagram_fits(&form, frame, length)) {
            v->flows = form;
            return true;
        }
    }
    return false;
}

/* Ours by the first five bytes of an address, or by the magic. */
static enum verdict judge_broken(const struct mr_verify *v, const unsigned char *frame, uint32_t length)
{
    bool ours = length >= ADDRESSES && (memcmp(frame, v->flows.eth, 5) == 0 || memcmp(frame + 6, v->flows.eth, 5) == 0);
    ours |= length >= MR_SIGNATURE_BYTES && mr_get_be16(frame + length - MR_SIGNATURE_BYTES) == MR_SIGNATURE_MAGIC;
    return ours ? ALTERED : FOREIGN;
}

static bool fits(struct mr_verify *v, const unsigned char *frame, uint32_t length)
{
    struct mr_flows *t = &v->flows;
    if (MR_LIKELY(length >= mr_flows_shortest(t) && eth_fits(t, frame) && datagram_fits(t, frame, length))) {
        return true;
    }
    return fits_otherwise(v, frame, length);
}

static inline uint32_t flow_of(const unsigned char *frame, uint32_t length)
{
    return mr_get_be16(frame + length - MR_SIGNATURE_BYTES + 2);
}

/* Not as its flow's last shortest frame: looked at in full, and remembered if it is one. */
static bool fits_afresh(struct mr_verify *v, const unsigned char *frame, uint32_t length)
{
    if (length < MR_FRAME_MIN + MR_DATAGRAM_MIN || !fits(v, frame, length)) {
        return false;
    }
    if (length == mr_flows_shortest(&v->flows)) {
        mr_flow_line_init(&v->seen[flow_of(frame, length)].line, &v->flows, frame);
    }
    return true;
}

typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));

/* What is not the same in all shortest frames of a flow, as it stands in the frame, big-endian. */
struct tail {
    uint64_t intended_ns;
    uint32_t sequence;
    uint16_t check;
};

static inline struct tail tail_of(const unsigned char *end)
{
    struct tail t;
    __builtin_memcpy(&t.sequence, end + 4, sizeof t.sequence);
    __builtin_memcpy(&t.intended_ns, end + 8, sizeof t.intended_ns);
    __builtin_memcpy(&t.check, end + 16, sizeof t.check);
    return t;
}

typedef bool all_zero(const vector *v);

static inline bool all_zero_plain(const vector *v)
{
    return ((*v)[0] | (*v)[1] | (*v)[2] | (*v)[3]) == 0;
}

/* A shortest frame that looks like the last one of its flow: all before the sequence is the same, 46 bytes, with a tag
 * 50, and the check fits. A check of 0xffff would fit where 0 is meant, and is not what was written. */
static ALWAYS_INLINE bool line_fits(const struct mr_flow_line *line, const unsigned char *frame, uint32_t length,
                                    struct tail t, all_zero *is_zero)
{
    if (length != line->length) {
        return false;
    }
    uint32_t last = length - MR_SIGNATURE_BYTES + 4 - sizeof(vector);
    vector differ = (*(const vector *)frame ^ *(const vector *)line->bytes) |
                    (*(const vector *)(frame + last) ^ *(const vector *)(line->bytes + last));
    uint64_t sum = mr_flow_line_sum(line, t.sequence, t.intended_ns) + t.check;
    return is_zero(&differ) && mr_sum_whole(sum) && t.check != 0xffff;
}

static void mark(struct mr_flow_seen *s, uint32_t sequence, bool missing)
{
    uint64_t *word = &s->missing[sequence % MR_SEEN_FRAMES / 64];
    uint64_t bit = 1ull << sequence % 64;
    *word = missing ? *word | bit : *word & ~bit;
}

static bool is_missing(const struct mr_flow_seen *s, uint32_t sequence)
{
    return (s->missing[sequence % MR_SEEN_FRAMES / 64] >> sequence % 64 & 1) != 0;
}

/* The highest so far. 512 frames after the last gap no mark of it can be left. */
static void advance(struct mr_verify *v, struct mr_flow_seen *s, uint32_t sequence)
{
    uint32_t next = (uint32_t)s->expected;
    uint32_t gap = sequence - next;
    if (gap != 0) {
        mr_count(&v->counts.lost, gap);
        s->last_gap = sequence;
    }
    for (uint32_t i = gap < MR_SEEN_FRAMES ? gap : MR_SEEN_FRAMES; i != 0; i--) {
        mark(s, sequence - i, true);
    }
    mark(s, sequence, false);
    bool some_missing = sequence - s->last_gap < MR_SEEN_FRAMES;
    s->expected = (uint64_t)some_missing << 32 | (uint32_t)(sequence + 1);
}

/* A frame that is not the next of a flow without gaps. Returns whether it came for the first time, as far as known. */
static bool out_of_order(struct mr_verify *v, struct mr_flow_seen *s, uint32_t sequence)
{
    uint32_t behind = (uint32_t)s->expected - sequence;
    if ((int32_t)behind <= 0) {
        advance(v, s, sequence);
        return true;
    }
    if (behind > MR_SEEN_FRAMES) {
        mr_count(&v->counts.late, 1);
        return false;
    }
    if (!is_missing(s, sequence)) {
        mr_count(&v->counts.duplicates, 1);
        return false;
    }
    mark(s, sequence, false);
    mr_count(&v->counts.reordered, 1);
    mr_count(&v->counts.lost, (uint64_t)-1);
    return true;
}

/* Whether it comes for the first time, as far as known. */
static ALWAYS_INLINE bool note_sequence(struct mr_verify *v, struct mr_flow_seen *s, uint32_t sequence)
{
    if (MR_UNLIKELY(s->expected != sequence)) {
        return out_of_order(v, s, sequence);
    }
    s->expected = (uint32_t)(sequence + 1);
    return true;
}

/* Frames in a row that were meant for one instant, big-endian. */
static void note_latency(struct mr_verify *v, uint64_t intended_ns, uint32_t frames, uint64_t now_ns)
{
    if (v->latency != NULL && frames != 0) {
        int64_t ns = (int64_t)(now_ns - __builtin_bswap64(intended_ns));
        uint64_t late_ns = ns > 0 ? (uint64_t)ns : 0; // two cores' clocks may differ by little
        mr_histogram_add(v->latency, late_ns, frames);
    }
}

/* Returns whether it came back to the source that made it: what is altered did, what is foreign has none. */
static bool count_broken(struct mr_verify *v, const unsigned char *frame, uint32_t length)
{
    enum verdict verdict = judge_broken(v, frame, length);
    mr_count(verdict == ALTERED ? &v->counts.altered : &v->counts.foreign, 1);
    return verdict == ALTERED;
}

static ALWAYS_INLINE uint32_t verify(struct mr_verify *v, void *base, const struct mr_frame *frames, uint32_t n,
                                     uint64_t now_ns, all_zero *is_zero)
{
    struct mr_flow_seen *seen = v->seen;
    const struct mr_frame *end = frames + n;
    const struct mr_frame *run = frames; // since when frames were meant for one instant
    uint64_t run_ns = 0;
    uint32_t strangers = 0;
    uint32_t broken = 0;
    uint64_t bytes = 0;
    for (const struct mr_frame *f = frames; f != end; f++) {
        const unsigned char *frame = mr_frame_data(base, f);
        uint32_t length = f->length;
        bytes += length;
        struct mr_flow_seen *s = &seen[flow_of(frame, length)]; // of a short one: by what stands in the headroom
        struct tail t = tail_of(frame + length - MR_SIGNATURE_BYTES);
        if (MR_UNLIKELY(!line_fits(&s->line, frame, length, t, is_zero) && !fits_afresh(v, frame, length))) {
            note_latency(v, run_ns, (uint32_t)(f - run), now_ns);
            run = f + 1;
            broken++;
            strangers += !count_broken(v, frame, length);
            continue;
        }
        if (MR_UNLIKELY(!note_sequence(v, s, __builtin_bswap32(t.sequence)))) {
            strangers++;
        }
        if (MR_UNLIKELY(t.intended_ns != run_ns)) {
            note_latency(v, run_ns, (uint32_t)(f - run), now_ns);
            run_ns = t.intended_ns;
            run = f;
        }
    }
    mr_count(&v->counts.verified, n - broken);
    v->bytes += bytes;
    note_latency(v, run_ns, (uint32_t)(end - run), now_ns);
    return n - strangers;
}

static uint32_t verify_plain(struct mr_verify *v, void *base, const struct mr_frame *frames, uint32_t n, uint64_t now_ns)
{
    return verify(v, base, frames, n, now_ns, all_zero_plain);
}

#if defined(__x86_64__)
typedef long long integers __attribute__((vector_size(32)));

/* Left to itself, the compiler takes the vector apart to look at it. */
__attribute__((target("avx2"))) static inline bool all_zero_avx2(const vector *v)
{
    return __builtin_ia32_ptestz256((integers)*v, (integers)*v);
}

/* The same with vectors of 32 bytes: a seventh faster (AMD Zen 4). */
__attribute__((target("avx2"))) static uint32_t verify_avx2(struct mr_verify *v, void *base, const struct mr_frame *frames,
                                                            uint32_t n, uint64_t now_ns)
{
    return verify(v, base, frames, n, now_ns, all_zero_avx2);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define verify_avx2 verify_plain
static bool has_avx2(void)
{
    return false;
}
#endif

void mr_verify_init(struct mr_verify *v, const struct mr_fill *fill, uint32_t expected_tag, void *seen,
                    struct mr_histogram *latency)
{
    *v = (struct mr_verify){.expected_tag = expected_tag, .seen = (struct mr_flow_seen *)seen, .latency = latency};
    v->burst = has_avx2() ? verify_avx2 : verify_plain;
    mr_flows_init(&v->flows, fill, expected_tag, expected_tag);
}
