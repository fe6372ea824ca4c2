/* capture_write.c: the thread that hands lanes to the kernel. It may sleep and wait; nobody waits for it. */
#include "lib/port/capture_parts.h"
#include "lib/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS    1000000000ull
#define WRITE_BYTES  (256u << 10) /* in one call: more saves no time, and the lane's room comes back later */
#define NAP_BYTES    (64u << 10)  /* who found less has time */
#define NAP_LEAST_NS 50000l     /* a lane fills by some kilobytes meanwhile, at a million frames a second */
#define NAP_MOST_NS  1000000l   /* how late a quiet file is */
enum { PIPE_LOOK_MS = 20 };     /* how late a stop is seen by who waits for a pipe's reader */

static void nap(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

void mr_capture_renew(struct mr_capture *c)
{
    struct timespec wall;
    uint32_t next = (c->anchor + 1) % MR_CAPTURE_ANCHORS;
    uint64_t before = mr_ticks();
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t ticks = before + (mr_ticks() - before) / 2;
    __atomic_store_n(&c->anchors[next].ticks, ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&c->anchors[next].ns, (uint64_t)wall.tv_sec * SECOND_NS + (uint64_t)wall.tv_nsec, __ATOMIC_RELAXED);
    mr_store_release(&c->anchor, next);
    c->renew_ns = mr_now_ns() + SECOND_NS;
}

/* ---- bytes ---- */

/* Asked to stop, a pipe may be slow, but neither silent nor endless. */
static bool given_up(struct mr_capture *c)
{
    uint64_t now = mr_now_ns();
    if (mr_load_acquire(&c->give_up) != 0) {
        return true;
    }
    if (mr_load_acquire(&c->stop) == 0) {
        return false;
    }
    c->silent_ns = c->silent_ns == 0 ? now + MR_CAPTURE_SILENCE_NS : c->silent_ns;
    c->end_ns = c->end_ns == 0 ? now + MR_CAPTURE_END_NS : c->end_ns;
    return now > c->silent_ns || now > c->end_ns;
}

/* What poll calls writable takes PIPE_BUF without waiting; a regular file is not asked. 0 or an errno. */
static int wait_for_reader(struct mr_capture *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    do { // asked first: who takes a little within each look would not be bounded
        if (given_up(c)) {
            return ETIMEDOUT;
        }
    } while (poll(&p, 1, PIPE_LOOK_MS) <= 0);
    return 0;
}

/* All of it, or how much before the errno in *error. */
static uint32_t write_bytes(struct mr_capture *c, const unsigned char *at, uint32_t bytes, int *error)
{
    uint32_t done = 0;
    while (done < bytes && *error == 0) {
        uint32_t most = c->regular ? WRITE_BYTES : PIPE_BUF;
        *error = mr_load_acquire(&c->give_up) != 0 ? ETIMEDOUT : c->regular ? 0 : wait_for_reader(c);
        ssize_t n = *error != 0 ? 0 : write(c->fd, at + done, bytes - done < most ? bytes - done : most);
        if (n >= 0) {
            done += (uint32_t)n;
            c->silent_ns = n > 0 ? 0 : c->silent_ns;
        } else if (errno != EINTR && errno != EAGAIN) {
            *error = errno;
        }
    }
    return done;
}

/* ---- the file ---- */

static void end_by(struct mr_capture *c, int error)
{
    if (c->regular && ftruncate(c->fd, (off_t)(c->begin + c->whole)) < 0) {
        error = errno; // worse than the first: the file ends within a record
    }
    __atomic_store_n(&c->error, error, __ATOMIC_RELEASE);
}

/* Where our first byte comes to lie: what a shell opened by >> has a beginning already. */
static uint64_t begin_of(const struct mr_capture *c)
{
    struct stat st;
    if (!c->is_stdout || !c->regular) {
        return 0;
    }
    bool appends = (fcntl(c->fd, F_GETFL) & O_APPEND) != 0;
    off_t at = appends ? (fstat(c->fd, &st) == 0 ? st.st_size : 0) : lseek(c->fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

static void begin(struct mr_capture *c)
{
    int error = 0;
    c->begin = begin_of(c);
    if (c->regular && !c->is_stdout && ftruncate(c->fd, 0) < 0) {
        error = errno;
    }
    if (write_bytes(c, c->header, c->header_bytes, &error) == c->header_bytes) {
        c->whole = c->header_bytes;
    }
    if (error != 0) {
        end_by(c, error);
    }
}

static void finish(struct mr_capture *c)
{
    int fd = c->fd;
    c->fd = c->is_stdout ? fd : -1;
    if (!c->is_stdout && close(fd) < 0 && c->error == 0) { // quotas and networks tell so late
        __atomic_store_n(&c->error, errno, __ATOMIC_RELEASE);
    }
}

/* ---- lanes ---- */

struct records {
    uint64_t n, frame_bytes;
    uint32_t bytes;
};

/* Whole records within `bytes`. */
static struct records count(const struct mr_capture *c, const unsigned char *at, uint32_t bytes)
{
    struct records r = {0};
    while (r.bytes < bytes) {
        uint32_t kept;
        uint32_t record = mr_capture_record_read(c->format, at + r.bytes, &kept);
        if (record > bytes - r.bytes) {
            break;
        }
        r.bytes += record;
        r.frame_bytes += kept;
        r.n++;
    }
    return r;
}

/* What is visible goes to the file, or away once that has failed. The kernel may take a part of a record; then an error
 * follows. Returns how many bytes left the lane. */
static uint32_t drain(struct mr_capture *c, struct mr_capture_lane *lane)
{
    unsigned char *at;
    int error = 0;
    uint32_t bytes = mr_byte_ring_peek(&lane->ring, &at);
    struct records all = count(c, at, bytes < WRITE_BYTES ? bytes : WRITE_BYTES);
    struct records written = all;
    uint32_t done = c->error != 0 ? 0 : write_bytes(c, at, all.bytes, &error);
    if (done < all.bytes) {
        written = count(c, at, done);
    }
    c->whole += written.bytes;
    if (error != 0) {
        end_by(c, error);
    }
    mr_byte_ring_release(&lane->ring, all.bytes);
    mr_count(&lane->frames, written.n);
    mr_count(&lane->bytes, written.frame_bytes);
    mr_count(&lane->discarded, all.n - written.n);
    return all.bytes;
}

static uint32_t drain_all(struct mr_capture *c)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < c->n_lanes; i++) {
        bytes += drain(c, &c->lanes[i]);
    }
    return bytes;
}

/* false: stopped before it went. */
static bool wait_to_go(struct mr_capture *c)
{
    while (mr_load_acquire(&c->go) == 0) {
        if (mr_load_acquire(&c->stop) != 0) {
            return false;
        }
        nap(NAP_MOST_NS);
    }
    return true;
}

void *mr_capture_main(void *arg)
{
    struct mr_capture *c = arg;
    long idle_ns = NAP_LEAST_NS;
    if (!wait_to_go(c)) {
        return NULL;
    }
    begin(c);
    for (;;) {
        bool last = mr_load_acquire(&c->stop) != 0; // then all that was ever put is visible
        uint32_t bytes = drain_all(c);
        if (last && bytes == 0) {
            break;
        }
        if (mr_now_ns() >= c->renew_ns) {
            mr_capture_renew(c);
        }
        idle_ns = bytes != 0 ? NAP_LEAST_NS : idle_ns * 2 < NAP_MOST_NS ? idle_ns * 2 : NAP_MOST_NS;
        if (bytes < NAP_BYTES && !last) {
            nap(idle_ns);
        }
    }
    finish(c);
    return NULL;
}
