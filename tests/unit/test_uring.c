/* The uring driver on a real veth pair, in a network namespace of each test's own: source → left ~ right → sink, all in
 * one process, closed by a window where nothing may be lost. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"
#include "lib/port/uring.h"
#include "tests/unit/uring_net.h"

#include <millrace/report.h>

#define LOOP                                                                                                           \
    "memory: { huge_pages: off }\n"                                                                                    \
    "ports:\n"                                                                                                         \
    "  - { name: source, driver: memory, size: %s, frames: %u, rate: %s, flows: 8, vlan: %u%s }\n"  \
    "  - { name: left, driver: uring, device: left, offload: %s, queues: %u }\n"                          \
    "  - { name: right, driver: uring, device: right, offload: %s, receive: %s, queues: %u, buffers: %u }\n"           \
    "  - { name: sink, driver: memory, verify: yes, vlan: %u }\n"                                                      \
    "paths:\n"                                                                                                         \
    "  - { from: source, work: %s, to: left }\n"                                                                       \
    "  - { from: right, work: forward, to: sink, workers: %u }\n"

struct loop {
    const char *engine, *size, *rate, *offload, *receive, *work;
    uint32_t frames, window, queues, buffers, workers, vlan;
};

struct result {
    struct mr_totals totals;
    json_t *report;
};

static json_int_t at(const json_t *j, const char *a, const char *b)
{
    const json_t *v = json_object_get(json_object_get(j, a), b);
    cr_assert(json_is_integer(v), "%s.%s is no number of the report", a, b);
    return json_integer_value(v);
}

static const json_t *port(const struct result *r, size_t i)
{
    return json_array_get(json_object_get(r->report, "ports"), i);
}

/* Every frame that the receiving socket accepted was received, or left in it and counted. */
static void check_socket(const struct result *r, size_t i)
{
    json_int_t accepted = at(port(r, i), "events", "tp_packets") - at(port(r, i), "outside", "tp_drops");
    json_int_t received = json_integer_value(json_object_get(port(r, i), "rx_frames"));
    cr_assert_eq(accepted, received + at(port(r, i), "outside", "left_in_socket"), "accepted %lld, received %lld",
                 (long long)accepted, (long long)received);
}

static void run(const char *text, const struct mr_run_options *options, int exit_code, struct result *r)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    int rc = mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &error);
    rc = rc < 0 ? rc : mr_engine_run(e, options, &error);
    cr_assert_eq(rc, exit_code, "%d %s", rc, error.text);
    mr_engine_totals(e, &r->totals);
    r->report = mr_report_json(e, 0, NULL);
    cr_assert_eq(at(r->report, "totals", "unaccounted"), 0);
    cr_assert_eq(at(r->report, "totals", "in_flight"), 0);
    cr_assert_eq(at(r->report, "chunks", "unaccounted"), 0);
    cr_assert_eq(at(r->report, "chunks", "home_after_close"), at(r->report, "chunks", "total"));
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

static void loop_text(const struct loop *l, char *text, size_t bytes)
{
    char window[64] = "";
    if (l->window != 0) {
        snprintf(window, sizeof window, ", window: %u, window_with: sink", l->window);
    }
    int n = snprintf(text, bytes, "engine: { %s }\n" LOOP, l->engine, l->size, l->frames, l->rate, l->vlan, window, l->offload,
                     l->queues, l->offload, l->receive, l->queues, l->buffers, l->vlan, l->work,
                     l->workers);
    cr_assert_lt(n, (int)bytes);
}

/* What was sent came in, byte for byte; the completion queue was large enough; buffers ran out where they are few, and
 * nothing else ended a receive; big chunks are left to super-frames. */
static void check_receives(const struct loop *l, const struct result *r)
{
    json_int_t sent = json_integer_value(json_object_get(port(r, 1), "tx_bytes"));
    cr_assert_eq(sent, json_integer_value(json_object_get(port(r, 2), "rx_bytes")));
    cr_assert_eq(at(port(r, 2), "events", "rearms_cq_full"), 0);
    cr_assert_eq(at(port(r, 2), "events", "rearms_other"), 0);
    cr_assert(l->buffers > 8 || at(port(r, 2), "events", "rearms_no_buffers") > 0);
    if (strcmp(l->offload, "super") == 0) {
        cr_assert_eq(at(port(r, 2), "driver_report", "copied_small"), l->frames);
    }
}

/* All frames come back, in order and unharmed. */
static void check_in_net(const struct loop *l)
{
    char text[2048];
    struct result r;
    struct mr_run_options options = {.linger_ns = 1000000000};
    loop_text(l, text, sizeof text);
    run(text, &options, 0, &r);
    const json_t *sink = json_object_get(port(&r, 3), "driver_report");
    cr_assert_eq(json_integer_value(json_object_get(sink, "verified")), l->frames, "verified %lld, received %lu, sent %lu: %s",
                 json_integer_value(json_object_get(sink, "verified")), r.totals.rx_frames, r.totals.tx_frames,
                 json_dumps(json_object_get(r.report, "ports"), JSON_COMPACT));
    const char *faults[] = {"lost", "duplicates", "reordered", "late", "altered", "foreign"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        cr_assert_eq(json_integer_value(json_object_get(sink, faults[i])), 0, "%s", faults[i]);
    }
    cr_assert_eq(r.totals.all_drops, 0);
    check_socket(&r, 2);
    check_receives(l, &r);
    json_decref(r.report);
}

static void check_loop(const struct loop *l)
{
    make_net(l->queues);
    check_in_net(l);
}

static struct loop plain(void)
{
    return (struct loop){.engine = "cores: [0]", .size = "64..1518", .rate = "flat-out", .offload = "none", .receive = "aux",
                         .work = "forward", .frames = 60000, .window = 64, .queues = 1, .buffers = 256, .workers = 1};
}

Test(uring, frames_of_all_sizes)
{
    struct loop l = plain();
    check_loop(&l);
}

Test(uring, receive_plain)
{
    struct loop l = plain();
    l.receive = "plain";
    check_loop(&l);
}

Test(uring, plain_with_checksums)
{
    struct loop l = plain();
    l.receive = "plain";
    l.offload = "checksum";
    check_loop(&l);
}

Test(uring, aux_with_checksums)
{
    struct loop l = plain();
    l.offload = "checksum";
    check_loop(&l);
}

/* What lies before a frame is somebody's old bytes, and no virtio_net_hdr: the device must not be told so. */
static void soil(struct mr_work *w, struct mr_burst *b)
{
    (void)w;
    for (uint32_t i = 0; i < b->n; i++) {
        memset(mr_frame_data(b->base, &b->frames[i]) - 64, 0xA5, 64);
    }
}

Test(uring, headroom_is_no_header)
{
    static const struct mr_work_ops soils = {.name = "soil", .summary = "old bytes before each frame", .process = soil};
    struct loop l = plain();
    cr_assert_eq(mr_work_register(&soils), 0);
    l.offload = "checksum";
    l.work = "soil";
    l.frames = 256; // each refused window of frames costs a second
    check_loop(&l);
}

Test(uring, into_big_chunks)
{
    struct loop l = plain();
    l.offload = "super";
    check_loop(&l);
}

Test(uring, tags_come_back)
{
    struct loop l = plain();
    l.vlan = 42;
    l.size = "68..1518";
    check_loop(&l);
}

Test(uring, tags_come_back_beside_a_virtio_net_hdr)
{
    struct loop l = plain();
    l.vlan = 42;
    l.size = "68..1518";
    l.offload = "super";
    check_loop(&l);
}

/* A window beyond the buffers: the kernel runs out of them again and again, and frames wait in the socket. */
Test(uring, few_buffers)
{
    struct loop l = plain();
    l.buffers = 8;
    l.window = 512;
    check_loop(&l);
}

Test(uring, pipeline_on_two_cpus)
{
    struct loop l = plain();
    l.engine = "layout: pipeline, cores: [0, 1]";
    check_loop(&l);
}

/* Four threads on two CPUs, three queues a port, two workers: the general wiring. */
Test(uring, queues_and_workers)
{
    struct loop l = plain();
    l.engine = "layout: pipeline, cores: [0, 1, 0, 1]";
    l.queues = 3;
    l.workers = 2;
    check_loop(&l);
}

/* The kernel numbers fanout groups from 0 on, and 0 again after 65,536: a group like any other. A request of a socket that
 * is not bound fails, and uses a number up all the same. */
Test(uring, fanout_group_0)
{
    struct loop l = plain();
    uint32_t group = PACKET_FANOUT_FLAG_UNIQUEID << 16, id = group;
    socklen_t size = sizeof id;
    l.queues = 2;
    make_net(2);
    int fd[2] = {socket(AF_PACKET, SOCK_RAW, 0), socket(AF_PACKET, SOCK_RAW, 0)};
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = 0x300, .sll_ifindex = 1};
    cr_assert_eq(bind(fd[0], (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(setsockopt(fd[0], SOL_PACKET, PACKET_FANOUT, &group, sizeof group), 0);
    cr_assert_eq(getsockopt(fd[0], SOL_PACKET, PACKET_FANOUT, &id, &size), 0);
    for (id &= 0xffff; id < 0xffff; id++) {
        cr_assert_neq(setsockopt(fd[1], SOL_PACKET, PACKET_FANOUT, &group, sizeof group), 0);
    }
    check_in_net(&l);
}

/* ---- what cannot be sent or received dies under its name ---- */

struct event {
    const char *what;
    uint32_t mtu_left, mtu_right;
    bool down, gone;
    const char *size;
    bool at_once; /* while frames are sent: some pass, and in the first moments the kernel gives other reasons too */
    enum mr_drop reason;
};

static void before_start(void *arg)
{
    const struct event *event = arg;
    if (event->down) {
        cr_assert_eq(system("ip link set left down"), 0);
    }
    if (event->gone) {
        cr_assert_eq(mr_link_delete("left", &error), 0, "%s", error.text);
    }
}

static void check_event(const struct event *event, uint64_t frames)
{
    char text[2048];
    struct result r;
    /* `started` comes before the first frames are far: they are made at 10 a millisecond */
    struct mr_run_options options = {.linger_ns = 300000000, .started = before_start, .arg = (void *)(uintptr_t)event};
    struct loop l = plain();
    l.size = event->size;
    l.rate = "10kpps";
    l.frames = (uint32_t)frames;
    l.window = 0;
    make_net(1);
    cr_assert_eq(event->mtu_left == 0 ? 0 : mr_link_mtu("left", event->mtu_left, &error), 0, "%s", error.text);
    cr_assert_eq(event->mtu_right == 0 ? 0 : mr_link_mtu("right", event->mtu_right, &error), 0, "%s", error.text);
    loop_text(&l, text, sizeof text);
    run(text, &options, 0, &r);
    uint64_t died = r.totals.drops[event->reason];
    const uint64_t *drops = r.totals.drops;
    uint64_t by_device = drops[MR_DROP_link_down] + drops[MR_DROP_device_gone] + drops[MR_DROP_tx_refused];
    cr_assert_eq(r.totals.made_frames, frames);
    cr_assert_geq(died, event->at_once ? frames / 2 : frames, "%s: %lu", event->what, died);
    cr_assert_eq(event->at_once ? by_device : died, r.totals.all_drops, "%s: and under no other name", event->what);
    check_socket(&r, 2);
    json_decref(r.report);
}

Test(uring, longer_than_the_mtu)
{
    check_event(&(struct event){"mtu", .mtu_left = 1400, .size = "1518", .reason = MR_DROP_mtu}, 500);
}

Test(uring, longer_than_a_chunk)
{
    check_event(&(struct event){"too long", .mtu_left = 9000, .mtu_right = 9000, .size = "4000", .reason = MR_DROP_too_long},
                500);
}

Test(uring, sending_device_down)
{
    check_event(&(struct event){"down", .down = true, .at_once = true, .size = "64", .reason = MR_DROP_link_down}, 2000);
}

Test(uring, sending_device_gone)
{
    check_event(&(struct event){"gone", .gone = true, .at_once = true, .size = "64", .reason = MR_DROP_device_gone}, 2000);
}

/* ---- ends ---- */

static int pipe_ends[2];

static void ask_twice(const struct mr_interval *now, void *arg)
{
    (void)now;
    cr_assert_eq(write(pipe_ends[1], "ss", *(const size_t *)arg), (ssize_t)*(const size_t *)arg);
}

/* Flooded and told to drain: what the socket had accepted is received, and nothing is left in it. */
static void check_end(size_t asked, int exit_code, const char *rate)
{
    char text[2048];
    struct result r;
    struct mr_run_options options = {.each_second = ask_twice, .arg = &asked, .stop_fd = &pipe_ends[0]};
    struct loop l = plain();
    l.engine = "layout: pipeline, cores: [0, 1]";
    l.size = "64";
    l.rate = rate;
    l.frames = l.window = 0;
    cr_assert_eq(pipe(pipe_ends), 0);
    make_net(1);
    loop_text(&l, text, sizeof text);
    run(text, &options, exit_code, &r);
    cr_assert_gt(r.totals.rx_frames, 100);
    check_socket(&r, 2);
    if (exit_code == 0) {
        cr_assert_eq(at(port(&r, 2), "outside", "left_in_socket"), 0);
        cr_assert_eq(r.totals.drops[MR_DROP_stopped], 0);
    }
    json_decref(r.report);
}

Test(uring, drains_what_the_socket_accepted)
{
    check_end(1, 0, "flat-out");
}

Test(uring, stopped_at_once_counts_what_is_left)
{
    check_end(2, 130, "flat-out");
}

/* Its receives wait for frames, with buffers in hand, and have to be cancelled before those are ours again. */
Test(uring, stopped_at_once_while_it_waits)
{
    check_end(2, 130, "1kpps");
}

Test(uring, probe_by_trying)
{
    struct mr_probe probe;
    make_net(1);
    cr_assert_eq(mr_uring_probe(&probe), 0, "%s", probe.reason);
    cr_assert(probe.usable);
}
