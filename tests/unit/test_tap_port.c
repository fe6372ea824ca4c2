/* The tap driver on one thread: frames that die in a burst. What it does as a whole: tests/pipeline/test_tap_device.sh. */
#include <criterion/criterion.h>

#include "tests/unit/scene.h"
#include "tests/unit/uring_frames.h"

enum { FLOOD = 60, BURST = 8, LONG = 2500 };

static struct scene s;

static void begin(const char *text)
{
    memset(&s, 0, sizeof s);
    int rc = mr_config_parse(&s.cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(s.cfg, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    make_pool(&s);
    open_one(&s, 0);
}

/* Longer than a chunk holds, as somebody has raised the MTU meanwhile. */
static void flood(const char *device)
{
    unsigned char frame[MR_VNET_BYTES + LONG] = {0};
    cr_assert_eq(mr_link_mtu(device, 4000, &error), 0, "%s", error.text);
    int from = packet_socket(device, false);
    for (uint32_t i = 0; i < FLOOD; i++) {
        cr_assert_eq(send(from, frame, sizeof frame, 0), (ssize_t)sizeof frame);
    }
    close(from);
}

/* A burst looks at as many as it was asked for, and the core's other queues have their turn. */
Test(tap_port, a_flood_of_frames_that_die_ends_with_the_burst)
{
    struct mr_frame frames[BURST];
    make_net(1);
    begin("memory: { huge_pages: off }\n"
          "ports:\n"
          "  - { name: in, driver: tap, device: t0, by: calls }\n"
          "  - { name: out, driver: memory }\n"
          "paths:\n"
          "  - { from: in, work: forward, to: out }\n");
    struct mr_port *p = s.ports[0];
    uint64_t most = 0;
    flood("t0");
    for (int tries = 0; tries < 10000 && p->rxq[0]->frames < FLOOD; tries++) {
        uint64_t before = p->rxq[0]->frames;
        cr_expect_eq(p->driver->rx_burst(p->rxq[0], frames, BURST), 0);
        most = p->rxq[0]->frames - before > most ? p->rxq[0]->frames - before : most;
    }
    cr_expect_eq(s.drops[MR_DROP_too_long], FLOOD);
    cr_expect_eq(most, BURST, "%lu frames in one burst", most);
    p->driver->detach(s.io[0], 0);
    p->driver->destroy(p);
    p->driver->io_destroy(s.io[0]);
    cr_expect_eq(s.pool.small.count, CHUNKS);
}
