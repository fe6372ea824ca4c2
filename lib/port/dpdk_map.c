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

/* What the device reaches by one entry: addresses that are ours in a row, and the device's too. */
struct piece {
    uint64_t address, iova, bytes;
};

/* Addresses of the device are ours, or the pages' physical ones; of those as many as lie in a row, since the table of EAL has
 * no room for more than 256 pieces. false: a page has no address that we may know. */
static bool next_piece(const struct mr_arena_segment *s, unsigned char *base, size_t done, struct piece *p)
{
    unsigned char *at = base + s->offset;
    bool physical = rte_eal_iova_mode() == RTE_IOVA_PA;
    size_t step = physical ? s->page_bytes : s->bytes;
    *p = (struct piece){(uintptr_t)at + done, physical ? rte_mem_virt2phy(at + done) : (uintptr_t)at + done, step};
    while (physical && done + p->bytes < s->bytes && rte_mem_virt2phy(at + done + p->bytes) == p->iova + p->bytes) {
        p->bytes += step;
    }
    return p->iova != RTE_BAD_IOVA;
}

/* The first `most` pieces. */
static void unmap(const struct mr_dpdk_arena *a, uint32_t most)
{
    struct piece p;
    for (uint32_t i = 0; i < a->memory->n; i++) {
        const struct mr_arena_segment *s = &a->memory->segments[i];
        for (size_t done = 0; done < s->bytes && most != 0 && next_piece(s, a->memory->base, done, &p); done += p.bytes, most--) {
            rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, p.address, p.iova, p.bytes);
        }
    }
}

/* All of it or nothing. EAL does not always say why by rte_errno: what stood there before is no reason. */
static int map(const struct mr_dpdk_arena *a)
{
    uint32_t mapped = 0;
    struct piece p;
    for (uint32_t i = 0; i < a->memory->n; i++) {
        const struct mr_arena_segment *s = &a->memory->segments[i];
        for (size_t done = 0; done < s->bytes; done += p.bytes, mapped++) {
            rte_errno = 0;
            bool known = next_piece(s, a->memory->base, done, &p);
            if (!known || rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, p.address, p.iova, p.bytes) != 0) {
                int rc = !known ? -EPERM : rte_errno != 0 ? -rte_errno : -EIO;
                unmap(a, mapped);
                return rc;
            }
        }
    }
    return 0;
}

static int refused(const struct mr_dpdk_port *p, int rc, struct mr_error *err)
{
    const char *said = mr_dpdk_said();
    const char *cause = said[0] != 0 ? said : rte_strerror(-rc);
    bool physical = rte_eal_iova_mode() == RTE_IOVA_PA;
    const char *fix = "";
    if (rc == -EPERM && physical) {
        fix = "; physical addresses need CAP_SYS_ADMIN; or engine.eal: --iova-mode=va";
    } else if (rc == -ENOMEM && physical) {
        fix = "; it lies in too many pieces: huge pages of 1 GiB, or engine.eal: --iova-mode=va";
    } else if (rc == -ENOMEM || strstr(cause, "error 12") != NULL) {
        fix = "; it is locked memory: raise ulimit -l, or have CAP_IPC_LOCK";
    }
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: VFIO does not map the engine's memory for %s: %.200s%s",
                        p->port->config->name, p->name, cause, fix);
}

int mr_dpdk_map(struct mr_dpdk_port *p, struct mr_error *err)
{
    struct mr_dpdk_arena *a = p->arena;
    if (!p->pci || rte_vfio_is_enabled("vfio_pci") <= 0 || rte_vfio_noiommu_is_enabled() == 1) {
        return 0;
    }
    int rc = a->mapped == 0 ? map(a) : 0;
    if (rc == -ENODEV) {
        return 0; // bound to uio: no IOMMU stands between
    }
    if (rc < 0) {
        return refused(p, rc, err);
    }
    p->mapped = true;
    a->mapped++;
    return 0;
}

void mr_dpdk_unmap(struct mr_dpdk_port *p)
{
    if (p->mapped && --p->arena->mapped == 0) {
        unmap(p->arena, UINT32_MAX);
    }
    p->mapped = false;
}
