/* calls_loop.c: a command again and again, each time with another of its calls failing (calls.c): none may crash, leak,
 * hang, leave a process behind or tell less than what could not be done and why.
 *
 *     calls_loop sample|all DIR COMMAND…   COMMAND writes its document to DIR/report (--json)
 *
 * sample: each site once, with the next of its errnos in turn; sites that an earlier loop in DIR has had are left out.
 * all: each site with each errno, once and from then on, and each call of each name by its number too. With PART=3/8 in
 * the environment, the third eighth of them.
 * DIR/messages gathers what was said, for a person to read. Exit code 0: nothing was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SITES_MAX = 4096, PATIENCE_MS = 30000, LEFT_MS = 2000, OF_NAME_MAX = 40, IN_PLACE_MAX = 40 };

struct site {
    char name[40], errnos[80], hash[12];
    char at[64];                                 /* the three innermost return addresses */
    unsigned count;                              /* calls of the name, up to this one */
};

static struct {
    const char *dir;
    char **command;
    bool all;
    unsigned part, parts; /* this one of so many, from 0 */
    unsigned orders, runs, refused, ran_on, unreached, wrong;
} loop;

static void path_of(char *path, size_t bytes, const char *name)
{
    snprintf(path, bytes, "%s/%s", loop.dir, name);
}

/* ---- running ---- */

static void become_command(const char *order)
{
    char calls[256], err[256];
    path_of(calls, sizeof calls, "calls");
    path_of(err, sizeof err, "err");
    setenv("MR_CALLS", calls, 1);
    if (order != NULL) {
        setenv("MR_FAIL", order, 1);
    }
    int out = open("/dev/null", O_WRONLY), to = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(to, 2);
    execv(loop.command[0], loop.command);
    _exit(127);
}

/* Children of the command that outlive it become ours. true = all have gone by themselves. */
static bool none_left(void)
{
    for (int ms = 0; ms < LEFT_MS; ms++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        }
        if (pid < 0) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

/* NULL, or what is wrong with how it ended. */
static const char *run(const char *order, int *code)
{
    static char text[64];
    char path[256];
    int status;
    path_of(path, sizeof path, "calls");
    unlink(path);
    path_of(path, sizeof path, "report");
    unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        become_command(order);
    }
    for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms++) {
        if (ms == PATIENCE_MS) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            none_left();
            return "it does not end";
        }
        usleep(1000);
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "it died of signal %d", WTERMSIG(status));
        return text;
    }
    return none_left() ? NULL : "it left a process behind";
}

/* ---- judging ---- */

static char *read_all(const char *name)
{
    static char text[65536];
    char path[256];
    path_of(path, sizeof path, name);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    if (f != NULL) {
        fclose(f);
    }
    return text;
}

static json_int_t of(const json_t *doc, const char *object, const char *key)
{
    const json_t *value = json_object_get(json_object_get(doc, object), key);
    return value == NULL ? -1 : json_integer_value(value);
}

/* It ran on: then its document is whole, and the books balance. */
static const char *judge_document(void)
{
    char path[256];
    path_of(path, sizeof path, "report");
    json_t *doc = json_load_file(path, 0, NULL);
    const char *schema = json_string_value(json_object_get(doc, "schema")), *wrong = NULL;
    bool ran = schema != NULL && (strstr(schema, "run") != NULL || strstr(schema, "lab") != NULL);
    if (schema == NULL) {
        wrong = "exit code 0 without a document";
    } else if (ran && (of(doc, "totals", "unaccounted") != 0 || of(doc, "chunks", "unaccounted") != 0)) {
        wrong = "exit code 0, and the books do not balance";
    } else if (ran && of(doc, "totals", "in_flight") != 0) {
        wrong = "exit code 0 with frames in flight";
    }
    json_decref(doc);
    return wrong;
}

/* Words that say why where strerror's would say less; the reason each stands for. */
static const char *const sentences[][2] = {
    {"ENOMEM", "no memory"},
    {"ENOMEM", "raise ulimit -l"},
    {"EFAULT", "Cannot allocate memory"}, // what populating answers where a touch would be a SIGBUS
    {"EPERM", "forbidden"},
    {"EPERM", "no privilege"},
    {"EINVAL", "this kernel lacks"},
    {"ENOSYS", "this kernel has no io_uring"},
    {"ENODEV", "interface"},
    {NULL, "too many open files"},
    {NULL, "has ended"}, // the reason is another process's
    {NULL, "the generator died"},
};

static int error_of(const char *name)
{
    for (int e = 1; e < 134; e++) {
        const char *is = strerrorname_np(e);
        if (is != NULL && strcmp(is, name) == 0) {
            return e;
        }
    }
    return 0;
}

static bool tells_why(const char *message, const char *error)
{
    const char *why = strstr(message, strerror(error_of(error)));
    for (size_t i = 0; why == NULL && i < sizeof sentences / sizeof *sentences; i++) {
        why = sentences[i][0] == NULL || strcmp(sentences[i][0], error) == 0 ? strstr(message, sentences[i][1]) : NULL;
    }
    return why != NULL;
}

/* At least three words beside the reason: what could not be done. */
static bool tells_what(const char *message)
{
    unsigned spaces = 0;
    for (; *message != 0; message++) {
        spaces += *message == ' ';
    }
    return spaces >= 4;
}

static void keep(const char *order, int code, const char *message)
{
    char path[256];
    path_of(path, sizeof path, "messages");
    FILE *f = fopen(path, "a");
    if (f != NULL) {
        fprintf(f, "%d %s  [%s]\n", code, message, order);
        fclose(f);
    }
}

/* What is printed behind the program's name, once; events of a run may stand before it. */
static const char *judge_message(const char *order, const char *error, int code)
{
    char *text = read_all("err"), *message = NULL;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "millrace: ", 10) == 0) {
            if (message != NULL) {
                return "two messages";
            }
            message = line + 10;
        }
    }
    if (code > 3) {
        return "an exit code that is not documented";
    }
    if (message == NULL) {
        return "it failed without a word";
    }
    keep(order, code, message);
    return !tells_why(message, error) ? "the message does not say why" : !tells_what(message) ? "nor what" : NULL;
}

static const char *judge(const char *order, const char *error, int code)
{
    const char *text = read_all("err");
    if (strstr(text, "Sanitizer") != NULL || strstr(text, "runtime error:") != NULL) {
        return "a sanitizer complains";
    }
    if (read_all("calls")[0] == 0) {
        loop.unreached++;
        return code == 0 ? NULL : "nothing was made to fail, and it failed";
    }
    bool ended = code == 0 || code == 130; // 130: nobody could have asked any more, so it stopped at once
    *(ended ? &loop.ran_on : &loop.refused) += 1;
    if (ended) {
        keep(order, code, "ran on");
    }
    return ended ? judge_document() : judge_message(order, error, code);
}

static void attempt(const char *order)
{
    int code = 0;
    if (loop.orders++ % loop.parts != loop.part) {
        return;
    }
    const char *wrong = run(order, &code);
    loop.runs++;
    wrong = wrong == NULL ? judge(order, strrchr(order, ':') + 1, code) : wrong;
    if (wrong != NULL) {
        loop.wrong++;
        printf("FAIL: MR_FAIL=%s: %s (exit code %d)\n  at %.300s\n", order, wrong, code, read_all("calls"));
        printf("%.6000s\n", read_all("err"));
        fflush(stdout);
    }
}

/* ---- the loop ---- */

/* For a sample, what differs far from the call only is one site, and some of those in one place stand for all: a hook takes
 * memory for each part of a document. */
static bool first_time(const struct site *sites, unsigned n, const struct site *s)
{
    unsigned in_place = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct site *other = &sites[i];
        if (strcmp(other->name, s->name) != 0) {
            continue;
        }
        if (loop.all ? strcmp(other->hash, s->hash) == 0 : strcmp(other->at, s->at) == 0) {
            return false;
        }
        in_place += strncmp(other->at, s->at, strcspn(s->at, " ")) == 0;
    }
    return loop.all || in_place < IN_PLACE_MAX;
}

/* Adds the sites of a file that are new. */
static unsigned read_sites(const char *file, struct site *sites, unsigned n)
{
    char path[256], line[512];
    path_of(path, sizeof path, file);
    FILE *f = fopen(path, "r");
    while (f != NULL && n < SITES_MAX && fgets(line, sizeof line, f) != NULL) {
        struct site s = {.count = 0};
        char at[3][20] = {""};
        int fields = sscanf(line, "%*u %39s %u %11s %79s %19s %19s %19s", s.name, &s.count, s.hash, s.errnos, at[0], at[1], at[2]);
        snprintf(s.at, sizeof s.at, "%s %s %s", at[0], at[1], at[2]);
        if (fields >= 4 && first_time(sites, n, &s)) {
            sites[n++] = s;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return n;
}

/* Those that were new, for the next loop in DIR. */
static void remember(const struct site *sites, unsigned from, unsigned n)
{
    char path[256];
    path_of(path, sizeof path, "seen");
    FILE *f = fopen(path, "a");
    for (unsigned i = from; f != NULL && i < n; i++) {
        fprintf(f, "0 %s %u %s %s %s\n", sites[i].name, sites[i].count, sites[i].hash, sites[i].errnos, sites[i].at);
    }
    if (f != NULL) {
        fclose(f);
    }
}

static unsigned words(const char *list)
{
    unsigned n = 1;
    for (; *list != 0; list++) {
        n += *list == ',';
    }
    return n;
}

/* The i-th word of a list by comma, beginning again behind the last. */
static const char *word(const char *list, unsigned i, char *text, size_t bytes)
{
    for (i %= words(list); i != 0; i--) {
        list = strchr(list, ',') + 1;
    }
    snprintf(text, bytes, "%.*s", (int)strcspn(list, ","), list);
    return text;
}

static void try_site(const struct site *s, unsigned turn)
{
    char order[160], error[24];
    for (unsigned i = 0; i < (loop.all ? words(s->errnos) : 1); i++) {
        word(s->errnos, turn + i, error, sizeof error);
        snprintf(order, sizeof order, "%s@%s:1:%s", s->name, s->hash, error);
        attempt(order);
        if (loop.all && strcmp(error, "EINTR") != 0) { // no signal comes for ever
            snprintf(order, sizeof order, "%s@%s:1+:%s", s->name, s->hash, error);
            attempt(order);
        }
    }
}

static void try_numbers(const struct site *sites, unsigned from, unsigned n)
{
    char order[160], error[24];
    for (unsigned i = from; i < n; i++) {
        bool last_of_name = true;
        for (unsigned k = i + 1; k < n; k++) {
            last_of_name &= strcmp(sites[k].name, sites[i].name) != 0;
        }
        for (unsigned number = 1; last_of_name && number <= sites[i].count && number <= OF_NAME_MAX; number++) {
            snprintf(order, sizeof order, "%s:%u:%s", sites[i].name, number,
                     word(sites[i].errnos, number, error, sizeof error));
            attempt(order);
        }
    }
}

int main(int argc, char **argv)
{
    static struct site sites[SITES_MAX];
    const char *part = getenv("PART");
    int code = 0;
    if (argc < 4 || (part != NULL && (sscanf(part, "%u/%u", &loop.part, &loop.parts) != 2 || loop.part > loop.parts))) {
        return 2;
    }
    loop.part = part == NULL ? 0 : loop.part - 1;
    loop.parts = part == NULL ? 1 : loop.parts;
    loop.all = strcmp(argv[1], "all") == 0;
    loop.dir = argv[2];
    loop.command = argv + 3;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    unsigned seen = read_sites("seen", sites, 0);
    const char *wrong = run(NULL, &code);
    if (wrong != NULL || code != 0 || judge_document() != NULL) {
        printf("FAIL: with nothing made to fail: %s, exit code %d\n%s", wrong == NULL ? "" : wrong, code, read_all("err"));
        return 1;
    }
    unsigned n = read_sites("calls", sites, seen);
    for (unsigned i = seen; i < n; i++) {
        try_site(&sites[i], i);
    }
    if (loop.all) {
        try_numbers(sites, seen, n);
    }
    remember(sites, seen, n);
    printf("%s: %s %s: %u call sites, %u runs: %u refused, %u ran on, %u did not come there, %u wrong\n",
           loop.wrong == 0 ? "ok" : "FAIL", loop.command[0], loop.command[1], n - seen, loop.runs, loop.refused,
           loop.ran_on, loop.unreached, loop.wrong);
    return loop.wrong != 0;
}
