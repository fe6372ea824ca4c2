/* pcap_bytes.h: capture files made byte by byte, as any machine and any tool would write them. */
#ifndef MILLRACE_TESTS_PCAP_BYTES_H
#define MILLRACE_TESTS_PCAP_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A file under construction. big: most significant byte first. */
struct bytes {
    unsigned char at[1u << 16];
    size_t n;
    bool big;
};

static inline void put(struct bytes *b, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t shift = 8 * (b->big ? bytes - 1 - i : i);
        b->at[b->n++] = (unsigned char)(value >> shift);
    }
}

static inline void put_data(struct bytes *b, const void *data, uint32_t n)
{
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

static inline void put_pcap_header(struct bytes *b, uint32_t magic, uint32_t snap, uint32_t link)
{
    put(b, magic, 4);
    put(b, 2, 2);
    put(b, 4, 2);
    put(b, 0, 8);
    put(b, snap, 4);
    put(b, link, 4);
}

static inline void put_pcap_record(struct bytes *b, uint32_t seconds, uint32_t rest, const void *data, uint32_t there,
                                   uint32_t length)
{
    put(b, seconds, 4);
    put(b, rest, 4);
    put(b, there, 4);
    put(b, length, 4);
    put_data(b, data, there);
}

static inline void put_section(struct bytes *b)
{
    put(b, 0x0a0d0d0a, 4);
    put(b, 28, 4);
    put(b, 0x1a2b3c4d, 4);
    put(b, 1, 2);
    put(b, 0, 2);
    put(b, UINT64_MAX, 8);
    put(b, 28, 4);
}

/* resolution: the exponent of ten, as if_tsresol has it; 6 is what is meant without that option. */
static inline void put_interface(struct bytes *b, uint32_t link, uint32_t snap, uint32_t resolution)
{
    put(b, 1, 4);
    put(b, 32, 4);
    put(b, link, 2);
    put(b, 0, 2);
    put(b, snap, 4);
    put(b, 9, 2);
    put(b, 1, 2);
    put_data(b, (unsigned char[]){(unsigned char)resolution, 0, 0, 0}, 4);
    put(b, 0, 4);
    put(b, 32, 4);
}

static inline void put_enhanced(struct bytes *b, uint64_t stamp, const void *data, uint32_t there, uint32_t length)
{
    uint32_t padded = (there + 3) & ~3u;
    put(b, 6, 4);
    put(b, 32 + padded, 4);
    put(b, 0, 4);
    put(b, stamp >> 32, 4);
    put(b, stamp & UINT32_MAX, 4);
    put(b, there, 4);
    put(b, length, 4);
    put_data(b, data, there);
    put(b, 0, padded - there);
    put(b, 32 + padded, 4);
}

static inline void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "w");
    if (out == NULL || fwrite(bytes, 1, n, out) != n || fclose(out) != 0) {
        perror(path);
    }
}

#endif
