/* fuzz.h: what the fuzz targets share: bytes as a source of choices, and the end when something does not hold.
 *
 * A target is one file, fuzz_<what>.c, with one function, LLVMFuzzerTestOneInput. It makes all it needs from the bytes it
 * is given, keeps nothing from one call to the next, and ends the program when an oracle is hurt; the sanitizers see the
 * rest. libFuzzer calls it (meson setup -Dfuzz=true, clang), and replay.c does with the files of corpus/<what>.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h> /* nothing but in builds with AddressSanitizer */
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Bytes not used yet. Behind the end come zeros, so that every input is a whole one. */
struct fuzz {
    const uint8_t *at;
    size_t left;
};

static inline uint64_t fuzz_number(struct fuzz *f, size_t bytes)
{
    uint64_t value = 0;
    size_t n = bytes < f->left ? bytes : f->left;
    memcpy(&value, f->at, n);
    f->at += n;
    f->left -= n;
    return value;
}

static inline uint8_t fuzz_u8(struct fuzz *f)
{
    return (uint8_t)fuzz_number(f, 1);
}

static inline uint16_t fuzz_u16(struct fuzz *f)
{
    return (uint16_t)fuzz_number(f, 2);
}

static inline uint32_t fuzz_u32(struct fuzz *f)
{
    return (uint32_t)fuzz_number(f, 4);
}

/* fuzz_below: 0 … n-1, n <= 256, by one byte. */
static inline uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
    return fuzz_u8(f) % n;
}

static inline uint32_t fuzz_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* FUZZ_CHECK: what must hold; a format tells more. */
#define FUZZ_CHECK(holds, ...)                                                                                         \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s: ", __FILE__, __LINE__, #holds);                                 \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
