/* main.c: millrace VERB …: the table of verbs. */
#include "apps/millrace/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *summary;
} verbs[] = {
    {"lab", verb_lab, "make a private network, run the pipeline in it, account for every frame"},
    {"compare", verb_compare, "the same pipeline by each driver, side by side: rate, latency, cost, and why"},
    {"run", verb_run, "run a configuration until a signal, a time, or the end of its sources"},
    {"plan", verb_plan, "show what a configuration would run, and why; starts nothing"},
    {"drivers", verb_drivers, "the drivers: built in, usable here, or why not"},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static void print_help(void)
{
    printf("millrace: packets through a pipeline of stages, every one accounted for\n\n");
    for (size_t i = 0; i < VERBS; i++) {
        printf("  millrace %-8s  %s\n", verbs[i].name, verbs[i].summary);
    }
    printf("\n  millrace VERB --help, millrace --version\n\n"
           "Exit codes: 0 done, 1 failed at run time, 2 usage or configuration, 3 the machine cannot, 130 stopped by\n"
           "a second signal.\n");
}

static int unknown(const char *word, struct mr_error *err)
{
    const char *names[VERBS + 2] = {"--help", "--version"};
    for (size_t i = 0; i < VERBS; i++) {
        names[i + 2] = verbs[i].name;
    }
    const char *near = nearest(word, names, VERBS + 2);
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "no verb \"%s\"%s%s%s (see: millrace --help)", word,
                        near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static int dispatch(int argc, char **argv, struct mr_error *err)
{
    if (argc < 2) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "no verb given (see: millrace --help)");
    }
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].main(argc - 1, argv + 1);
        }
    }
    bool version = strcmp(argv[1], "--version") == 0;
    if (!version && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0 && strcmp(argv[1], "help") != 0) {
        return unknown(argv[1], err);
    }
    if (argc > 2) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "nothing belongs behind %s, not \"%s\" (see: millrace --help)",
                            argv[1], argv[2]);
    }
    if (version) {
        print_version();
    } else {
        print_help();
    }
    return finish_output(err);
}

/* A closed standard stream would give its number to the next device, and reports would go there. Open for reading, so
 * that writing to it still fails. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd) {
            abort();
        }
    }
}

/* Without memory Jansson leaves out what does not fit: a report that lacks something must not look whole. */
static void *document_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        struct mr_error err = {0};
        mr_error_set(&err, MR_FAULT_MACHINE, ENOMEM, "no memory to write down what was found; free some, or raise ulimit -v");
        _exit(print_error(&err, false));
    }
    return memory;
}

int main(int argc, char **argv)
{
    struct mr_error err = {0};
    hold_standard_streams();
    json_set_alloc_funcs(document_memory, free);
    signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of the write, not a death in the middle of a run;
    signal(SIGXFSZ, SIG_IGN); // and so is a file that may not grow
    int result = dispatch(argc, argv, &err);
    return result < 0 ? print_error(&err, false) : result;
}
