/* memory.c: the memory driver: a source and a sink without a device. What they are is told in memory.h. */
#include "lib/port/memory.h"
#include "lib/sys/clock.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static int probe(struct mr_probe *probe)
{
    probe->usable = true;
    snprintf(probe->reason, sizeof probe->reason, "always: no device, no privilege");
    return 0;
}

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(MR_LINE_PAIR, (bytes + MR_LINE_PAIR - 1) / MR_LINE_PAIR * MR_LINE_PAIR);
    return p == NULL ? NULL : memset(p, 0, bytes);
}

/* Window's two ends may be opened in either order: whoever comes second finds the other among the open ports. */
static int link_window(struct mr_memory *source, struct mr_memory *sink, struct mr_error *err)
{
    if (sink->port->n_txq == 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: window: port %s closes it, but no path leads there; "
                            "set window_with to a memory port that stands in a path's `to`",
                            source->port->config->name, sink->port->config->name);
    }
    source->window_sink = sink;
    return 0;
}

static bool closes(const struct mr_port *sink, const struct mr_port *source)
{
    const struct mr_port_config *c = source->config;
    const char *name = c->window_with[0] != 0 ? c->window_with : c->name;
    return c->source && c->window != 0 && source->n_rxq != 0 && strcmp(name, sink->config->name) == 0;
}

static int link_windows(struct mr_memory *m, const struct mr_port_setup *setup, struct mr_error *err)
{
    int rc = closes(m->port, m->port) ? link_window(m, m, err) : 0;
    for (uint32_t i = 0; i < setup->n_ports && rc == 0; i++) {
        struct mr_port *other = setup->ports[i];
        if (other == NULL || other == m->port || other->driver != m->port->driver || other->state == NULL) {
            continue;
        }
        if (closes(other, m->port)) {
            rc = link_window(m, other->state, err);
        }
        if (rc == 0 && closes(m->port, other)) {
            rc = link_window(other->state, m, err);
        }
    }
    return rc;
}

static int open_queues(struct mr_memory *m, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_port *port = m->port;
    for (uint32_t i = 0; i < setup->n_rxq; i++) {
        struct mr_memory_source *s = mr_node_alloc(sizeof *s, setup->rx_node[i]);
        if (s == NULL) {
            return -ENOMEM;
        }
        port->rxq[i] = &s->q;
        int rc = mr_memory_source_init(s, m, i, setup, err);
        if (rc < 0) {
            return rc;
        }
    }
    for (uint32_t i = 0; i < setup->n_txq; i++) {
        struct mr_memory_sink *s = mr_node_alloc(sizeof *s, setup->tx_node[i]);
        if (s == NULL) {
            return -ENOMEM;
        }
        port->txq[i] = &s->q;
        int rc = mr_memory_sink_init(s, m, i, setup->tx_node[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void describe(struct mr_port *port)
{
    const struct mr_port_config *c = port->config;
    const struct mr_memory *m = port->state;
    char rate[48] = "flat out";
    size_t used = 0;
    if (c->rate_fps != 0) {
        snprintf(rate, sizeof rate, "%.10g frames/s", c->rate_fps);
    }
    if (port->n_rxq != 0 && c->source) {
        used = (size_t)snprintf(port->mode, sizeof port->mode, "source %s, %u flow%s%s", rate, m->n_flows,
                                m->n_flows == 1 ? "" : "s", c->content == MR_CONTENT_FULL ? "" : ", descriptors only");
    }
    if (port->n_txq != 0) {
        snprintf(port->mode + used, sizeof port->mode - used, "%s%s", used != 0 ? "; " : "",
                 c->verify ? "sink, verifying" : "sink, counting");
    }
}

/* Shortest frames of one size only: the case that speed is asked of. 0 or -ENOMEM. */
static int make_lines(struct mr_memory *m)
{
    const struct mr_port_config *c = m->port->config;
    unsigned char frame[MR_CACHE_LINE];
    struct mr_flows form;
    mr_flows_init(&form, m->fill, c->vlan, c->vlan);
    bool shortest = c->size.n == 1 && !c->size.ranged && c->size.bytes[0] == mr_flows_shortest(&form);
    if (!c->source || m->port->n_rxq == 0 || c->content != MR_CONTENT_FULL || !shortest) {
        return 0;
    }
    m->lines = aligned(m->n_flows * sizeof *m->lines);
    for (uint32_t flow = 0; m->lines != NULL && flow < m->n_flows; flow++) {
        mr_flow_write(&form, frame, mr_flows_shortest(&form), flow, 0, 0);
        mr_flow_line_init(&m->lines[flow], &form, frame);
    }
    return m->lines != NULL ? 0 : -ENOMEM;
}

static void free_memory(struct mr_memory *m)
{
    if (m != NULL) {
        free(m->lines);
        free(m->fill);
        free(m);
    }
}

static struct mr_memory *create(struct mr_port *port, const struct mr_port_setup *setup)
{
    const struct mr_port_config *c = port->config;
    const struct mr_clock *clock = mr_clock_get();
    struct mr_memory *m = aligned(sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->port = port;
    m->clock = (struct mr_memory_clock){clock->tick0, clock->ns0, 1 / port->ticks_per_ns};
    m->timeout_ticks = (uint64_t)(port->ticks_per_ns * 1e9);
    m->n_flows = c->flows > setup->n_rxq ? c->flows : setup->n_rxq; // each queue has at least one of its own
    m->fill = aligned(sizeof *m->fill);
    if (m->fill != NULL) {
        mr_fill_init(m->fill);
    }
    if (m->fill == NULL || make_lines(m) < 0) {
        free_memory(m);
        return NULL;
    }
    return m;
}

static void destroy(struct mr_port *port)
{
    struct mr_memory *m = port->state;
    for (uint32_t i = 0; i < MR_QUEUES_MAX; i++) {
        if (port->rxq[i] != NULL) {
            mr_node_free(MR_CONTAINER_OF(port->rxq[i], struct mr_memory_source, q), sizeof(struct mr_memory_source));
        }
        if (port->txq[i] != NULL) {
            mr_memory_sink_fini(MR_CONTAINER_OF(port->txq[i], struct mr_memory_sink, q));
            mr_node_free(MR_CONTAINER_OF(port->txq[i], struct mr_memory_sink, q), sizeof(struct mr_memory_sink));
        }
        port->rxq[i] = NULL;
        port->txq[i] = NULL;
    }
    free_memory(m);
    port->state = NULL;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    port->state = create(port, setup);
    int rc = port->state == NULL ? -ENOMEM : open_queues(port->state, setup, err);
    if (rc == 0) {
        rc = link_windows(port->state, setup, err);
    }
    if (rc == -ENOMEM) {
        mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory for its queues; free some", port->config->name);
    }
    if (rc < 0) {
        destroy(port);
        return rc;
    }
    describe(port);
    return 0;
}

static void close_port(struct mr_port *port)
{
    (void)port; // no device; queues and counters stay readable until destroy
}

static struct mr_verify_counts sum_counts(const struct mr_port *port)
{
    struct mr_verify_counts sum = {0};
    for (uint32_t i = 0; i < port->n_txq; i++) {
        const struct mr_verify_counts *c = &MR_CONTAINER_OF(port->txq[i], struct mr_memory_sink, q)->verify.counts;
        sum.verified += mr_counted(&c->verified);
        sum.lost += mr_counted(&c->lost);
        sum.duplicates += mr_counted(&c->duplicates);
        sum.reordered += mr_counted(&c->reordered);
        sum.late += mr_counted(&c->late);
        sum.altered += mr_counted(&c->altered);
        sum.foreign += mr_counted(&c->foreign);
    }
    return sum;
}

static uint64_t stalls_of(const struct mr_memory *m)
{
    return __atomic_load_n(&m->window.stalls, __ATOMIC_RELAXED);
}

/* Faults are seen here, and happened elsewhere: whoever lost the frame counts the loss. */
static void stats(struct mr_port *port, struct mr_outsides *out)
{
    const struct mr_memory *m = port->state;
    if (port->n_rxq != 0 && port->config->source && port->config->window != 0) {
        mr_outside_add(out, "window_stalls", stalls_of(m), NULL, false);
    }
    if (port->n_txq == 0 || !port->config->verify) {
        return;
    }
    struct mr_verify_counts c = sum_counts(port);
    mr_outside_add(out, "verify_lost", c.lost, NULL, false);
    mr_outside_add(out, "verify_duplicates", c.duplicates, NULL, false);
    mr_outside_add(out, "verify_reordered", c.reordered, NULL, false);
    mr_outside_add(out, "verify_late", c.late, NULL, false);
    mr_outside_add(out, "verify_altered", c.altered, NULL, false);
    mr_outside_add(out, "verify_foreign", c.foreign, NULL, false);
}

static json_t *latency_json(const struct mr_port *port)
{
    struct mr_histogram *all = aligned(sizeof *all);
    if (all == NULL) {
        return json_null();
    }
    for (uint32_t i = 0; i < port->n_txq; i++) {
        mr_histogram_merge(all, &MR_CONTAINER_OF(port->txq[i], struct mr_memory_sink, q)->latency);
    }
    json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:I}", "p50", (json_int_t)mr_histogram_quantile(all, 0.5), "p99",
                          (json_int_t)mr_histogram_quantile(all, 0.99), "p99_9",
                          (json_int_t)mr_histogram_quantile(all, 0.999), "max", (json_int_t)all->max, "samples",
                          (json_int_t)all->count);
    free(all);
    return j;
}

/* {verified, lost, duplicates, reordered, late, altered, foreign, latency_ns} of a verifying sink, {window_stalls} of a
 * source with a window, both of a port that is both. */
static void *report(struct mr_port *port)
{
    json_t *j = json_object();
    if (port->n_txq != 0 && port->config->verify) {
        struct mr_verify_counts c = sum_counts(port);
        json_object_set_new(j, "verified", json_integer((json_int_t)c.verified));
        json_object_set_new(j, "lost", json_integer((json_int_t)c.lost));
        json_object_set_new(j, "duplicates", json_integer((json_int_t)c.duplicates));
        json_object_set_new(j, "reordered", json_integer((json_int_t)c.reordered));
        json_object_set_new(j, "late", json_integer((json_int_t)c.late));
        json_object_set_new(j, "altered", json_integer((json_int_t)c.altered));
        json_object_set_new(j, "foreign", json_integer((json_int_t)c.foreign));
        json_object_set_new(j, "latency_ns", latency_json(port));
    }
    if (port->n_rxq != 0 && port->config->source && port->config->window != 0) {
        json_object_set_new(j, "window_stalls", json_integer((json_int_t)stalls_of(port->state)));
    }
    return j;
}

const struct mr_driver mr_driver_memory = {
    .name = "memory",
    .summary = "a source and a verifying sink without a device",
    .caps = {.copies = "0", .syscalls = "0", .completes_at_return = true, .max_queues = MR_QUEUES_MAX},
    .probe = probe,
    .open = open_port,
    .rx_burst = mr_memory_rx_burst,
    .tx_burst = mr_memory_tx_burst,
    .rx_quiesce = mr_memory_rx_quiesce,
    .stats = stats,
    .close = close_port,
    .destroy = destroy,
    .report = report,
};
