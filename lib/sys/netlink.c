#include "lib/sys/netlink.h"

#include "lib/sys/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct mr_rtnl_request link_request(uint16_t type, uint16_t flags, const struct ifinfomsg *info)
{
    static const struct ifinfomsg any;
    struct mr_rtnl_request r = {
        .header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags}};
    mr_rtnl_put(&r, info == NULL ? &any : info, sizeof any);
    return r;
}

/* ---- looking ---- */

struct links {
    struct mr_link *at;
    uint32_t n, max;
};

static void read_link(void *arg, const struct nlmsghdr *h)
{
    struct links *links = arg;
    bool moved;
    if (h->nlmsg_type == RTM_NEWLINK && links->n < links->max && mr_rtnl_link(h, &links->at[links->n], &moved)) {
        links->n++;
    }
}

int mr_link_find(const char *name, struct mr_link *link)
{
    struct links links = {link, 0, 1};
    struct mr_rtnl_answer answer = {.on_message = read_link, .arg = &links};
    struct mr_rtnl_request r = link_request(RTM_GETLINK, NLM_F_ACK, NULL);
    if (strlen(name) >= IFNAMSIZ || name[0] == 0) {
        return -ENODEV;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    return mr_rtnl_ask(&r, &answer);
}

int mr_link_list(struct mr_link *links, uint32_t max)
{
    struct links all = {links, 0, max};
    struct mr_rtnl_answer answer = {.on_message = read_link, .arg = &all};
    struct mr_rtnl_request r = link_request(RTM_GETLINK, NLM_F_DUMP, NULL);
    int rc = mr_rtnl_ask(&r, &answer);
    return rc < 0 ? rc : (int)all.n;
}

const char *mr_link_names(char *text, size_t bytes)
{
    size_t used = 0;
    struct mr_link *links = calloc(MR_LINKS_MAX, sizeof *links);
    int n = links == NULL ? 0 : mr_link_list(links, MR_LINKS_MAX);
    text[0] = 0;
    for (int i = 0; i < n && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", links[i].name);
    }
    free(links);
    return text;
}

/* ---- changing ---- */

static const char *hint(int rc)
{
    switch (-rc) {
    case EPERM:
        return "; needs CAP_NET_ADMIN in this network namespace";
    case EEXIST:
        return "; the name or address is taken: delete it, or choose another";
    case EOPNOTSUPP:
        return "; the kernel or the device lacks it";
    case EBUSY:
        return "; somebody else is using it";
    default:
        return mr_error_remedy(rc);
    }
}

/* Send a change. The error reads "cannot <what>: <reason> (<the kernel's words>); <what to do>". */
static int change(const struct mr_rtnl_request *r, const char *what, struct mr_error *err)
{
    struct mr_rtnl_answer answer = {0};
    char names[200];
    int rc = mr_rtnl_ask(r, &answer);
    if (rc == 0) {
        return 0;
    }
    bool heard = answer.said[0] != 0;
    if (rc == -ENODEV) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc,
                            "cannot %s: no such interface in this network namespace; "
                            "there are: %s",
                            what, mr_link_names(names, sizeof names));
    }
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot %s: %s%s%s%s%s", what, strerror(-rc), heard ? " (" : "",
                        answer.said, heard ? ")" : "", hint(rc));
}

static int check_name(const char *name, struct mr_error *err)
{
    size_t length = strlen(name);
    if (length > 0 && length < IFNAMSIZ) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "\"%.60s\" cannot be an interface: a name has 1 to %d characters",
                        name, IFNAMSIZ - 1);
}

static void end_of_pair(struct mr_rtnl_request *r, const char *name, uint32_t queues)
{
    mr_rtnl_text(r, IFLA_IFNAME, name);
    mr_rtnl_u32(r, IFLA_NUM_TX_QUEUES, queues);
    mr_rtnl_u32(r, IFLA_NUM_RX_QUEUES, queues);
}

int mr_link_veth(const char *name, const char *peer, int peer_ns_fd, uint32_t queues, struct mr_error *err)
{
    static const struct ifinfomsg any;
    char what[80];
    struct mr_rtnl_request r = link_request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NULL);
    int rc = check_name(name, err);
    rc = rc < 0 ? rc : check_name(peer, err);
    if (rc < 0) {
        return rc;
    }
    end_of_pair(&r, name, queues);
    struct rtattr *linkinfo = mr_rtnl_open(&r, IFLA_LINKINFO);
    mr_rtnl_text(&r, IFLA_INFO_KIND, "veth");
    struct rtattr *data = mr_rtnl_open(&r, IFLA_INFO_DATA);
    struct rtattr *other = mr_rtnl_open(&r, VETH_INFO_PEER);
    mr_rtnl_put(&r, &any, sizeof any);
    end_of_pair(&r, peer, queues);
    if (peer_ns_fd >= 0) {
        mr_rtnl_u32(&r, IFLA_NET_NS_FD, (uint32_t)peer_ns_fd);
    }
    mr_rtnl_close(&r, other);
    mr_rtnl_close(&r, data);
    mr_rtnl_close(&r, linkinfo);
    snprintf(what, sizeof what, "make veth pair %s and %s", name, peer);
    return change(&r, what, err);
}

int mr_link_bridge(const char *name, struct mr_error *err)
{
    char what[64];
    struct mr_rtnl_request r = link_request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NULL);
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    struct rtattr *linkinfo = mr_rtnl_open(&r, IFLA_LINKINFO);
    mr_rtnl_text(&r, IFLA_INFO_KIND, "bridge");
    mr_rtnl_close(&r, linkinfo);
    snprintf(what, sizeof what, "make bridge %s", name);
    return change(&r, what, err);
}

int mr_link_master(const char *name, const char *master, struct mr_error *err)
{
    char what[64];
    struct mr_link bridge;
    struct mr_rtnl_request r = link_request(RTM_NEWLINK, NLM_F_ACK, NULL);
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    snprintf(what, sizeof what, "make %s a port of %s", name, master);
    rc = mr_link_find(master, &bridge);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "cannot %s: %s", what, strerror(-rc));
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    mr_rtnl_u32(&r, IFLA_MASTER, (uint32_t)bridge.index);
    return change(&r, what, err);
}

int mr_link_up(const char *name, struct mr_error *err)
{
    char what[64];
    struct mr_rtnl_request r =
        link_request(RTM_NEWLINK, NLM_F_ACK, &(struct ifinfomsg){.ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    snprintf(what, sizeof what, "bring %s up", name);
    return change(&r, what, err);
}

int mr_link_mtu(const char *name, uint32_t mtu, struct mr_error *err)
{
    char what[64];
    struct mr_rtnl_request r = link_request(RTM_NEWLINK, NLM_F_ACK, NULL);
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    mr_rtnl_u32(&r, IFLA_MTU, mtu);
    snprintf(what, sizeof what, "set the MTU of %s to %u", name, mtu);
    return change(&r, what, err);
}

int mr_link_move(const char *name, int ns_fd, struct mr_error *err)
{
    char what[80];
    struct mr_rtnl_request r = link_request(RTM_NEWLINK, NLM_F_ACK, NULL);
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    mr_rtnl_u32(&r, IFLA_NET_NS_FD, (uint32_t)ns_fd);
    snprintf(what, sizeof what, "move %s to another network namespace", name);
    return change(&r, what, err);
}

int mr_link_delete(const char *name, struct mr_error *err)
{
    char what[64];
    struct mr_rtnl_request r = link_request(RTM_DELLINK, NLM_F_ACK, NULL);
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    mr_rtnl_text(&r, IFLA_IFNAME, name);
    snprintf(what, sizeof what, "delete %s", name);
    return change(&r, what, err);
}

static int parse_cidr(const char *cidr, struct in_addr *address, uint8_t *prefix)
{
    char text[INET_ADDRSTRLEN], *end;
    const char *slash = strchr(cidr, '/');
    if (slash == NULL || (size_t)(slash - cidr) >= sizeof text) {
        return -EINVAL;
    }
    snprintf(text, sizeof text, "%.*s", (int)(slash - cidr), cidr);
    unsigned long bits = strtoul(slash + 1, &end, 10);
    *prefix = (uint8_t)bits;
    return inet_pton(AF_INET, text, address) == 1 && end != slash + 1 && *end == 0 && bits <= 32 ? 0 : -EINVAL;
}

int mr_link_address(const char *name, const char *cidr, struct mr_error *err)
{
    char what[96];
    struct ifaddrmsg message = {.ifa_family = AF_INET};
    struct in_addr address;
    struct mr_link link = {0};
    struct mr_rtnl_request r = {.header = {.nlmsg_len = NLMSG_HDRLEN,
                                           .nlmsg_type = RTM_NEWADDR,
                                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    if (parse_cidr(cidr, &address, &message.ifa_prefixlen) < 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "address \"%.40s\" for %s: write it as 10.0.0.1/24", cidr,
                            name);
    }
    mr_link_find(name, &link); // what is not found has index 0, and the kernel says so
    message.ifa_index = (uint32_t)link.index;
    mr_rtnl_put(&r, &message, sizeof message);
    mr_rtnl_attribute(&r, IFA_LOCAL, &address, sizeof address);
    mr_rtnl_attribute(&r, IFA_ADDRESS, &address, sizeof address);
    snprintf(what, sizeof what, "give %s the address %.40s", name, cidr);
    return change(&r, what, err);
}
