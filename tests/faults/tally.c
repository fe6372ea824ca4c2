/* tally.c: a command whose calls that send are counted by the kernel, and answered with an errno when told: a seccomp filter
 * shows each of them to us before it is made.
 *
 *     tally FILE FROM COUNT ERRNO COMMAND…
 *
 * FILE gets {"sendto": N, "io_uring_enter": N}; sendto: those of no bytes. The io_uring_enter of the numbers FROM … FROM +
 * COUNT - 1 (the first is 1) fail with ERRNO. FILE is there once the first of them has failed, or the command has
 * ended. SIGINT is handed on. Exit code: the command's; 125: it could not be set up.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    unsigned long sendto, enter;
    unsigned long from, count;
    int error;
    pid_t command;
} tally;

static void hand_on(int signal)
{
    kill(tally.command, signal);
}

/* The descriptor that shows the calls; below 0: none. */
static int filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* It has our table of files until it becomes the command, so the descriptor is ours, too. */
static pid_t start(char **command, int *listener)
{
    int ends[2], fd = -1;
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_FILES | SIGCHLD), NULL, NULL, NULL, NULL);
    if (child == 0) {
        fd = filter();
        (void)!write(ends[1], &fd, sizeof fd);
        syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_UNSHARE);
        execv(command[0], command);
        _exit(125);
    }
    (void)!read(ends[0], &fd, sizeof fd);
    *listener = fd;
    return child;
}

static bool write_down(const char *file)
{
    FILE *f = fopen(file, "w");
    return f != NULL && fprintf(f, "{\"sendto\": %lu, \"io_uring_enter\": %lu}\n", tally.sendto, tally.enter) > 0 && fclose(f) == 0;
}

/* The errno that this call shall fail with, or 0. */
static int count(const struct seccomp_data *call)
{
    if (call->nr == SYS_sendto) {
        tally.sendto += call->args[2] == 0;
        return 0;
    }
    tally.enter++;
    return tally.enter >= tally.from && tally.enter - tally.from < tally.count ? tally.error : 0;
}

static void listen_to(int listener, const char *file)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    for (;;) {
        struct seccomp_notif call = {0};
        if (poll(&p, 1, -1) == 1 && (p.revents & POLLIN) == 0) {
            return; // nobody is left who could ask
        }
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
            continue; // a signal; or who asked was ended meanwhile
        }
        int error = count(&call.data);
        struct seccomp_notif_resp answer = {.id = call.id, .error = -error};
        answer.flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        if (error != 0 && tally.enter == tally.from) {
            write_down(file);
        }
    }
}

int main(int argc, char **argv)
{
    int listener = -1, status = 0;
    if (argc < 6) {
        return 125;
    }
    tally.from = strtoul(argv[2], NULL, 10);
    tally.count = strtoul(argv[3], NULL, 10);
    tally.error = atoi(argv[4]);
    tally.command = start(argv + 5, &listener);
    if (tally.command < 0 || listener < 0) {
        fprintf(stderr, "tally: no filter that shows calls (Linux 5.5)\n");
        return 125;
    }
    signal(SIGINT, hand_on);
    listen_to(listener, argv[1]);
    waitpid(tally.command, &status, 0);
    return WIFEXITED(status) && write_down(argv[1]) ? WEXITSTATUS(status) : 125;
}
