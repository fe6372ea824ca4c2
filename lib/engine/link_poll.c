/* link_poll.c: devices that the kernel does not know: nobody tells of them, so control asks their driver, ten times a second.
 * They are up or without a carrier; such a device neither goes down by the kernel's hand nor away.
 */
#include "lib/engine/link.h"

#include <stdio.h>

#define POLL_NS 100000000ull

static int carrier(struct mr_port *port)
{
    return port->ifindex != 0 || port->driver->carrier == NULL ? -1 : port->driver->carrier(port);
}

static void take(struct mr_port *port, struct mr_link_view *view, bool has_carrier)
{
    view->link = has_carrier ? MR_LINK_UP : MR_LINK_NO_CARRIER;
    mr_store_release(&port->link, view->link);
}

void mr_links_poll_open(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    const char *device = e->config->ports[p].device;
    int has = carrier(e->ports[p]);
    if (has >= 0) {
        l->polled = true;
        snprintf(l->view.name, sizeof l->view.name, "%.*s", (int)strcspn(device, ","), device);
        take(e->ports[p], &l->view, has == 1);
    }
}

void mr_links_poll(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    if (e->links->now_ns >= l->next_look_ns) {
        struct mr_link_view before = l->view;
        int has = carrier(e->ports[p]);
        l->next_look_ns = e->links->now_ns + POLL_NS;
        if (has >= 0 && (has == 1) != (before.link == MR_LINK_UP)) {
            take(e->ports[p], &l->view, has == 1);
            mr_links_tell(e, p, MR_LINK_NEW_STATE, &before);
        }
    }
    mr_links_close_episode(e, p);
}
