/* compare_bare.c: the bare loops of perf/bare beside the rows: the shortest honest program over the same driver, without an
 * engine, run between the same devices right before or after the row. They are built with the benchmarks. */
#include "apps/millrace/compare.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_MS = 150, FOR_MOST_S = 10 };

/* The folder: as told, or that of the benchmarks in the build tree that this command stands in. */
static void folder_of(const struct compare *c, char *path, size_t bytes)
{
    char own[2048];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = 0;
    char *slash = strrchr(own, '/');
    if (slash != NULL) {
        *slash = 0;
    }
    snprintf(path, bytes, "%s%s", c->options.bare != NULL ? c->options.bare : own,
             c->options.bare != NULL ? "" : "/../../perf");
}

/* A folder with other loops in it: it was built, and this one is not among them. */
static bool built(const char *folder)
{
    char other[2400];
    snprintf(other, sizeof other, "%s/bare_socket", folder);
    return access(other, X_OK) == 0;
}

void compare_bare_find(const struct compare *c, struct compare_row *row)
{
    char folder[2304];
    if (row->reason[0] != 0) {
        return; // nothing to stand beside
    }
    if (strcmp(row->rx_driver, row->tx_driver) != 0) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "a pair of drivers has no bare loop of its own");
        return;
    }
    folder_of(c, folder, sizeof folder);
    snprintf(row->bare, sizeof row->bare, "%s/bare_%s", folder, row->rx_driver);
    if (access(row->bare, X_OK) == 0) {
        return;
    }
    row->bare[0] = 0;
    const char *where = c->options.bare != NULL ? c->options.bare : "the build tree";
    if (built(folder)) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "%s has no bare loop that forwards by %s between two devices", where,
                 row->rx_driver);
    } else {
        snprintf(row->bare_reason, sizeof row->bare_reason, "there are no bare loops in %s: build them (meson configure "
                 "-Dperf=enabled), or say --bare DIR", where);
    }
}

static void become(const struct compare *c, const struct compare_row *row, pid_t parent)
{
    char cpu[16], most[16], left[IF_NAMESIZE], right[IF_NAMESIZE];
    snprintf(left, sizeof left, "%s", c->net.device[LAB_LEFT]);
    snprintf(right, sizeof right, "%s", c->net.device[LAB_RIGHT]);
    snprintf(cpu, sizeof cpu, "%u", c->lab.cores[0]);
    snprintf(most, sizeof most, "%d", FOR_MOST_S);
    char *const argv[] = {"bare", "--cpu", cpu, "--from", left, "--to", right, "--for", most, NULL};
    lab_child(parent, "mr-bare");
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
        _exit(1);
    }
    execv(row->bare, argv);
    _exit(127);
}

/* It ends by SIGTERM, and with 0 only when it opened its devices and was not refused anything. */
static bool end(pid_t pid)
{
    int status = 0;
    kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int compare_bare_measure(struct compare *c, struct compare_row *row, struct mr_error *err)
{
    const struct timespec begin = {0, START_MS * 1000000l};
    struct compare_round *r = &row->round[c->rounds];
    struct compare_offered f;
    struct lab_process p = {.who = "the bare loop"};
    const struct compare_offer o = {.for_ns = compare_offer_ns(c),
                                    .xdp = row->xdp_fed,
                                    .window = true,
                                    .engine = &p};
    pid_t parent = getpid();
    if (row->bare[0] == 0 || row->reason[0] != 0) {
        return 0;
    }
    fflush(NULL);
    p.pid = fork();
    if (p.pid == 0) {
        become(c, row, parent);
    }
    if (p.pid < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: cannot start a bare loop: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    nanosleep(&begin, NULL);
    int result = compare_offer(c, &o, &f, err);
    if (!end(p.pid)) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "%s did not run; try it by itself", row->bare);
    } else if (result == 0) {
        r->bare_mpps = f.window_received / f.window_ns * 1e3;
        r->bare_cpu_ns = f.window_received > 0 ? f.engine_ns / f.window_received : NAN;
    }
    return result;
}
