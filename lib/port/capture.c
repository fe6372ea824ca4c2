/* capture.c: the putting side of a capture, and its life. */
#include "lib/port/capture_parts.h"
#include "lib/sys/clock.h"
#include "lib/sys/node.h"
#include "lib/sys/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LANE_LEAST (1u << 20)

/* ---- opening ---- */

static int fail(const struct mr_capture *c, struct mr_error *err, const char *what, int code)
{
    const char *remedy = mr_error_remedy(code);
    return mr_error_set(err, remedy[0] != 0 ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, code, "%s: cannot %s: %s%s", c->name, what,
                        strerror(code), remedy);
}

/* Without blocking: the open of a FIFO would wait for a reader that may never come. */
static int open_file(struct mr_capture *c, const char *file, struct mr_error *err)
{
    struct stat st;
    c->is_stdout = strcmp(file, "-") == 0;
    snprintf(c->name, sizeof c->name, "%s", c->is_stdout ? "standard output" : file);
    c->fd = c->is_stdout ? STDOUT_FILENO : open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (c->fd < 0 && errno == ENXIO) {
        return mr_error_set(err, MR_FAULT_CONFIG, ENXIO, "%s: nobody reads this FIFO; start the reader first", c->name);
    }
    if (c->fd < 0) {
        return fail(c, err, "open it for writing", errno);
    }
    if (fstat(c->fd, &st) < 0) {
        return fail(c, err, "look at it", errno);
    }
    if (c->is_stdout && isatty(c->fd)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%s is a terminal, and a capture is no text; send it to a file "
                            "or a program, as | tcpdump -r -", c->name);
    }
    c->regular = S_ISREG(st.st_mode);
    c->device = st.st_dev;
    c->inode = st.st_ino;
    return 0;
}

static int make_lanes(struct mr_capture *c, const struct mr_capture_setup *setup)
{
    uint32_t bytes = setup->lane_bytes == 0 ? MR_CAPTURE_LANE_BYTES : setup->lane_bytes;
    c->lanes = mr_node_alloc(setup->n_lanes * sizeof *c->lanes, setup->node);
    c->n_lanes = c->lanes == NULL ? 0 : setup->n_lanes;
    for (uint32_t i = 0; i < c->n_lanes; i++) {
        c->lanes[i].capture = c;
        int rc = mr_byte_ring_init(&c->lanes[i].ring, bytes < LANE_LEAST ? LANE_LEAST : bytes, setup->node);
        if (rc < 0) {
            return rc;
        }
    }
    return c->lanes == NULL ? -ENOMEM : 0;
}

static int make(struct mr_capture *c, const struct mr_capture_setup *setup, struct mr_error *err)
{
    c->format = mr_capture_format_of(setup);
    c->snap = setup->snap == 0 ? UINT32_MAX : setup->snap;
    c->ns_per_tick = 1 / setup->ticks_per_ns;
    mr_capture_renew(c);
    int rc = mr_capture_header(c, setup);
    rc = rc < 0 ? rc : make_lanes(c, setup);
    if (rc < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, rc, "%s: no memory for %u lane%s of a capture: %s%s", c->name,
                            setup->n_lanes, setup->n_lanes == 1 ? "" : "s", strerror(-rc), mr_error_remedy(rc));
    }
    rc = mr_thread_start_anywhere(&c->thread, "mr-capture", mr_capture_main, c, err);
    c->started = rc == 0;
    return rc;
}

int mr_capture_open(const struct mr_capture_setup *setup, struct mr_capture **out, struct mr_error *err)
{
    struct mr_capture *c = mr_node_alloc(sizeof *c, -1);
    *out = NULL;
    if (c == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory for a capture; free some", setup->file);
    }
    int rc = open_file(c, setup->file, err);
    rc = rc < 0 ? rc : make(c, setup, err);
    if (rc < 0) {
        mr_capture_destroy(c);
        return rc;
    }
    *out = c;
    return 0;
}

void mr_capture_go(struct mr_capture *c)
{
    mr_store_release(&c->go, 1);
}

bool mr_capture_is(const struct mr_capture *c, uint64_t device, uint64_t inode)
{
    return c->regular && c->device == device && c->inode == inode;
}

bool mr_capture_file(const struct mr_capture *c, uint64_t *device, uint64_t *inode)
{
    *device = c->device;
    *inode = c->inode;
    return c->regular;
}

bool mr_capture_same(const struct mr_capture *a, const struct mr_capture *b)
{
    return mr_capture_is(a, b->device, b->inode);
}

struct mr_capture_lane *mr_capture_lane(struct mr_capture *c, uint32_t i)
{
    return &c->lanes[i];
}

/* ---- putting ---- */

static uint32_t kept_of(const struct mr_capture *c, uint32_t length)
{
    return length < c->snap ? length : c->snap;
}

bool mr_capture_has_room(struct mr_capture_lane *lane, uint32_t length)
{
    const struct mr_capture *c = lane->capture;
    return mr_byte_ring_reserve(&lane->ring, mr_capture_record_bytes(c->format, kept_of(c, length), NULL)) != NULL;
}

bool mr_capture_put(struct mr_capture_lane *lane, const struct mr_capture_record *r)
{
    const struct mr_capture *c = lane->capture;
    uint32_t kept = kept_of(c, r->length);
    uint32_t bytes = mr_capture_record_bytes(c->format, kept, r->comment);
    unsigned char *at = mr_byte_ring_reserve(&lane->ring, bytes);
    if (MR_UNLIKELY(at == NULL)) {
        return false;
    }
    mr_capture_record_write(c->format, at, r, kept, r->length + r->cut);
    mr_byte_ring_advance(&lane->ring, bytes);
    mr_count(&lane->put, 1);
    return true;
}

void mr_capture_offer(struct mr_capture_lane *lane, const struct mr_capture_record *r)
{
    if (MR_UNLIKELY(!mr_capture_put(lane, r))) {
        mr_count(&lane->lost, 1);
    }
}

uint64_t mr_capture_ns(const struct mr_capture *c, uint64_t ticks)
{
    const struct mr_capture_anchor *a = &c->anchors[mr_load_acquire(&c->anchor)];
    int64_t since = (int64_t)(ticks - __atomic_load_n(&a->ticks, __ATOMIC_RELAXED));
    return __atomic_load_n(&a->ns, __ATOMIC_RELAXED) + (uint64_t)(int64_t)((double)since * c->ns_per_tick);
}

/* ---- ending ---- */

int mr_capture_error(const struct mr_capture *c)
{
    return __atomic_load_n(&c->error, __ATOMIC_ACQUIRE);
}

void mr_capture_give_up(struct mr_capture *c)
{
    mr_store_release(&c->give_up, 1);
}

void mr_capture_end(struct mr_capture *c)
{
    mr_store_release(&c->stop, 1);
}

int mr_capture_stop(struct mr_capture *c)
{
    if (c->started) {
        mr_capture_end(c);
        pthread_join(c->thread, NULL);
        c->started = false;
    }
    return mr_capture_error(c);
}

void mr_capture_counts(const struct mr_capture *c, struct mr_capture_counts *counts)
{
    *counts = (struct mr_capture_counts){0};
    for (uint32_t i = 0; i < c->n_lanes; i++) {
        counts->frames += mr_counted(&c->lanes[i].frames);
        counts->bytes += mr_counted(&c->lanes[i].bytes);
        counts->lost += mr_counted(&c->lanes[i].lost) + mr_counted(&c->lanes[i].discarded);
    }
}

static const char *fix_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "free some space, or write elsewhere";
    case EFBIG:
        return "raise the limit on file sizes (ulimit -f), or write elsewhere";
    case EPIPE:
        return "whoever read it went away";
    case ETIMEDOUT:
        return "it took nothing, or too little, for so long that the run ended without it";
    default:
        return "look at the kernel's log and at the device below";
    }
}

const char *mr_capture_why(const struct mr_capture *c, char *text, size_t bytes)
{
    struct mr_capture_counts counts;
    int error = mr_capture_error(c);
    text[0] = 0;
    if (error != 0) {
        mr_capture_counts(c, &counts);
        snprintf(text, bytes, "%s: the capture ends after %" PRIu64 " frames: %s; %" PRIu64 " more were lost to it "
                 "(capture_lost); %s", c->name, counts.frames, strerror(error), counts.lost, fix_of(error));
    }
    return text;
}

const char *mr_capture_format_text(const struct mr_capture *c)
{
    return c->format == MR_CAPTURE_PCAPNG ? "pcapng" : c->format == MR_CAPTURE_PCAP ? "pcap, microseconds"
                                                                                    : "pcap, nanoseconds";
}

void mr_capture_destroy(struct mr_capture *c)
{
    if (c == NULL) {
        return;
    }
    mr_capture_stop(c);
    for (uint32_t i = 0; i < c->n_lanes; i++) {
        mr_byte_ring_fini(&c->lanes[i].ring);
    }
    if (c->fd >= 0 && !c->is_stdout) {
        close(c->fd);
    }
    mr_node_free(c->lanes, c->n_lanes * sizeof *c->lanes);
    free(c->header);
    mr_node_free(c, sizeof *c);
}
