/* dpdk_core.c: what a core's thread is to DPDK: registered, with a cache of the mempool where it may have one. */
#include "lib/port/dpdk.h"
#include "lib/sys/node.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <errno.h>

static __thread struct mr_dpdk_core *mine;

struct mr_dpdk_core *mr_dpdk_mine(void)
{
    return mine;
}

int mr_dpdk_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err)
{
    struct mr_dpdk_core *c = mr_node_alloc(sizeof *c, setup->node);
    if (c == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "driver dpdk: no memory for core %u; free some", setup->core);
    }
    c->pool = setup->pool;
    c->recycle = setup->recycle;
    *out = &c->io;
    return 0;
}

void mr_dpdk_destroy(struct mr_io *io)
{
    mr_node_free(mr_dpdk_core_of(io), sizeof(struct mr_dpdk_core));
}

/* With chunks of several homes a cache would give those of one core to the devices of another, and big ones to a device that
 * wants any. Debug builds have none either: they check every chunk that is taken or freed, and would not see these; nor do
 * marks. */
bool mr_dpdk_may_cache(const struct mr_dpdk_core *c)
{
#ifdef MR_POOL_DEBUG
    return false;
#endif
    return c->arena->marks == NULL && c->recycle->n_homes == 1 && c->recycle->homes[0].own != NULL &&
           c->recycle->homes[0].own->big.capacity == 0;
}

int mr_dpdk_attach(struct mr_io *io, struct mr_error *err)
{
    struct mr_dpdk_core *c = mr_dpdk_core_of(io);
    if (rte_thread_register() < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOSPC, "driver dpdk: no thread more can be registered (%s): DPDK was "
                            "built for %d; use fewer cores", rte_strerror(rte_errno), RTE_MAX_LCORE);
    }
    c->cache = rte_mempool_default_cache(c->arena->mempool, rte_lcore_id());
    if (c->cache == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOBUFS, "driver dpdk: memory.chunks: too few for DPDK's mempool; raise it");
    }
    if (mr_dpdk_may_cache(c)) {
        c->cache->size = c->arena->mempool->cache_size;
        c->cache->flushthresh = c->cache->size + c->cache->size / 2;
    }
    __atomic_fetch_add(&c->arena->attached, 1, __ATOMIC_ACQ_REL);
    mine = c;
    return 0;
}

/* What the cores see of a cache: between two passes it does not change. */
static void tell_kept(struct mr_dpdk_core *c)
{
    c->io.kept = c->rings + (int32_t)c->cache->len;
}

uint32_t mr_dpdk_doorbell(struct mr_io *io, uint32_t what)
{
    (void)what;
    tell_kept(mr_dpdk_core_of(io));
    return 0;
}

/* The next thread with this id would inherit the cache, so it is emptied and stilled. */
void mr_dpdk_detach(struct mr_io *io, uint64_t deadline_ns)
{
    struct mr_dpdk_core *c = mr_dpdk_core_of(io);
    (void)deadline_ns;
    if (mine == NULL) {
        return;
    }
    rte_mempool_cache_flush(c->cache, c->arena->mempool);
    c->cache->size = 0;
    c->cache->flushthresh = 0;
    tell_kept(c);
    mine = NULL;
    rte_thread_unregister();
    __atomic_fetch_sub(&c->arena->attached, 1, __ATOMIC_ACQ_REL);
}
