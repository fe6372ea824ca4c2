/* tap.h: capture taps: frames that pass a place, into a file, while they go on.
 *
 * A tap never slows or loses a frame: what its file's thread cannot take (lib/port/capture.h) is counted lost, and a file
 * that fails ends the tap alone. Each core that passes frames by a tap has a point of its own: a lane into the file, and
 * two counters. The witnesses of the stages (witness.h) call mr_tap_show; without taps no stage has a witness.
 *
 *   PORT.rx                what a port received, or its source made    RX stages of the port
 *   PORT.tx                what a port's driver took to send           TX stages of the port
 *   work:PATH.WORKER.in    what a work stage was given                 that stage
 *   work:PATH.WORKER.out   what its functions let through, copies too  that stage
 *   drops                  what died, with its reason                  all stages
 */
#ifndef MILLRACE_ENGINE_TAP_H
#define MILLRACE_ENGINE_TAP_H

#include <millrace/config.h>

#include "lib/engine/plan.h"
#include "lib/port/capture.h"
#include "lib/port/filter.h"

#include <jansson.h>

/* One core's way into a tap. Written by the core. */
struct mr_tap_point {
    struct mr_capture_lane *lane; /* NULL: no stage of this core passes frames by the tap */
    uint64_t seen, matched;
} MR_ALIGNED(MR_LINE_PAIR);

struct mr_tap {
    const struct mr_tap_config *config;
    struct mr_filter *filter;     /* NULL: every frame */
    struct mr_capture *capture;
    struct mr_tap_point *points;  /* by core */
    bool told;                    /* control: that the file failed */
};

/* A tap as a stage's witness has it. */
struct mr_tap_here {
    const struct mr_tap *tap;
    struct mr_tap_point *point;
    enum mr_tap_place place;
};

struct mr_engine;

/* mr_taps_open: filters compiled, files opened, points made; nothing is written yet. A file that another tap writes, or
 * that a port reads or writes, is refused (EBUSY). 0, or -errno with err filled; then mr_taps_close takes what was made.
 * mr_taps_go: files begin. mr_taps_stop: when nobody shows frames any more: files are whole and closed. */
int mr_taps_open(struct mr_engine *e, struct mr_error *err);
void mr_taps_go(struct mr_engine *e);
void mr_taps_stop(struct mr_engine *e);
void mr_taps_close(struct mr_engine *e);

/* mr_tap_passes: frames of the stage pass by the tap. */
bool mr_tap_passes(const struct mr_tap_config *tap, const struct mr_plan_stage *stage);

/* mr_tap_show: a frame passes, on the point's core: `length` bytes at data, of this port. comment: may be NULL.
 * mr_tap_end: behind each burst. */
void mr_tap_show(const struct mr_tap_here *here, const unsigned char *data, uint32_t length, uint32_t port, uint64_t ns,
                 const char *comment);
static inline void mr_tap_end(const struct mr_tap_here *here)
{
    mr_capture_publish(here->point->lane);
}

/* mr_taps_look: control, while it runs: tells once of each file that failed. */
void mr_taps_look(struct mr_engine *e, uint64_t now_ns);

/* mr_taps_json: an array, an object a tap; NULL when there are none. */
json_t *mr_taps_json(const struct mr_engine *e);

#endif
