/* compare_options.c: the command line of `millrace compare`. */
#include "apps/millrace/compare.h"
#include "apps/millrace/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "millrace compare: the same pipeline, cores and traffic by each driver, side by side in one table, and why\n"
    "\n"
    "  millrace compare [options]\n"
    "\n"
    "  --drivers LIST        all (default), or some: uring,mmap (see: millrace drivers)\n"
    "  --device A,B|lab      forward from A to B, devices of this namespace, both up; default lab: veths of its own\n"
    "  --source-device S     cabled to A; default A's peer, where A is a veth and its peer is here\n"
    "  --sink-device T       cabled to B; default B's peer, likewise\n"
    "  --yes                 also devices that have an address, carry the default route or are a port of a bridge: they are flooded\n"
    "  --feed skb|xdp|both   frames from a packet socket, or XDP frames that never were socket buffers (no latency then);\n"
    "                        default both, with --quick skb\n"
    "  --size SIZE           64, 64..1518, imix (with FCS); default 64\n"
    "  --work NAME           forward, macswap, l2; default forward\n"
    "  --set KEY=VALUE       of each row's pipeline, as in millrace run: ports.left.busy_poll=64, batcher.cap=1; may be repeated.\n"
    "                        Rows whose driver has no such key stand with that reason\n"
    "  --no-tcp              leave out the table of TCP streams\n"
    "  --only-tcp            that table alone: all the time for the streams\n"
    "  --rounds N            1 to 64, as many as there is time for; default 4, of TCP streams 8, with --quick 2; their rows\n"
    "                        run in random order\n"
    "  --seed N              of that order and of the intervals; default: another each time\n"
    "  --quick               some 90 s: short windows, coarse search; without it some 8 min\n"
    "  --bare DIR            where the bare loops are (bare_uring, …); default the build tree's perf\n"
    "  --baseline FILE       a document of an earlier run: ratios to it, with intervals\n"
    "  --table-from FILE     print the tables of such a document, and run nothing\n"
    "  --json FILE|-         the result as one JSON document\n"
    "  --quiet               no progress, no tables\n"
    "  --verbose             errors with errno and whose fault it is\n"
    "\n"
    "Runs in a private lab of veth pairs, as `millrace lab` does, and needs what that needs. Rows that cannot run stand\n"
    "with their reason. What the columns mean: docs/compare.md.\n"
    "\n"
    "Exit code 0: done; 1: failed; 2: usage; 3: the machine cannot.\n";

enum { DRIVERS = 1, DEVICE, SOURCE, SINK, YES, FEED, SIZE, WORK, SET,
       ROUNDS, SEED, QUICK, NO_TCP, ONLY_TCP, BARE, BASELINE, TABLE_FROM, JSON, QUIET, VERBOSE, HELP = 'h' };

static const struct option known[] = {
    {"device", required_argument, NULL, DEVICE},     {"source-device", required_argument, NULL, SOURCE},
    {"sink-device", required_argument, NULL, SINK},  {"yes", no_argument, NULL, YES},
    {"drivers", required_argument, NULL, DRIVERS},   {"feed", required_argument, NULL, FEED},
    {"size", required_argument, NULL, SIZE},         {"set", required_argument, NULL, SET},
    {"work", required_argument, NULL, WORK},         {"rounds", required_argument, NULL, ROUNDS},
    {"seed", required_argument, NULL, SEED},         {"quick", no_argument, NULL, QUICK},
    {"no-tcp", no_argument, NULL, NO_TCP},           {"only-tcp", no_argument, NULL, ONLY_TCP},
    {"bare", required_argument, NULL, BARE},         {"baseline", required_argument, NULL, BASELINE},
    {"table-from", required_argument, NULL, TABLE_FROM}, {"json", required_argument, NULL, JSON},
    {"quiet", no_argument, NULL, QUIET},             {"verbose", no_argument, NULL, VERBOSE},
    {"help", no_argument, NULL, HELP},               {0}};

static int wrong(const char *option, const char *text, const char *expected, struct mr_error *err)
{
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --%s %s: expected %s", option, text, expected);
}

static int number(uint64_t *out, uint64_t min, uint64_t max, const char *option, const char *text, struct mr_error *err)
{
    char *end, expected[80];
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == 0 && *out >= min && *out <= max) {
        return 0;
    }
    snprintf(expected, sizeof expected, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
    return wrong(option, text, expected, err);
}

static int take_size(struct compare_options *o, const char *text, struct mr_error *err)
{
    struct mr_sizes sizes;
    o->size = text;
    if (mr_parse_sizes(text, &sizes) != 0) {
        return wrong("size", text, "64, 64..1518 or imix", err);
    }
    for (uint32_t i = 0; i < sizes.n; i++) {
        if (sizes.bytes[i] > LAB_FRAME_MAX) {
            return wrong("size", text, "at most 1518, the devices have an MTU of 1500", err);
        }
    }
    return 0;
}

static int take_device(struct compare_options *o, enum lab_device which, const char *option, const char *text, size_t bytes,
                       struct mr_error *err)
{
    if (bytes == 0 || bytes >= IF_NAMESIZE) {
        return wrong(option, text, "names of interfaces, 1 to 15 bytes", err);
    }
    memcpy(o->device[which], text, bytes);
    o->device[which][bytes] = 0;
    return 0;
}

static int take_devices(struct compare_options *o, const char *text, struct mr_error *err)
{
    size_t first = strcspn(text, ",");
    if (strcmp(text, "lab") == 0) {
        o->device[LAB_LEFT][0] = o->device[LAB_RIGHT][0] = 0;
        return 0;
    }
    if (text[first] == 0) {
        return wrong("device", text, "two interfaces, A,B, or lab", err);
    }
    int result = take_device(o, LAB_LEFT, "device", text, first, err);
    return result < 0 ? result : take_device(o, LAB_RIGHT, "device", text + first + 1, strlen(text + first + 1), err);
}

/* Who feeds and who is fed, where that was not said: the other ends. */
static int find_ends(struct compare_options *o, struct mr_error *err)
{
    static const struct {
        enum lab_device end, of;
        const char *option;
    } ends[] = {{LAB_SRC, LAB_LEFT, "source-device"}, {LAB_DST, LAB_RIGHT, "sink-device"}};
    for (size_t i = 0; i < 2; i++) {
        char *end = o->device[ends[i].end], *of = o->device[ends[i].of];
        if (of[0] == 0 && end[0] != 0) {
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --%s %s: only with --device A,B", ends[i].option, end);
        }
        if (of[0] != 0 && end[0] == 0 && !lab_veth_peer(of, end)) {
            end[0] = 0;
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --device: %s is no veth whose peer is in this namespace: say "
                                "which device is cabled to it: --%s", of, ends[i].option);
        }
    }
    return 0;
}

static int take_set(struct compare_options *o, const char *text, struct mr_error *err)
{
    if (strchr(text, '=') == NULL || text[0] == '=') {
        return wrong("set", text, "KEY=VALUE", err);
    }
    if (o->n_sets == COMPARE_SETS) {
        return wrong("set", text, "at most 16 of them", err);
    }
    o->sets[o->n_sets++] = text;
    return 0;
}

/* Frames must come out at the other side. */
static int take_work(struct compare_options *o, const char *text, struct mr_error *err)
{
    o->work = text;
    return mr_work_find(text) != NULL && strcmp(text, "drop") != 0
               ? 0
               : wrong("work", text, "a work function that passes frames on: forward, macswap, l2", err);
}

static int take(struct compare_options *o, int option, const char *text, struct mr_error *err)
{
    uint64_t n;
    int result = 0;
    switch (option) {
    case DRIVERS:
        o->drivers = text;
        break;
    case DEVICE:
        return take_devices(o, text, err);
    case SOURCE:
        return take_device(o, LAB_SRC, "source-device", text, strlen(text), err);
    case SINK:
        return take_device(o, LAB_DST, "sink-device", text, strlen(text), err);
    case YES:
        o->yes = true;
        break;
    case FEED:
        o->skb = strcmp(text, "skb") == 0 || strcmp(text, "both") == 0;
        o->xdp = strcmp(text, "xdp") == 0 || strcmp(text, "both") == 0;
        return o->skb || o->xdp ? 0 : wrong("feed", text, "skb, xdp or both", err);
    case SIZE:
        return take_size(o, text, err);
    case WORK:
        return take_work(o, text, err);
    case SET:
        return take_set(o, text, err);
    case ROUNDS:
        result = number(&n, 1, MR_ROUNDS_MAX, "rounds", text, err);
        o->rounds = (uint32_t)n;
        break;
    case SEED:
        return number(&o->seed, 1, UINT32_MAX, "seed", text, err);
    case QUICK:
        o->quick = true;
        break;
    case NO_TCP:
        o->no_tcp = true;
        break;
    case ONLY_TCP:
        o->only_tcp = true;
        break;
    case BARE:
        o->bare = text;
        break;
    case BASELINE:
        o->baseline = text;
        break;
    case TABLE_FROM:
        o->recorded = text;
        break;
    case JSON:
        o->json = text;
        return text[0] == 0            ? wrong("json", text, "a file, or - for standard output", err)
               : strcmp(text, "-") == 0 ? 0
                                        : options_check_json("compare", text, err);
    case QUIET:
        o->quiet = true;
        break;
    case VERBOSE:
        o->verbose = true;
        break;
    }
    return result;
}

static int unknown(const char *typed, struct mr_error *err)
{
    enum { N = sizeof known / sizeof *known - 1 };
    const char *names[N];
    char bare[64];
    for (size_t i = 0; i < N; i++) {
        names[i] = known[i].name;
    }
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(typed, "="), typed);
    const char *near = typed[0] == '-' ? nearest(bare + strspn(bare, "-"), names, N) : NULL;
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: \"%s\" is no option, or lacks its value%s%s%s (see: "
                        "millrace compare --help)", typed, near != NULL ? "; did you mean \"--" : "",
                        near != NULL ? near : "", near != NULL ? "\"?" : "");
}

int compare_options_parse(struct compare_options *o, int argc, char **argv, struct mr_error *err)
{
    int option, result = 0;
    *o = (struct compare_options){.size = "64", .work = "forward"};
    opterr = 0;
    optind = 1;
    while (result == 0 && (option = getopt_long(argc, argv, "+h", known, NULL)) != -1) {
        if (option == HELP) {
            fputs(help, stdout);
            return 1;
        }
        result = option == '?' ? unknown(argv[optind - 1], err) : take(o, option, optarg, err);
    }
    if (result == 0 && optind < argc) {
        return unknown(argv[optind], err);
    }
    if (!o->skb && !o->xdp) {
        o->skb = true;
        o->xdp = !o->quick;
    }
    if (result == 0 && o->only_tcp && (o->no_tcp || o->device[LAB_LEFT][0] != 0)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --only-tcp: not with %s",
                            o->no_tcp ? "--no-tcp" : "--device: the ends need addresses, which only the lab's have");
    }
    result = result == 0 ? find_ends(o, err) : result;
    struct mr_sizes sizes;
    if (result == 0 && o->xdp && mr_parse_sizes(o->size, &sizes) == 0 && (sizes.n > 1 || sizes.ranged)) {
        return wrong("size", o->size, "one size for XDP frames, which are all alike; or --feed skb", err);
    }
    return result;
}
