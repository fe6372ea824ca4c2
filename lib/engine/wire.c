/* wire.c: stages and ports: each stage gets its rings, its queue, its way to send chunks home.
 *
 * Ports are opened here, on the control thread, in the order of their numbers: drivers first make what a core's queues
 * share (mr_io), then each port its queues.
 */
#include "lib/engine/area.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static struct mr_stage_work *as_work(struct mr_stage *s)
{
    return MR_CONTAINER_OF(s, struct mr_stage_work, stage);
}

/* ---- laying ---- */

static void *lay_rx(struct mr_area *a)
{
    struct mr_stage_rx *s = mr_area_take(a, sizeof *s, MR_LINE_PAIR);
    return s == NULL ? NULL : &s->stage;
}

static void *lay_tx(struct mr_area *a, uint32_t n_in)
{
    struct mr_stage_tx *s = mr_area_take(a, sizeof *s, MR_LINE_PAIR);
    struct mr_ring **in = mr_area_take(a, n_in * sizeof *in, MR_LINE_PAIR);
    if (s == NULL) {
        return NULL;
    }
    s->in = in;
    return &s->stage;
}

static void *lay_work(struct mr_engine *e, struct mr_area *a, const struct mr_plan_stage *planned)
{
    const struct mr_path_config *path = &e->config->paths[planned->path];
    struct mr_stage_work *s = mr_area_take(a, sizeof *s, MR_LINE_PAIR);
    struct mr_ring **in = mr_area_take(a, planned->n_in * sizeof *in, MR_LINE_PAIR);
    uint32_t made_max = path->n_to > 1 ? MR_BATCH_MAX * (path->n_to - 1) : 0;
    struct mr_frame *made = mr_area_take(a, made_max * sizeof *made, MR_LINE_PAIR);
    for (uint32_t i = 0; i < path->n_work; i++) {
        const struct mr_work_ops *ops = mr_work_find(path->work[i]);
        void *state = mr_area_take(a, ops->state_bytes, MR_LINE_PAIR);
        if (s != NULL) {
            s->works[i].ops = ops;
            s->works[i].state = state;
        }
    }
    if (s == NULL) {
        return NULL;
    }
    s->in = in;
    s->made = made;
    s->made_max = made_max;
    s->n_works = path->n_work;
    return &s->stage;
}

void mr_wire_lay_stage(struct mr_engine *e, struct mr_areas *areas, uint32_t index)
{
    const struct mr_plan_stage *planned = &e->plan->stages[index];
    struct mr_area *a = mr_area_of(areas, e->plan->cores[planned->core].node);
    struct mr_stage *s = planned->kind == MR_STAGE_RX   ? lay_rx(a)
                         : planned->kind == MR_STAGE_TX ? lay_tx(a, planned->n_in)
                                                        : lay_work(e, a, planned);
    if (s == NULL) {
        return;
    }
    s->kind = planned->kind;
    s->plan = planned;
    s->core = e->cores[planned->core];
    s->core->stages[s->core->n_stages++] = s;
    e->stages[index] = s;
}

/* ---- ports ---- */

static struct mr_io *io_of(struct mr_engine *e, const struct mr_driver *driver, uint32_t core)
{
    for (uint32_t i = 0; i < e->n_io; i++) {
        if (e->io[i]->driver == driver && e->io[i]->core == core) {
            return e->io[i];
        }
    }
    return NULL;
}

/* Where memory for a core shall lie; -1 = anywhere. */
static int node_of(const struct mr_engine *e, uint32_t core)
{
    return e->config->numa == MR_NUMA_OFF ? -1 : e->plan->cores[core].node;
}

/* What one driver's queues on one core add up to. */
static bool io_needed(struct mr_engine *e, const struct mr_driver *driver, uint32_t core, struct mr_io_setup *setup)
{
    *setup = (struct mr_io_setup){.core = core, .node = node_of(e, core), .pool = e->cores[core]->pool};
    setup->recycle = &e->cores[core]->recycle;
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_plan_stage *s = &e->plan->stages[i];
        const struct mr_port_config *port = &e->config->ports[s->port];
        if (s->core != core || s->kind == MR_STAGE_WORK || mr_driver_find(port->driver) != driver) {
            continue;
        }
        if (s->kind == MR_STAGE_RX) {
            setup->n_rxq++;
            setup->rx_buffers += port->buffers + port->big_buffers;
        } else {
            setup->n_txq++;
            setup->tx_frames += e->plan->tx_ring_frames;
        }
    }
    return setup->n_rxq + setup->n_txq != 0;
}

static int make_io(struct mr_engine *e, const struct mr_driver *driver, struct mr_error *err)
{
    for (uint32_t c = 0; driver->io_create != NULL && c < e->plan->n_cores; c++) {
        struct mr_io_setup setup;
        if (io_of(e, driver, c) != NULL || !io_needed(e, driver, c, &setup)) {
            continue;
        }
        struct mr_io *io = NULL;
        int rc = driver->io_create(&setup, &io, err);
        if (rc < 0) {
            return rc;
        }
        io->driver = driver;
        io->core = c;
        e->io[e->n_io++] = io;
        e->cores[c]->io[e->cores[c]->n_io++] = io;
        e->cores[c]->gap_limit = mr_ns_to_ticks(e->clock, 50000); // a pass goes into the kernel
        e->cores[c]->gap_per_frame = mr_ns_to_ticks(e->clock, 10000);
    }
    return 0;
}

static void plan_queues(struct mr_engine *e, uint8_t number, struct mr_port_setup *setup)
{
    const struct mr_driver *driver = mr_driver_find(e->config->ports[number].driver);
    *setup = (struct mr_port_setup){.tx_ring_frames = e->plan->tx_ring_frames, .n_ports = e->config->n_ports};
    setup->ports = e->ports;
    setup->arena = &e->arena;
    setup->chunk_bytes = e->config->chunk_bytes;
    setup->pools = e->pools;
    setup->n_pools = e->plan->n_pools;
    setup->config = e->config;
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_plan_stage *s = &e->plan->stages[i];
        if (s->kind == MR_STAGE_WORK || s->port != number) {
            continue;
        }
        if (s->kind == MR_STAGE_RX) {
            setup->rx_pool[s->queue] = e->cores[s->core]->pool;
            setup->rx_io[s->queue] = io_of(e, driver, s->core);
            setup->rx_node[s->queue] = node_of(e, s->core);
            setup->n_rxq++;
        } else {
            setup->tx_io[s->queue] = io_of(e, driver, s->core);
            setup->tx_node[s->queue] = node_of(e, s->core);
            setup->n_txq++;
        }
    }
}

static int open_port(struct mr_engine *e, uint8_t number, struct mr_error *err)
{
    const struct mr_port_config *config = &e->config->ports[number];
    const struct mr_driver *driver = mr_driver_find(config->driver);
    struct mr_port_setup setup;
    int rc = make_io(e, driver, err);
    plan_queues(e, number, &setup);
    struct mr_port *port = rc < 0 ? NULL : calloc(1, sizeof *port);
    if (port == NULL) {
        return rc < 0 ? rc : mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for port %s; free some", config->name);
    }
    port->driver = driver;
    port->config = config;
    port->number = number;
    port->node = e->plan->ports[number].node;
    port->base = e->arena.base;
    port->ticks_per_ns = e->clock->ticks_per_ns;
    port->n_rxq = setup.n_rxq;
    port->n_txq = setup.n_txq;
    rc = driver->open(port, &setup, err);
    if (rc < 0) {
        free(port);
        return rc;
    }
    e->ports[number] = port;
    return 0;
}

int mr_wire_ports(struct mr_engine *e, struct mr_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < e->config->n_ports; i++) {
        rc = open_port(e, (uint8_t)i, err);
    }
    return rc;
}

void mr_unwire_ports(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->config->n_ports; i++) {
        if (e->ports[i] != NULL) {
            e->ports[i]->driver->destroy(e->ports[i]);
            free(e->ports[i]);
            json_decref(e->port_reports[i]);
            e->ports[i] = NULL;
        }
    }
    for (uint32_t i = 0; i < e->n_io; i++) {
        e->io[i]->driver->io_destroy(e->io[i]);
    }
    e->n_io = 0;
}

/* ---- stages ---- */

static void wire_rx(struct mr_engine *e, struct mr_stage *stage)
{
    struct mr_stage_rx *s = MR_CONTAINER_OF(stage, struct mr_stage_rx, stage);
    s->q = e->ports[stage->plan->port]->rxq[stage->plan->queue];
    s->q->drops = stage->counters.drops;
    s->rx_burst = s->q->port->driver->rx_burst;
    s->burst = e->config->burst;
    mr_stage_rx_init(s);
}

static bool copies(const struct mr_path_config *path)
{
    uint32_t flags = 0;
    for (uint32_t i = 0; i < path->n_work; i++) {
        flags |= mr_work_find(path->work[i])->flags;
    }
    return (flags & MR_WORK_COPIES) != 0;
}

/* With one input a ring's ticks rise; what several inputs feed does not, and copies follow behind their burst. */
static bool ticks_rise(const struct mr_engine *e, uint32_t stage)
{
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        const struct mr_plan_ring *r = &e->plan->rings[i];
        const struct mr_plan_stage *from = &e->plan->stages[r->from];
        if (r->to == stage && (from->n_in > 1 || copies(&e->config->paths[from->path]))) {
            return false;
        }
    }
    return true;
}

static void wire_tx(struct mr_engine *e, struct mr_stage *stage, uint32_t index)
{
    struct mr_stage_tx *s = MR_CONTAINER_OF(stage, struct mr_stage_tx, stage);
    const struct mr_driver *driver = e->ports[stage->plan->port]->driver;
    s->q = e->ports[stage->plan->port]->txq[stage->plan->queue];
    s->q->drops = stage->counters.drops;
    s->tx_burst = driver->tx_burst;
    s->reclaim = driver->caps.completes_at_return ? NULL : driver->reclaim;
    s->takes_home = driver->caps.takes_home;
    s->recycle = &stage->core->recycle;
    s->burst = e->config->burst;
    s->measures = e->config->latency;
    s->ticks_rise = ticks_rise(e, index);
    mr_stage_tx_init(s);
}

/* Own drop reasons of a path's functions follow the engine's, in the order of the chain. */
static int name_reasons(struct mr_stage_work *s, struct mr_work *w, struct mr_error *err)
{
    w->first_reason = MR_DROP_ENGINE_COUNT + s->n_reasons;
    for (const char *const *word = w->ops->drop_reasons; word != NULL && *word != NULL; word++) {
        if (MR_DROP_ENGINE_COUNT + s->n_reasons == MR_DROP_MAX) {
            return mr_error_set(err, MR_FAULT_CONFIG, ENOSPC, "%s: more than %u drop reasons of work functions in one path",
                                s->stage.plan->name, MR_DROP_MAX - MR_DROP_ENGINE_COUNT);
        }
        s->reason_works[s->n_reasons] = w->ops->name;
        s->reasons[s->n_reasons++] = *word;
    }
    return 0;
}

static int wire_function(struct mr_engine *e, struct mr_stage_work *s, uint32_t i, struct mr_error *err)
{
    const struct mr_path_config *path = &e->config->paths[s->stage.plan->path];
    struct mr_work *w = &s->works[i];
    w->n_outputs = path->n_to;
    memcpy(w->outputs, path->to, path->n_to);
    w->n_inputs = path->n_from;
    memcpy(w->inputs, path->from, path->n_from);
    w->counters = s->work_counters[i];
    w->stage = &s->stage.counters;
    w->pool = w->ops->flags & MR_WORK_COPIES ? s->stage.core->pool : NULL;
    s->chooses |= (w->ops->flags & MR_WORK_CHOOSES) != 0;
    int rc = name_reasons(s, w, err);
    if (rc < 0) {
        return rc;
    }
    rc = w->ops->init == NULL ? 0 : w->ops->init(w, err);
    s->n_initialised += rc == 0;
    return rc;
}

static int wire_work(struct mr_engine *e, struct mr_stage *stage, struct mr_error *err)
{
    struct mr_stage_work *s = as_work(stage);
    const struct mr_path_config *path = &e->config->paths[stage->plan->path];
    int rc = 0;
    s->recycle = &stage->core->recycle;
    s->base = e->arena.base;
    s->ticks0 = e->clock->tick0;
    s->ns0 = e->clock->ns0;
    s->ns_per_tick = 1 / e->clock->ticks_per_ns;
    s->drops_when_full = e->plan->when_full[stage->plan->path] == MR_FULL_DROP;
    for (uint32_t i = 0; rc == 0 && i < s->n_works; i++) {
        rc = wire_function(e, s, i, err);
    }
    memset(s->output_of, s->chooses || path->n_to == 0 ? MR_OUTPUT_NONE : 0, sizeof s->output_of);
    for (uint32_t i = 0; s->chooses && i < path->n_to; i++) {
        s->output_of[path->to[i]] = (uint8_t)i;
    }
    mr_stage_work_init(s);
    return rc;
}

/* A ring's two ends; outputs stand in the order of the path's `to`. */
static void join(struct mr_engine *e, uint32_t index)
{
    const struct mr_plan_ring *r = &e->plan->rings[index];
    struct mr_stage *from = e->stages[r->from];
    struct mr_stage *to = e->stages[r->to];
    if (from->kind == MR_STAGE_RX) {
        MR_CONTAINER_OF(from, struct mr_stage_rx, stage)->out = e->rings[index];
    } else {
        struct mr_stage_work *s = as_work(from);
        struct mr_work_output *o = &s->out[s->n_out++];
        o->ring = e->rings[index];
        mr_batcher_init(&o->batcher, e->config->batch_cap);
    }
    if (to->kind == MR_STAGE_TX) {
        struct mr_stage_tx *s = MR_CONTAINER_OF(to, struct mr_stage_tx, stage);
        s->in[s->n_in++] = e->rings[index];
    } else {
        as_work(to)->in[as_work(to)->n_in++] = e->rings[index];
    }
}

int mr_wire_stages(struct mr_engine *e, struct mr_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < e->plan->n_rings; i++) {
        join(e, i);
    }
    for (uint32_t i = 0; rc == 0 && i < e->plan->n_stages; i++) {
        if (e->stages[i]->kind == MR_STAGE_RX) {
            wire_rx(e, e->stages[i]);
        } else if (e->stages[i]->kind == MR_STAGE_TX) {
            wire_tx(e, e->stages[i], i);
        } else {
            rc = wire_work(e, e->stages[i], err);
        }
    }
    return rc;
}

void mr_unwire_works(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        if (e->stages[i] == NULL || e->stages[i]->kind != MR_STAGE_WORK) {
            continue;
        }
        struct mr_stage_work *s = as_work(e->stages[i]);
        for (uint32_t w = 0; w < s->n_initialised; w++) {
            if (s->works[w].ops->fini != NULL) {
                s->works[w].ops->fini(&s->works[w]);
            }
        }
    }
}
