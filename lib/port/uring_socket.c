/* uring_socket.c: AF_PACKET sockets. The receiving one is bound to the device and all protocols, and does not see what
 * leaves; the sending one is bound to protocol 0, which receives nothing, and goes past the queueing discipline, so that
 * each refusal of the device comes back with its frame.
 */
#include "lib/port/uring.h"
#include "lib/sys/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <unistd.h>

static int fail(const struct mr_port *port, struct mr_error *err, int error, const char *what, const char *fix)
{
    return mr_error_set(err, MR_FAULT_MACHINE, error, "port %s: %.60s: %s: %s%s", port->config->name, port->config->device,
                        what, strerror(error), fix);
}

static int refused(const struct mr_port *port, struct mr_error *err, int error)
{
    const char *fix = error == EPERM || error == EACCES ? "; needs CAP_NET_RAW in this network namespace: run as root, or "
                                                          "in a namespace of your own (unshare -Urn)"
                      : error == EAFNOSUPPORT           ? "; this kernel is built without AF_PACKET"
                                                        : mr_error_remedy(error);
    return fail(port, err, error, "no packet socket", fix);
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* The kernel's limit for ordinary users is passed where that is allowed; what was obtained is reported. */
static int set_buffer(int fd, uint64_t bytes, int force, int option)
{
    int value = bytes > 1u << 30 ? 1 << 30 : (int)bytes;
    int obtained = 0;
    socklen_t size = sizeof obtained;
    if (set(fd, SOL_SOCKET, force, value) < 0) {
        set(fd, SOL_SOCKET, option, value);
    }
    getsockopt(fd, SOL_SOCKET, option, &obtained, &size);
    return obtained;
}

static int bind_to(int fd, int ifindex, uint16_t protocol)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = ifindex};
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

/* ---- the valve ---- */

void mr_uring_valve_close(struct mr_uring_rxq *q)
{
    struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {.len = 1, .filter = &none};
    if (!q->valve_closed && q->fd >= 0) {
        q->valve_closed = setsockopt(q->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
    }
}

void mr_uring_valve_open(struct mr_uring_rxq *q)
{
    int unused = 0;
    setsockopt(q->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    q->valve_closed = false;
}

bool mr_uring_socket_empty(const struct mr_uring_rxq *q)
{
    int bytes = 0; // of the first frame that waits
    return ioctl(q->fd, SIOCINQ, &bytes) != 0 || bytes == 0;
}

/* Frames that the socket had accepted when it was stopped. With the valve closed they are finite. */
void mr_uring_count_left(struct mr_uring_rxq *q)
{
    char bytes[16]; // a virtio_net_hdr fits
    while (q->valve_closed) {
        if (recv(q->fd, bytes, sizeof bytes, MSG_DONTWAIT) >= 0) {
            mr_count(&q->left_in_socket, 1);
        } else if (errno == EINVAL && q->vnet) { // off the queue all the same
            mr_count(&q->undescribed, 1);
        } else if (errno != ENETDOWN) { // told once, before what waits behind it
            return;
        }
    }
}

void mr_uring_read_statistics(struct mr_uring_rxq *q)
{
    struct tpacket_stats s = {0};
    socklen_t size = sizeof s;
    if (q->fd >= 0 && getsockopt(q->fd, SOL_PACKET, PACKET_STATISTICS, &s, &size) == 0) {
        q->tp_packets += s.tp_packets;
        q->tp_drops += s.tp_drops;
    }
}

/* ---- opening ---- */

int mr_uring_device(struct mr_uring_port *p, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    struct ifreq request = {0};
    struct mr_link link;
    int rc = mr_link_find(c->device, &link);
    if (rc < 0) {
        return fail(p->port, err, -rc, "cannot be looked at", mr_error_remedy(rc));
    }
    p->ifindex = link.index;
    p->port->ifindex = link.index;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", link.name);
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refused(p->port, err, errno);
    }
    rc = ioctl(fd, SIOCGIFHWADDR, &request) == 0 ? 0 : -errno;
    close(fd);
    int type = request.ifr_hwaddr.sa_family;
    if (rc == 0 && type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: %.60s carries no Ethernet frames (hardware type %d); "
                            "name an Ethernet interface", c->name, c->device, type);
    }
    return rc < 0 ? fail(p->port, err, -rc, "cannot be looked at", "") : 0;
}

/* All receiving sockets of a port share the device's frames by traffic flow. */
static int join_fanout(struct mr_uring_port *p, int fd)
{
    uint32_t value = 0;
    socklen_t size = sizeof value;
    bool first = !p->has_fanout;
    value = first ? (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16 : PACKET_FANOUT_HASH << 16 | p->fanout;
    if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) != 0) {
        return -errno;
    }
    if (first && getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &size) != 0) {
        return -errno;
    }
    p->fanout = value & 0xffff;
    p->has_fanout = true;
    return 0;
}

/* 0 or -errno; what: what could not be done. */
static int set_up_rx(struct mr_uring_port *p, struct mr_uring_rxq *q, const char **what)
{
    struct packet_mreq promiscuous = {.mr_ifindex = p->ifindex, .mr_type = PACKET_MR_PROMISC};
    int rc = set(q->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    *what = "cannot leave out what it sends itself (PACKET_IGNORE_OUTGOING)";
    if (rc == 0 && q->aux) {
        *what = "cannot learn of VLAN tags (PACKET_AUXDATA)";
        rc = set(q->fd, SOL_PACKET, PACKET_AUXDATA, 1);
    }
    if (rc == 0 && q->vnet) {
        *what = "cannot learn of offloads (PACKET_VNET_HDR)";
        rc = set(q->fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    }
    if (rc < 0) {
        return rc;
    }
    q->socket_bytes = set_buffer(q->fd, p->port->config->socket_bytes, SO_RCVBUFFORCE, SO_RCVBUF);
    if (p->port->n_rxq > 1) {
        mr_uring_valve_close(q); // until it shares the device with the others, it would receive what they receive
    }
    *what = "cannot bind the receiving socket to it";
    rc = bind_to(q->fd, p->ifindex, ETH_P_ALL);
    if (rc == 0 && p->port->n_rxq > 1) {
        *what = "cannot share its frames among several queues (PACKET_FANOUT)";
        rc = join_fanout(p, q->fd);
    }
    if (rc == 0) {
        *what = "cannot receive what is for other addresses (PACKET_ADD_MEMBERSHIP)";
        rc = setsockopt(q->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) == 0 ? 0 : -errno;
    }
    return rc;
}

int mr_uring_rx_socket(struct mr_uring_port *p, struct mr_uring_rxq *q, struct mr_error *err)
{
    q->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    q->valve_closed = false; // of the socket before, should it have been
    if (q->fd < 0) {
        return refused(p->port, err, errno);
    }
    const char *what;
    int rc = set_up_rx(p, q, &what);
    return rc < 0 ? fail(p->port, err, -rc, what, mr_error_remedy(rc)) : 0;
}

static int set_up_tx(struct mr_uring_port *p, struct mr_uring_txq *q, const char **what)
{
    int rc = set(q->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    *what = "cannot send past its queueing discipline (PACKET_QDISC_BYPASS)";
    if (rc == 0 && q->vnet) {
        *what = "cannot send with offloads (PACKET_VNET_HDR)";
        rc = set(q->fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    }
    if (rc == 0) {
        *what = "cannot bind the sending socket to it";
        rc = bind_to(q->fd, p->ifindex, 0);
    }
    q->socket_bytes = set_buffer(q->fd, p->port->config->socket_bytes, SO_SNDBUFFORCE, SO_SNDBUF);
    return rc;
}

int mr_uring_tx_socket(struct mr_uring_port *p, struct mr_uring_txq *q, struct mr_error *err)
{
    q->vnet = p->port->config->offload != MR_OFFLOAD_NONE;
    q->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (q->fd < 0) {
        return refused(p->port, err, errno);
    }
    const char *what;
    int rc = set_up_tx(p, q, &what);
    return rc < 0 ? fail(p->port, err, -rc, what, mr_error_remedy(rc)) : 0;
}
