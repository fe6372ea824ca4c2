/* vnet.h: the virtio_net_hdr that stands before a frame's data when its flags say so: 10 bytes, host byte order, as
 * PACKET_VNET_HDR and TAP devices have them (linux/virtio_net.h). For drivers; pure.
 */
#ifndef MILLRACE_PORT_VNET_H
#define MILLRACE_PORT_VNET_H

#include <millrace/frame.h>

#define MR_VNET_NEEDS_CSUM 1u    /* in flags: the checksum at csum_start + csum_offset covers the pseudo header only */
#define MR_VNET_GSO_ECN    0x80u /* in gso_type, beside the kind of segments; the kind 0 is none */

struct mr_vnet {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;     /* bytes of all headers */
    uint16_t gso_size;    /* payload bytes of each segment */
    uint16_t csum_start;  /* bytes from the frame's front */
    uint16_t csum_offset; /* bytes from csum_start */
};

MR_STATIC_ASSERT(sizeof(struct mr_vnet) == MR_VNET_BYTES, "as the kernel writes it");

/* mr_vnet_flags: MR_FRAME_CSUM and MR_FRAME_SUPER as the header asks for. */
static inline uint8_t mr_vnet_flags(const struct mr_vnet *v)
{
    uint32_t super = (v->gso_type & ~MR_VNET_GSO_ECN) != 0 ? MR_FRAME_SUPER : 0;
    return (uint8_t)((v->flags & MR_VNET_NEEDS_CSUM ? MR_FRAME_CSUM : 0) | super);
}

/* mr_vnet_complete: write the full checksum into a frame with a partial one, for a device that takes none; clears
 * MR_FRAME_CSUM. false, and nothing changed, when the header points outside the frame. */
bool mr_vnet_complete(void *base, struct mr_frame *f);

#endif
