/* arena.h: the memory that every frame lives in: one range of addresses, one segment per NUMA node, never moved.
 *
 * One reservation of address space holds all nodes' segments one behind the other, so that a chunk number (64-byte
 * lines from the base) means the same whatever node it lies on. Each segment is mapped on 1 GiB or 2 MiB huge pages,
 * transparent huge pages, or plain pages, touched at build, bound by libnuma and verified with move_pages. Backed by a
 * memfd, so that a second process can map it later. Control thread only.
 */
#ifndef MILLRACE_SYS_ARENA_H
#define MILLRACE_SYS_ARENA_H

#include <millrace/config.h>
#include <millrace/error.h>

#define MR_NODES_MAX 8u
#define MR_ARENA_PAGE (2u << 20) /* segments are whole 2 MiB pages, and no chunk crosses one (big chunks may) */

struct mr_arena_segment {
    int node;           /* asked for; -1 = no binding */
    size_t offset;      /* from the base */
    size_t bytes;       /* a multiple of MR_ARENA_PAGE */
    size_t page_bytes;  /* obtained: 1 GiB, 2 MiB, 4 KiB */
    bool transparent;   /* 4 KiB pages that the kernel was asked to join */
    size_t huge_bytes;  /* on huge pages, transparent ones included (by smaps) */
    size_t misplaced;   /* pages that move_pages found on another node */
    int fd;
};

struct mr_arena {
    unsigned char *base;
    size_t bytes;
    uint32_t n;
    struct mr_arena_segment segments[MR_NODES_MAX];
    char note[320]; /* what was obtained and, when less than asked, why; for people */
};

/* mr_arena_create: segments[i].node and .bytes are asked for, the rest is filled. Fails with MR_FAULT_MACHINE when
 * huge is required and there are too few (the text names the number and the command that reserves them), when memory
 * is short, or when numa is strict and a page lies elsewhere. */
int mr_arena_create(struct mr_arena *a, uint32_t n, const int *nodes, const size_t *bytes, enum mr_huge huge,
                    enum mr_numa numa, struct mr_error *err);
void mr_arena_destroy(struct mr_arena *a);

#endif
