/* counters.h: what is counted, who writes it, and the one list of reasons a frame may die of.
 *
 * Every counter has one writing thread and lies on that thread's lines; anybody may read it at any time (mr_counted).
 * Nothing here is ever computed from an identity: `rx + made = tx + drops + in flight` is checked, not assumed.
 */
#ifndef MILLRACE_COUNTERS_H
#define MILLRACE_COUNTERS_H

#include <millrace/atomic.h>

/* Drop reasons: word (JSON key and metric name), text. A frame that dies inside the engine is counted under exactly one.
 * Losses outside the engine (socket buffer full, device) are a port's `outside` counters, by the kernel's own names. */
#define MR_DROP_REASONS(X)                                                                                             \
    X(too_long, "longer than its chunk holds; memory.chunk_bytes: 4096, offload: super (dpdk, pcap: long_frames), "    \
                "or a lower MTU at the peer")                                                                          \
    X(runt, "shorter than an Ethernet header")                                                                         \
    X(chain, "came as a chain of several buffers, longer than a small chunk; long_frames: yes, "                       \
             "or a lower MTU at the peer")                                                                             \
    X(partial_checksum, "partial checksum on a port with offload: none; set offload: checksum or super, or tx off at the peer")  \
    X(super_frame, "super-frame on a port without offload: super; set offload: super, or tso off at the peer")          \
    X(no_chunk, "no free chunk for a copy; raise memory.chunks, of long frames memory.big_chunks")                     \
    X(tx_full, "output full and when_full: drop")                                                                      \
    X(mtu, "longer than the sending device's MTU")                                                                     \
    X(link_down, "sending device is down; ip link set it up")                                                          \
    X(no_carrier, "sending device has no carrier; plug in its cable, or bring its peer up")                            \
    X(device_gone, "sending device is gone; reopen: yes on its port takes it again when it comes back")                \
    X(tx_refused, "sending device or its queue refused the frame: no buffer, or the peer would not have it")           \
    X(tx_error, "the kernel refused to send for another reason")                                                       \
    X(no_offload, "the sending port cannot carry this frame's partial checksum or segments")                           \
    X(cut, "cut by the capture that it was read from, and the port has cut: drop")                                      \
    X(capture_lost, "the capture file takes no more frames: full, limited, or its reader went away")                   \
    X(work_drop, "the work function drop")                                                                             \
    X(work_contract, "a work function hid it, or named an output or a drop reason that its path does not have") \
    X(stopped, "still inside when the engine was stopped")

enum mr_drop {
#define X(word, text) MR_DROP_##word,
    MR_DROP_REASONS(X)
#undef X
    MR_DROP_ENGINE_COUNT /* from here on: reasons of the work functions of a path, named by them */
};

#define MR_DROP_MAX 64u /* engine's and one path's own reasons together */

MR_STATIC_ASSERT(MR_DROP_ENGINE_COUNT <= 32, "leave 32 reasons to work functions");

/* What a stage counts. Written by its core only. */
struct mr_stage_counters {
    uint64_t frames;          /* went through: rx received, work took in, tx handed to the driver */
    uint64_t bytes;           /* of those, without FCS */
    uint64_t polls;           /* looks */
    uint64_t polls_with_work; /* looks that moved something */
    uint64_t blocked;         /* looks that had something to move and no room for it */
    uint64_t made;            /* frames made here: copies by work functions, frames of a source */
    uint64_t drops[MR_DROP_MAX];
} MR_ALIGNED(MR_LINE_PAIR);

/* Sizes of batches, exact: counts[n] looks moved n frames. */
#define MR_BATCH_MAX 256u
struct mr_batch_counts {
    uint64_t counts[MR_BATCH_MAX + 1];
} MR_ALIGNED(MR_LINE_PAIR);

/* mr_batch_count: one look moved n frames, n <= MR_BATCH_MAX. */
static inline void mr_batch_count(struct mr_batch_counts *b, uint32_t n)
{
    mr_count(&b->counts[n], 1);
}

#ifdef __cplusplus
extern "C" {
#endif

/* mr_drop_word, mr_drop_text: of an engine reason, reason < MR_DROP_ENGINE_COUNT; else NULL. */
const char *mr_drop_word(uint32_t reason);
const char *mr_drop_text(uint32_t reason);

/* mr_batch_mean, mr_batch_quantile (0 <= q <= 1), mr_batch_max: over looks that moved at least one frame; 0 when none. */
double mr_batch_mean(const struct mr_batch_counts *b);
uint32_t mr_batch_quantile(const struct mr_batch_counts *b, double q);
uint32_t mr_batch_max(const struct mr_batch_counts *b);

#ifdef __cplusplus
}
#endif

#endif
