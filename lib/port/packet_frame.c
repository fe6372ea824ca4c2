#include "lib/port/packet_frame.h"

enum { ADDRESSES = 12 };

void mr_packet_retag(struct mr_packet_rx *rx, unsigned char *chunk, struct mr_frame *f, uint32_t status, uint16_t tci,
                     uint16_t tpid)
{
    unsigned char *data = chunk + MR_CHUNK_DATA;
    uint32_t before = rx->vnet ? MR_VNET_BYTES : 0;
    tpid = status & TP_STATUS_VLAN_TPID_VALID ? tpid : 0x8100;
    unsigned char tag[MR_PACKET_TAG] = {(unsigned char)(tpid >> 8), (unsigned char)tpid, (unsigned char)(tci >> 8),
                                        (unsigned char)tci};
    memmove(data - before - MR_PACKET_TAG, data - before, before + ADDRESSES);
    memcpy(data - MR_PACKET_TAG + ADDRESSES, tag, sizeof tag);
    if (f->flags & MR_FRAME_VNET) {
        struct mr_vnet *v = (struct mr_vnet *)(void *)(data - before - MR_PACKET_TAG);
        v->csum_start = (uint16_t)(v->csum_start + MR_PACKET_TAG);
        v->hdr_len = (uint16_t)(v->hdr_len + (f->flags & MR_FRAME_SUPER ? MR_PACKET_TAG : 0));
    }
    f->offset = MR_CHUNK_DATA - MR_PACKET_TAG;
    f->length = (uint16_t)(f->length + MR_PACKET_TAG);
    f->flags |= MR_FRAME_VLAN;
    mr_count(&rx->retagged, 1);
}

void mr_packet_move_small(struct mr_packet_rx *rx, const struct mr_rxq *q, struct mr_frame *f, uint32_t room)
{
    uint32_t small = 0;
    if (f->length > room || mr_pool_alloc(q->pool, &q->pool->small, &small, 1) == 0) {
        return;
    }
    uint32_t from = f->offset - (f->flags & MR_FRAME_VNET ? MR_VNET_BYTES : 0u);
    unsigned char *base = q->port->base;
    memcpy(mr_chunk_at(base, small) + from, mr_chunk_at(base, f->chunk) + from, f->offset - from + f->length);
    mr_pool_free(q->pool, &f->chunk, 1);
    f->chunk = small;
    mr_count(&rx->copied_small, 1);
}
