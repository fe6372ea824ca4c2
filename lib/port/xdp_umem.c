/* xdp_umem.c: sockets of AF_XDP: the arena as their memory, four rings each, bound to a queue of the device.
 *
 * The first socket registers the arena, all others name it at bind (XDP_SHARED_UMEM), with a FILL and a COMPLETION ring
 * of their own. Whoever shares inherits copy or zero copy: the two do not share.
 */
#include "lib/port/xdp.h"
#include "lib/sys/clock.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TX_BUDGET 9 /* XDP_MAX_TX_SKB_BUDGET, newer than some headers */

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

enum { FILL, COMPLETION, RX, TX, LEAST_RING = 64, BUSY_POLL_US = 20 };

static int set(int fd, int name, uint32_t value)
{
    return setsockopt(fd, SOL_XDP, name, &value, sizeof value) == 0 ? 0 : -errno;
}

/* ---- memory ---- */

static int register_arena(int fd, void *base, size_t bytes, uint32_t chunk_bytes, bool unaligned)
{
    struct xdp_umem_reg reg = {.addr = (uintptr_t)base, .len = bytes, .chunk_size = chunk_bytes};
    reg.headroom = MR_CHUNK_DATA - MR_XDP_KERNEL_ROOM;
    reg.flags = unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0;
    return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) == 0 ? 0 : -errno;
}

/* A socket of ours that is bound to a device which is there, and has the memory in the same way. */
static int find_sharer(const struct mr_xdp_port *p, const struct mr_xdp_socket *own)
{
    for (uint32_t i = 0; i < p->n_ports; i++) {
        const struct mr_port *other = p->ports[i];
        if (other == NULL || other->driver != p->port->driver || other->link == MR_LINK_GONE) {
            continue;
        }
        const struct mr_xdp_port *x = other->state;
        for (uint32_t k = 0; k < x->n_sockets; k++) {
            if (&x->socket[k] != own && x->socket[k].fd >= 0 && x->socket[k].zerocopy == own->zerocopy) {
                return x->socket[k].fd;
            }
        }
    }
    for (uint32_t k = 0; k < p->n_sockets; k++) { // this port is not among the open ones yet
        if (&p->socket[k] != own && p->socket[k].fd >= 0 && p->socket[k].zerocopy == own->zerocopy) {
            return p->socket[k].fd;
        }
    }
    return -1;
}

/* ---- rings ---- */

static uint32_t rx_frames(const struct mr_xdp_port *p)
{
    const struct mr_port_config *c = p->port->config;
    return c->rx_ring != 0 ? c->rx_ring : c->buffers;
}

/* Sizes by the kind of ring; 0 = the socket has none. FILL and COMPLETION there must be, whatever it is for. */
static void sizes(const struct mr_xdp_port *p, uint32_t i, uint32_t *n)
{
    n[FILL] = i < p->port->n_rxq ? p->port->config->buffers : LEAST_RING;
    n[RX] = i < p->port->n_rxq ? rx_frames(p) : 0;
    n[COMPLETION] = i < p->port->n_txq ? p->tx_ring_frames : LEAST_RING;
    n[TX] = i < p->port->n_txq ? p->tx_ring_frames : 0;
}

static int make_rings(int fd, const uint32_t *n)
{
    static const int names[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING};
    int rc = 0;
    for (uint32_t k = 0; rc == 0 && k < 4; k++) {
        rc = n[k] == 0 ? 0 : set(fd, names[k], n[k]);
    }
    return rc;
}

static void *map_ring(struct mr_xdp_socket *s, uint32_t kind, const struct xdp_ring_offset *at, uint32_t n)
{
    static const off_t pages[] = {(off_t)XDP_UMEM_PGOFF_FILL_RING, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING,
                                  XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING};
    size_t entry = kind == FILL || kind == COMPLETION ? sizeof(uint64_t) : sizeof(struct xdp_desc);
    size_t bytes = at->desc + n * entry;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, pages[kind]);
    s->map[kind] = map == MAP_FAILED ? NULL : map;
    s->map_bytes[kind] = bytes;
    return s->map[kind];
}

/* The two kinds of ring are laid out alike; a producer's view of the other end is kept a whole ring ahead (xsk.h). */
#define LAY(ring_, map_, at_, n_, ahead_)                                                                              \
    do {                                                                                                               \
        memset((ring_), 0, sizeof *(ring_));                                                                           \
        (ring_)->size = (n_);                                                                                          \
        (ring_)->mask = (n_) - 1;                                                                                      \
        (ring_)->producer = (uint32_t *)(void *)((char *)(map_) + (at_)->producer);                                    \
        (ring_)->consumer = (uint32_t *)(void *)((char *)(map_) + (at_)->consumer);                                    \
        (ring_)->flags = (uint32_t *)(void *)((char *)(map_) + (at_)->flags);                                          \
        (ring_)->ring = (char *)(map_) + (at_)->desc;                                                                  \
        (ring_)->cached_prod = *(ring_)->producer;                                                                     \
        (ring_)->cached_cons = *(ring_)->consumer + (ahead_);                                                          \
    } while (0)

static int map_rings(struct mr_xdp_port *p, uint32_t i, const uint32_t *n)
{
    struct mr_xdp_socket *s = &p->socket[i];
    struct xdp_mmap_offsets at;
    socklen_t bytes = sizeof at;
    if (getsockopt(s->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &bytes) != 0) {
        return -errno;
    }
    if (n[RX] != 0) {
        struct mr_xdp_rxq *q = MR_CONTAINER_OF(p->port->rxq[i], struct mr_xdp_rxq, q);
        if (map_ring(s, FILL, &at.fr, n[FILL]) == NULL || map_ring(s, RX, &at.rx, n[RX]) == NULL) {
            return -errno;
        }
        LAY(&q->fill, s->map[FILL], &at.fr, n[FILL], n[FILL]);
        LAY(&q->rx, s->map[RX], &at.rx, n[RX], 0);
    }
    if (n[TX] != 0) {
        struct mr_xdp_txq *q = MR_CONTAINER_OF(p->port->txq[i], struct mr_xdp_txq, q);
        if (map_ring(s, COMPLETION, &at.cr, n[COMPLETION]) == NULL || map_ring(s, TX, &at.tx, n[TX]) == NULL) {
            return -errno;
        }
        LAY(&q->comp, s->map[COMPLETION], &at.cr, n[COMPLETION], 0);
        LAY(&q->tx, s->map[TX], &at.tx, n[TX], n[TX]);
    }
    return 0;
}

/* ---- binding ---- */

bool mr_xdp_wait_more(uint64_t *since_ns, int rc)
{
    const struct timespec little = {.tv_nsec = 2000000};
    uint64_t now = mr_now_ns();
    if (rc != -EBUSY || (*since_ns != 0 && now - *since_ns > MR_XDP_TRY_NS)) {
        return false;
    }
    *since_ns = *since_ns == 0 ? now : *since_ns;
    nanosleep(&little, NULL);
    return true;
}

/* The kernel lets go of a closed socket's queue some time after the close: so a busy one is tried again. */
static int bind_to(int fd, int ifindex, uint32_t queue, uint16_t flags, int sharer)
{
    struct sockaddr_xdp to = {.sxdp_family = AF_XDP, .sxdp_flags = flags, .sxdp_ifindex = (uint32_t)ifindex,
                              .sxdp_queue_id = queue};
    uint64_t since_ns = 0;
    int rc;
    if (sharer >= 0) {
        to.sxdp_flags = XDP_SHARED_UMEM;
        to.sxdp_shared_umem_fd = (uint32_t)sharer;
    }
    do {
        rc = bind(fd, (struct sockaddr *)&to, sizeof to) == 0 ? 0 : -errno;
    } while (mr_xdp_wait_more(&since_ns, rc));
    return rc;
}

int mr_xdp_try_zerocopy(int ifindex, uint32_t queue)
{
    enum { BYTES = 64 << 10 };
    static const uint32_t n[] = {[FILL] = 8, [COMPLETION] = 8, [RX] = 8, [TX] = 8};
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int rc = fd < 0 || memory == MAP_FAILED ? -errno : 0;
    rc = rc < 0 ? rc : register_arena(fd, memory, BYTES, 4096, false);
    rc = rc < 0 ? rc : make_rings(fd, n);
    rc = rc < 0 ? rc : bind_to(fd, ifindex, queue, XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP, -1);
    if (fd >= 0) {
        close(fd);
    }
    if (memory != MAP_FAILED) {
        munmap(memory, BYTES);
    }
    return rc;
}

/* ---- options ---- */

/* A socket without a TX ring has no budget to send by. */
static int set_options(const struct mr_xdp_port *p, uint32_t i, const char **what)
{
    int fd = p->socket[i].fd;
    const struct mr_port_config *c = p->port->config;
    int on = 1, us = BUSY_POLL_US, budget = (int)c->busy_poll;
    int rc = 0;
    if (c->tx_budget != 0 && i < p->port->n_txq) {
        *what = "does not take tx_budget (XDP_MAX_TX_SKB_BUDGET: Linux 6.17, 32 … the frames of the TX ring)";
        rc = set(fd, TX_BUDGET, c->tx_budget);
    }
    if (rc == 0 && budget != 0 && i < p->port->n_rxq) {
        *what = "cannot busy poll (SO_PREFER_BUSY_POLL); needs CAP_NET_ADMIN, or set busy_poll: 0";
        bool set_all = setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof on) == 0 &&
                       setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof us) == 0 &&
                       setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof budget) == 0;
        rc = set_all ? 0 : -errno;
    }
    return rc;
}

/* ---- the whole ---- */

/* 0 or -errno; what: what could not be done. */
static int set_up(struct mr_xdp_port *p, uint32_t i, const char **what)
{
    struct mr_xdp_socket *s = &p->socket[i];
    uint16_t flags = (uint16_t)((s->zerocopy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP);
    int sharer = find_sharer(p, s);
    uint32_t n[4];
    int rc = 0;
    sizes(p, i, n);
    if (sharer < 0) {
        *what = "does not take the arena as its memory (XDP_UMEM_REG)";
        rc = register_arena(s->fd, p->arena->base, p->arena->bytes, p->chunk_bytes, mr_xdp_unaligned(p));
    }
    if (rc == 0) {
        *what = "gets no rings";
        rc = make_rings(s->fd, n);
    }
    rc = rc < 0 ? rc : map_rings(p, i, n);
    rc = rc < 0 ? rc : set_options(p, i, what);
    if (rc == 0) {
        *what = "cannot be bound";
        rc = bind_to(s->fd, p->port->ifindex, i, flags, sharer);
    }
    return rc;
}

static int fail(const struct mr_xdp_port *p, uint32_t i, int rc, const char *what, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    char why[300] = "";
    if (rc == -ENOBUFS) {
        mr_xdp_no_memory(p->arena->bytes, why, sizeof why);
    } else if (rc == -EBUSY) {
        snprintf(why, sizeof why, "another AF_XDP socket has it, of this or another process; ss --xdp -p shows whose");
    } else if (rc == -EOPNOTSUPP && p->socket[i].zerocopy) {
        snprintf(why, sizeof why, "its driver has no zero copy; mode: native, or auto");
    } else if (rc == -EINVAL && strcmp(what, "cannot be bound") == 0) {
        snprintf(why, sizeof why, "it has no such queue; ethtool -l %.32s tells how many", c->device);
    } else if (rc == -EFAULT) {
        snprintf(why, sizeof why, "the arena has holes between its nodes; memory.huge_pages: off closes them");
    } else {
        snprintf(why, sizeof why, "%s%s", strerror(-rc), mr_error_remedy(rc));
    }
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: AF_XDP socket of queue %u of %.60s %s: %s", c->name, i,
                        c->device, what, why);
}

int mr_xdp_socket_open(struct mr_xdp_port *p, uint32_t i, struct mr_error *err)
{
    struct mr_xdp_socket *s = &p->socket[i];
    const char *what = "cannot be made";
    s->zerocopy = p->mode == MR_XDP_ZEROCOPY;
    s->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (s->fd < 0 && errno == EPERM) {
        return mr_error_set(err, MR_FAULT_MACHINE, EPERM, "port %s: no AF_XDP socket: it needs CAP_NET_RAW; run as root, or in a "
                            "namespace of your own (unshare -Urn)", p->port->config->name);
    }
    int rc = s->fd < 0 ? -errno : set_up(p, i, &what);
    if (rc < 0) {
        fail(p, i, rc, what, err);
        mr_xdp_socket_close(s);
    }
    return rc;
}

void mr_xdp_statistics(const struct mr_xdp_socket *s, struct xdp_statistics *sum)
{
    struct xdp_statistics now = {0};
    socklen_t bytes = sizeof now;
    if (s->fd < 0 || getsockopt(s->fd, SOL_XDP, XDP_STATISTICS, &now, &bytes) != 0) {
        memset(&now, 0, sizeof now);
    }
    sum->rx_dropped += now.rx_dropped + s->closed.rx_dropped;
    sum->rx_invalid_descs += now.rx_invalid_descs + s->closed.rx_invalid_descs;
    sum->tx_invalid_descs += now.tx_invalid_descs + s->closed.tx_invalid_descs;
    sum->rx_ring_full += now.rx_ring_full + s->closed.rx_ring_full;
    sum->rx_fill_ring_empty_descs += now.rx_fill_ring_empty_descs + s->closed.rx_fill_ring_empty_descs;
    sum->tx_ring_empty_descs += now.tx_ring_empty_descs + s->closed.tx_ring_empty_descs;
}

void mr_xdp_socket_close(struct mr_xdp_socket *s)
{
    if (s->fd < 0) {
        return;
    }
    struct xdp_statistics sum = {0};
    mr_xdp_statistics(s, &sum);
    s->closed = sum;
    for (uint32_t k = 0; k < 4; k++) {
        if (s->map[k] != NULL) {
            munmap(s->map[k], s->map_bytes[k]);
            s->map[k] = NULL;
        }
    }
    close(s->fd);
    s->fd = -1;
}
