/* dpdk_map.c: the arena in the IOMMU's table, for NICs behind vfio-pci. EAL maps memory of its own alone: without this a NIC
 * writes nowhere, the mbufs stay as they were, and only the kernel's log tells of it.
 *
 * One table serves all devices of the process. The first one maps, the last one unmaps: between them each may be writing.
 */
#include "lib/port/dpdk.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_vfio.h>

#include <errno.h>

typedef int map_call(int container, uint64_t address, uint64_t iova, uint64_t bytes);

/* Addresses of the device are ours, or the pages' physical ones, and those are contiguous within a page alone. */
static int each_piece(const struct mr_dpdk_arena *a, map_call *call)
{
    bool physical = rte_eal_iova_mode() == RTE_IOVA_PA;
    for (uint32_t i = 0; i < a->memory->n; i++) {
        const struct mr_arena_segment *s = &a->memory->segments[i];
        unsigned char *at = a->memory->base + s->offset;
        size_t step = physical ? s->page_bytes : s->bytes;
        for (size_t done = 0; done < s->bytes; done += step) {
            rte_iova_t iova = physical ? rte_mem_virt2phy(at + done) : (uintptr_t)at + done;
            if (iova == RTE_BAD_IOVA || call(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)at + done, iova, step) != 0) {
                return -(iova == RTE_BAD_IOVA ? EPERM : rte_errno != 0 ? rte_errno : EIO);
            }
        }
    }
    return 0;
}

int mr_dpdk_map(struct mr_dpdk_port *p, struct mr_error *err)
{
    struct mr_dpdk_arena *a = p->arena;
    if (!p->pci || rte_vfio_is_enabled("vfio_pci") <= 0) {
        return 0;
    }
    int rc = a->mapped == 0 ? each_piece(a, rte_vfio_container_dma_map) : 0;
    if (rc == -ENODEV) {
        return 0; // bound to uio: no IOMMU stands between
    }
    if (rc < 0) {
        each_piece(a, rte_vfio_container_dma_unmap);
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: VFIO does not map the engine's memory for %s: %s; it is locked "
                            "memory: raise ulimit -l, or have CAP_IPC_LOCK", p->port->config->name, p->name, rte_strerror(-rc));
    }
    p->mapped = true;
    a->mapped++;
    return 0;
}

void mr_dpdk_unmap(struct mr_dpdk_port *p)
{
    if (p->mapped && --p->arena->mapped == 0) {
        each_piece(p->arena, rte_vfio_container_dma_unmap);
    }
    p->mapped = false;
}
