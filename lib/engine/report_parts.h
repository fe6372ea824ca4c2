/* report_parts.h: what report_json.c (the whole) and report_json_parts.c (ports, stages, cores) share. */
#ifndef MILLRACE_ENGINE_REPORT_PARTS_H
#define MILLRACE_ENGINE_REPORT_PARTS_H

#include "lib/engine/engine_parts.h"

#include <jansson.h>

/* Each a new reference: an array with one object per event (events.c), port, stage, core. */
json_t *mr_report_events(const struct mr_engine *e);
json_t *mr_report_ports(const struct mr_engine *e);
json_t *mr_report_stages(const struct mr_engine *e);
json_t *mr_report_cores(const struct mr_engine *e);

/* mr_report_drops: new reference: Σ over stages by reason, also those that are 0. mr_report_kind: of a stage, in a word.
 * mr_report_put_outside: what a driver counts outside the engine: outside, outside_within, events. */
json_t *mr_report_drops(const struct mr_engine *e, const struct mr_totals *t);
const char *mr_report_kind(const struct mr_stage *s);
void mr_report_put_outside(const struct mr_outsides *o, json_t *to);

/* mr_report_marks: new reference: {what, text} for each reason not to compare the figures. report_marks.c */
json_t *mr_report_marks(const struct mr_engine *e);

/* mr_report_add_work_drops: a work stage's drops under its functions' own reasons, as "l2.same_port", added to what
 * `drops` has under these names. all: also those that are 0. */
void mr_report_add_work_drops(const struct mr_stage *stage, json_t *drops, bool all);

/* mr_json_put: object[key] = n. mr_json_add: object[key] += n. */
static inline void mr_json_put(json_t *object, const char *key, uint64_t n)
{
    json_object_set_new(object, key, json_integer((json_int_t)n));
}

static inline void mr_json_add(json_t *object, const char *key, uint64_t n)
{
    mr_json_put(object, key, (uint64_t)json_integer_value(json_object_get(object, key)) + n);
}

#endif
