/* verify.h: what a sink knows of the frames that flows.h made: which came, in which order, unharmed, and how late.
 *
 * A frame is
 *   verified    header, fill and signature are, byte by byte, what its flow and sequence number ask for. The two Ethernet
 *               addresses may have changed places (macswap); the tag must be the one it was made with, or else the one
 *               that the sink was told to expect
 *   altered     ours, by its magic or by an address, but not so; its signature is not believed, so it also shows as lost
 *   foreign     neither magic nor address of ours: other traffic, left alone
 * and, of the verified ones, by the sequence of its flow,
 *   reordered   behind one that was sent after it
 *   duplicate   seen before
 *   late        so far behind (more than 512 frames) that reordered and duplicate cannot be told apart
 * lost counts the gaps: sequence numbers passed over, less those that came reordered. A gap shows when a later frame of
 * the flow arrives: frames lost at the very end, or all of a flow, are known only to who compares totals.
 *
 * Flows need not be announced: there is state for every number, 12.6 MB, and whoever gives the memory has touched it, so
 * that a flow that is met late costs no page fault. Memory is the caller's; one writer, counters may be read at any time.
 * A flow must always come by the same sink queue.
 */
#ifndef MILLRACE_TRAFFIC_VERIFY_H
#define MILLRACE_TRAFFIC_VERIFY_H

#include "lib/traffic/flows.h"

#include <millrace/histogram.h>

#define MR_SEEN_FRAMES 512u

struct mr_flow_seen {
    struct mr_flow_line line; /* what its last shortest frame looked like */
    uint64_t missing[MR_SEEN_FRAMES / 64]; /* of the last 512 below `expected`: not come yet; bit s mod 512 */
    uint64_t expected; /* low half: after the highest seen; bit 32: some may be missing. One compare finds both */
    uint32_t last_gap; /* the sequence number behind the last gap */
};

struct mr_verify_counts {
    uint64_t verified; /* duplicates and late ones among them */
    uint64_t lost;     /* so far: one that comes late is taken off again */
    uint64_t duplicates, reordered, late, altered, foreign;
};

struct mr_verify {
    /* by what this CPU can; see mr_verify_burst */
    uint32_t (*burst)(struct mr_verify *v, void *base, const struct mr_frame *frames, uint32_t n, uint64_t now_ns);
    struct mr_flows flows;      /* what the last verified frame looked like: its tag, its length */
    uint32_t expected_tag;      /* every frame must carry it; 0 = the one it was made with, or none */
    struct mr_flow_seen *seen;  /* by flow */
    struct mr_histogram *latency; /* ns, from the intended time; may be NULL */
    uint64_t bytes;             /* of all frames looked at: the lengths are in hand here */
    struct mr_verify_counts counts;
};

#ifdef __cplusplus
extern "C" {
#endif

/* mr_verify_seen_bytes: memory for `seen`, which must be zeroed and aligned to 64. */
size_t mr_verify_seen_bytes(void);

void mr_verify_init(struct mr_verify *v, const struct mr_fill *fill, uint32_t expected_tag, void *seen,
                    struct mr_histogram *latency);

#ifdef __cplusplus
}
#endif

/* mr_verify_burst: look at n frames that arrived at now_ns. Returns how many came back to the source that made them: all
 * but foreign ones, duplicates and late ones. */
static inline uint32_t mr_verify_burst(struct mr_verify *v, void *base, const struct mr_frame *frames, uint32_t n,
                                       uint64_t now_ns)
{
    return v->burst(v, base, frames, n, now_ns);
}

#endif
