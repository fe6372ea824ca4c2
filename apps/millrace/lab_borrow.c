/* lab_borrow.c: devices of the user's in place of the lab's: looked at closely before a frame is sent. They stay where they are,
 * under their names: nothing is moved, set up or made, so that nothing is left behind however we end. */
#include "apps/millrace/lab_net.h"

#include "lib/sys/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const role[LAB_DEVICES] = {"the source's device", "--device", "--device", "the sink's device"};

/* ---- what it is used for ---- */

static bool link_local(const struct sockaddr *a)
{
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static bool has_address(const char *name)
{
    struct ifaddrs *all;
    bool found = false;
    if (getifaddrs(&all) != 0) {
        return true; // not known: then it is not ours to flood
    }
    for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
        bool network = a->ifa_addr != NULL && (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6);
        found |= network && strcmp(a->ifa_name, name) == 0 && !link_local(a->ifa_addr);
    }
    freeifaddrs(all);
    return found;
}

static bool has_default_route(const char *name)
{
    char line[256], device[IF_NAMESIZE + 1], to[40];
    bool found = false;
    FILE *f = fopen("/proc/thread-self/net/route", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        found |= sscanf(line, "%16s %39s", device, to) == 2 && strcmp(device, name) == 0 && strcmp(to, "00000000") == 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    f = fopen("/proc/thread-self/net/ipv6_route", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        found |= strncmp(line, "00000000000000000000000000000000 00 ", 36) == 0 &&
                 sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %16s", device) == 1 && strcmp(device, name) == 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static int check(const char *name, const char *as, bool consent, struct mr_error *err)
{
    struct mr_link link;
    char names[256], master[IF_NAMESIZE];
    if (mr_link_find(name, &link) != 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, ENODEV, "compare: %s %s: there is none of that name here; there are: %s", as, name,
                            mr_link_names(names, sizeof names));
    }
    if (!link.up || !link.carrier) {
        return mr_error_set(err, MR_FAULT_CONFIG, ENETDOWN, "compare: %s %s %s; %s", as, name, link.up ? "has no carrier" : "is down",
                            link.up ? "plug in its cable, or bring its peer up" : "ip link set it up");
    }
    if (!consent && has_default_route(name)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "compare: %s %s carries the default route: it would be flooded, and what the "
                            "machine receives by it would be forwarded or lost; take another device, or say --yes", as, name);
    }
    if (!consent && link.master != 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "compare: %s %s is a port of %s: the flood would reach its other ports; take "
                            "another device, ip link set %s nomaster, or say --yes", as, name,
                            if_indextoname(link.master, master) != NULL ? master : "another device", name);
    }
    if (!consent && has_address(name)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "compare: %s %s has an address: what the machine receives by it would be "
                            "forwarded or lost; take another device, remove the address, or say --yes", as, name);
    }
    return 0;
}

/* ---- whose end is at the other end ---- */

static int number_in(const char *device, const char *what)
{
    char file[128];
    int n = 0;
    snprintf(file, sizeof file, "/sys/class/net/%s/%s", device, what);
    FILE *f = fopen(file, "re");
    if (f != NULL) {
        n = fscanf(f, "%d", &n) == 1 ? n : 0;
        fclose(f);
    }
    return n;
}

bool lab_veth_peer(const char *name, char peer[static IF_NAMESIZE])
{
    int own = (int)if_nametoindex(name), other = number_in(name, "iflink");
    return own != 0 && other != 0 && other != own && number_in(name, "ifindex") == own && // /sys may be another namespace's
           if_indextoname((unsigned int)other, peer) != NULL && number_in(peer, "iflink") == own;
}

/* ---- all ---- */

static int named_once(const char *const device[LAB_DEVICES], uint32_t which, struct mr_error *err)
{
    for (uint32_t i = 0; i < which; i++) {
        if (strcmp(device[i], device[which]) == 0) {
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: %s is named twice: two forward, one feeds, one is fed",
                                device[which]);
        }
    }
    return 0;
}

static int open_sides(struct lab_net *net, struct mr_error *err)
{
    for (uint32_t side = 0; side < net->sides; side++) {
        net->side[side].ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (net->side[side].ns < 0) {
            return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: cannot open this network namespace: %s%s", strerror(errno),
                                mr_error_remedy(errno));
        }
    }
    return 0;
}

int lab_net_borrow(struct lab_net *net, const char *const device[LAB_DEVICES], bool consent, struct mr_error *err)
{
    *net = (struct lab_net){.side = {{.ns = -1}, {.ns = -1}, {.ns = -1}}, .sides = LAB_FAR, .borrowed = true};
    for (uint32_t i = 0; i < LAB_DEVICES; i++) {
        net->device[i] = device[i];
        int result = check(device[i], role[i], consent, err);
        result = result < 0 ? result : named_once(device, i, err);
        if (result < 0) {
            return result;
        }
    }
    if (!mr_has_capability(CAP_SYS_ADMIN) || !mr_has_capability(CAP_NET_ADMIN) || !mr_has_capability(CAP_NET_RAW)) {
        return mr_error_set(err, MR_FAULT_MACHINE, EPERM, "compare: --device needs root in this network namespace; run it as root: sudo "
                            "millrace compare, or leave --device out for the lab");
    }
    int result = open_sides(net, err);
    if (result < 0) {
        lab_net_destroy(net);
    }
    return result;
}
