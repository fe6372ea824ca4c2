/* arena_pages.c: pages for one segment: 1 GiB, 2 MiB, transparent or plain, the first kind that can be had.
 *
 * Nothing here uses MAP_NORESERVE: with it, too few huge pages would be told by SIGBUS at the touch.
 */
#include "lib/sys/arena_parts.h"
#include "lib/sys/meminfo.h"

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROUP_SPARE (8u << 20) /* for all that is taken after the arena: tables, stacks, the report */

static int open_pages(const struct mr_arena_segment *s, size_t page_bytes)
{
    char name[32];
    unsigned size_flag =
        page_bytes >= MR_PAGE_2M ? MFD_HUGETLB | (unsigned)__builtin_ctzl(page_bytes) << MAP_HUGE_SHIFT : 0;
    snprintf(name, sizeof name, "millrace-node%d", s->node);
    int fd = memfd_create(name, MFD_CLOEXEC | size_flag);
    if (fd >= 0 && ftruncate(fd, (off_t)s->bytes) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* Back to bare reservation, so that other pages can be tried, or nothing is left behind. */
static void give_back(const struct mr_arena_maker *m, struct mr_arena_segment *s)
{
    mmap(mr_arena_at(m, s), s->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    close(s->fd);
    s->fd = -1;
}

static int map_pages(struct mr_arena_maker *m, struct mr_arena_segment *s, size_t page_bytes)
{
    m->step = "make a memfd";
    s->fd = open_pages(s, page_bytes);
    if (s->fd < 0) {
        return -errno;
    }
    m->step = "map memory";
    void *mapped = mmap(mr_arena_at(m, s), s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, 0);
    if (mapped == MAP_FAILED) {
        int rc = -errno;
        give_back(m, s);
        return rc;
    }
    s->page_bytes = page_bytes;
    return 0;
}

/* Strictly, or by preference: a full node with MPOL_BIND would wake the OOM killer, so auto lets pages go elsewhere,
 * and the verification counts them. */
static int bind_node(struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    struct bitmask *mask = numa_allocate_nodemask();
    numa_bitmask_setbit(mask, (unsigned)s->node);
    int mode = m->numa == MR_NUMA_STRICT ? MPOL_BIND : MPOL_PREFERRED;
    int rc = mbind(mr_arena_at(m, s), s->bytes, mode, mask->maskp, mask->size + 1, 0) < 0 ? -errno : 0;
    numa_free_nodemask(mask);
    if (rc < 0 && m->numa == MR_NUMA_STRICT) {
        return mr_error_set(
            m->err, MR_FAULT_MACHINE, rc, "arena: numa: strict, but memory cannot be bound to node %d: %s; %s", s->node,
            strerror(-rc),
            rc == -EPERM ? "a container needs CAP_SYS_NICE for it, or set numa: auto"
                         : "the node has no memory or is outside the cpuset; name another, or numa: auto");
    }
    m->unbound = rc < 0 ? rc : m->unbound;
    return 0;
}

/* Before Linux 5.14: fallocate takes the pages and can fail; only then the loop touches them, and cannot. */
static int touch_by_hand(const struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    if (fallocate(s->fd, 0, 0, (off_t)s->bytes) < 0) {
        return -errno;
    }
    for (size_t i = 0; i < s->bytes; i += s->page_bytes) {
        __atomic_store_n(mr_arena_at(m, s) + i, 0, __ATOMIC_RELAXED);
    }
    return 0;
}

static int touch(const struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    while (madvise(mr_arena_at(m, s), s->bytes, MADV_POPULATE_WRITE) < 0) {
        if (errno == EINVAL) {
            return touch_by_hand(m, s);
        }
        if (errno != EINTR && errno != EAGAIN) {
            return errno == EFAULT ? -ENOMEM : -errno; // EFAULT: where a touch would have been a SIGBUS
        }
    }
    return 0;
}

/* 0; -errno when there are no such pages, to try others; err is filled only when `*fatal`. */
static int try_pages(struct mr_arena_maker *m, struct mr_arena_segment *s, size_t page_bytes, bool *fatal)
{
    char word[24];
    int rc = map_pages(m, s, page_bytes);
    if (rc < 0) {
        return rc;
    }
    if (mr_arena_binds(m, s) && (rc = bind_node(m, s)) < 0) {
        *fatal = true;
        return rc;
    }
    if (page_bytes < MR_PAGE_2M && m->huge != MR_HUGE_OFF) {
        const char *allowed = mr_shmem_huge_word(word, sizeof word);
        s->transparent = madvise(mr_arena_at(m, s), s->bytes, MADV_HUGEPAGE) == 0 && strcmp(allowed, "never") != 0 &&
                         strcmp(allowed, "deny") != 0;
    } else if (page_bytes < MR_PAGE_2M) {
        madvise(mr_arena_at(m, s), s->bytes, MADV_NOHUGEPAGE);
    }
    m->step = "take pages for memory";
    rc = touch(m, s);
    if (rc < 0) {
        give_back(m, s);
    }
    return rc;
}

/* What must be reserved for this segment and those behind it, and how; the figure is what the kernel wants written. */
static int too_few(const struct mr_arena_maker *m, const struct mr_arena_segment *s, int rc)
{
    bool here = mr_arena_binds(m, s) && m->numa == MR_NUMA_STRICT;
    struct mr_huge_pages pages = mr_huge_pages_read(here ? s->node : -1, MR_PAGE_2M);
    char command[120];
    size_t needed = 0;
    for (const struct mr_arena_segment *k = s; k < m->arena->segments + m->arena->n; k++) {
        needed += !here || k->node == s->node ? k->bytes / MR_PAGE_2M : 0;
    }
    if (pages.free >= needed) {
        return mr_error_set(m->err, MR_FAULT_MACHINE, rc,
                            "arena: huge_pages: required, and %zu pages of 2 MiB are free, but cannot %s of %zu MiB on them: "
                            "%s%s, or set huge_pages: auto",
                            (size_t)pages.free, m->step, s->bytes >> 20, strerror(-rc), mr_error_remedy(rc));
    }
    size_t wanted = pages.total + needed - (pages.free < needed ? pages.free : needed);
    if (here) {
        snprintf(command, sizeof command,
                 "echo %zu > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", wanted, s->node);
    } else {
        snprintf(command, sizeof command, "sysctl -w vm.nr_hugepages=%zu", wanted);
    }
    return mr_error_set(m->err, MR_FAULT_MACHINE, rc,
                        "arena: huge_pages: required, but %zu pages of 2 MiB are needed%s and %zu are free: %s; "
                        "reserve them with: %s, or set huge_pages: auto",
                        needed, here ? " on that node" : "", (size_t)pages.free, strerror(-rc), command);
}

/* Asked before, since a touch that finds no memory is answered by the OOM killer. */
static int plain(struct mr_arena_maker *m, struct mr_arena_segment *s)
{
    int node = mr_arena_binds(m, s) && m->numa == MR_NUMA_STRICT ? s->node : -1;
    uint64_t available = mr_memory_available(node);
    bool fatal = false;
    if (available < s->bytes) {
        return mr_error_set(m->err, MR_FAULT_MACHINE, ENOMEM,
                            "arena: %zu MiB of memory are needed%s, %zu are available: %s; lower memory.chunks",
                            s->bytes >> 20, node < 0 ? "" : " on one node (numa: strict)", (size_t)(available >> 20),
                            strerror(ENOMEM));
    }
    uint64_t in_group = mr_memory_in_group();
    if (in_group < s->bytes + GROUP_SPARE) {
        return mr_error_set(m->err, MR_FAULT_MACHINE, ENOMEM,
                            "arena: %zu MiB of memory are needed, and %u MiB beside them; %zu are left in this control group; "
                            "raise its limit (memory.max), or lower memory.chunks",
                            s->bytes >> 20, GROUP_SPARE >> 20, (size_t)(in_group >> 20));
    }
    int rc = try_pages(m, s, (size_t)sysconf(_SC_PAGESIZE), &fatal);
    if (rc < 0 && !fatal) {
        mr_error_set(m->err, MR_FAULT_MACHINE, rc, "arena: cannot %s of %zu MiB: %s%s%s", m->step, s->bytes >> 20,
                     strerror(-rc), mr_error_remedy(rc), rc == -ENOMEM ? ", or lower memory.chunks" : "");
    }
    return rc;
}

int mr_arena_obtain(struct mr_arena_maker *m, struct mr_arena_segment *s)
{
    static const size_t sizes[] = {MR_PAGE_1G, MR_PAGE_2M};
    size_t unit = s->page_bytes;
    int rc = -ENOMEM;
    bool fatal = false;
    for (size_t i = 0; i < 2 && m->huge != MR_HUGE_OFF; i++) {
        rc = sizes[i] > unit ? rc : try_pages(m, s, sizes[i], &fatal);
        if (rc == 0 || fatal) {
            return rc;
        }
    }
    if (m->huge == MR_HUGE_REQUIRED) {
        return too_few(m, s, rc);
    }
    if (m->huge != MR_HUGE_OFF) {
        m->free = m->needed == 0 ? mr_huge_pages_read(-1, MR_PAGE_2M).free : m->free;
        m->needed += s->bytes / MR_PAGE_2M;
    }
    return plain(m, s);
}
