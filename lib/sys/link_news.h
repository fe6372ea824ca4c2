/* link_news.h: what becomes of interfaces, as rtnetlink tells it: unasked when something changes, and when asked.
 *
 * A socket belongs to the network namespace it was opened in, wherever its thread goes later. Reading never waits. The
 * kernel tells carrier changes up to a second late (it rations them), so who must know now asks: the answer is as of the
 * question. When more was told than the socket holds, news are lost and reading says so: then ask for everything.
 * Control thread only.
 */
#ifndef MILLRACE_SYS_LINK_NEWS_H
#define MILLRACE_SYS_LINK_NEWS_H

#include "lib/sys/netlink.h"

/* One interface, as it is now. there = false: it was deleted, moved away, or what was asked for does not exist; then of
 * `link` at most the index is known. */
struct mr_link_news {
    uint32_t question; /* that this answers; 0 = told unasked */
    bool there;
    bool moved; /* not there: it went to another network namespace */
    struct mr_link link;
};

typedef void (*mr_link_news_fn)(void *arg, const struct mr_link_news *news);

/* mr_link_news_open: the socket, or -errno. */
int mr_link_news_open(void);

/* mr_link_news_ask: for one interface, by index or, when that is 0, by name. question: any number but 0, comes back
 * with the answer. 0 or -errno. */
int mr_link_news_ask(int fd, uint32_t question, int index, const char *name);

/* mr_link_news_read: all that waits. 0, -ENOBUFS = news were lost (what was read was told), or -errno. */
int mr_link_news_read(int fd, mr_link_news_fn tell, void *arg);

/* mr_link_news_parse: the messages of one datagram; what is cut short, lies about its length or is of another kind is
 * passed over. self: the address of the socket it was sent to; 0 = it was sent to all, and so answers nothing. */
void mr_link_news_parse(const void *data, size_t bytes, uint32_t self, mr_link_news_fn tell, void *arg);

#endif
