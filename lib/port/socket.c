/* socket.c: an interface by AF_PACKET, one frame a call: the bottom of the ladder, on purpose.
 *
 *   needs              CAP_NET_RAW; any kernel
 *   copies per frame   1 in (socket → chunk), 1 out (chunk → socket)
 *   system calls       1 per frame received, 1 per look that finds no more; 1 per frame sent
 *   blocking: yes      a core with nothing under way sleeps in recv, and is woken by a frame, or after MR_WAIT_MS; one whose
 *                      socket's buffer is full sleeps in send
 *   who owns a frame   the kernel until recv returns; the pipeline; nobody after send: it has made a copy
 */
#include "lib/port/packet_port.h"

#include <stdio.h>

enum { CONTROL = CMSG_SPACE(sizeof(struct tpacket_auxdata)) };

static int probe(struct mr_probe *probe)
{
    return mr_packet_port_probe(probe, "recv, send");
}

static void describe(const struct mr_port *port, char *text, size_t bytes)
{
    const char *how = port->config->receive == MR_RECEIVE_AUX ? "recvmsg + aux" : "recv";
    if (port->config->blocking) {
        snprintf(text, bytes, "%s, sleeps in it up to %d ms, promiscuous", how, MR_WAIT_MS);
    } else {
        snprintf(text, bytes, "%s, promiscuous", how);
    }
}

/* One frame into the first chunk at hand: its bytes, those that found no room among them, or -1. */
static ssize_t receive(struct mr_packet_rxq *q, int flags, bool *cut, struct tpacket_auxdata *aux)
{
    _Alignas(struct cmsghdr) unsigned char control[CONTROL];
    unsigned char *at = mr_chunk_at(q->q.port->base, q->chunk[q->first]) + q->front;
    struct iovec piece = {at, q->room};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    mr_count(&q->q.io->syscalls, 1);
    if (!q->socket.aux) {
        ssize_t n = recv(q->socket.fd, at, q->room, flags | MSG_TRUNC);
        *cut = n > (ssize_t)q->room;
        return n;
    }
    ssize_t n = recvmsg(q->socket.fd, &m, flags | MSG_TRUNC);
    *cut = (m.msg_flags & MSG_TRUNC) != 0;
    if (n >= 0) {
        memcpy(aux, CMSG_DATA((struct cmsghdr *)(void *)control), sizeof *aux);
    }
    return n;
}

static uint32_t take_chunk(struct mr_packet_rxq *q)
{
    q->q.held--;
    return q->chunk[q->first++];
}

/* The core sleeps in this call. What woke it is looked at by the next rx_burst. */
static bool wait_for_one(struct mr_packet_rxq *q)
{
    struct mr_packet_waited *w = &q->waited;
    if (mr_packet_chunks(q, 1) == 0) {
        return false;
    }
    ssize_t bytes = receive(q, 0, &w->cut, &w->aux);
    if (bytes < 0) {
        mr_packet_failed(q, errno);
        return true;
    }
    w->chunk = take_chunk(q);
    w->bytes = (uint32_t)bytes;
    q->q.ready = 1;
    return true;
}

static const struct mr_packet_kind kind = {
    .rxq_bytes = sizeof(struct mr_packet_rxq), .describe = describe, .wait = wait_for_one};

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    return mr_packet_port_open(port, setup, &kind, err);
}

static bool came(struct mr_packet_rxq *q, uint32_t chunk, uint32_t bytes, bool cut, const struct tpacket_auxdata *aux, struct mr_frame *f)
{
    return mr_packet_came(q, chunk, bytes, cut, q->socket.aux ? aux : NULL, f);
}

static uint32_t rx_burst(struct mr_rxq *rxq, struct mr_frame *frames, uint32_t n)
{
    struct mr_packet_rxq *q = MR_CONTAINER_OF(rxq, struct mr_packet_rxq, q);
    struct tpacket_auxdata aux = {0};
    bool cut;
    uint32_t k = 0;
    if (q->q.ready != 0) {
        const struct mr_packet_waited *w = &q->waited;
        q->q.ready = 0;
        return came(q, w->chunk, w->bytes, w->cut, &w->aux, frames);
    }
    for (uint32_t looks = 0; looks < n && !q->q.ended && mr_packet_chunks(q, 1) != 0; looks++) { // frames that die count, too
        ssize_t bytes = receive(q, MSG_DONTWAIT, &cut, &aux);
        if (bytes < 0) {
            mr_packet_failed(q, errno);
            break;
        }
        k += came(q, take_chunk(q), (uint32_t)bytes, cut, &aux, &frames[k]);
    }
    return k;
}

static uint32_t tx_burst(struct mr_txq *txq, const struct mr_frame *frames, uint32_t n)
{
    struct mr_packet_txq *q = MR_CONTAINER_OF(txq, struct mr_packet_txq, q);
    uint32_t done = 0;
    while (done < n && mr_packet_send_one(q, &frames[done], done == 0 && q->socket.waits ? 0 : MSG_DONTWAIT)) {
        done++;
    }
    return done;
}

const struct mr_driver mr_driver_socket = {
    .name = "socket",
    .summary = "an interface by AF_PACKET, recv and send, one frame a call",
    .caps = {.copies = "1 in (socket → chunk), 1 out", .rx_copies = 1, .tx_copies = 1,
             .syscalls = "1 per frame, and 1 per look", .needs_device = true, .completes_at_return = true,
             .offloads = true, .max_queues = MR_QUEUES_MAX, .core_files = 0, .queue_files = 1},
    .probe = probe,
    .open = open_port,
    .rx_burst = rx_burst,
    .tx_burst = tx_burst,
    MR_PACKET_DRIVER,
};
