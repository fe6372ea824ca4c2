/* plan_check.c: the plan against this machine: CPUs, interfaces, nodes, memory. Looks, changes nothing. */
#include "lib/engine/engine_parts.h"
#include "lib/engine/plan_parts.h"
#include "lib/sys/arena.h"
#include "lib/sys/netlink.h"
#include "lib/sys/privilege.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define OWN_FILES 6u /* beside the arena's: signals, two of netlink, and three for a while: a file in /proc, a probe, the report */

/* ---- cores ---- */

static int check_cpu(const struct mr_plan *p, const struct mr_topology *t, uint32_t cpu, struct mr_error *err)
{
    char allowed[300];
    const char *why = NULL;
    if (cpu >= t->n_cpus || cpu >= MR_CPUS_MAX) {
        why = "does not exist";
    } else if (!t->cpu[cpu].online) {
        why = "is offline";
    } else if (!t->cpu[cpu].allowed) {
        why = "is outside this process's affinity mask";
    }
    if (why == NULL) {
        return 0;
    }
    return mr_plan_fail(p, "engine.cores", err, "CPU %u %s; allowed are: %s", cpu, why,
                        mr_topology_allowed(t, allowed, sizeof allowed));
}

static int last_allowed(const struct mr_topology *t)
{
    int last = -1;
    for (uint32_t i = 0; i < t->n_cpus && i < MR_CPUS_MAX; i++) {
        last = t->cpu[i].online && t->cpu[i].allowed ? (int)i : last;
    }
    return last;
}

int mr_plan_cores(struct mr_plan *p, const struct mr_topology *t, struct mr_error *err)
{
    int last = last_allowed(t);
    p->n_cores = p->config->n_cores;
    for (uint32_t i = 0; i < p->n_cores; i++) {
        p->cores[i].cpu = p->config->cores[i];
    }
    if (p->n_cores == 0 && last >= 0) {
        p->cores[p->n_cores++].cpu = (uint32_t)last;
        mr_plan_note(p, "engine.cores: not written, so the last allowed CPU: %d", last);
    }
    for (uint32_t i = 0; i < p->n_cores; i++) {
        int rc = check_cpu(p, t, p->cores[i].cpu, err);
        if (rc < 0) {
            return rc;
        }
        p->cores[i].node = t->cpu[p->cores[i].cpu].node;
    }
    return p->n_cores != 0 ? 0 : mr_plan_fail(p, "engine.cores", err, "no CPU is allowed to this process");
}

/* ---- cores that sleep ---- */

static const char *sleeps_in(const struct mr_plan *p, const struct mr_plan_stage *s)
{
    bool blocking = s->kind != MR_STAGE_WORK && p->config->ports[s->port].blocking;
    return !blocking ? NULL : s->kind == MR_STAGE_RX ? "recv" : "send";
}

/* Whom else the core of a sleeping stage would keep waiting; NULL = nobody. While it sends, what it receives waits: that is what was
 * asked for. */
static const struct mr_plan_stage *kept_waiting(const struct mr_plan *p, const struct mr_plan_stage *sleeper)
{
    const struct mr_plan_stage *own = sleeper->kind == MR_STAGE_RX ? sleeper : NULL;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        if (s->core == sleeper->core && s->kind == MR_STAGE_RX && s != own) {
            if (own != NULL) {
                return s;
            }
            own = s;
        }
    }
    for (uint32_t i = 0; i < p->n_rings && sleeper->kind == MR_STAGE_RX; i++) {
        const struct mr_plan_stage *from = &p->stages[p->rings[i].from], *to = &p->stages[p->rings[i].to];
        if (to->core == sleeper->core && from->core != sleeper->core) {
            return to;
        }
    }
    return NULL;
}

int mr_plan_sleepers(const struct mr_plan *p, struct mr_error *err)
{
    char key[40];
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i], *other = sleeps_in(p, s) != NULL ? kept_waiting(p, s) : NULL;
        if (other != NULL) {
            snprintf(key, sizeof key, "ports[%u].blocking", s->port);
            return mr_plan_fail(p, key, err, "yes: CPU %u would sleep in %s for %s, and %s on it would wait meanwhile; write "
                                "engine.cores so that each receiving queue has a core of its own and its frames stay there, or "
                                "blocking: no", p->cores[s->core].cpu, sleeps_in(p, s), s->name, other->name);
        }
    }
    return 0;
}

/* ---- devices ---- */

static int find_link(const struct mr_plan *p, uint32_t port, struct mr_link *link, struct mr_error *err)
{
    const char *device = p->config->ports[port].device;
    char key[40];
    char names[400];
    int rc = mr_link_find(device, link);
    if (rc == 0) {
        return 0;
    }
    snprintf(key, sizeof key, "ports[%u].device", port);
    if (rc == -ENODEV) {
        return mr_plan_fail(p, key, err, "no interface \"%.60s\" in this network namespace; there are: %s", device,
                            mr_link_names(names, sizeof names));
    }
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "interface %.60s: the kernel does not tell about it: %s%s", device,
                        strerror(-rc), mr_error_remedy(rc));
}

/* Each queue's core against the device's node. */
static int check_node(struct mr_plan *p, uint32_t port, struct mr_error *err)
{
    const struct mr_plan_port *planned = &p->ports[port];
    for (uint32_t i = 0; i < p->n_stages && planned->node >= 0 && p->config->numa != MR_NUMA_OFF; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        const struct mr_plan_core *core = &p->cores[s->core];
        if (s->kind == MR_STAGE_WORK || s->port != port || core->node == planned->node) {
            continue;
        }
        if (p->config->numa == MR_NUMA_STRICT) {
            return mr_plan_fail(p, "engine.numa", err,
                                "strict, but %s stands on CPU %u of node %d and device %.60s is on node %d; "
                                "name CPUs of node %d in engine.cores",
                                s->name, core->cpu, core->node, p->config->ports[port].device, planned->node,
                                planned->node);
        }
        mr_plan_note(p, "%s: CPU %u is on node %d, device %.60s on node %d: each frame crosses between the nodes",
                     s->name, core->cpu, core->node, p->config->ports[port].device, planned->node);
    }
    return 0;
}

/* require: up, and it is not. */
static int check_up(const struct mr_plan *p, uint32_t port, const struct mr_link *link, struct mr_error *err)
{
    char key[40];
    if (p->config->ports[port].require != MR_REQUIRE_UP || (link->up && link->carrier)) {
        return 0;
    }
    snprintf(key, sizeof key, "ports[%u].require", port);
    return link->up ? mr_plan_fail(p, key, err, "up, but %s has no carrier; bring its peer up or plug in its cable, or "
                                   "require: device", link->name)
                    : mr_plan_fail(p, key, err, "up, but %s is down; ip link set %s up, or require: device", link->name,
                                   link->name);
}

/* Where a port's queues are the device's own, it has no more than that. */
static int check_channels(struct mr_plan *p, uint32_t port, const struct mr_link *link, struct mr_error *err)
{
    struct mr_plan_port *planned = &p->ports[port];
    char key[40];
    if (!mr_driver_find(p->config->ports[port].driver)->caps.device_queues ||
        mr_link_channels(link->name, &planned->device_rxq, &planned->queue_kind) < 0 || planned->device_rxq == 0 ||
        planned->n_rxq <= planned->device_rxq) {
        return 0;
    }
    snprintf(key, sizeof key, "ports[%u].queues", port);
    return mr_plan_fail(p, key, err, "%u, and %s has %u RX queue%s: nothing would come by the others; queues: %u, or ethtool -L %s %s %u",
                        planned->n_rxq, link->name, planned->device_rxq, planned->device_rxq == 1 ? "" : "s", planned->device_rxq,
                        link->name, planned->queue_kind, planned->n_rxq);
}

static int look_at(struct mr_plan *p, uint32_t port, struct mr_error *err)
{
    struct mr_plan_port *planned = &p->ports[port];
    struct mr_link_offloads offloads;
    struct mr_link link;
    int rc = find_link(p, port, &link, err);
    rc = rc < 0 ? rc : check_up(p, port, &link, err);
    if (rc < 0) {
        return rc;
    }
    planned->has_device = true;
    planned->up = link.up;
    planned->mtu = link.mtu;
    planned->node = mr_device_node(link.name);
    planned->offloads_known = mr_link_offloads_get(link.name, &offloads) == 0;
    if (planned->offloads_known) {
        planned->tx_csum = offloads.tx_csum;
        planned->tso = offloads.tso;
        planned->gso = offloads.gso;
        planned->gro = offloads.gro;
    }
    rc = check_channels(p, port, &link, err);
    return rc < 0 ? rc : check_node(p, port, err);
}

/* Devices that only their driver knows by name: where they are is all that can be told before it opens them. */
static int look_at_foreign(struct mr_plan *p, uint32_t port, struct mr_error *err)
{
    p->ports[port].node = mr_pci_node(p->config->ports[port].device);
    return check_node(p, port, err);
}

int mr_plan_devices(struct mr_plan *p, struct mr_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < p->config->n_ports; i++) {
        const struct mr_driver *driver = mr_driver_find(p->config->ports[i].driver);
        p->ports[i].node = -1;
        p->ports[i].rx_copies = driver->caps.rx_copies;
        p->ports[i].tx_copies = driver->caps.tx_copies;
        if (driver->caps.own_names) {
            rc = look_at_foreign(p, i, err);
        } else if (driver->caps.needs_device && !driver->caps.makes_device) {
            rc = look_at(p, i, err);
        }
    }
    return rc;
}

/* ---- memory ---- */

int mr_plan_huge(struct mr_plan *p, struct mr_error *err)
{
    struct mr_host host;
    char where[400];
    size_t bytes = mr_engine_arena_bytes(p);
    uint64_t pages = bytes / MR_ARENA_PAGE;
    p->arena_bytes = bytes;
    mr_host_read(&host);
    if (bytes > host.memory_bytes) {
        return mr_plan_fail(p, "memory.chunks", err, "%zu MiB are needed, this machine has %" PRIu64 " MiB; lower it",
                            bytes >> 20, host.memory_bytes >> 20);
    }
    bool enough = host.huge_2m_free >= pages || host.huge_1g_free << 30 >= bytes;
    if (p->config->huge_pages == MR_HUGE_REQUIRED && !enough) {
        mr_config_where(p->config, "memory.huge_pages", where, sizeof where);
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM,
                            "%srequired, but %" PRIu64 " pages of 2 MiB are needed and %" PRIu64 " are free; "
                            "sysctl -w vm.nr_hugepages=%" PRIu64 ", or huge_pages: auto",
                            where, pages, host.huge_2m_free, host.huge_2m_total + pages - host.huge_2m_free);
    }
    if (p->config->huge_pages == MR_HUGE_OFF) {
        mr_plan_note(p, "memory.huge_pages: off, so plain pages of 4 KiB");
    } else {
        mr_plan_note(p, "memory.huge_pages: %s: %" PRIu64 " pages of 2 MiB are needed, %" PRIu64 " are free%s",
                     mr_huge_word(p->config->huge_pages), pages, host.huge_2m_free,
                     enough ? "" : "; transparent ones or plain pages are taken, the report says which");
    }
    return 0;
}

/* ---- descriptors ---- */

static bool has_queue(const struct mr_plan *p, const struct mr_driver *driver, uint32_t core)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        if (s->core == core && s->kind != MR_STAGE_WORK && mr_driver_find(p->config->ports[s->port].driver) == driver) {
            return true;
        }
    }
    return false;
}

static uint32_t driver_files(const struct mr_plan *p, const struct mr_driver *driver)
{
    uint32_t files = 0;
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        const struct mr_plan_port *port = &p->ports[i];
        if (mr_driver_find(p->config->ports[i].driver) == driver) {
            files += (port->n_rxq + port->n_txq) * driver->caps.queue_files;
        }
    }
    for (uint32_t core = 0; core < p->n_cores; core++) {
        files += has_queue(p, driver, core) ? driver->caps.core_files : 0;
    }
    return files;
}

static uint32_t nodes_of(const struct mr_plan *p)
{
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < p->n_cores; i++) {
        bool known = false;
        for (uint32_t k = 0; k < i; k++) {
            known |= p->cores[k].node == p->cores[i].node;
        }
        nodes += !known;
    }
    return nodes;
}

int mr_plan_files(const struct mr_plan *p, struct mr_error *err)
{
    const struct mr_driver_entry *entry;
    uint64_t limit;
    uint32_t open_now = mr_open_files(&limit), need = OWN_FILES + nodes_of(p) + p->config->n_taps;
    for (uint32_t i = 0; (entry = mr_driver_at(i)) != NULL; i++) {
        need += entry->driver == NULL ? 0 : driver_files(p, entry->driver);
    }
    if (open_now + (uint64_t)need <= limit) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_MACHINE, EMFILE,
                        "%u files are needed for sockets, rings and memory, and %" PRIu64 " of the %" PRIu64
                        " allowed are left; raise it: ulimit -n %" PRIu64 ", or use fewer queues and cores",
                        need, limit > open_now ? limit - open_now : 0, limit, open_now + (uint64_t)need);
}
