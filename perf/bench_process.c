#include "perf/bench_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the program beside this one. */
static bool path_of(const char *program, char *path, size_t bytes)
{
    ssize_t n = readlink("/proc/self/exe", path, bytes - 1);
    if (n <= 0) {
        return false;
    }
    path[n] = 0;
    char *name = strrchr(path, '/') + 1;
    return snprintf(name, bytes - (size_t)(name - path), "%s", program) < (int)(bytes - (size_t)(name - path));
}

const char bench_input_held[] = "";

/* A descriptor of inotify that watches nothing: who reads from it waits. */
static int input_of(const char *text)
{
    if (text == bench_input_held) {
        return inotify_init1(IN_CLOEXEC);
    }
    int fd = text == NULL ? open("/dev/null", O_RDONLY | O_CLOEXEC) : memfd_create("input", MFD_CLOEXEC);
    if (text != NULL && fd >= 0 &&
        (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Where the kernel schedules by session, a nice value counts only inside it: so a session of its own, preferred. */
static void prefer(void)
{
    setsid();
    setpriority(PRIO_PROCESS, 0, -19);
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "-19", 3);
        close(fd);
    }
}

static _Noreturn void become(const struct bench *b, int ns_fd, const char *path, char *const argv[], int in, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_float(b);
    prefer();
    dup2(in, 0);
    dup2(out, 1);
    int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, 2);
    if (setns(ns_fd, 0) == 0) {
        execv(path, argv);
        execvp(argv[0], argv);
    }
    _exit(127);
}

bool bench_process_start(const struct bench *b, struct bench_process *p, int ns_fd, const char *program,
                         char *const argv[], const char *input)
{
    char path[4096];
    int in = input_of(input);
    p->out = memfd_create("output", MFD_CLOEXEC); // no pipe: nobody reads while it runs
    p->pid = -1;
    if (in < 0 || p->out < 0 || !path_of(program, path, sizeof path)) {
        return false;
    }
    p->pid = fork();
    if (p->pid == 0) {
        become(b, ns_fd, path, argv, in, p->out);
    }
    close(in);
    return p->pid > 0 && clock_getcpuclockid(p->pid, &p->cpu) == 0;
}

double bench_process_cpu_ns(const struct bench_process *p)
{
    struct timespec t = {0, 0};
    clock_gettime(p->cpu, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

json_t *bench_process_end(struct bench_process *p, bool kill_it, int *exit_code)
{
    int status = -1;
    json_t *json = NULL;
    if (p->pid > 0) {
        if (kill_it) {
            kill(p->pid, SIGTERM);
        }
        while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (p->pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        lseek(p->out, 0, SEEK_SET);
        json = json_loadfd(p->out, 0, NULL);
    }
    if (exit_code != NULL) {
        *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    close(p->out);
    p->pid = -1;
    return json;
}

bool bench_cpu_times(int cpu, struct bench_cpu_times *t)
{
    char line[512], format[96];
    double user, nice, system, irq, softirq, steal;
    const double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    bool found = false;
    FILE *stat = fopen("/proc/stat", "r");
    snprintf(format, sizeof format, "cpu%d %%lf %%lf %%lf %%*f %%*f %%lf %%lf %%lf", cpu); // left out: idle, iowait
    while (stat != NULL && !found && fgets(line, sizeof line, stat) != NULL) {
        found = sscanf(line, format, &user, &nice, &system, &irq, &softirq, &steal) == 6;
    }
    if (found) {
        t->busy_ns = (user + nice + system + irq + softirq) * tick_ns;
        t->steal_ns = steal * tick_ns;
    }
    if (stat != NULL) {
        fclose(stat);
    }
    return found;
}

/* Kernel threads have no better address than their name. */
static pid_t process_named(const char *name)
{
    pid_t found = 0;
    DIR *all = opendir("/proc");
    for (struct dirent *d; all != NULL && found == 0 && (d = readdir(all)) != NULL;) {
        char path[300], comm[64] = "";
        snprintf(path, sizeof path, "/proc/%s/comm", d->d_name);
        FILE *f = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (f != NULL && fgets(comm, sizeof comm, f) != NULL && strcspn(comm, "\n") == strlen(name) &&
            strncmp(comm, name, strlen(name)) == 0) {
            found = (pid_t)atoi(d->d_name);
        }
        if (f != NULL) {
            fclose(f);
        }
    }
    if (all != NULL) {
        closedir(all);
    }
    return found;
}

double bench_softirq_ns(int cpu)
{
    static struct {
        int cpu;
        pid_t pid;
    } known[2] = {{-1, 0}, {-1, 0}};
    char name[32];
    clockid_t clock;
    struct timespec t = {0, 0};
    int k = known[0].cpu == cpu || known[0].cpu < 0 ? 0 : 1;
    if (known[k].cpu != cpu) {
        snprintf(name, sizeof name, "ksoftirqd/%d", cpu);
        known[k].cpu = cpu;
        known[k].pid = process_named(name);
    }
    if (known[k].pid == 0 || clock_getcpuclockid(known[k].pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
