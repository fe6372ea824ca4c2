/* plan_place.c: stages, their cores, and the rings between them.
 *
 *   run-to-completion   worker w of a path and what it sends by stand on one core, receiving queue q on the q-th from
 *                       there: with as many workers as queues a frame never leaves its core. Paths begin where the path
 *                       before ended, so that several share the cores.
 *   pipeline            stages take the cores in turn, in the order a frame passes them.
 */
#include "lib/engine/plan_parts.h"

#include <errno.h>

#define NO_CORE UINT32_MAX

static struct mr_plan_stage *add_stage(struct mr_plan *p, enum mr_stage_kind kind)
{
    uint32_t last = MR_STAGES_MAX - 1; // too many are counted on, and refused once all are
    struct mr_plan_stage *s = &p->stages[p->n_stages < last ? p->n_stages : last];
    p->n_stages++;
    *s = (struct mr_plan_stage){.kind = kind, .core = NO_CORE};
    return s;
}

static void add_rx(struct mr_plan *p, uint32_t path, uint32_t port)
{
    const struct mr_port_config *config = &p->config->ports[port];
    p->ports[port].n_rxq = config->queues;
    for (uint32_t q = 0; q < config->queues; q++) {
        struct mr_plan_stage *s = add_stage(p, MR_STAGE_RX);
        s->port = port;
        s->queue = q;
        s->path = path;
        snprintf(s->name, sizeof s->name, "rx:%s.%u", config->name, q);
    }
}

static void add_work(struct mr_plan *p, uint32_t path)
{
    for (uint32_t w = 0; w < p->config->paths[path].workers; w++) {
        struct mr_plan_stage *s = add_stage(p, MR_STAGE_WORK);
        s->path = path;
        s->worker = w;
        snprintf(s->name, sizeof s->name, "work:%u.%u", path, w);
    }
}

/* Sending queues that some worker uses: worker w sends by queue w mod queues. */
static uint32_t queues_used(const struct mr_plan *p, uint32_t port)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        const struct mr_path_config *path = &p->config->paths[i];
        if (memchr(path->to, (int)port, path->n_to) != NULL) {
            most = path->workers > most ? path->workers : most;
        }
    }
    return most < p->config->ports[port].queues ? most : p->config->ports[port].queues;
}

static void add_tx(struct mr_plan *p, uint32_t port)
{
    p->ports[port].n_txq = queues_used(p, port);
    for (uint32_t q = 0; q < p->ports[port].n_txq; q++) {
        struct mr_plan_stage *s = add_stage(p, MR_STAGE_TX);
        s->port = port;
        s->queue = q;
        snprintf(s->name, sizeof s->name, "tx:%s.%u", p->config->ports[port].name, q);
    }
}

/* All RX, then all work, then all TX: the order in which a core polls what stands on it. */
static int add_stages(struct mr_plan *p, struct mr_error *err)
{
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        for (uint32_t k = 0; k < p->config->paths[i].n_from; k++) {
            add_rx(p, i, p->config->paths[i].from[k]);
        }
    }
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        add_work(p, i);
    }
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        add_tx(p, i);
    }
    if (p->n_stages > MR_STAGES_MAX) {
        return mr_plan_fail(p, "paths", err, "%u stages, at most %u; use fewer queues or workers", p->n_stages,
                            MR_STAGES_MAX);
    }
    return 0;
}

/* ---- rings ---- */

static uint32_t find_stage(const struct mr_plan *p, enum mr_stage_kind kind, uint32_t number, uint32_t part)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        if (s->kind == kind && (kind == MR_STAGE_WORK ? s->path : s->port) == number &&
            (kind == MR_STAGE_WORK ? s->worker : s->queue) == part) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void add_ring(struct mr_plan *p, uint32_t from, uint32_t to, uint32_t port)
{
    if (p->n_rings < MR_RINGS_MAX) {
        p->rings[p->n_rings] = (struct mr_plan_ring){from, to, p->config->ring_frames, port};
        p->stages[from].n_out++;
        p->stages[to].n_in++;
    }
    p->n_rings++;
}

static int add_rings(struct mr_plan *p, struct mr_error *err)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        const struct mr_path_config *path = &p->config->paths[s->path];
        if (s->kind == MR_STAGE_RX) {
            add_ring(p, i, find_stage(p, MR_STAGE_WORK, s->path, s->queue % path->workers), s->port);
        }
        for (uint32_t k = 0; s->kind == MR_STAGE_WORK && k < path->n_to; k++) {
            uint32_t port = path->to[k];
            add_ring(p, i, find_stage(p, MR_STAGE_TX, port, s->worker % p->config->ports[port].queues), port);
        }
    }
    if (p->n_rings > MR_RINGS_MAX) {
        return mr_plan_fail(p, "paths", err, "%u rings, at most %u; use fewer queues or workers", p->n_rings,
                            MR_RINGS_MAX);
    }
    return 0;
}

/* ---- cores ---- */

static void place_if_free(struct mr_plan *p, uint32_t stage, uint32_t turn)
{
    if (p->stages[stage].core == NO_CORE) {
        p->stages[stage].core = turn % p->n_cores;
    }
}

/* The stages that a stage's rings lead to. */
static void place_outputs(struct mr_plan *p, uint32_t stage, uint32_t core)
{
    for (uint32_t i = 0; i < p->n_rings; i++) {
        if (p->rings[i].from == stage) {
            place_if_free(p, p->rings[i].to, core);
        }
    }
}

static void place_together(struct mr_plan *p)
{
    uint32_t first = 0;
    for (uint32_t path = 0; path < p->config->n_paths; path++) {
        for (uint32_t i = 0; i < p->n_stages; i++) {
            const struct mr_plan_stage *s = &p->stages[i];
            if (s->kind == MR_STAGE_RX && s->path == path) {
                place_if_free(p, i, first + s->queue);
            } else if (s->kind == MR_STAGE_WORK && s->path == path) {
                place_if_free(p, i, first + s->worker);
                place_outputs(p, i, s->core);
            }
        }
        first += p->config->paths[path].workers;
    }
}

static void place_in_turn(struct mr_plan *p)
{
    uint32_t turn = 0;
    for (uint32_t path = 0; path < p->config->n_paths; path++) {
        for (int kind = MR_STAGE_RX; kind <= MR_STAGE_TX; kind++) {
            for (uint32_t i = 0; i < p->n_stages; i++) {
                const struct mr_plan_stage *s = &p->stages[i];
                const struct mr_path_config *c = &p->config->paths[path];
                bool mine = kind == MR_STAGE_TX ? memchr(c->to, (int)s->port, c->n_to) != NULL : s->path == path;
                if ((int)s->kind == kind && mine && s->core == NO_CORE) {
                    place_if_free(p, i, turn++);
                }
            }
        }
    }
}

/* Cores are taken from the first on, so those without a stage are the last ones. */
static void leave_out_idle_cores(struct mr_plan *p)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        used = p->stages[i].core + 1 > used ? p->stages[i].core + 1 : used;
        p->cores[p->stages[i].core].n_stages++;
    }
    if (used < p->n_cores) {
        mr_plan_note(p,
                     "engine.cores: %u of %u cores are used, there is no stage for more; workers and queues make more",
                     used, p->n_cores);
        p->n_cores = used;
    }
}

static void mark_shared_cpus(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->n_cores; i++) {
        for (uint32_t k = 0; k < p->n_cores; k++) {
            p->cores[i].shares_cpu |= k != i && p->cores[k].cpu == p->cores[i].cpu;
        }
    }
}

int mr_plan_place(struct mr_plan *p, struct mr_error *err)
{
    int rc = add_stages(p, err);
    rc = rc < 0 ? rc : add_rings(p, err);
    if (rc < 0) {
        return rc;
    }
    if (p->config->layout == MR_LAYOUT_PIPELINE) {
        place_in_turn(p);
    } else {
        place_together(p);
    }
    leave_out_idle_cores(p);
    mark_shared_cpus(p);
    return 0;
}
