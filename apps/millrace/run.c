/* run.c: `millrace run`: a configuration until a signal, a time, or the end of its sources. */
#include "apps/millrace/verbs.h"

#include <millrace/report.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "millrace run: run a configuration, drain, and account for every frame\n"
    "\n"
    "  millrace run -c FILE [options] [-- words for DPDK's EAL]\n"
    "\n"
    "  -c FILE, --config FILE  the configuration, YAML; - for standard input. Each key: config/reference.yaml\n"
    "  --set KEY=VALUE         change a key, as often as you like: --set engine.layout=pipeline\n"
    "  --for TIME              end after 10s, 250ms, 10 (seconds); else at SIGINT or SIGTERM, or when all\n"
    "                          sources have ended\n"
    "  --check TIME            verify the balance this often while it runs; exit code 1 when it did not hold\n"
    "  --trace N               where the first N frames were, and when, and what became of them (docs/trace.md)\n"
    "  --trace-filter EXPR     of those that match, in tcpdump's words: --trace-filter 'udp port 53'\n"
    "  --json FILE|-           the report as one JSON document (docs/report.md)\n"
    "  --quiet                 no live line, no events, no table\n"
    "  --verbose               errors with errno and whose fault it is\n"
    "\n"
    "The first signal stops receiving, drains, and reports: exit code 0. A second one stops at once, what was left\n"
    "inside is counted as stopped: exit code 130. 1: failed; 2: usage or configuration; 3: the machine cannot.\n"
    "SIGUSR1 prints where every frame and chunk is, and nothing stops for it.\n";

/* One line, written over each second: short enough for 80 columns while all is well. */
static void live_line(const struct mr_interval *now, void *arg)
{
    (void)arg;
    fprintf(stderr,
            "\r%4.0f s  in %.1f  out %.1f kpps  drops %" PRIu64 "  outside %" PRIu64 "  p50 %.1f  p99 %.1f us%s%s\033[K",
            now->seconds, (double)(now->rx_frames + now->made_frames) / now->period / 1e3,
            (double)now->tx_frames / now->period / 1e3, now->drops, now->outside, (double)now->p50_ns / 1e3,
            (double)now->p99_ns / 1e3, now->trouble[0] == 0 ? "" : "  ", now->trouble);
}

static void tell_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    const char *where = event->port[0] != 0 ? event->port : event->stage;
    fprintf(stderr, "%s%.1f s: %s%s%s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", event->seconds, where,
            where[0] != 0 ? ": " : "", event->what, event->text);
}

/* Frames or chunks that no counter knows are a fault of ours: nobody shall take such a run for good. */
static json_int_t faults_of(const json_t *port)
{
    static const char *const words[] = {"altered", "duplicates", "reordered", "late"};
    const json_t *own = json_object_get(port, "driver_report");
    json_int_t sum = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        sum += json_integer_value(json_object_get(own, words[i]));
    }
    return sum;
}

/* What a sink with verify: yes found wrong. Losses are no fault of the frames that came: they have their own counters. */
static int judge_sinks(const json_t *report, struct mr_error *err)
{
    size_t i;
    json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        if (faults_of(port) != 0) {
            return mr_error_set(err, MR_FAULT_RUN, EBADMSG, "port %s: %lld frames came altered, twice or out of order; "
                                "which: ports[%zu].driver_report of --json",
                                json_string_value(json_object_get(port, "name")), (long long)faults_of(port), i);
        }
    }
    return 0;
}

/* A file that broke while it was read, or took no more while it was written: what came before is right and counted. */
static int judge_ports(const json_t *report, struct mr_error *err)
{
    size_t i;
    json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const char *text = json_string_value(json_object_get(json_object_get(port, "driver_report"), "error"));
        if (text != NULL) {
            return mr_error_set(err, MR_FAULT_RUN, EIO, "port %s: %s",
                                json_string_value(json_object_get(port, "name")), text);
        }
    }
    return judge_sinks(report, err);
}

static int judge(const json_t *report, struct mr_error *err)
{
    json_int_t frames = json_integer_value(json_object_get(json_object_get(report, "totals"), "unaccounted"));
    json_int_t chunks = json_integer_value(json_object_get(json_object_get(report, "chunks"), "unaccounted"));
    return frames == 0 && chunks == 0
               ? judge_ports(report, err)
               : mr_error_set(err, MR_FAULT_RUN, EPROTO,
                              "%lld frames and %lld chunks unaccounted for: a bug in millrace or its work functions",
                              (long long)frames, (long long)chunks);
}

/* The engine takes these two while it runs. Any more, and it has ended by then, would kill us before the report is out. */
static void hold_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A tap whose file failed was told as it happened, but for --quiet. */
static int judge_taps(const json_t *report, bool told, struct mr_error *err)
{
    size_t i;
    json_t *tap;
    json_array_foreach(json_object_get(report, "taps"), i, tap) {
        const char *why = json_string_value(json_object_get(tap, "error"));
        if (why != NULL) {
            return told ? MR_FAULT_RUN
                        : mr_error_set(err, MR_FAULT_RUN, EIO, "tap %s: %s",
                                       json_string_value(json_object_get(tap, "where")), why);
        }
    }
    return 0;
}

/* Faults are told as they happen, but for --quiet: then at least that there were some, and how it ended. */
static int own_up(const json_t *report, int exit_code, bool told, struct mr_error *err)
{
    return told || exit_code != MR_FAULT_RUN
               ? exit_code
               : mr_error_set(err, MR_FAULT_RUN, EIO, "run: not as it should be (%s); which faults: `events` of --json, or without "
                              "--quiet", json_string_value(json_object_get(report, "ended_by")));
}

static int run(struct mr_engine *engine, const struct options *o, int argc, char **argv, struct mr_error *err)
{
    bool live = !o->quiet && isatty(STDERR_FILENO);
    hold_signals();
    struct mr_run_options options = {.for_ns = o->for_ns, .signals = true, .each_second = live ? live_line : NULL};
    options.event = o->quiet ? NULL : tell_event;
    options.check_ns = o->check_ns;
    options.balance = print_balance;
    options.trace_frames = o->trace_frames;
    options.trace_filter = o->trace_filter;
    int exit_code = mr_engine_run(engine, &options, err);
    fputs(live ? "\r\033[K" : "", stderr);
    if (exit_code < 0) {
        return exit_code;
    }
    json_t *report = mr_report_json(engine, argc + 1, argv - 1); // with the program's name, as main was given it
    int result = present(report, o, mr_report_print, err);
    result = result < 0 ? result : judge(report, err);
    exit_code = result < 0 || exit_code != 0 ? exit_code : judge_taps(report, !o->quiet, err);
    exit_code = result < 0 ? exit_code : own_up(report, exit_code, !o->quiet || exit_code < 0, err);
    json_decref(report);
    return result < 0 ? result : exit_code;
}

/* A port that writes frames to standard output leaves no room there for a table. */
static int share_stdout(struct options *o, const struct mr_config *config, struct mr_error *err)
{
    for (uint32_t i = 0; i < config->n_ports; i++) {
        o->stdout_taken |= strcmp(config->ports[i].write, "-") == 0;
    }
    return o->stdout_taken && o->json != NULL && strcmp(o->json, "-") == 0
               ? mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "run: --json -: frames go to standard output (write: -); name "
                              "a file for one of them")
               : 0;
}

int verb_run(int argc, char **argv)
{
    struct mr_error err = {0};
    struct options o;
    struct mr_config *config = NULL;
    struct mr_engine *engine = NULL;
    signal(SIGUSR1, SIG_IGN); // before the engine listens for it, and after, it shall not kill
    int result = options_parse(&o, "cjfsqbtew", argc, argv, &err);
    if (result == 0 && o.help) {
        fputs(help, stdout);
        result = finish_output(&err);
        return result < 0 ? print_error(&err, o.verbose) : 0;
    }
    result = result < 0 ? result : options_config(&o, &config, &err);
    result = result < 0 ? result : share_stdout(&o, config, &err);
    result = result < 0 ? result : mr_engine_create(config, &engine, &err);
    result = result < 0 ? result : run(engine, &o, argc, argv, &err);
    if (mr_engine_destroy(engine)) {
        mr_config_destroy(config);
    }
    return result < 0 ? print_error(&err, o.verbose) : result;
}
