/* capture_parts.h: what the files of the capture share: capture.c, capture_format.c, capture_write.c. */
#ifndef MILLRACE_PORT_CAPTURE_PARTS_H
#define MILLRACE_PORT_CAPTURE_PARTS_H

#include "lib/port/capture.h"

#include <pthread.h>

#define MR_CAPTURE_ANCHORS 4u

/* An instant of both clocks. Renewed once a second in turn: who read the index a second ago still reads a whole one. */
struct mr_capture_anchor {
    uint64_t ticks, ns;
};

struct mr_capture {
    /* read-only after open */
    enum mr_capture_format format;
    uint32_t snap;       /* UINT32_MAX = all */
    int fd;
    bool is_stdout;
    bool regular;        /* can be cut, and never makes a writer wait for a reader */
    uint64_t device, inode;
    double ns_per_tick;
    unsigned char *header;
    uint32_t header_bytes;
    pthread_t thread;
    bool started;        /* control only */
    uint32_t n_lanes;
    struct mr_capture_lane *lanes;
    char name[256];

    uint32_t go MR_ALIGNED(MR_LINE_PAIR); /* whoever starts the run writes, writing thread reads */
    uint32_t stop;                        /* control writes, writing thread reads */
    uint32_t give_up;                     /* who cannot wait writes, writing thread reads */

    /* writing thread writes, all read */
    uint32_t anchor MR_ALIGNED(MR_LINE_PAIR);
    struct mr_capture_anchor anchors[MR_CAPTURE_ANCHORS];
    int error;
    uint64_t begin;      /* its own: offset of the file's first byte that is ours */
    uint64_t whole;      /* its own: bytes from there to the end of the last whole record */
    uint64_t renew_ns;   /* its own: when the anchor is due */
    uint64_t silent_ns;  /* its own: once asked to stop, until when a pipe may take nothing; 0 = it just took something */
    uint64_t end_ns;     /* its own: once asked to stop, until when a pipe may take; 0 = not asked yet */
};

/* capture_format.c. mr_capture_header: the file's beginning, allocated; 0 or -ENOMEM. */
enum mr_capture_format mr_capture_format_of(const struct mr_capture_setup *setup);
int mr_capture_header(struct mr_capture *c, const struct mr_capture_setup *setup);

/* mr_capture_record_bytes: of a record of `kept` bytes of a frame and a comment (NULL = none). mr_capture_record_write:
 * `original`: as long as the frame was. mr_capture_record_read: of a record that stands in a lane: its bytes in all and
 * those of the frame. */
uint32_t mr_capture_record_bytes(enum mr_capture_format format, uint32_t kept, const char *comment);
void mr_capture_record_write(enum mr_capture_format format, unsigned char *at, const struct mr_capture_record *r,
                             uint32_t kept, uint32_t original);
uint32_t mr_capture_record_read(enum mr_capture_format format, const unsigned char *at, uint32_t *kept);

/* capture_write.c: the writing thread's body; arg is the struct mr_capture. */
void *mr_capture_main(void *arg);

/* mr_capture_renew: read both clocks, as the newest anchor. */
void mr_capture_renew(struct mr_capture *c);

#endif
