/* link.h: what the devices of the ports are doing, and what follows from it. Control thread only.
 *
 *             ┌──────────┬───────────┐
 *            up ◀────▶ down ◀────▶ no-carrier          rtnetlink tells, and answers when asked
 *             └──────────┴─────┬─────┘
 *                              ▼ deleted, or moved to another namespace
 *                             gone ──── every queue has halted: sockets are closed
 *                              │ a device of the configured name is there, and reopen: yes
 *                              ▼
 *                          recreated ── every queue has resumed ──▶ up, down, no-carrier
 *
 * link.c is the state machine: news in, what changed out; no clock, no socket. link_watch.c owns the socket, tells the
 * cores (one word per port, mr_port.link), and finds out for a core why a device refused a frame: a full queue and a lost
 * carrier have the same errno. link_tell.c tells people: events, the live line, the report.
 */
#ifndef MILLRACE_ENGINE_LINK_H
#define MILLRACE_ENGINE_LINK_H

#include "lib/engine/engine_parts.h"
#include "lib/sys/link_news.h"

#include <jansson.h>

/* What changed by a piece of news. */
enum {
    MR_LINK_NEW_STATE = 1,
    MR_LINK_NEW_NAME = 2,
    MR_LINK_NEW_MTU = 4,
    MR_LINK_NEW_XDP = 8,
    MR_LINK_FLAPPED = 16, /* up as before, but the carrier was away meanwhile */
};

struct mr_link_view {
    enum mr_link_state link; /* what the cores are told */
    bool recreated; /* opened again, and not all queues have resumed */
    bool moved;     /* gone: to another namespace */
    bool back;      /* gone: a device of the configured name is there */
    int index;      /* of the device that was opened; while it is gone, of none */
    char name[32];  /* of now, or the last it had */
    uint32_t mtu, xdp_id, carrier_downs;
};

/* mr_link_judge: news that are about the port's device, or while that is gone about one of its configured name, change
 * the view; others do not. answer: it was asked for this port. Returns what changed, MR_LINK_… */
uint32_t mr_link_judge(struct mr_link_view *v, const char *configured, const struct mr_link_news *news, bool answer);

/* mr_link_word: up, down, no-carrier, gone or recreated. */
const char *mr_link_word(const struct mr_link_view *v);

struct mr_link_port {
    bool watched; /* it has a device of the kernel's */
    bool polled;  /* it has one of its driver's, which can tell whether there is a carrier */
    struct mr_link_view view;
    bool closed;             /* gone, and its sockets are closed */
    bool failure_told;       /* this time it was opened in vain, and that was said */
    uint64_t next_try_ns;    /* gone: look for it again */
    uint64_t next_look_ns;   /* there: look at it unasked */
    uint32_t downs_judged;   /* carrier_downs when no refusal was waiting for its reason */
    /* telling */
    uint64_t since_ns;       /* of the present state */
    uint32_t changes;
    int episode;             /* event that counts the frames dropped now; -1 = none */
    uint64_t attributed;     /* frames dropped by the device's state that stand in an event */
    uint64_t settle_ns;      /* up: what was under way when it came back has been counted */
};

struct mr_links {
    int fd;
    bool tells;      /* the cores run */
    bool may_reopen;
    bool lost;       /* news, and all devices have not been asked for since */
    uint64_t now_ns; /* of the present look */
    struct mr_link_port at[MR_PORTS_MAX];
};

/* mr_links_open: after the ports were opened, in their namespace: the socket, and a first look at each device. */
int mr_links_open(struct mr_engine *e, struct mr_error *err);
void mr_links_close(struct mr_engine *e);

/* mr_links_fd: readable when there is news; -1 = no port has a device. */
int mr_links_fd(const struct mr_engine *e);

/* mr_links_start: the cores run: tell what is not up. mr_links_look: hear what is new and do what is due; often (each
 * few ms), never waits. mr_links_end: nothing is opened again from here on. mr_links_settle: all cores have ended. */
void mr_links_start(struct mr_engine *e);
void mr_links_look(struct mr_engine *e, uint64_t now_ns);
void mr_links_end(struct mr_engine *e);
void mr_links_settle(struct mr_engine *e);

/* mr_links_may_return: the port's device is gone, and it will be opened again should it come back. mr_links_gone: it is
 * gone. */
bool mr_links_may_return(const struct mr_engine *e, uint32_t port);
bool mr_links_gone(const struct mr_engine *e, uint32_t port);

/* mr_links_tell: of a port; what changed, and the view before. mr_links_attribute: frames that died by the port's state
 * since the last time belong to its episode. */
void mr_links_tell(struct mr_engine *e, uint32_t port, uint32_t changed, const struct mr_link_view *before);
void mr_links_tell_failure(struct mr_engine *e, uint32_t port, const char *why);
void mr_links_attribute(struct mr_engine *e, uint32_t port);
void mr_links_close_episode(struct mr_engine *e, uint32_t port); /* once it is up and settled */

/* link_poll.c: at opening, and in each look: of a port that is not watched. */
void mr_links_poll_open(struct mr_engine *e, uint32_t port);
void mr_links_poll(struct mr_engine *e, uint32_t port);

/* mr_links_trouble: what is wrong now, "left: no carrier since 3 s; right: gone since 10 s"; empty = nothing. */
void mr_links_trouble(const struct mr_engine *e, uint64_t now_ns, char *text, size_t bytes);

/* mr_links_device: what the port's device is called now; NULL = it has none. mr_links_json: its state and history for
 * the report, a new reference. */
const char *mr_links_device(const struct mr_engine *e, uint32_t port);
json_t *mr_links_json(const struct mr_engine *e, uint32_t port);

#endif
