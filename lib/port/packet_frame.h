/* packet_frame.h: a frame as an AF_PACKET socket delivers it → descriptor, or the reason it dies of. On a frame's way.
 *
 * The kernel takes the outer VLAN tag out of a frame before a socket sees it, and tells it beside the frame: in the control
 * message, or in the header of a ring's frame. There too it says that a checksum is partial, or that a frame is a super-frame;
 * with a virtio_net_hdr asked for, that one says so, and how.
 */
#ifndef MILLRACE_PORT_PACKET_FRAME_H
#define MILLRACE_PORT_PACKET_FRAME_H

#include "lib/port/packet.h"


#define MR_PACKET_GSO_TCP (1u << 8) /* TP_STATUS_GSO_TCP, newer than some headers */
#define MR_PACKET_TAG     4u        /* bytes of a VLAN tag */
#define MR_PACKET_GOOD    UINT32_MAX

/* mr_packet_judge: flags and length of the descriptor; MR_PACKET_GOOD, or why the frame dies. vnet: its virtio_net_hdr, read
 * only when rx asked for one; status: TP_STATUS_*, 0 without; bytes: of the frame alone; cut: it is longer than its place. A
 * good frame with TP_STATUS_VLAN_VALID is to be retagged. */
static inline uint32_t mr_packet_judge(const struct mr_packet_rx *rx, const void *vnet, uint32_t status, uint32_t bytes,
                                       bool cut, struct mr_frame *f)
{
    if (rx->vnet) {
        f->flags = mr_vnet_flags((const struct mr_vnet *)vnet);
    } else if (MR_UNLIKELY(status & (TP_STATUS_CSUMNOTREADY | MR_PACKET_GSO_TCP))) {
        return status & MR_PACKET_GSO_TCP ? MR_DROP_super_frame : MR_DROP_partial_checksum;
    }
    if (MR_UNLIKELY(f->flags & MR_FRAME_SUPER) && !rx->super) {
        return MR_DROP_super_frame;
    }
    if (MR_UNLIKELY(cut || bytes > MR_FRAME_MAX - MR_PACKET_TAG)) {
        return MR_DROP_too_long;
    }
    if (MR_UNLIKELY(bytes < MR_FRAME_MIN)) {
        return MR_DROP_runt;
    }
    f->length = (uint16_t)bytes;
    return MR_PACKET_GOOD;
}

/* mr_packet_retag: the tag goes back in, and all before it moves up. The frame stands at MR_CHUNK_DATA. */
void mr_packet_retag(struct mr_packet_rx *rx, unsigned char *chunk, struct mr_frame *f, uint32_t status, uint16_t tci,
                     uint16_t tpid);

/* mr_packet_move_small: big chunks are few and belong to super-frames: what fits a small one (room bytes of data) moves there.
 * The big one is free again. */
void mr_packet_move_small(struct mr_packet_rx *rx, const struct mr_rxq *q, struct mr_frame *f, uint32_t room);

/* mr_packet_fit: what a device without offloads cannot take as it is: the checksum is completed; false: no_offload. */
static inline bool mr_packet_fit(void *base, struct mr_frame *f)
{
    return (f->flags & MR_FRAME_SUPER) == 0 && mr_vnet_complete(base, f);
}

/* mr_packet_front: first byte that goes to the socket; frames without a virtio_net_hdr get an empty one where the socket wants
 * one. */
static inline unsigned char *mr_packet_front(const struct mr_packet_tx *tx, void *base, const struct mr_frame *f)
{
    unsigned char *data = mr_frame_data(base, f);
    if (!tx->vnet) {
        return data;
    }
    if (!(f->flags & MR_FRAME_VNET)) {
        memset(data - MR_VNET_BYTES, 0, MR_VNET_BYTES);
    }
    return data - MR_VNET_BYTES;
}

#endif
