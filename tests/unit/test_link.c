/* Devices: what rtnetlink's messages say, whole, cut short and hostile; and what news make of a port, case by case. */
#include "lib/engine/link.h"
#include "lib/sys/rtnl.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- messages ---- */

static struct mr_link_news heard[64];
static uint32_t n_heard;

static void keep(void *arg, const struct mr_link_news *news)
{
    cr_assert_eq(arg, heard);
    heard[n_heard++ % 64] = *news;
}

enum { SELF = 77 };

static void parse_for(uint32_t self, const void *data, size_t bytes)
{
    n_heard = 0;
    mr_link_news_parse(data, bytes, self, keep, heard);
}

static void parse(const void *data, size_t bytes)
{
    parse_for(SELF, data, bytes);
}

static struct mr_rtnl_request message(uint16_t type, unsigned char family, unsigned int flags)
{
    struct ifinfomsg info = {.ifi_family = family, .ifi_index = 7, .ifi_flags = flags};
    struct mr_rtnl_request r = {.header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_seq = 3,
                                           .nlmsg_pid = SELF}};
    mr_rtnl_put(&r, &info, sizeof info);
    mr_rtnl_text(&r, IFLA_IFNAME, "veth7");
    mr_rtnl_u32(&r, IFLA_MTU, 1400);
    mr_rtnl_u32(&r, IFLA_CARRIER_DOWN_COUNT, 5);
    struct rtattr *xdp = mr_rtnl_open(&r, IFLA_XDP);
    mr_rtnl_u32(&r, IFLA_XDP_PROG_ID, 42);
    mr_rtnl_close(&r, xdp);
    return r;
}

Test(link, a_message_is_read)
{
    struct mr_rtnl_request r = message(RTM_NEWLINK, AF_UNSPEC, IFF_UP | IFF_LOWER_UP);
    parse(&r, r.header.nlmsg_len);
    cr_assert_eq(n_heard, 1);
    cr_expect(heard[0].there && !heard[0].moved && heard[0].link.up && heard[0].link.carrier);
    cr_expect_eq(heard[0].question, 3);
    cr_expect_eq(heard[0].link.index, 7);
    cr_expect_str_eq(heard[0].link.name, "veth7");
    cr_expect_eq(heard[0].link.mtu, 1400);
    cr_expect_eq(heard[0].link.carrier_downs, 5);
    cr_expect_eq(heard[0].link.xdp_id, 42);
}

Test(link, deleted_and_moved)
{
    struct mr_rtnl_request r = message(RTM_DELLINK, AF_UNSPEC, 0);
    parse(&r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && !heard[0].there && !heard[0].moved && !heard[0].link.up);
    mr_rtnl_u32(&r, IFLA_NEW_NETNSID, 0);
    parse(&r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && !heard[0].there && heard[0].moved);
}

Test(link, an_answer_is_sent_to_who_asked)
{
    struct mr_rtnl_request r = message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
    parse_for(SELF, &r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && heard[0].question == 3);
    parse_for(SELF + 1, &r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && heard[0].question == 0, "to another one");
    r.header.nlmsg_pid = 0;
    parse_for(0, &r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && heard[0].question == 0, "to all");
    r = message(RTM_DELLINK, AF_UNSPEC, 0);
    parse_for(SELF, &r, r.header.nlmsg_len);
    cr_expect(n_heard == 1 && heard[0].question == 0, "a deletion answers no question");
}

/* It left a bridge, and lives. */
Test(link, a_bridge_speaks_of_itself)
{
    struct mr_rtnl_request r = message(RTM_DELLINK, AF_BRIDGE, 0);
    parse(&r, r.header.nlmsg_len);
    cr_expect_eq(n_heard, 0);
}

Test(link, an_error_answers_only_a_question)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } e = {.header = {.nlmsg_len = sizeof e, .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = 9, .nlmsg_pid = SELF},
           .error = {.error = -ENODEV}};
    parse(&e, sizeof e);
    cr_expect(n_heard == 1 && !heard[0].there && heard[0].question == 9);
    e.error.error = -EBUSY;
    parse(&e, sizeof e);
    cr_expect_eq(n_heard, 0);
    e.error.error = -ENODEV;
    parse_for(SELF + 1, &e, sizeof e);
    cr_expect_eq(n_heard, 0, "another one's error");
    e.header.nlmsg_seq = 0;
    parse(&e, sizeof e);
    cr_expect_eq(n_heard, 0);
    e.header.nlmsg_seq = 9;
    e.header.nlmsg_len = NLMSG_LENGTH(2);
    parse(&e, NLMSG_LENGTH(2));
    cr_expect_eq(n_heard, 0, "an error without its number");
}

/* Each in a block of its own size: sanitizers see a byte too many. */
static void parse_copy(const void *data, size_t bytes)
{
    void *copy = malloc(bytes == 0 ? 1 : bytes);
    memcpy(copy, data, bytes);
    parse(copy, bytes);
    free(copy);
}

Test(link, cut_at_every_byte)
{
    struct mr_rtnl_request r = message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
    uint32_t whole = r.header.nlmsg_len;
    for (uint32_t bytes = 0; bytes < whole; bytes++) {
        parse_copy(&r, bytes);
        cr_expect_eq(n_heard, 0, "%u bytes of %u", bytes, whole);
    }
    for (uint32_t bytes = NLMSG_HDRLEN; bytes <= whole; bytes++) { // the message says itself that it is short
        r.header.nlmsg_len = bytes;
        parse_copy(&r, bytes);
        cr_expect_eq(n_heard, bytes >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) ? 1 : 0, "%u bytes", bytes);
    }
}

Test(link, every_length_may_lie)
{
    struct mr_rtnl_request good = message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
    uint32_t whole = good.header.nlmsg_len;
    for (uint32_t at = 0; at + 2 <= whole; at += 2) {
        static const uint16_t lies[] = {0, 1, 3, 4, 5, 0x7fff, 0xffff};
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
            struct mr_rtnl_request r = good;
            memcpy((char *)&r + at, &lies[i], sizeof lies[i]);
            parse_copy(&r, whole);
            cr_expect_leq(n_heard, 1);
            cr_expect_lt(strnlen(heard[0].link.name, sizeof heard[0].link.name), sizeof heard[0].link.name);
        }
    }
}

Test(link, two_in_one_datagram)
{
    char bytes[1024] = {0};
    struct mr_rtnl_request first = message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
    struct mr_rtnl_request second = message(RTM_DELLINK, AF_UNSPEC, 0);
    size_t at = NLMSG_ALIGN(first.header.nlmsg_len);
    memcpy(bytes, &first, first.header.nlmsg_len);
    memcpy(bytes + at, &second, second.header.nlmsg_len);
    parse_copy(bytes, at + second.header.nlmsg_len);
    cr_assert_eq(n_heard, 2);
    cr_expect(heard[0].there && !heard[1].there);
}

/* ---- the socket, in a namespace of its own ---- */

static int news_of_a_fresh_namespace(void)
{
    if (unshare(CLONE_NEWNET) < 0) {
        cr_skip("no network namespace of its own: %s; needs root", strerror(errno));
    }
    int fd = mr_link_news_open();
    cr_assert_geq(fd, 0);
    return fd;
}

static void hear(int fd, int want)
{
    n_heard = 0;
    cr_assert_eq(mr_link_news_read(fd, keep, heard), want);
}

Test(link, the_kernel_tells, .timeout = 20)
{
    struct mr_error error;
    int fd = news_of_a_fresh_namespace();
    hear(fd, 0);
    cr_expect_eq(n_heard, 0);
    cr_assert_eq(mr_link_veth("va", "vb", -1, 1, &error), 0);
    hear(fd, 0);
    cr_assert_geq(n_heard, 2);
    cr_assert_eq(mr_link_news_ask(fd, 5, 0, "va"), 0);
    hear(fd, 0);
    cr_assert(n_heard == 1 && heard[0].there && heard[0].question == 5);
    int index = heard[0].link.index;
    cr_assert_eq(mr_link_delete("va", &error), 0);
    hear(fd, 0);
    bool told = false;
    for (uint32_t i = 0; i < n_heard; i++) {
        told |= !heard[i].there && heard[i].link.index == index;
    }
    cr_expect(told, "the deletion");
    cr_assert_eq(mr_link_news_ask(fd, 6, index, ""), 0);
    hear(fd, 0);
    cr_expect(n_heard == 1 && !heard[0].there && heard[0].question == 6);
    close(fd);
}

/* The kernel tells everybody of a deletion with the number and the address of who asked for it (NLM_F_ECHO). */
Test(link, the_number_of_another_ones_question, .timeout = 20)
{
    struct mr_error error;
    struct mr_link link;
    int fd = news_of_a_fresh_namespace();
    cr_assert_eq(mr_link_veth("va", "vb", -1, 1, &error), 0);
    cr_assert_eq(mr_link_find("va", &link), 0);
    hear(fd, 0);
    struct ifinfomsg info = {.ifi_index = link.index};
    struct mr_rtnl_request r = {.header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_DELLINK, .nlmsg_seq = 5,
                                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO}};
    struct mr_rtnl_answer answer = {0};
    mr_rtnl_put(&r, &info, sizeof info);
    cr_assert_eq(mr_rtnl_ask(&r, &answer), 0);
    hear(fd, 0);
    bool told = false;
    for (uint32_t i = 0; i < n_heard; i++) {
        told |= !heard[i].there && heard[i].link.index == link.index;
        cr_expect_eq(heard[i].question, 0, "an answer of question %u, and none was asked", heard[i].question);
    }
    cr_expect(told, "the deletion");
    close(fd);
}

/* More than the socket holds: what was lost is said, and the next answer is right all the same. */
Test(link, news_lost_are_said, .timeout = 60)
{
    struct mr_error error;
    int fd = news_of_a_fresh_namespace();
    cr_assert_eq(mr_link_veth("va", "vb", -1, 1, &error), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        cr_assert_eq(mr_link_mtu("va", 1000 + i % 400, &error), 0);
    }
    hear(fd, -ENOBUFS);
    cr_assert_eq(mr_link_news_ask(fd, 5, 0, "va"), 0);
    hear(fd, 0);
    cr_expect(n_heard == 1 && heard[0].link.mtu == 1000 + 2999 % 400);
    close(fd);
}

/* ---- the state machine ---- */

enum { UP = 1, CARRIER = 2, ABSENT = 4, MOVED = 8, ANSWER = 16 };

static const struct step {
    const char *text;
    struct mr_link_view before; /* index 7 unless gone */
    int index;                  /* of the news */
    uint32_t flags, downs, mtu;
    const char *name;
    uint32_t changed;
    enum mr_link_state after;
    bool back;
} steps[] = {
#define LIVE(state) {.link = state, .index = 7, .name = "left", .mtu = 1500, .carrier_downs = 1}
#define LOST        {.link = MR_LINK_GONE, .name = "left", .mtu = 1500, .carrier_downs = 1}
    {"up stays up", LIVE(MR_LINK_UP), 7, UP | CARRIER, 1, 1500, "left", 0, MR_LINK_UP, false},
    {"up to down", LIVE(MR_LINK_UP), 7, 0, 2, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_DOWN, false},
    {"down is down, whatever the carrier", LIVE(MR_LINK_UP), 7, CARRIER, 1, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_DOWN, false},
    {"up to no carrier", LIVE(MR_LINK_UP), 7, UP, 2, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_NO_CARRIER, false},
    {"down to no carrier", LIVE(MR_LINK_DOWN), 7, UP, 1, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_NO_CARRIER, false},
    {"no carrier to up", LIVE(MR_LINK_NO_CARRIER), 7, UP | CARRIER, 1, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_UP, false},
    {"a loss between two looks", LIVE(MR_LINK_UP), 7, UP | CARRIER, 2, 1500, "left", MR_LINK_FLAPPED, MR_LINK_UP, false},
    {"back up is no flap", LIVE(MR_LINK_DOWN), 7, UP | CARRIER, 2, 1500, "left", MR_LINK_NEW_STATE, MR_LINK_UP, false},
    {"renamed", LIVE(MR_LINK_UP), 7, UP | CARRIER, 1, 1500, "links", MR_LINK_NEW_NAME, MR_LINK_UP, false},
    {"shrunk", LIVE(MR_LINK_UP), 7, UP | CARRIER, 1, 576, "left", MR_LINK_NEW_MTU, MR_LINK_UP, false},
    {"another device", LIVE(MR_LINK_UP), 8, 0, 1, 576, "left", 0, MR_LINK_UP, false},
    {"another device is deleted", LIVE(MR_LINK_UP), 8, ABSENT, 0, 0, "left", 0, MR_LINK_UP, false},
    {"deleted", LIVE(MR_LINK_UP), 7, ABSENT, 0, 0, "left", MR_LINK_NEW_STATE, MR_LINK_GONE, false},
    {"deleted while down", LIVE(MR_LINK_DOWN), 7, ABSENT, 0, 0, "left", MR_LINK_NEW_STATE, MR_LINK_GONE, false},
    {"moved", LIVE(MR_LINK_DOWN), 7, ABSENT | MOVED, 0, 0, "left", MR_LINK_NEW_STATE, MR_LINK_GONE, false},
    {"not there when asked for", LIVE(MR_LINK_UP), 0, ABSENT | ANSWER, 0, 0, "", MR_LINK_NEW_STATE, MR_LINK_GONE, false},
    {"another port's is not there", LIVE(MR_LINK_UP), 0, ABSENT, 0, 0, "", 0, MR_LINK_UP, false},
    {"gone, another comes", LOST, 9, UP, 0, 1500, "other", 0, MR_LINK_GONE, false},
    {"gone, one of its name comes", LOST, 9, 0, 0, 1500, "left", 0, MR_LINK_GONE, true},
    {"gone, its other name was asked for", LOST, 9, ANSWER, 0, 1500, "alias", 0, MR_LINK_GONE, true},
    {"gone, and still not there", LOST, 0, ABSENT | ANSWER, 0, 0, "", 0, MR_LINK_GONE, false},
};

Test(link, states)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct step *s = &steps[i];
        struct mr_link_view v = s->before;
        struct mr_link_news n = {.there = !(s->flags & ABSENT), .moved = (s->flags & MOVED) != 0};
        n.link = (struct mr_link){.index = s->index, .up = (s->flags & UP) != 0, .carrier = (s->flags & CARRIER) != 0,
                                  .mtu = s->mtu, .carrier_downs = s->downs};
        strcpy(n.link.name, s->name);
        cr_expect_eq(mr_link_judge(&v, "left", &n, (s->flags & ANSWER) != 0), s->changed, "%s: changed", s->text);
        cr_expect_eq(v.link, s->after, "%s: state", s->text);
        cr_expect_eq(v.back, s->back, "%s: back", s->text);
        cr_expect_eq(v.moved, (s->flags & MOVED) != 0, "%s: moved", s->text);
        cr_expect_eq(v.index == 0, v.link == MR_LINK_GONE, "%s: index", s->text);
        cr_expect_neq(v.name[0], 0, "%s: the last name is kept", s->text);
    }
}

/* One that was opened again and is lost before its queues went on. */
Test(link, recreated_and_lost)
{
    struct mr_link_view v = {.link = MR_LINK_UP, .recreated = true, .index = 7};
    struct mr_link_news n = {.link = {.index = 7}};
    cr_expect_str_eq(mr_link_word(&v), "recreated");
    cr_expect_eq(mr_link_judge(&v, "left", &n, false), MR_LINK_NEW_STATE);
    cr_expect_str_eq(mr_link_word(&v), "gone");
}
