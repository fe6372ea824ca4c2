/* memory_source.c: the receiving side of the memory driver: frames by schedule, window and chunks at hand. */
#include "lib/port/memory.h"

#include <errno.h>

/* What came back to the sink that closes the window, all its queues together. */
static uint64_t returned_frames(const struct mr_memory *m)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; m->window_sink != NULL && i < m->window_sink->port->n_txq; i++) {
        sum += __atomic_load_n(&m->window_sink->returned[i].frames, __ATOMIC_ACQUIRE);
    }
    return sum;
}

static uint32_t window_room(struct mr_memory_source *s, uint32_t n)
{
    struct mr_memory *m = s->memory;
    uint32_t frames = m->port->config->window;
    return mr_window_take(&m->window, &s->watch, frames, returned_frames(m), s->q.now, m->timeout_ticks, n);
}

static inline struct mr_stack *list_for(struct mr_memory_source *s, uint32_t length)
{
    return MR_LIKELY(length <= s->small_room) ? &s->q.pool->small : &s->q.pool->big;
}

static inline void next_flow(const struct mr_memory_source *s, uint32_t *flow, uint32_t *sequence)
{
    *flow += s->stride;
    if (*flow >= s->memory->n_flows) {
        *flow = s->first_flow;
        ++*sequence;
    }
}

static inline uint64_t intended_ns(struct mr_memory_source *s, uint64_t now_ns)
{
    return s->paced ? mr_memory_ns(&s->memory->clock, mr_schedule_take(&s->schedule, 0)) : now_ns;
}

static inline void write_next(struct mr_memory_source *s, unsigned char *chunk, uint32_t length, uint64_t now_ns)
{
    mr_flow_write(&s->flows, chunk + MR_CHUNK_DATA, length, s->flow, s->sequence, intended_ns(s, now_ns));
    next_flow(s, &s->flow, &s->sequence);
}

/* Shortest frames are copied from their flow's line. All that the loop needs stands in locals: stores to frames could
 * change anything else, for all the compiler knows. */
static void write_shortest(struct mr_memory_source *s, const uint32_t *chunks, uint32_t n, uint64_t now_ns)
{
    unsigned char *base = s->q.port->base;
    const struct mr_flow_line *lines = s->memory->lines;
    const uint32_t n_flows = s->memory->n_flows;
    const uint32_t first_flow = s->first_flow;
    const uint32_t stride = s->stride;
    const bool paced = s->paced;
    uint32_t flow = s->flow;
    uint32_t sequence = s->sequence;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ns = paced ? intended_ns(s, now_ns) : now_ns;
        mr_flow_line_write(&lines[flow], mr_chunk_at(base, chunks[i]) + MR_CHUNK_DATA, sequence, ns);
        flow += stride;
        if (flow >= n_flows) {
            flow = first_flow;
            sequence++;
        }
    }
    s->flow = flow;
    s->sequence = sequence;
}

static void write_equal(struct mr_memory_source *s, const uint32_t *chunks, uint32_t n)
{
    uint64_t now_ns = mr_memory_ns(&s->memory->clock, s->q.now);
    if (s->memory->lines != NULL) {
        write_shortest(s, chunks, n, now_ns);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        write_next(s, mr_chunk_at(s->q.port->base, chunks[i]), s->length, now_ns);
    }
}

/* Two stores a descriptor: left to itself, the compiler stores field by field. */
static inline void fill_descriptors(struct mr_frame *frames, const struct mr_frame *form, const uint32_t *chunks,
                                    uint32_t n)
{
    uint64_t halves[2];
    memcpy(halves, form, sizeof halves);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t front = halves[0] | chunks[i];
        memcpy(&frames[i], &front, sizeof front);
        memcpy((char *)&frames[i] + sizeof front, &halves[1], sizeof halves[1]);
    }
}

/* One size: the chunks are on top of one free list, and are read where they lie. */
static uint32_t make_equal(struct mr_memory_source *s, struct mr_stack *list, struct mr_frame *frames, uint32_t n)
{
    struct mr_frame form = s->form;
    const uint32_t *chunks = list->items + list->count - n;
    list->count -= n;
    form.tick = s->q.tick;
#ifdef MR_POOL_DEBUG
    mr_pool_debug_alloc(s->q.pool, chunks, n);
#endif
    fill_descriptors(frames, &form, chunks, n);
    if (s->writes) {
        write_equal(s, chunks, n);
    }
    for (uint32_t i = 0; !s->writes && s->paced && i < n; i++) {
        mr_schedule_take(&s->schedule, 0);
    }
    return n;
}

/* Sizes by draw: each frame has its own class of chunk. Fewer than n when a class ran out. */
static uint32_t make_mixed(struct mr_memory_source *s, struct mr_frame *frames, uint32_t n)
{
    uint64_t ns = mr_memory_ns(&s->memory->clock, s->q.now);
    uint32_t i = 0;
    for (; i < n; i++) {
        struct mr_frame *f = &frames[i];
        *f = s->form;
        if (mr_pool_alloc(s->q.pool, list_for(s, s->length), &f->chunk, 1) == 0) {
            break;
        }
        f->tick = s->q.tick;
        f->length = (uint16_t)s->length;
        if (s->writes) {
            write_next(s, mr_chunk_at(s->q.port->base, f->chunk), s->length, ns);
        } else if (s->paced) {
            mr_schedule_take(&s->schedule, 0);
        }
        s->length = mr_size_draw_next(&s->sizes);
    }
    return i;
}

static void start(struct mr_memory_source *s)
{
    mr_schedule_start(&s->schedule, s->q.now);
    s->started = true;
}

static void count_made(struct mr_memory_source *s, uint32_t made)
{
    mr_count(&s->q.made, made);
    s->left -= made;
    if (MR_UNLIKELY(s->left == 0)) {
        mr_store_release(&s->q.ended, 1);
    }
}

uint32_t mr_memory_rx_burst(struct mr_rxq *q, struct mr_frame *frames, uint32_t n)
{
    struct mr_memory_source *s = MR_CONTAINER_OF(q, struct mr_memory_source, q);
    bool equal = s->sizes.n == 1;
    struct mr_stack *list = list_for(s, s->length);
    if (MR_UNLIKELY(!s->started)) {
        start(s);
    }
    n = s->left < n ? (uint32_t)s->left : n;
    n = mr_schedule_due(&s->schedule, q->now, n);
    n = equal ? mr_pool_take(q->pool, list, n) : n;
    bool windowed = s->memory->port->config->window != 0;
    if (MR_UNLIKELY(windowed)) {
        n = window_room(s, n);
    }
    if (n == 0) {
        return 0;
    }
    uint32_t made = equal ? make_equal(s, list, frames, n) : make_mixed(s, frames, n);
    if (MR_UNLIKELY(windowed && made < n)) {
        mr_window_give(&s->memory->window, n - made);
    }
    count_made(s, made);
    return made;
}

bool mr_memory_rx_quiesce(struct mr_rxq *q)
{
    struct mr_memory_source *s = MR_CONTAINER_OF(q, struct mr_memory_source, q);
    s->left = 0;
    mr_store_release(&q->ended, 1);
    return true;
}

static int check_sizes(const struct mr_memory_source *s, struct mr_error *err)
{
    const struct mr_port_config *c = s->q.port->config;
    uint32_t longest = mr_size_draw_longest(&s->sizes);
    for (uint32_t i = 0; i < s->sizes.n && s->writes; i++) {
        if (s->sizes.bytes[i] < mr_flows_shortest(&s->flows)) {
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: frames of %u bytes (without FCS) do not hold "
                                "headers and signature; size must be %u or more", c->name, s->sizes.bytes[i],
                                mr_flows_shortest(&s->flows) + 4);
        }
    }
    if (longest > s->small_room && s->q.pool->big.capacity == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: frames of %u bytes (without FCS) fit no chunk of %u; "
                            "set memory.big_chunks, or size to %u or less", c->name, longest, s->q.pool->small_bytes,
                            s->small_room + 4);
    }
    return 0;
}

static int init_sizes(struct mr_memory_source *s, struct mr_error *err)
{
    const struct mr_port_config *c = s->q.port->config;
    uint32_t n = c->size.ranged ? 2 : c->size.n;
    if (mr_size_draw_init(&s->sizes, c->size.bytes, c->size.weights, n, c->size.ranged, c->seed + s->q.queue) < 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: size: nothing to draw; give one size, a range, or sizes "
                            "with weights above 0", c->name);
    }
    s->length = mr_size_draw_next(&s->sizes);
    s->form.length = (uint16_t)s->length;
    return check_sizes(s, err);
}

static uint64_t share(uint64_t frames, uint32_t queue, uint32_t queues)
{
    return frames == 0 ? UINT64_MAX : frames / queues + (queue < frames % queues);
}

int mr_memory_source_init(struct mr_memory_source *s, struct mr_memory *m, uint32_t queue,
                          const struct mr_port_setup *setup, struct mr_error *err)
{
    const struct mr_port_config *c = m->port->config;
    *s = (struct mr_memory_source){.memory = m, .stride = setup->n_rxq, .first_flow = queue, .flow = queue};
    s->q = (struct mr_rxq){.port = m->port, .pool = setup->rx_pool[queue], .queue = queue};
    s->form = (struct mr_frame){.offset = MR_CHUNK_DATA, .port = m->port->number};
    s->form.flags = c->vlan != 0 ? MR_FRAME_VLAN : 0;
    s->left = c->source ? share(c->frames, queue, setup->n_rxq) : 0;
    s->q.ended = s->left == 0;
    s->writes = c->content == MR_CONTENT_FULL;
    s->paced = c->rate_fps != 0;
    s->small_room = s->q.pool->small_bytes - MR_CHUNK_DATA;
    if (!c->source) {
        return 0;
    }
    mr_flows_init(&s->flows, m->fill, c->vlan, c->vlan);
    if (mr_schedule_init(&s->schedule, m->port->ticks_per_ns * 1e9, c->rate_fps, queue, setup->n_rxq) < 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: rate of %g frames/s; it must be flat-out, or from 0.001 "
                            "to 10^12", c->name, c->rate_fps);
    }
    return init_sizes(s, err);
}
