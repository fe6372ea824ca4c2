#include "lib/sys/arena_parts.h"
#include "lib/sys/meminfo.h"

#include <errno.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SAMPLE_PAGES 4096u /* asked of move_pages, evenly spread */

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* ---- the range of addresses ---- */

/* 1 GiB pages need addresses and lengths of whole GiB: such a segment is laid out for them, and may still get smaller
 * ones when somebody else was quicker. */
static size_t unit_of(const struct mr_arena_maker *m, const struct mr_arena_segment *s)
{
    if (m->huge == MR_HUGE_OFF || s->bytes < MR_PAGE_1G) {
        return MR_ARENA_PAGE;
    }
    struct mr_huge_pages giant = mr_huge_pages_read(mr_arena_binds(m, s) ? s->node : -1, MR_PAGE_1G);
    return giant.free >= round_up(s->bytes, MR_PAGE_1G) / MR_PAGE_1G ? MR_PAGE_1G : MR_ARENA_PAGE;
}

static int reserve(struct mr_arena_maker *m)
{
    struct mr_arena *a = m->arena;
    size_t align = MR_ARENA_PAGE;
    for (uint32_t i = 0; i < a->n; i++) {
        struct mr_arena_segment *s = &a->segments[i];
        size_t unit = unit_of(m, s);
        align = unit > align ? unit : align;
        s->page_bytes = unit;
        s->bytes = round_up(s->bytes, unit);
        s->offset = round_up(a->bytes, unit);
        a->bytes = s->offset + s->bytes;
    }
    unsigned char *all = mmap(NULL, a->bytes + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return mr_error_set(m->err, MR_FAULT_MACHINE, errno, "arena: no %zu MiB of address space: %s%s",
                            (a->bytes + align) >> 20, strerror(errno), mr_error_remedy(errno));
    }
    a->base = (unsigned char *)round_up((uintptr_t)all, align);
    munmap(all, (size_t)(a->base - all));
    munmap(a->base + a->bytes, align - (size_t)(a->base - all));
    return 0;
}

/* ---- what was obtained ---- */

static int verify(struct mr_arena_maker *m, struct mr_arena_segment *s)
{
    size_t pages = s->bytes / s->page_bytes, n = pages < SAMPLE_PAGES ? pages : SAMPLE_PAGES;
    void **page = calloc(n, sizeof *page);
    int *node = calloc(n, sizeof *node);
    for (size_t i = 0; i < n && page != NULL; i++) {
        page[i] = mr_arena_at(m, s) + i * pages / n * s->page_bytes;
    }
    int rc = page == NULL || node == NULL ? -ENOMEM : 0;
    if (rc == 0 && move_pages(0, n, page, NULL, node, 0) < 0) {
        rc = -errno;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        s->misplaced += node[i] != s->node;
    }
    free(page);
    free(node);
    m->unverified = rc < 0 ? rc : m->unverified;
    if (m->numa != MR_NUMA_STRICT || (rc == 0 && s->misplaced == 0)) {
        return 0;
    }
    if (rc < 0) {
        return mr_error_set(m->err, MR_FAULT_MACHINE, rc,
                            "arena: numa: strict, but where pages lie cannot be verified: %s%s, or set numa: auto",
                            strerror(-rc), rc == -EPERM ? "; a container needs CAP_SYS_NICE for it" : mr_error_remedy(rc));
    }
    return mr_error_set(
        m->err, MR_FAULT_MACHINE, ENOMEM,
        "arena: numa: strict, but %zu of %zu pages looked at lie elsewhere than on node %d; free memory "
        "there, or set numa: auto",
        s->misplaced, n, s->node);
}

static int make_segment(struct mr_arena_maker *m, struct mr_arena_segment *s)
{
    int rc = mr_arena_obtain(m, s);
    if (rc < 0) {
        return rc;
    }
    s->huge_bytes = s->page_bytes >= MR_PAGE_2M ? s->bytes : mr_huge_mapped(mr_arena_at(m, s), s->bytes);
    return mr_arena_binds(m, s) ? verify(m, s) : 0;
}

__attribute__((format(printf, 2, 3))) static void add(struct mr_arena *a, const char *format, ...)
{
    size_t used = strlen(a->note);
    va_list args;
    va_start(args, format);
    vsnprintf(a->note + used, sizeof a->note - used, format, args);
    va_end(args);
}

static void describe(const struct mr_arena_maker *m)
{
    struct mr_arena *a = m->arena;
    size_t giant = 0, huge = 0, small = 0, joined = 0, misplaced = 0;
    char word[24];
    for (uint32_t i = 0; i < a->n; i++) {
        const struct mr_arena_segment *s = &a->segments[i];
        *(s->page_bytes == MR_PAGE_1G ? &giant : s->page_bytes == MR_PAGE_2M ? &huge : &small) += s->bytes >> 20;
        joined += s->transparent ? s->huge_bytes >> 20 : 0;
        misplaced += s->misplaced;
    }
    const size_t mib[] = {giant, huge, small};
    const char *const page[] = {"1 GiB", "2 MiB", "4 KiB"};
    for (int i = 0; i < 3; i++) {
        if (mib[i] != 0) {
            add(a, "%s%zu MiB on %s pages", a->note[0] == 0 ? "" : ", ", mib[i], page[i]);
        }
    }
    if (joined != 0) {
        add(a, ", %zu MiB of them transparent huge", joined);
    }
    if (m->needed != 0) {
        add(a, ": %zu pages of 2 MiB were needed, %zu were free (sysctl vm.nr_hugepages)%s%s", m->needed, m->free,
            joined != 0 ? "" : ", transparent ones of shared memory: shmem_enabled is ",
            joined != 0 ? "" : mr_shmem_huge_word(word, sizeof word));
    }
    if (misplaced != 0) {
        add(a, "; %zu of the pages looked at lie on another node", misplaced);
    }
    if (m->unbound < 0 || m->unverified < 0) {
        add(a, "; node not %s: %s", m->unbound < 0 ? "bound" : "verified",
            strerror(m->unbound < 0 ? -m->unbound : -m->unverified));
    }
}

int mr_arena_create(struct mr_arena *a, uint32_t n, const int *nodes, const size_t *bytes, enum mr_huge huge,
                    enum mr_numa numa, struct mr_error *err)
{
    struct mr_arena_maker m = {.arena = a, .huge = huge, .numa = numa, .err = err};
    memset(a, 0, sizeof *a);
    if (n == 0 || n > MR_NODES_MAX) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "arena: %u nodes; 1 to %u are possible", n, MR_NODES_MAX);
    }
    a->n = n;
    for (uint32_t i = 0; i < n; i++) {
        a->segments[i] = (struct mr_arena_segment){.node = nodes[i], .bytes = bytes[i], .fd = -1};
    }
    int rc = reserve(&m);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = make_segment(&m, &a->segments[i]);
    }
    if (rc < 0) {
        mr_arena_destroy(a);
        return rc;
    }
    describe(&m);
    return 0;
}

void mr_arena_destroy(struct mr_arena *a)
{
    if (a->base != NULL) {
        munmap(a->base, a->bytes);
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->segments[i].fd >= 0) {
            close(a->segments[i].fd);
        }
    }
    memset(a, 0, sizeof *a);
}
