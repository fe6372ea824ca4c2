/* xdp_program.c: what somebody with the privilege may do to the XDP program that a bpf_link holds on an interface: the kernel
 * sends no message about it.
 *
 *     xdp_program detach DEVICE       nothing is there any more; the link stays, and holds nothing
 *     xdp_program replace DEVICE      by a program that leaves every frame to the kernel
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int link_of(unsigned ifindex)
{
    __u32 id = 0;
    while (bpf_link_get_next_id(id, &id) == 0) {
        struct bpf_link_info info = {0};
        __u32 bytes = sizeof info;
        int fd = bpf_link_get_fd_by_id(id);
        if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 && info.type == BPF_LINK_TYPE_XDP &&
            info.xdp.ifindex == ifindex) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

static int replace(int link)
{
    const struct bpf_insn pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "BSD-2-Clause", pass, sizeof pass / sizeof *pass, NULL);
    return program < 0 ? -1 : bpf_link_update(link, program, NULL);
}

int main(int argc, char **argv)
{
    int link = argc == 3 ? link_of(if_nametoindex(argv[2])) : -1;
    if (link < 0) {
        fprintf(stderr, "xdp_program: detach|replace DEVICE, one with a program held by a bpf_link\n");
        return 1;
    }
    int rc = strcmp(argv[1], "detach") == 0 ? bpf_link_detach(link) : replace(link);
    if (rc != 0) {
        perror("xdp_program");
    }
    return rc != 0;
}
