/* node.h: memory on a NUMA node, for what is no part of the arena: queues of drivers, stacks, what the kernel takes for a
 * caller. A preference: where a node has nothing left, others give. Control thread only.
 */
#ifndef MILLRACE_SYS_NODE_H
#define MILLRACE_SYS_NODE_H

#include <stdbool.h>
#include <stddef.h>

#define MR_NODE_WORDS 16u /* of a node mask: 1024 nodes, the most a kernel is built for */

struct mr_node_policy {
    bool changed;
    int mode;
    unsigned long mask[MR_NODE_WORDS];
};

/* mr_node_prefer: pages that the calling thread, or the kernel for it, takes from now on come from this node, until
 * mr_node_restore. Nothing changes for node < 0, or where there is one node only. */
void mr_node_prefer(struct mr_node_policy *before, int node);
void mr_node_restore(const struct mr_node_policy *before);

/* mr_node_alloc: zeroed, whole pages, touched; NULL without memory. mr_node_free: the same size; NULL is fine. */
void *mr_node_alloc(size_t bytes, int node);
void mr_node_free(void *memory, size_t bytes);

#endif
