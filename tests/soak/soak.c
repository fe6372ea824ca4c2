#include "tests/soak/soak.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: soak uring|memory [options]\n"
    "  --frames N     numbered frames in all (1e6)\n"
    "  --faults N     at least so many faults, though the frames be through (0)\n"
    "  --piece N      frames of one engine's life (2e7; memory: 2e8)\n"
    "  --for SECONDS  end after this time with what was done so far\n"
    "  --seed N       of frames and faults (1)\n"
    "  --state FILE   the report, and what a soak that ended early goes on from (none: report on standard output)\n"
    "Exit codes: 0 all is accounted for (done or not: see `done`), 1 something is not, 2 usage, 3 the system refused.\n";

uint64_t soak_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int soak_own_ns(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        soak_die("/proc/thread-self/ns/net");
    }
    return fd;
}

void soak_die(const char *what)
{
    fprintf(stderr, "soak: %s: %s\n", what, strerror(errno));
    exit(3);
}

static bool parse(struct soak_options *o, int argc, char **argv)
{
    static const struct option known[] = {{"frames", 1, 0, 'n'}, {"faults", 1, 0, 'f'}, {"piece", 1, 0, 'p'}, {"for", 1, 0, 't'},
                                          {"seed", 1, 0, 's'},   {"state", 1, 0, 'o'},  {0}};
    bool right = argc > 1 && (strcmp(argv[1], "uring") == 0 || strcmp(argv[1], "memory") == 0);
    int c;
    *o = (struct soak_options){.memory = right && argv[1][0] == 'm', .frames = 1000000, .seed = 1};
    optind = 2;
    while (right && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        double n = c == 'o' || c == '?' ? 0 : strtod(optarg, NULL);
        o->frames = c == 'n' ? (uint64_t)n : o->frames;
        o->faults = c == 'f' ? (uint64_t)n : o->faults;
        o->piece_frames = c == 'p' ? (uint64_t)n : o->piece_frames;
        o->seconds = c == 't' ? n : o->seconds;
        o->seed = c == 's' ? (uint64_t)n : o->seed;
        o->state = c == 'o' ? optarg : o->state;
        right = c != '?';
    }
    o->piece_frames = o->piece_frames != 0 ? o->piece_frames : o->memory ? 200000000 : 20000000;
    return right && optind == argc && o->frames != 0;
}

static bool done(const struct soak_options *o, const json_t *doc)
{
    return soak_get(doc, "frames") >= o->frames && json_array_size(json_object_get(doc, "faults")) >= o->faults;
}

/* Pieces until all is done, something is wrong, or the time is over. */
static void soak(const struct soak_options *o, json_t *doc)
{
    uint64_t end = o->seconds == 0 ? UINT64_MAX : soak_now() + (uint64_t)(o->seconds * 1e9);
    while (!done(o, doc) && soak_get(doc, "failed") == 0 && soak_now() < end) {
        soak_piece(o, doc, o->seconds == 0 ? 0 : (double)(end - soak_now()) / 1e9);
        json_object_set_new(doc, "done", json_boolean(done(o, doc)));
        soak_state_save(o, doc);
    }
}

int main(int argc, char **argv)
{
    struct soak_options o;
    signal(SIGPIPE, SIG_IGN); // an engine that has ended by itself is told to end all the same
    if (!parse(&o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!o.memory) {
        soak_quiet_namespace();
    }
    json_t *doc = soak_state_load(&o);
    if (doc == NULL) {
        return 2;
    }
    soak(&o, doc);
    if (o.state == NULL) {
        json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    bool failed = soak_get(doc, "failed") != 0;
    fprintf(stderr, "soak: %llu frames, %zu faults, %s%s\n", (unsigned long long)soak_get(doc, "frames"),
            json_array_size(json_object_get(doc, "faults")), done(&o, doc) ? "done" : "not done yet",
            failed ? ", NOT all accounted for" : "");
    json_decref(doc);
    return failed ? 1 : 0;
}
