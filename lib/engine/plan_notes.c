/* plan_notes.c: why it is planned so, and what may surprise: one sentence each, for people. */
#include "lib/engine/plan_parts.h"
#include "lib/sys/topology.h"

enum { TRIPS = 1000 };

/* First ring that leads from one CPU to another; UINT32_MAX without any. */
static uint32_t crossing(const struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->n_rings; i++) {
        const struct mr_plan_core *from = &p->cores[p->stages[p->rings[i].from].core];
        const struct mr_plan_core *to = &p->cores[p->stages[p->rings[i].to].core];
        if (from->cpu != to->cpu) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void explain_layout(struct mr_plan *p)
{
    uint32_t ring = crossing(p);
    if (p->config->layout == MR_LAYOUT_RTC) {
        mr_plan_note(
            p, "layout run-to-completion: a frame stays on one core where workers and queues allow it; for short work "
               "functions this is faster than two cores, as no cache line travels");
    }
    if (ring == UINT32_MAX) {
        return;
    }
    const uint32_t from = p->cores[p->stages[p->rings[ring].from].core].cpu;
    const uint32_t to = p->cores[p->stages[p->rings[ring].to].core].cpu;
    double ns = mr_core_round_trip_ns(from, to, TRIPS);
    if (ns > 0) {
        p->round_trip_ns = ns;
        p->round_trip_cpus[0] = from;
        p->round_trip_cpus[1] = to;
        mr_plan_note(p, "a cache line goes from CPU %u to CPU %u and back in %.0f ns", from, to, ns);
    }
    mr_plan_note(p, "frames cross between CPUs: over two cores trivial work is slower than on one; a second core pays "
                    "when the work "
                    "costs more than the way");
}

static void explain_cores(struct mr_plan *p)
{
    bool shared = false;
    for (uint32_t i = 0; i < p->n_cores; i++) {
        shared |= p->cores[i].shares_cpu;
    }
    if (shared) {
        mr_plan_note(
            p, "engine.cores names a CPU more than once: its threads take turns, and yield as soon as they are idle");
    }
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        const struct mr_path_config *path = &p->config->paths[i];
        uint32_t queues = 0;
        for (uint32_t k = 0; k < path->n_from; k++) {
            queues = p->ports[path->from[k]].n_rxq > queues ? p->ports[path->from[k]].n_rxq : queues;
        }
        if (p->config->layout == MR_LAYOUT_RTC && queues > path->workers && p->n_cores > path->workers) {
            mr_plan_note(p,
                         "paths[%u]: %u receiving queues, %u worker%s: frames of some queues change the core; workers: "
                         "%u keeps them",
                         i, queues, path->workers, path->workers == 1 ? "" : "s", queues);
        }
    }
}

static void explain_when_full(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        if (p->config->paths[i].when_full != MR_FULL_DEFAULT) {
            continue;
        }
        mr_plan_note(
            p, "paths[%u].when_full: auto, so %s", i,
            p->when_full[i] == MR_FULL_DROP
                ? "drop (tx_full): it has several outputs, and a slow one must not stop the others"
                : "wait: with one output a full ring holds up the receiving side, and nothing is dropped inside");
    }
}

static uint32_t room(const struct mr_plan *p, uint32_t port)
{
    uint32_t stride = p->config->ports[port].offload == MR_OFFLOAD_SUPER ? MR_CHUNK_BIG_STRIDE : p->config->chunk_bytes;
    return stride - MR_CHUNK_DATA;
}

/* The peer decides what arrives, and may sit where nobody can look: so what is seen here is told with that caution. */
static void explain_offloads(struct mr_plan *p, uint32_t i)
{
    const struct mr_port_config *c = &p->config->ports[i];
    const struct mr_plan_port *d = &p->ports[i];
    if (!d->offloads_known) {
        mr_plan_note(p, "ports[%u]: the offload state of %.40s cannot be read", i, c->device);
    } else {
        mr_plan_note(p, "ports[%u]: %.40s has tx-checksumming %s, tso %s, gso %s, gro %s; offload: %s", i, c->device,
                     d->tx_csum ? "on" : "off", d->tso ? "on" : "off", d->gso ? "on" : "off", d->gro ? "on" : "off",
                     mr_offload_word(c->offload));
    }
    bool merged = c->offload != MR_OFFLOAD_SUPER && (!d->offloads_known || d->tso || d->gro);
    bool partial = c->offload == MR_OFFLOAD_NONE && (!d->offloads_known || d->tx_csum);
    if (d->n_rxq != 0 && (merged || partial)) {
        mr_plan_note(p,
                     "warning: ports[%u]: %s%s%s may arrive and are dropped with offload: %s (its peer decides, "
                     "perhaps in another "
                     "namespace, where plan cannot look); use offload: super, or ethtool -K there",
                     i, partial ? "partial checksums" : "", partial && merged ? " and " : "",
                     merged ? "super-frames" : "", mr_offload_word(c->offload));
    }
}

static const char *carriers(char *text, size_t bytes)
{
    const struct mr_driver_entry *e;
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; (e = mr_driver_at(i)) != NULL && used < bytes; i++) {
        if (e->driver != NULL && e->driver->caps.offloads) {
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used == 0 ? "" : ", ", e->name);
        }
    }
    return text;
}

/* Memory and files take any frame; a device's socket takes a super-frame where it was told to. */
static void explain_super_frames(struct mr_plan *p, uint32_t path, uint32_t in, uint32_t out)
{
    const struct mr_port_config *from = &p->config->ports[in], *to = &p->config->ports[out];
    const struct mr_caps *caps = &mr_driver_find(to->driver)->caps;
    char names[80];
    if (from->offload != MR_OFFLOAD_SUPER || !caps->needs_device || to->offload != MR_OFFLOAD_NONE) {
        return;
    }
    if (caps->offloads) {
        mr_plan_note(p, "warning: paths[%u]: super-frames from port %s die at port %s (no_offload), which has offload: none; set offload: "
                     "super there", path, from->name, to->name);
    } else {
        mr_plan_note(p, "warning: paths[%u]: super-frames from port %s die at port %s (no_offload), as driver %s carries none; send by one "
                     "of %s, or set offload: checksum on port %s", path, from->name, to->name, to->driver,
                     carriers(names, sizeof names), from->name);
    }
}

static void explain_paths(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        const struct mr_path_config *path = &p->config->paths[i];
        for (uint32_t pair = 0; pair < path->n_from * path->n_to; pair++) {
            explain_super_frames(p, i, path->from[pair / path->n_to], path->to[pair % path->n_to]);
        }
    }
}

static void explain_device(struct mr_plan *p, uint32_t i)
{
    const struct mr_port_config *c = &p->config->ports[i];
    const struct mr_plan_port *d = &p->ports[i];
    if (!d->has_device) {
        return;
    }
    if (!d->up) {
        mr_plan_note(p, "warning: ports[%u]: %.40s is down, nothing passes; ip link set %.40s up", i, c->device,
                     c->device);
    }
    if (d->n_rxq != 0 && d->mtu + MR_FRAME_MIN + 4 > room(p, i)) { // 4: a VLAN tag
        mr_plan_note(
            p,
            "warning: ports[%u]: MTU %u of %.40s is more than the %u bytes of a chunk hold: longer frames are dropped "
            "(too_long); lower the MTU, or use offload: super",
            i, d->mtu, c->device, room(p, i));
    }
    if (d->n_txq != 0 && d->n_txq < c->queues) {
        mr_plan_note(p, "ports[%u]: %u of %u sending queues are used: each worker sends by one", i, d->n_txq,
                     c->queues);
    }
    if (d->n_rxq != 0 && d->device_rxq > d->n_rxq) {
        mr_plan_note(p, "warning: ports[%u]: %.40s has %u RX queues, and port %s receives from %u: what the device puts into others "
                     "goes on to the kernel; queues: %u, or ethtool -L %.40s %s %u", i, c->device, d->device_rxq, c->name,
                     d->n_rxq, d->device_rxq, c->device, d->queue_kind, d->n_rxq);
    }
    if (mr_driver_find(c->driver)->caps.offloads) {
        explain_offloads(p, i);
    }
}

static void explain_sleep(struct mr_plan *p, uint32_t i)
{
    const struct mr_port_config *c = &p->config->ports[i];
    if (c->blocking && p->ports[i].n_txq != 0) {
        mr_plan_note(p, "ports[%u]: blocking: a core sleeps in send while the socket's buffer is full, %d ms at most in a pass; what it "
                     "receives waits meanwhile", i, MR_WAIT_MS);
    }
    if (c->blocking && p->ports[i].n_rxq != 0) {
        mr_plan_note(p, "ports[%u]: blocking: a core with nothing under way sleeps in recv until a frame comes, %d ms at most; an end, a "
                     "link or a check waits as long for it", i, MR_WAIT_MS);
    }
}

void mr_plan_explain(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->config->n_notes; i++) {
        mr_plan_note(p, "%s", p->config->notes[i]);
    }
    explain_layout(p);
    explain_cores(p);
    explain_when_full(p);
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        explain_device(p, i);
        explain_sleep(p, i);
    }
    explain_paths(p);
}
