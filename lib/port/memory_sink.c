/* memory_sink.c: the sending side of the memory driver: counts, and verifies what it is asked to. */
#include "lib/port/memory.h"
#include "lib/sys/node.h"

#include <errno.h>

/* One load and add a frame. The empty asm keeps the loop scalar: lengths 16 bytes apart cost more as vectors. */
static inline uint64_t bytes_of(const struct mr_frame *frames, uint32_t n)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        bytes += frames[i].length;
        __asm__("" : "+r"(bytes));
    }
    return bytes;
}

/* Who does not look at frames counts each of them as come back, strangers among them. */
uint32_t mr_memory_tx_burst(struct mr_txq *q, const struct mr_frame *frames, uint32_t n)
{
    struct mr_memory_sink *s = MR_CONTAINER_OF(q, struct mr_memory_sink, q);
    uint32_t home = n;
    if (s->verifies) {
        home = mr_verify_burst(&s->verify, q->port->base, frames, n, mr_memory_ns(&s->memory->clock, q->now));
        __atomic_store_n(&q->bytes, s->verify.bytes, __ATOMIC_RELAXED);
    } else {
        mr_count(&q->bytes, bytes_of(frames, n));
    }
    mr_count(&q->frames, n);
    __atomic_store_n(&s->returned->frames, s->returned->frames + home, __ATOMIC_RELEASE);
    return n;
}

int mr_memory_sink_init(struct mr_memory_sink *s, struct mr_memory *m, uint32_t queue, int node)
{
    const struct mr_port_config *c = m->port->config;
    memset(s, 0, sizeof *s);
    s->q.port = m->port;
    s->q.queue = queue;
    s->memory = m;
    s->returned = &m->returned[queue];
    s->verifies = c->verify;
    if (!c->verify) {
        return 0;
    }
    s->seen = mr_node_alloc(mr_verify_seen_bytes(), node); // touched now: a core that meets a new flow takes no page fault
    if (s->seen == NULL) {
        return -ENOMEM;
    }
    mr_verify_init(&s->verify, m->fill, c->vlan, s->seen, &s->latency);
    return 0;
}

void mr_memory_sink_fini(struct mr_memory_sink *s)
{
    mr_node_free(s->seen, mr_verify_seen_bytes());
}
