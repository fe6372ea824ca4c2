/* dpdk_tx.c: descriptors into mbufs. A frame that came by DPDK has its own; of one that came by another driver the mbuf
 * has been ready since the mempool was filled: only where the data lies is written. That nobody else wrote into it is the
 * byte map of the chunk (frame.h); refcnt 1, one segment, no next, no flags hold from one free to the next. */
#include "lib/port/dpdk.h"
#include "lib/port/vnet.h"

static void drop(struct mr_dpdk_txq *q, const struct mr_frame *f, enum mr_drop reason)
{
    mr_frames_hand(q->core->recycle, f, 1, MR_OWNER_RING, MR_OWNER_SENDER);
    mr_txq_drop(&q->q, f, reason);
    mr_recycle_put(q->core->recycle, &f->chunk, 1);
}

/* The half of a descriptor that tells offset, length, port and flags. */
static inline uint64_t high_of(const struct mr_frame *f)
{
    uint64_t high;
    memcpy(&high, (const unsigned char *)f + 8, sizeof high);
    return high;
}

#define OFFSET(high) ((uint16_t)(high))
#define LENGTH(high) ((uint32_t)((high) >> 16 & 0xffff))
#define VNET(high)   ((high) >> 40 & MR_FRAME_VNET)

MR_STATIC_ASSERT(offsetof(struct mr_frame, offset) == 8 && offsetof(struct mr_frame, length) == 10 &&
                     offsetof(struct mr_frame, flags) == 13, "as the three above take it apart");

static inline struct rte_mbuf *rebuild(unsigned char *base, uint32_t chunk, uint64_t high)
{
    struct rte_mbuf *m = mr_dpdk_mbuf(base, chunk);
    m->data_off = (uint16_t)(OFFSET(high) - MR_CHUNK_BUF);
    m->pkt_len = LENGTH(high);
    m->data_len = (uint16_t)LENGTH(high);
    return m;
}

static void mark(const struct mr_dpdk_txq *q, struct rte_mbuf **mbufs, uint32_t n, unsigned char how)
{
    for (uint32_t i = 0; q->mark != 0 && i < n; i++) {
        q->core->arena->marks[mr_dpdk_chunk(q->q.port->base, mbufs[i])] = how;
    }
}

/* How many the PMD took; it may free some of them, or of earlier ones, meanwhile. */
static inline uint32_t give(struct mr_dpdk_txq *q, struct rte_mbuf **mbufs, uint32_t n)
{
    uint32_t out = mr_dpdk_out(q->core);
    mark(q, mbufs, n, q->mark);
    uint32_t sent = rte_eth_tx_burst(q->id, q->queue, mbufs, (uint16_t)n);
    mark(q, mbufs + sent, n - sent, 0);
    *q->holds += (int32_t)(sent + mr_dpdk_out(q->core) - out);
    return sent;
}

/* How many of the first n fit; bytes: of those. */
static __attribute__((noinline, cold)) uint32_t count_fit(const struct mr_frame *frames, uint32_t n, uint32_t longest,
                                                          uint64_t *bytes)
{
    uint32_t k = 0;
    for (*bytes = 0; k < n && (frames[k].flags & MR_FRAME_VNET) == 0 && frames[k].length <= longest; k++) {
        *bytes += frames[k].length;
    }
    return k;
}

/* Mbufs for all, looked at together afterwards: that some do not fit is rare, and nobody minds what their mbufs say. Up to
 * the first that does not fit they are sent. Returns how many were; *n: of how many. */
static inline uint32_t send_run(struct mr_dpdk_txq *q, const struct mr_frame *frames, uint32_t *n)
{
    struct rte_mbuf *mbufs[MR_BATCH_MAX];
    unsigned char *base = q->q.port->base; // once: a store into an mbuf could, for all the compiler knows, have changed it
    const uint64_t longest = q->longest;
    uint64_t bytes = 0, flags = 0, over = 0;
    uint32_t k = *n;
    for (uint32_t i = 0; i < k; i++) {
        uint64_t high = high_of(&frames[i]);
        mbufs[i] = rebuild(base, frames[i].chunk, high);
        flags |= high;
        over |= longest - LENGTH(high);
        bytes += LENGTH(high);
    }
    if (MR_UNLIKELY(VNET(flags) != 0 || over >> 63 != 0)) {
        *n = k = count_fit(frames, k, q->longest, &bytes);
    }
    if (k == 0) {
        return 0;
    }
    mr_frames_hand(q->core->recycle, frames, k, MR_OWNER_RING, MR_OWNER_SENDER);
    uint32_t sent = give(q, mbufs, k);
    for (uint32_t i = sent; i < k; i++) {
        bytes -= frames[i].length;
    }
    mr_frames_hand(q->core->recycle, frames + sent, k - sent, MR_OWNER_SENDER, MR_OWNER_RING);
    mr_count(&q->q.frames, sent);
    mr_count(&q->q.bytes, bytes);
    return sent;
}

/* A frame whose checksum was completed must not be given back: it would be completed again. It waits here. */
static void send_waiting(struct mr_dpdk_txq *q)
{
    uint32_t length = q->waiting->pkt_len;
    if (give(q, &q->waiting, 1) == 1) {
        q->waiting = NULL;
        (*q->holds)--; // it was counted when it was taken in
        q->q.in_flight--;
        mr_count(&q->q.frames, 1);
        mr_count(&q->q.bytes, length);
    }
}

/* What the device cannot take as it is: completed, or dropped under its reason. */
static void fit(struct mr_dpdk_txq *q, const struct mr_frame *frame)
{
    struct mr_frame f = *frame;
    if (f.length > q->longest || (f.flags & MR_FRAME_SUPER)) {
        drop(q, &f, f.flags & MR_FRAME_SUPER ? MR_DROP_no_offload : MR_DROP_mtu);
    } else if (!mr_vnet_complete(q->q.port->base, &f)) {
        drop(q, &f, MR_DROP_no_offload);
    } else {
        mr_frames_hand(q->core->recycle, &f, 1, MR_OWNER_RING, MR_OWNER_SENDER);
        q->waiting = rebuild(q->q.port->base, f.chunk, high_of(&f));
        q->q.in_flight++;
        (*q->holds)++;
        send_waiting(q);
    }
}

/* The interface's MTU has changed: what is longer would keep a PMD from all that stands behind it. */
static __attribute__((noinline, cold)) void heed_mtu(struct mr_dpdk_txq *q, uint32_t mtu)
{
    uint32_t longest = mtu + MR_DPDK_HEADER_AND_TAG;
    q->mtu = mtu;
    if (q->q.port->ifindex != 0 && mtu != 0) {
        q->longest = longest < q->widest ? longest : q->widest;
    }
}

uint32_t mr_dpdk_tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_dpdk_txq *q = MR_CONTAINER_OF(txq, struct mr_dpdk_txq, q);
    uint32_t mtu = mr_load_acquire(&q->q.port->mtu);
    uint32_t done = 0;
    if (MR_UNLIKELY(mtu != q->mtu)) {
        heed_mtu(q, mtu);
    }
    if (MR_UNLIKELY(q->waiting != NULL)) {
        send_waiting(q);
    }
    while (done < n && q->waiting == NULL) {
        uint32_t run = n - done;
        uint32_t sent = send_run(q, frames + done, &run);
        done += sent;
        if (sent < run || done == n) {
            break;
        }
        fit(q, &frames[done++]);
    }
    return done;
}

/* Chunks go home by the PMD's own frees; what waits is tried again. */
uint32_t mr_dpdk_reclaim(struct mr_txq *txq, uint32_t *chunks, uint32_t n)
{
    struct mr_dpdk_txq *q = MR_CONTAINER_OF(txq, struct mr_dpdk_txq, q);
    (void)chunks;
    (void)n;
    if (q->waiting != NULL && mr_dpdk_mine() != NULL) {
        send_waiting(q);
    }
    return 0;
}
