/* forbid.c: a command under a seccomp filter that answers some system calls with an errno, as a container's profile does.
 *
 *     forbid ERRNO CALL[,CALL…] COMMAND…      CALL: io_uring_setup, io_uring_enter, io_uring_register,
 *                                              TUNATTACHFILTER (this ioctl alone)
 *
 * Exit code 125: the filter could not be set up.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned number;
    unsigned request; /* 0: all of them; else the one with this as its second argument */
} calls[] = {
    {"io_uring_setup", SYS_io_uring_setup, 0},
    {"io_uring_enter", SYS_io_uring_enter, 0},
    {"io_uring_register", SYS_io_uring_register, 0},
    {"TUNATTACHFILTER", SYS_ioctl, TUNATTACHFILTER},
};
enum { CALLS = sizeof calls / sizeof *calls, CODE_EACH = 5 };

static bool named(const char *list, const char *name)
{
    const char *at = strstr(list, name);
    return at != NULL && (at == list || at[-1] == ',') && (at[strlen(name)] == ',' || at[strlen(name)] == 0);
}

/* Instructions that answer a call with an errno; the call's number is loaded before and after them. Returns how many. */
static unsigned short answer(struct sock_filter *code, unsigned number, unsigned request, unsigned error)
{
    const struct sock_filter any[] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
    };
    const struct sock_filter one[CODE_EACH] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    memcpy(code, request == 0 ? any : one, request == 0 ? sizeof any : sizeof one);
    return request == 0 ? sizeof any / sizeof *any : CODE_EACH;
}

int main(int argc, char **argv)
{
    struct sock_filter code[2 + CODE_EACH * CALLS] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short n = 1;
    int error = argc > 3 ? atoi(argv[1]) : 0;
    for (int i = 0; i < CALLS && error != 0; i++) {
        if (named(argv[2], calls[i].name)) {
            n += answer(code + n, calls[i].number, calls[i].request, (unsigned)error);
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
