/* bare_xdp: frames from one device to another without an engine: the shortest honest loop over AF_XDP, two sockets on one
 * memory, copies by the kernel, 64 a burst. A frame that is sent stands in its chunk until the completion; then the chunk goes
 * to FILL again. Looks without waiting, as the engine does.
 */
#include "perf/bare/bare.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

enum { CHUNK = 2048, RING = 1024, CHUNKS = 2 * RING, BURST = 64 };

static struct xsk_ring_prod fill, fill_unused, tx;
static struct xsk_ring_cons comp_unused, comp, rx;
static struct xsk_socket *receiver, *sender;
static struct bare_total total;
static uint32_t under_way;

/* The queue's last user may have closed it a moment ago: the kernel lets go later. */
static int bind_when_free(struct xsk_socket **s, const char *device, struct xsk_umem *umem, struct xsk_ring_cons *in,
                          struct xsk_ring_prod *out, struct xsk_ring_prod *f, struct xsk_ring_cons *c,
                          const struct xsk_socket_config *config)
{
    int rc = -EBUSY;
    for (int tries = 0; rc == -EBUSY && tries < 200; tries++) {
        rc = xsk_socket__create_shared(s, device, 0, umem, in, out, f, c, config);
        usleep(rc == -EBUSY ? 5000 : 0);
    }
    return rc;
}

static void make_sockets(const struct bare_options *o)
{
    struct xsk_umem *umem;
    struct xsk_umem_config memory = {.fill_size = RING, .comp_size = RING, .frame_size = CHUNK};
    struct xsk_socket_config c = {.rx_size = RING, .tx_size = RING, .libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
                                  .bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP};
    int rc = xsk_umem__create(&umem, bare_memory((size_t)CHUNKS * CHUNK), (uint64_t)CHUNKS * CHUNK, &fill, &comp_unused, &memory);
    rc = rc != 0 ? rc : bind_when_free(&receiver, o->from, umem, &rx, NULL, &fill, &comp_unused, &c);
    rc = rc != 0 ? rc : bind_when_free(&sender, o->to, umem, NULL, &tx, &fill_unused, &comp, &c);
    if (rc != 0) {
        errno = -rc;
        bare_die("AF_XDP sockets");
    }
}

/* Every frame to the receiving socket; the link goes with this process. */
static void attach(const char *device)
{
    uint32_t key = 0;
    int socket = xsk_socket__fd(receiver);
    int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "bare", 4, 4, 1, NULL);
    const struct bpf_insn code[] = {
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
        {.code = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "bare", "BSD-2-Clause", code, sizeof code / sizeof *code, NULL);
    LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
    if (map < 0 || program < 0 || bpf_map_update_elem(map, &key, &socket, BPF_ANY) != 0 ||
        bpf_link_create(program, (int)if_nametoindex(device), BPF_XDP, &native) < 0) {
        bare_die("XDP program");
    }
}

static void give(uint64_t chunk)
{
    uint32_t at;
    if (xsk_ring_prod__reserve(&fill, 1, &at) == 1) { // as many entries as chunks that are not under way
        *xsk_ring_prod__fill_addr(&fill, at) = chunk;
    }
}

static void take_completions(void)
{
    uint32_t at, n = xsk_ring_cons__peek(&comp, RING, &at);
    for (uint32_t i = 0; i < n; i++) {
        give(*xsk_ring_cons__comp_addr(&comp, at + i) & ~(uint64_t)(CHUNK - 1));
    }
    if (n != 0) {
        xsk_ring_prod__submit(&fill, n);
        xsk_ring_cons__release(&comp, n);
        under_way -= n;
    }
}

static void forward(void)
{
    uint32_t from, to;
    uint32_t room = RING - under_way;
    uint32_t n = xsk_ring_cons__peek(&rx, room < BURST ? room : BURST, &from);
    if (n != 0 && xsk_ring_prod__reserve(&tx, n, &to) == n) {
        for (uint32_t i = 0; i < n; i++) {
            *xsk_ring_prod__tx_desc(&tx, to + i) = *xsk_ring_cons__rx_desc(&rx, from + i);
        }
        xsk_ring_prod__submit(&tx, n);
        xsk_ring_cons__release(&rx, n);
        under_way += n;
        total.frames += n;
    } else if (n != 0) {
        xsk_ring_cons__cancel(&rx, n);
    }
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "xdp", .seconds = 3600, .cpu = -1};
    bare_start(&o, argc, argv, "bare_xdp --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    make_sockets(&o);
    for (uint64_t i = 0; i < RING; i++) {
        give(i * CHUNK);
    }
    xsk_ring_prod__submit(&fill, RING);
    attach(o.from);
    while (!bare_stop) {
        forward();
        if (under_way != 0) {
            sendto(xsk_socket__fd(sender), NULL, 0, MSG_DONTWAIT, NULL, 0); // 32 frames at most
            total.syscalls++;
            take_completions();
        }
    }
    return bare_report(&o, &total);
}
