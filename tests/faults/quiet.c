/* quiet.c: what an engine asks of the process after it has started: no memory, no page, no descriptor.
 *
 * The allocator's entries and mmap are defined here and forward to the C library's: all libraries of the process call
 * these. What a core (any thread but this one) asks for while an engine runs is an error; what control asks for must not
 * depend on how long it runs; page faults of cores are those of the report, from the first pass to the last. A sanitizer
 * brings an allocator of its own: there is no such program in its build.
 */
#include "tests/stress/stress.h"

#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"

#include <millrace/report.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* ---- counting ---- */

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *p);

static atomic_bool counting;
static _Atomic uint64_t by_control, by_cores;
static void *_Atomic core_called_from; // for addr2line
static __thread bool is_control;

static void note(void *from)
{
    if (!counting) {
        return;
    }
    if (is_control) {
        by_control++;
    } else if (by_cores++ == 0) {
        core_called_from = from;
    }
}

#define NOTE() note(__builtin_return_address(0))

void *malloc(size_t bytes)
{
    NOTE();
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    NOTE();
    return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
    NOTE();
    return __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    NOTE();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **p, size_t alignment, size_t bytes)
{
    NOTE();
    *p = __libc_memalign(alignment, bytes);
    return *p == NULL ? ENOMEM : 0;
}

void free(void *p)
{
    if (p != NULL) {
        NOTE();
    }
    __libc_free(p);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    NOTE();
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

/* By asking for each number: to list /proc/self/fd would take a descriptor and memory. */
static uint32_t open_fds(void)
{
    uint32_t n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* ---- scenes ---- */

#define MEMORY "memory: { huge_pages: off }\nports:\n"
#define SINK   "  - { name: out, driver: memory, verify: yes }\n"
#define WIRE                                                                                                           \
    "  - { name: in, driver: memory, flows: 512, window: 64, window_with: out }\n" SINK                                \
    "  - { name: left, driver: uring, device: left }\n  - { name: right, driver: uring, device: right }\n"               \
    "paths:\n  - { from: in, work: forward, to: left }\n  - { from: right, work: l2, to: out }\n"

/* Many flows: the sinks go on to meet new ones after the first pass. */
static const struct scene {
    const char *what, *text;
    bool wire, eventful;
} scenes[] = {
    {"memory, run-to-completion",
     "engine: { layout: run-to-completion, cores: [1] }\n" MEMORY
     "  - { name: in, driver: memory, flows: 60000, size: 64..1518 }\n" SINK
     "paths:\n  - { from: in, work: forward, to: out }\n", false, false},
    {"memory, pipeline, full rings",
     "engine: { layout: pipeline, cores: [0, 1], ring: 64 }\n" MEMORY
     "  - { name: in, driver: memory, flows: 60000 }\n" SINK
     "paths:\n  - { from: in, work: macswap, to: out, when_full: drop }\n", false, true},
    {"wire, run-to-completion", "engine: { layout: run-to-completion, cores: [1] }\n" MEMORY WIRE, true, true},
    {"wire, pipeline", "engine: { layout: pipeline, cores: [0, 1] }\n" MEMORY WIRE, true, true},
};

static struct mr_engine *engine;
static const struct scene *scene;
static uint32_t fds_started, answers, events, seconds;
static uint32_t mtu = 1500;

static void started(void *arg)
{
    (void)arg;
    fds_started = open_fds();
    mr_engine_ask_balance(engine);
    counting = true;
}

static void expect_no_more_fds(void)
{
    uint32_t now = open_fds();
    EXPECT(now == fds_started, "%s: %u descriptors, %u at the start", scene->what, now, fds_started);
}

/* Each answer asks for the next one. At the first the wire gets another MTU: something to tell. */
static void balance(const struct mr_balance *b, void *arg)
{
    struct mr_error err = {0};
    (void)arg;
    EXPECT(!b->answered || b->holds, "%s: %lld frames, %lld chunks unaccounted for", scene->what,
           (long long)b->unaccounted, (long long)b->chunks_unaccounted);
    expect_no_more_fds();
    if (answers++ == 0 && scene->wire) {
        mtu = mtu == 1500 ? 1400 : 1500;
        EXPECT(mr_link_mtu("left", mtu, &err) == 0, "%s", err.text);
    }
    mr_engine_ask_balance(engine);
}

static void event(const struct mr_event *event, void *arg)
{
    (void)arg;
    (void)event;
    events++;
    expect_no_more_fds();
}

static void each_second(const struct mr_interval *now, void *arg)
{
    (void)now;
    (void)arg;
    seconds++;
    expect_no_more_fds();
}

static void expect_report(const json_t *r)
{
    const json_t *core;
    size_t i;
    json_int_t sent = json_integer_value(json_object_get(json_object_get(r, "totals"), "tx_frames"));
    EXPECT(sent > 1000, "%s: %lld frames sent", scene->what, (long long)sent);
    json_array_foreach(json_object_get(r, "cores"), i, core) {
        const json_t *faults = json_object_get(core, "page_faults");
        EXPECT(json_is_integer(faults) && json_integer_value(faults) == 0, "%s: core %zu took %lld page faults", scene->what,
               i, (long long)json_integer_value(faults));
    }
}

/* Returns what control allocated and freed meanwhile. */
static uint64_t play(const struct scene *s, uint64_t for_ns)
{
    struct mr_error err = {0};
    struct mr_config *cfg = NULL;
    struct mr_run_options options = {.for_ns = for_ns, .check_ns = 10000000, .started = started, .balance = balance,
                                     .event = event, .each_second = each_second, .signals = true};
    scene = s;
    answers = events = seconds = 0;
    by_control = by_cores = 0;
    core_called_from = NULL;
    int rc = mr_config_parse(&cfg, s->text, strlen(s->text), s->what, &err);
    rc = rc < 0 ? rc : mr_config_check(cfg, &err);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &engine, &err);
    uint32_t fds_before = open_fds();
    rc = rc < 0 ? rc : mr_engine_run(engine, &options, &err);
    counting = false;
    EXPECT(rc == 0, "%s: %d %s", s->what, rc, err.text);
    EXPECT(open_fds() <= fds_before, "%s: %u descriptors after the run, %u before it", s->what, open_fds(), fds_before);
    EXPECT(by_cores == 0, "%s: cores allocated %lu times, first at %p", s->what, by_cores, core_called_from);
    json_t *report = mr_report_json(engine, 0, NULL);
    expect_report(report);
    json_decref(report);
    EXPECT(answers != 0 && (events != 0) == s->eventful, "%s: %u answers, %u events", s->what, answers, events);
    EXPECT(seconds == for_ns / 1000000000, "%s: %u seconds told", s->what, seconds);
    printf("%s, %.1f s: %u answers, %u events, %u seconds told; cores asked for nothing, control %lu times\n", s->what,
           (double)for_ns / 1e9, answers, events, seconds, by_control);
    mr_engine_destroy(engine);
    mr_config_destroy(cfg);
    return by_control;
}

static void make_wire(void)
{
    struct mr_error err = {0};
    EXPECT(unshare(CLONE_NEWNET) == 0, "needs root");
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // neighbour discovery: frames that no source made
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
    int rc = mr_link_veth("left", "right", -1, 1, &err);
    rc = rc < 0 ? rc : mr_link_up("left", &err);
    rc = rc < 0 ? rc : mr_link_up("right", &err);
    EXPECT(rc == 0, "%s", err.text);
}

int main(void)
{
    alarm(STRESS_DEADLINE_S);
    is_control = true;
    make_wire();
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        uint64_t brief = play(&scenes[i], 300000000);
        uint64_t longer = play(&scenes[i], 1200000000);
        EXPECT(brief == longer, "%s: control allocated %lu times in 0.3 s, %lu in 1.2 s", scenes[i].what, brief, longer);
    }
    return 0;
}
