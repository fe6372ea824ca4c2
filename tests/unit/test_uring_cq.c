/* Completion queues that are too small. The plan makes none; these are put under an engine that was built, with a socket
 * full of frames, so that the kernel has to end receives and to keep completions back: nothing may be lost by that. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"
#include "lib/port/uring.h"
#include "tests/unit/uring_frames.h"
#include "tests/unit/uring_net.h"

#include <millrace/report.h>

enum { FRAMES = 2000, ENTRIES = 64 };

#define TEXT                                                                                                           \
    "memory: { huge_pages: off }\nengine: { cores: [0] }\nports:\n  - { name: port, driver: uring, device: right }\n"   \
    "%spaths:\n  - { from: port, work: macswap, to: %s }\n"

static struct mr_engine *build(const char *to, struct mr_config **cfg)
{
    char text[512];
    struct mr_engine *e = NULL;
    snprintf(text, sizeof text, TEXT, strcmp(to, "sink") == 0 ? "  - { name: sink, driver: memory }\n" : "", to);
    int rc = mr_config_parse(cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(*cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(*cfg, &e, &error);
    cr_assert_eq(rc, 0, "%s", error.text);
    return e;
}

static void put_file(struct mr_uring *u, uint32_t at, int fd)
{
    cr_assert_eq(io_uring_register_files_update(&u->ring, at, &fd, 1), 1);
}

static struct mr_uring *shrink(struct mr_engine *e)
{
    struct mr_uring *u = MR_CONTAINER_OF(e->ports[0]->rxq[0]->io, struct mr_uring, io);
    io_uring_queue_exit(&u->ring);
    cr_assert_eq(mr_uring_setup(&u->ring, ENTRIES, ENTRIES), 0);
    cr_assert_eq(io_uring_register_files_sparse(&u->ring, u->max_rxq + u->max_txq), 0);
    put_file(u, 0, u->rxq[0]->socket.fd);
    if (u->n_txq != 0) {
        put_file(u, u->max_rxq, u->txq[0]->socket.fd);
    }
    return u;
}

/* Into the socket of the engine, which does not run yet. */
static int fill(void)
{
    struct made m = datagram(18);
    int fd = packet_socket("left", true);
    int bytes = 8 << 20;
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("left")};
    unsigned char frame[256] = {0}; // an empty virtio_net_hdr first
    memcpy(frame + MR_VNET_BYTES, m.bytes, m.n);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes), 0);
    for (int i = 0; i < FRAMES; i++) {
        ssize_t n = sendto(fd, frame, MR_VNET_BYTES + m.n, 0, (struct sockaddr *)&to, sizeof to);
        cr_assert_eq(n, MR_VNET_BYTES + m.n);
    }
    return fd;
}

static json_int_t event(const json_t *report, const char *key)
{
    const json_t *port = json_array_get(json_object_get(report, "ports"), 0);
    return json_integer_value(json_object_get(json_object_get(port, "events"), key));
}

static json_t *run(struct mr_engine *e)
{
    struct mr_run_options options = {.for_ns = 500000000};
    struct mr_totals t;
    cr_assert_eq(mr_engine_run(e, &options, &error), 0, "%s", error.text);
    mr_engine_totals(e, &t);
    cr_assert_eq(t.rx_frames, FRAMES, "%lu", t.rx_frames);
    cr_assert_eq(t.tx_frames, FRAMES, "%lu", t.tx_frames);
    json_t *report = mr_report_json(e, 0, NULL);
    cr_assert_eq(event(report, "rearms_other"), 0);
    cr_assert_eq((uint64_t)json_integer_value(json_object_get(json_object_get(report, "chunks"), "home_after_close")), e->owners.total);
    return report;
}

/* The kernel ends the receive without an error when the queue is full. */
Test(uring_cq, receive_ends_by_itself)
{
    struct mr_config *cfg;
    make_net(1);
    struct mr_engine *e = build("sink", &cfg);
    struct mr_uring *u = shrink(e);
    close(fill());
    json_t *report = run(e);
    cr_assert_geq(event(report, "rearms_cq_full"), FRAMES / ENTRIES - 1, "%lld", (long long)event(report, "rearms_cq_full"));
    cr_assert_lt(u->io.syscalls, FRAMES, "%lu calls", u->io.syscalls);
    json_decref(report);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* Sends complete into a queue that receives have filled: completions wait in the kernel, and are fetched. */
Test(uring_cq, overflow_loses_nothing)
{
    struct mr_config *cfg;
    struct got got;
    int came = 0;
    make_net(1);
    struct mr_engine *e = build("port", &cfg);
    shrink(e);
    int fd = fill();
    json_t *report = run(e);
    while (get(fd, &got)) {
        came++;
    }
    cr_assert_eq(came, FRAMES);
    cr_assert_gt(event(report, "cq_overflows"), 0);
    close(fd);
    json_decref(report);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}
