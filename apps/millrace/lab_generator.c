/* lab_generator.c: the lab's source and sink: an engine of our own in a process of its own, in the namespace "ends".
 *
 * A process and not a thread, so that what it costs is not mistaken for the pipeline's. It ends by itself: when its
 * source has ended and the wire is empty.
 */
#include "apps/millrace/lab.h"
#include "apps/millrace/lab_wire.h"

#include "lib/sys/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child has of it. */
struct child {
    const struct lab_options *options;
    const struct lab_net *net;
    int ready, go, stop, report;
};

static int write_report(struct mr_engine *e, int fd, struct mr_error *err)
{
    json_t *doc = mr_report_json(e, 0, NULL);
    int result = doc != NULL && json_dumpfd(doc, fd, JSON_COMPACT) == 0
                     ? 0
                     : mr_error_set(err, MR_FAULT_RUN, EIO, "lab: cannot hand over the generator's report");
    json_decref(doc);
    return result;
}

static int run(const struct child *c, struct mr_engine *e, struct mr_error *err)
{
    struct mr_run_options options = {.for_ns = lab_source_ns(c->options), .stop_fd = &c->stop};
    char byte;
    options.linger_ns = c->options->verify ? LAB_LINGER_NS : 0;
    if (write(c->ready, "r", 1) != 1 || TEMP_FAILURE_RETRY(read(c->go, &byte, 1)) != 1) {
        return mr_error_set(err, MR_FAULT_RUN, errno, "lab: the generator cannot talk to its parent: %s", strerror(errno));
    }
    int result = mr_engine_run(e, &options, err);
    if (result < 0) {
        return result;
    }
    lab_wire_settle(c->net);
    int written = write_report(e, c->report, err);
    return written == 0 && result == MR_FAULT_RUN
               ? mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "lab: the generator's drain gave up: frames were stuck in it")
               : written;
}

static int child_main(const struct child *c, struct mr_error *err)
{
    struct mr_config *cfg = NULL;
    struct mr_engine *e = NULL;
    int result = lab_net_enter(c->net, LAB_ENDS);
    if (result < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, result, "lab: cannot enter its own namespace: %s",
                            strerror(-result));
    }
    mr_thread_pin(c->options->source_cpu);
    result = lab_config_generator(c->options, &cfg, err);
    if (result == 0) {
        result = mr_engine_create(cfg, &e, err);
    }
    if (result == 0) {
        result = run(c, e, err);
    }
    if (mr_engine_destroy(e)) {
        mr_config_destroy(cfg);
    }
    return result;
}

/* Three pipes, a memfd and a shared page. The parent keeps both ends of go and stop, so that a write to them is
 * harmless when the child has ended already; the child cannot miss the parent's end, it dies with it. */
static int connect_child(struct lab_generator *g, struct child *c)
{
    int ready[2], go[2], stop[2];
    g->shared = mmap(NULL, sizeof *g->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g->report = c->report = memfd_create("millrace-generator", MFD_CLOEXEC);
    if (g->shared == MAP_FAILED || g->report < 0 || pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0 ||
        pipe2(stop, O_CLOEXEC) != 0) {
        return -errno;
    }
    g->ready = ready[0];
    c->ready = ready[1];
    c->go = go[0];
    g->go = go[1];
    c->stop = stop[0];
    g->stop = stop[1];
    return 0;
}

static bool wait_ready(int fd)
{
    char byte;
    return TEMP_FAILURE_RETRY(read(fd, &byte, 1)) == 1;
}

int lab_generator_start(struct lab_generator *g, const struct lab_options *o, const struct lab_net *net,
                        struct mr_error *err)
{
    struct child c = {.options = o, .net = net};
    pid_t parent = getpid();
    int result = connect_child(g, &c);
    fflush(NULL); // else the child would write what is still in our buffers a second time
    if (result < 0 || (g->pid = fork()) < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot start the generator: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    if (g->pid == 0) {
        lab_child(parent, "mr-generator");
        g->shared->result = child_main(&c, &g->shared->error);
        _exit(g->shared->result < 0);
    }
    close(c.ready); // so that its end comes when the child's end does
    if (wait_ready(g->ready)) {
        return 0;
    }
    kill(g->pid, SIGKILL); // ending by itself, or waiting for a start that will not come
    waitpid(g->pid, NULL, 0);
    g->pid = 0;
    if (g->shared->result == 0) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "lab: the generator died while it started");
    }
    *err = g->shared->error;
    return g->shared->result;
}

json_t *lab_generator_report(struct lab_generator *g, struct mr_error *err)
{
    json_error_t where;
    int status = 0;
    waitpid(g->pid, &status, 0);
    g->pid = 0;
    if (g->shared->result < 0) {
        *err = g->shared->error;
        return NULL;
    }
    lseek(g->report, 0, SEEK_SET);
    json_t *doc = json_loadfd(g->report, 0, &where);
    if (doc == NULL) {
        mr_error_set(err, MR_FAULT_RUN, ECHILD, "lab: the generator died (%s %d)",
                     WIFSIGNALED(status) ? "signal" : "exit code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return doc;
}

void lab_generator_destroy(struct lab_generator *g)
{
    if (g->pid > 0) {
        kill(g->pid, SIGKILL);
        waitpid(g->pid, NULL, 0);
    }
    if (g->shared != NULL && g->shared != MAP_FAILED) {
        munmap(g->shared, sizeof *g->shared);
    }
}
