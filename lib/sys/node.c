#include "lib/sys/node.h"

#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>

enum { BITS = 8 * sizeof(unsigned long) };

void mr_node_prefer(struct mr_node_policy *before, int node)
{
    unsigned long wanted[MR_NODE_WORDS] = {0};
    *before = (struct mr_node_policy){.changed = false};
    if (node < 0 || (unsigned int)node >= MR_NODE_WORDS * BITS || numa_available() < 0 || numa_max_node() == 0 ||
        get_mempolicy(&before->mode, before->mask, sizeof before->mask * 8, NULL, 0) < 0) {
        return;
    }
    wanted[node / BITS] = 1ul << node % BITS;
    before->changed = set_mempolicy(MPOL_PREFERRED, wanted, sizeof wanted * 8) == 0;
}

void mr_node_restore(const struct mr_node_policy *before)
{
    if (before->changed) {
        set_mempolicy(before->mode, before->mode == MPOL_DEFAULT ? NULL : before->mask, sizeof before->mask * 8);
    }
}

void *mr_node_alloc(size_t bytes, int node)
{
    struct mr_node_policy before;
    mr_node_prefer(&before, node);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    mr_node_restore(&before);
    return memory == MAP_FAILED ? NULL : memory;
}

void mr_node_free(void *memory, size_t bytes)
{
    if (memory != NULL) {
        munmap(memory, bytes);
    }
}
