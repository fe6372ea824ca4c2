/* plan_parts.h: the steps of mr_plan_make, in their order; for the plan*.c files only. */
#ifndef MILLRACE_ENGINE_PLAN_PARTS_H
#define MILLRACE_ENGINE_PLAN_PARTS_H

#include "lib/engine/plan.h"
#include "lib/port/port.h"

struct mr_topology;

/* mr_plan_cores: which CPUs, and that this process may use them. plan_check.c */
int mr_plan_cores(struct mr_plan *p, const struct mr_topology *t, struct mr_error *err);

/* mr_plan_place: stages, their cores, the rings between them. plan_place.c */
int mr_plan_place(struct mr_plan *p, struct mr_error *err);

/* plan_check.c: a core that sleeps in a blocking port's recv keeps nobody waiting. */
int mr_plan_sleepers(const struct mr_plan *p, struct mr_error *err);

/* mr_plan_devices: that they are there, and what they are. plan_check.c */
int mr_plan_devices(struct mr_plan *p, struct mr_error *err);

/* mr_plan_memory: homes, chunks, bytes. plan_memory.c. mr_plan_huge: what this machine has. plan_check.c */
int mr_plan_memory(struct mr_plan *p, struct mr_error *err);
int mr_plan_huge(struct mr_plan *p, struct mr_error *err);

/* mr_plan_files: that as many descriptors may be opened as all of this takes. plan_check.c */
int mr_plan_files(const struct mr_plan *p, struct mr_error *err);

/* mr_plan_explain: notes on all of it; measures the round trip where rings lead from one CPU to another. plan_notes.c
 */
void mr_plan_explain(struct mr_plan *p);

/* mr_plan_note: one more line for people; what is too much is left out. */
void mr_plan_note(struct mr_plan *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* mr_plan_fail: "file:line: key: …". Returns -EINVAL. */
int mr_plan_fail(const struct mr_plan *p, const char *key, struct mr_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* mr_plan_copies: the path may copy frames (flooding), in chunks of its own core. */
bool mr_plan_copies(const struct mr_plan *p, uint32_t path);

#endif
