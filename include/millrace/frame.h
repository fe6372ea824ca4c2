/* frame.h: a frame is a 16-byte descriptor, by value, and bytes in a chunk.
 *
 * Descriptors travel through rings; four fill a cache line, and neither a worker nor a sender needs to touch the bytes
 * to learn a length. A frame lies in one chunk, always, and has exactly one owner: pool, port, ring or stage. Who holds
 * the descriptor may read and write the bytes.
 *
 * Chunks are named by their distance from the arena's base in 64-byte lines (32 bits reach 256 GiB), so that a
 * descriptor means the same in every mapping of the arena. Byte map of a chunk, from its first byte:
 *
 *     0 ..  63   mempool object header (DPDK's)
 *    64 .. 191   struct rte_mbuf       (DPDK's)
 *   192 .. 255   ours: words that a descriptor has no room for; 192 .. 207 a struct mr_frame_stamp, 208 .. 209 see
 *              MR_CHUNK_HANDED
 *   256 .. 383   headroom, 128 bytes; the last 10 hold a virtio_net_hdr when the flags say so, and are kept for one
 *   384 ..       data, where every driver of ours puts it; the truth is the descriptor's offset
 */
#ifndef MILLRACE_FRAME_H
#define MILLRACE_FRAME_H

#include <millrace/atomic.h>

#include <stdbool.h>
#include <string.h>

#define MR_CHUNK_META       192u /* ours */
#define MR_CHUNK_HANDED     208u /* 16 bits: offset of the data when a driver was given it to send; while a tap looks at drops */
#define MR_CHUNK_BUF        256u /* buf_addr, first byte that data may use */
#define MR_CHUNK_DATA       384u
#define MR_CHUNK_STRIDE     2496u  /* default: 39 lines, odd, so that equal offsets spread over all cache sets */
#define MR_CHUNK_BIG_STRIDE 69696u /* 1089 lines: one super-frame of up to 65,535 bytes */
#define MR_VNET_BYTES       10u    /* virtio_net_hdr, as PACKET_VNET_HDR has it, just before the data */
#define MR_FRAME_MIN        14u    /* an Ethernet header */
#define MR_FRAME_MAX        65535u

MR_STATIC_ASSERT(MR_CHUNK_STRIDE % MR_CACHE_LINE == 0 && (MR_CHUNK_STRIDE / MR_CACHE_LINE) % 2 == 1, "odd lines");
MR_STATIC_ASSERT(MR_CHUNK_BIG_STRIDE % MR_CACHE_LINE == 0 && (MR_CHUNK_BIG_STRIDE / MR_CACHE_LINE) % 2 == 1, "odd lines");
MR_STATIC_ASSERT(MR_CHUNK_STRIDE - MR_CHUNK_DATA == 2112, "room that NICs with 2 KiB buffers ask for");
MR_STATIC_ASSERT(MR_CHUNK_BIG_STRIDE - MR_CHUNK_DATA >= MR_FRAME_MAX, "the longest frame fits a big chunk");
MR_STATIC_ASSERT(MR_CHUNK_DATA % MR_CACHE_LINE == 0, "data starts a line");

enum mr_frame_flag {
    MR_FRAME_TRACE = 1,     /* its way is being written down */
    MR_FRAME_DISTURBED = 2, /* a gap of the host fell into its life */
    MR_FRAME_CSUM = 4,      /* partial checksum: the virtio_net_hdr before the data says where to complete it */
    MR_FRAME_SUPER = 8,     /* super-frame to be segmented; the virtio_net_hdr says how */
    MR_FRAME_VLAN = 16,     /* the outer VLAN tag stands in the chunk (the driver put it back) */
    MR_FRAME_CLONE = 32,    /* shares its bytes with another descriptor: read only */
    MR_FRAME_MORE = 64,     /* kept for chains */
    MR_FRAME_STAMPED = 128, /* was read from a capture: its chunk's own words say when it was recorded */
};
#define MR_FRAME_VNET (MR_FRAME_CSUM | MR_FRAME_SUPER) /* either: the 10 bytes before the data are a virtio_net_hdr */

struct mr_frame {
    uint32_t chunk;  /* 64-byte lines from the arena's base */
    uint32_t tick;   /* when it was received: TSC >> 4, wraps after 26 s at 2.6 GHz */
    uint16_t offset; /* of the first byte, from the chunk's start */
    uint16_t length; /* bytes, without FCS */
    uint8_t port;    /* receiving port; after work the sending port, or MR_DROPPED | reason */
    uint8_t flags;   /* enum mr_frame_flag */
    uint16_t hash;   /* of the traffic flow, 0 = not computed */
} MR_ALIGNED(16);

MR_STATIC_ASSERT(sizeof(struct mr_frame) == 16, "four descriptors fill a line");

#define MR_DROPPED    0x80u /* in mr_frame.port: the frame is to be dropped, the low 7 bits are the reason */
#define MR_TICK_SHIFT 4u    /* mr_frame.tick = TSC >> MR_TICK_SHIFT */

/* mr_frame_data: the frame's first byte, given the arena's base. */
static inline unsigned char *mr_frame_data(void *base, const struct mr_frame *f)
{
    return (unsigned char *)base + (uint64_t)f->chunk * MR_CACHE_LINE + f->offset;
}

/* mr_chunk_at: first byte of a chunk. */
static inline unsigned char *mr_chunk_at(void *base, uint32_t chunk)
{
    return (unsigned char *)base + (uint64_t)chunk * MR_CACHE_LINE;
}

/* What a capture knows of a frame and a descriptor has no room for; valid with MR_FRAME_STAMPED only. */
struct mr_frame_stamp {
    uint64_t ns;  /* since 1970, UTC */
    uint32_t cut; /* bytes that the capture had cut off its end */
};

MR_STATIC_ASSERT(sizeof(struct mr_frame_stamp) <= MR_CHUNK_BUF - MR_CHUNK_META, "stands in the chunk's own words");

/* mr_chunk_stamp: of a chunk that holds a frame with MR_FRAME_STAMPED. */
static inline struct mr_frame_stamp *mr_chunk_stamp(void *base, uint32_t chunk)
{
    return (struct mr_frame_stamp *)(void *)(mr_chunk_at(base, chunk) + MR_CHUNK_META);
}

#ifdef __cplusplus
extern "C" {
#endif

/* mr_frame_prepend: grow the frame by n bytes at its front; the new bytes are the caller's to fill. false, and nothing
 * changed, when the headroom or 16 bits of length do not suffice; 10 bytes of headroom always stay, for a sender's
 * virtio_net_hdr. One that is there moves along, and its checksum start (and header length, for super-frames) grows. */
bool mr_frame_prepend(void *base, struct mr_frame *f, uint32_t n);

/* mr_frame_adjust: cut n bytes off its front. false, and nothing changed, when it has not that many, when its data would
 * begin past the 65,535 bytes that an offset tells (of the longest super-frames' last 384) or, with a partial checksum,
 * when the cut reaches into what the checksum covers. */
bool mr_frame_adjust(void *base, struct mr_frame *f, uint32_t n);

/* mr_frame_trim: cut n bytes off its end. false, and nothing changed, when it has not that many. */
bool mr_frame_trim(struct mr_frame *f, uint32_t n);

/* mr_frame_append: grow the frame by n bytes at its end, `room` being its chunk's bytes (stride). false, and nothing
 * changed, when they do not fit. */
bool mr_frame_append(struct mr_frame *f, uint32_t n, uint32_t room);

#ifdef __cplusplus
}
#endif

#endif
