#include "lib/port/vnet.h"

/* Ones' complement sum (RFC 1071): byte order does not matter as long as it is the same in and out. */
static uint16_t fold(const unsigned char *bytes, uint32_t n)
{
    uint64_t sum = 0;
    uint32_t word;
    for (; n >= 4; n -= 4, bytes += 4) {
        memcpy(&word, bytes, 4);
        sum += word;
    }
    word = 0;
    memcpy(&word, bytes, n);
    sum += word;
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

bool mr_vnet_complete(void *base, struct mr_frame *f)
{
    unsigned char *data = mr_frame_data(base, f);
    struct mr_vnet v;
    memcpy(&v, data - MR_VNET_BYTES, sizeof v);
    uint32_t at = (uint32_t)v.csum_start + v.csum_offset;
    if (at + 2 > f->length) {
        return false;
    }
    uint16_t sum = (uint16_t)~fold(data + v.csum_start, f->length - v.csum_start);
    sum = sum == 0 ? 0xffff : sum; // 0 means "none" in UDP, and both are one value in ones' complement
    memcpy(data + at, &sum, 2);
    f->flags = (uint8_t)(f->flags & ~MR_FRAME_CSUM);
    return true;
}
