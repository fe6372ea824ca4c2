#include "apps/millrace/lab_process.h"
#include "apps/millrace/lab_wire.h"

#include <millrace/report.h>

#include "lib/sys/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the child ---- */

struct child {
    const struct lab_job *job;
    const struct lab_net *net;
    struct mr_engine *engine;
    json_t *counters;
    int ready, go, stop, report;
};

static int write_report(const struct child *c, struct mr_engine *e, struct mr_error *err)
{
    json_t *doc = mr_report_json(e, 0, NULL);
    if (c->job->counted) {
        json_object_set(doc, "counters", c->counters);
    }
    int result = doc != NULL && json_dumpfd(doc, c->report, JSON_COMPACT) == 0
                     ? 0
                     : mr_error_set(err, MR_FAULT_RUN, EIO, "lab: %s cannot hand over its report", c->job->who);
    json_decref(doc);
    return result;
}

static void say_so(void *arg)
{
    const struct child *c = arg;
    if (write(c->ready, "s", 1) != 1) {
        _exit(1); // nobody is left to hear it
    }
}

/* The parent asked. */
static void count(const struct mr_balance *now, void *arg)
{
    struct child *c = arg;
    if (now->asked) {
        json_array_append_new(c->counters, mr_report_counters(c->engine));
        say_so(c);
    }
}

static int run(struct child *c, struct mr_engine *e, struct mr_error *err)
{
    struct mr_run_options options = {.for_ns = c->job->for_ns, .linger_ns = c->job->linger_ns, .stop_fd = &c->stop,
                                     .started = say_so, .arg = c, .signals = c->job->counted, .balance = count};
    char byte;
    c->engine = e;
    c->counters = json_array();
    if (write(c->ready, "r", 1) != 1 || TEMP_FAILURE_RETRY(read(c->go, &byte, 1)) != 1) {
        return mr_error_set(err, MR_FAULT_RUN, errno, "lab: %s cannot talk to its parent: %s", c->job->who,
                            strerror(errno));
    }
    int result = mr_engine_run(e, &options, err);
    if (result < 0) {
        return result;
    }
    if (c->job->settle) {
        lab_wire_settle(c->net);
    }
    int written = write_report(c, e, err);
    return written == 0 && result == MR_FAULT_RUN
               ? mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "lab: %s's drain gave up: frames were stuck in it",
                              c->job->who)
               : written;
}

/* The parent tells what the child died of: only one of them shall speak. */
static struct lab_shared *mine;

static void *document_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        mine->result = mr_error_set(&mine->error, MR_FAULT_MACHINE, ENOMEM, "lab: no memory to write down what was found; free "
                                    "some, or raise ulimit -v");
        _exit(1);
    }
    return memory;
}

static int child_main(struct child *c, struct mr_error *err)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    int result = lab_net_enter(c->net, c->job->side);
    if (result < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, result, "lab: cannot enter its own namespace: %s",
                            strerror(-result));
    }
    if (c->job->control_cpu >= 0) {
        mr_thread_pin((uint32_t)c->job->control_cpu);
    }
    result = c->job->config(c->job->arg, &cfg, err);
    if (result == 0) {
        result = mr_engine_create(cfg, &e, err);
    }
    if (result == 0 && c->job->opened != NULL) {
        result = c->job->opened(c->job->arg, err);
    }
    if (result == 0) {
        result = run(c, e, err);
    }
    if (mr_engine_destroy(e)) {
        mr_config_destroy(cfg);
    }
    return result;
}

/* ---- in the parent ---- */

/* Three pipes, a memfd and a shared page. The parent keeps both ends of go and stop; the child cannot miss the parent's
 * end, it dies with it. */
static int connect_child(struct lab_process *p, struct child *c)
{
    int ready[2], go[2], stop[2];
    p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p->report = c->report = memfd_create("millrace-report", MFD_CLOEXEC);
    if (p->shared == MAP_FAILED || p->report < 0 || pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0 ||
        pipe2(stop, O_CLOEXEC) != 0) {
        return -errno;
    }
    p->ready = ready[0];
    c->ready = ready[1];
    c->go = p->go_end = go[0];
    p->go = go[1];
    c->stop = p->stop_end = stop[0];
    p->stop = stop[1];
    return 0;
}

static bool wait_byte(int fd)
{
    char byte;
    return TEMP_FAILURE_RETRY(read(fd, &byte, 1)) == 1;
}

int lab_process_start(struct lab_process *p, const struct lab_job *job, const struct lab_net *net, struct mr_error *err)
{
    struct child c = {.job = job, .net = net};
    pid_t parent = getpid();
    *p = (struct lab_process){.who = job->who};
    int result = connect_child(p, &c);
    fflush(NULL); // else the child would write what is still in our buffers a second time
    if (result < 0 || (p->pid = fork()) < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot start %s: %s%s", job->who, strerror(errno),
                            mr_error_remedy(errno));
    }
    if (p->pid == 0) {
        lab_child(parent, job->name);
        mine = p->shared;
        json_set_alloc_funcs(document_memory, free);
        p->shared->result = child_main(&c, &p->shared->error);
        _exit(p->shared->result < 0);
    }
    close(c.ready); // so that its end comes when the child's end does
    if (wait_byte(p->ready)) {
        return 0;
    }
    kill(p->pid, SIGKILL); // ending by itself, or waiting for a start that will not come
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
    if (p->shared->result == 0) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "lab: %s died while it started", job->who);
    }
    *err = p->shared->error;
    return p->shared->result;
}

bool lab_process_go(struct lab_process *p)
{
    return write(p->go, "s", 1) == 1 && wait_byte(p->ready);
}

bool lab_process_count(struct lab_process *p)
{
    return kill(p->pid, SIGUSR1) == 0 && wait_byte(p->ready);
}

void lab_process_stop(struct lab_process *p)
{
    if (write(p->stop, "s", 1) != 1) {
        kill(p->pid, SIGKILL); // a pipe of our own, all but empty: it shows as a death in its report
    }
}

json_t *lab_process_report(struct lab_process *p, struct mr_error *err)
{
    json_error_t where;
    int status = 0;
    waitpid(p->pid, &status, 0);
    p->pid = 0;
    if (p->shared->result < 0) {
        *err = p->shared->error;
        return NULL;
    }
    lseek(p->report, 0, SEEK_SET);
    json_t *doc = json_loadfd(p->report, 0, &where);
    if (doc == NULL) {
        mr_error_set(err, MR_FAULT_RUN, ECHILD, "lab: %s died (%s %d)", p->who,
                     WIFSIGNALED(status) ? "signal" : "exit code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return doc;
}

void lab_process_destroy(struct lab_process *p)
{
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    if (p->shared == NULL || p->shared == MAP_FAILED) {
        return; // never started
    }
    const int files[] = {p->ready, p->go, p->go_end, p->stop, p->stop_end, p->report};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] > 0) {
            close(files[i]);
        }
    }
    munmap(p->shared, sizeof *p->shared);
    *p = (struct lab_process){.pid = 0};
}
