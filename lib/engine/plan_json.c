/* plan_json.c: the plan as a document, "millrace.plan/1"; what people see is printed from it. */
#include "lib/engine/plan_parts.h"

static json_t *integer(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static const char *kind_word(enum mr_stage_kind kind)
{
    return kind == MR_STAGE_RX ? "rx" : kind == MR_STAGE_WORK ? "work" : "tx";
}

static json_t *cores_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_cores; i++) {
        const struct mr_plan_core *c = &p->cores[i];
        json_t *stages = json_array();
        for (uint32_t k = 0; k < p->n_stages; k++) {
            if (p->stages[k].core == i) {
                json_array_append_new(stages, json_string(p->stages[k].name));
            }
        }
        json_array_append_new(list,
                              json_pack("{s:i, s:i, s:b, s:o, s:o}", "cpu", (int)c->cpu, "node", c->node, "shares_cpu",
                                        (int)c->shares_cpu, "pool",
                                        c->pool == UINT32_MAX ? json_null() : integer(c->pool), "stages", stages));
    }
    return list;
}

static json_t *stages_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        const struct mr_plan_core *c = &p->cores[s->core];
        json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "name", s->name, "kind", kind_word(s->kind),
                              "core", (int)s->core, "cpu", (int)c->cpu, "node", c->node, "rings_in", (int)s->n_in,
                              "rings_out", (int)s->n_out);
        bool work = s->kind == MR_STAGE_WORK;
        json_object_set_new(o, work ? "path" : "port",
                            work ? integer(s->path) : json_string(p->config->ports[s->port].name));
        json_object_set_new(o, work ? "worker" : "queue", integer(work ? s->worker : s->queue));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *rings_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_rings; i++) {
        const struct mr_plan_ring *r = &p->rings[i];
        const struct mr_plan_stage *from = &p->stages[r->from];
        const struct mr_plan_stage *to = &p->stages[r->to];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:I, s:b}", "from", from->name, "to", to->name, "frames", (int)r->capacity,
                            "bytes", (json_int_t)mr_ring_bytes(r->capacity, sizeof(struct mr_frame)), "between_cpus",
                            (int)(p->cores[from->core].cpu != p->cores[to->core].cpu)));
    }
    return list;
}

static json_t *pools_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_pools; i++) {
        const struct mr_plan_pool *h = &p->pools[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:i, s:i}", "core", (int)h->core, "cpu",
                                              (int)p->cores[h->core].cpu, "node", h->node, "chunks", (int)h->chunks,
                                              "big_chunks", (int)h->big_chunks));
    }
    return list;
}

static json_t *names_json(const struct mr_plan *p, const uint8_t *ports, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(list, json_string(p->config->ports[ports[i]].name));
    }
    return list;
}

/* The most that any way through the path costs: into a chunk, and out of it. */
static uint32_t copies_of(const struct mr_plan *p, const struct mr_path_config *path)
{
    uint32_t in = 0;
    uint32_t out = 0;
    for (uint32_t i = 0; i < path->n_from; i++) {
        in = p->ports[path->from[i]].rx_copies > in ? p->ports[path->from[i]].rx_copies : in;
    }
    for (uint32_t i = 0; i < path->n_to; i++) {
        out = p->ports[path->to[i]].tx_copies > out ? p->ports[path->to[i]].tx_copies : out;
    }
    return in + out;
}

static json_t *paths_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        const struct mr_path_config *path = &p->config->paths[i];
        json_t *work = json_array();
        for (uint32_t k = 0; k < path->n_work; k++) {
            json_array_append_new(work, json_string(path->work[k]));
        }
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:i, s:s, s:i, s:b}", "from",
                                              names_json(p, path->from, path->n_from), "work", work, "to",
                                              names_json(p, path->to, path->n_to), "workers", (int)path->workers,
                                              "when_full", mr_when_full_word(p->when_full[i]), "copies_per_frame",
                                              (int)copies_of(p, path), "floods", (int)mr_plan_copies(p, i)));
    }
    return list;
}

static json_t *device_json(const struct mr_port_config *c, const struct mr_plan_port *d)
{
    json_t *offloads = json_null();
    if (!d->has_device) {
        return json_pack("{s:s, s:o}", "name", c->device, "node", d->node < 0 ? json_null() : json_integer(d->node));
    }
    if (d->offloads_known) {
        offloads =
            json_pack("{s:b, s:b, s:b, s:b}", "tx-checksumming", (int)d->tx_csum, "tcp-segmentation-offload",
                      (int)d->tso, "generic-segmentation-offload", (int)d->gso, "generic-receive-offload", (int)d->gro);
    }
    return json_pack("{s:s, s:o, s:b, s:i, s:o}", "name", c->device, "node",
                     d->node < 0 ? json_null() : json_integer(d->node), "up", (int)d->up, "mtu", (int)d->mtu,
                     "offloads", offloads);
}

static json_t *ports_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        const struct mr_port_config *c = &p->config->ports[i];
        const struct mr_plan_port *d = &p->ports[i];
        const struct mr_caps *caps = &mr_driver_find(c->driver)->caps;
        json_t *o =
            json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:s}", "name", c->name, "driver", c->driver, "rx_queues",
                      (int)d->n_rxq, "tx_queues", (int)d->n_txq, "rx_copies", (int)d->rx_copies, "tx_copies",
                      (int)d->tx_copies, "copies", caps->copies, "syscalls_per_burst", caps->syscalls);
        json_object_set_new(o, "offload", caps->offloads ? json_string(mr_offload_word(c->offload)) : json_null());
        json_object_set_new(o, "device", caps->needs_device ? device_json(c, d) : json_null());
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *notes_json(const struct mr_plan *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_notes; i++) {
        json_array_append_new(list, json_string(p->notes[i]));
    }
    return list;
}

static json_t *memory_json(const struct mr_plan *p)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "chunks", (json_int_t)p->chunks, "chunk_bytes",
                     (json_int_t)p->config->chunk_bytes, "big_chunks", (json_int_t)p->big_chunks, "big_chunk_bytes",
                     (json_int_t)MR_CHUNK_BIG_STRIDE, "arena_bytes", (json_int_t)p->arena_bytes, "all_chunks_bytes",
                     (json_int_t)p->chunk_bytes, "ring_bytes", (json_int_t)p->ring_bytes, "tx_ring_frames",
                     (json_int_t)p->tx_ring_frames, "huge_pages", mr_huge_word(p->config->huge_pages));
}

json_t *mr_plan_config_json(const struct mr_plan *p)
{
    json_t *config = mr_config_json(p->config);
    json_t *cores = json_array();
    for (uint32_t i = 0; i < p->n_cores; i++) {
        json_array_append_new(cores, json_integer(p->cores[i].cpu));
    }
    json_object_set_new(json_object_get(config, "engine"), "cores", cores);
    return config;
}

json_t *mr_plan_json(const struct mr_plan *p)
{
    json_t *trip = json_null();
    if (p->round_trip_ns > 0) {
        trip = json_pack("{s:i, s:i, s:f}", "from_cpu", (int)p->round_trip_cpus[0], "to_cpu",
                         (int)p->round_trip_cpus[1], "ns", p->round_trip_ns);
    }
    json_t *file = json_string(p->config->file); // NULL when it is not UTF-8
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
                     "millrace.plan/1", "file", file == NULL ? json_null() : file, "layout",
                     mr_layout_word(p->config->layout), "numa", mr_numa_word(p->config->numa), "paths", paths_json(p),
                     "stages", stages_json(p), "rings", rings_json(p), "cores", cores_json(p), "pools", pools_json(p),
                     "memory", memory_json(p), "ports", ports_json(p), "round_trip", trip, "notes", notes_json(p),
                     "config", mr_plan_config_json(p), "host", mr_host_json());
}
