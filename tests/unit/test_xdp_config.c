/* What of an xdp port's configuration is refused, and what is said of it before and while it is open. */
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/engine/plan.h"
#include "tests/unit/scene.h"
#include "tests/unit/uring_frames.h"

struct bad {
    const char *text, *says;
};

static int check(const char *text)
{
    struct mr_config *cfg;
    int rc = mr_config_parse(&cfg, text, strlen(text), "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    mr_config_destroy(cfg);
    return rc;
}

static void refuse(const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        error.text[0] = 0;
        cr_expect_eq(check(cases[i].text), -EINVAL, "%s", cases[i].text);
        cr_expect(strstr(error.text, cases[i].says) != NULL, "\"%s\" does not say \"%s\"", error.text, cases[i].says);
    }
}

#define PORTS(first_, second_)                                                                                         \
    "ports:\n"                                                                                                         \
    "  - { name: in, driver: xdp, " first_ " }\n"                                                                      \
    "  - { name: out, driver: xdp, " second_ " }\n"                                                                    \
    "paths:\n"
#define ONE_WAY "  - { from: in, work: forward, to: out }\n"
#define BOTH    "  - { from: [in, out], work: l2, to: [in, out] }\n"

Test(xdp_config, a_device_has_one_port)
{
    static const struct bad cases[] = {
        {PORTS("device: left", "device: left") ONE_WAY, "t.yaml:3: ports[1].device: left is port in's already"},
        {PORTS("device: left", "device: left") BOTH, "t.yaml:3: ports[1].device: port in receives from left already"},
    };
    refuse(cases, sizeof cases / sizeof *cases);
    cr_expect_eq(check(PORTS("device: left", "device: right") BOTH), 0, "%s", error.text);
}

Test(xdp_config, what_would_have_no_effect_is_refused)
{
    static const struct bad cases[] = {
        {PORTS("device: left, tx_budget: 64", "device: right") ONE_WAY,
         "t.yaml:2: ports[0].tx_budget: is for sending, and port in only receives"},
        {PORTS("device: left", "device: right, busy_poll: 64") ONE_WAY,
         "t.yaml:3: ports[1].busy_poll: is for receiving, and port out only sends"},
        {PORTS("device: left", "device: right, rx_ring: 64") ONE_WAY, "ports[1].rx_ring: is for receiving, and port out only sends"},
        {PORTS("device: left", "device: right, take: arp") ONE_WAY, "ports[1].take: is for receiving, and port out only sends"},
        {PORTS("device: left", "device: right, tx_budget: 31") ONE_WAY, "ports[1].tx_budget: 31 on port out; the kernel takes 0"},
        {PORTS("device: left, tx_budget: 1", "device: right") BOTH, "ports[0].tx_budget: 1 on port in; the kernel takes 0"},
        {PORTS("device: left, take: \"arp, vlna 5\"", "device: right") ONE_WAY,
         "t.yaml:2: ports[0].take: \" vlna 5\" is none of: all, arp"},
        {PORTS("device: left, take: \"arp, all\"", "device: right") ONE_WAY, "ports[0].take: all takes every frame, whatever the other"},
    };
    refuse(cases, sizeof cases / sizeof *cases);
    cr_expect_eq(check(PORTS("device: left, busy_poll: 1, rx_ring: 8, take: arp, tx_budget: 32", "device: right, tx_budget: 0") BOTH), 0,
                 "%s", error.text);
    cr_expect_eq(check(PORTS("device: left, tx_budget: 0", "device: right, take: \"\", busy_poll: 0, rx_ring: 0") ONE_WAY), 0,
                 "defaults, as a printed configuration has them: %s", error.text);
}

/* ---- open ports ---- */

static struct scene s;

static void begin(const char *text)
{
    if (getuid() != 0) {
        cr_skip("an XDP program needs root");
    }
    memset(&s, 0, sizeof s);
    int rc = mr_config_parse(&s.cfg, text, strlen(text), "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(s.cfg, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    make_pool(&s);
}

/* Whatever the device is called: left2 is another name of left. */
Test(xdp_config, a_device_by_two_names_has_one_port)
{
    make_net(1);
    cr_assert_eq(system("ip link property add dev left altname left2"), 0);
    begin(PORTS("device: left", "device: left2") ONE_WAY);
    cr_assert_eq(try_ways(&s, 0, 1, 0), 0, "%s", error.text);
    cr_assert_eq(try_ways(&s, 1, 0, 1), -EBUSY);
    cr_expect_eq(error.fault, MR_FAULT_CONFIG);
    cr_expect(strstr(error.text, "port out: left2 is port in's device (left) already") != NULL, "%s", error.text);
    s.ports[0]->driver->destroy(s.ports[0]);
}

static void expect_mode(uint32_t i, const char *words)
{
    cr_expect(strstr(s.ports[i]->mode, words) != NULL, "\"%s\" does not say \"%s\"", s.ports[i]->mode, words);
}

Test(xdp_config, what_a_mode_means_without_a_program)
{
    make_net(1);
    begin(PORTS("device: left", "device: right, mode: generic") ONE_WAY);
    cr_assert_eq(try_ways(&s, 1, 0, 1), 0, "%s", error.text);
    expect_mode(1, "sends only, no program (generic is as native), copies");
    s.ports[1]->driver->destroy(s.ports[1]);
}

/* Two receiving queues and one that sends: the second socket has no TX ring. */
Test(xdp_config, options_that_were_given_stand_in_the_mode)
{
    make_net(2);
    begin(PORTS("device: left, queues: 2, busy_poll: 16, rx_ring: 128, tx_budget: 48, take: \"arp, port 53\"", "device: right") BOTH);
    cr_assert_eq(try_ways(&s, 0, 2, 1), 0, "%s", error.text);
    expect_mode(0, ", RX ring of 128, polls busily, 16 a call, sends 48 a call, takes arp, port 53");
    s.ports[0]->driver->destroy(s.ports[0]);
}

/* ---- queues of the device ---- */

static int make_plan(const char *text, struct mr_config **cfg, struct mr_plan **plan)
{
    int rc = mr_config_parse(cfg, text, strlen(text), "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(*cfg, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    return mr_plan_make(*cfg, plan, &error);
}

/* A note of the plan has these words. */
static bool plan_says(const char *text, const char *words)
{
    struct mr_config *cfg;
    struct mr_plan *plan;
    bool says = false;
    cr_assert_eq(make_plan(text, &cfg, &plan), 0, "%s", error.text);
    for (uint32_t i = 0; i < plan->n_notes; i++) {
        says |= strstr(plan->notes[i], words) != NULL;
    }
    mr_plan_free(plan);
    mr_config_destroy(cfg);
    return says;
}

#define QUEUES(n_) PORTS("device: left, queues: " n_, "device: right, queues: 4") ONE_WAY

Test(xdp_config, queues_of_the_device_that_nobody_reads_are_told)
{
    struct mr_config *cfg;
    struct mr_plan *plan;
    make_net(4);
    cr_expect(plan_says(QUEUES("1"), "warning: ports[0]: left has 4 RX queues, and port in receives from 1: what the device puts into "
                                     "others goes on to the kernel; queues: 4, or ethtool -L left rx 1"));
    cr_expect(plan_says(QUEUES("3"), "left has 4 RX queues, and port in receives from 3"));
    cr_expect(!plan_says(QUEUES("4"), "RX queues"), "all are read");
    cr_expect_eq(make_plan(QUEUES("5"), &cfg, &plan), -EINVAL);
    mr_config_destroy(cfg);
    cr_expect(strstr(error.text, "t.yaml:2: ports[0].queues: 5, and left has 4 RX queues: nothing would come by the others; queues: 4, "
                                 "or ethtool -L left rx 5") != NULL, "%s", error.text);
    begin(QUEUES("1"));
    cr_assert_eq(try_ways(&s, 0, 1, 0), 0, "%s", error.text);
    expect_mode(0, ", 1 of 4 RX queues: what comes by others goes on to the kernel (queues: 4, or ethtool -L left rx 1)");
    s.ports[0]->driver->destroy(s.ports[0]);
    cr_assert_eq(system("ethtool -L left rx 1"), 0);
    cr_expect(!plan_says(QUEUES("1"), "RX queues"), "the device uses one");
}

#define SUPER(in_, out_)                                                                                               \
    "ports:\n  - { name: in, device: left, " in_ " }\n  - { name: out, " out_ " }\npaths:\n" ONE_WAY

/* Whatever the drivers: by what they carry. */
Test(xdp_config, super_frames_that_would_die_are_told_before_the_start)
{
    make_net(1);
    cr_expect(plan_says(SUPER("driver: uring, offload: super", "driver: xdp, device: right"),
                        "warning: paths[0]: super-frames from port in die at port out (no_offload), as driver xdp carries none; send "
                        "by one of mmap, mmsg, socket, tap, uring, or set offload: checksum on port in"));
    cr_expect(plan_says(SUPER("driver: mmsg, offload: super", "driver: uring, device: right"),
                        "super-frames from port in die at port out (no_offload), which has offload: none; set offload: super there"));
    cr_expect(!plan_says(SUPER("driver: uring, offload: super", "driver: mmsg, device: right, offload: super"), "super-frames from"));
    cr_expect(!plan_says(SUPER("driver: uring, offload: super", "driver: mmsg, device: right, offload: checksum"), "super-frames from"));
    cr_expect(!plan_says(SUPER("driver: uring, offload: super", "driver: memory"), "super-frames from"), "memory takes all");
    cr_expect(!plan_says(SUPER("driver: uring, offload: checksum", "driver: xdp, device: right"), "super-frames from"));
}

/* ---- a device that comes back ---- */

/* With this MTU a veth takes no program in native mode. */
Test(xdp_config, the_mode_is_that_of_the_device_that_came_back)
{
    make_net(1);
    begin(PORTS("device: left", "device: right") ONE_WAY);
    cr_assert_eq(try_ways(&s, 0, 1, 0), 0, "%s", error.text);
    expect_mode(0, "native (zerocopy: ");
    cr_assert_eq(mr_link_delete("left", &error), 0);
    s.ports[0]->driver->close(s.ports[0]);
    cr_assert_eq(mr_link_veth("left", "right", -1, 2, &error), 0);
    cr_assert_eq(mr_link_mtu("left", 9000, &error), 0);
    cr_assert_eq(mr_link_mtu("right", 9000, &error), 0);
    cr_assert_eq(s.ports[0]->driver->reopen(s.ports[0], &error), 0, "%s", error.text);
    expect_mode(0, "generic (zerocopy: ");
    expect_mode(0, ", native: ");
    expect_mode(0, ", 1 of 2 RX queues");
    s.ports[0]->driver->destroy(s.ports[0]);
}

/* As many datagrams to left, which are not for it: they are counted before sending returns, or a little later. */
static void send_and_see(uint32_t n, uint64_t passed)
{
    struct made m = datagram(100);
    int near = packet_socket("right", false);
    struct iovec iov[2] = {{&m.vnet, sizeof m.vnet}, {m.bytes, m.n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_gt(sendmsg(near, &msg, 0), 0);
    }
    for (int tries = 0; tries < 10000 && outside(&s, 0, "passed_to_kernel") < passed; tries++) {
        usleep(1000);
    }
    cr_expect_eq(outside(&s, 0, "passed_to_kernel"), passed);
    close(near);
}

Test(xdp_config, what_was_left_to_the_kernel_stays_counted)
{
    make_net(1);
    begin(PORTS("device: left, take: arp", "device: right") ONE_WAY);
    cr_assert_eq(try_ways(&s, 0, 1, 0), 0, "%s", error.text);
    send_and_see(3, 3);
    s.ports[0]->driver->close(s.ports[0]);
    cr_expect_eq(outside(&s, 0, "passed_to_kernel"), 3, "closed");
    cr_assert_eq(s.ports[0]->driver->reopen(s.ports[0], &error), 0, "%s", error.text);
    send_and_see(2, 5);
    s.ports[0]->driver->destroy(s.ports[0]);
}
