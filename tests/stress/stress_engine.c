/* Whole engines, on memory ports and over a veth pair by io_uring, for ThreadSanitizer: control looks at everything once a
 * second while four threads on two CPUs receive, work and send. Two ends: all sources over, and told twice in the middle
 * of it. What was counted must balance, and every chunk must have come home. */
#include "stress.h"

#include "lib/port/port.h"
#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"

#include <millrace/report.h>

#define HEAD "memory: { huge_pages: off }\nports:\n"

#define WIRE(more, queues)                                                                                             \
    "  - { name: source, driver: memory, flows: 8" more " }\n  - { name: sink, driver: memory, verify: yes }\n"            \
    "  - { name: left, driver: uring, device: left, queues: " #queues " }\n"                                             \
    "  - { name: right, driver: uring, device: right, queues: " #queues " }\n"                                           \
    "paths:\n  - { from: source, work: forward, to: left }\n"

static const struct scene {
    const char *what, *text;
    uint64_t frames; /* that must have been made by the sources and arrived; 0 = any number */
    bool stopped;
    bool wire; /* needs interfaces left and right, and sends each frame twice */
} scenes[] = {
    {"four threads, two queues, two workers",
     "engine: { layout: pipeline, cores: [0, 1, 0, 1] }\n" HEAD
     "  - { name: in, driver: memory, queues: 2, rate: 200kpps, frames: 300000, flows: 8 }\n"
     "  - { name: out, driver: memory, queues: 2, verify: yes }\n"
     "paths:\n  - { from: in, work: macswap, to: out, workers: 2 }\n", 300000, false},
    {"a window over two threads",
     "engine: { layout: pipeline, cores: [0, 1] }\n" HEAD
     "  - { name: in, driver: memory, queues: 2, window: 64, window_with: out, frames: 100000, size: 64..1518 }\n"
     "  - { name: out, driver: memory, queues: 2, verify: yes }\n"
     "paths:\n  - { from: in, work: forward, to: out, workers: 2 }\n", 100000, false},
    {"flooding to three ports, stopped",
     "engine: { layout: pipeline, cores: [0, 1, 0, 1], ring: 256 }\n" HEAD
     "  - { name: a, driver: memory, queues: 2 }\n  - { name: b, driver: memory }\n  - { name: c, driver: memory }\n"
     "paths:\n  - { from: [a, b], work: l2, to: [a, b, c], workers: 2 }\n", 0, true},
    {"over a wire, three queues, two workers",
     "engine: { layout: pipeline, cores: [0, 1, 0, 1] }\n" HEAD WIRE(", window: 64, window_with: sink, frames: 20000", 3)
     "  - { from: right, work: l2, to: sink, workers: 2 }\n", 20000, false, true},
    {"over a wire, flat out, stopped",
     "engine: { layout: pipeline, cores: [0, 1] }\n" HEAD WIRE("", 1) "  - { from: right, work: forward, to: sink }\n", 0, true,
     true},
};

static uint32_t seconds_seen;
static int stop[2];

static void each_second(const struct mr_interval *now, void *arg)
{
    const struct scene *s = arg;
    EXPECT(now->period > 0, "%f", now->period);
    seconds_seen++;
    if (s->stopped) {
        EXPECT(write(stop[1], "xx", 2) == 2, "the stop pipe is full");
    }
}

static json_int_t number(const json_t *report, const char *object, const char *key)
{
    const json_t *n = json_object_get(json_object_get(report, object), key);
    EXPECT(json_is_integer(n), "no %s.%s", object, key);
    return json_integer_value(n);
}

static void check(const struct scene *s, const json_t *r)
{
    EXPECT(number(r, "totals", "unaccounted") == 0, "%s", s->what);
    EXPECT(number(r, "totals", "in_flight") == 0, "%s", s->what);
    EXPECT(number(r, "chunks", "unaccounted") == 0, "%s", s->what);
    EXPECT(number(r, "chunks", "home_after_close") == number(r, "chunks", "total"), "%s", s->what);
    EXPECT(number(r, "totals", "tx_frames") > 0, "%s", s->what);
    if (s->frames != 0) {
        EXPECT(number(r, "totals", "made_frames") == (json_int_t)s->frames, "%s", s->what);
        EXPECT(number(r, "totals", "tx_frames") == (json_int_t)s->frames * (s->wire ? 2 : 1), "%s", s->what);
    }
    printf("%s: %lld frames sent, balanced\n", s->what, (long long)number(r, "totals", "tx_frames"));
}

static void play(const struct scene *s)
{
    struct mr_error err = {0};
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    struct mr_run_options options = {.each_second = each_second, .arg = (void *)(uintptr_t)s, .stop_fd = &stop[0]};
    options.linger_ns = s->wire && !s->stopped ? 2000000000 : 0; // a thread may be kept from its CPU for long
    int rc = mr_config_parse(&cfg, s->text, strlen(s->text), s->what, &err);
    rc = rc < 0 ? rc : mr_config_check(cfg, &err);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &e, &err);
    rc = rc < 0 ? rc : mr_engine_run(e, &options, &err);
    EXPECT(rc == (s->stopped ? 130 : 0), "%s: %d %s", s->what, rc, err.text);
    json_t *report = mr_report_json(e, 0, NULL);
    check(s, report);
    json_decref(report);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
}

/* A namespace of our own, with a veth pair; false where none is allowed, or without the driver. */
static bool make_wire(void)
{
    struct mr_error err = {0};
    if (mr_driver_find("uring") == NULL || unshare(CLONE_NEWNET) != 0) {
        return false;
    }
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // neighbour discovery: frames that no source made
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
    int rc = mr_link_veth("left", "right", -1, 3, &err);
    rc = rc < 0 ? rc : mr_link_up("left", &err);
    rc = rc < 0 ? rc : mr_link_up("right", &err);
    EXPECT(rc == 0, "%s", err.text);
    return true;
}

int main(void)
{
    alarm(STRESS_DEADLINE_S);
    bool wire = make_wire();
    EXPECT(pipe(stop) == 0, "no pipe");
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        if (wire || !scenes[i].wire) {
            play(&scenes[i]);
        } else {
            printf("%s: left out, needs root and the driver uring\n", scenes[i].what);
        }
    }
    EXPECT(seconds_seen != 0, "control never looked while the cores ran");
    return 0;
}
