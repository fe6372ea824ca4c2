/* plan_memory.c: homes, and how many chunks each needs so that no place a frame may wait in can starve the others.
 *
 * A home needs: what its drivers post to receive into, the rings its frames can fill, what is being sent, and the
 * bursts in hand. A place that frames of several homes pass is shared out evenly among them. Big chunks are not counted
 * into rings: when they run out, super-frames wait in the socket.
 */
#include "lib/engine/plan_parts.h"
#include "lib/sys/arena.h"

#include <inttypes.h>

#define CHUNKS_MAX (1u << 24) /* of memory.chunks */
#define BIG_SHARES 4u /* a quarter of the big chunks is posted, the rest is on its way */

struct need {
    uint64_t posted, rings, sending, bursts; /* small chunks */
    uint64_t big, big_least;
};

/* How many homes' frames pass a work or TX stage. */
struct shares {
    bool known; /* first they are counted, then needs are */
    uint32_t homes[MR_STAGES_MAX];
};

/* What one home's frames can reach; each stage and ring counted once. */
struct reach {
    struct mr_plan *p;
    struct need *need;
    struct shares *shares;
    bool stage[MR_STAGES_MAX];
};

/* This home's share of what waits at a stage; 0 while homes are still being counted. */
static uint64_t share_of(const struct reach *r, uint32_t stage, uint64_t frames)
{
    uint32_t homes = r->shares->homes[stage];
    return r->shares->known ? (frames + homes - 1) / homes : 0;
}

/* First visit of a stage by this home. */
static bool visit(struct reach *r, uint32_t stage)
{
    bool first = !r->stage[stage];
    r->stage[stage] = true;
    r->shares->homes[stage] += first && !r->shares->known;
    return first;
}

static uint64_t small_of(const struct need *n)
{
    return n->posted + n->rings + n->sending + n->bursts;
}

/* Big chunks that one receiving queue posts, or has in hand at once; 0 = its frames fit small ones. */
static uint32_t big_in_hand(const struct mr_plan *p, uint32_t port)
{
    const struct mr_port_config *c = &p->config->ports[port];
    uint32_t longest = 0;
    for (uint32_t i = 0; c->source && i < c->size.n; i++) {
        longest = c->size.bytes[i] > longest ? c->size.bytes[i] : longest;
    }
    bool big = longest > p->config->chunk_bytes - MR_CHUNK_DATA || c->long_frames;
    return big ? p->config->burst : c->big_buffers;
}

static void reach_tx(struct reach *r, uint32_t stage)
{
    const struct mr_plan_stage *s = &r->p->stages[stage];
    if (visit(r, stage)) {
        const struct mr_driver *driver = mr_driver_find(r->p->config->ports[s->port].driver);
        r->need->sending += driver->caps.completes_at_return ? 0 : share_of(r, stage, r->p->tx_ring_frames);
        r->need->bursts += share_of(r, stage, r->p->config->burst);
    }
}

static void reach_work(struct reach *r, uint32_t stage)
{
    if (!visit(r, stage)) {
        return;
    }
    r->need->bursts += share_of(r, stage, r->p->config->burst);
    for (uint32_t i = 0; i < r->p->n_rings; i++) {
        if (r->p->rings[i].from == stage) {
            r->need->rings += share_of(r, stage, r->p->rings[i].capacity);
            reach_tx(r, r->p->rings[i].to);
        }
    }
}

static void reach_rx(struct reach *r, uint32_t stage)
{
    const struct mr_plan_stage *s = &r->p->stages[stage];
    uint32_t big = big_in_hand(r->p, s->port);
    r->need->posted += r->p->config->ports[s->port].buffers;
    r->need->bursts += r->p->config->burst;
    r->need->big += (uint64_t)BIG_SHARES * big;
    r->need->big_least += 2 * (uint64_t)big;
    for (uint32_t i = 0; i < r->p->n_rings; i++) {
        if (r->p->rings[i].from == stage) {
            r->need->rings += r->p->rings[i].capacity;
            reach_work(r, r->p->rings[i].to);
        }
    }
}

/* Copies of long frames need big chunks of the copying core. */
static void reach_copies(struct reach *r, uint32_t stage)
{
    const struct mr_path_config *path = &r->p->config->paths[r->p->stages[stage].path];
    uint32_t most = 0;
    for (uint32_t i = 0; i < path->n_from; i++) {
        uint32_t big = big_in_hand(r->p, path->from[i]);
        most = big > most ? big : most;
    }
    r->need->big += 2 * (uint64_t)most;
    r->need->big_least += most;
    reach_work(r, stage);
}

/* needs[i] of pools[i], one pool per core that receives or copies. */
static void find_homes(struct mr_plan *p, struct shares *shares, struct need *needs)
{
    p->n_pools = 0;
    for (uint32_t core = 0; core < p->n_cores; core++) {
        struct reach r = {.p = p, .need = &needs[p->n_pools], .shares = shares};
        *r.need = (struct need){0};
        bool home = false;
        for (uint32_t i = 0; i < p->n_stages; i++) {
            const struct mr_plan_stage *s = &p->stages[i];
            if (s->core != core || s->kind == MR_STAGE_TX) {
                continue;
            }
            if (s->kind == MR_STAGE_RX) {
                reach_rx(&r, i);
                home = true;
            } else if (mr_plan_copies(p, s->path)) {
                reach_copies(&r, i);
                home = true;
            }
        }
        p->cores[core].pool = home ? p->n_pools : UINT32_MAX;
        if (home) {
            p->pools[p->n_pools++] = (struct mr_plan_pool){.core = core, .node = p->cores[core].node};
        }
    }
}

static struct need sum_needs(const struct mr_plan *p, const struct need *needs)
{
    struct need sum = {0};
    for (uint32_t i = 0; i < p->n_pools; i++) {
        sum.posted += needs[i].posted;
        sum.rings += needs[i].rings;
        sum.sending += needs[i].sending;
        sum.bursts += needs[i].bursts;
        sum.big += needs[i].big;
        sum.big_least += needs[i].big_least;
    }
    return sum;
}

/* Every source waits for chunks: more than can wait in rings would only be touched, which a short run pays for. */
static bool sources_wait(const struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->config->n_ports; i++) {
        if (p->ports[i].n_rxq != 0 && !mr_driver_find(p->config->ports[i].driver)->caps.waits) {
            return false;
        }
    }
    return true;
}

/* A number that was written is kept or refused; the default gives way. */
static int count_small(struct mr_plan *p, const struct need *sum, struct mr_error *err)
{
    uint64_t need = small_of(sum);
    bool given = mr_config_given(p->config, "memory.chunks");
    p->chunks = !given && sources_wait(p) && need < p->config->chunks ? (uint32_t)need : p->config->chunks;
    if (p->chunks >= need) {
        return 0;
    }
    if (need > CHUNKS_MAX) {
        return mr_plan_fail(p, "engine.ring", err,
                            "rings, receiving and sending queues can hold %" PRIu64
                            " frames, and there are %u chunks at most; lower it, or use fewer queues and workers",
                            need, CHUNKS_MAX);
    }
    if (given) {
        return mr_plan_fail(p, "memory.chunks", err,
                            "%u are too few, at least %" PRIu64 " are needed: %" PRIu64
                            " posted to receive (buffers of each queue) + %" PRIu64
                            " in rings (engine.ring %u each) + %" PRIu64 " being sent (%u per sending queue) + %" PRIu64
                            " in bursts (engine.burst %u); raise it, or lower those",
                            p->chunks, need, sum->posted, sum->rings, p->config->ring_frames, sum->sending,
                            p->tx_ring_frames, sum->bursts, p->config->burst);
    }
    mr_plan_note(p,
                 "memory.chunks: %" PRIu64
                 " instead of the default %u, since rings, receiving and sending queues can hold so many",
                 need, p->chunks);
    p->chunks = (uint32_t)need;
    return 0;
}

static int count_big(struct mr_plan *p, const struct need *sum, struct mr_error *err)
{
    uint32_t asked = p->config->big_chunks;
    p->big_chunks = asked != 0 ? asked : (uint32_t)sum->big;
    if (sum->big == 0 && asked != 0) {
        mr_plan_note(p, "memory.big_chunks: none are made, as no port takes frames longer than a small chunk holds");
        p->big_chunks = 0;
    }
    if (p->big_chunks < sum->big_least) {
        return mr_plan_fail(p, "memory.big_chunks", err,
                            "%u are too few, at least %" PRIu64
                            " are needed: twice what each receiving queue posts (big_buffers); "
                            "raise it, or leave it away",
                            asked, sum->big_least);
    }
    return 0;
}

/* Shares by need; what the division leaves over goes to the first home. */
static void share(struct mr_plan *p, const struct need *needs, const struct need *sum)
{
    uint32_t small_left = p->chunks;
    uint32_t big_left = p->big_chunks;
    for (uint32_t i = p->n_pools; i-- > 0;) {
        uint64_t spare = p->chunks - small_of(sum);
        uint64_t small = small_of(&needs[i]) + spare * small_of(&needs[i]) / small_of(sum);
        uint64_t big = sum->big == 0 ? 0 : p->big_chunks * needs[i].big / sum->big;
        p->pools[i].chunks = i == 0 ? small_left : (uint32_t)small;
        p->pools[i].big_chunks = i == 0 ? big_left : (uint32_t)big;
        small_left -= p->pools[i].chunks;
        big_left -= p->pools[i].big_chunks;
    }
}

/* ---- bytes, as build.c lays them ---- */

static size_t pages(size_t n, size_t per_page)
{
    return (n + per_page - 1) / per_page * MR_ARENA_PAGE;
}

size_t mr_plan_home_bytes(const struct mr_plan *p, const struct mr_plan_pool *home)
{
    size_t big = (size_t)home->big_chunks * MR_CHUNK_BIG_STRIDE;
    return pages(home->chunks, MR_ARENA_PAGE / p->config->chunk_bytes) + pages(big, MR_ARENA_PAGE); // big ones in a row
}

bool mr_plan_recycles(const struct mr_plan *p, const struct mr_plan_pool *home, uint32_t core)
{
    bool frees = false;
    for (uint32_t i = 0; i < p->n_stages; i++) {
        frees |= p->stages[i].core == core && p->stages[i].kind != MR_STAGE_RX;
    }
    return frees && home->core != core;
}

static void count_bytes(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->n_pools; i++) {
        uint32_t capacity = mr_ring_capacity(p->pools[i].chunks + p->pools[i].big_chunks);
        p->chunk_bytes += mr_plan_home_bytes(p, &p->pools[i]);
        for (uint32_t c = 0; c < p->n_cores; c++) {
            p->ring_bytes += mr_plan_recycles(p, &p->pools[i], c) ? mr_ring_bytes(capacity, sizeof(uint32_t)) : 0;
        }
    }
    for (uint32_t i = 0; i < p->n_rings; i++) {
        p->ring_bytes += mr_ring_bytes(p->rings[i].capacity, sizeof(struct mr_frame));
    }
}

int mr_plan_memory(struct mr_plan *p, struct mr_error *err)
{
    struct need needs[MR_CORES_MAX];
    struct shares shares = {0};
    find_homes(p, &shares, needs);
    shares.known = true;
    find_homes(p, &shares, needs);
    struct need sum = sum_needs(p, needs);
    int rc = count_small(p, &sum, err);
    rc = rc < 0 ? rc : count_big(p, &sum, err);
    if (rc == 0) {
        share(p, needs, &sum);
        count_bytes(p);
    }
    return rc;
}
