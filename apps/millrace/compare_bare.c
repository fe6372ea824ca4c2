/* compare_bare.c: the bare loops of perf/bare beside the rows: the shortest honest program over the same driver, without an
 * engine, run between the same devices right before or after the row. They are built with the benchmarks. */
#include "apps/millrace/compare.h"

#include "lib/port/port.h"
#include "lib/sys/meminfo.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FOR_MOST_S = 10, START_MS = 150, START_EAL_MS = 1000, EAL_HUGE_PAGES = 32 };

/* Whose program has not the name bare_<driver>. */
static const struct loop {
    const char *rx, *tx, *program;
    uint32_t start_ms; /* until it forwards */
    bool eal;          /* takes its devices by DPDK's names */
} loops[] = {{"mmap", "xdp", "bare_mmap_xdp", START_MS, false}, {"dpdk", "dpdk", "dpdk_forward", START_EAL_MS, true}};

enum { LOOPS = sizeof loops / sizeof *loops };

static const struct loop *loop_of(const struct compare_row *row)
{
    for (uint32_t i = 0; i < LOOPS; i++) {
        if (strcmp(row->rx_driver, loops[i].rx) == 0 && strcmp(row->tx_driver, loops[i].tx) == 0) {
            return &loops[i];
        }
    }
    return NULL;
}

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
    const struct loop *loop = loop_of(row);
    folder_of(c, folder, sizeof folder);
    snprintf(row->bare, sizeof row->bare, "%s/%s%s", folder, loop != NULL ? loop->program : "bare_", loop != NULL ? "" : row->rx_driver);
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

/* The devices by the names that the driver would give them, and the same kind of pages as it takes. */
static void become_dpdk(const struct compare *c, const struct compare_row *row, char *cpu, char *most)
{
    char device[2][96];
    bool huge = mr_huge_pages_read(-1, MR_PAGE_2M).free >= EAL_HUGE_PAGES;
    const char *form = mr_driver_find(row->rx_driver)->interface_form;
    if (form == NULL) {
        return; // then the driver takes interfaces by their names
    }
    snprintf(device[0], sizeof device[0], form, 0u, c->net.device[LAB_LEFT]);
    snprintf(device[1], sizeof device[1], form, 1u, c->net.device[LAB_RIGHT]);
    char *const argv[] = {"dpdk_forward", cpu, most, huge ? "huge" : "plain", device[0], device[1], NULL};
    execv(row->bare, argv);
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
    const struct loop *loop = loop_of(row);
    if (loop != NULL && loop->eal) {
        become_dpdk(c, row, cpu, most);
    } else {
        execv(row->bare, argv);
    }
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

static void start(const struct compare *c, const struct compare_row *row, struct lab_process *p)
{
    const struct loop *loop = loop_of(row);
    uint32_t ms = loop != NULL ? loop->start_ms : START_MS;
    const struct timespec begin = {ms / 1000, (long)(ms % 1000) * 1000000l};
    pid_t parent = getpid();
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0) {
        become(c, row, parent);
    }
    nanosleep(&begin, NULL);
}

void compare_bare_measure(struct compare *c, struct compare_row *row)
{
    struct compare_round *r = &row->round[c->rounds];
    struct compare_offered f;
    struct mr_error err = {0};
    struct lab_process p = {.who = "the bare loop"};
    const struct compare_offer o = {.for_ns = compare_offer_ns(c),
                                    .xdp = row->xdp_fed,
                                    .window = true,
                                    .engine = &p};
    if (row->bare[0] == 0 || row->reason[0] != 0) {
        return;
    }
    start(c, row, &p);
    if (p.pid < 0) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "%s was not started: %s", row->bare, strerror(errno));
        return;
    }
    int result = compare_offer(c, &o, &f, &err);
    if (!end(p.pid)) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "%s did not run; try it by itself", row->bare);
    } else if (result < 0) {
        snprintf(row->bare_reason, sizeof row->bare_reason, "in round %u: %s", c->rounds + 1, err.text);
    } else {
        r->bare_mpps = f.window_received / f.window_ns * 1e3;
        r->bare_cpu_ns = f.window_received > 0 ? f.engine_ns / f.window_received : NAN;
    }
}
