/* The arena against the machine it runs on. What changes the machine (reserved huge pages) is put back. */
#include "lib/sys/arena.h"
#include "lib/sys/file.h"
#include "lib/sys/meminfo.h"
#include "lib/sys/thread.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB   ((size_t)1 << 20)
#define POOL  "/proc/sys/vm/nr_hugepages"
#define SHMEM "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* ---- the machine's huge pages, lent to one test at a time ---- */

static int pool_lock = -1;
static char pool_before[24], shmem_before[24];

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

/* Criterion runs tests side by side; each that changes the pool of the machine waits for the others. */
static void borrow_pool(void)
{
    pool_lock = open("/proc/self/exe", O_RDONLY);
    flock(pool_lock, LOCK_EX);
    mr_file_read(pool_before, sizeof pool_before, POOL);
    mr_shmem_huge_word(shmem_before, sizeof shmem_before);
}

static void return_pool(void)
{
    write_text(POOL, pool_before);
    write_text(SHMEM, shmem_before);
    close(pool_lock);
}

static void need_free_pages(unsigned free_pages)
{
    char text[24];
    struct mr_huge_pages now = mr_huge_pages_read(-1, MR_PAGE_2M);
    snprintf(text, sizeof text, "%u", (unsigned)(now.total - now.free) + free_pages);
    write_text(POOL, text);
    if (mr_huge_pages_read(-1, MR_PAGE_2M).free != free_pages) {
        cr_skip("cannot have exactly %u free huge pages: needs root and %u MiB in whole 2 MiB pieces", free_pages,
                2 * free_pages);
    }
}

/* ---- arena ---- */

static struct mr_arena arena;
static struct mr_error error;

static int make(size_t mib, enum mr_huge huge, enum mr_numa numa)
{
    const int node = 0;
    const size_t bytes = mib * MIB;
    return mr_arena_create(&arena, 1, &node, &bytes, huge, numa, &error);
}

static void expect_usable(void)
{
    cr_assert_eq((uintptr_t)arena.base % MR_ARENA_PAGE, 0);
    for (uint32_t i = 0; i < arena.n; i++) {
        const struct mr_arena_segment *s = &arena.segments[i];
        cr_assert_eq(s->offset % MR_ARENA_PAGE, 0);
        cr_assert_leq(s->offset + s->bytes, arena.bytes);
        memset(arena.base + s->offset, (int)i + 1, s->bytes);
        unsigned char *again = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, s->fd, 0);
        cr_assert_neq(again, MAP_FAILED, "a second mapping of the memfd");
        cr_assert_eq(again[0], i + 1);
        cr_assert_eq(again[s->bytes - 1], i + 1);
        munmap(again, s->bytes);
    }
}

Test(arena, plain_pages_are_touched_and_in_place)
{
    const int nodes[] = {0, -1};
    const size_t bytes[] = {4 * MIB, 3 * MIB};
    struct mr_usage before, after;
    cr_assert_eq(mr_arena_create(&arena, 2, nodes, bytes, MR_HUGE_OFF, MR_NUMA_STRICT, &error), 0, "%s", error.text);
    cr_assert_eq(arena.segments[0].page_bytes, (size_t)sysconf(_SC_PAGESIZE));
    cr_assert_eq(arena.segments[1].bytes, 4 * MIB, "rounded up to whole 2 MiB");
    cr_assert_eq(arena.segments[0].huge_bytes, 0);
    cr_assert_eq(arena.segments[0].misplaced, 0);
    mr_usage_thread(&before);
    memset(arena.base, 1, 4 * MIB);
    mr_usage_thread(&after);
    cr_assert_lt(after.minor_faults - before.minor_faults, 512, "of 1024 pages: they were touched at build");
    expect_usable();
    mr_arena_destroy(&arena);
    cr_assert_null(arena.base);
}

Test(arena, huge_pages, .init = borrow_pool, .fini = return_pool)
{
    need_free_pages(6);
    cr_assert_eq(make(12, MR_HUGE_REQUIRED, MR_NUMA_STRICT), 0, "%s", error.text);
    cr_assert_eq(arena.segments[0].page_bytes, MR_PAGE_2M);
    cr_assert_eq(arena.segments[0].huge_bytes, 12 * MIB);
    cr_assert_eq(arena.segments[0].misplaced, 0);
    cr_assert_eq(mr_huge_pages_read(-1, MR_PAGE_2M).free, 0);
    expect_usable();
    mr_arena_destroy(&arena);
    cr_assert_eq(mr_huge_pages_read(-1, MR_PAGE_2M).free, 6, "given back");
}

Test(arena, too_few_huge_pages_named, .init = borrow_pool, .fini = return_pool)
{
    need_free_pages(5);
    cr_assert_eq(make(12, MR_HUGE_REQUIRED, MR_NUMA_AUTO), -ENOMEM);
    cr_assert_eq(error.fault, MR_FAULT_MACHINE);
    cr_assert_not_null(strstr(error.text, "6 pages of 2 MiB are needed"), "%s", error.text);
    cr_assert_not_null(strstr(error.text, "5 are free"), "%s", error.text);
    cr_assert_not_null(strstr(error.text, "sysctl -w vm.nr_hugepages="), "%s", error.text);
    cr_assert_null(arena.base, "unwound");
    cr_assert_eq(mr_huge_pages_read(-1, MR_PAGE_2M).free, 5, "unwound");
}

/* Two segments, pages for the first only: the whole is unwound. */
Test(arena, too_few_for_the_second_segment, .init = borrow_pool, .fini = return_pool)
{
    const int nodes[] = {0, 0};
    const size_t bytes[] = {8 * MIB, 8 * MIB};
    need_free_pages(6);
    cr_assert_eq(mr_arena_create(&arena, 2, nodes, bytes, MR_HUGE_REQUIRED, MR_NUMA_STRICT, &error), -ENOMEM);
    cr_assert_not_null(strstr(error.text, "/node0/hugepages/"), "%s", error.text);
    cr_assert_eq(mr_huge_pages_read(-1, MR_PAGE_2M).free, 6, "unwound");
}

/* The command that the error names must be one that helps. */
Test(arena, the_named_command_helps, .init = borrow_pool, .fini = return_pool)
{
    char command[64] = "";
    need_free_pages(2);
    cr_assert_lt(make(12, MR_HUGE_REQUIRED, MR_NUMA_AUTO), 0);
    sscanf(strstr(error.text, "nr_hugepages=") + strlen("nr_hugepages="), "%60[0-9]", command);
    cr_assert(write_text(POOL, command));
    cr_assert_eq(make(12, MR_HUGE_REQUIRED, MR_NUMA_AUTO), 0, "%s", error.text);
    mr_arena_destroy(&arena);
}

Test(arena, auto_falls_back_and_says_so, .init = borrow_pool, .fini = return_pool)
{
    need_free_pages(3);
    write_text(SHMEM, "never");
    cr_assert_eq(make(12, MR_HUGE_AUTO, MR_NUMA_AUTO), 0, "%s", error.text);
    cr_assert_eq(arena.segments[0].page_bytes, (size_t)sysconf(_SC_PAGESIZE));
    cr_assert_not(arena.segments[0].transparent);
    cr_assert_not_null(strstr(arena.note, "6 pages of 2 MiB were needed, 3 were free"), "%s", arena.note);
    cr_assert_not_null(strstr(arena.note, "shmem_enabled is never"), "%s", arena.note);
    expect_usable();
    mr_arena_destroy(&arena);
}

Test(arena, transparent_pages_are_counted, .init = borrow_pool, .fini = return_pool)
{
    need_free_pages(0);
    if (!write_text(SHMEM, "advise")) {
        cr_skip("cannot allow transparent huge pages for shared memory: needs root");
    }
    cr_assert_eq(make(12, MR_HUGE_AUTO, MR_NUMA_AUTO), 0, "%s", error.text);
    cr_assert(arena.segments[0].transparent);
    cr_assert_gt(arena.segments[0].huge_bytes, 0);
    cr_assert_not_null(strstr(arena.note, "transparent huge"), "%s", arena.note);
    expect_usable();
    mr_arena_destroy(&arena);
}

Test(arena, too_much_is_an_error_and_no_death)
{
    const int node = 0;
    const size_t bytes = mr_memory_available(-1) + 64 * MIB;
    int rc = mr_arena_create(&arena, 1, &node, &bytes, MR_HUGE_OFF, MR_NUMA_AUTO, &error);
    cr_assert_eq(rc, -ENOMEM);
    cr_assert_eq(error.fault, MR_FAULT_MACHINE);
    cr_assert_not_null(strstr(error.text, "are available"), "%s", error.text);
}

Test(arena, absent_node)
{
    const int node = numa_max_node() + 1;
    const size_t bytes = 2 * MIB;
    cr_assert_lt(mr_arena_create(&arena, 1, &node, &bytes, MR_HUGE_OFF, MR_NUMA_STRICT, &error), 0);
    cr_assert_not_null(strstr(error.text, "numa: strict"), "%s", error.text);
    cr_assert_eq(mr_arena_create(&arena, 1, &node, &bytes, MR_HUGE_OFF, MR_NUMA_AUTO, &error), 0, "%s", error.text);
    cr_assert_eq(arena.segments[0].misplaced, 2 * MIB / (size_t)sysconf(_SC_PAGESIZE));
    cr_assert_not_null(strstr(arena.note, "another node"), "%s", arena.note);
    mr_arena_destroy(&arena);
}
