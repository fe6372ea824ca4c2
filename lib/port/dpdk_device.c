/* dpdk_device.c: a device made ready: its queues, what they took of our chunks meanwhile, how long a frame it sends. */
#include "lib/port/dpdk.h"
#include "lib/sys/netlink.h"

#include <rte_errno.h>

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

enum { PACKET_MAX = 65535, MTU_MAX = PACKET_MAX - (int)MR_DPDK_HEADER_AND_TAG };

/* PMDs fail with -1 where they have no number: that is not EPERM, and their words alone are the cause. */
static int refused(const struct mr_dpdk_port *p, const char *what, int rc, struct mr_error *err)
{
    const char *said = mr_dpdk_said();
    bool counts = rc != -1 || said[0] == 0;
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %s refuses %s: %s%s%s%s%s", p->port->config->name, p->name, what,
                        counts ? rte_strerror(abs(rc)) : "", counts && said[0] != 0 ? " (" : "", said,
                        counts && said[0] != 0 ? ")" : "", mr_dpdk_fix(p, said));
}

/* What a queue of the device took when it was set up. A queue that only the device has (it wants pairs) is counted with
 * the first one of the other side. */
static void count_lent(struct mr_dpdk_port *p, uint32_t queue, uint32_t before)
{
    uint32_t took = p->arena->lent - before;
    if (queue < p->port->n_rxq) {
        p->port->rxq[queue]->held += took;
    } else if (p->port->n_rxq != 0) {
        p->port->rxq[0]->held += took;
    } else {
        p->port->txq[0]->held += took;
    }
}

static int check_queues(const struct mr_dpdk_port *p, const struct rte_eth_dev_info *info, struct mr_error *err)
{
    if (p->pairs <= info->max_rx_queues && p->pairs <= info->max_tx_queues) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: queues: %u, and %s has %u receiving and %u sending ones as it was "
                        "made; lower it, or give the device more (net_af_packet: qpairs=%u, net_af_xdp: queue_count=%u)",
                        p->port->config->name, p->pairs, p->name, info->max_rx_queues, info->max_tx_queues, p->pairs, p->pairs);
}

/* As long frames as the device takes: by its largest MTU, and by its longest frame less what stands around that. */
static void scatter(struct mr_dpdk_port *p, const struct rte_eth_dev_info *info, struct rte_eth_rxmode *mode)
{
    bool both = info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu;
    uint32_t around = both ? info->max_rx_pktlen - info->max_mtu : MR_DPDK_HEADER_AND_TAG;
    uint32_t room = info->max_rx_pktlen > around ? info->max_rx_pktlen - around : 0;
    uint32_t most = info->max_mtu < MTU_MAX ? info->max_mtu : MTU_MAX;
    uint16_t now = 0;
    most = most < room ? most : room;
    if (rte_eth_dev_get_mtu(p->id, &now) == 0 && most > now) {
        mode->offloads = RTE_ETH_RX_OFFLOAD_SCATTER;
        mode->mtu = most;
        p->scatters = most;
    }
}

static int configure(struct mr_dpdk_port *p, const struct rte_eth_dev_info *info, struct mr_error *err)
{
    struct rte_eth_conf conf = {0};
    uint64_t hash = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    if (p->pairs > 1 && hash != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = hash;
        p->rss = true;
    }
    int rc = check_queues(p, info, err);
    if (rc < 0) {
        return rc;
    }
    if (p->port->config->long_frames && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)) {
        scatter(p, info, &conf.rxmode);
    }
    rc = rte_eth_dev_configure(p->id, (uint16_t)p->pairs, (uint16_t)p->pairs, &conf);
    return rc < 0 ? refused(p, "its configuration", rc, err) : 0;
}

static int set_up_queues(struct mr_dpdk_port *p, const struct mr_port_setup *setup, struct mr_error *err)
{
    uint16_t n_rx = (uint16_t)p->port->config->buffers;
    uint16_t n_tx = (uint16_t)(setup->tx_ring_frames < 4096 ? setup->tx_ring_frames : 4096);
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
    for (uint32_t i = 0; rc == 0 && i < p->pairs; i++) {
        uint32_t before = p->arena->lent;
        p->arena->filling = i < setup->n_rxq ? setup->rx_pool[i] : setup->n_pools != 0 ? setup->pools[0] : NULL;
        rc = rte_eth_rx_queue_setup(p->id, (uint16_t)i, n_rx, (unsigned)SOCKET_ID_ANY, NULL, p->arena->mempool);
        count_lent(p, i, before);
        rc = rc < 0 ? rc : rte_eth_tx_queue_setup(p->id, (uint16_t)i, n_tx, (unsigned)SOCKET_ID_ANY, NULL);
    }
    bool empty = rc == -ENOMEM || rc == -ENOBUFS;
    return rc < 0 ? refused(p, empty ? "a queue (memory.chunks: too few to fill it?)" : "a queue", rc, err) : 0;
}

/* NICs fill their rings here, all alike. */
static int start(struct mr_dpdk_port *p, struct mr_error *err)
{
    uint32_t before = p->arena->lent;
    int rc = rte_eth_dev_start(p->id);
    uint32_t took = p->arena->lent - before;
    for (uint32_t i = p->pairs; i-- > 0;) {
        uint32_t share = took / (i + 1);
        took -= share;
        count_lent(p, i, p->arena->lent - share);
    }
    if (rc < 0) {
        return refused(p, "to start", rc, err);
    }
    p->is_open = true;
    rte_eth_promiscuous_enable(p->id); // what knows no such thing takes every frame anyway
    rte_eth_stats_reset(p->id);
    return 0;
}

/* The longest frame that it sends: by the interface where it is one of the kernel's, by the device where it has a limit. */
static void learn_length(struct mr_dpdk_port *p, const struct rte_eth_dev_info *info)
{
    char name[IF_NAMESIZE];
    struct mr_link link;
    uint16_t mtu = 1500;
    rte_eth_dev_get_mtu(p->id, &mtu);
    p->mtu = mtu;
    if (info->if_index != 0 && if_indextoname(info->if_index, name) != NULL && mr_link_find(name, &link) == 0) {
        p->port->ifindex = (int)info->if_index;
        p->mtu = link.mtu;
    }
    bool any = p->port->ifindex == 0 && info->max_rx_pktlen > PACKET_MAX;
    for (uint32_t i = 0; i < p->port->n_txq; i++) {
        struct mr_dpdk_txq *q = MR_CONTAINER_OF(p->port->txq[i], struct mr_dpdk_txq, q);
        q->longest = q->widest = any ? PACKET_MAX : p->mtu + MR_DPDK_HEADER_AND_TAG;
        if (p->n_sockets != 0 && q->widest > mr_dpdk_packet_longest(p)) {
            q->longest = q->widest = mr_dpdk_packet_longest(p);
        }
    }
}

int mr_dpdk_carrier(struct mr_port *port)
{
    const struct mr_dpdk_port *p = port->state;
    struct rte_eth_link link = {0};
    return !p->is_open || rte_eth_link_get_nowait(p->id, &link) < 0 ? -1 : link.link_status == RTE_ETH_LINK_UP;
}

static int check_up(const struct mr_dpdk_port *p, struct mr_error *err)
{
    return p->port->config->require != MR_REQUIRE_UP || mr_dpdk_carrier(p->port) == 1
               ? 0
               : mr_error_set(err, MR_FAULT_MACHINE, ENETDOWN, "port %s: require: up, but %s has no link; bring it up, or require: "
                              "device", p->port->config->name, p->name);
}

int mr_dpdk_start(struct mr_dpdk_port *p, const struct rte_eth_dev_info *info, const struct mr_port_setup *setup,
                  struct mr_error *err)
{
    int rc = configure(p, info, err);
    rc = rc < 0 ? rc : set_up_queues(p, setup, err);
    rc = rc < 0 ? rc : start(p, err);
    if (rc < 0) {
        return rc;
    }
    learn_length(p, info);
    return check_up(p, err);
}
