#include <criterion/criterion.h>
#include <millrace/frame.h>

static unsigned char arena[3 * MR_CHUNK_STRIDE] MR_ALIGNED(64);
static const uint32_t chunk = MR_CHUNK_STRIDE / MR_CACHE_LINE; /* the second of three */

static struct mr_frame make(uint32_t offset, uint32_t length, uint8_t flags)
{
    struct mr_frame f = {.chunk = chunk, .offset = (uint16_t)offset, .length = (uint16_t)length, .flags = flags};
    for (uint32_t i = 0; i < length && offset + i < MR_CHUNK_STRIDE; i++) {
        mr_frame_data(arena, &f)[i] = (unsigned char)i;
    }
    return f;
}

static void put16(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static uint32_t get16(const unsigned char *p)
{
    return (uint32_t)(p[0] | p[1] << 8);
}

/* A virtio_net_hdr with flags 1, gso_type 2, hdr_len, gso_size 1448, csum_start, csum_offset 16. */
static void put_vnet(const struct mr_frame *f, uint32_t hdr_len, uint32_t csum_start)
{
    unsigned char *v = mr_frame_data(arena, f) - MR_VNET_BYTES;
    v[0] = 1;
    v[1] = 2;
    put16(v + 2, hdr_len);
    put16(v + 4, 1448);
    put16(v + 6, csum_start);
    put16(v + 8, 16);
}

static void expect_vnet(const struct mr_frame *f, uint32_t hdr_len, uint32_t csum_start)
{
    const unsigned char *v = mr_frame_data(arena, f) - MR_VNET_BYTES;
    cr_expect(v[0] == 1 && v[1] == 2 && get16(v + 4) == 1448 && get16(v + 8) == 16);
    cr_expect_eq(get16(v + 2), hdr_len);
    cr_expect_eq(get16(v + 6), csum_start, "checksum starts at %u", get16(v + 6));
}

static void expect_frame(const struct mr_frame *f, uint32_t offset, uint32_t length)
{
    cr_expect_eq(f->offset, offset);
    cr_expect_eq(f->length, length);
}

Test(frame, a_chunk_number_is_a_distance_in_lines)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, 0);
    cr_expect_eq(mr_chunk_at(arena, chunk), arena + MR_CHUNK_STRIDE);
    cr_expect_eq(mr_frame_data(arena, &f), arena + MR_CHUNK_STRIDE + 384);
    f.chunk = UINT32_MAX; /* 256 GiB from the base: the product must not be cut to 32 bits */
    cr_expect_eq((uintptr_t)mr_frame_data(NULL, &f), (uintptr_t)UINT32_MAX * 64 + 384);
}

Test(frame, prepend_takes_headroom_but_for_a_virtio_net_hdr)
{
    const uint32_t most = 128 - MR_VNET_BYTES;
    struct mr_frame f = make(MR_CHUNK_DATA, 60, 0);
    cr_expect(mr_frame_prepend(arena, &f, most));
    expect_frame(&f, MR_CHUNK_BUF + MR_VNET_BYTES, 60 + most);
    cr_expect_eq(mr_frame_data(arena, &f)[most], 0);
    cr_expect_eq(mr_frame_data(arena, &f)[most + 1], 1);
    cr_expect_not(mr_frame_prepend(arena, &f, 1));
    expect_frame(&f, MR_CHUNK_BUF + MR_VNET_BYTES, 60 + most);
    f = make(MR_CHUNK_DATA, 60, 0);
    cr_expect_not(mr_frame_prepend(arena, &f, most + 1));
    cr_expect_not(mr_frame_prepend(arena, &f, UINT32_MAX));
    expect_frame(&f, MR_CHUNK_DATA, 60);
}

Test(frame, prepend_stops_at_the_longest_length)
{
    struct mr_frame f = {.chunk = chunk, .offset = MR_CHUNK_DATA, .length = MR_FRAME_MAX - 4};
    cr_expect_not(mr_frame_prepend(arena, &f, 5));
    expect_frame(&f, MR_CHUNK_DATA, MR_FRAME_MAX - 4);
    cr_expect(mr_frame_prepend(arena, &f, 4));
    expect_frame(&f, MR_CHUNK_DATA - 4, MR_FRAME_MAX);
}

Test(frame, prepend_moves_the_checksum_along)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, MR_FRAME_CSUM);
    put_vnet(&f, 54, 34);
    cr_expect(mr_frame_prepend(arena, &f, 4));
    expect_frame(&f, MR_CHUNK_DATA - 4, 64);
    expect_vnet(&f, 54, 38);
    cr_expect(mr_frame_prepend(arena, &f, 128 - 4 - MR_VNET_BYTES), "up to where the header itself still fits");
    expect_vnet(&f, 54, 34 + 128 - MR_VNET_BYTES);
    cr_expect_not(mr_frame_prepend(arena, &f, 1), "the header would leave the headroom");
}

Test(frame, prepend_moves_a_super_frames_header_length_too)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 1000, MR_FRAME_CSUM | MR_FRAME_SUPER);
    put_vnet(&f, 66, 34);
    cr_expect(mr_frame_prepend(arena, &f, 4));
    expect_vnet(&f, 70, 38);
}

Test(frame, adjust_cuts_the_front)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, 0);
    cr_expect(mr_frame_adjust(arena, &f, 14));
    expect_frame(&f, MR_CHUNK_DATA + 14, 46);
    cr_expect_eq(*mr_frame_data(arena, &f), 14);
    cr_expect_not(mr_frame_adjust(arena, &f, 47));
    cr_expect(mr_frame_adjust(arena, &f, 46));
    expect_frame(&f, MR_CHUNK_DATA + 60, 0);
}

/* Found by fuzz_frame: the offset turned over, and the frame began before its chunk's room. */
Test(frame, adjust_stops_where_an_offset_ends)
{
    const uint32_t most = UINT16_MAX - MR_CHUNK_DATA;
    struct mr_frame f = {.chunk = chunk, .offset = MR_CHUNK_DATA, .length = MR_FRAME_MAX};
    cr_expect_not(mr_frame_adjust(arena, &f, most + 1));
    expect_frame(&f, MR_CHUNK_DATA, MR_FRAME_MAX);
    cr_expect(mr_frame_adjust(arena, &f, most));
    expect_frame(&f, UINT16_MAX, MR_FRAME_MAX - most);
}

Test(frame, adjust_keeps_what_the_checksum_covers)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, MR_FRAME_CSUM | MR_FRAME_SUPER);
    put_vnet(&f, 54, 34);
    cr_expect_not(mr_frame_adjust(arena, &f, 35));
    expect_frame(&f, MR_CHUNK_DATA, 60);
    expect_vnet(&f, 54, 34);
    cr_expect(mr_frame_adjust(arena, &f, 4));
    expect_vnet(&f, 50, 30);
    cr_expect(mr_frame_adjust(arena, &f, 30));
    expect_vnet(&f, 20, 0);
}

Test(frame, prepend_undoes_adjust)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, MR_FRAME_CSUM);
    put_vnet(&f, 0, 34);
    cr_expect(mr_frame_adjust(arena, &f, 14) && mr_frame_prepend(arena, &f, 14));
    expect_frame(&f, MR_CHUNK_DATA, 60);
    expect_vnet(&f, 0, 34);
    cr_expect_eq(mr_frame_data(arena, &f)[14], 14, "what lay behind the cut is as it was");
}

Test(frame, trim_and_append_work_at_the_end)
{
    struct mr_frame f = make(MR_CHUNK_DATA, 60, 0);
    cr_expect(mr_frame_trim(&f, 10));
    expect_frame(&f, MR_CHUNK_DATA, 50);
    cr_expect_not(mr_frame_trim(&f, 51));
    cr_expect(mr_frame_append(&f, 2112 - 50, MR_CHUNK_STRIDE));
    expect_frame(&f, MR_CHUNK_DATA, 2112);
    cr_expect_not(mr_frame_append(&f, 1, MR_CHUNK_STRIDE));
    cr_expect_not(mr_frame_append(&f, UINT32_MAX, MR_CHUNK_STRIDE));
    cr_expect_not(mr_frame_append(&f, 1, MR_CHUNK_DATA), "a frame that ends beyond its room has none");
    expect_frame(&f, MR_CHUNK_DATA, 2112);
    f = (struct mr_frame){.offset = MR_CHUNK_DATA, .length = MR_FRAME_MAX};
    cr_expect_not(mr_frame_append(&f, 1, MR_CHUNK_BIG_STRIDE));
}
