/* xdp_probe.c: can it here, and if not why: a socket, memory for it, and a program are made and closed.
 */
#include "lib/port/xdp.h"
#include "lib/sys/privilege.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

void mr_xdp_no_memory(size_t arena_bytes, char *text, size_t bytes)
{
    uint64_t limit = mr_memlock_limit();
    if (limit == UINT64_MAX) {
        snprintf(text, bytes, "no memory for its tables; free some, or raise the control group's limit");
        return;
    }
    unsigned long long enough = (limit + arena_bytes + 1023) >> 10;
    snprintf(text, bytes, "it locks %zu KiB, and all processes of this user may have %llu KiB; ulimit -l %llu, LimitMEMLOCK=%lluK in "
             "a unit of systemd, CAP_IPC_LOCK, or fewer memory.chunks", arena_bytes >> 10, (unsigned long long)limit >> 10, enough,
             enough);
}

static int try_memory(int fd)
{
    enum { BYTES = 64 << 10 };
    void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct xdp_umem_reg reg = {.addr = (uintptr_t)memory, .len = BYTES, .chunk_size = MR_CHUNK_STRIDE,
                               .headroom = MR_CHUNK_DATA - MR_XDP_KERNEL_ROOM, .flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG};
    if (memory == MAP_FAILED) {
        return -errno;
    }
    int rc = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) == 0 ? 0 : -errno;
    munmap(memory, BYTES);
    return rc;
}

static int try_program(void)
{
    struct bpf_insn code[32];
    char why[100];
    int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, MR_XDP_NAME, sizeof(uint32_t), sizeof(int), 1, NULL);
    int count = map < 0 ? -1 : bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, MR_XDP_NAME, sizeof(uint32_t), sizeof(uint64_t), 1, NULL);
    int program = -1;
    if (count >= 0) {
        uint32_t n = mr_xdp_take("", map, count, code, sizeof code / sizeof *code, why, sizeof why);
        program = bpf_prog_load(BPF_PROG_TYPE_XDP, MR_XDP_NAME, "BSD-2-Clause", code, n, NULL);
    }
    int rc = program < 0 ? -errno : 0;
    const int made[] = {program, count, map};
    for (uint32_t i = 0; i < sizeof made / sizeof *made; i++) {
        if (made[i] >= 0) {
            close(made[i]);
        }
    }
    return rc;
}

static void explain(int rc, char *text, size_t bytes)
{
    if (rc == -EAFNOSUPPORT) {
        snprintf(text, bytes, "this kernel is built without AF_XDP (CONFIG_XDP_SOCKETS)");
    } else if (rc == -EPERM) {
        snprintf(text, bytes, "no AF_XDP socket: %s; needs CAP_NET_RAW: run as root, or in a namespace of your own (unshare -Urn)",
                 strerror(EPERM));
    } else if (rc == -ENOBUFS) {
        mr_xdp_no_memory(64 << 10, text, bytes);
    } else {
        snprintf(text, bytes, "AF_XDP: %s%s", strerror(-rc), mr_error_remedy(rc));
    }
}

int mr_xdp_probe(struct mr_probe *probe)
{
    struct utsname name;
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -errno : try_memory(fd);
    if (fd >= 0) {
        close(fd);
    }
    probe->usable = rc == 0;
    if (rc < 0) {
        explain(rc, probe->reason, sizeof probe->reason);
        return rc;
    }
    uname(&name);
    rc = try_program();
    snprintf(probe->reason, sizeof probe->reason, "Linux %.40s: AF_XDP, %s%s%s", name.release,
             rc == 0 ? "receives and sends" : "sends only: no XDP program here: ", rc == 0 ? "" : strerror(-rc),
             rc == -EPERM ? "; needs CAP_BPF and CAP_NET_ADMIN" : "");
    return 0;
}
