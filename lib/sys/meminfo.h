/* meminfo.h: what memory there is, and what a mapping got of it. For the files of this room. */
#ifndef MILLRACE_SYS_MEMINFO_H
#define MILLRACE_SYS_MEMINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_PAGE_2M ((size_t)1 << 21)
#define MR_PAGE_1G ((size_t)1 << 30)

/* Reserved huge pages of one size. free: neither in use nor promised to a mapping. */
struct mr_huge_pages {
    uint64_t total, free;
};

/* mr_huge_pages_read: on a node, or -1 = on all; page_bytes is MR_PAGE_2M or MR_PAGE_1G. */
struct mr_huge_pages mr_huge_pages_read(int node, size_t page_bytes);

/* mr_memory_available: bytes that can be taken without swapping or killing anybody; node -1 = on all. UINT64_MAX where
 * the system does not tell. */
uint64_t mr_memory_available(int node);

/* mr_memory_in_group: bytes that the memory control group of this process leaves, and those above it; UINT64_MAX without
 * a limit. Reserved huge pages do not count there. */
uint64_t mr_memory_in_group(void);

/* mr_shmem_huge_word: may shared memory have transparent huge pages: "always", "advise", "never" … Returns text. */
const char *mr_shmem_huge_word(char *text, size_t bytes);

/* mr_huge_mapped: bytes of the shared memory mapped in [start, start + bytes) that lie on transparent huge pages. */
uint64_t mr_huge_mapped(const void *start, size_t bytes);

#endif
