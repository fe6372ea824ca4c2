/* Completing partial checksums where a device takes none. */
#include <criterion/criterion.h>

#include "lib/port/vnet.h"

static unsigned char arena[2 * MR_CHUNK_STRIDE];

static struct mr_frame partial(const unsigned char *bytes, uint16_t n, struct mr_vnet vnet)
{
    struct mr_frame f = {.chunk = 0, .offset = MR_CHUNK_DATA, .length = n, .flags = MR_FRAME_CSUM};
    memcpy(arena + MR_CHUNK_DATA, bytes, n);
    memcpy(arena + MR_CHUNK_DATA - MR_VNET_BYTES, &vnet, sizeof vnet);
    return f;
}

/* RFC 1071's own example: the words 0001 f203 f4f5 f6f7 sum up to ddf2. */
Test(vnet, completes_a_checksum)
{
    const unsigned char bytes[] = {0xee, 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0x00, 0x00};
    struct mr_frame f = partial(bytes, sizeof bytes, (struct mr_vnet){.csum_start = 1, .csum_offset = 8});
    cr_assert(mr_vnet_complete(arena, &f));
    cr_assert_eq(arena[MR_CHUNK_DATA + 9], 0x22);
    cr_assert_eq(arena[MR_CHUNK_DATA + 10], 0x0d);
    cr_assert_eq(f.flags, 0);
}

Test(vnet, completes_over_an_odd_number_of_bytes)
{
    const unsigned char bytes[] = {0x00, 0x00, 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6};
    struct mr_frame f = partial(bytes, sizeof bytes, (struct mr_vnet){.csum_start = 0, .csum_offset = 0});
    cr_assert(mr_vnet_complete(arena, &f)); // 0001 f203 f4f5 f600 = 2dcfb → dcfd
    cr_assert_eq(arena[MR_CHUNK_DATA], 0x23);
    cr_assert_eq(arena[MR_CHUNK_DATA + 1], 0x04);
}

Test(vnet, never_writes_zero)
{
    const unsigned char bytes[] = {0x00, 0x00, 0xff, 0xff};
    struct mr_frame f = partial(bytes, sizeof bytes, (struct mr_vnet){.csum_start = 0, .csum_offset = 0});
    cr_assert(mr_vnet_complete(arena, &f));
    cr_assert_eq(arena[MR_CHUNK_DATA], 0xff);
    cr_assert_eq(arena[MR_CHUNK_DATA + 1], 0xff);
}

Test(vnet, refuses_what_points_outside)
{
    const unsigned char bytes[20] = {0};
    struct mr_frame f = partial(bytes, sizeof bytes, (struct mr_vnet){.csum_start = 10, .csum_offset = 9});
    cr_assert_not(mr_vnet_complete(arena, &f));
    f = partial(bytes, sizeof bytes, (struct mr_vnet){.csum_start = 65535, .csum_offset = 65535});
    cr_assert_not(mr_vnet_complete(arena, &f));
    cr_assert_eq(f.flags, MR_FRAME_CSUM);
}

/* Congestion control may be told beside the kind of super-frame, and is none by itself. */
Test(vnet, flags_of_a_header)
{
    cr_assert_eq(mr_vnet_flags(&(struct mr_vnet){0}), 0);
    cr_assert_eq(mr_vnet_flags(&(struct mr_vnet){.flags = MR_VNET_NEEDS_CSUM}), MR_FRAME_CSUM);
    cr_assert_eq(mr_vnet_flags(&(struct mr_vnet){.gso_type = MR_VNET_GSO_ECN}), 0);
    cr_assert_eq(mr_vnet_flags(&(struct mr_vnet){.gso_type = 1 | MR_VNET_GSO_ECN}), MR_FRAME_SUPER);
}
