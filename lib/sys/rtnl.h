/* rtnl.h: a question to rtnetlink and its answer. For netlink.c and link_news.c only.
 *
 * A request is built piece by piece in memory of the caller's; attributes nest by open and close. Nothing checks the
 * room: the largest request, a veth pair, takes 200 bytes.
 */
#ifndef MILLRACE_SYS_RTNL_H
#define MILLRACE_SYS_RTNL_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_rtnl_request {
    struct nlmsghdr header;
    char body[512];
};

struct mr_rtnl_answer {
    void (*on_message)(void *arg, const struct nlmsghdr *h); /* for each that is no error; may be NULL */
    void *arg;
    char said[160]; /* the kernel's own words about an error, or empty */
};

/* mr_rtnl_put: bytes at the end (zeroes when data is NULL). Returns where they lie. */
void *mr_rtnl_put(struct mr_rtnl_request *r, const void *data, size_t bytes);

struct rtattr *mr_rtnl_open(struct mr_rtnl_request *r, uint16_t type);
void mr_rtnl_close(struct mr_rtnl_request *r, struct rtattr *a);

/* Whole attributes. */
void mr_rtnl_attribute(struct mr_rtnl_request *r, uint16_t type, const void *data, size_t bytes);
void mr_rtnl_text(struct mr_rtnl_request *r, uint16_t type, const char *text);
void mr_rtnl_u32(struct mr_rtnl_request *r, uint16_t type, uint32_t value);

/* mr_rtnl_ask: send, and read to the acknowledgement or the end of the dump. 0 or -errno. */
int mr_rtnl_ask(const struct mr_rtnl_request *r, struct mr_rtnl_answer *answer);

/* mr_rtnl_whole: a message that ends within the `left` bytes from its header on. NLMSG_NEXT may take `left` below 0, and
 * NLMSG_OK compares it as a length. */
static inline bool mr_rtnl_whole(const struct nlmsghdr *h, int left)
{
    return left >= (int)sizeof *h && h->nlmsg_len >= sizeof *h && h->nlmsg_len <= (uint32_t)left;
}

/* mr_rtnl_read: one datagram of an answer. 1 = more is to come, 0 = done, or -errno. */
int mr_rtnl_read(struct mr_rtnl_answer *answer, const void *reply, size_t bytes);

/* mr_rtnl_link: what a message about an interface says, into a cleared link; moved: and that it goes to another network
 * namespace. Attributes shorter than what they should hold are passed over. false: no such message. rtnl_link.c */
struct mr_link;
bool mr_rtnl_link(const struct nlmsghdr *h, struct mr_link *link, bool *moved);

#endif
