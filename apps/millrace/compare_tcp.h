/* compare_tcp.h: the second table of `millrace compare`: one TCP stream between two namespaces, through the pipeline.
 *
 *   namespace "ends"   src 10.77.0.1 ── left [who forwards] right ── dst 10.77.0.2   namespace "far"
 *
 *   compare_tcp.c         rows, rounds, and the time that they have
 *   compare_tcp_row.c     one row in one round
 *   compare_tcp_stream.c  the two ends
 *   compare_tcp_json.c    the document's part
 *   compare_tcp_print.c   the table
 */
#ifndef MILLRACE_COMPARE_TCP_H
#define MILLRACE_COMPARE_TCP_H

#include "apps/millrace/compare.h"

/* How the frames of a stream are: each form has rounds of its own, since one takes ten times as long as another. */
struct compare_form {
    enum mr_offload offload; /* of the devices and of the ports */
    const char *frames;      /* in the document */
    uint64_t bytes;          /* of one stream */
    uint32_t rounds;         /* made so far */
    uint64_t spent_ns, longest_ns;
};

enum { COMPARE_FORMS = 3, COMPARE_TCP_ROWS_MAX = COMPARE_FORMS * COMPARE_ROWS_MAX };

struct compare_tcp_row {
    struct compare_row *of; /* the row of the first table whose driver it has */
    struct compare_form *form;
    char reason[COMPARE_REASON_BYTES]; /* why it cannot run, or why it ended; empty = it ran */
    uint64_t carried;                  /* bytes that reached the sink, of all rounds */
    /* Of each round; NAN = not measured. CPU seconds a Gbit: of the pipeline, of all CPUs, and how far off those may be. */
    double gbit_per_s[MR_ROUNDS_MAX], cpu_s[MR_ROUNDS_MAX], box_s[MR_ROUNDS_MAX], resolution_s[MR_ROUNDS_MAX];
    uint32_t disturbed; /* rounds in which box_s would have spoken of something else */
    json_t *drops;
};

struct compare_tcp {
    struct compare_form form[COMPARE_FORMS];
    uint32_t n_rows;
    struct compare_tcp_row rows[COMPARE_TCP_ROWS_MAX];
    uint64_t begin_ns, end_ns; /* no round that would end later is begun, but for each form's first */
};

/* compare_tcp_measure: one stream of a row, in its form's next round, for at most limit_ns. A row that fails gets its reason. */
void compare_tcp_measure(struct compare *c, struct compare_tcp_row *r, uint64_t limit_ns);
void compare_tcp_row_clear(struct compare_tcp_row *r);

/* compare_tcp_json: what was measured, into the document. */
void compare_tcp_json(const struct compare *c, const struct compare_tcp *t, json_t *document);

/* Both ends of one stream, each a process of its own. */
struct compare_stream {
    pid_t sink, sender;
    int sink_says, sender_says; /* read: what each has to tell */
    int go;                     /* a byte starts the sender */
    uint64_t bytes;
    uint64_t *carried; /* in memory that both see: the sink writes, the parent reads; NULL = not started */
};

struct compare_streamed {
    double seconds;
    double ends_ns; /* CPU time of both ends */
};

/* compare_stream_start: both ends, connected; the sender stays on `cpu`. compare_stream_run: all bytes, until the sink has said
 * that it has them, each where it belongs, or limit_ns are over, or `pipeline` (a descriptor that becomes readable when whoever
 * forwards has ended; -1 = none) tells that nothing more will come. compare_stream_end: of what was started; returns how many
 * bytes came. Zeroed ones are fine. */
int compare_stream_start(struct compare_stream *s, const struct lab_net *net, uint32_t cpu, uint64_t bytes, struct mr_error *err);
int compare_stream_run(struct compare_stream *s, int pipeline, uint64_t limit_ns, struct compare_streamed *out, struct mr_error *err);
uint64_t compare_stream_end(struct compare_stream *s);

#endif
