#include "lib/port/last_error.h"
#include "lib/port/packet_port.h"

#include <jansson.h>

struct sums {
    uint64_t tp_packets, tp_drops, freezes, left, undescribed, errors, retagged, copied_small, refused;
};

static struct sums sum(const struct mr_port *port)
{
    struct sums s = {0};
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        const struct mr_packet_rxq *q = mr_packet_rxq_of(port, i);
        s.tp_packets += q->socket.tp_packets;
        s.tp_drops += q->socket.tp_drops;
        s.freezes += q->socket.tp_freezes;
        s.left += mr_counted(&q->socket.left_in_socket);
        s.undescribed += mr_counted(&q->socket.undescribed);
        s.errors += mr_counted(&q->errors);
        s.retagged += mr_counted(&q->socket.retagged);
        s.copied_small += mr_counted(&q->socket.copied_small);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        s.refused += mr_load_acquire(&port->txq[i]->refused);
    }
    return s;
}

void mr_packet_port_stats(struct mr_port *port, struct mr_outsides *out)
{
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_packet_read_statistics(&mr_packet_rxq_of(port, i)->socket);
    }
    struct sums s = sum(port);
    if (port->n_rxq != 0) {
        mr_outside_add(out, "tp_packets", s.tp_packets, NULL, false);
        mr_outside_add(out, "tp_drops", s.tp_drops, NULL, true);
        mr_outside_add(out, "left_in_socket", s.left, NULL, true);
        mr_outside_add(out, "undescribed_offload", s.undescribed, NULL, true);
        mr_outside_add(out, "receive_errors", s.errors, NULL, false);
        if (mr_packet_rxq_of(port, 0)->socket.is_ring) {
            mr_outside_add(out, "tp_freeze_q_cnt", s.freezes, NULL, false);
        }
    }
    if (port->n_txq != 0) {
        mr_outside_add(out, "refused_sends", s.refused, NULL, false);
    }
}

/* {retagged, copied_small, receive_socket_bytes, send_socket_bytes, last_receive_error, last_send_error} */
void *mr_packet_port_report(struct mr_port *port)
{
    struct sums s = sum(port);
    json_t *j = json_object();
    if (port->n_rxq != 0) {
        json_object_set_new(j, "retagged", json_integer((json_int_t)s.retagged));
        json_object_set_new(j, "copied_small", json_integer((json_int_t)s.copied_small));
        json_object_set_new(j, "receive_socket_bytes", json_integer(mr_packet_rxq_of(port, 0)->socket.socket_bytes));
    }
    if (port->n_txq != 0) {
        json_object_set_new(j, "send_socket_bytes", json_integer(mr_packet_txq_of(port, 0)->socket.socket_bytes));
    }
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_last_error_put(j, "last_receive_error", &mr_packet_rxq_of(port, i)->socket.last_error);
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        mr_last_error_put(j, "last_send_error", &mr_packet_txq_of(port, i)->socket.last_error);
    }
    return j;
}
