/* lab_options.c: the command line of `millrace lab`. */
#include "apps/millrace/lab.h"
#include "apps/millrace/verbs.h"

#include "lib/port/port.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "millrace lab: run the pipeline between two veth pairs in a private lab, and account for every frame\n"
    "\n"
    "  millrace lab [options]\n"
    "\n"
    "traffic\n"
    "  --for TIME            run so long (10s, 250ms); default 10s\n"
    "  --frames N            send N frames, then end\n"
    "  --rate RATE           500kpps, 1mpps, flat-out; default flat-out\n"
    "  --window W            at most W frames under way: nothing can be lost, for tests of correctness\n"
    "  --size SIZE           64, 64..1518, imix (with FCS); default 64\n"
    "  --flows N             traffic flows; default 16\n"
    "  --vlan ID             802.1Q tag on every frame, 4 bytes on top of --size\n"
    "  --sink verify|drop    verify each frame, or let the device count them; default drop, with --window verify\n"
    "\n"
    "pipeline\n"
    "  --driver NAME         of both sides; default uring; auto: the fastest that can be used, which is told\n"
    "  --rx-driver NAME, --tx-driver NAME  of one side\n"
    "  --work NAME           forward, macswap, l2, drop; default forward\n"
    "  --layout LAYOUT       run-to-completion or pipeline; default run-to-completion\n"
    "  --cores LIST          CPUs of the pipeline; default the last allowed, for pipeline the last three\n"
    "  --offload WORD        none, checksum, super: of the devices and of the pipeline's ports; default none\n"
    "  --set KEY=VALUE       a key of the pipeline's configuration, config/reference.yaml\n"
    "\n"
    "result\n"
    "  --trace N             where the first N frames were in the pipeline, and what became of them (docs/trace.md)\n"
    "  --trace-filter EXPR   of those that match, in tcpdump's words\n"
    "  --json FILE|-         the report as one JSON document\n"
    "  --quiet               no live line, no events, no tables\n"
    "  --verbose             errors with errno and whose fault it is\n"
    "  --keep                leave the namespaces, and say how to enter and remove them\n"
    "\n"
    "Exit code 0: done and every frame accounted for; 1: failed, frames missing or altered; 2: usage; 3: the machine\n"
    "cannot; 130: stopped by a second signal. Needs root, or a system that allows unprivileged user namespaces.\n";

/* One option: takes its text into o. */
typedef int take_fn(struct lab_options *o, const char *option, const char *text, struct mr_error *err);

static int wrong(const char *option, const char *text, const char *expected, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: --%s %s: expected %s", option, text, expected);
}

/* ---- values ---- */

static int number(uint64_t *out, uint64_t min, uint64_t max, const char *option, const char *text, struct mr_error *err)
{
    char *end, expected[64];
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == 0 && *text != '-' && *out >= min && *out <= max) {
        return 0;
    }
    snprintf(expected, sizeof expected, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
    return wrong(option, text, expected, err);
}

static int number32(uint32_t *out, uint64_t min, uint64_t max, const char *option, const char *text,
                    struct mr_error *err)
{
    uint64_t value;
    int result = number(&value, min, max, option, text, err);
    *out = (uint32_t)value;
    return result;
}

/* Index of a word among those of an enum; -1 when it is none. */
static int word(const char *text, const char *(*word_of)(int))
{
    for (int i = 0; word_of(i) != NULL; i++) {
        if (strcmp(word_of(i), text) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *layout_word(int i)
{
    return mr_layout_word((enum mr_layout)i);
}

static const char *offload_word(int i)
{
    return mr_offload_word((enum mr_offload)i);
}

static int driver(const char **out, const char *option, const char *text, struct mr_error *err)
{
    const struct mr_driver *d = mr_driver_find(text);
    *out = text;
    return d != NULL && d->caps.needs_device && !d->caps.makes_device
               ? 0
               : wrong(option, text,
                       "a driver that is built in and opens a device that is there, as the lab's are (see: millrace drivers)", err);
}

/* ---- traffic ---- */

static int take_for(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return mr_parse_duration(text, &o->for_ns) == 0 && o->for_ns != 0
               ? 0
               : wrong(option, text, "a time like 10s, 250ms or 10 (seconds)", err);
}

static int take_frames(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return number(&o->frames, 1, UINT32_MAX, option, text, err);
}

static int take_rate(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    double frames_per_second;
    o->rate = text;
    return mr_parse_rate(text, &frames_per_second) == 0 ? 0 : wrong(option, text, "500kpps, 1mpps or flat-out", err);
}

static int take_window(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return number32(&o->window, 1, LAB_WINDOW_MAX, option, text, err);
}

static int take_size(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    struct mr_sizes sizes;
    o->size = text;
    if (mr_parse_sizes(text, &sizes) != 0) {
        return wrong(option, text, "64, 64..1518 or imix", err);
    }
    for (uint32_t i = 0; i < sizes.n; i++) {
        if (sizes.bytes[i] > LAB_FRAME_MAX) {
            return wrong(option, text, "at most 1518, the devices have an MTU of 1500", err);
        }
    }
    return 0;
}

static int take_flows(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return number32(&o->flows, 1, 65535, option, text, err);
}

static int take_vlan(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return number32(&o->vlan, 1, 4094, option, text, err);
}

static int take_sink(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->sink_given = true;
    o->verify = strcmp(text, "verify") == 0;
    return o->verify || strcmp(text, "drop") == 0 ? 0 : wrong(option, text, "verify or drop", err);
}

/* ---- pipeline ---- */

static int take_rx_driver(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->rx_given = true;
    return driver(&o->rx_driver, option, text, err);
}

static int take_tx_driver(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->tx_given = true;
    return driver(&o->tx_driver, option, text, err);
}

static int take_driver(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->choose = strcmp(text, "auto") == 0;
    if (o->choose) {
        return 0;
    }
    o->tx_driver = text;
    return driver(&o->rx_driver, option, text, err);
}

static int take_work(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->work = text;
    return mr_work_find(text) != NULL ? 0 : wrong(option, text, "a work function: forward, macswap, l2, drop", err);
}

static int take_layout(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    int i = word(text, layout_word);
    o->layout = (enum mr_layout)i;
    return i >= 0 ? 0 : wrong(option, text, "run-to-completion or pipeline", err);
}

static int take_offload(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    int i = word(text, offload_word);
    o->offload = (enum mr_offload)i;
    return i >= 0 ? 0 : wrong(option, text, "none, checksum or super", err);
}

static int take_cores(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    const char *at = text;
    char *end;
    o->n_cores = 0;
    do {
        unsigned long cpu = strtoul(at, &end, 10);
        if (end == at || *at == '-' || cpu >= MR_CPUS_MAX || o->n_cores == LAB_CORES_MAX) {
            return wrong(option, text, "CPU numbers like 1 or 1,2,3", err);
        }
        o->cores[o->n_cores++] = (uint32_t)cpu;
        at = end + 1;
    } while (*end == ',');
    return *end == 0 ? 0 : wrong(option, text, "CPU numbers like 1 or 1,2,3", err);
}

static int take_set(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    if (o->n_sets == LAB_SETS_MAX) {
        return wrong(option, text, "at most 32 of them", err);
    }
    o->sets[o->n_sets++] = text;
    return 0;
}

/* ---- result ---- */

static int take_trace(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    return number32(&o->trace_frames, 1, MR_TRACE_FRAMES_MAX, option, text, err);
}

static int take_trace_filter(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    (void)option, (void)err;
    o->trace_filter = text;
    return 0;
}

static int take_json(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    o->json = text;
    if (*text == 0) {
        return wrong(option, text, "a file, or - for standard output", err);
    }
    return strcmp(text, "-") == 0 ? 0 : options_check_json("lab", text, err);
}

static int take_quiet(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    (void)option, (void)text, (void)err;
    o->quiet = true;
    return 0;
}

static int take_keep(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    (void)option, (void)text, (void)err;
    o->keep = true;
    return 0;
}

static int take_verbose(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    (void)option, (void)text, (void)err;
    o->verbose = true;
    return 0;
}

static int take_help(struct lab_options *o, const char *option, const char *text, struct mr_error *err)
{
    (void)o, (void)option, (void)text, (void)err;
    fputs(help, stdout);
    return 1;
}

static const struct rule {
    const char *name;
    take_fn *take;
    bool alone; /* has no value */
} rules[] = {
    {"for", take_for, false},
    {"frames", take_frames, false},
    {"rate", take_rate, false},
    {"window", take_window, false},
    {"size", take_size, false},
    {"flows", take_flows, false},
    {"vlan", take_vlan, false},
    {"sink", take_sink, false},
    {"driver", take_driver, false},
    {"rx-driver", take_rx_driver, false},
    {"tx-driver", take_tx_driver, false},
    {"work", take_work, false},
    {"layout", take_layout, false},
    {"cores", take_cores, false},
    {"offload", take_offload, false},
    {"set", take_set, false},
    {"trace", take_trace, false},
    {"trace-filter", take_trace_filter, false},
    {"json", take_json, false},
    {"quiet", take_quiet, true},
    {"keep", take_keep, true},
    {"verbose", take_verbose, true},
    {"help", take_help, true},
};

/* ---- together ---- */

static int unknown(const char *typed, struct mr_error *err)
{
    enum { N = sizeof rules / sizeof *rules };
    const char *names[N];
    char bare[64];
    for (size_t i = 0; i < N; i++) {
        names[i] = rules[i].name;
    }
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(typed, "="), typed);
    const char *near = typed[0] == '-' ? nearest(bare + strspn(bare, "-"), names, N) : NULL;
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: unknown option \"%s\"%s%s%s (see: millrace lab --help)",
                        typed, near != NULL ? "; did you mean \"--" : "", near != NULL ? near : "",
                        near != NULL ? "\"?" : "");
}

/* One option and its value, "--name value" or "--name=value"; *at is its index, moved to the last word it used. */
static int parse_one(struct lab_options *o, int argc, char **argv, int *at, struct mr_error *err)
{
    const char *typed = strcmp(argv[*at], "-h") == 0 ? "--help" : argv[*at];
    size_t length = strcspn(typed, "=");
    for (const struct rule *r = rules; r < rules + sizeof rules / sizeof *rules; r++) {
        if (strncmp(typed, "--", 2) != 0 || strlen(r->name) + 2 != length ||
            strncmp(typed + 2, r->name, length - 2) != 0) {
            continue;
        }
        bool attached = typed[length] == '=';
        if (r->alone ? attached : !attached && *at + 1 >= argc) {
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: --%s %s (see: millrace lab --help)", r->name,
                                r->alone ? "takes no value" : "needs a value");
        }
        const char *text = attached ? typed + length + 1 : r->alone ? NULL : argv[++*at];
        return r->take(o, r->name, text, err);
    }
    return unknown(typed, err);
}

static int check(const struct lab_options *o, struct mr_error *err)
{
    if (o->window != 0 && o->sink_given && !o->verify) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL,
                            "lab: --window with --sink drop: a window needs the sink; leave one out");
    }
    if (o->window != 0 && strcmp(o->work, "drop") == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL,
                            "lab: --window with --work drop: no frame would come back; leave one out");
    }
    if (o->choose && o->rx_given && o->tx_given) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL,
                            "lab: --driver auto with --rx-driver and --tx-driver: nothing is left to choose; leave one out");
    }
    if (o->trace_filter != NULL && o->trace_frames == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: --trace-filter says which frames; say how many by --trace N");
    }
    return 0;
}

int lab_options_parse(struct lab_options *o, int argc, char **argv, struct mr_error *err)
{
    int result = 0;
    *o = (struct lab_options){.linger_ns = LAB_LINGER_NS, .rx_driver = "uring", .tx_driver = "uring", .rate = "flat-out",
                              .size = "64", .flows = 16, .work = "forward", .devices = {"src", "left", "right", "dst"}};
    for (int at = 1; at < argc && result == 0; at++) {
        result = parse_one(o, argc, argv, &at, err);
    }
    if (result == 0) {
        result = check(o, err);
    }
    if (result != 0) {
        return result;
    }
    o->verify |= o->window != 0;
    if (o->frames == 0 && o->for_ns == 0) {
        o->for_ns = 10000000000ull;
    }
    return lab_place(o, err);
}
