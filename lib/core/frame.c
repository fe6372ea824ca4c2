#include <millrace/frame.h>

/* The fields of a virtio_net_hdr that follow the frame's front: hdr_len, csum_start at bytes 2 and 6, little-endian. */
enum { VNET_HDR_LEN = 2, VNET_CSUM_START = 6 };

static uint16_t read16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void write16(unsigned char *p, uint32_t value)
{
    p[0] = (unsigned char)value;
    p[1] = (unsigned char)(value >> 8);
}

static void move_vnet(unsigned char *from, unsigned char *to, uint8_t flags, int grown)
{
    memmove(to, from, MR_VNET_BYTES);
    write16(to + VNET_CSUM_START, (uint32_t)(read16(to + VNET_CSUM_START) + grown));
    if (flags & MR_FRAME_SUPER) {
        write16(to + VNET_HDR_LEN, (uint32_t)(read16(to + VNET_HDR_LEN) + grown));
    }
}

bool mr_frame_prepend(void *base, struct mr_frame *f, uint32_t n)
{
    const uint32_t floor = MR_CHUNK_BUF + MR_VNET_BYTES;
    if (f->offset < floor || n > f->offset - floor || n > MR_FRAME_MAX - f->length) {
        return false;
    }
    if (f->flags & MR_FRAME_VNET) {
        unsigned char *vnet = mr_frame_data(base, f) - MR_VNET_BYTES;
        move_vnet(vnet, vnet - n, f->flags, (int)n);
    }
    f->offset = (uint16_t)(f->offset - n);
    f->length = (uint16_t)(f->length + n);
    return true;
}

bool mr_frame_adjust(void *base, struct mr_frame *f, uint32_t n)
{
    unsigned char *data = mr_frame_data(base, f);
    if (n > f->length || n > (uint32_t)UINT16_MAX - f->offset) {
        return false;
    }
    if (f->flags & MR_FRAME_VNET) {
        if (n > read16(data - MR_VNET_BYTES + VNET_CSUM_START)) {
            return false;
        }
        move_vnet(data - MR_VNET_BYTES, data - MR_VNET_BYTES + n, f->flags, -(int)n);
    }
    f->offset = (uint16_t)(f->offset + n);
    f->length = (uint16_t)(f->length - n);
    return true;
}

bool mr_frame_trim(struct mr_frame *f, uint32_t n)
{
    if (n > f->length) {
        return false;
    }
    f->length = (uint16_t)(f->length - n);
    return true;
}

bool mr_frame_append(struct mr_frame *f, uint32_t n, uint32_t room)
{
    uint32_t end = (uint32_t)f->offset + f->length;
    if (end > room || n > room - end || n > MR_FRAME_MAX - f->length) {
        return false;
    }
    f->length = (uint16_t)(f->length + n);
    return true;
}
