/* link_tell.c: what people are told of devices: events while it happens, the live line, states and history.
 *
 * An event of a state counts the frames that the state cost: from it until the next. What was still under way when the
 * device came back is counted a moment later, and belongs to it too.
 */
#include "lib/engine/link.h"

#include <stdarg.h>
#include <stdio.h>

#define SETTLE_NS 50000000ull /* refusals are judged, cores have heard */

static const char *name_of(const struct mr_engine *e, uint32_t p)
{
    const char *now = e->links->at[p].view.name;
    return now[0] != 0 ? now : e->config->ports[p].device;
}

__attribute__((format(printf, 4, 5))) static int tell(struct mr_engine *e, uint32_t p, const char *what,
                                                      const char *format, ...)
{
    char text[240];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mr_engine_note(e, e->links->now_ns, e->config->ports[p].name, "", what, "%s", text);
}

/* ---- what the state costs ---- */

static uint64_t dropped(const struct mr_engine *e, uint32_t p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_stage *s = e->stages[i];
        if (s->kind == MR_STAGE_TX && s->plan->port == p) {
            sum += mr_counted(&s->counters.drops[MR_DROP_link_down]);
            sum += mr_counted(&s->counters.drops[MR_DROP_no_carrier]);
            sum += mr_counted(&s->counters.drops[MR_DROP_device_gone]);
        }
    }
    return sum;
}

void mr_links_attribute(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    uint64_t sum = dropped(e, p);
    if (l->episode >= 0) {
        e->events[l->episode].frames += (int64_t)(sum - l->attributed);
        l->attributed = sum;
    }
}

void mr_links_close_episode(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    if (l->view.link == MR_LINK_UP && !l->view.recreated && l->episode >= 0 && e->links->now_ns >= l->settle_ns) {
        mr_links_attribute(e, p);
        l->episode = -1;
    }
}

static void begin_episode(struct mr_engine *e, uint32_t p, int event)
{
    e->links->at[p].episode = event;
    if (event >= 0) {
        e->events[event].frames = 0;
    }
}

/* ---- events ---- */

static int tell_gone(struct mr_engine *e, uint32_t p, const struct mr_link_view *v)
{
    bool can = e->ports[p]->driver->reopen != NULL;
    return tell(e, p, "gone", "%s %s; its port has stopped, all others go on; %s", name_of(e, p),
                v->moved ? "went to another network namespace" : "was deleted",
                e->config->ports[p].reopen ? "opened again when it is back (reopen: yes)"
                : can                      ? "with reopen: yes it would be opened again when it is back"
                                           : "its driver cannot open it again");
}

static int tell_bad(struct mr_engine *e, uint32_t p, const struct mr_link_view *v)
{
    const char *name = name_of(e, p);
    if (v->recreated) {
        return tell(e, p, "recreated", "%s is back, and was opened again", name);
    }
    if (v->link == MR_LINK_GONE) {
        return tell_gone(e, p, v);
    }
    return v->link == MR_LINK_DOWN
               ? tell(e, p, "down", "%s is down; ip link set %s up", name, name)
               : tell(e, p, "no-carrier", "%s has no carrier: its peer is down, or its cable is out", name);
}

static void tell_state(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    double seconds = (double)(e->links->now_ns - l->since_ns) / 1e9;
    mr_links_attribute(e, p);
    l->since_ns = e->links->now_ns;
    l->changes++;
    if (l->view.link == MR_LINK_UP && !l->view.recreated) {
        tell(e, p, "up", "%s is up, after %.1f s", name_of(e, p), seconds);
        l->settle_ns = e->links->now_ns + SETTLE_NS;
    } else {
        begin_episode(e, p, tell_bad(e, p, &l->view));
    }
}

static void tell_rest(struct mr_engine *e, uint32_t p, uint32_t changed, const struct mr_link_view *before)
{
    const struct mr_link_view *now = &e->links->at[p].view;
    if (changed & MR_LINK_NEW_NAME) {
        tell(e, p, "renamed", "%s is called %s now; frames flow as before", before->name, now->name);
    }
    if (changed & MR_LINK_NEW_MTU) {
        tell(e, p, "mtu", "%s has MTU %u now, had %u; longer frames to it are dropped as mtu", now->name, now->mtu,
             before->mtu);
    }
    if (changed & MR_LINK_NEW_XDP && now->xdp_id != 0) {
        tell(e, p, "xdp", "%s has XDP program %u now, had %u (0: none); what it takes does not come here", now->name,
             now->xdp_id, before->xdp_id);
    } else if (changed & MR_LINK_NEW_XDP) {
        tell(e, p, "xdp", "%s has no XDP program any more, had %u; what that took goes to the kernel, and a port that received by it "
             "gets nothing until the engine starts again", now->name, before->xdp_id);
    }
    if (changed & MR_LINK_FLAPPED) {
        mr_links_attribute(e, p);
        begin_episode(e, p, tell(e, p, "flapped", "%s lost its carrier for a moment", now->name));
        e->links->at[p].settle_ns = e->links->now_ns + SETTLE_NS;
    }
}

/* A device that was opened again is another one: that name, MTU or program differ is no change. */
void mr_links_tell(struct mr_engine *e, uint32_t p, uint32_t changed, const struct mr_link_view *before)
{
    if (!e->links->tells) {
        return;
    }
    bool settled = !e->links->at[p].view.recreated || !before->recreated;
    if ((changed & MR_LINK_NEW_STATE) && settled) {
        tell_state(e, p);
    }
    if (!before->recreated) {
        tell_rest(e, p, changed, before);
    }
}

void mr_links_tell_failure(struct mr_engine *e, uint32_t p, const char *why)
{
    tell(e, p, "gone", "is back, but cannot be opened, and is tried again: %s", why);
}

/* ---- now ---- */

static const char *in_words(const struct mr_link_view *v)
{
    const char *word = mr_link_word(v);
    return v->link == MR_LINK_NO_CARRIER && !v->recreated ? "no carrier" : word;
}

void mr_links_trouble(const struct mr_engine *e, uint64_t now_ns, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t p = 0; p < e->config->n_ports && used < bytes; p++) {
        const struct mr_link_port *l = &e->links->at[p];
        if ((l->watched || l->polled) && (l->view.link != MR_LINK_UP || l->view.recreated)) {
            used += (size_t)snprintf(text + used, bytes - used, "%s%s: %s since %.0f s", used == 0 ? "" : "; ",
                                     e->config->ports[p].name, in_words(&l->view), (double)(now_ns - l->since_ns) / 1e9);
        }
    }
}

/* ---- the report ---- */

const char *mr_links_device(const struct mr_engine *e, uint32_t port)
{
    const char *device = name_of(e, port);
    return device[0] == 0 ? NULL : device;
}

static bool is_state(const char *what)
{
    static const char *const words[] = {"up", "down", "no-carrier", "gone", "recreated", "flapped"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], what) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *history(const struct mr_engine *e, uint32_t p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->n_events; i++) {
        const struct mr_event *event = &e->events[i];
        if (event->stage[0] == 0 && strcmp(event->port, e->config->ports[p].name) == 0 && is_state(event->what)) {
            json_array_append_new(list, json_pack("{s:f, s:s, s:I}", "seconds", event->seconds, "state", event->what,
                                                  "frames", (json_int_t)(event->frames < 0 ? 0 : event->frames)));
        }
    }
    return list;
}

json_t *mr_links_json(const struct mr_engine *e, uint32_t port)
{
    const struct mr_link_port *l = &e->links->at[port];
    if (!l->watched && !l->polled) {
        return json_null();
    }
    return json_pack("{s:s, s:f, s:i, s:i, s:o}", "now", mr_link_word(&l->view), "since",
                     (double)(l->since_ns - e->start_ns) / 1e9, "changes", (int)l->changes, "mtu", (int)l->view.mtu,
                     "history", history(e, port));
}
