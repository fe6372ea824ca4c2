/* ethtool.c: the offload switches and channels of netlink.h, by the ethtool ioctl of the calling thread's namespace. */
#include "lib/sys/netlink.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* In this order they are set: without checksums the kernel switches the segmentations off by itself. */
static const struct offload {
    const char *name; /* ethtool -k */
    uint32_t get, set;
    uint32_t bit; /* of the value that get returns and set takes */
    size_t field;
} offloads[] = {
    {"tx-checksumming", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, 1, offsetof(struct mr_link_offloads, tx_csum)},
    {"tcp-segmentation-offload", ETHTOOL_GTSO, ETHTOOL_STSO, 1, offsetof(struct mr_link_offloads, tso)},
    {"generic-segmentation-offload", ETHTOOL_GGSO, ETHTOOL_SGSO, 1, offsetof(struct mr_link_offloads, gso)},
    {"generic-receive-offload", ETHTOOL_GGRO, ETHTOOL_SGRO, 1, offsetof(struct mr_link_offloads, gro)},
    {"rx-vlan-offload", ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_RXVLAN, offsetof(struct mr_link_offloads, rx_vlan)},
    {"tx-vlan-offload", ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_TXVLAN, offsetof(struct mr_link_offloads, tx_vlan)},
};
#define OFFLOADS (sizeof offloads / sizeof offloads[0])

static int call(int fd, const char *name, uint32_t command, uint32_t *value)
{
    struct ethtool_value v = {.cmd = command, .data = *value};
    struct ifreq request = {.ifr_data = (void *)&v};
    memcpy(request.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, SIOCETHTOOL, &request) < 0) {
        return -errno;
    }
    *value = v.data;
    return 0;
}

static int open_for(const char *name)
{
    if (strlen(name) >= IFNAMSIZ) {
        return -ENODEV;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int mr_link_offloads_get(const char *name, struct mr_link_offloads *o)
{
    int fd = open_for(name), rc = 0;
    if (fd < 0) {
        return fd;
    }
    for (size_t i = 0; i < OFFLOADS && rc == 0; i++) {
        uint32_t value = 0;
        rc = call(fd, name, offloads[i].get, &value);
        *(bool *)((char *)o + offloads[i].field) = (value & offloads[i].bit) != 0;
    }
    close(fd);
    return rc;
}

/* Only what differs is set, as a device refuses the switches that it does not have, even in their right position. The
 * kernel may take a switch and leave it as it was, so it is read again. */
static int set_one(int fd, const char *name, const struct offload *o, bool wanted)
{
    uint32_t value = 0;
    int rc = call(fd, name, o->get, &value);
    if (rc < 0 || ((value & o->bit) != 0) == wanted) {
        return rc;
    }
    value ^= o->bit;
    rc = call(fd, name, o->set, &value);
    rc = rc < 0 ? rc : call(fd, name, o->get, &value);
    return rc < 0 || ((value & o->bit) != 0) == wanted ? rc : -EOPNOTSUPP;
}

int mr_link_offloads_set(const char *name, const struct mr_link_offloads *o, struct mr_error *err)
{
    int fd = open_for(name), rc = fd < 0 ? fd : 0;
    size_t i = 0;
    for (; i < OFFLOADS && rc == 0; i++) {
        rc = set_one(fd, name, &offloads[i], *(const bool *)((const char *)o + offloads[i].field));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (rc < 0) {
        const struct offload *at = &offloads[i == 0 ? 0 : i - 1];
        bool wanted = *(const bool *)((const char *)o + at->field);
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot switch %s of %.60s %s: %s%s", at->name, name,
                            wanted ? "on" : "off", strerror(-rc),
                            rc == -EPERM        ? "; needs CAP_NET_ADMIN in this network namespace"
                            : rc == -EOPNOTSUPP ? "; the device keeps it as it is"
                                                : mr_error_remedy(rc));
    }
    return 0;
}

int mr_link_channels(const char *name, uint32_t *rx_queues, const char **kind)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq request = {.ifr_data = (void *)&c};
    int fd = open_for(name);
    if (fd < 0) {
        return fd;
    }
    memcpy(request.ifr_name, name, strlen(name) + 1);
    int rc = ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
    close(fd);
    *rx_queues = c.rx_count + c.combined_count;
    *kind = c.combined_count != 0 ? "combined" : "rx";
    return rc;
}
