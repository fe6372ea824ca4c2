/* options.c: the options that verbs share. */
#include "apps/millrace/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELP = 'h', VERBOSE = 'v' };

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'}, {"json", required_argument, NULL, 'j'},
    {"for", required_argument, NULL, 'f'},    {"set", required_argument, NULL, 's'},
    {"print-config", no_argument, NULL, 'p'},
    {"trace", required_argument, NULL, 't'},  {"trace-filter", required_argument, NULL, 'e'},
    {"quiet", no_argument, NULL, 'q'},        {"help", no_argument, NULL, HELP},
    {"verbose", no_argument, NULL, VERBOSE},  {"check", required_argument, NULL, 'b'},
};

enum { KNOWN = sizeof known / sizeof *known };

/* The known options that a verb accepts, closed by zeros. Returns how many. */
static size_t select_options(const char *accepted, struct option *to)
{
    size_t n = 0;
    for (size_t i = 0; i < KNOWN; i++) {
        if (strchr(accepted, known[i].val) != NULL || known[i].val == HELP || known[i].val == VERBOSE) {
            to[n++] = known[i];
        }
    }
    to[n] = (struct option){0};
    return n;
}

/* Edits from one word to the other: insert, delete, replace. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t length = strlen(b);
    if (length >= 64) {
        return SIZE_MAX;
    }
    for (size_t k = 0; k <= length; k++) {
        row[k] = k;
    }
    for (size_t i = 0; a[i] != 0; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < length; k++) {
            size_t best = corner + (a[i] != b[k]);
            corner = row[k + 1];
            best = row[k] + 1 < best ? row[k] + 1 : best;
            row[k + 1] = corner + 1 < best ? corner + 1 : best;
        }
    }
    return row[length];
}

const char *nearest(const char *typed, const char *const *words, size_t n)
{
    const char *found = NULL;
    size_t least = strlen(typed) / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, words[i]);
        if (d < least) {
            least = d;
            found = words[i];
        }
    }
    return found;
}

static int fail(const char *verb, struct mr_error *err, const char *what, const char *which, const char *hint)
{
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%s: %s \"%s\"%s (see: millrace %s --help)", verb, what, which,
                        hint, verb);
}

/* optopt: the letter of a short option; of a long one 0 when it is unknown, else it was given a value and takes none. */
static int unknown_option(const char *verb, const char *typed, const struct option *options, size_t n,
                          struct mr_error *err)
{
    const char *names[KNOWN];
    char word[64];
    char hint[96] = "";
    bool is_short = strncmp(typed, "--", 2) != 0 && optopt != 0;
    for (size_t i = 0; i < n; i++) {
        names[i] = options[i].name;
    }
    snprintf(word, sizeof word, "%.*s", (int)strcspn(typed, "="), typed);
    if (is_short) {
        return fail(verb, err, "unknown option", (char[]){'-', (char)optopt, 0}, "");
    }
    if (optopt != 0) {
        return fail(verb, err, "no value belongs to", word, "");
    }
    const char *near = nearest(word + strspn(word, "-"), names, n);
    if (near != NULL) {
        snprintf(hint, sizeof hint, "; did you mean \"--%s\"?", near);
    }
    return fail(verb, err, "unknown option", word, hint);
}

static int take_trace(struct options *o, const char *verb, const char *value, struct mr_error *err)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    o->trace_frames = (uint32_t)n;
    return value[0] >= '0' && value[0] <= '9' && *end == 0 && n >= 1 && n <= MR_TRACE_FRAMES_MAX
               ? 0
               : fail(verb, err, "--trace: expected a number of frames from 1 to 10000, not", value, "");
}

static int take(struct options *o, const char *verb, int option, const char *value, struct mr_error *err)
{
    switch (option) {
    case 'c':
        o->config = value;
        return 0;
    case 'j':
        o->json = value;
        return 0;
    case 'f':
        return mr_parse_duration(value, &o->for_ns) == 0 && o->for_ns != 0
                   ? 0
                   : fail(verb, err, "--for: expected a time like 10s, 250ms or 10 (seconds), not", value, "");
    case 'b':
        return mr_parse_duration(value, &o->check_ns) == 0 && o->check_ns != 0
                   ? 0
                   : fail(verb, err, "--check: expected a time like 1s, 250ms or 1 (seconds), not", value, "");
    case 's':
        if (o->n_sets == OPTIONS_SETS_MAX) {
            return fail(verb, err, "more than 64 of --set, from", value, "");
        }
        o->sets[o->n_sets++] = value;
        return 0;
    case 'p':
        o->print_config = true;
        return 0;
    case 't':
        return take_trace(o, verb, value, err);
    case 'e':
        o->trace_filter = value;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case VERBOSE:
        o->verbose = true;
        return 0;
    default:
        o->help = true;
        return 0;
    }
}

/* Where the document shall go, looked at before there is one: a run may be long. Nothing is opened, it may be a pipe. */
int options_check_json(const char *verb, const char *file, struct mr_error *err)
{
    struct stat is;
    char directory[PATH_MAX];
    int code = 0;
    if (stat(file, &is) == 0) {
        code = S_ISDIR(is.st_mode) ? EISDIR : access(file, W_OK) < 0 ? errno : 0;
    } else if (errno != ENOENT) {
        code = errno;
    } else {
        const char *slash = strrchr(file, '/');
        size_t length = slash == NULL ? 0 : (size_t)(slash - file) + 1;
        snprintf(directory, sizeof directory, "%.*s", (int)length, file);
        code = file[0] == 0 || access(length == 0 ? "." : directory, W_OK) < 0 ? errno : 0;
    }
    return code == 0 ? 0
                     : mr_error_set(err, MR_FAULT_CONFIG, code, "%s: --json: cannot write to \"%s\": %s", verb, file,
                                    strerror(code));
}

static int take_words(struct options *o, int argc, char **argv, struct mr_error *err)
{
    size_t used = 0;
    for (; optind < argc; optind++) {
        int n = snprintf(o->eal + used, sizeof o->eal - used, "%s%s", used == 0 ? "" : " ", argv[optind]);
        used += (size_t)n;
        if (used >= sizeof o->eal) {
            return fail(argv[0], err, "more than 511 bytes behind --, from", argv[optind], "");
        }
    }
    return 0;
}

int options_parse(struct options *o, const char *accepted, int argc, char **argv, struct mr_error *err)
{
    struct option options[KNOWN + 1];
    size_t n = select_options(accepted, options);
    const char *letters = strchr(accepted, 'c') != NULL ? ":c:h" : ":h"; // the only ones with a short form
    int result = 0;
    *o = (struct options){0};
    optind = 1;
    for (int option; result == 0 && (option = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
        if (option == ':') {
            result = fail(argv[0], err, "a value is missing behind", argv[optind - 1], "");
        } else if (option == '?') {
            result = unknown_option(argv[0], argv[optind - (optind > 1)], options, n, err);
        } else {
            result = take(o, argv[0], option, optarg, err);
        }
    }
    if (result == 0 && strchr(accepted, 'w') != NULL && strcmp(argv[optind - 1], "--") == 0) {
        result = take_words(o, argc, argv, err);
    }
    if (result == 0 && optind < argc) {
        result = fail(argv[0], err, "what is", argv[optind], "? Options begin with --");
    }
    if (result == 0 && !o->help && strchr(accepted, 'c') != NULL && o->config == NULL) {
        result = mr_error_set(err, MR_FAULT_CONFIG, EINVAL,
                              "%s: which configuration? Say -c FILE (see: millrace %s --help)", argv[0], argv[0]);
    }
    if (result == 0 && !o->help && o->trace_filter != NULL && o->trace_frames == 0) {
        result = mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%s: --trace-filter says which frames; say how many by --trace N",
                              argv[0]);
    }
    if (result == 0 && !o->help && o->json != NULL && strcmp(o->json, "-") != 0) {
        result = options_check_json(argv[0], o->json, err);
    }
    return result;
}

/* They follow those of the configuration; nobody else would read them. */
static int add_words(const char *words, struct mr_config *cfg, struct mr_error *err)
{
    bool wanted = false;
    size_t used = strlen(cfg->eal);
    for (uint32_t i = 0; i < cfg->n_ports; i++) {
        wanted |= strcmp(cfg->ports[i].driver, "dpdk") == 0;
    }
    if (!wanted) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "words behind -- are DPDK's, and no port has driver: dpdk; remove \"%s\"",
                            words);
    }
    int n = snprintf(cfg->eal + used, sizeof cfg->eal - used, "%s%s", used == 0 ? "" : " ", words);
    return used + (size_t)n < sizeof cfg->eal
               ? 0
               : mr_error_set(err, MR_FAULT_CONFIG, E2BIG, "engine.eal and the words behind -- are longer than 511 bytes together");
}

int options_config(const struct options *o, struct mr_config **out, struct mr_error *err)
{
    int result = mr_config_load(out, o->config, err);
    if (result < 0) {
        *out = NULL;
        return result;
    }
    for (uint32_t i = 0; result == 0 && i < o->n_sets; i++) {
        result = mr_config_set(*out, o->sets[i], err);
    }
    if (result == 0 && o->eal[0] != 0) {
        result = add_words(o->eal, *out, err);
    }
    return result == 0 ? mr_config_check(*out, err) : result;
}
