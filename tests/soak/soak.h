/* soak.h: a soak run: numbered frames without end, random faults, every loss named.
 *
 *   soak.c         options; pieces until all frames went through; the judgement
 *   soak_piece.c   one piece: an engine's life under load and faults
 *   soak_engine.c  the engine, a process of its own
 *   soak_wire.c    devices, numbered frames into one and out of another, and their balance
 *   soak_fault.c   what is done to the engine
 *   soak_state.c   the document: report and, between pieces, state to go on from
 *
 * The parent sends, receives and hurts; the engine runs in a child, in a network namespace of its own that ends with it:
 *
 *     parent's namespace: src ── veth ── left [engine] right ── veth ── dst
 *
 * With memory ports source and sink are in the engine, and only its process can be hurt. Each piece saves the document, so
 * that a soak that was killed goes on with the next one.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <millrace/error.h>

#include "lib/sys/netlink.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SOAK_TENTHS = 10 };

struct soak_options {
    bool memory; /* else uring */
    uint64_t frames, piece_frames, faults;
    uint64_t seed;
    double seconds; /* end after this time, to be gone on with; 0 = when all is done */
    const char *state;
};

/* What the engine's process tells while it runs. */
struct soak_shared {
    uint32_t running;
    uint32_t seconds;         /* told so far */
    uint64_t drops, outside;  /* as of the last of them */
    uint64_t moved;           /* frames that the engine sent, some milliseconds old */
    uint64_t rss_start, rss_end;
    uint64_t p999_ns[SOAK_TENTHS]; /* of the frames in each tenth of the whole soak; 0 = not in this piece */
    int result;               /* mr_engine_run's */
    struct mr_error error;
};

struct soak_engine {
    pid_t pid;
    int ns;           /* its network namespace */
    int go, stop;     /* pipes */
    int report;       /* memfd */
    uint32_t cpu;     /* of its core */
    struct soak_shared *shared;
};

/* soak_engine.c. made: frames done by earlier pieces, all: wanted in the end. soak_engine_go: its devices are there; returns
 * when its cores run. soak_engine_end: ask it to drain (unless it ends by itself), its report; its namespace stays
 * until soak_engine_close. */
void soak_engine_start(struct soak_engine *e, const char *yaml, uint64_t done, uint64_t all);
void soak_engine_go(struct soak_engine *e);
bool soak_engine_over(const struct soak_engine *e);
json_t *soak_engine_end(struct soak_engine *e);
void soak_engine_close(struct soak_engine *e);

/* soak_quiet_namespace: a network namespace of one's own, in which the kernel sends nothing of itself. */
void soak_quiet_namespace(void);

/* soak_wire.c */
struct soak_counters {
    struct mr_link src, dst, left, right;
};
struct soak_wire {
    int from, to;
    uint64_t number, seed;     /* of the next frame; they start at 0 in each piece */
    uint64_t next;             /* number that should come next */
    uint64_t given_up;         /* numbers below do not count as outstanding any more */
    uint64_t received, runts, missing, backwards, altered, refused, sink_drops;
    uint64_t last_ns;          /* when something came */
    uint64_t paced_ns;         /* frames are due since then */
    struct soak_counters before, after;
};
void soak_wire_devices(const struct soak_engine *e);
void soak_wire_open(struct soak_wire *w, const struct soak_engine *e, uint64_t seed);
void soak_wire_step(struct soak_wire *w, uint64_t until); /* send up to this number as far as the window lets, receive */
void soak_wire_runts(struct soak_wire *w, uint32_t n);
void soak_wire_close(struct soak_wire *w, const struct soak_engine *e);
json_t *soak_wire_balance(const struct soak_wire *w, const json_t *report); /* {sent, received, named{}, unnamed, …} */

/* soak_fault.c: kind: index into the kinds that exist for this driver. */
struct soak_fault {
    uint32_t kind;
    uint64_t ms;   /* how long */
    pid_t thief;   /* takes the engine's CPU */
};
struct soak_fault soak_fault_choose(const struct soak_options *o, uint64_t index);
const char *soak_fault_name(const struct soak_fault *f);
void soak_fault_begin(struct soak_fault *f, const struct soak_engine *e, struct soak_wire *w);
void soak_fault_end(struct soak_fault *f, const struct soak_engine *e);

/* soak_piece.c: run one, and add it to the document. seconds: at most. */
void soak_piece(const struct soak_options *o, json_t *doc, double seconds);

/* soak_state.c */
json_t *soak_state_load(const struct soak_options *o);
void soak_state_save(const struct soak_options *o, const json_t *doc);
uint64_t soak_get(const json_t *doc, const char *key);
void soak_add(json_t *object, const char *key, int64_t n);

/* soak_random: the i-th number of a seed's sequence (splitmix64). */
static inline uint64_t soak_random(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t soak_now(void); /* ns */
int soak_own_ns(void);   /* the calling thread's network namespace, opened */
_Noreturn void soak_die(const char *what); /* with errno; exit code 3 */

#endif
