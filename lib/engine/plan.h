/* plan.h: what would run: stages on cores, rings between them, chunks and bytes, and why.
 *
 * Made from a checked configuration and this machine; starts nothing, opens no device. The engine builds exactly what
 * stands here, and `millrace plan` draws it. Indices are into the plan's own tables.
 *
 *   one RX stage per receiving queue          rx:left.0
 *   one work stage per path and worker        work:0.0
 *   one TX stage per sending queue            tx:right.0
 *
 * A ring leads from each RX stage of a path's `from` ports to a work stage of that path (queue q feeds worker q mod
 * workers), and from each work stage to one TX stage of each `to` port (worker w sends by queue w mod queues).
 */
#ifndef MILLRACE_ENGINE_PLAN_H
#define MILLRACE_ENGINE_PLAN_H

#include <millrace/config.h>

#include <jansson.h>
#include <stdio.h>

#define MR_STAGES_MAX 512u
#define MR_RINGS_MAX  2048u
#define MR_NOTES_MAX  48u

enum mr_stage_kind { MR_STAGE_RX, MR_STAGE_WORK, MR_STAGE_TX };

struct mr_plan_stage {
    enum mr_stage_kind kind;
    char name[MR_NAME_MAX + 16];
    uint32_t core;           /* index into cores */
    uint32_t port, queue;    /* RX, TX */
    uint32_t path, worker;   /* work */
    uint32_t n_in, n_out;    /* rings: how many; find them in rings[] by to and from */
};

struct mr_plan_ring {
    uint32_t from, to;       /* stages */
    uint32_t capacity;       /* frames */
    uint32_t port;           /* the `to` port it leads to (work → TX), else the port it comes from */
};

/* A home: the chunks that one core receives into or makes copies in. */
struct mr_plan_pool {
    uint32_t core;
    uint32_t chunks, big_chunks;
    int node;
};

struct mr_plan_core {
    uint32_t cpu;
    int node;
    uint32_t n_stages;
    uint32_t pool;           /* index into pools, UINT32_MAX = none */
    bool shares_cpu;         /* another core of this plan has the same CPU: yield at once when idle */
};

/* What this machine says of a port. */
struct mr_plan_port {
    uint32_t n_rxq, n_txq; /* queues that are used */
    uint32_t rx_copies, tx_copies; /* per frame, by the driver */
    int node;              /* of the device, -1 = none or not known */
    bool has_device;       /* then: */
    bool up, offloads_known;
    bool tx_csum, tso, gso, gro;
    uint32_t mtu;
    uint32_t device_rxq;   /* RX queues that the device uses, where its queues are the port's; 0 = not known */
    const char *queue_kind; /* what ethtool -L calls them */
};

struct mr_plan {
    const struct mr_config *config;
    uint32_t n_cores, n_stages, n_rings, n_pools, n_notes;
    struct mr_plan_core cores[MR_CORES_MAX];
    struct mr_plan_stage stages[MR_STAGES_MAX]; /* a core polls its stages in this order: RX, work, TX */
    struct mr_plan_ring rings[MR_RINGS_MAX];
    struct mr_plan_pool pools[MR_CORES_MAX];
    struct mr_plan_port ports[MR_PORTS_MAX];    /* config->n_ports */
    uint32_t chunks, big_chunks;
    size_t chunk_bytes;      /* arena bytes for chunks, whole 2 MiB pages per home */
    size_t ring_bytes;       /* frame rings and recycle rings */
    size_t arena_bytes;      /* both, free lists and stages: whole 2 MiB pages per node */
    uint32_t tx_ring_frames; /* frames under way per sending queue */
    enum mr_when_full when_full[MR_PATHS_MAX]; /* resolved: wait or drop */
    double round_trip_ns;      /* of a cache line between the two CPUs below; 0 = no ring crosses */
    uint32_t round_trip_cpus[2];
    char notes[MR_NOTES_MAX][240]; /* why each choice was made, and warnings; for people */
};

/* mr_plan_make: 0, or -errno with err naming file, line, key, cause and fix (a core that does not exist or is outside the
 * affinity mask, an interface that is not there, too few chunks for rings and drivers, …). */
int mr_plan_make(const struct mr_config *cfg, struct mr_plan **out, struct mr_error *err);

/* mr_plan_lay: its first part, on CPUs as they are told: cores, stages, rings, chunks, without a look at this machine's
 * memory and the ways between its CPUs. For machines that are not here: tests. */
struct mr_topology;
int mr_plan_lay(const struct mr_config *cfg, const struct mr_topology *t, struct mr_plan **out, struct mr_error *err);
void mr_plan_free(struct mr_plan *p);

/* mr_plan_home_bytes: of a home's chunks, whole 2 MiB pages. mr_plan_recycles: a core frees chunks of a home that is not its
 * own, and has a recycle ring into it. */
size_t mr_plan_home_bytes(const struct mr_plan *p, const struct mr_plan_pool *home);
bool mr_plan_recycles(const struct mr_plan *p, const struct mr_plan_pool *home, uint32_t core);

/* mr_plan_json: "schema": "millrace.plan/1", new reference. mr_plan_print: drawn for a terminal from that document. */
json_t *mr_plan_json(const struct mr_plan *p);
void mr_plan_print(const json_t *plan, FILE *out, bool colour);

/* mr_config_json: the configuration, every key with its value. mr_plan_config_json: and what the plan chose where nothing
 * was written: the cores. As reports carry it. */
json_t *mr_config_json(const struct mr_config *cfg);
json_t *mr_plan_config_json(const struct mr_plan *p);

/* mr_config_print: such a document as YAML, one key a line. */
void mr_config_print(const json_t *config, FILE *out, bool colour);

/* As every result carries them: mr_build_json: what was built; mr_command_json: the command as a shell would take it, null
 * for a NULL argv; mr_host_json: host facts. */
json_t *mr_build_json(void);
json_t *mr_command_json(int argc, char **argv);
json_t *mr_host_json(void);

#endif
