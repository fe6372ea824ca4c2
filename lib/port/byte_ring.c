#include "lib/port/byte_ring.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t round_up(uint32_t bytes)
{
    uint32_t capacity = (uint32_t)sysconf(_SC_PAGESIZE);
    while (capacity < bytes) {
        capacity *= 2;
    }
    return capacity;
}

/* Both halves over one reservation: MAP_FIXED replaces what is ours already. */
static unsigned char *map_twice(int fd, uint32_t capacity)
{
    const int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
    unsigned char *both = mmap(NULL, 2ul * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED) {
        return NULL;
    }
    if (mmap(both, capacity, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED ||
        mmap(both + capacity, capacity, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
        int code = errno;
        munmap(both, 2ul * capacity);
        errno = code;
        return NULL;
    }
    return both;
}

int mr_byte_ring_init(struct mr_byte_ring *r, uint32_t bytes, int node)
{
    struct mr_node_policy before;
    memset(r, 0, sizeof *r);
    if (bytes > MR_BYTE_RING_MAX) {
        return -EINVAL;
    }
    r->capacity = round_up(bytes);
    r->limit = r->capacity;
    int fd = memfd_create("millrace-bytes", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    mr_node_prefer(&before, node);
    if (ftruncate(fd, r->capacity) == 0) {
        r->bytes = map_twice(fd, r->capacity);
    }
    int code = errno;
    mr_node_restore(&before);
    close(fd);
    return r->bytes != NULL ? 0 : -code;
}

void mr_byte_ring_fini(struct mr_byte_ring *r)
{
    if (r->bytes != NULL) {
        munmap(r->bytes, 2ul * r->capacity);
        r->bytes = NULL;
    }
}
