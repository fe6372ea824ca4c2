#include "perf/bench_net.h"

#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int new_namespace(struct mr_error *err)
{
    int fd = -1;
    if (unshare(CLONE_NEWNET) == 0) {
        fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "a network namespace: %s", strerror(errno));
    }
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // fails on a kernel without IPv6, which is as good
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
    return fd;
}

static int device_up(const char *device, struct mr_error *err)
{
    struct mr_link_offloads o;
    int rc = mr_link_offloads_get(device, &o);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "offloads of %s: %s", device, strerror(-rc));
    }
    o.tx_csum = o.tso = o.gso = false;
    rc = mr_link_offloads_set(device, &o, err);
    return rc < 0 ? rc : mr_link_up(device, err);
}

/* Until its carrier is there the kernel drops what is sent. */
static int wait_carrier(const char *device, struct mr_error *err)
{
    const struct timespec nap = {0, 1000000};
    struct mr_link link;
    for (int tries = 0; tries < 2000; tries++) {
        if (mr_link_find(device, &link) == 0 && link.carrier) {
            return 0;
        }
        nanosleep(&nap, NULL);
    }
    return mr_error_set(err, MR_FAULT_MACHINE, ENETDOWN, "%s does not come up", device);
}

static int devices(const struct bench_net *net, struct mr_error *err)
{
    int rc;
    if ((rc = mr_link_veth("src", "left", net->forwarder, 1, err)) < 0 ||
        (rc = mr_link_veth("dst", "right", net->forwarder, 1, err)) < 0 || (rc = device_up("src", err)) < 0 ||
        (rc = device_up("dst", err)) < 0) {
        return rc;
    }
    setns(net->forwarder, CLONE_NEWNET);
    if ((rc = device_up("left", err)) == 0 && (rc = device_up("right", err)) == 0 &&
        (rc = wait_carrier("left", err)) == 0) {
        rc = wait_carrier("right", err);
    }
    setns(net->ends, CLONE_NEWNET);
    return rc;
}

int bench_net_create(struct bench_net *net, struct mr_error *err)
{
    if (!mr_has_capability(CAP_SYS_ADMIN) || !mr_has_capability(CAP_NET_ADMIN)) {
        return mr_error_set(err, MR_FAULT_MACHINE, EPERM, "network namespaces need root, or: unshare -Urn");
    }
    if ((net->forwarder = new_namespace(err)) < 0 || (net->ends = new_namespace(err)) < 0) {
        return -EPERM;
    }
    return devices(net, err);
}

uint64_t bench_net_arrived(void)
{
    struct mr_link link;
    return mr_link_find("dst", &link) == 0 ? link.rx_packets : 0;
}

static bool look_at(const struct bench_net *net, const char *device, struct mr_link *link)
{
    setns(net->forwarder, CLONE_NEWNET);
    bool found = mr_link_find(device, link) == 0;
    setns(net->ends, CLONE_NEWNET);
    return found;
}

uint64_t bench_net_arrived_at(const struct bench_net *net, const char *device)
{
    struct mr_link link;
    return look_at(net, device, &link) ? link.rx_packets : 0;
}

bool bench_net_up(const struct bench_net *net, const char *device)
{
    struct mr_link link;
    return look_at(net, device, &link) && link.up;
}

void bench_net_receive_by_napi(const struct bench_net *net, bool on)
{
    struct mr_link_offloads o;
    struct mr_error err;
    setns(net->forwarder, CLONE_NEWNET);
    if (mr_link_offloads_get("left", &o) == 0 && o.gro != on) {
        o.gro = on;
        mr_link_offloads_set("left", &o, &err);
    }
    setns(net->ends, CLONE_NEWNET);
}
