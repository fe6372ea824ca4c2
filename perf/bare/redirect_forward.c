/* bare_redirect: frames from one device to another that never leave the kernel: an XDP program of four instructions. What
 * leaves by veth as XDP frames arrives only where the peer runs NAPI: without --to, frames are dropped where they come in,
 * which makes such a peer, and counts them. This process only holds the link.
 */
#include "perf/bare/bare.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "redirect", .seconds = 3600, .cpu = -1};
    struct bare_total total = {0};
    bare_start(&o, argc, argv, "bare_redirect --from DEVICE [--to DEVICE] [--for SECONDS]");
    const struct bpf_insn drop[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
                                    {.code = BPF_JMP | BPF_EXIT}};
    const struct bpf_insn redirect[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = (int)if_nametoindex(o.to == NULL ? "" : o.to)},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int program = o.to == NULL
                      ? bpf_prog_load(BPF_PROG_TYPE_XDP, "drop", "BSD-2-Clause", drop, sizeof drop / sizeof *drop, NULL)
                      : bpf_prog_load(BPF_PROG_TYPE_XDP, "redirect", "BSD-2-Clause", redirect, sizeof redirect / sizeof *redirect, NULL);
    LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
    int from = (int)if_nametoindex(o.from == NULL ? "" : o.from);
    if (program < 0 || bpf_link_create(program, from, BPF_XDP, &native) < 0) {
        bare_die("XDP program");
    }
    while (!bare_stop) {
        pause();
    }
    return bare_report(&o, &total);
}
