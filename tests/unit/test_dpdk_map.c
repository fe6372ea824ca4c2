/* The arena in the IOMMU's table: VFIO is played. All of it or nothing; one table for all devices; a refusal says why. */
#include <criterion/criterion.h>

#include "lib/port/dpdk.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <string.h>

enum { PIECES = 16, MIB = 1 << 20 };

static struct {
    uint32_t maps, unmaps, fails_at; /* 0: none fails */
    int says;                        /* rte_errno of the failing one; 0: it does not say */
    uint64_t mapped[PIECES], bytes[PIECES];
    enum rte_iova_mode mode;
    uint64_t hole; /* address from which on physical pages lie elsewhere */
} vfio;

int __wrap_rte_vfio_is_enabled(const char *module);
int __wrap_rte_vfio_noiommu_is_enabled(void);
int __wrap_rte_vfio_container_dma_map(int container, uint64_t address, uint64_t iova, uint64_t bytes);
int __wrap_rte_vfio_container_dma_unmap(int container, uint64_t address, uint64_t iova, uint64_t bytes);
enum rte_iova_mode __wrap_rte_eal_iova_mode(void);
rte_iova_t __wrap_rte_mem_virt2phy(const void *address);

int __wrap_rte_vfio_is_enabled(const char *module)
{
    return strcmp(module, "vfio_pci") == 0;
}

int __wrap_rte_vfio_noiommu_is_enabled(void)
{
    return 0;
}

int __wrap_rte_vfio_container_dma_map(int container, uint64_t address, uint64_t iova, uint64_t bytes)
{
    (void)container;
    (void)iova;
    if (vfio.fails_at != 0 && vfio.maps + 1 == vfio.fails_at) {
        rte_errno = vfio.says != 0 ? vfio.says : rte_errno;
        return -1;
    }
    vfio.mapped[vfio.maps] = address;
    vfio.bytes[vfio.maps++] = bytes;
    return 0;
}

int __wrap_rte_vfio_container_dma_unmap(int container, uint64_t address, uint64_t iova, uint64_t bytes)
{
    (void)container;
    (void)iova;
    cr_assert_lt(vfio.unmaps, vfio.maps, "what was never mapped is taken out");
    cr_expect_eq(address, vfio.mapped[vfio.unmaps]);
    cr_expect_eq(bytes, vfio.bytes[vfio.unmaps]);
    vfio.unmaps++;
    return 0;
}

enum rte_iova_mode __wrap_rte_eal_iova_mode(void)
{
    return vfio.mode;
}

rte_iova_t __wrap_rte_mem_virt2phy(const void *address)
{
    return (uintptr_t)address + ((uintptr_t)address >= vfio.hole ? 1u << 30 : 0);
}

static struct mr_arena memory = {.base = (unsigned char *)(1ull << 40), .n = 2,
                                 .segments = {{.offset = 0, .bytes = 8 * MIB, .page_bytes = 2 * MIB},
                                              {.offset = 64 * MIB, .bytes = 4 * MIB, .page_bytes = 2 * MIB}}};
static struct mr_dpdk_arena arena;
static struct mr_port_config config = {.name = "left"};
static struct mr_port port = {.config = &config};
static struct mr_dpdk_port a, b;
static struct mr_error error;

static void begin(enum rte_iova_mode mode)
{
    memset(&vfio, 0, sizeof vfio);
    vfio.mode = mode;
    vfio.hole = UINT64_MAX;
    arena = (struct mr_dpdk_arena){.memory = &memory};
    a = (struct mr_dpdk_port){.port = &port, .arena = &arena, .pci = true, .name = "0000:03:00.0"};
    b = a;
}

Test(dpdk_map, one_table_for_all_devices)
{
    begin(RTE_IOVA_VA);
    cr_assert_eq(mr_dpdk_map(&a, &error), 0);
    cr_assert_eq(mr_dpdk_map(&b, &error), 0);
    cr_expect_eq(vfio.maps, 2, "a piece a segment, once");
    mr_dpdk_unmap(&a);
    cr_expect_eq(vfio.unmaps, 0, "the other one still writes there");
    mr_dpdk_unmap(&b);
    mr_dpdk_unmap(&b);
    cr_expect_eq(vfio.unmaps, 2);
}

Test(dpdk_map, physical_pages_in_a_row_are_one_piece)
{
    begin(RTE_IOVA_PA);
    vfio.hole = (uintptr_t)memory.base + 6 * MIB;
    cr_assert_eq(mr_dpdk_map(&a, &error), 0);
    cr_assert_eq(vfio.maps, 3);
    cr_expect_eq(vfio.bytes[0], 6 * MIB);
    cr_expect_eq(vfio.bytes[1], 2 * MIB);
    mr_dpdk_unmap(&a);
    cr_expect_eq(vfio.unmaps, 3);
}

Test(dpdk_map, all_of_it_or_nothing)
{
    begin(RTE_IOVA_VA);
    vfio.fails_at = 2;
    rte_errno = ENODEV; // of something else, long ago
    cr_assert_eq(mr_dpdk_map(&a, &error), -EIO, "an old rte_errno is no reason");
    cr_expect_eq(vfio.unmaps, 1);
    cr_expect_eq(arena.mapped, 0);
    cr_expect_not_null(strstr(error.text, "port left: VFIO does not map the engine's memory for 0000:03:00.0"));
}

Test(dpdk_map, a_refusal_has_its_own_remedy)
{
    begin(RTE_IOVA_VA);
    vfio.fails_at = 1;
    vfio.says = ENOMEM;
    cr_assert_eq(mr_dpdk_map(&a, &error), -ENOMEM);
    cr_expect_not_null(strstr(error.text, "ulimit -l"));
    begin(RTE_IOVA_PA);
    vfio.fails_at = 1;
    vfio.says = ENOMEM;
    cr_assert_eq(mr_dpdk_map(&a, &error), -ENOMEM);
    cr_expect_not_null(strstr(error.text, "--iova-mode=va"));
    begin(RTE_IOVA_VA);
    vfio.fails_at = 1;
    vfio.says = ENODEV;
    cr_assert_eq(mr_dpdk_map(&a, &error), 0, "bound to uio: there is nothing to map");
    cr_expect(!a.mapped);
}
