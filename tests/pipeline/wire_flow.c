/* wire_flow.c: frames that go on whatever happens between, and are counted on both sides. */
#include "tests/pipeline/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_S 1.5 /* nothing came for so long after the last frame: nothing will */
#define BIN_S      0.1

enum { BURST = 64, FRAME_BYTES = 60 };

static volatile sig_atomic_t begun, over; /* signals so far */

struct flow {
    int from, to;
    uint32_t sent, refused, received, missing, backwards, altered;
    uint32_t next[WIRE_FLOWS];
    double start, last_received;
    /* recovery */
    double over_at, bin_end;
    uint32_t bin_sent, bin_received;
    double recovery_ms; /* -1 = not yet */
};

static void on_signal(int number)
{
    *(number == SIGUSR1 ? &begun : &over) += 1;
}

/* false: the device refuses, for now or for good. Such a frame keeps its number: it never was on the wire. */
static bool send_next(struct flow *f, const struct wire_frames *job)
{
    unsigned char frame[FRAME_BYTES + 8];
    uint32_t bytes = wire_make(frame, job, f->sent % WIRE_FLOWS, f->sent / WIRE_FLOWS);
    bool taken = send(f->from, frame, bytes, 0) == (ssize_t)bytes;
    f->sent += taken;
    f->refused += !taken;
    return taken;
}

static void send_due(struct flow *f, const struct wire_frames *job, uint32_t kpps)
{
    double due = kpps == 0 ? job->frames : (wire_seconds() - f->start) * kpps * 1e3;
    for (int i = 0; i < BURST && f->sent < job->frames && f->sent < due && send_next(f, job); i++) {
    }
}

static void verify(struct flow *f, const struct wire_frames *job, const unsigned char *frame, size_t bytes)
{
    unsigned char want[FRAME_BYTES + 8];
    struct wire_head h;
    memcpy(&h, frame, sizeof h);
    f->received++;
    if (h.flow >= WIRE_FLOWS || wire_make(want, job, h.flow, h.sequence) != bytes || memcmp(frame, want, bytes) != 0) {
        f->altered++;
    } else if (h.sequence < f->next[h.flow]) {
        f->backwards++;
    } else {
        f->missing += h.sequence - f->next[h.flow];
        f->next[h.flow] = h.sequence + 1;
    }
}

static void receive(struct flow *f, const struct wire_frames *job)
{
    unsigned char frame[2048];
    ssize_t n;
    while ((n = recv(f->to, frame, sizeof frame, MSG_DONTWAIT)) >= 0 || errno == ENETDOWN) {
        struct wire_head h;
        memcpy(&h, frame, sizeof h);
        if (n >= (ssize_t)sizeof h && h.type == htons(WIRE_TYPE)) {
            verify(f, job, frame, (size_t)n);
            f->last_received = wire_seconds();
        }
    }
}

/* A tenth of a second after the other, from the end of the fault on. */
static void watch_recovery(struct flow *f)
{
    double now = wire_seconds();
    if (over == 0 || f->recovery_ms >= 0) {
        return;
    }
    if (f->over_at == 0) {
        f->over_at = now;
    } else if (now < f->bin_end) {
        return;
    } else if (f->sent != f->bin_sent && f->received - f->bin_received >= 0.95 * (f->sent - f->bin_sent)) {
        f->recovery_ms = (now - f->over_at) * 1e3;
    }
    f->bin_end = now + BIN_S;
    f->bin_sent = f->sent;
    f->bin_received = f->received;
}

static int print(const struct flow *f)
{
    uint32_t behind = f->sent;
    for (int i = 0; i < WIRE_FLOWS; i++) {
        behind -= f->next[i];
    }
    printf("{\"sent\": %u, \"refused\": %u, \"received\": %u, \"lost\": %u, ", f->sent, f->refused, f->received,
           f->missing + behind);
    printf("\"backwards\": %u, \"altered\": %u, \"faults\": %d, \"recovery_ms\": %.0f, \"seconds\": %.3f}\n", f->backwards,
           f->altered, (int)begun, f->recovery_ms, wire_seconds() - f->start);
    return f->backwards + f->altered == 0 ? 0 : 1;
}

int wire_flow(const struct wire_frames *job, uint32_t kpps)
{
    struct flow f = {.from = wire_open(job->from), .to = wire_open(job->to), .recovery_ms = -1};
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    wire_show(f.to);
    f.start = f.last_received = wire_seconds();
    while (f.sent < job->frames || wire_seconds() - f.last_received < PATIENCE_S) {
        struct pollfd p = {.fd = f.to, .events = POLLIN};
        send_due(&f, job, kpps);
        poll(&p, 1, kpps == 0 && f.sent < job->frames ? 0 : 1);
        receive(&f, job);
        watch_recovery(&f);
    }
    return print(&f);
}
