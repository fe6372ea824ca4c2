#include "lib/sys/meminfo.h"

#include "lib/sys/file.h"

#include <inttypes.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_DIR "/sys/kernel/mm/hugepages/hugepages-%zukB"
#define NO_LIMIT ((int64_t)1 << 60) /* the first version of control groups writes the most pages there are, as bytes */
#define NODE_DIR "/sys/devices/system/node/node%d"

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

/* Promised pages are counted for the whole machine only, so a node's free ones may be promised too. */
struct mr_huge_pages mr_huge_pages_read(int node, size_t page_bytes)
{
    size_t kb = page_bytes >> 10;
    int64_t total = mr_file_number(0, HUGE_DIR "/nr_hugepages", kb);
    int64_t free_pages =
        mr_file_number(0, HUGE_DIR "/free_hugepages", kb) - mr_file_number(0, HUGE_DIR "/resv_hugepages", kb);
    if (node >= 0) {
        int64_t here = mr_file_number(0, NODE_DIR "/hugepages/hugepages-%zukB/free_hugepages", node, kb);
        total = mr_file_number(0, NODE_DIR "/hugepages/hugepages-%zukB/nr_hugepages", node, kb);
        free_pages = here < free_pages ? here : free_pages;
    }
    return (struct mr_huge_pages){positive(total), positive(free_pages)};
}

/* A node tells no MemAvailable: its free pages and its file cache stand for it. The only node is the machine. */
uint64_t mr_memory_available(int node)
{
    char text[4096];
    uint64_t kb = 0, active = 0, inactive = 0;
    if (node < 0 || numa_available() < 0 || numa_max_node() == 0) {
        mr_file_read(text, sizeof text, "/proc/meminfo");
        return mr_text_number(text, "MemAvailable:", &kb) ? kb << 10 : UINT64_MAX;
    }
    mr_file_read(text, sizeof text, NODE_DIR "/meminfo", node);
    if (!mr_text_number(text, "MemFree:", &kb)) {
        return UINT64_MAX;
    }
    mr_text_number(text, "Active(file):", &active);
    mr_text_number(text, "Inactive(file):", &inactive);
    return (kb + active + inactive) << 10;
}

/* ---- control groups ---- */

struct group_files {
    const char *root, *limit, *usage, *inactive;
};

static const struct group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                             "total_inactive_file "};
static const struct group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};

/* What one group leaves: file cache that nobody used of late gives way. */
static uint64_t left_in(const struct group_files *f, const char *path)
{
    char text[4096];
    uint64_t cache = 0;
    int64_t limit = mr_file_number(INT64_MAX, "%s%s/%s", f->root, path, f->limit);
    int64_t usage = mr_file_number(0, "%s%s/%s", f->root, path, f->usage);
    if (limit > NO_LIMIT) {
        return UINT64_MAX;
    }
    mr_file_read(text, sizeof text, "%s%s/memory.stat", f->root, path);
    mr_text_number(text, f->inactive, &cache);
    return positive(limit - usage + (int64_t)cache);
}

/* The line "9:memory:/path" of the first version, or "0::/path" of the second. */
static const struct group_files *find_group(char *path, size_t bytes)
{
    char text[4096];
    mr_file_read(text, sizeof text, "/proc/self/cgroup");
    const char *first = strstr(text, ":memory:"), *second = strstr(text, "0::");
    const char *at = first != NULL ? first + strlen(":memory:") : second != NULL ? second + strlen("0::") : "";
    snprintf(path, bytes, "%.*s", (int)strcspn(at, "\n"), at);
    return first != NULL ? &version_1 : second != NULL ? &version_2 : NULL;
}

uint64_t mr_memory_in_group(void)
{
    char path[200];
    uint64_t least = UINT64_MAX;
    const struct group_files *files = find_group(path, sizeof path);
    for (char *slash = path; files != NULL && slash != NULL; ) { // each group, then the one above it
        uint64_t left = left_in(files, path);
        least = left < least ? left : least;
        slash = strrchr(path, '/');
        if (slash != NULL) {
            *slash = 0;
        }
    }
    return least;
}

const char *mr_shmem_huge_word(char *text, size_t bytes)
{
    char all[128];
    mr_file_read(all, sizeof all, "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    char *open = strchr(all, '['), *close = strchr(all, ']');
    if (open == NULL || close == NULL) {
        snprintf(text, bytes, "not in this kernel");
        return text;
    }
    snprintf(text, bytes, "%.*s", (int)(close - open - 1), open + 1);
    return text;
}

uint64_t mr_huge_mapped(const void *start, size_t bytes)
{
    uint64_t from = (uintptr_t)start, low, high, kb, sum = 0;
    bool inside = false;
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen("/proc/self/smaps", "re");
    while (f != NULL && getline(&line, &room, f) >= 0) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &low, &high) == 2) {
            inside = low >= from && high <= from + bytes;
        } else if (inside && sscanf(line, "ShmemPmdMapped: %" SCNu64, &kb) == 1) {
            sum += kb << 10;
        }
    }
    free(line);
    if (f != NULL) {
        fclose(f);
    }
    return sum;
}
