/* Why a device refused a frame: the errno is the same for a full queue and for a lost carrier, so control asks. Real
 * devices in a namespace of its own; the queue and what was refused on it are made up. */
#include "lib/engine/link.h"
#include "lib/engine/watch.h"
#include "lib/sys/netlink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mr_txq queue;
static struct mr_port port = {.n_txq = 1, .txq = {&queue}};
static struct mr_config *config;
static struct mr_engine engine;

/* The link vb up or down: va's carrier comes and goes with it. */
static void peer(bool up)
{
    struct ifreq r = {.ifr_name = "vb"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(ioctl(fd, SIOCGIFFLAGS, &r), 0);
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

/* From here on no news come by themselves: control hears what it asks for, as when a refusal is faster than the news. */
static void deafen(void)
{
    int group = RTNLGRP_LINK;
    cr_assert_eq(setsockopt(engine.links->fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group), 0);
}

static void set_up(void)
{
    struct mr_error error;
    struct mr_link link;
    if (unshare(CLONE_NEWNET) < 0) {
        cr_skip("no network namespace of its own: %s; needs root", strerror(errno));
    }
    cr_assert_eq(mr_link_veth("va", "vb", -1, 1, &error), 0);
    cr_assert_eq(mr_link_up("va", &error), 0);
    cr_assert_eq(mr_link_up("vb", &error), 0);
    cr_assert_eq(mr_link_find("va", &link), 0);
    config = mr_config_create();
    config->n_ports = 1;
    strcpy(config->ports[0].name, "out");
    strcpy(config->ports[0].device, "va");
    port.ifindex = link.index;
    engine = (struct mr_engine){.config = config, .ports = {&port}};
    cr_assert_eq(mr_links_open(&engine, &error), 0);
    deafen();
    cr_assert_eq(engine.links->at[0].view.link, MR_LINK_UP);
    cr_assert_gt(engine.links->at[0].view.carrier_downs, 0); // so old losses are there to be mistaken for new ones
}

static void tear_down(void)
{
    mr_links_close(&engine);
    mr_config_destroy(config);
}

TestSuite(link_verdict, .init = set_up, .fini = tear_down, .timeout = 20);

/* n more are refused; the next look judges them. */
static void refuse(uint32_t n)
{
    queue.refused += n;
    mr_links_look(&engine, 2);
}

static void count_them(void)
{
    queue.counted = queue.judged;
}

Test(link_verdict, with_a_carrier)
{
    refuse(3);
    cr_expect_eq(queue.judged, 3);
    cr_expect_eq(queue.verdict, MR_DROP_tx_refused);
}

Test(link_verdict, before_control_hears)
{
    peer(false);
    mr_links_look(&engine, 2);
    cr_assert_eq(engine.links->at[0].view.link, MR_LINK_UP, "control has heard, so this tests nothing");
    refuse(3);
    cr_expect_eq(queue.judged, 3);
    cr_expect_eq(queue.verdict, MR_DROP_no_carrier);
    cr_expect_eq(port.link, MR_LINK_NO_CARRIER, "the core is told too");
}

Test(link_verdict, lost_and_back_between_two_looks)
{
    peer(false);
    peer(true);
    refuse(3);
    cr_expect_eq(engine.links->at[0].view.link, MR_LINK_UP);
    cr_expect_eq(queue.verdict, MR_DROP_no_carrier);
    count_them();
    refuse(2);
    cr_expect_eq(queue.judged, 5);
    cr_expect_eq(queue.verdict, MR_DROP_tx_refused, "one loss explains one look's refusals, not the next ones'");
}

Test(link_verdict, down_and_gone)
{
    struct mr_error error;
    struct mr_link_port *l = &engine.links->at[0];
    l->view.link = MR_LINK_GONE; // heard; nobody is asked any more
    l->view.index = 0;
    refuse(1);
    cr_expect_eq(queue.verdict, MR_DROP_device_gone);
    cr_assert_eq(mr_link_delete("va", &error), 0);
    count_them();
    l->view = (struct mr_link_view){.link = MR_LINK_UP, .index = port.ifindex};
    refuse(1);
    cr_expect_eq(queue.verdict, MR_DROP_device_gone, "not there when asked for");
}

/* As when the socket is full of other news: what is asked next is not answered. */
static int reopen_and_fill_the_socket(struct mr_port *p, struct mr_error *error)
{
    int least = 0;
    (void)p, (void)error;
    cr_assert_eq(setsockopt(engine.links->fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
    for (uint32_t i = 0; i < 32; i++) {
        cr_assert_eq(mr_link_news_ask(engine.links->fd, 99, 0, "vb"), 0);
    }
    return 0;
}

Test(link_verdict, an_answer_that_was_lost)
{
    static const struct mr_driver driver = {.reopen = reopen_and_fill_the_socket};
    struct mr_link_port *l = &engine.links->at[0];
    port.driver = &driver;
    config->ports[0].reopen = true;
    engine.links->may_reopen = true;
    l->view = (struct mr_link_view){.link = MR_LINK_GONE, .back = true};
    l->closed = true;
    mr_links_look(&engine, 2);
    cr_assert_eq(l->view.link, MR_LINK_DOWN, "the answer came, so this tests nothing");
    mr_links_look(&engine, 3);
    cr_expect_eq(l->view.link, MR_LINK_UP, "it is asked for again");
    cr_expect(!engine.links->lost, "once");
    cr_expect_eq(port.link, MR_LINK_UP, "the core is told too");
}

/* The device is back, and its core has not heard yet: this is not the end of a run whose only receiving port it is. */
Test(link_verdict, back_before_the_core_knows)
{
    static const struct mr_driver driver = {.caps.needs_device = true};
    static struct mr_rxq receiving = {.ended = 1, .halted = 1};
    port.driver = &driver;
    port.rxq[0] = &receiving;
    port.n_rxq = 1;
    engine.links->at[0].view.link = MR_LINK_GONE;
    cr_expect_eq(mr_rx_left(&engine, false), 0, "gone, and none may return");
    engine.links->at[0].view.link = MR_LINK_DOWN;
    cr_expect_eq(mr_rx_left(&engine, false), 1);
    receiving = (struct mr_rxq){.ended = 1};
    cr_expect_eq(mr_rx_left(&engine, false), 0, "ended of itself");
}

/* A verdict stands until the core has counted what it is about. */
Test(link_verdict, the_next_ones_wait)
{
    refuse(3);
    peer(false);
    refuse(2);
    cr_expect_eq(queue.judged, 3);
    cr_expect_eq(queue.verdict, MR_DROP_tx_refused);
    count_them();
    mr_links_look(&engine, 3);
    cr_expect_eq(queue.judged, 5);
    cr_expect_eq(queue.verdict, MR_DROP_no_carrier);
}
