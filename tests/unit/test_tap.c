/* Taps on memory ports: each place shows what passes it, whole and no more; files that fail end alone. */
#include <criterion/criterion.h>

#include "lib/engine/engine_parts.h"

#include <millrace/report.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct mr_error error;
static char directory[] = "/tmp/test_tap.XXXXXX";
static uint32_t events;

static void make_directory(void)
{
    cr_assert(mkdtemp(directory) != NULL);
}

static void remove_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(tap, .init = make_directory, .fini = remove_directory, .timeout = 60);

static const char *path(const char *name)
{
    static char text[8][64];
    static uint32_t next;
    char *at = text[next++ % 8];
    snprintf(at, sizeof text[0], "%s/%s", directory, name);
    return at;
}

static void count_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    events += strcmp(event->what, "tap_ended") == 0;
}

static struct mr_engine *create(const char *text, struct mr_config **cfg)
{
    struct mr_engine *e = NULL;
    cr_assert_eq(mr_config_parse(cfg, text, strlen(text), "test.yaml", &error), 0, "%s", error.text);
    cr_assert_eq(mr_config_check(*cfg, &error), 0, "%s", error.text);
    if (mr_engine_create(*cfg, &e, &error) < 0) {
        mr_config_destroy(*cfg);
    }
    return e;
}

/* The report of a run of this configuration; every frame accounted for. */
static json_t *run(const char *text, uint32_t trace)
{
    struct mr_config *cfg;
    struct mr_run_options options = {.event = count_event, .trace_frames = trace};
    struct mr_engine *e = create(text, &cfg);
    cr_assert(e != NULL, "%s", error.text);
    events = 0;
    cr_assert_eq(mr_engine_run(e, &options, &error), 0, "%s", error.text);
    json_t *report = mr_report_json(e, 0, NULL);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(report, "totals"), "unaccounted")), 0);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(report, "chunks"), "unaccounted")), 0);
    mr_engine_destroy(e);
    mr_config_destroy(cfg);
    return report;
}

static long long of_tap(const json_t *report, size_t i, const char *key)
{
    return json_integer_value(json_object_get(json_array_get(json_object_get(report, "taps"), i), key));
}

static long long total(const json_t *report, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(report, "totals"), key));
}

/* What a file holds, by libpcap. */
struct held {
    uint64_t frames, caught, bytes;
    uint64_t first_ns, last_ns;
    bool falls;             /* a stamp before the one in front of it */
    unsigned char head[64]; /* of the first frame */
};

static struct held read_file(const char *file)
{
    struct held h = {0};
    char why[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *head;
    const unsigned char *data;
    pcap_t *p = pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
    int rc;
    cr_assert(p != NULL, "%s", why);
    while ((rc = pcap_next_ex(p, &head, &data)) == 1) {
        uint64_t ns = (uint64_t)head->ts.tv_sec * 1000000000u + (uint64_t)head->ts.tv_usec;
        if (h.frames++ == 0) {
            memcpy(h.head, data, head->caplen < 64 ? head->caplen : 64);
            h.first_ns = ns;
        }
        h.falls |= ns < h.last_ns;
        h.last_ns = ns;
        h.caught += head->caplen;
        h.bytes += head->len;
    }
    cr_assert_eq(rc, PCAP_ERROR_BREAK, "%s: %s", file, pcap_geterr(p));
    pcap_close(p);
    return h;
}

static uint64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *config(const char *work, const char *to, const char *taps)
{
    static char text[2000];
    snprintf(text, sizeof text,
             "engine: { layout: pipeline, cores: [0, 1] }\nmemory: { chunks: 8192, huge_pages: off }\nports:\n"
             "  - { name: in, driver: memory, frames: 3000, flows: 3 }\n"
             "%s%spaths:\n  - { from: in, work: %s, to: %s, when_full: wait }\ntap:\n%s",
             strchr(to, 'a') == NULL ? "" : "  - { name: a, driver: memory }\n",
             strchr(to, 'b') == NULL ? "" : "  - { name: b, driver: memory }\n", work, to, taps);
    return text;
}

/* in and out of a switch that knows nobody: each frame leaves twice. */
Test(tap, every_place)
{
    char taps[1000];
    uint64_t before = wall_ns();
    snprintf(taps, sizeof taps,
             "  - { where: in.rx, to: %s }\n  - { where: a.tx, to: %s }\n  - { where: work:0.0.in, to: %s }\n"
             "  - { where: work:0.0.out, to: %s }\n  - { where: drops, to: %s }\n",
             path("rx.pcap"), path("tx.pcapng"), path("in.pcapng"), path("out.pcap"), path("drops.pcapng"));
    json_t *report = run(config("[macswap, l2]", "[a, b]", taps), 0);
    static const char *const files[] = {"rx.pcap", "tx.pcapng", "in.pcapng", "out.pcap", "drops.pcapng"};
    static const uint64_t frames[] = {3000, 3000, 3000, 6000, 0};
    for (size_t i = 0; i < 5; i++) {
        struct held h = read_file(path(files[i]));
        cr_assert_eq(h.frames, frames[i], "%s: %lu", files[i], h.frames);
        cr_assert_eq(h.caught, 60 * frames[i]);
        cr_assert_eq(of_tap(report, i, "seen"), (long long)frames[i]);
        cr_assert_eq(of_tap(report, i, "matched"), (long long)frames[i]);
        cr_assert_eq(of_tap(report, i, "written"), (long long)frames[i]);
        cr_assert_eq(of_tap(report, i, "written_bytes"), 60 * (long long)frames[i]);
        cr_assert_eq(of_tap(report, i, "capture_lost"), 0);
        cr_assert(!h.falls, "%s", files[i]);
        cr_assert(frames[i] == 0 || (h.first_ns > before - 1000000 && h.last_ns < wall_ns() + 1000000), "%s", files[i]);
        cr_assert(frames[i] == 0 || h.head[5] == (i == 1 || i == 3 ? 1 : 2), "%s: before or after macswap", files[i]);
    }
    cr_assert_eq(total(report, "tx_frames"), 6000);
    json_decref(report);
}

Test(tap, filter_and_snap)
{
    char taps[300];
    snprintf(taps, sizeof taps, "  - { where: in.rx, to: %s, filter: src host 198.18.0.1, snap: 48 }\n", path("rx.pcapng"));
    json_t *report = run(config("forward", "a", taps), 0);
    struct held h = read_file(path("rx.pcapng"));
    cr_assert_eq(h.frames, 1000);
    cr_assert_eq(h.caught, 48000);
    cr_assert_eq(h.bytes, 60000);
    cr_assert_eq(of_tap(report, 0, "seen"), 3000);
    cr_assert_eq(of_tap(report, 0, "matched"), 1000);
    cr_assert_eq(total(report, "tx_frames"), 3000);
    json_decref(report);
}

static uint32_t word(const unsigned char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static size_t read_all(const char *file, unsigned char *bytes, size_t most)
{
    FILE *in = fopen(file, "re");
    cr_assert(in != NULL);
    size_t n = fread(bytes, 1, most, in);
    fclose(in);
    return n;
}

/* Dead frames with reason and place as a comment, interfaces named after ports; by hand, libpcap reads neither. */
Test(tap, drops)
{
    static unsigned char file[1 << 20];
    char taps[100];
    uint32_t interfaces = 0, packets = 0;
    snprintf(taps, sizeof taps, "  - { where: drops, to: %s }\n", path("drops.pcapng"));
    json_t *report = run(config("[macswap, drop]", "[]", taps), 0);
    cr_assert_eq(read_file(path("drops.pcapng")).frames, 3000);
    cr_assert_eq(of_tap(report, 0, "written"), 3000);
    size_t n = read_all(path("drops.pcapng"), file, sizeof file);
    for (size_t at = 0; at < n; at += word(file + at + 4)) {
        if (word(file + at) == 1) {
            cr_assert_eq(memcmp(file + at + 20, "in", 2), 0, "its one port");
            interfaces++;
        } else if (word(file + at) == 6) {
            const char *comment = (const char *)file + at + 28 + 60 + 4;
            cr_assert_eq(word(file + at + 8), 0, "of port in");
            cr_assert_eq(word(file + at + 28 + 60) & 0xffff, 1, "a comment");
            cr_assert_eq(strncmp(comment, "work_drop at work:0.0, drop.c:", 30), 0, "%s", comment);
            packets++;
        }
    }
    cr_assert_eq(interfaces, 1);
    cr_assert_eq(packets, 3000);
    json_decref(report);
}

/* Three copies of each frame where there is room for one: those that could not be made are among the dead. */
static void greedy(struct mr_work *w, struct mr_burst *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        for (uint32_t k = 0; k < 3; k++) {
            mr_burst_copy(w, b, &b->frames[i], w->outputs[1]);
        }
        b->frames[i].port = w->outputs[0];
    }
}

static const struct mr_work_ops greedy_ops = {
    .name = "greedy", .summary = "test", .flags = MR_WORK_CHOOSES | MR_WORK_COPIES, .process = greedy};

Test(tap, copies_that_were_not_made)
{
    static unsigned char file[8 << 20];
    char text[1000];
    mr_work_register(&greedy_ops);
    snprintf(text, sizeof text,
             "engine: { cores: [0], burst: 256 }\nmemory: { huge_pages: off }\nports:\n"
             "  - { name: in, driver: memory, frames: 5000 }\n  - { name: a, driver: memory }\n  - { name: b, driver: memory }\n"
             "paths:\n  - { from: in, work: greedy, to: [a, b] }\ntap:\n  - { where: drops, to: %s }\n", path("drops.pcapng"));
    json_t *report = run(text, 10);
    const json_t *drops = json_object_get(json_object_get(report, "totals"), "drops");
    long long unmade = json_integer_value(json_object_get(drops, "no_chunk"));
    cr_assert_gt(unmade, 0);
    cr_assert_eq(of_tap(report, 0, "written"), unmade + json_integer_value(json_object_get(drops, "tx_full")));
    size_t n = read_all(path("drops.pcapng"), file, sizeof file);
    cr_assert(memmem(file, n, "no_chunk at work:0.0, copy.c:", 29) != NULL);
    json_decref(report);
}

/* Both look at the same stages. */
Test(tap, with_a_trace)
{
    char taps[200];
    snprintf(taps, sizeof taps, "  - { where: in.rx, to: %s }\n  - { where: a.tx, to: %s }\n", path("rx.pcap"), path("tx.pcap"));
    json_t *report = run(config("forward", "a", taps), 10);
    cr_assert_eq(json_array_size(json_object_get(report, "trace")), 10);
    cr_assert_eq(read_file(path("rx.pcap")).frames, 3000);
    cr_assert_eq(read_file(path("tx.pcap")).frames, 3000);
    json_decref(report);
}

/* A disk that is full ends the tap, once told; every frame is forwarded. */
Test(tap, full_disk)
{
    json_t *report = run(config("forward", "a", "  - { where: in.rx, to: /dev/full }\n"), 0);
    const json_t *tap = json_array_get(json_object_get(report, "taps"), 0);
    cr_assert(json_is_string(json_object_get(tap, "error")));
    cr_assert_eq(of_tap(report, 0, "written") + of_tap(report, 0, "capture_lost"), 3000);
    cr_assert_eq(events, 1);
    cr_assert_eq(total(report, "tx_frames"), 3000);
    json_decref(report);
}

/* Nobody reads the pipe: what the lane cannot hold is lost to the tap, and nothing else. */
Test(tap, reader_that_does_not_read)
{
    char text[1000];
    cr_assert_eq(mkfifo(path("pipe"), 0600), 0);
    int reader = open(path("pipe"), O_RDONLY | O_NONBLOCK);
    snprintf(text, sizeof text,
             "engine: { cores: [0] }\nmemory: { chunks: 8192, huge_pages: off }\nports:\n"
             "  - { name: in, driver: memory, frames: 20000, size: 1518 }\n  - { name: a, driver: memory, verify: yes }\n"
             "paths:\n  - { from: in, work: forward, to: a }\ntap:\n  - { where: a.tx, to: %s }\n", path("pipe"));
    json_t *report = run(text, 0);
    cr_assert_eq(total(report, "tx_frames"), 20000);
    cr_assert_eq(of_tap(report, 0, "matched"), 20000);
    cr_assert_gt(of_tap(report, 0, "capture_lost"), 10000);
    cr_assert_eq(of_tap(report, 0, "written") + of_tap(report, 0, "capture_lost"), 20000);
    close(reader);
    json_decref(report);
}

/* ---- configuration ---- */

static void wrong(const char *taps, const char *pattern)
{
    struct mr_config *cfg = NULL;
    const char *text = config("forward", "a", taps);
    error.text[0] = 0;
    cr_assert_eq(mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error), 0, "%s", error.text);
    cr_assert_eq(mr_config_check(cfg, &error), -EINVAL, "%s", taps);
    cr_assert(strstr(error.text, pattern) != NULL, "%s", error.text);
    mr_config_destroy(cfg);
}

Test(tap, wrong_places_and_files)
{
    wrong("  - { where: left.rx, to: x.pcap }\n", "test.yaml:9: tap[0].where: \"left.rx\" is no place");
    wrong("  - { where: in, to: x.pcap }\n", "is no place");
    wrong("  - { where: .rx, to: x.pcap }\n", "is no place");
    wrong("  - { where: work:0.in, to: x.pcap }\n", "is no place");
    wrong("  - { where: work:0.0.0.in, to: x.pcap }\n", "is no place");
    wrong("  - { where: in.tx, to: x.pcap }\n", "no path sends to that port");
    wrong("  - { where: a.rx, to: x.pcap }\n", "no path receives from that port");
    wrong("  - { where: work:0.1.in, to: x.pcap }\n", "no such work stage");
    wrong("  - { where: work:1.0.in, to: x.pcap }\n", "no such work stage");
    wrong("  - { where: in.rx }\n", "no file");
    wrong("  - { where: in.rx, to: \"-\" }\n", "standard output");
    wrong("  - { where: drops, to: x.pcap }\n", "name it as x.pcap.pcapng");
    wrong("  - { where: in.rx, to: x.pcap }\n  - { where: a.tx, to: x.pcap }\n", "test.yaml:10: tap[1].to: tap[0] writes to x.pcap");
}

Test(tap, what_cannot_be_opened)
{
    struct mr_config *cfg;
    cr_assert(create(config("forward", "a", "  - { where: in.rx, to: x.pcap, filter: udp prot 53 }\n"), &cfg) == NULL);
    cr_assert(strstr(error.text, "test.yaml:9: tap[0]: filter \"udp prot 53\": ") != NULL, "%s", error.text);
    cr_assert(access("x.pcap", F_OK) != 0, "made before it was asked whether it can be");
    cr_assert(create(config("forward", "a", "  - { where: in.rx, to: /nowhere/x.pcap }\n"), &cfg) == NULL);
    cr_assert(strstr(error.text, "/nowhere/x.pcap") != NULL, "%s", error.text);
}

static void refused(const char *text, const char *pattern)
{
    struct mr_config *cfg;
    error.text[0] = 0;
    cr_assert(create(text, &cfg) == NULL, "%s", pattern);
    cr_assert_eq(error.code, -EBUSY, "%s", error.text);
    cr_assert_eq(error.fault, MR_FAULT_CONFIG);
    cr_assert(strstr(error.text, pattern) != NULL, "%s", error.text);
}

/* A file has many names, and a tap would cut it under who reads it: what it is counts, not what it is called. */
Test(tap, a_file_that_is_in_use)
{
    struct stat st;
    char text[800];
    const char *ports = "memory: { huge_pages: off }\nports:\n  - { name: in, driver: pcap, read: %s }\n"
                        "  - { name: out, driver: pcap, write: %s }\n"
                        "paths:\n  - { from: in, work: forward, to: out }\ntap:\n  - { where: out.tx, to: %s }\n";
    snprintf(text, sizeof text, "  - { where: in.rx, to: %s }\n", path("in.pcap"));
    json_decref(run(config("forward", "a", text), 0));
    cr_assert_eq(link(path("in.pcap"), path("other.pcap")), 0);
    snprintf(text, sizeof text, ports, path("in.pcap"), path("out.pcap"), path("other.pcap"));
    refused(text, "other.pcap is the file that port in reads; write another file");
    cr_assert_eq(stat(path("in.pcap"), &st), 0);
    cr_expect_eq(st.st_size, 24 + 3000 * (16 + 60), "what port in reads is untouched: %ld", (long)st.st_size);
    snprintf(text, sizeof text, ports, path("in.pcap"), path("out.pcap"), path("./out.pcap"));
    refused(text, "test.yaml:8: tap[0]: ");
    refused(text, "/./out.pcap is the file that port out writes; write another file");
    snprintf(text, sizeof text, "  - { where: in.rx, to: %s }\n  - { where: a.tx, to: %s }\n", path("a.pcapng"), path("./a.pcapng"));
    refused(config("forward", "a", text), "/./a.pcapng is the file that tap[0] writes; write another file");
}

/* The configuration in a report is one that loads. */
Test(tap, loads_again)
{
    struct mr_config *cfg = NULL, *again = NULL;
    const char *text = config("forward", "a", "  - { where: in.rx, to: x.pcap, snap: 96, filter: 'udp port 53' }\n");
    cr_assert_eq(mr_config_parse(&cfg, text, strlen(text), "test.yaml", &error), 0);
    cr_assert_eq(mr_config_check(cfg, &error), 0, "%s", error.text);
    json_t *json = mr_config_json(cfg);
    char *dump = json_dumps(json, 0);
    cr_assert_eq(mr_config_parse(&again, dump, strlen(dump), "again", &error), 0, "%s", error.text);
    cr_assert_eq(mr_config_check(again, &error), 0, "%s", error.text);
    cr_assert_eq(again->n_taps, 1);
    cr_assert_eq(memcmp(&again->taps[0], &cfg->taps[0], sizeof cfg->taps[0]), 0);
    cr_assert_eq(mr_config_set(again, "tap[0].snap=64", &error), 0, "%s", error.text);
    cr_assert_eq(again->taps[0].snap, 64);
    free(dump);
    json_decref(json);
    mr_config_destroy(cfg);
    mr_config_destroy(again);
}
