#include "lib/sys/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_BYTES 32768 /* what the kernel fills a dump's message up to */

void *mr_rtnl_put(struct mr_rtnl_request *r, const void *data, size_t bytes)
{
    void *at = (char *)r + NLMSG_ALIGN(r->header.nlmsg_len);
    memset(at, 0, NLMSG_ALIGN(bytes));
    if (data != NULL) {
        memcpy(at, data, bytes);
    }
    r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + (uint32_t)bytes;
    return at;
}

struct rtattr *mr_rtnl_open(struct mr_rtnl_request *r, uint16_t type)
{
    struct rtattr head = {.rta_type = type};
    return mr_rtnl_put(r, &head, sizeof head);
}

void mr_rtnl_close(struct mr_rtnl_request *r, struct rtattr *a)
{
    a->rta_len = (uint16_t)((char *)r + r->header.nlmsg_len - (char *)a);
}

void mr_rtnl_attribute(struct mr_rtnl_request *r, uint16_t type, const void *data, size_t bytes)
{
    struct rtattr *a = mr_rtnl_open(r, type);
    mr_rtnl_put(r, data, bytes);
    mr_rtnl_close(r, a);
}

void mr_rtnl_text(struct mr_rtnl_request *r, uint16_t type, const char *text)
{
    mr_rtnl_attribute(r, type, text, strlen(text) + 1);
}

void mr_rtnl_u32(struct mr_rtnl_request *r, uint16_t type, uint32_t value)
{
    mr_rtnl_attribute(r, type, &value, sizeof value);
}

/* An acknowledgement, or an error with the kernel's sentence behind it (NETLINK_CAP_ACK leaves our request out). */
static int read_error(struct mr_rtnl_answer *answer, const struct nlmsghdr *h)
{
    const struct nlmsgerr *e = NLMSG_DATA(h);
    int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof *e);
    if (left < 0) {
        return -EBADMSG;
    }
    const struct rtattr *a = (const void *)(e + 1);
    for (; (h->nlmsg_flags & NLM_F_ACK_TLVS) != 0 && RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == NLMSGERR_ATTR_MSG) {
            snprintf(answer->said, sizeof answer->said, "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
        }
    }
    return e->error > 0 ? -EBADMSG : e->error; // above 0 would be taken for "more is to come", and waited for
}

int mr_rtnl_read(struct mr_rtnl_answer *answer, const void *reply, size_t bytes)
{
    int left = (int)bytes; // NLMSG_NEXT may take it below 0
    for (const struct nlmsghdr *h = reply; mr_rtnl_whole(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_ERROR) {
            return read_error(answer, h);
        }
        if (h->nlmsg_type == NLMSG_DONE) {
            return 0;
        }
        if (answer->on_message != NULL) {
            answer->on_message(answer->arg, h);
        }
    }
    return 1;
}

static int exchange(int fd, const struct mr_rtnl_request *r, struct mr_rtnl_answer *answer, char *reply)
{
    int rc = 1;
    if (send(fd, r, r->header.nlmsg_len, 0) < 0) {
        return -errno;
    }
    while (rc > 0) {
        ssize_t got = recv(fd, reply, REPLY_BYTES, 0);
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        rc = got < 0 ? 1 : mr_rtnl_read(answer, reply, (size_t)got);
    }
    return rc;
}

int mr_rtnl_ask(const struct mr_rtnl_request *r, struct mr_rtnl_answer *answer)
{
    static const int on = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    char *reply = malloc(REPLY_BYTES);
    int rc = reply == NULL ? -ENOMEM : exchange(fd, r, answer, reply);
    free(reply);
    close(fd);
    return rc;
}
