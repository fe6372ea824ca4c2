#include "lib/sys/netlink.h"
#include "lib/sys/rtnl.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

static void read_u32(const struct rtattr *a, uint32_t *to)
{
    if (RTA_PAYLOAD(a) >= sizeof *to) {
        memcpy(to, RTA_DATA(a), sizeof *to);
    }
}

static void read_statistics(const struct rtattr *a, struct mr_link *l)
{
    struct rtnl_link_stats64 s = {0};
    memcpy(&s, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof s ? RTA_PAYLOAD(a) : sizeof s);
    l->rx_packets = s.rx_packets, l->tx_packets = s.tx_packets;
    l->rx_bytes = s.rx_bytes, l->tx_bytes = s.tx_bytes;
    l->rx_dropped = s.rx_dropped, l->tx_dropped = s.tx_dropped;
    l->rx_errors = s.rx_errors, l->tx_errors = s.tx_errors;
}

static void read_xdp(const struct rtattr *nest, struct mr_link *l)
{
    int left = (int)RTA_PAYLOAD(nest);
    for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFLA_XDP_PROG_ID) {
            read_u32(a, &l->xdp_id);
        }
    }
}

static void read_attribute(const struct rtattr *a, struct mr_link *l, bool *moved)
{
    size_t bytes = RTA_PAYLOAD(a);
    switch (a->rta_type & NLA_TYPE_MASK) {
    case IFLA_IFNAME:
        snprintf(l->name, sizeof l->name, "%.*s", (int)bytes, (const char *)RTA_DATA(a));
        break;
    case IFLA_ADDRESS:
        memcpy(l->mac, RTA_DATA(a), bytes < sizeof l->mac ? bytes : sizeof l->mac);
        break;
    case IFLA_MTU:
        read_u32(a, &l->mtu);
        break;
    case IFLA_NUM_RX_QUEUES:
        read_u32(a, &l->rx_queues);
        break;
    case IFLA_NUM_TX_QUEUES:
        read_u32(a, &l->tx_queues);
        break;
    case IFLA_CARRIER_DOWN_COUNT:
        read_u32(a, &l->carrier_downs);
        break;
    case IFLA_MASTER:
        read_u32(a, &l->master);
        break;
    case IFLA_XDP:
        read_xdp(a, l);
        break;
    case IFLA_NEW_NETNSID:
        *moved = true;
        break;
    case IFLA_STATS64:
        read_statistics(a, l);
        break;
    }
}

bool mr_rtnl_link(const struct nlmsghdr *h, struct mr_link *l, bool *moved)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);
    int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof *info);
    *moved = false;
    if (left < 0) {
        return false;
    }
    *l = (struct mr_link){.index = info->ifi_index,
                          .up = (info->ifi_flags & IFF_UP) != 0,
                          .carrier = (info->ifi_flags & IFF_LOWER_UP) != 0};
    for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        read_attribute(a, l, moved);
    }
    return true;
}
