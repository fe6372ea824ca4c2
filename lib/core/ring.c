#include <millrace/ring.h>

#include <string.h>

static int fits(uint32_t capacity, uint32_t esz)
{
    int power = capacity >= 2 && capacity <= (1u << 30) && (capacity & (capacity - 1)) == 0;
    return power && (esz == 4 || esz == 8 || esz == 16);
}

size_t mr_ring_bytes(uint32_t capacity, uint32_t esz)
{
    if (!fits(capacity, esz)) {
        return 0;
    }
    size_t bytes = sizeof(struct mr_ring) + (size_t)capacity * esz;
    return (bytes + MR_LINE_PAIR - 1) / MR_LINE_PAIR * MR_LINE_PAIR;
}

uint32_t mr_ring_capacity(uint32_t n)
{
    uint32_t capacity = 2;
    while (capacity < n && capacity != 1u << 31) {
        capacity *= 2;
    }
    return capacity;
}

struct mr_ring *mr_ring_init(void *memory, uint32_t capacity, uint32_t esz, uint32_t ahead_lines, uint32_t start)
{
    struct mr_ring *r = (struct mr_ring *)memory;
    if (!fits(capacity, esz) || memory == NULL || (uintptr_t)memory % MR_LINE_PAIR != 0) {
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->producer.tail = r->producer.fetched = start;
    r->producer.limit = start + capacity;
    r->consumer.head = r->consumer.seen = r->consumer.returned = start;
    r->tail.published = r->head.published = start;
    r->producer.mask = r->consumer.mask = capacity - 1;
    r->producer.capacity = r->consumer.capacity = capacity;
    r->producer.ahead = r->consumer.ahead = ahead_lines * (MR_CACHE_LINE / esz);
    r->consumer.lazy = capacity >= 8 ? capacity / 8 : 1;
    return r;
}
