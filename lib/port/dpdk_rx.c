/* dpdk_rx.c: mbufs into descriptors. The mbuf stays as the PMD left it, so that a frame that leaves by DPDK finds it ready. */
#include "lib/port/dpdk.h"

/* ---- frames in several buffers ---- */

static void copy_rest(unsigned char *to, const struct rte_mbuf *m)
{
    for (; m != NULL; m = m->next) {
        memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
        to += m->data_len;
    }
}

/* The rest moves in behind the first part. */
static struct rte_mbuf *join(struct rte_mbuf *m)
{
    copy_rest(rte_pktmbuf_mtod(m, unsigned char *) + m->data_len, m->next);
    rte_pktmbuf_free(m->next);
    m->next = NULL;
    m->nb_segs = 1;
    m->data_len = (uint16_t)m->pkt_len;
    return m;
}

/* The big chunk counts as one that the device took, as those of the parts were. */
static struct rte_mbuf *move(struct mr_dpdk_rxq *q, struct rte_mbuf *m, uint32_t chunk)
{
    struct rte_mbuf *big = mr_dpdk_mbuf(q->q.port->base, chunk);
    q->core->drawn++;
    big->data_off = MR_CHUNK_DATA - MR_CHUNK_BUF;
    big->pkt_len = m->pkt_len;
    big->data_len = (uint16_t)m->pkt_len;
    copy_rest(rte_pktmbuf_mtod(big, unsigned char *), m);
    rte_pktmbuf_free(m);
    return big;
}

/* The mbuf that has all of it; NULL: there is no room for one. */
static struct rte_mbuf *gather(struct mr_dpdk_rxq *q, struct rte_mbuf *m)
{
    struct mr_pool *pool = q->core->pool;
    uint32_t chunk = 0;
    if (m->pkt_len < MR_FRAME_MIN || m->pkt_len > MR_FRAME_MAX) {
        return NULL;
    }
    bool fits = m->data_off + m->pkt_len <= m->buf_len;
    if (!fits && mr_pool_alloc(pool, &pool->big, &chunk, 1) == 0) {
        return NULL;
    }
    mr_count(&q->gathered, 1);
    return fits ? join(m) : move(q, m, chunk);
}

static enum mr_drop reason_of(const struct mr_dpdk_rxq *q, const struct rte_mbuf *m)
{
    if (m->pkt_len < MR_FRAME_MIN) {
        return MR_DROP_runt;
    }
    return m->pkt_len > MR_FRAME_MAX ? MR_DROP_too_long : q->core->pool->big.capacity == 0 ? MR_DROP_chain : MR_DROP_no_chunk;
}

/* What is no frame of ours goes back at once. */
static void refuse(struct mr_dpdk_rxq *q, struct rte_mbuf *m)
{
    struct mr_frame f = {.chunk = mr_dpdk_chunk(q->q.port->base, m), .offset = (uint16_t)(MR_CHUNK_BUF + m->data_off),
                         .length = m->data_len, .port = q->q.port->number};
    mr_count(&q->q.frames, 1);
    mr_count(&q->q.bytes, m->pkt_len);
    mr_rxq_drop(&q->q, &f, reason_of(q, m));
    rte_pktmbuf_free(m);
}

/* Some of a burst are none, or are gathered: the others close up. Returns how many frames there are. */
static __attribute__((noinline, cold)) uint32_t sift(struct mr_dpdk_rxq *q, struct rte_mbuf **mbufs, uint32_t n,
                                                     struct mr_frame *frames, uint64_t *bytes)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct rte_mbuf *m = mbufs[i];
        frames[k] = frames[i];
        if (m->nb_segs == 1 && m->data_len >= MR_FRAME_MIN) {
            k++;
            continue;
        }
        *bytes -= m->data_len;
        struct rte_mbuf *whole = m->nb_segs == 1 ? NULL : gather(q, m);
        if (whole == NULL) {
            refuse(q, m);
            continue;
        }
        frames[k].chunk = mr_dpdk_chunk(q->q.port->base, whole);
        frames[k].offset = (uint16_t)(MR_CHUNK_BUF + whole->data_off);
        frames[k++].length = whole->data_len;
        *bytes += whole->data_len;
    }
    return k;
}

/* ---- bursts ---- */

/* A descriptor in two stores. The empty asm keeps them two: joined in a vector register they cost more than they save. */
static inline void put(struct mr_frame *f, uint64_t low, uint64_t high)
{
    __asm__("" : "+r"(low), "+r"(high));
    memcpy(f, &low, sizeof low);
    __asm__("" ::: "memory");
    memcpy((unsigned char *)f + sizeof low, &high, sizeof high);
}

#define SEGMENTS_AT 32 /* in the 64 bits from data_off on: data_off, refcnt, nb_segs, port */

/* All are described, and looked at together afterwards: that some are no frames is rare. */
static inline uint32_t describe(struct mr_dpdk_rxq *q, struct rte_mbuf **mbufs, uint32_t n, struct mr_frame *frames)
{
    const unsigned char *first = q->q.port->base + MR_DPDK_MBUF;
    const uint64_t tick = (uint64_t)q->q.tick << 32;
    const uint64_t port = (uint64_t)q->q.port->number << 32 | MR_CHUNK_BUF;
    uint64_t bytes = 0, chains = 0, runts = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct rte_mbuf *m = mbufs[i];
        uint64_t length = m->data_len;
        uint64_t rearm;
        memcpy(&rearm, &m->rearm_data, sizeof rearm);
        put(&frames[i], tick | (size_t)((const unsigned char *)m - first) / MR_CACHE_LINE,
            port + (rearm & 0xffff) + (length << 16));
        chains |= rearm ^ 1ull << SEGMENTS_AT;
        runts |= length - MR_FRAME_MIN;
        bytes += length;
    }
    if (MR_UNLIKELY((chains >> SEGMENTS_AT & 0xffff) != 0 || runts >> 63 != 0)) {
        n = sift(q, mbufs, n, frames, &bytes);
    }
    mr_count(&q->q.frames, n);
    mr_count(&q->q.bytes, bytes);
    return n;
}

/* Chunks that came from net_ring were a sender's; those of a device that keeps chunks have left it. */
static void take_over(struct mr_dpdk_rxq *q, const struct mr_frame *frames, uint32_t n)
{
    if (q->is_ring) {
        mr_frames_hand(q->core->recycle, frames, n, MR_OWNER_SENDER, MR_OWNER_PORT);
    }
    for (uint32_t i = 0; q->mark != 0 && i < n; i++) {
        q->core->arena->marks[frames[i].chunk] = 0;
    }
}

uint32_t mr_dpdk_rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct mr_dpdk_rxq *q = MR_CONTAINER_OF(rxq, struct mr_dpdk_rxq, q);
    struct rte_mbuf *mbufs[MR_BATCH_MAX];
    if (MR_UNLIKELY(q->closed)) {
        return 0;
    }
    uint32_t out = mr_dpdk_out(q->core);
    q->core->marking = q->mark;
    uint32_t came = rte_eth_rx_burst(q->id, q->queue, mbufs, (uint16_t)n);
    uint32_t k = came == 0 ? 0 : describe(q, mbufs, came, frames);
    q->core->marking = 0;
    if (MR_UNLIKELY(q->is_ring || q->mark != 0)) {
        take_over(q, frames, k);
    }
    *q->holds += (int32_t)(mr_dpdk_out(q->core) - out - k);
    if (MR_UNLIKELY(q->closing)) {
        q->left -= came < q->left ? came : q->left;
        q->closed = came == 0 || q->left == 0;
    }
    return k;
}

/* A device cannot be told to take nothing more in: what it has now is received, a ring's worth at most. */
bool mr_dpdk_rx_quiesce(struct mr_rxq *rxq)
{
    struct mr_dpdk_rxq *q = MR_CONTAINER_OF(rxq, struct mr_dpdk_rxq, q);
    q->left = q->closing ? q->left : q->q.port->config->buffers;
    q->closing = true;
    if (q->closed) {
        mr_store_release(&q->q.ended, 1);
    }
    return q->closed;
}
