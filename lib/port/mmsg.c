/* mmsg.c: an interface by AF_PACKET, with recvmmsg and sendmmsg: many frames a call.
 *
 *   needs              CAP_NET_RAW; any kernel
 *   copies per frame   1 in (socket → chunk), 1 out (chunk → socket)
 *   system calls       1 per look, also when nothing came; 1 per burst sent, 1 more per frame that is refused
 *   who owns a frame   the kernel until recvmmsg returns; the pipeline; nobody after sendmmsg: it has made a copy
 */
#include "lib/port/packet_port.h"

#include <stdio.h>

enum { CONTROL = CMSG_SPACE(sizeof(struct tpacket_auxdata)) };

/* Message i receives into chunk i of the queue. */
struct rxq {
    struct mr_packet_rxq p;
    struct mmsghdr message[MR_BATCH_MAX];
    struct iovec piece[MR_BATCH_MAX];
    _Alignas(struct cmsghdr) unsigned char control[MR_BATCH_MAX][CONTROL];
};

static int probe(struct mr_probe *probe)
{
    return mr_packet_port_probe(probe, "recvmmsg, sendmmsg");
}

static void rx_init(struct mr_packet_rxq *p)
{
    struct rxq *q = MR_CONTAINER_OF(p, struct rxq, p);
    for (uint32_t i = 0; i < MR_BATCH_MAX; i++) {
        q->piece[i].iov_len = p->room;
        q->message[i].msg_hdr.msg_iov = &q->piece[i];
        q->message[i].msg_hdr.msg_iovlen = 1;
        q->message[i].msg_hdr.msg_control = p->socket.aux ? q->control[i] : NULL;
        q->message[i].msg_hdr.msg_controllen = p->socket.aux ? CONTROL : 0;
    }
}

static void describe(const struct mr_port *port, char *text, size_t bytes)
{
    snprintf(text, bytes, "recvmmsg%s, promiscuous", port->config->receive == MR_RECEIVE_AUX ? " + aux" : "");
}

static const struct mr_packet_kind kind = {.rxq_bytes = sizeof(struct rxq), .rx_init = rx_init, .describe = describe};

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    return mr_packet_port_open(port, setup, &kind, err);
}

/* Chunks for the messages; what was laid out before and not used still stands. */
static uint32_t lay_out(struct rxq *q, uint32_t n)
{
    uint32_t had = q->p.first;
    n = mr_packet_chunks(&q->p, n);
    for (uint32_t i = q->p.first; i < had; i++) {
        q->piece[i].iov_base = mr_chunk_at(q->p.q.port->base, q->p.chunk[i]) + q->p.front;
    }
    return n;
}

static inline const struct tpacket_auxdata *aux_of(struct rxq *q, uint32_t i)
{
    return q->p.socket.aux ? (const struct tpacket_auxdata *)(const void *)CMSG_DATA((struct cmsghdr *)(void *)q->control[i])
                           : NULL;
}

static uint32_t rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct rxq *q = MR_CONTAINER_OF(rxq, struct rxq, p.q);
    uint32_t k = 0;
    n = MR_UNLIKELY(q->p.q.ended) ? 0 : lay_out(q, n);
    if (n == 0) {
        return 0;
    }
    int got = recvmmsg(q->p.socket.fd, q->message + q->p.first, n, MSG_DONTWAIT | MSG_TRUNC, NULL);
    mr_count(&q->p.q.io->syscalls, 1);
    if (got <= 0) {
        mr_packet_failed(&q->p, got < 0 ? errno : EAGAIN);
        return 0;
    }
    uint32_t end = q->p.first + (uint32_t)got;
    q->p.q.held -= (uint32_t)got;
    for (; q->p.first < end; q->p.first++) {
        struct mmsghdr *m = &q->message[q->p.first];
        bool cut = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;
        k += mr_packet_came(&q->p, q->p.chunk[q->p.first], m->msg_len, cut, aux_of(q, q->p.first), &frames[k]);
        m->msg_hdr.msg_controllen = q->p.socket.aux ? CONTROL : 0;
    }
    return k;
}

const struct mr_driver mr_driver_mmsg = {
    .name = "mmsg",
    .summary = "an interface by AF_PACKET, recvmmsg and sendmmsg",
    .caps = {.copies = "1 in (socket → chunk), 1 out", .rx_copies = 1, .tx_copies = 1,
             .syscalls = "1 per look, 1 per burst sent", .needs_device = true, .completes_at_return = true,
             .offloads = true, .max_queues = MR_QUEUES_MAX, .core_files = 0, .queue_files = 1},
    .probe = probe,
    .open = open_port,
    .rx_burst = rx_burst,
    .tx_burst = mr_packet_send_many,
    MR_PACKET_DRIVER,
};
