/* fuzz_netlink.c: bytes as what rtnetlink says: answers with lists of links, acknowledgements, errors in words; and news of
 * links. Nothing is read behind the end, whatever the lengths within say; names and words end. */
#include "tests/fuzz/fuzz.h"

#include "lib/sys/link_news.h"
#include "lib/sys/rtnl.h"

#include <linux/rtnetlink.h>

struct seen {
    uint32_t messages;
};

static void check_link(const struct mr_link *link)
{
    FUZZ_CHECK(memchr(link->name, 0, sizeof link->name) != NULL, "a name without an end");
}

static void on_message(void *arg, const struct nlmsghdr *h)
{
    struct seen *seen = arg;
    struct mr_link link;
    bool moved = false;
    if (mr_rtnl_link(h, &link, &moved)) {
        check_link(&link);
    }
    seen->messages++;
}

static void on_news(void *arg, const struct mr_link_news *news)
{
    struct seen *seen = arg;
    check_link(&news->link);
    seen->messages++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct seen asked = {0}, told = {0};
    struct mr_rtnl_answer answer = {.on_message = on_message, .arg = &asked};
    void *reply = malloc(bytes == 0 ? 1 : bytes); // of its own, so that a read past its end is seen
    memcpy(reply, data, bytes);
    int rc = mr_rtnl_read(&answer, reply, bytes);
    FUZZ_CHECK(rc <= 1, "%d", rc);
    FUZZ_CHECK(memchr(answer.said, 0, sizeof answer.said) != NULL, "words without an end");
    uint32_t self = bytes < NLMSG_HDRLEN ? 0 : ((struct nlmsghdr *)reply)->nlmsg_pid; // so that there are answers
    mr_link_news_parse(reply, bytes, self, on_news, &told);
    FUZZ_CHECK(asked.messages <= bytes / NLMSG_HDRLEN && told.messages <= bytes / NLMSG_HDRLEN, "%u and %u in %zu bytes",
               asked.messages, told.messages, bytes);
    free(reply);
    return 0;
}
