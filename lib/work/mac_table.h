/* mac_table.h: which station was last seen behind which port, and when.
 *
 * 4096 entries of 8 bytes in buckets of one cache line. An address belongs to one bucket, found by a keyed hash: a look
 * reads one line, however full the table is and whoever chose the addresses. In a full bucket the station seen longest
 * ago gives way. Time is a step of the caller's, 8 bits that wrap; mac_table_age forgets the old before that matters.
 * One core uses it. Pure: no clock, no OS call.
 *
 * Entry: address in the upper 48 bits (first byte on the wire lowest), port, step when last seen. 0 = free, since the
 * address 00:00:00:00:00:00 belongs to nobody.
 */
#ifndef MILLRACE_WORK_MAC_TABLE_H
#define MILLRACE_WORK_MAC_TABLE_H

#include <millrace/atomic.h>

#include <stdbool.h>
#include <string.h>

#define MAC_BUCKETS      512u
#define MAC_BUCKET_SLOTS 8u
#define MAC_NOBODY       0xFFu /* no port: the address is not known */

struct mac_bucket {
    uint64_t slots[MAC_BUCKET_SLOTS];
} MR_ALIGNED(MR_CACHE_LINE);

struct mac_table {
    uint64_t key[2]; /* secret, random */
    uint8_t step;    /* now */
    struct mac_bucket buckets[MAC_BUCKETS];
};

MR_STATIC_ASSERT(sizeof(struct mac_bucket) == MR_CACHE_LINE, "a look reads one line");
MR_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mac_read takes the first byte for the lowest");

/* What mac_table_learn found. */
enum mac_learnt { MAC_KNOWN, MAC_LEARNED, MAC_MOVED, MAC_REPLACED };

/* mac_read: the address at p, in the upper 48 bits. Reads 8 bytes. */
static inline uint64_t mac_read(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v << 16;
}

/* mac_is_group: broadcast or multicast. */
static inline bool mac_is_group(uint64_t mac)
{
    return mac & (1u << 16);
}

/* 64 × 64 → 128 bits, folded. */
static inline uint64_t mac_fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Keyed, so that nobody can aim at a bucket. Twice: after one multiplication addresses at a power-of-two distance still
 * stand in a row and meet in few buckets. */
static inline struct mac_bucket *mac_bucket_of(struct mac_table *t, uint64_t mac)
{
    uint64_t once = mac_fold(mac ^ t->key[0], t->key[1] | 1);
    return &t->buckets[mac_fold(once ^ t->key[1], t->key[0] | 1) % MAC_BUCKETS];
}

static inline uint32_t mac_find(const struct mac_bucket *b, uint64_t mac)
{
    uint32_t i = 0;
    while (i < MAC_BUCKET_SLOTS && (b->slots[i] ^ mac) >> 16 != 0) {
        i++;
    }
    return i;
}

/* mac_table_port: where a station is, or MAC_NOBODY. */
static inline uint8_t mac_table_port(struct mac_table *t, uint64_t mac)
{
    const struct mac_bucket *b = mac_bucket_of(t, mac);
    uint32_t i = mac_find(b, mac);
    return i < MAC_BUCKET_SLOTS ? (uint8_t)(b->slots[i] >> 8) : MAC_NOBODY;
}

/* mac_table_learn: a station, neither group nor zero, was seen behind a port. */
static inline enum mac_learnt mac_table_learn(struct mac_table *t, uint64_t mac, uint8_t port)
{
    struct mac_bucket *b = mac_bucket_of(t, mac);
    uint32_t i = mac_find(b, mac);
    uint64_t entry = mac | (uint64_t)port << 8 | t->step;
    if (MR_LIKELY(i < MAC_BUCKET_SLOTS)) {
        bool moved = (uint8_t)(b->slots[i] >> 8) != port;
        if (b->slots[i] != entry) { // written once a step, not with every frame
            b->slots[i] = entry;
        }
        return moved ? MAC_MOVED : MAC_KNOWN;
    }
    uint32_t oldest = 0;
    for (i = 0; i < MAC_BUCKET_SLOTS; i++) {
        if (b->slots[i] == 0) {
            b->slots[i] = entry;
            return MAC_LEARNED;
        }
        if ((uint8_t)(t->step - b->slots[i]) > (uint8_t)(t->step - b->slots[oldest])) {
            oldest = i;
        }
    }
    b->slots[oldest] = entry;
    return MAC_REPLACED;
}

/* mac_table_age: `passed` steps have gone by (at most `limit` + 1 count); forget who was not seen for more than `limit`
 * (at most 126). Returns how many. Walks 32 KiB: for the steps of a clock in seconds. */
static inline uint32_t mac_table_age(struct mac_table *t, uint64_t passed, uint32_t limit)
{
    uint32_t aged = 0;
    t->step = (uint8_t)(t->step + (passed > limit ? limit + 1 : passed));
    for (uint32_t n = 0; n < MAC_BUCKETS; n++) {
        for (uint32_t i = 0; i < MAC_BUCKET_SLOTS; i++) {
            uint64_t *slot = &t->buckets[n].slots[i];
            if (*slot != 0 && (uint8_t)(t->step - *slot) > limit) {
                *slot = 0;
                aged++;
            }
        }
    }
    return aged;
}

#endif
