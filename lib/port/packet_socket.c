#include "lib/port/packet.h"
#include "lib/sys/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/time.h>
#include <net/if.h>
#include <unistd.h>

static int fail(const struct mr_port *port, struct mr_error *err, int error, const char *what, const char *fix)
{
    return mr_error_set(err, MR_FAULT_MACHINE, error, "port %s: %.60s: %s: %s%s", port->config->name, port->config->device,
                        what, strerror(error), fix);
}

static const char *remedy(int error)
{
    return error == EPERM || error == EACCES ? "; needs CAP_NET_RAW in this network namespace: run as root, or "
                                               "in a namespace of your own (unshare -Urn)"
           : error == EAFNOSUPPORT           ? "; this kernel is built without AF_PACKET"
                                             : mr_error_remedy(error);
}

static int refused(const struct mr_port *port, struct mr_error *err, int error)
{
    return fail(port, err, error, "no packet socket", remedy(error));
}

const char *mr_packet_probe(char *text, size_t bytes)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        close(fd);
        return NULL;
    }
    snprintf(text, bytes, "no packet socket: %s%s", strerror(errno), remedy(errno));
    return text;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

static int set_patience(int fd, int option)
{
    const struct timeval most = {.tv_usec = MR_WAIT_MS * 1000};
    return setsockopt(fd, SOL_SOCKET, option, &most, sizeof most) == 0 ? 0 : -errno;
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

int mr_packet_valve_close(struct mr_packet_rx *rx)
{
    struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {.len = 1, .filter = &none};
    if (!rx->valve_closed && rx->fd >= 0) {
        rx->valve_closed = setsockopt(rx->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
        return rx->valve_closed ? 0 : -errno;
    }
    return 0;
}

void mr_packet_valve_open(struct mr_packet_rx *rx)
{
    int unused = 0;
    setsockopt(rx->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    rx->valve_closed = false;
}

bool mr_packet_empty(const struct mr_packet_rx *rx)
{
    int bytes = 0; // of the first frame that waits
    return ioctl(rx->fd, SIOCINQ, &bytes) != 0 || bytes == 0;
}

void mr_packet_count_left(struct mr_packet_rx *rx)
{
    char bytes[16]; // a virtio_net_hdr fits
    bool down = false;
    while (rx->valve_closed) {
        if (recv(rx->fd, bytes, sizeof bytes, MSG_DONTWAIT) >= 0) {
            mr_count(&rx->left_in_socket, 1);
        } else if (errno == EINVAL && rx->vnet) { // off the queue all the same
            mr_count(&rx->undescribed, 1);
        } else if (errno == ENETDOWN && !down) { // told once, before what waits behind it
            down = true;
        } else {
            return;
        }
    }
}

/* The kernel gives as much as is asked for: a socket without a ring knows no freezes. */
void mr_packet_read_statistics(struct mr_packet_rx *rx)
{
    struct tpacket_stats_v3 s = {0};
    socklen_t size = rx->is_ring ? sizeof s : sizeof(struct tpacket_stats);
    if (rx->fd >= 0 && getsockopt(rx->fd, SOL_PACKET, PACKET_STATISTICS, &s, &size) == 0) {
        rx->tp_packets += s.tp_packets;
        rx->tp_drops += s.tp_drops;
        rx->tp_freezes += s.tp_freeze_q_cnt;
    }
}

/* What the errors of a packet socket mean was seen on veth devices that were too narrow, down and deleted. */
enum mr_drop mr_packet_reason(struct mr_packet_tx *tx, int error)
{
    switch (error) {
    case EMSGSIZE:
        return MR_DROP_mtu;
    case ENETDOWN:
        return MR_DROP_link_down;
    case ENXIO:
    case ENODEV:
        return MR_DROP_device_gone;
    default:
        __atomic_store_n(&tx->last_error, error, __ATOMIC_RELAXED);
        return MR_DROP_tx_error;
    }
}

/* ---- opening ---- */

int mr_packet_device(struct mr_packet_port *p, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    struct ifreq request = {0};
    struct mr_link link;
    int rc = mr_link_find(c->device, &link);
    if (rc < 0) {
        return fail(p->port, err, -rc, "cannot be looked at", mr_error_remedy(rc));
    }
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
static int join_fanout(struct mr_packet_port *p, int fd)
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
static int ask_of(const struct mr_packet_rx *rx, const char **what)
{
    int rc = set(rx->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    *what = "cannot leave out what it sends itself (PACKET_IGNORE_OUTGOING)";
    if (rc == 0 && rx->aux) {
        *what = "cannot learn of VLAN tags (PACKET_AUXDATA)";
        rc = set(rx->fd, SOL_PACKET, PACKET_AUXDATA, 1);
    }
    if (rc == 0 && rx->vnet) {
        *what = "cannot learn of offloads (PACKET_VNET_HDR)";
        rc = set(rx->fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    }
    if (rc == 0 && rx->waits) {
        *what = "cannot limit how long it sleeps (SO_RCVTIMEO)";
        rc = set_patience(rx->fd, SO_RCVTIMEO);
    }
    return rc;
}

static int join(struct mr_packet_port *p, struct mr_packet_rx *rx, const char **what)
{
    struct packet_mreq promiscuous = {.mr_ifindex = p->port->ifindex, .mr_type = PACKET_MR_PROMISC};
    *what = "cannot bind the receiving socket to it";
    int rc = bind_to(rx->fd, p->port->ifindex, ETH_P_ALL);
    if (rc == 0 && p->port->n_rxq > 1) {
        *what = "cannot share its frames among several queues (PACKET_FANOUT)";
        rc = join_fanout(p, rx->fd);
    }
    if (rc == 0) {
        *what = "cannot receive what is for other addresses (PACKET_ADD_MEMBERSHIP)";
        rc = setsockopt(rx->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) == 0 ? 0 : -errno;
    }
    return rc;
}

void mr_packet_asks(struct mr_packet_rx *rx, const struct mr_port_config *c)
{
    rx->aux = c->receive == MR_RECEIVE_AUX;
    rx->vnet = c->offload != MR_OFFLOAD_NONE;
    rx->super = c->offload == MR_OFFLOAD_SUPER;
    rx->waits = c->blocking;
}

int mr_packet_rx_open(struct mr_packet_port *p, struct mr_packet_rx *rx,
                      int (*prepare)(struct mr_packet_rx *rx, const char **what), struct mr_error *err)
{
    const char *what;
    rx->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    rx->valve_closed = false; // of the socket before, should it have been
    if (rx->fd < 0) {
        return refused(p->port, err, errno);
    }
    int rc = ask_of(rx, &what);
    if (rc == 0 && prepare != NULL) {
        rc = prepare(rx, &what);
    }
    if (rc == 0) {
        rx->socket_bytes = set_buffer(rx->fd, p->port->config->socket_bytes, SO_RCVBUFFORCE, SO_RCVBUF);
        if (p->port->n_rxq > 1) {
            mr_packet_valve_close(rx); // until it shares the device with the others, it would receive what they receive
        }
        rc = join(p, rx, &what);
    }
    return rc < 0 ? fail(p->port, err, -rc, what, mr_error_remedy(rc)) : 0;
}

static int set_up_tx(struct mr_packet_port *p, struct mr_packet_tx *tx, const char **what)
{
    int rc = set(tx->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    *what = "cannot send past its queueing discipline (PACKET_QDISC_BYPASS)";
    if (rc == 0 && tx->vnet) {
        *what = "cannot send with offloads (PACKET_VNET_HDR)";
        rc = set(tx->fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    }
    if (rc == 0 && tx->waits) {
        *what = "cannot limit how long it sleeps (SO_SNDTIMEO)";
        rc = set_patience(tx->fd, SO_SNDTIMEO);
    }
    if (rc == 0) {
        *what = "cannot bind the sending socket to it";
        rc = bind_to(tx->fd, p->port->ifindex, 0);
    }
    tx->socket_bytes = set_buffer(tx->fd, p->port->config->socket_bytes, SO_SNDBUFFORCE, SO_SNDBUF);
    return rc;
}

int mr_packet_tx_open(struct mr_packet_port *p, struct mr_packet_tx *tx, struct mr_error *err)
{
    tx->vnet = p->port->config->offload != MR_OFFLOAD_NONE;
    tx->waits = p->port->config->blocking;
    tx->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (tx->fd < 0) {
        return refused(p->port, err, errno);
    }
    const char *what;
    int rc = set_up_tx(p, tx, &what);
    return rc < 0 ? fail(p->port, err, -rc, what, mr_error_remedy(rc)) : 0;
}

void mr_packet_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void mr_packet_describe(struct mr_port *port, int socket_bytes)
{
    const struct mr_port_config *c = port->config;
    size_t used = strlen(port->mode);
    used += (size_t)snprintf(port->mode + used, sizeof port->mode - used, "%soffload %s, socket buffer %d KiB",
                             used != 0 ? ", " : "", mr_offload_word(c->offload), socket_bytes / 2048);
    if ((uint64_t)socket_bytes / 2 < c->socket_bytes && used < sizeof port->mode) {
        snprintf(port->mode + used, sizeof port->mode - used, " of %llu asked (net.core.%s)",
                 (unsigned long long)c->socket_bytes >> 10, port->n_rxq != 0 ? "rmem_max" : "wmem_max");
    }
}
