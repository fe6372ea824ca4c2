/* mmap.c: an interface by AF_PACKET, received from a ring of blocks that the kernel shares (TPACKET_V3), sent by sendmmsg.
 *
 *   needs              CAP_NET_RAW; memory for the ring, which is the kernel's (blocks × block_bytes per queue)
 *   copies per frame   1 in by the kernel (frame → block), 1 in by the core (block → chunk); 1 out (chunk → socket)
 *   system calls       0 to receive, 1 per burst sent, 1 more per frame that is refused
 *   who owns a frame   the kernel while its block is open; the block until the core has copied it; the pipeline; nobody
 *                      after sendmmsg: it has made a copy
 *
 * A block is handed over when it is full, or by a timer (retire_ms) when it is not: at low rates a frame waits for it. The
 * core copies frames out and gives the block back at once, so that a slow pipeline freezes nothing.
 */
#include "lib/port/packet_port.h"
#include "lib/sys/node.h"

#include <stdio.h>
#include <sys/mman.h>

enum { FRAME_BYTES = 2048 }; /* the kernel wants a divisor of block_bytes; V3 packs frames whatever it is */

struct rxq {
    struct mr_packet_rxq p;
    unsigned char *ring; /* the blocks, NULL when there are none */
    uint32_t block_bytes, blocks;
    uint32_t at;         /* the block that is walked, or waited for */
    uint32_t left;       /* of its frames, not yet taken; 0 = it is the kernel's */
    const unsigned char *next; /* the first of those */
};

static struct rxq *own(struct mr_packet_rxq *p)
{
    return MR_CONTAINER_OF(p, struct rxq, p);
}

static inline struct tpacket_hdr_v1 *block(const struct rxq *q, uint32_t i)
{
    return &((struct tpacket_block_desc *)(void *)(q->ring + (size_t)i * q->block_bytes))->hdr.bh1;
}

/* ---- opening, closing ---- */

static int probe(struct mr_probe *probe)
{
    return mr_packet_port_probe(probe, "TPACKET_V3, sendmmsg");
}

static void rx_init(struct mr_packet_rxq *p)
{
    const struct mr_port_config *c = p->q.port->config;
    own(p)->block_bytes = (uint32_t)c->block_bytes;
    own(p)->blocks = c->blocks;
    p->socket.aux = false; // tags stand in the ring
    p->socket.is_ring = true;
    p->data_room = p->q.pool->small_bytes - MR_CHUNK_DATA;
}

static int map_ring(struct rxq *q, const char **what)
{
    const struct mr_port_config *c = q->p.q.port->config;
    size_t bytes = (size_t)q->blocks * q->block_bytes;
    int version = TPACKET_V3;
    struct tpacket_req3 r = {.tp_block_size = q->block_bytes, .tp_block_nr = q->blocks, .tp_frame_size = FRAME_BYTES,
                             .tp_frame_nr = q->blocks * (q->block_bytes / FRAME_BYTES), .tp_retire_blk_tov = c->retire_ms};
    *what = "cannot receive by TPACKET_V3 (PACKET_VERSION)";
    if (setsockopt(q->p.socket.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) {
        return -errno;
    }
    *what = "cannot make the ring of blocks (PACKET_RX_RING; blocks × block_bytes of the kernel's memory)";
    if (setsockopt(q->p.socket.fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof r) != 0) {
        return -errno;
    }
    *what = "cannot map the ring of blocks";
    void *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, q->p.socket.fd, 0);
    if (ring == MAP_FAILED) {
        return -errno;
    }
    q->ring = ring;
    return 0;
}

static int rx_prepare(struct mr_packet_rx *rx, const char **what)
{
    struct rxq *q = own(MR_CONTAINER_OF(rx, struct mr_packet_rxq, socket));
    struct mr_node_policy before;
    q->at = q->left = 0;
    mr_node_prefer(&before, q->p.node);
    int rc = map_ring(q, what);
    mr_node_restore(&before);
    return rc;
}

static void rx_close(struct mr_packet_rxq *p)
{
    struct rxq *q = own(p);
    if (q->ring != NULL) {
        munmap(q->ring, (size_t)q->blocks * q->block_bytes);
        q->ring = NULL;
    }
}

static void describe(const struct mr_port *port, char *text, size_t bytes)
{
    const struct mr_port_config *c = port->config;
    snprintf(text, bytes, "TPACKET_V3, %u blocks of %llu KiB, block timeout %u ms, promiscuous", c->blocks,
             (unsigned long long)c->block_bytes >> 10, c->retire_ms);
}

/* ---- what waits in the ring ---- */

/* The kernel counts frames into the header of a block that is still open, too; of blocks that were given back nothing is
 * left there. */
static bool is_empty(const struct mr_packet_rxq *p)
{
    const struct rxq *q = MR_CONTAINER_OF(p, struct rxq, p);
    return q->left == 0 && mr_load_acquire(&block(q, q->at)->num_pkts) == 0;
}

static void count_left(struct mr_packet_rxq *p)
{
    struct rxq *q = own(p);
    uint64_t waiting = 0;
    for (uint32_t i = 0; q->ring != NULL && i < q->blocks; i++) {
        waiting += mr_load_acquire(&block(q, i)->num_pkts);
    }
    waiting -= q->left != 0 ? block(q, q->at)->num_pkts - q->left : 0;
    mr_count(&p->socket.left_in_socket, waiting);
}

static const struct mr_packet_kind kind = {.rxq_bytes = sizeof(struct rxq), .rx_init = rx_init, .rx_prepare = rx_prepare,
                                           .rx_close = rx_close, .is_empty = is_empty, .count_left = count_left,
                                           .describe = describe};

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    return mr_packet_port_open(port, setup, &kind, err);
}

/* ---- a frame's way ---- */

static bool begin_block(struct rxq *q)
{
    struct tpacket_hdr_v1 *b = block(q, q->at);
    if ((mr_load_acquire(&b->block_status) & TP_STATUS_USER) == 0) {
        return false;
    }
    q->left = b->num_pkts;
    q->next = (const unsigned char *)b - offsetof(struct tpacket_block_desc, hdr) + b->offset_to_first_pkt;
    return true;
}

static void give_back(struct rxq *q)
{
    struct tpacket_hdr_v1 *b = block(q, q->at);
    b->num_pkts = 0;
    mr_store_release(&b->block_status, TP_STATUS_KERNEL);
    q->at = q->at + 1 == q->blocks ? 0 : q->at + 1;
}

static inline void pass(struct rxq *q, const struct tpacket3_hdr *h)
{
    q->next += h->tp_next_offset;
    if (--q->left == 0) {
        give_back(q);
    }
}

/* Into a small chunk where it fits. false: there is none just now. */
static bool copy(struct rxq *q, const struct tpacket3_hdr *h, struct mr_frame *f)
{
    struct mr_pool *pool = q->p.q.pool;
    bool small = f->length <= q->p.data_room;
    uint32_t head = q->p.socket.vnet ? MR_VNET_BYTES : 0;
    if (mr_pool_alloc(pool, MR_LIKELY(small) ? &pool->small : &pool->big, &f->chunk, 1) == 0) {
        return false;
    }
    unsigned char *chunk = mr_chunk_at(q->p.q.port->base, f->chunk);
    memcpy(chunk + MR_CHUNK_DATA - head, (const unsigned char *)h + h->tp_mac - head, f->length + head);
    if (MR_UNLIKELY(h->tp_status & TP_STATUS_VLAN_VALID)) {
        mr_packet_retag(&q->p.socket, chunk, f, h->tp_status, (uint16_t)h->hv1.tp_vlan_tci, h->hv1.tp_vlan_tpid);
    }
    return true;
}

static uint32_t judge(const struct rxq *q, const struct tpacket3_hdr *h, struct mr_frame *f)
{
    bool cut = h->tp_snaplen < h->tp_len || h->tp_len > q->p.frame_room;
    return mr_packet_judge(&q->p.socket, (const unsigned char *)h + h->tp_mac - MR_VNET_BYTES, h->tp_status, h->tp_len, cut, f);
}

static uint32_t rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct rxq *q = MR_CONTAINER_OF(rxq, struct rxq, p.q);
    uint64_t bytes = 0, came = 0;
    uint32_t k = 0;
    while (came < n && !q->p.q.ended && (q->left != 0 || begin_block(q))) { // frames that die count, too
        const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(const void *)q->next;
        struct mr_frame f = {.offset = MR_CHUNK_DATA, .port = q->p.q.port->number, .tick = q->p.q.tick};
        uint32_t reason = judge(q, h, &f);
        if (MR_UNLIKELY(reason != MR_PACKET_GOOD)) {
            bytes += h->tp_len;
            mr_rxq_refuse(&q->p.q, (const unsigned char *)h + h->tp_mac, h->tp_snaplen, reason);
        } else if (MR_LIKELY(copy(q, h, &f))) {
            bytes += f.length;
            frames[k++] = f;
        } else {
            break; // it waits in its block
        }
        came++;
        pass(q, h);
    }
    if (came != 0) {
        mr_count(&q->p.q.frames, came);
        mr_count(&q->p.q.bytes, bytes);
    }
    return k;
}

const struct mr_driver mr_driver_mmap = {
    .name = "mmap",
    .summary = "an interface by AF_PACKET, a ring of blocks to receive (TPACKET_V3), sendmmsg to send",
    .caps = {.copies = "2 in (kernel → TPACKET block → chunk), 1 out", .rx_copies = 2, .tx_copies = 1,
             .syscalls = "0 per look, 1 per burst sent", .needs_device = true, .completes_at_return = true,
             .offloads = true, .max_queues = MR_QUEUES_MAX, .core_files = 0, .queue_files = 1},
    .probe = probe,
    .open = open_port,
    .rx_burst = rx_burst,
    .tx_burst = mr_packet_send_many,
    MR_PACKET_DRIVER,
};
