/* fuzz_plan.c: configurations that make sense, on machines that are not here: any CPUs, on any nodes, online and allowed or
 * not. Ports are of the memory driver: nothing of this machine is asked.
 *
 * Held to: each queue is received once, each stage stands on a core that may be used and is fed; a CPU is named by two cores
 * only if both know; chunks and bytes of homes and rings are the plan's sums, and the arena holds them; what is refused is
 * told in a line. */
#include "tests/fuzz/fuzz.h"

#include "lib/engine/engine_parts.h"
#include "lib/engine/plan_parts.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <stdarg.h>

enum { PORTS = 8, PATHS = 5, CORES = 16, TEXT = 8192 };

/* ---- a machine ---- */

static void make_topology(struct fuzz *f, struct mr_topology *t)
{
    uint32_t nodes = 1 + fuzz_below(f, 9), few = 1 + fuzz_below(f, 6);
    uint64_t state = fuzz_u32(f) | 1u;
    memset(t, 0, sizeof *t);
    t->n_cpus = fuzz_below(f, 4) != 0 ? 1u + fuzz_below(f, 16) : 1u + fuzz_u16(f) % MR_CPUS_MAX;
    t->n_nodes = nodes;
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t random = (uint32_t)(state >> 33);
        t->cpu[i].online = few == 1 || random % few != 0;
        t->cpu[i].allowed = t->cpu[i].online && (few < 3 || random / 64 % few != 0);
        t->cpu[i].node = (int)(random / 4096 % nodes);
        t->cpu[i].core = (int)i / 2;
    }
}

/* Mostly one that is allowed. */
static uint32_t some_cpu(struct fuzz *f, const struct mr_topology *t)
{
    uint32_t cpu = fuzz_u16(f) % t->n_cpus;
    bool any = fuzz_below(f, 32) == 0;
    for (uint32_t i = 0; !any && i < t->n_cpus && !t->cpu[cpu].allowed; i++) {
        cpu = cpu + 1 == t->n_cpus ? 0 : cpu + 1;
    }
    return any ? cpu + fuzz_u8(f) : cpu;
}

/* ---- a configuration ---- */

struct text {
    char text[TEXT];
    size_t used;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->used += (size_t)vsnprintf(t->text + t->used, TEXT - t->used, format, args);
    va_end(args);
    FUZZ_CHECK(t->used < TEXT, "longer than expected");
}

static void put_engine(struct text *t, struct fuzz *f, const struct mr_topology *topology)
{
    static const char *const numa[] = {"auto", "strict", "off"};
    uint32_t n = fuzz_below(f, CORES + 1);
    put(t, "engine:\n  layout: %s\n  numa: %s\n  cores: [", fuzz_below(f, 2) ? "pipeline" : "run-to-completion",
        numa[fuzz_below(f, 3)]);
    for (uint32_t i = 0; i < n; i++) {
        put(t, "%s%u", i == 0 ? "" : ", ", some_cpu(f, topology));
    }
    put(t, "]\n  burst: %u\n  ring: %u\n", 1u + fuzz_u8(f), 16u << fuzz_below(f, 17));
}

static void put_memory(struct text *t, struct fuzz *f)
{
    static const uint32_t strides[] = {2496, 2048, 4096};
    put(t, "memory:\n  chunk_bytes: %u\n", strides[fuzz_below(f, 3)]);
    if (fuzz_below(f, 3) == 0) {
        put(t, "  chunks: %u\n", 64u + (fuzz_u32(f) >> fuzz_below(f, 24)) % ((1u << 24) - 63));
    }
    if (fuzz_below(f, 3) == 0) {
        put(t, "  big_chunks: %u\n", (fuzz_u32(f) >> fuzz_below(f, 24)) % (1u << 20));
    }
}

static void put_names(struct text *t, const char *key, uint32_t ports)
{
    const char *comma = "";
    put(t, "    %s: [", key);
    for (uint32_t i = 0; i < PORTS; i++) {
        if (ports >> i & 1) {
            put(t, "%sp%u", comma, i);
            comma = ", ";
        }
    }
    put(t, "]\n");
}

/* Who receives, who sends: each port from one path at most, and in some path at least. */
static void put_paths(struct text *t, struct fuzz *f, uint32_t n_ports, const uint32_t *queues)
{
    static const char *const works[] = {"forward", "macswap", "l2", "drop"};
    uint32_t n = 1 + fuzz_below(f, PATHS), from[PATHS] = {0}, unused = 0;
    from[0] = 1;
    for (uint32_t i = 1; i < n_ports; i++) {
        uint32_t path = fuzz_below(f, n + 1);
        unused |= path == n ? 1u << i : 0;
        from[path % n] |= path == n ? 0 : 1u << i;
    }
    put(t, "paths:\n");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t to = (fuzz_u8(f) & ((1u << n_ports) - 1)) | (i == 0 ? unused : 0), most = 1;
        for (uint32_t k = 0; k < n_ports; k++) {
            most = from[i] >> k & 1 && queues[k] > most ? queues[k] : most;
        }
        const char *work = to == 0 ? "drop" : (to & (to - 1)) != 0 ? "l2" : works[fuzz_below(f, 3)];
        if (from[i] != 0) {
            put(t, "  - work: %s\n    workers: %u\n", work, 1 + fuzz_u8(f) % most);
            put_names(t, "from", from[i]);
            put_names(t, "to", to);
        }
    }
}

static void put_ports(struct text *t, struct fuzz *f)
{
    static const char *const sizes[] = {"64", "64..9000", "imix", "65535"};
    uint32_t n = 1 + fuzz_below(f, PORTS), queues[PORTS];
    put(t, "ports:\n");
    for (uint32_t i = 0; i < n; i++) {
        queues[i] = fuzz_below(f, 4) != 0 ? 1u : 1u + fuzz_below(f, 16);
        put(t, "  - { name: p%u, driver: memory, queues: %u", i, queues[i]);
        put(t, i == 0 ? ", size: %s }\n" : " }\n", sizes[fuzz_below(f, 4)]);
    }
    put_paths(t, f, n, queues);
}

/* ---- what holds of every plan ---- */

static void check_cores(const struct mr_plan *p, const struct mr_topology *t)
{
    uint32_t stages = 0;
    FUZZ_CHECK(p->n_cores != 0 && p->n_cores <= MR_CORES_MAX, "%u cores", p->n_cores);
    for (uint32_t i = 0; i < p->n_cores; i++) {
        const struct mr_plan_core *c = &p->cores[i];
        bool twice = false;
        FUZZ_CHECK(c->cpu < t->n_cpus && t->cpu[c->cpu].allowed && t->cpu[c->cpu].node == c->node, "CPU %u", c->cpu);
        for (uint32_t k = 0; k < p->n_cores; k++) {
            twice |= k != i && p->cores[k].cpu == c->cpu;
        }
        FUZZ_CHECK(twice == c->shares_cpu, "CPU %u", c->cpu);
        FUZZ_CHECK(c->n_stages != 0, "core %u has no stage", i);
        FUZZ_CHECK(c->pool == UINT32_MAX || (c->pool < p->n_pools && p->pools[c->pool].core == i), "home of core %u", i);
        stages += c->n_stages;
    }
    FUZZ_CHECK(stages == p->n_stages, "%u stages on cores", stages);
}

static void check_stages(const struct mr_plan *p)
{
    uint32_t received = 0, queues = 0;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        const struct mr_plan_stage *s = &p->stages[i];
        uint32_t in = 0, out = 0;
        for (uint32_t r = 0; r < p->n_rings; r++) {
            in += p->rings[r].to == i;
            out += p->rings[r].from == i;
        }
        FUZZ_CHECK(s->core < p->n_cores, "%s on core %u", s->name, s->core);
        FUZZ_CHECK(in == s->n_in && out == s->n_out, "%s: %u in, %u out", s->name, in, out);
        FUZZ_CHECK((s->kind == MR_STAGE_RX) == (in == 0), "%s is fed by %u rings", s->name, in);
        FUZZ_CHECK(s->kind != MR_STAGE_RX || p->cores[s->core].pool != UINT32_MAX, "%s has no home", s->name);
        FUZZ_CHECK(s->kind == MR_STAGE_TX ? out == 0 : s->kind == MR_STAGE_WORK || out == 1, "%s feeds %u", s->name, out);
        for (uint32_t k = 0; k < i; k++) {
            FUZZ_CHECK(strcmp(p->stages[k].name, s->name) != 0, "two stages %s", s->name);
        }
        received += s->kind == MR_STAGE_RX;
    }
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        queues += p->ports[i].n_rxq;
    }
    FUZZ_CHECK(received == queues, "%u of %u queues are received from", received, queues);
}

static bool frees(const struct mr_plan *p, uint32_t core)
{
    for (uint32_t i = 0; i < p->n_stages; i++) {
        if (p->stages[i].core == core && p->stages[i].kind != MR_STAGE_RX) {
            return true;
        }
    }
    return false;
}

static void check_bytes(struct mr_plan *p)
{
    uint64_t chunks = 0, big = 0, chunk_bytes = 0, ring_bytes = 0;
    for (uint32_t i = 0; i < p->n_pools; i++) {
        const struct mr_plan_pool *home = &p->pools[i];
        uint64_t least = (uint64_t)home->chunks * p->config->chunk_bytes + (uint64_t)home->big_chunks * MR_CHUNK_BIG_STRIDE;
        size_t bytes = mr_plan_home_bytes(p, home);
        FUZZ_CHECK(bytes >= least && bytes % MR_ARENA_PAGE == 0, "home %u has %zu bytes", i, bytes);
        chunks += home->chunks;
        big += home->big_chunks;
        chunk_bytes += bytes;
        for (uint32_t c = 0; c < p->n_cores; c++) {
            if (c != home->core && frees(p, c)) {
                ring_bytes += mr_ring_bytes(mr_ring_capacity(home->chunks + home->big_chunks), 4);
            }
        }
    }
    for (uint32_t i = 0; i < p->n_rings; i++) {
        FUZZ_CHECK(p->rings[i].capacity == p->config->ring_frames, "ring %u", i);
        ring_bytes += mr_ring_bytes(p->rings[i].capacity, sizeof(struct mr_frame));
    }
    FUZZ_CHECK(chunks == p->chunks && big == p->big_chunks, "%zu and %zu in homes", (size_t)chunks, (size_t)big);
    FUZZ_CHECK(chunk_bytes == p->chunk_bytes, "%zu bytes of chunks", (size_t)chunk_bytes);
    FUZZ_CHECK(ring_bytes == p->ring_bytes, "%zu bytes of rings", (size_t)ring_bytes);
    FUZZ_CHECK(mr_engine_arena_bytes(p) >= chunk_bytes + ring_bytes, "the arena is smaller");
}

static void check_shown(const struct mr_plan *p)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *document = mr_plan_json(p);
    FUZZ_CHECK(document != NULL, "no document");
    mr_plan_print(document, out, false);
    fclose(out);
    FUZZ_CHECK(bytes > 100, "%s", text);
    json_decref(document);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct mr_topology topology;
    struct fuzz f = {data, bytes};
    struct mr_error err = {0};
    struct mr_config *cfg = NULL;
    struct mr_plan *p = NULL;
    struct text t = {.used = 0};
    make_topology(&f, &topology);
    put_engine(&t, &f, &topology);
    put_memory(&t, &f);
    put_ports(&t, &f);
    int rc = mr_config_parse(&cfg, t.text, t.used, "f.yaml", &err);
    rc = rc < 0 ? rc : mr_config_check(cfg, &err);
    FUZZ_CHECK(rc == 0, "%s\n%s", err.text, t.text);
    rc = mr_plan_lay(cfg, &topology, &p, &err);
    if (rc == 0) {
        check_cores(p, &topology);
        check_stages(p);
        check_bytes(p);
        check_shown(p);
    } else {
        FUZZ_CHECK(rc == -EINVAL && p == NULL && strncmp(err.text, "f.yaml", 6) == 0, "%d: %s", rc, err.text);
        FUZZ_CHECK(strpbrk(err.text, "\n\r\033") == NULL && strlen(err.text) + 1 < sizeof err.text, "%s", err.text);
    }
    mr_plan_free(p);
    mr_config_destroy(cfg);
    return 0;
}
