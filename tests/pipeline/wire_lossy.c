/* wire_lossy.c: numbered frames through what breaks meanwhile. What was sent and did not come is given up after a while
 * and the window goes on; a device that refuses is asked again, one that was deleted is opened anew when it is back. */
#include "tests/pipeline/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GIVE_UP_MS = 20, PAUSE_US = 1000, ROOM = 2048 };

struct end {
    const char *where;
    int fd;
    unsigned int ifindex;
};

struct lossy {
    uint32_t sent, refused, received, backward, altered, given_up;
    uint32_t next[WIRE_FLOWS];
    double last, longest_gap; /* between two receives, seconds */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* A frame that the device refuses was not sent: with a queueing discipline between, nobody would say so. */
static void open_end(struct end *e)
{
    int one = 1;
    unsigned int now = if_nametoindex(wire_enter(e->where));
    if (now == 0 || now == e->ifindex) {
        return;
    }
    if (e->ifindex != 0) {
        close(e->fd);
    }
    e->fd = wire_open(e->where);
    e->ifindex = now;
    setsockopt(e->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
}

/* So that a switch between knows where the sink is; when it is away, nobody has to know. */
static void show(const struct end *to)
{
    unsigned char frame[60] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 2, 1, 0x88, 0xB6};
    (void)!send(to->fd, frame, sizeof frame, 0);
}

static int send_next(const struct lossy *l, const struct end *from, const struct wire_frames *job)
{
    unsigned char frame[ROOM];
    uint32_t bytes = wire_make(frame, job, l->sent % WIRE_FLOWS, l->sent / WIRE_FLOWS);
    return send(from->fd, frame, bytes, 0) == (ssize_t)bytes ? 0 : errno;
}

static void verify(struct lossy *l, const struct wire_frames *job, const unsigned char *frame, size_t bytes)
{
    unsigned char want[ROOM];
    struct wire_head h;
    memcpy(&h, frame, sizeof h);
    l->received++;
    if (h.flow >= WIRE_FLOWS || wire_make(want, job, h.flow, h.sequence) != bytes || memcmp(frame, want, bytes) != 0) {
        l->altered++;
        return;
    }
    l->backward += h.sequence < l->next[h.flow];
    l->next[h.flow] = h.sequence + 1;
}

static void receive(struct lossy *l, const struct end *to, const struct wire_frames *job)
{
    unsigned char frame[ROOM];
    ssize_t n;
    while ((n = recv(to->fd, frame, sizeof frame, MSG_DONTWAIT)) >= 0 || errno == ENETDOWN) {
        struct wire_head h;
        memcpy(&h, frame, sizeof h);
        if (n >= (ssize_t)sizeof h && h.type == htons(WIRE_TYPE)) {
            verify(l, job, frame, (size_t)n);
        }
    }
}

static bool room(const struct lossy *l, const struct wire_frames *job)
{
    return (int32_t)(l->sent - l->received - l->given_up) < (int32_t)job->window;
}

static void send_window(struct lossy *l, struct end *from, const struct wire_frames *job)
{
    while (!stopped && room(l, job)) {
        int error = send_next(l, from, job);
        if (error == 0) {
            l->sent++;
            continue;
        }
        l->refused += error != EAGAIN;
        usleep(PAUSE_US);
        if (error == ENXIO || error == ENODEV) {
            open_end(from);
        }
        return;
    }
}

static void wait_for_frames(struct lossy *l, struct end *to, const struct wire_frames *job)
{
    struct pollfd p = {.fd = to->fd, .events = POLLIN};
    uint32_t before = l->received;
    if (poll(&p, 1, GIVE_UP_MS) > 0) {
        receive(l, to, job);
    }
    double now = wire_seconds();
    if (l->received != before) {
        l->longest_gap = now - l->last > l->longest_gap ? now - l->last : l->longest_gap;
        l->last = now;
    } else if ((now - l->last) * 1000 >= GIVE_UP_MS) {
        l->given_up = l->sent - l->received;
        open_end(to);
        show(to);
    }
}

int wire_lossy(const struct wire_frames *job, uint32_t ms)
{
    struct lossy l = {.longest_gap = 0};
    struct end from = {.where = job->from}, to = {.where = job->to};
    double begin;
    signal(SIGTERM, stop);
    open_end(&from);
    open_end(&to);
    show(&to);
    usleep(PAUSE_US * GIVE_UP_MS);
    begin = l.last = wire_seconds();
    while (!stopped && (wire_seconds() - begin) * 1000 < ms) {
        send_window(&l, &from, job);
        wait_for_frames(&l, &to, job);
    }
    for (double end = wire_seconds(); (wire_seconds() - end) * 1000 < 5 * GIVE_UP_MS;) { // what is under way
        struct pollfd p = {.fd = to.fd, .events = POLLIN};
        poll(&p, 1, GIVE_UP_MS);
        receive(&l, &to, job);
    }
    printf("{\"sent\": %u, \"received\": %u, \"backward\": %u, \"altered\": %u, \"refused\": %u, ", l.sent,
           l.received, l.backward, l.altered, l.refused);
    printf("\"longest_gap_ms\": %.0f}\n", l.longest_gap * 1000);
    return l.backward + l.altered == 0 ? 0 : 1;
}
