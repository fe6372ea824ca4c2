/* tap_device.c: a TAP device, made, configured, and gone with its last descriptor.
 *
 * A queue of the device is a descriptor. Queues of the device are as many as those that receive, so that no frame of the
 * kernel's waits where nobody reads; what sends uses the same descriptors in turn.
 */
#include "lib/port/tap.h"
#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_FILE "/dev/net/tun"

enum { VLAN_TAG = 4, LOOKS = 50, LOOK_US = 10000 };

static int fail(const struct mr_port *port, struct mr_error *err, int error, const char *what, const char *fix)
{
    return mr_error_set(err, MR_FAULT_MACHINE, error, "port %s: TAP %.60s: %s: %s%s", port->config->name,
                        port->config->device, what, strerror(error), fix);
}

static const char *remedy(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
        return "; needs CAP_NET_ADMIN in this network namespace: run as root, or in a namespace of your own (unshare -Urn)";
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "; this kernel has no TAP (modprobe tun), or the container no " TUN_FILE;
    case EBUSY:
        return "; an interface of this name exists, and a tap port makes its own: name another, or delete that (ip link "
               "del), or end the engine that has it";
    default:
        return mr_error_remedy(-error);
    }
}

int mr_tun_check(const struct mr_port *port, uint32_t room, struct mr_error *err)
{
    const struct mr_port_config *c = port->config;
    if (strlen(c->device) >= IFNAMSIZ || strpbrk(c->device, "/:% \t") != NULL || strcmp(c->device, ".") == 0 ||
        strcmp(c->device, "..") == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: device \"%.60s\" is no name for an interface: 1 to %d "
                            "characters, none of them / : %% or blank", c->name, c->device, IFNAMSIZ - 1);
    }
    if (port->n_rxq != 0 && c->mtu + MR_FRAME_MIN + VLAN_TAG > room) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: mtu: %u; frames of %u bytes do not fit a chunk, which "
                            "holds %u; memory.chunk_bytes: 4096, offload: super, or a lower mtu", c->name, c->mtu,
                            c->mtu + MR_FRAME_MIN + VLAN_TAG, room);
    }
    return 0;
}

/* ---- making it ---- */

/* One more queue of the device; the first makes it. Its descriptor or -errno. */
static int open_queue(const char *name, uint32_t flags)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    request.ifr_flags = (short)flags;
    int fd = open(TUN_FILE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (ioctl(fd, TUNSETIFF, &request) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* What the kernel may leave to us. UDP's super-frames only where it knows them (Linux 6.2). */
static int set_offload(int fd, enum mr_offload offload)
{
    int header = MR_VNET_BYTES;
    unsigned long udp = 0x20 | 0x40, with = TUN_F_CSUM; // TUN_F_USO4, TUN_F_USO6
    if (offload == MR_OFFLOAD_NONE) {
        return 0;
    }
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) != 0) {
        return -errno;
    }
    with |= offload == MR_OFFLOAD_SUPER ? TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
    if (offload == MR_OFFLOAD_SUPER && ioctl(fd, TUNSETOFFLOAD, with | udp) == 0) {
        return 0;
    }
    return ioctl(fd, TUNSETOFFLOAD, with) == 0 ? 0 : -errno;
}

/* The device of an engine that was killed may live for some milliseconds more, until the kernel has done with its ring. */
static int open_first(const char *name, uint32_t flags, uint32_t looks)
{
    int fd = open_queue(name, flags | IFF_TUN_EXCL);
    for (; fd == -EBUSY && looks > 0; looks--) {
        usleep(LOOK_US);
        fd = open_queue(name, flags | IFF_TUN_EXCL);
    }
    return fd;
}

static int open_all(struct mr_tun_port *p, uint32_t n, int *fds, const char **what)
{
    const struct mr_port_config *c = p->port->config;
    bool again = p->port->ifindex != 0; // then control has others to look after, and asks again
    *what = "cannot be made";
    for (uint32_t i = 0; i < n; i++) {
        fds[i] = i == 0 ? open_first(c->device, p->flags, again ? 0 : LOOKS) : open_queue(c->device, p->flags);
        if (fds[i] < 0) {
            return fds[i];
        }
    }
    *what = "cannot leave checksums and segments to us (TUNSETOFFLOAD)";
    return set_offload(fds[0], c->offload);
}

/* No address, no IPv6 of its own: whatever it sends then, somebody wanted sent. */
static int bring_up(struct mr_tun_port *p, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    char file[80];
    struct mr_link link;
    snprintf(file, sizeof file, "net/ipv6/conf/%.15s/disable_ipv6", c->device);
    mr_sysctl_write(file, "1"); // a kernel without IPv6 has no such file, and needs none
    int rc = mr_link_mtu(c->device, c->mtu, err);
    rc = rc < 0 ? rc : mr_link_up(c->device, err);
    if (rc < 0) {
        return rc;
    }
    rc = mr_link_find(c->device, &link);
    if (rc < 0) {
        return fail(p->port, err, -rc, "cannot be looked at", mr_error_remedy(rc));
    }
    p->port->ifindex = link.index;
    return 0;
}

static uint32_t queues_of(const struct mr_port *port)
{
    return port->n_rxq != 0 ? port->n_rxq : 1;
}

static void hand_out(const struct mr_port *port, const int *fds)
{
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        mr_tun_rxq_of(port->rxq[i])->fd = fds[i];
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        struct mr_tun_txq *q = mr_tun_txq_of(port->txq[i]);
        q->fd = fds[i % queues_of(port)];
        q->shares_fd = port->n_rxq != 0 || i != 0;
    }
}

int mr_tun_device(struct mr_tun_port *p, struct mr_error *err)
{
    int fds[MR_QUEUES_MAX];
    uint32_t n = queues_of(p->port);
    const char *what;
    memset(fds, -1, sizeof fds);
    p->flags = IFF_TAP | IFF_NO_PI | (n > 1 ? IFF_MULTI_QUEUE : 0) |
               (p->port->config->offload != MR_OFFLOAD_NONE ? IFF_VNET_HDR : 0);
    int rc = open_all(p, n, fds, &what);
    if (rc < 0) {
        fail(p->port, err, -rc, what, remedy(-rc));
    } else {
        rc = bring_up(p, err);
    }
    for (uint32_t i = 0; rc < 0 && i < n && fds[i] >= 0; i++) {
        close(fds[i]);
    }
    if (rc == 0) {
        hand_out(p->port, fds);
    }
    return rc;
}

/* ---- while it is there ---- */

/* By the name it has now, and only when that is still our device. */
void mr_tun_read_statistics(struct mr_tun_port *p)
{
    const struct mr_port *port = p->port;
    int fd = port->n_rxq != 0 ? mr_tun_rxq_of(port->rxq[0])->fd : mr_tun_txq_of(port->txq[0])->fd;
    struct ifreq request = {0};
    struct mr_link link;
    if (fd >= 0 && ioctl(fd, TUNGETIFF, &request) == 0 && mr_link_find(request.ifr_name, &link) == 0 &&
        link.index == port->ifindex) {
        p->tx_dropped = link.tx_dropped;
    }
}

/* 0, or -errno: it is still open. The device counts what it then turns away as tx_dropped. */
int mr_tun_valve_close(struct mr_tun_rxq *q)
{
    struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {.len = 1, .filter = &none};
    int rc = q->valve_closed || q->fd < 0 || ioctl(q->fd, TUNATTACHFILTER, &filter) == 0 ? 0 : -errno;
    q->valve_closed = rc == 0 && q->fd >= 0;
    return rc;
}

bool mr_tun_queue_empty(const struct mr_tun_rxq *q)
{
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    return q->dead || q->fd < 0 || poll(&p, 1, 0) <= 0 || (p.revents & POLLIN) == 0;
}

/* Frames that the device had accepted when it was stopped. With the valve closed they are finite. */
void mr_tun_count_left(struct mr_tun_rxq *q)
{
    char bytes[64];
    while (q->valve_closed && q->fd >= 0 && read(q->fd, bytes, sizeof bytes) >= 0) {
        mr_count(&q->left_in_queue, 1);
    }
}

/* ---- the probe ---- */

int mr_tun_probe(struct mr_probe *probe)
{
    int fd = open_queue("mr-probe%d", IFF_TAP | IFF_NO_PI);
    probe->usable = fd >= 0;
    if (fd < 0) {
        snprintf(probe->reason, sizeof probe->reason, "no TAP device: %s%s", strerror(-fd), remedy(-fd));
        return fd;
    }
    close(fd);
    int rc = mr_tun_try_ring();
    snprintf(probe->reason, sizeof probe->reason, rc == 0 ? "TAP by CAP_NET_ADMIN; READ and WRITE by io_uring, or read and write"
                                                          : "TAP by CAP_NET_ADMIN; by: calls only, for no io_uring can be had: %s",
             strerror(-rc));
    return 0;
}
