/* forbid.c: a command under a seccomp filter that answers some system calls with an errno, as a container's profile does.
 *
 *     forbid ERRNO CALL[,CALL…] COMMAND…      CALL: io_uring_setup, io_uring_enter, io_uring_register
 *
 * Exit code 125: the filter could not be set up.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"io_uring_setup", SYS_io_uring_setup},
    {"io_uring_enter", SYS_io_uring_enter},
    {"io_uring_register", SYS_io_uring_register},
};
enum { CALLS = sizeof calls / sizeof *calls };

static bool named(const char *list, const char *name)
{
    const char *at = strstr(list, name);
    return at != NULL && (at == list || at[-1] == ',') && (at[strlen(name)] == ',' || at[strlen(name)] == 0);
}

int main(int argc, char **argv)
{
    struct sock_filter code[2 + 2 * CALLS] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short n = 1;
    int error = argc > 3 ? atoi(argv[1]) : 0;
    for (int i = 0; i < CALLS && error != 0; i++) {
        if (named(argv[2], calls[i].name)) {
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
        }
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    if (n == 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        fprintf(stderr, "forbid: ERRNO as a number, CALL[,CALL...] COMMAND: %s\n", strerror(errno));
        return 125;
    }
    execv(argv[3], argv + 3);
    return 125;
}
