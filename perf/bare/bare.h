/* bare.h: what the small programs beside bench_wire share: options, a CPU of their own, packet sockets, an end. */
#ifndef MILLRACE_PERF_BARE_H
#define MILLRACE_PERF_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bare_options {
    const char *mode; /* of the report; given by --mode where there are several */
    bool has_modes;
    const char *from; /* device to receive from */
    const char *to;   /* device to send to */
    double seconds;   /* end after this time */
    uint64_t frames;  /* raw_sender: end after this many */
    uint32_t bytes;   /* of the senders' frames */
    int cpu;          /* -1 = wherever */
};

struct bare_total {
    uint64_t frames, syscalls, rearms;
};

extern volatile int bare_stop; /* set by SIGTERM, SIGINT and when the time is over */

/* bare_start: reads --from --to --for --frames --bytes --cpu, pins itself, prepares the end. Exits on a usage error. */
void bare_start(struct bare_options *o, int argc, char **argv, const char *usage);

/* bare_socket: receiving sees only what comes in, with aux data; sending passes by the queueing discipline. */
int bare_socket(const char *device, bool receive);

/* bare_usual: by its aux data nothing has to be done to a frame. bare_send: all n, whatever becomes of them. */
struct mmsghdr;
bool bare_usual(const unsigned char *control, size_t bytes);
void bare_send(int fd, struct mmsghdr *messages, int n, struct bare_total *total);

void *bare_memory(size_t bytes); /* on huge pages if they can be had */
_Noreturn void bare_die(const char *what);

/* bare_report: one JSON line on stdout. Returns 0. */
int bare_report(const struct bare_options *o, const struct bare_total *t);

#endif
