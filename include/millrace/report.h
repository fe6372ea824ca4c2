/* report.h: what was counted, for people and for programs.
 *
 * JSON with "schema": "millrace.run/1" (docs/report.md describes each field), and a table for a terminal made from that
 * very document, so that the two cannot disagree. Control thread, after mr_engine_run but for what says otherwise.
 */
#ifndef MILLRACE_REPORT_H
#define MILLRACE_REPORT_H

#include <millrace/engine.h>

#include <jansson.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* mr_report_json: the whole report, a new reference. argv: the command as typed, for `command`; may be NULL. */
json_t *mr_report_json(struct mr_engine *e, int argc, char **argv);

/* mr_report_counters: only what grows while it runs: system calls, drops, time of the cores in ns, frames and
 * polls of the stages, what the ports' drivers count outside. Two of them make a window. A new reference. From a callback
 * of mr_run_options, or after the run. */
json_t *mr_report_counters(struct mr_engine *e);

/* mr_report_print: the report as a table. colour: bold heads and red losses. */
void mr_report_print(const json_t *report, FILE *out, bool colour);

/* mr_report_write: JSON into a file, "-" = standard output. 0 or -errno, err filled. */
int mr_report_write(const json_t *report, const char *file, struct mr_error *err);

#ifdef __cplusplus
}
#endif

#endif
