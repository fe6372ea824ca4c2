/* witness_tap.c: what passes a stage, shown to the taps that look there. */
#include "lib/engine/witness.h"
#include "lib/engine/core_loop.h"
#include "lib/sys/clock.h"

#include <stdio.h>

const char *mr_witness_reason(const struct mr_stage *stage, uint32_t reason, char *text, size_t bytes)
{
    const struct mr_stage_work *s = stage->kind == MR_STAGE_WORK ? MR_CONTAINER_OF(stage, struct mr_stage_work, stage) : NULL;
    uint32_t own = reason - MR_DROP_ENGINE_COUNT;
    if (reason < MR_DROP_ENGINE_COUNT || s == NULL || own >= s->n_reasons) {
        return mr_drop_word(reason < MR_DROP_ENGINE_COUNT ? reason : MR_DROP_work_contract);
    }
    snprintf(text, bytes, "%s.%s", s->reason_works[own], s->reasons[own]);
    return text;
}

const char *mr_witness_file(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash == NULL ? file : slash + 1;
}

/* The port that a frame belongs to at a place, an interface of the tap's file. */
static uint32_t port_at(const struct mr_stage_witness *w, enum mr_tap_place place, const struct mr_frame *f)
{
    if (w->stage->kind != MR_STAGE_WORK) {
        return w->stage->plan->port;
    }
    const struct mr_stage_work *s = MR_CONTAINER_OF(w->stage, struct mr_stage_work, stage);
    uint8_t port = place == MR_TAP_WORK_OUT && !s->chooses ? s->works[0].outputs[0] : f->port;
    return port < w->n_ports ? port : 0;
}

static const unsigned char *data_of(const struct mr_stage_witness *w, const struct mr_frame *f)
{
    return w->arena + (uint64_t)f->chunk * MR_CACHE_LINE + f->offset;
}

/* A kernel's answer may name any chunk, and so may a work function that broke its contract: what does not lie in the arena
 * is not looked at. */
static bool is_there(const struct mr_stage_witness *w, const struct mr_frame *f)
{
    uint64_t at = (uint64_t)f->chunk * MR_CACHE_LINE + f->offset;
    return at + f->length <= w->arena_bytes;
}

static void show(const struct mr_stage_witness *w, const struct mr_tap_here *here, const struct mr_frame *frames, uint32_t n)
{
    uint64_t ns = mr_capture_ns(here->tap->capture, mr_ticks());
    for (uint32_t i = 0; i < n; i++) {
        bool passes = here->place != MR_TAP_WORK_OUT || (frames[i].port & MR_DROPPED) == 0;
        if (passes && is_there(w, &frames[i])) {
            mr_tap_show(here, data_of(w, &frames[i]), frames[i].length, port_at(w, here->place, &frames[i]), ns, NULL);
        }
    }
    mr_tap_end(here);
}

void mr_witness_show(struct mr_stage_witness *w, enum mr_tap_place place, const struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < w->n_taps; i++) {
        if (w->taps[i].place == place) {
            show(w, &w->taps[i], frames, n);
        }
    }
}

/* ---- the dead ---- */

/* What a driver that sends no longer knows of a frame when it fails: kept in the frame's chunk. */
static uint16_t *handed_of(const struct mr_stage_witness *w, uint32_t chunk)
{
    return (uint16_t *)(uintptr_t)(w->arena + (uint64_t)chunk * MR_CACHE_LINE + MR_CHUNK_HANDED);
}

static bool looks_at_drops(const struct mr_stage_witness *w)
{
    return w->n_taps != 0 && w->taps[w->n_taps - 1].place == MR_TAP_DROPS; // they stand last
}

void mr_witness_remember(struct mr_stage_witness *w, const struct mr_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < n && looks_at_drops(w); i++) {
        *handed_of(w, frames[i].chunk) = frames[i].offset;
    }
}

/* "mtu at tx:right.0, uring_tx.c:105"; most deaths are like the one before. */
static const char *comment(struct mr_stage_witness *w, uint32_t reason, const char *file, uint32_t line)
{
    char text[2 * MR_NAME_MAX];
    if (w->comment_file != file || w->comment_line != line || w->comment_reason != reason) {
        w->comment_file = file;
        w->comment_line = line;
        w->comment_reason = reason;
        snprintf(w->comment, sizeof w->comment, "%.80s at %.48s, %.64s:%u",
                 mr_witness_reason(w->stage, reason, text, sizeof text), w->stage->plan->name, mr_witness_file(file), line);
    }
    return w->comment;
}

void mr_witness_show_refused(struct mr_stage_witness *w, const unsigned char *data, uint32_t length, uint32_t reason,
                             const char *file, uint32_t line)
{
    for (uint32_t t = 0; t < w->n_taps; t++) {
        const struct mr_tap_here *here = &w->taps[t];
        if (here->place == MR_TAP_DROPS) {
            mr_tap_show(here, data, length, w->stage->plan->port, mr_capture_ns(here->tap->capture, mr_ticks()),
                        comment(w, reason, file, line));
            mr_tap_end(here);
        }
    }
}

void mr_witness_show_dead(struct mr_stage_witness *w, const struct mr_frame *frames, uint32_t n, uint32_t reason,
                          const char *file, uint32_t line)
{
    for (uint32_t t = 0; t < w->n_taps; t++) {
        const struct mr_tap_here *here = &w->taps[t];
        if (here->place != MR_TAP_DROPS) {
            continue;
        }
        uint64_t ns = mr_capture_ns(here->tap->capture, mr_ticks());
        for (uint32_t i = 0; i < n; i++) {
            struct mr_frame f = frames[i];
            f.offset = f.offset != 0 || !is_there(w, &f) ? f.offset : *handed_of(w, f.chunk);
            if (is_there(w, &f)) {
                mr_tap_show(here, data_of(w, &f), f.length, port_at(w, here->place, &f), ns, comment(w, reason, file, line));
            }
        }
        mr_tap_end(here);
    }
}
