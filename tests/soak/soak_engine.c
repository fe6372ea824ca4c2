/* soak_engine.c: the engine under test, in a process of its own: so it can be stopped, and what it holds be measured. */
#include "tests/soak/soak.h"

#include "lib/engine/engine_parts.h"
#include "lib/sys/privilege.h"
#include "lib/sys/thread.h"

#include <millrace/report.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAMPLE_US = 5000 };

/* The child's own. */
static struct {
    struct soak_shared *shared;
    struct mr_engine *engine;
    uint64_t done, all;
    bool over;
    struct mr_histogram before, now;
} child;

static void each_second(const struct mr_interval *now, void *arg)
{
    struct soak_shared *s = arg;
    s->drops += now->drops;
    s->outside += now->outside;
    mr_store_release(&s->seconds, s->seconds + 1);
    s->rss_end = mr_rss_bytes();
    s->rss_start = s->rss_start == 0 ? s->rss_end : s->rss_start;
}

static uint64_t sent(const struct mr_engine *e)
{
    uint64_t sum = 0;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        for (uint32_t q = 0; q < e->ports[p]->n_txq; q++) {
            sum += mr_counted(&e->ports[p]->txq[q]->frames);
        }
    }
    return sum;
}

/* What the histogram has grown by belongs to the tenth that is over. */
static void file_tenth(uint64_t tenth)
{
    struct mr_histogram *h = &child.now;
    memset(h, 0, sizeof *h);
    mr_engine_latency(child.engine, h, NULL);
    struct mr_histogram sum = *h;
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
        h->buckets[i] -= child.before.buckets[i];
    }
    h->count -= child.before.count;
    child.before = sum;
    if (tenth < SOAK_TENTHS && h->count != 0) {
        child.shared->p999_ns[tenth] =
            mr_ticks_to_ns(child.engine->clock, mr_histogram_quantile(h, 0.999) << MR_TICK_SHIFT);
    }
}

static void *sample(void *arg)
{
    (void)arg;
    uint64_t was = child.done * SOAK_TENTHS / child.all;
    while (!__atomic_load_n(&child.over, __ATOMIC_ACQUIRE)) {
        uint64_t moved = sent(child.engine);
        uint64_t tenth = (child.done + moved) * SOAK_TENTHS / child.all;
        __atomic_store_n(&child.shared->moved, moved, __ATOMIC_RELAXED);
        if (tenth != was) {
            file_tenth(was);
            was = tenth;
        }
        usleep(SAMPLE_US);
    }
    file_tenth(was);
    return NULL;
}

static void started(void *arg)
{
    struct soak_shared *s = arg;
    __atomic_store_n(&s->running, 1, __ATOMIC_RELEASE);
}

static int run(const char *yaml, const int *stop, int report, struct mr_error *err)
{
    struct mr_config *cfg = NULL;
    struct mr_run_options options = {.each_second = each_second, .started = started, .arg = child.shared, .stop_fd = stop};
    pthread_t sampler;
    int rc = mr_config_parse(&cfg, yaml, strlen(yaml), "soak", err);
    rc = rc < 0 ? rc : mr_config_check(cfg, err);
    rc = rc < 0 ? rc : mr_engine_create(cfg, &child.engine, err);
    if (rc < 0 || pthread_create(&sampler, NULL, sample, NULL) != 0) {
        return rc;
    }
    rc = mr_engine_run(child.engine, &options, err);
    __atomic_store_n(&child.over, true, __ATOMIC_RELEASE);
    pthread_join(sampler, NULL);
    if (rc >= 0) {
        json_t *doc = mr_report_json(child.engine, 0, NULL);
        json_dumpfd(doc, report, JSON_COMPACT);
        json_decref(doc);
    }
    return rc;
}

void soak_quiet_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0) {
        soak_die("a network namespace");
    }
    mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1"); // neighbour discovery: frames of nobody
    mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1");
}

void soak_engine_start(struct soak_engine *e, const char *yaml, uint64_t done, uint64_t all)
{
    int made[2], go[2], stop[2];
    char path[64], byte = 0;
    pid_t parent = getpid();
    e->shared = mmap(NULL, sizeof *e->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    e->report = memfd_create("soak", MFD_CLOEXEC);
    if (e->shared == MAP_FAILED || pipe(made) != 0 || pipe(go) != 0 || pipe(stop) != 0 || (e->pid = fork()) < 0) {
        soak_die("a process for the engine");
    }
    if (e->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(0);
        }
        child.shared = e->shared;
        child.done = done;
        child.all = all;
        soak_quiet_namespace();
        if (write(made[1], "m", 1) != 1 || read(go[0], &byte, 1) != 1) {
            _exit(0);
        }
        e->shared->result = run(yaml, &stop[0], e->report, &e->shared->error);
        _exit(e->shared->result < 0);
    }
    close(made[1]);
    if (read(made[0], &byte, 1) != 1) {
        soak_die("the engine's namespace");
    }
    close(made[0]);
    close(go[0]);
    close(stop[0]);
    e->go = go[1];
    e->stop = stop[1];
    snprintf(path, sizeof path, "/proc/%d/ns/net", e->pid);
    e->ns = open(path, O_RDONLY | O_CLOEXEC);
}

bool soak_engine_over(const struct soak_engine *e)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)e->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

void soak_engine_go(struct soak_engine *e)
{
    if (write(e->go, "g", 1) != 1) {
        soak_die("the engine");
    }
    while (__atomic_load_n(&e->shared->running, __ATOMIC_ACQUIRE) == 0) {
        if (soak_engine_over(e)) {
            fprintf(stderr, "soak: the engine did not start: %s\n", e->shared->error.text);
            exit(1);
        }
        usleep(1000);
    }
}

json_t *soak_engine_end(struct soak_engine *e)
{
    json_error_t where;
    int status = 0;
    if (write(e->stop, "s", 1) != 1) {
        // it has ended by itself
    }
    waitpid(e->pid, &status, 0);
    lseek(e->report, 0, SEEK_SET);
    json_t *report = json_loadfd(e->report, 0, &where);
    if (report == NULL) {
        fprintf(stderr, "soak: the engine left no report (status %#x): %s\n", status, e->shared->error.text);
        exit(1);
    }
    return report;
}

void soak_engine_close(struct soak_engine *e)
{
    close(e->ns);
    close(e->go);
    close(e->stop);
    close(e->report);
    munmap(e->shared, sizeof *e->shared);
}
