/* packet.h: AF_PACKET sockets, for the drivers that receive and send by them (uring, mmsg, socket, mmap): how they are opened
 * on a device, closed by a valve, asked for their losses, and what their frames and errors mean. No driver itself.
 *
 *   packet_socket.c   two sockets a queue: one that receives, one that sends; control, but for the valve
 *   packet_frame.h    a frame as a socket delivers it → descriptor, or the reason it dies of; inline, on a frame's way
 *   packet_frame.c    of that what is rare: a VLAN tag goes back in, a frame moves into a small chunk
 *   packet_port.*     ports whose queues call the kernel themselves: mmsg, socket, mmap
 *
 * The receiving socket is bound to the device and all protocols, and does not see what leaves; the sending one is bound to
 * protocol 0, which receives nothing, and goes past the queueing discipline, so that each refusal of the device comes back
 * with its frame.
 */
#ifndef MILLRACE_PORT_PACKET_H
#define MILLRACE_PORT_PACKET_H

#include "lib/port/port.h"
#include "lib/port/vnet.h"

#include <linux/if_packet.h>

struct mr_packet_rx {
    int fd;                  /* -1 when closed */
    bool aux, vnet, super;   /* asked for: VLAN tags beside the frame, a virtio_net_hdr before it, super-frames */
    bool waits;              /* asked for: recv sleeps, MR_WAIT_MS at most, unless told not to */
    bool valve_closed;       /* a filter lets no more frame into the socket */
    /* written by the core, read by control */
    uint64_t retagged;       /* frames whose VLAN tag was put back */
    uint64_t copied_small;   /* offload: super: frames moved into a small chunk */
    uint64_t left_in_socket; /* accepted by the socket, never received */
    uint64_t undescribed;    /* accepted, then thrown away: a virtio_net_hdr has no word for the frame's offload */
    int last_error;          /* errno */
    /* control */
    int socket_bytes;        /* obtained */
    uint64_t tp_packets, tp_drops, tp_freezes; /* PACKET_STATISTICS, summed up: reading resets them */
    bool is_ring;            /* TPACKET_V3: freezes are counted */
};

struct mr_packet_tx {
    int fd;
    bool vnet;        /* each frame goes with its virtio_net_hdr */
    bool waits;       /* asked for: a burst's first send sleeps for room, MR_WAIT_MS at most */
    int socket_bytes; /* obtained */
    int last_error;   /* behind drops[tx_error], errno; written by the core */
};

/* A port's device, and what its receiving sockets share. */
struct mr_packet_port {
    struct mr_port *port;
    uint16_t fanout; /* group of the receiving sockets, when there are several queues; any number, 0 is one too */
    bool has_fanout;
};

/* mr_packet_asks: aux, vnet, super and waits as the configuration has them. */
void mr_packet_asks(struct mr_packet_rx *rx, const struct mr_port_config *c);

/* mr_packet_device: finds the device, port->ifindex; refuses what is no Ethernet. mr_packet_rx_open: its valve is closed, so
 * that it takes no frames while others of its group are missing. prepare: NULL, or what must be done before it is bound; it
 * says what failed. All: 0, or -errno and err filled; the caller closes. */
int mr_packet_device(struct mr_packet_port *p, struct mr_error *err);
int mr_packet_rx_open(struct mr_packet_port *p, struct mr_packet_rx *rx,
                      int (*prepare)(struct mr_packet_rx *rx, const char **what), struct mr_error *err);
int mr_packet_tx_open(struct mr_packet_port *p, struct mr_packet_tx *tx, struct mr_error *err);
void mr_packet_close(int *fd); /* -1 afterwards; nothing when it is that already */

/* The valve, from the core or from control, not from both at once. Closing: 0 or -errno. */
int mr_packet_valve_close(struct mr_packet_rx *rx);
void mr_packet_valve_open(struct mr_packet_rx *rx);

/* mr_packet_empty: no frame waits in the socket. mr_packet_count_left: throws away and counts what waits; with the valve
 * closed that is finite, with an open one nothing is done. Neither is for a socket with a ring. */
bool mr_packet_empty(const struct mr_packet_rx *rx);
void mr_packet_count_left(struct mr_packet_rx *rx);

void mr_packet_read_statistics(struct mr_packet_rx *rx);

/* mr_packet_probe: NULL, or why there is no packet socket to be had, with the fix. */
const char *mr_packet_probe(char *text, size_t bytes);

/* mr_packet_reason: what a frame died of whose send ended in this errno (not ENOBUFS, which has no reason yet:
 * mr_txq_refused). Keeps an unknown one as the last error. */
enum mr_drop mr_packet_reason(struct mr_packet_tx *tx, int error);

/* mr_packet_describe: ", offload …, socket buffer …" behind what stands in port->mode; less than was asked for is said. */
void mr_packet_describe(struct mr_port *port, int socket_bytes);

#endif
