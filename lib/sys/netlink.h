/* netlink.h: interfaces of the network namespace the calling thread is in: look, make, remove. Control thread only.
 *
 * Each call opens a socket of its own and closes it; sending is by rtnetlink, offload switches by the ethtool ioctl.
 */
#ifndef MILLRACE_SYS_NETLINK_H
#define MILLRACE_SYS_NETLINK_H

#include <millrace/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_LINKS_MAX 256u

struct mr_link {
    int index;
    char name[32];
    unsigned char mac[6];
    uint32_t mtu;
    bool up;      /* administratively */
    bool carrier; /* IFF_LOWER_UP */
    uint32_t rx_queues, tx_queues; /* 0 = not told */
    uint32_t carrier_downs;        /* how often the carrier was lost, ever */
    uint32_t xdp_id;               /* of the XDP program on it, 0 = none */
    uint32_t master;               /* index of the device (bridge, bond, VRF ...) whose port it is, 0 = none */
    /* IFLA_STATS64, the kernel's names */
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors, tx_errors;
};

/* mr_link_find: 0, -ENODEV, or -errno. mr_link_list: how many, at most max. */
int mr_link_find(const char *name, struct mr_link *link);
int mr_link_list(struct mr_link *links, uint32_t max);

/* mr_link_names: "lo, veth1, veth2" for messages. Returns text. */
const char *mr_link_names(char *text, size_t bytes);

/* mr_link_veth: make a pair; the peer is made in the namespace peer_ns_fd (-1 = the same). queues: of each end. */
int mr_link_veth(const char *name, const char *peer, int peer_ns_fd, uint32_t queues, struct mr_error *err);
/* mr_link_bridge: make one, without ports. mr_link_master: a device becomes a port of it. */
int mr_link_bridge(const char *name, struct mr_error *err);
int mr_link_master(const char *name, const char *master, struct mr_error *err);
int mr_link_up(const char *name, struct mr_error *err);
int mr_link_mtu(const char *name, uint32_t mtu, struct mr_error *err);
int mr_link_move(const char *name, int ns_fd, struct mr_error *err); /* to another namespace, where it is down at first */
int mr_link_delete(const char *name, struct mr_error *err);
int mr_link_address(const char *name, const char *cidr, struct mr_error *err); /* IPv4, "10.0.0.1/24" */

/* Offload state of a device, by ethtool's words: "tx-checksumming", "tcp-segmentation-offload",
 * "generic-segmentation-offload", "generic-receive-offload". */
struct mr_link_offloads {
    bool tx_csum, tso, gso, gro, rx_vlan, tx_vlan;
};
int mr_link_offloads_get(const char *name, struct mr_link_offloads *o);
int mr_link_offloads_set(const char *name, const struct mr_link_offloads *o, struct mr_error *err);

/* mr_link_channels: RX queues in use, as ethtool -l has them: rx and combined; `kind`, "rx" or "combined", is what ethtool -L
 * sets. 0 or -errno: not every driver tells. */
int mr_link_channels(const char *name, uint32_t *rx_queues, const char **kind);

#endif
