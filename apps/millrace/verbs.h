/* verbs.h: the verbs of the command, a file each, and what they share on the command line and on the terminal.
 *
 * A verb is given its own words, argv[0] being the verb, and returns the exit code: 0 done, 1 failed at run time, 2
 * usage or configuration, 3 the machine cannot (enum mr_fault), 130 stopped by a second signal.
 */
#ifndef MILLRACE_VERBS_H
#define MILLRACE_VERBS_H

#include <millrace/engine.h>

#include <jansson.h>

int verb_run(int argc, char **argv);
int verb_plan(int argc, char **argv);
int verb_drivers(int argc, char **argv);
int verb_lab(int argc, char **argv);
int verb_compare(int argc, char **argv);

/* print_version: all that tells two builds apart. */
void print_version(void);

/* ---- options.c ---- */

#define OPTIONS_SETS_MAX 64u

struct options {
    const char *config; /* -c FILE */
    const char *json;   /* --json FILE or "-"; NULL = none */
    uint64_t for_ns;    /* --for TIME; 0 = no end */
    uint64_t check_ns;  /* --check TIME; 0 = only when asked */
    uint32_t n_sets;
    const char *sets[OPTIONS_SETS_MAX]; /* --set KEY=VALUE */
    bool print_config; /* --print-config */
    uint32_t trace_frames;    /* --trace N; 0 = none */
    const char *trace_filter; /* --trace-filter EXPR; NULL = all */
    bool quiet, verbose, help;
    char eal[512];      /* the words behind --: DPDK's */
    bool stdout_taken;  /* frames go there: tables go to stderr */
};

/* options_parse: accepted: the letters of the verb's options: c(onfig) j(son) f(or) s(et) q(uiet) b (--check)
 * t(race) e (--trace-filter) w(ords for DPDK's EAL, behind --); --help and --verbose
 * are every verb's. 0, or -EINVAL with err filled. */
int options_parse(struct options *o, const char *accepted, int argc, char **argv, struct mr_error *err);

/* options_config: the configuration of -c and --set, checked. 0, or -errno with err filled. */
int options_config(const struct options *o, struct mr_config **out, struct mr_error *err);

/* options_check_json: a file that can be written, before anything runs; opens nothing, so that pipes are safe. */
int options_check_json(const char *verb, const char *file, struct mr_error *err);

/* nearest: of n words the one that a mistyped one may have meant; NULL when none is near. */
const char *nearest(const char *typed, const char *const *words, size_t n);

/* ---- terminal.c ---- */

/* wants_colour: it is a terminal, and NO_COLOR is not set. */
bool wants_colour(FILE *out);

/* print_error: "millrace: TEXT"; verbose: and whose fault it is and the errno. Returns the exit code. */
int print_error(const struct mr_error *err, bool verbose);

/* finish_output: what was printed has arrived, or -errno with err filled. */
int finish_output(struct mr_error *err);

/* present: a document where it was asked for: the table on stdout, or with --json - the document on stdout and the
 * table on stderr if that is a terminal. 0, or -errno with err filled. */
int present(const json_t *document, const struct options *o, void (*print)(const json_t *, FILE *, bool),
            struct mr_error *err);

/* ---- balance.c ---- */

struct mr_balance;

/* print_balance: where all frames and chunks are, one block on standard error. arg is not used. */
void print_balance(const struct mr_balance *b, void *arg);

#endif
