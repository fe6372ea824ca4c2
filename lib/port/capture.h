/* capture.h: frames into a pcap or pcapng file, by a thread of its own.
 *
 *     core ──put, publish──▶ lane ──▶ writing thread ──▶ file
 *
 * A lane belongs to one thread that puts frames in; its bytes are the file's own, so that the writing thread only hands
 * them to the kernel, a megabyte at a time. Nothing on the putting side waits, allocates, or enters the kernel. Two kinds
 * of callers, two promises when a lane is full:
 *
 *   a tap             mr_capture_offer: what the lane cannot take is counted `lost`, the frame itself goes on
 *   a sending queue   mr_capture_put: false, nothing counted; the caller keeps the frame and offers it again, so that a
 *                     slow file is back-pressure, and file to file is exact
 *
 * When the file fails (disk full, size limit, nobody reads the pipe any more) it is cut after its last whole record and
 * closed; all that comes later is counted `lost`. mr_capture_error tells while it runs, mr_capture_why when it is over.
 * Records of one lane keep their order; between lanes the order is that of the writing thread's looks.
 *
 * Lives from open to destroy, on the control thread; go, put, offer, publish and the reading of counters as they say.
 */
#ifndef MILLRACE_PORT_CAPTURE_H
#define MILLRACE_PORT_CAPTURE_H

#include <millrace/error.h>

#include "lib/port/byte_ring.h"

#include <stdbool.h>

#define MR_CAPTURE_LANES_MAX 64u
#define MR_CAPTURE_COMMENT_MAX 255u
#define MR_CAPTURE_SILENCE_NS 1000000000ull /* once asked to stop: how long a pipe may take nothing, */
#define MR_CAPTURE_END_NS 10000000000ull    /* and how long it may take in all */
#define MR_CAPTURE_LANE_BYTES (4u << 20) /* as a rule: what comes while the scheduler lets another thread have its slice */

enum mr_capture_format {
    MR_CAPTURE_BY_NAME, /* pcapng when the file's name ends so, else pcap with nanoseconds */
    MR_CAPTURE_PCAP,    /* microseconds, as the oldest tools read it */
    MR_CAPTURE_PCAP_NS,
    MR_CAPTURE_PCAPNG,  /* nanoseconds, and names of interfaces */
};

struct mr_capture_setup {
    const char *file;          /* "-" = standard output */
    enum mr_capture_format format;
    uint32_t snap;             /* most bytes kept of a frame; 0 = all */
    uint32_t n_lanes;          /* 1 … MR_CAPTURE_LANES_MAX */
    uint32_t lane_bytes;       /* 0 = MR_CAPTURE_LANE_BYTES; 1 MiB at least, as one frame must fit with ease */
    int node;                  /* of the lanes' memory; -1 = anywhere */
    double ticks_per_ns;       /* of the clock that mr_capture_ns is asked about */
    uint32_t n_interfaces;     /* pcapng: their names, at least one; pcap knows none */
    const char *const *interfaces;
    const char *comment;       /* pcapng: of the whole file; NULL = none */
};

/* One frame for the file. */
struct mr_capture_record {
    uint64_t ns;               /* since 1970, UTC */
    const unsigned char *data;
    uint32_t length;           /* bytes at data; the capture's snap may keep fewer */
    uint32_t cut;              /* bytes that the frame had before and that are not there: 0 but for replayed ones */
    uint32_t interface;        /* index into setup.interfaces; pcap ignores it */
    const char *comment;       /* pcapng: of this frame, at most MR_CAPTURE_COMMENT_MAX bytes are kept; NULL = none */
};

struct mr_capture;

/* One putting thread's way into the file. */
struct mr_capture_lane {
    struct mr_byte_ring ring;
    struct mr_capture *capture;
    uint64_t put MR_ALIGNED(MR_LINE_PAIR);    /* putting thread writes: records taken into the lane; in the end
                                                 put = frames + discarded */
    uint64_t lost;                            /* putting thread writes: offered and not taken */
    uint64_t frames MR_ALIGNED(MR_LINE_PAIR); /* writing thread writes: records in the file */
    uint64_t bytes;                           /* of frames, without headers; writing thread writes */
    uint64_t discarded;                       /* put, and then the file failed; writing thread writes */
};

/* mr_capture_open: opens the file (made when it is not there), makes lanes and thread; what stands in the file is not
 * touched before mr_capture_go. 0, or -errno with err filled. */
int mr_capture_open(const struct mr_capture_setup *setup, struct mr_capture **out, struct mr_error *err);

/* mr_capture_go: from now on the file is emptied and written. Once, any thread. A capture that is destroyed without it
 * leaves the file as it was. */
void mr_capture_go(struct mr_capture *c);

/* mr_capture_is: the capture writes this very regular file, by device and inode: who reads it shall be told. */
bool mr_capture_is(const struct mr_capture *c, uint64_t device, uint64_t inode);

/* mr_capture_file: device and inode of the regular file that it writes; false: it writes none. */
bool mr_capture_file(const struct mr_capture *c, uint64_t *device, uint64_t *inode);

/* mr_capture_same: both write one regular file. */
bool mr_capture_same(const struct mr_capture *a, const struct mr_capture *b);

struct mr_capture_lane *mr_capture_lane(struct mr_capture *c, uint32_t i);

/* mr_capture_put: the lane's thread. true: taken, visible to the writing thread with the next publish. false: no room. */
bool mr_capture_put(struct mr_capture_lane *lane, const struct mr_capture_record *r);

/* mr_capture_has_room: the lane's thread. A put of so many bytes would be taken. */
bool mr_capture_has_room(struct mr_capture_lane *lane, uint32_t length);

/* mr_capture_offer: the lane's thread. The same, and what is not taken is counted lost. */
void mr_capture_offer(struct mr_capture_lane *lane, const struct mr_capture_record *r);

/* mr_capture_publish: the lane's thread, once behind each burst. */
static inline void mr_capture_publish(struct mr_capture_lane *lane)
{
    mr_byte_ring_publish(&lane->ring);
}

/* mr_capture_ns: wall clock of a TSC reading, from a look at both clocks that the writing thread renews each second. */
uint64_t mr_capture_ns(const struct mr_capture *c, uint64_t ticks);

/* mr_capture_error: 0, or the errno that ended the file. Any thread. */
int mr_capture_error(const struct mr_capture *c);

/* mr_capture_give_up: any thread. What is not yet in the kernel's hands is discarded, the file ends (ETIMEDOUT): for a
 * run that cannot wait for it any longer. */
void mr_capture_give_up(struct mr_capture *c);

/* mr_capture_end: asks it to stop and does not wait, so that several end at once. mr_capture_stop comes all the same. No
 * lane may be put into any more. */
void mr_capture_end(struct mr_capture *c);

/* mr_capture_stop: writes what was published, closes the file. A pipe is given up (ETIMEDOUT) once it took nothing for a
 * second, or not everything within ten (MR_CAPTURE_SILENCE_NS, MR_CAPTURE_END_NS), counted from the stop. 0, or the errno
 * that ended the file. Again: the same answer. No lane may be put into any more. */
int mr_capture_stop(struct mr_capture *c);

/* mr_capture_counts: sums over the lanes. Any time, any thread. */
struct mr_capture_counts {
    uint64_t frames, bytes; /* in the file */
    uint64_t lost;          /* offered and not in the file: lane full, or the file had failed */
};
void mr_capture_counts(const struct mr_capture *c, struct mr_capture_counts *counts);

/* mr_capture_why: one line for people on what ended the file, and the fix; "" when nothing did. Returns text. */
const char *mr_capture_why(const struct mr_capture *c, char *text, size_t bytes);

const char *mr_capture_format_text(const struct mr_capture *c); /* "pcap, microseconds" … */

/* mr_capture_destroy: stops first. NULL is fine. */
void mr_capture_destroy(struct mr_capture *c);

#endif
