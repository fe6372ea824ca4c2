/* xdp_sender: the kernel makes copies of one frame and redirects each into a device, without a socket or a socket buffer, so
 * that the peer receives what a NIC with XDP would hand it. Flat out; all frames are alike. Linux 5.18, root.
 */
#include "perf/bare/bare.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <string.h>

enum { BATCH = 64, RUNS = 1 << 30, BYTES_MOST = 1514 };

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "xdp", .seconds = 10, .cpu = -1, .bytes = 60};
    struct bare_total total = {0};
    unsigned char frame[BYTES_MOST] = "\x02\0\0\0\0\2\x02\0\0\0\0\1\x88\xb5"; // an EtherType for experiments
    bare_start(&o, argc, argv, "xdp_sender --to DEVICE [--bytes N] [--for SECONDS] [--cpu N]");
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = (int)if_nametoindex(o.to == NULL ? "" : o.to)},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "source", "BSD-2-Clause", code, sizeof code / sizeof *code, NULL);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = o.bytes < BYTES_MOST ? o.bytes : BYTES_MOST,
                .repeat = RUNS, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
    if (program < 0) {
        bare_die("XDP program");
    }
    while (!bare_stop) { // a call lasts until a signal comes
        total.syscalls++;
        if (bpf_prog_test_run_opts(program, &run) != 0 && errno != EINTR) {
            bare_die("BPF_PROG_TEST_RUN");
        }
    }
    return bare_report(&o, &total);
}
