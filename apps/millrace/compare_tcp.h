/* compare_tcp.h: the second table of `millrace compare`: one TCP stream between two namespaces, through the pipeline.
 *
 *   namespace "ends"   src 10.77.0.1 ── left [who forwards] right ── dst 10.77.0.2   namespace "far"
 *
 *   compare_tcp.c         rows, rounds, the document's part
 *   compare_tcp_stream.c  the two ends
 *   compare_tcp_print.c   the table
 */
#ifndef MILLRACE_COMPARE_TCP_H
#define MILLRACE_COMPARE_TCP_H

#include "apps/millrace/compare.h"

/* Both ends of one stream, each a process of its own. */
struct compare_stream {
    pid_t sink, sender;
    int sink_says, sender_says; /* read: what each has to tell */
    int go;                     /* a byte starts the sender */
};

/* compare_stream_start: both ends, connected; the sender stays on `cpu`. compare_stream_run: all bytes, until the sink has said
 * that it has them, each where it belongs; how long that took. compare_stream_end: of what was started; zeroed ones are fine. */
int compare_stream_start(struct compare_stream *s, const struct lab_net *net, uint32_t cpu, uint64_t bytes, struct mr_error *err);
int compare_stream_run(struct compare_stream *s, uint64_t bytes, double *seconds, struct mr_error *err);
void compare_stream_end(struct compare_stream *s);

#endif
