#include "lib/sys/link_news.h"

#include "lib/sys/rtnl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM_BYTES = 32768, SOCKET_BYTES = 1 << 20 };

/* ---- parsing ---- */

/* Whose number it is: what somebody else's request did (NLM_F_ECHO) is told to all with its number and address. */
static bool answers(const struct nlmsghdr *h, uint32_t self)
{
    return self != 0 && h->nlmsg_pid == self && h->nlmsg_seq != 0 && h->nlmsg_type != RTM_DELLINK;
}

/* An interface joins and leaves a bridge by messages of the bridge's family: they say nothing about its life. */
static void parse_link(const struct nlmsghdr *h, uint32_t self, mr_link_news_fn tell, void *arg)
{
    struct mr_link_news news = {.question = answers(h, self) ? h->nlmsg_seq : 0, .there = h->nlmsg_type == RTM_NEWLINK};
    const struct ifinfomsg *info = NLMSG_DATA(h);
    if (!mr_rtnl_link(h, &news.link, &news.moved) || info->ifi_family != AF_UNSPEC) {
        return;
    }
    tell(arg, &news);
}

/* The answer to a question about what is not there. Other errors are no news: who asks has a clock. */
static void parse_error(const struct nlmsghdr *h, uint32_t self, mr_link_news_fn tell, void *arg)
{
    const struct nlmsgerr *e = NLMSG_DATA(h);
    struct mr_link_news news = {.question = h->nlmsg_seq};
    if (h->nlmsg_len >= NLMSG_LENGTH(sizeof *e) && e->error == -ENODEV && answers(h, self)) {
        tell(arg, &news);
    }
}

void mr_link_news_parse(const void *data, size_t bytes, uint32_t self, mr_link_news_fn tell, void *arg)
{
    const struct nlmsghdr *h = data;
    int left = bytes > DATAGRAM_BYTES ? DATAGRAM_BYTES : (int)bytes;
    for (; mr_rtnl_whole(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) {
            parse_link(h, self, tell, arg);
        } else if (h->nlmsg_type == NLMSG_ERROR) {
            parse_error(h, self, tell, arg);
        }
    }
}

/* ---- the socket ---- */

int mr_link_news_open(void)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int bytes = SOCKET_BYTES;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); // less is enough: what does not fit is asked for
    if (bind(fd, (struct sockaddr *)&groups, sizeof groups) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int mr_link_news_ask(int fd, uint32_t question, int index, const char *name)
{
    struct ifinfomsg info = {.ifi_index = index};
    struct mr_rtnl_request r = {.header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_GETLINK,
                                           .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = question}};
    if (index == 0 && strlen(name) >= IFNAMSIZ) {
        return -ENODEV;
    }
    mr_rtnl_put(&r, &info, sizeof info);
    if (index == 0) {
        mr_rtnl_text(&r, IFLA_IFNAME, name);
    }
    return send(fd, &r, r.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The socket's address, for as long as it lives; 0 = not known: then nothing is taken for an answer. */
static uint32_t address_of(int fd)
{
    struct sockaddr_nl self = {0};
    socklen_t size = sizeof self;
    return getsockname(fd, (struct sockaddr *)&self, &size) < 0 ? 0 : self.nl_pid;
}

int mr_link_news_read(int fd, mr_link_news_fn tell, void *arg)
{
    union {
        struct nlmsghdr header;
        char bytes[DATAGRAM_BYTES];
    } reply;
    bool lost = false;
    for (;;) {
        struct sockaddr_nl from = {0};
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(fd, &reply, sizeof reply, 0, (struct sockaddr *)&from, &size);
        if (got < 0 && errno != ENOBUFS) {
            return errno != EAGAIN && errno != EINTR ? -errno : lost ? -ENOBUFS : 0;
        }
        lost |= got < 0;
        if (got > 0 && from.nl_pid == 0) { // the kernel, and nobody else
            uint32_t self = from.nl_groups == 0 ? address_of(fd) : 0;
            mr_link_news_parse(&reply, (size_t)got, self, tell, arg);
        }
    }
}
