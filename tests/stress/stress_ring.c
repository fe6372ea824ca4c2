/* Numbered items from one thread to another, through every kind of ring: each must arrive once, in order, whole.
 * Sizes from 2 up, elements of 4, 8 and 16 bytes, in place and copied, with indices that pass 2^31 and 2^32. */
#include "stress.h"

#include <millrace/ring.h>

enum { BURST_MAX = 64 };

struct lane {
    struct mr_ring *ring;
    uint32_t esz;
    uint32_t items; /* to send; element i carries i in its first word and its mirror in the others */
    enum { IN_PLACE, COPIED, ASKED } how; /* asked: room before reserve, visible before peek, so that those look for these */
};

static void write_items(void *at, uint32_t esz, uint32_t first, uint32_t n)
{
    uint32_t *word = at;
    for (uint32_t i = 0; i < n; i++) {
        *word++ = first + i;
        for (uint32_t k = 4; k < esz; k += 4) {
            *word++ = ~(first + i) - k;
        }
    }
}

static void check_items(const void *at, uint32_t esz, uint32_t first, uint32_t n)
{
    const uint32_t *word = at;
    for (uint32_t i = 0; i < n; i++) {
        EXPECT(*word == first + i, "got %u, want %u", *word, first + i);
        word++;
        for (uint32_t k = 4; k < esz; k += 4, word++) {
            EXPECT(*word == ~(first + i) - k, "item %u is torn at byte %u", first + i, k);
        }
    }
}

static uint32_t send_some(const struct lane *l, uint32_t first, uint32_t n)
{
    uint32_t items[BURST_MAX * 4];
    void *span;
    if (l->how == COPIED) {
        write_items(items, l->esz, first, n);
        return mr_ring_push(l->ring, l->esz, items, n);
    }
    if (l->how == ASKED) {
        uint32_t room = mr_ring_room(l->ring, n);
        n = n < room ? n : room;
    }
    n = mr_ring_reserve(l->ring, l->esz, n, &span);
    write_items(span, l->esz, first, n);
    mr_ring_commit(l->ring, n);
    return n;
}

static uint32_t receive_some(const struct lane *l, uint32_t first, uint32_t n)
{
    uint32_t items[BURST_MAX * 4];
    void *span;
    if (l->how == COPIED) {
        n = mr_ring_pop(l->ring, l->esz, items, n);
        check_items(items, l->esz, first, n);
        return n;
    }
    if (l->how == ASKED) {
        uint32_t visible = mr_ring_visible(l->ring);
        n = n < visible ? n : visible;
    }
    n = mr_ring_peek(l->ring, l->esz, n, &span);
    if (n != 0) {
        check_items(span, l->esz, first, n);
        memset(span, 0xEE, (size_t)n * l->esz); /* the consumer may write, too: a late producer write would show */
        mr_ring_release(l->ring, n);
    }
    return n;
}

static void *producer(void *arg)
{
    const struct lane *l = arg;
    uint32_t state = 0x9E3779B9;
    for (uint32_t sent = 0; sent < l->items;) {
        uint32_t n = 1 + stress_random(&state) % BURST_MAX;
        n = n < l->items - sent ? n : l->items - sent;
        uint32_t k = send_some(l, sent, n);
        sent += k;
        if (k == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void consume(const struct lane *l)
{
    uint32_t state = 0x7F4A7C15;
    for (uint32_t got = 0; got < l->items;) {
        uint32_t k = receive_some(l, got, 1 + stress_random(&state) % BURST_MAX);
        got += k;
        if (k == 0) {
            sched_yield();
        }
        EXPECT(mr_ring_depth(l->ring) <= l->ring->consumer.capacity, "depth %u", mr_ring_depth(l->ring));
    }
}

static void run(uint32_t capacity, uint32_t esz, uint32_t start, int how)
{
    void *memory = stress_memory(MR_LINE_PAIR, mr_ring_bytes(capacity, esz));
    uint32_t ahead_lines = capacity >= 64 ? 4 : 0;
    uint32_t items = capacity >= 64 ? 800000 : 100000;
    struct lane l = {mr_ring_init(memory, capacity, esz, ahead_lines, start), esz, items, how};
    pthread_t thread = stress_start(producer, &l);
    consume(&l);
    pthread_join(thread, NULL);
    EXPECT(mr_ring_held(l.ring) == 0 && mr_ring_visible(l.ring) == 0, "%u left", mr_ring_held(l.ring));
    EXPECT(l.ring->consumer.head == start + l.items, "index %u", l.ring->consumer.head);
    free(memory);
}

int main(void)
{
    const uint32_t capacities[] = {2, 8, 64, 1024}, sizes[] = {4, 8, 16};
    const uint32_t starts[] = {0, (1u << 31) - 5000, UINT32_MAX - 5000};
    alarm(STRESS_DEADLINE_S);
    for (int c = 0; c < 4; c++) {
        for (int e = 0; e < 3; e++) {
            for (int s = 0; s < 3; s++) {
                run(capacities[c], sizes[e], starts[s], IN_PLACE);
                run(capacities[c], sizes[e], starts[s], COPIED);
            }
            run(capacities[c], sizes[e], starts[2], ASKED);
        }
    }
    return 0;
}
