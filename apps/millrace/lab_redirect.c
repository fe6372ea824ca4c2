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

static int load(enum lab_hook hook, const struct bpf_insn *code, size_t n, struct mr_error *err)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = hook == LAB_HOOK_XDP ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS;
    attr.expected_attach_type = hook == LAB_HOOK_XDP ? BPF_XDP : TCX_INGRESS;
    attr.insns = (uint64_t)(uintptr_t)code;
    attr.insn_cnt = (uint32_t)n;
    attr.license = (uint64_t)(uintptr_t)"GPL";
    strcpy(attr.prog_name, "millrace_on");
    int fd = call(BPF_PROG_LOAD, &attr);
    return fd >= 0 ? fd
                   : mr_error_set(err, MR_FAULT_MACHINE, fd, "cannot load a program that sends frames on: %s%s",
                                  strerror(-fd), remedy(fd));
}

int lab_redirect_load(enum lab_hook hook, int to, struct mr_error *err)
{
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = to},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
        {.code = BPF_JMP | BPF_EXIT},
    };
    return load(hook, code, sizeof code / sizeof *code, err);
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

/* ---- a source ---- */

enum { NEXT = 0, PERIOD = 8, LATEST = 16, MADE = 24, LIVE_BATCH = 64, CAUGHT_UP = 64, RUNS = 1 << 30 };

static int make_state(struct mr_error *err)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = sizeof(uint32_t);
    attr.value_size = sizeof(struct lab_xdp_pace);
    attr.max_entries = 1;
    int fd = call(BPF_MAP_CREATE, &attr);
    return fd >= 0 ? fd
                   : mr_error_set(err, MR_FAULT_MACHINE, fd, "cannot make the XDP source's state: %s%s", strerror(-fd),
                                  remedy(fd));
}

/* now = ktime << 8; if (next > now) return XDP_DROP; if (next < now - latest) next = now - latest; next += period; made++; return
 * redirect(to). */
int lab_xdp_source_load(struct lab_xdp_source *s, int to, struct mr_error *err)
{
    s->state = make_state(err);
    const struct bpf_insn code[] = {
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns},
        {.code = BPF_ALU64 | BPF_LSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 8},
        {.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = s->state},
        {.code = 0}, // the second half of the one above
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1, .off = NEXT},
        {.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_0, .off = 14},
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_1, .off = LATEST},
        {.code = BPF_ALU64 | BPF_SUB | BPF_X, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_3},
        {.code = BPF_JMP | BPF_JGE | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_0, .off = 1},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_0},
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_1, .off = PERIOD},
        {.code = BPF_ALU64 | BPF_ADD | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_3},
        {.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_2, .off = NEXT},
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1, .off = MADE},
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = 1},
        {.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_2, .off = MADE},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = to},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
        {.code = BPF_JMP | BPF_EXIT},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    s->program = s->state < 0 ? s->state : load(LAB_HOOK_XDP, code, sizeof code / sizeof *code, err);
    return s->program < 0 ? s->program : 0;
}

static int access_state(const struct lab_xdp_source *s, enum bpf_cmd command, struct lab_xdp_pace *pace)
{
    const uint32_t key = 0;
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)s->state;
    attr.key = (uint64_t)(uintptr_t)&key;
    attr.value = (uint64_t)(uintptr_t)pace;
    return call(command, &attr);
}

int64_t lab_xdp_source_run(const struct lab_xdp_source *s, double fps, uint64_t now_ns, const unsigned char *frame,
                           uint32_t length)
{
    struct lab_xdp_pace pace = {.next = now_ns << 8, .period = fps > 0 ? (uint64_t)(256e9 / fps + 0.5) : 0};
    pace.latest = CAUGHT_UP * pace.period;
    union bpf_attr attr;
    int result = access_state(s, BPF_MAP_UPDATE_ELEM, &pace);
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)s->program;
    attr.test.data_in = (uint64_t)(uintptr_t)frame;
    attr.test.data_size_in = length;
    attr.test.repeat = RUNS;
    attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    attr.test.batch_size = LIVE_BATCH;
    result = result < 0 ? result : call(BPF_PROG_TEST_RUN, &attr);
    if (result < 0 && result != -EINTR) {
        return result;
    }
    result = access_state(s, BPF_MAP_LOOKUP_ELEM, &pace);
    return result < 0 ? result : (int64_t)pace.made;
}
