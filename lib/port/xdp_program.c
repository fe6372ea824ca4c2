/* xdp_program.c: our own XDP program, a map of sockets that it looks into, and a link that holds it on the device.
 *
 * No dispatcher, no pins: the link lives as long as its descriptor, so a process that is killed leaves nothing, and nobody
 * can replace the program by mistake (ip link … xdp off is refused). Somebody else's program is never touched.
 */
#include "lib/port/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CODE_MAX = 512 };

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int refused(const struct mr_xdp_port *p, int rc, const char *what, struct mr_error *err)
{
    const char *why = rc == -EPERM || rc == -EACCES
                          ? "not permitted; needs CAP_BPF and CAP_NET_ADMIN, or root, outside any namespace of users; a port "
                            "that only sends needs no program"
                          : strerror(-rc);
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %s of AF_XDP cannot be loaded: %s%s", p->port->config->name, what,
                        why, mr_error_remedy(rc));
}

/* 0 or -errno. The room for counts stays: a port that is opened again has as many processors. */
static int make_maps(struct mr_xdp_port *p)
{
    int cpus = libbpf_num_possible_cpus();
    p->counts = cpus < 0 || p->counts != NULL ? p->counts : calloc((size_t)cpus, sizeof *p->counts);
    if (p->counts == NULL) {
        return -ENOMEM;
    }
    p->map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, MR_XDP_NAME, sizeof(uint32_t), sizeof(int), MR_QUEUES_MAX, NULL);
    int rc = p->map_fd < 0 ? -errno : 0;
    p->count_fd = rc < 0 ? -1 : bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, MR_XDP_NAME, sizeof(uint32_t), sizeof(uint64_t), 1, NULL);
    return rc == 0 && p->count_fd < 0 ? -errno : rc;
}

/* Read by control, as all of the port. */
uint64_t mr_xdp_passed(const struct mr_xdp_port *p)
{
    uint32_t key = 0;
    uint64_t sum = p->passed;
    if (p->count_fd >= 0 && bpf_map_lookup_elem(p->count_fd, &key, p->counts) == 0) {
        for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
            sum += p->counts[i];
        }
    }
    return sum;
}

const char *mr_xdp_check(const struct mr_port_config *config, char *why, size_t bytes)
{
    struct bpf_insn code[CODE_MAX];
    return mr_xdp_take(config->take, -1, -1, code, CODE_MAX, why, bytes) == 0 ? "take" : NULL;
}

int mr_xdp_program_load(struct mr_xdp_port *p, struct mr_error *err)
{
    struct bpf_insn code[CODE_MAX];
    char why[160];
    int made = make_maps(p);
    if (made < 0) {
        return refused(p, made, "a map", err);
    }
    uint32_t n = mr_xdp_take(p->port->config->take, p->map_fd, p->count_fd, code, CODE_MAX, why, sizeof why);
    if (n == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: take: %s", p->port->config->name, why);
    }
    p->program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, MR_XDP_NAME, "BSD-2-Clause", code, n, NULL);
    if (p->program_fd < 0) {
        int rc = -errno;
        p->program_fd = -1;
        return refused(p, rc, "the program", err);
    }
    struct bpf_prog_info info = {0};
    uint32_t bytes = sizeof info;
    p->program_id = bpf_obj_get_info_by_fd(p->program_fd, &info, &bytes) == 0 ? info.id : 0;
    return 0;
}

int mr_xdp_program_attach(struct mr_xdp_port *p, bool generic)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
    uint64_t since_ns = 0;
    int rc;
    do {
        int fd = bpf_link_create(p->program_fd, p->port->ifindex, BPF_XDP, &options);
        rc = fd < 0 ? -errno : 0;
        p->link_fd = fd < 0 ? -1 : fd;
    } while (mr_xdp_wait_more(&since_ns, rc)); // of a process that was killed a moment ago
    return rc;
}

/* "program 23 (name)": whose it is. */
static void name_other(const struct mr_xdp_port *p, char *text, size_t bytes)
{
    uint32_t id = 0;
    struct bpf_prog_info info = {0};
    uint32_t length = sizeof info;
    bpf_xdp_query_id(p->port->ifindex, 0, &id);
    int fd = id == 0 ? -1 : bpf_prog_get_fd_by_id(id);
    if (fd >= 0) {
        bpf_obj_get_info_by_fd(fd, &info, &length);
        close(fd);
    }
    snprintf(text, bytes, "program %u%s%s%s", id, info.name[0] != 0 ? " (" : "", info.name, info.name[0] != 0 ? ")" : "");
}

int mr_xdp_program_fail(const struct mr_xdp_port *p, bool generic, int rc, struct mr_error *err)
{
    const struct mr_port_config *c = p->port->config;
    const char *mode = generic ? "generic" : "native";
    char other[60];
    if (rc == -EBUSY || rc == -EEXIST) {
        name_other(p, other, sizeof other);
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %.60s has an XDP program already: %s, not ours to remove; whose "
                            "it is: bpftool prog show, or bpftool net; another millrace on this device ends first",
                            c->name, c->device, other);
    }
    if (rc == -ERANGE) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %.60s takes no XDP program in %s mode with its MTU, or its peer's; "
                            "ip link set %.60s mtu 1500 (on a veth both ends), or mode: generic", c->name, c->device, mode,
                            c->device);
    }
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: %.60s takes no XDP program in %s mode: %s%s", c->name, c->device,
                        mode, strerror(-rc), generic ? mr_error_remedy(rc) : "; mode: generic works on every device, or auto");
}

void mr_xdp_program_close(struct mr_xdp_port *p)
{
    close_fd(&p->link_fd);
    p->passed = mr_xdp_passed(p);
    close_fd(&p->program_fd);
    close_fd(&p->map_fd);
    close_fd(&p->count_fd);
}

/* ---- one queue ---- */

int mr_xdp_valve_open(struct mr_xdp_rxq *q)
{
    uint32_t key = q->q.queue;
    int rc = bpf_map_update_elem(q->xdp->map_fd, &key, &q->socket->fd, BPF_ANY) == 0 ? 0 : -errno;
    mr_store_release(&q->valve, rc == 0 ? MR_XDP_OPEN : MR_XDP_SHUT);
    q->quiet_looks = 0;
    return rc;
}

/* Never waits: the core has other queues. */
void mr_xdp_valve_close(struct mr_xdp_rxq *q)
{
    uint32_t key = q->q.queue;
    if (q->xdp->map_fd >= 0) {
        bpf_map_delete_elem(q->xdp->map_fd, &key);
    }
    mr_store_release(&q->valve, MR_XDP_CLOSED);
}

/* Valves of the port's queues from one state to another; how many. */
static uint32_t turn(const struct mr_port *port, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        struct mr_xdp_rxq *q = MR_CONTAINER_OF(port->rxq[i], struct mr_xdp_rxq, q);
        if (port->rxq[i] != NULL && mr_load_acquire(&q->valve) == from) {
            mr_store_release(&q->valve, to);
            n++;
        }
    }
    return n;
}

static bool is_ours(const struct mr_port *port)
{
    return port->driver->rx_settle == mr_xdp_rx_settle;
}

/* Programs that found a socket in the map are through when every processor has passed a point where none can run: some
 * milliseconds. A kernel that cannot say so (nohz_full) leaves it to looking several times. */
void mr_xdp_rx_settle(struct mr_port *const *ports, uint32_t n)
{
    uint32_t closed = 0;
    for (uint32_t i = 0; i < n; i++) {
        closed += is_ours(ports[i]) ? turn(ports[i], MR_XDP_CLOSED, MR_XDP_AWAITED) : 0;
    }
    bool through = closed != 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
    for (uint32_t i = 0; i < n && closed != 0; i++) {
        if (is_ours(ports[i])) {
            turn(ports[i], MR_XDP_AWAITED, through ? MR_XDP_SHUT : MR_XDP_UNSURE);
        }
    }
}
