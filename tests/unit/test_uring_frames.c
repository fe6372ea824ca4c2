/* Single frames with tags and offloads, as other stacks make them: near → left ~ right → engine → out ~ far. The test
 * writes them to a packet socket on left with a virtio_net_hdr, and reads what comes out on far, tag and header too. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"
#include "tests/unit/uring_frames.h"
#include "tests/unit/uring_net.h"

#include <millrace/report.h>

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { ROUNDS = 20 };

struct scene {
    const struct made *frame;
    const char *before; /* command */
    int near, far, aside; /* aside: what the host itself sends by right is none of our business */
};

static void put(void *arg)
{
    const struct scene *s = arg;
    cr_assert(s->before == NULL || system(s->before) == 0, "%s", s->before);
    struct iovec iov[2] = {{(void *)(uintptr_t)&s->frame->vnet, sizeof s->frame->vnet},
                           {(void *)(uintptr_t)s->frame->bytes, s->frame->n}};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        cr_assert_eq(writev(s->near, iov, 2), (ssize_t)(s->frame->n + MR_VNET_BYTES), "%s", strerror(errno));
    }
    cr_assert_gt(writev(s->aside, iov, 2), 0);
}

static void run(const char *text, const struct mr_run_options *options, struct mr_totals *t, json_t **report)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    rc = rc < 0 ? rc : mr_engine_run(e, options, &error);
    cr_assert_eq(rc, 0, "%d %s", rc, error.text);
    mr_engine_totals(e, t);
    *report = mr_report_json(e, 0, NULL);
    json_t *totals = json_object_get(*report, "totals");
    cr_assert_eq(json_integer_value(json_object_get(totals, "unaccounted")), 0);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(*report, "chunks"), "unaccounted")), 0);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

#define BRIDGE                                                                                                         \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: right, driver: uring, device: right, %s }\n"                                                          \
    "  - { name: out, driver: uring, device: out, %s }\n"                                                              \
    "paths:\n"                                                                                                         \
    "  - { from: [right, out], work: l2, to: [right, out] }\n"

static void make_line(struct scene *s)
{
    make_net(1);
    cr_assert_eq(mr_link_veth("out", "far", -1, 1, &error), 0, "%s", error.text);
    const char *devices[] = {"left", "right", "out", "far"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(mr_link_mtu(devices[i], 9000, &error) | mr_link_up(devices[i], &error), 0, "%s", error.text);
    }
    s->near = packet_socket("left", false);
    s->far = packet_socket("far", true);
    s->aside = packet_socket("right", false);
}

/* Put ROUNDS of the frame in by left; g: the last that came out at far. Returns how many did. */
static uint32_t pass_after(const char *before, const struct made *frame, const char *right, const char *out, struct got *g,
                           struct mr_totals *t)
{
    char text[1024];
    json_t *report;
    uint32_t n = 0;
    struct scene s = {.frame = frame, .before = before};
    struct mr_run_options options = {.for_ns = 300000000, .started = put, .arg = &s};
    make_line(&s);
    snprintf(text, sizeof text, BRIDGE, right, out);
    run(text, &options, t, &report);
    cr_assert_eq(t->rx_frames, ROUNDS, "each frame once, and none that we sent ourselves");
    while (get(s.far, g)) {
        n++;
    }
    json_decref(report);
    return n;
}

static uint32_t pass(const struct made *frame, const char *right, const char *out, struct got *g, struct mr_totals *t)
{
    return pass_after(NULL, frame, right, out, g, t);
}

/* ---- partial checksums ---- */

static void check_tag(const struct got *g, uint16_t tpid, uint16_t tci)
{
    cr_assert((g->aux.tp_status & TP_STATUS_VLAN_VALID) != 0);
    cr_assert_eq(g->aux.tp_vlan_tpid, tpid);
    cr_assert_eq(g->aux.tp_vlan_tci, tci);
}

static void check_carried(const char *right, const char *out, bool tag)
{
    struct got g;
    struct mr_totals t;
    struct made plain = datagram(101);
    struct made frame = tag ? tagged(plain, 0x88a8, 0xe123) : plain;
    cr_assert_eq(pass(&frame, right, out, &g, &t), ROUNDS);
    cr_assert_eq(g.frame.n, plain.n);
    cr_assert_arr_eq(g.frame.bytes, plain.bytes, plain.n);
    cr_assert_eq(g.frame.vnet.flags, MR_VNET_NEEDS_CSUM);
    cr_assert_eq(g.frame.vnet.csum_start, ETH + IP);
    cr_assert_eq(g.frame.vnet.csum_offset, 6);
    if (tag) {
        check_tag(&g, 0x88a8, 0xe123);
    }
}

static void check_completed(const char *right, bool tag)
{
    struct got g;
    struct mr_totals t;
    struct made plain = datagram(101);
    struct made frame = tag ? tagged(plain, 0x8100, 0x6042) : plain;
    cr_assert_eq(pass(&frame, right, "offload: none", &g, &t), ROUNDS);
    cr_assert_eq(g.frame.n, plain.n);
    cr_assert_eq(g.frame.vnet.flags & MR_VNET_NEEDS_CSUM, 0);
    uint32_t field = (uint32_t)g.frame.bytes[ETH + IP + 6] << 8 | g.frame.bytes[ETH + IP + 7];
    cr_assert_eq(field, ~sum_of(plain.bytes + ETH + IP, plain.n - ETH - IP) & 0xffff);
    if (tag) {
        check_tag(&g, 0x8100, 0x6042);
    }
}

Test(uring_frames, carries_a_partial_checksum)
{
    check_carried("offload: checksum", "offload: checksum", false);
}

Test(uring_frames, carries_it_beside_a_tag)
{
    check_carried("offload: checksum", "offload: checksum", true);
}

Test(uring_frames, carries_it_from_a_big_chunk)
{
    check_carried("offload: super", "offload: checksum", true);
}

Test(uring_frames, carries_it_without_aux)
{
    check_carried("offload: checksum, receive: plain", "offload: checksum", false);
}

Test(uring_frames, completes_it_for_a_port_without)
{
    check_completed("offload: checksum", false);
}

Test(uring_frames, completes_it_behind_a_tag)
{
    check_completed("offload: super", true);
}

/* ---- super-frames ---- */

static void check_super(bool tag)
{
    struct got g;
    struct mr_totals t;
    struct made plain = super_frame();
    struct made frame = tag ? tagged(plain, 0x8100, 0x2007) : plain;
    cr_assert_eq(pass(&frame, "offload: super", "offload: super", &g, &t), ROUNDS);
    cr_assert_eq(g.frame.n, plain.n);
    cr_assert_arr_eq(g.frame.bytes, plain.bytes, plain.n);
    cr_assert_eq(g.frame.vnet.gso_type, 1);
    cr_assert_eq(g.frame.vnet.gso_size, 1000);
    cr_assert_eq(g.frame.vnet.csum_start, ETH + IP);
    if (tag) {
        check_tag(&g, 0x8100, 0x2007);
    }
}

Test(uring_frames, carries_a_super_frame)
{
    check_super(false);
}

Test(uring_frames, carries_a_tagged_super_frame)
{
    check_super(true);
}

/* ---- what dies, and of what ---- */

static void check_dies(const struct made *frame, const char *right, const char *out, enum mr_drop reason)
{
    struct got g;
    struct mr_totals t;
    cr_assert_eq(pass(frame, right, out, &g, &t), 0);
    cr_assert_eq(t.drops[reason], ROUNDS);
    cr_assert_eq(t.all_drops, ROUNDS);
    cr_assert_eq(t.rx_bytes, (uint64_t)ROUNDS * frame->n);
}

Test(uring_frames, super_frame_without_offloads)
{
    struct made m = super_frame();
    m.n = ETH + IP + TCP + 1500; // fits the chunk: its kind kills it, not its length
    m.bytes[ETH + 2] = (IP + TCP + 1500) >> 8;
    m.bytes[ETH + 3] = (IP + TCP + 1500) & 0xff;
    check_dies(&m, "offload: none", "offload: none", MR_DROP_super_frame);
}

Test(uring_frames, super_frame_with_checksum_only)
{
    struct made m = super_frame();
    m.n = ETH + IP + TCP + 1500;
    check_dies(&m, "offload: checksum", "offload: super", MR_DROP_super_frame);
}

Test(uring_frames, super_frame_to_a_port_without)
{
    struct made m = super_frame();
    check_dies(&m, "offload: super", "offload: none", MR_DROP_no_offload);
}

Test(uring_frames, partial_checksum_without_offloads)
{
    struct made m = datagram(100);
    check_dies(&m, "offload: none", "offload: none", MR_DROP_partial_checksum);
}

/* Only MSG_TRUNC tells a plain receive that the frame was cut, and how long it was. */
Test(uring_frames, too_long_for_a_plain_receive)
{
    struct made m = datagram(3000);
    m.vnet = (struct mr_vnet){0};
    check_dies(&m, "offload: none, receive: plain", "offload: none", MR_DROP_too_long);
}

/* ---- what the kernel throws away while it receives ---- */

static int tap;

static void put_undescribed(void *arg)
{
    (void)arg;
    struct made m = datagram(3000);
    unsigned char bytes[4096];
    m.vnet.gso_type = 3; // UDP in fragments: a device may say so, a packet socket's header may not
    m.vnet.gso_size = 1480;
    m.vnet.hdr_len = ETH + IP + UDP;
    memcpy(bytes, &m.vnet, sizeof m.vnet);
    memcpy(bytes + MR_VNET_BYTES, m.bytes, m.n);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        cr_assert_eq(write(tap, bytes, m.n + MR_VNET_BYTES), (ssize_t)(m.n + MR_VNET_BYTES));
    }
}

Test(uring_frames, counts_what_no_header_describes)
{
    struct ifreq request = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct mr_run_options options = {.for_ns = 300000000, .started = put_undescribed};
    struct mr_totals t;
    json_t *report;
    make_net(1);
    tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    cr_assert_eq(ioctl(tap, TUNSETIFF, &request), 0, "%s", strerror(errno));
    cr_assert_eq(mr_link_up("tap0", &error), 0, "%s", error.text);
    run("memory: { huge_pages: off }\n"
        "ports:\n"
        "  - { name: tap, driver: uring, device: tap0, offload: super }\n"
        "  - { name: sink, driver: memory }\n"
        "paths: [ { from: tap, work: forward, to: sink } ]\n",
        &options, &t, &report);
    json_t *outside = json_object_get(json_array_get(json_object_get(report, "ports"), 0), "outside");
    cr_assert_eq(t.rx_frames, 0);
    cr_assert_eq(json_integer_value(json_object_get(outside, "undescribed_offload")), ROUNDS);
    cr_assert_eq(t.outside, ROUNDS);
    json_decref(report);
}

/* ---- the socket ---- */

/* Until its carrier is told to the stack, a veth's end throws away what it is given to send, and says that it was sent. */
Test(uring_frames, receives_again_when_its_link_was_down)
{
    const char *before = "ip link set right down && ip link set right up && "
                         "until ip -o link show left | grep -q 'state UP'; do sleep 0.01; done";
    struct got g;
    struct mr_totals t;
    struct made m = datagram(100);
    cr_assert_eq(pass_after(before, &m, "offload: checksum", "offload: checksum", &g, &t), ROUNDS);
}

static void send_on(int fd, const struct made *m)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)&m->vnet, sizeof m->vnet}, {(void *)(uintptr_t)m->bytes, m->n}};
    for (uint32_t i = 0; i < 5000000; i++) { // some seconds, if nobody ends it
        (void)!writev(fd, iov, 2);
    }
    _exit(0);
}

/* Somebody else sends on while we drain: the valve stops that, what had come in goes out, and nothing is left. */
Test(uring_frames, drains_while_others_send)
{
    char text[1024];
    json_t *report;
    struct mr_totals t;
    struct scene s;
    struct made m = datagram(100);
    struct mr_run_options options = {.for_ns = 300000000};
    make_line(&s);
    snprintf(text, sizeof text, BRIDGE, "offload: checksum", "offload: checksum");
    pid_t child = fork();
    if (child == 0) {
        send_on(s.near, &m);
    }
    run(text, &options, &t, &report);
    cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "the drain waited for it to end");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    const json_t *right = json_array_get(json_object_get(report, "ports"), 0);
    json_t *outside = json_object_get(right, "outside");
    json_int_t accepted = json_integer_value(json_object_get(json_object_get(right, "events"), "tp_packets")) -
                          json_integer_value(json_object_get(outside, "tp_drops"));
    cr_assert_gt(t.rx_frames, 1000);
    cr_assert_eq((json_int_t)t.rx_frames, accepted);
    cr_assert_eq(json_integer_value(json_object_get(outside, "left_in_socket")), 0);
    json_decref(report);
}
