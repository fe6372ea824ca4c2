#include "apps/millrace/lab_redirect.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TCX_INGRESS = 46 }; // BPF_TCX_INGRESS of Linux 6.6, which older headers lack

static int call(enum bpf_cmd command, union bpf_attr *attr)
{
    long result = syscall(SYS_bpf, command, attr, sizeof *attr);
    return result < 0 ? -errno : (int)result;
}

static const char *remedy(int error)
{
    return error == -EPERM  ? "; needs CAP_BPF and CAP_NET_ADMIN outside of user namespaces: run as root"
           : error == -EINVAL ? "; this kernel does not know it (tcx: Linux 6.6)"
                              : mr_error_remedy(error);
}

int lab_redirect_load(enum lab_hook hook, int to, struct mr_error *err)
{
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = to},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = hook == LAB_HOOK_XDP ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS;
    attr.expected_attach_type = hook == LAB_HOOK_XDP ? BPF_XDP : TCX_INGRESS;
    attr.insns = (uint64_t)(uintptr_t)code;
    attr.insn_cnt = sizeof code / sizeof *code;
    attr.license = (uint64_t)(uintptr_t)"GPL";
    strcpy(attr.prog_name, "millrace_on");
    int fd = call(BPF_PROG_LOAD, &attr);
    return fd >= 0 ? fd
                   : mr_error_set(err, MR_FAULT_MACHINE, fd, "cannot load a program that sends frames on: %s%s",
                                  strerror(-fd), remedy(fd));
}

int lab_redirect_attach(enum lab_hook hook, int program, int from, struct mr_error *err)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_ifindex = (uint32_t)from;
    attr.link_create.attach_type = hook == LAB_HOOK_XDP ? BPF_XDP : TCX_INGRESS;
    attr.link_create.flags = hook == LAB_HOOK_XDP ? XDP_FLAGS_DRV_MODE : 0;
    int fd = call(BPF_LINK_CREATE, &attr);
    return fd >= 0 ? fd
                   : mr_error_set(err, MR_FAULT_MACHINE, fd, "cannot attach a program that sends frames on, by %s: %s%s",
                                  hook == LAB_HOOK_XDP ? "XDP" : "tcx", strerror(-fd), remedy(fd));
}

int lab_redirect_send(int program, const unsigned char *frame, uint32_t length, uint32_t n)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)program;
    attr.test.data_in = (uint64_t)(uintptr_t)frame;
    attr.test.data_size_in = length;
    attr.test.repeat = n;
    attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    attr.test.batch_size = n < 64 ? n : 64;
    return call(BPF_PROG_TEST_RUN, &attr);
}
