/* link_watch.c: the socket that hears of devices, and what control does about it: words to the cores, reasons for
 * refusals, closing what is gone, opening what is back. */
#include "lib/engine/link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TRY_NS 100000000ull   /* between two looks for a device that is gone */
#define LOOK_NS 1000000000ull /* between two looks for what the kernel does not tell: XDP programs held by a bpf_link come,
                                 are replaced and detached without a message */

static bool up(const struct mr_link_port *l)
{
    return l->view.link == MR_LINK_UP && !l->view.recreated;
}

/* ---- hearing ---- */

static void hear(void *arg, const struct mr_link_news *news)
{
    struct mr_engine *e = arg;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_link_port *l = &e->links->at[p];
        struct mr_link_view before = l->view;
        if (!l->watched) {
            continue;
        }
        uint32_t changed = mr_link_judge(&l->view, e->config->ports[p].device, news, news->question == p + 1);
        if (changed != 0) {
            mr_store_release(&e->ports[p]->mtu, l->view.mtu);
            mr_store_release(&e->ports[p]->link, l->view.link);
            mr_links_tell(e, p, changed, &before);
        }
    }
}

static void read_news(struct mr_engine *e)
{
    e->links->lost |= mr_link_news_read(e->links->fd, hear, e) == -ENOBUFS;
}

/* The kernel answers before the question's call returns: so the answer is read at once. */
static void ask(struct mr_engine *e, uint32_t p)
{
    const struct mr_link_view *v = &e->links->at[p].view;
    if (mr_link_news_ask(e->links->fd, p + 1, v->index, e->config->ports[p].device) == 0) {
        read_news(e);
    }
}

/* What is lost meanwhile is for the next look: this one ends. */
static void ask_for_all(struct mr_engine *e)
{
    e->links->lost = false;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        if (e->links->at[p].watched) {
            ask(e, p);
        }
    }
}

/* Losses of a carrier before there was anything to refuse explain nothing. */
static void forget_losses(struct mr_link_port *l)
{
    l->downs_judged = l->view.carrier_downs;
}

/* ---- why a frame was refused ---- */

static enum mr_drop verdict(const struct mr_link_port *l)
{
    static const enum mr_drop reasons[] = {MR_DROP_tx_refused, MR_DROP_link_down, MR_DROP_no_carrier,
                                           MR_DROP_device_gone};
    bool lost = l->view.carrier_downs != l->downs_judged;
    return l->view.link == MR_LINK_UP && lost ? MR_DROP_no_carrier : reasons[l->view.link];
}

/* Refusals seen before the device is looked at are judged by that look; the next ones wait until those are counted. */
static void judge_refusals(struct mr_engine *e, uint32_t p)
{
    struct mr_port *port = e->ports[p];
    struct mr_link_port *l = &e->links->at[p];
    uint32_t refused[MR_QUEUES_MAX];
    bool any = false;
    for (uint32_t q = 0; q < port->n_txq; q++) {
        refused[q] = mr_load_acquire(&port->txq[q]->refused);
        any |= refused[q] != port->txq[q]->judged;
    }
    if (any && l->view.link != MR_LINK_GONE) {
        ask(e, p);
    }
    for (uint32_t q = 0; any && q < port->n_txq; q++) {
        struct mr_txq *txq = port->txq[q];
        if (refused[q] != txq->judged && mr_load_acquire(&txq->counted) == txq->judged) {
            __atomic_store_n(&txq->verdict, verdict(l), __ATOMIC_RELAXED);
            mr_store_release(&txq->judged, refused[q]);
        }
    }
    forget_losses(l);
}

/* ---- gone and back ---- */

/* Queues that have halted, or that have not. */
static bool all_halted(const struct mr_port *port, bool halted)
{
    bool all = true;
    for (uint32_t q = 0; q < port->n_rxq; q++) {
        all &= (mr_load_acquire(&port->rxq[q]->halted) != 0) == halted;
    }
    for (uint32_t q = 0; q < port->n_txq; q++) {
        all &= (mr_load_acquire(&port->txq[q]->halted) != 0) == halted;
    }
    return all;
}

static void recreate(struct mr_engine *e, uint32_t p)
{
    struct mr_port *port = e->ports[p];
    struct mr_link_port *l = &e->links->at[p];
    struct mr_link_view before = l->view;
    struct mr_error err = {0};
    if (port->driver->reopen(port, &err) < 0) {
        l->view.back = false;
        if (!l->failure_told) {
            mr_links_tell_failure(e, p, err.text);
            l->failure_told = true;
        }
        return;
    }
    l->view = (struct mr_link_view){.link = MR_LINK_DOWN, .recreated = true, .index = port->ifindex};
    l->closed = false;
    l->failure_told = false;
    mr_links_tell(e, p, MR_LINK_NEW_STATE, &before);
    ask(e, p); // tells the cores what it is, and so to resume
    forget_losses(l);
    mr_store_release(&port->link, l->view.link);
}

static void tend_gone(struct mr_engine *e, uint32_t p)
{
    struct mr_port *port = e->ports[p];
    struct mr_link_port *l = &e->links->at[p];
    if (!l->closed) {
        if (all_halted(port, true)) {
            port->driver->close(port);
            l->closed = true;
        }
        return;
    }
    if (!mr_links_may_return(e, p)) {
        return;
    }
    if (!l->view.back && e->links->now_ns >= l->next_try_ns) {
        if (port->driver->caps.makes_device) {
            l->view.back = true; // by reopening it
        } else {
            ask(e, p);
        }
        l->next_try_ns = e->links->now_ns + TRY_NS;
    }
    if (l->view.back) {
        recreate(e, p);
    }
}

static void tend(struct mr_engine *e, uint32_t p)
{
    struct mr_link_port *l = &e->links->at[p];
    if (e->links->tells && l->view.link != MR_LINK_GONE && e->links->now_ns >= l->next_look_ns) {
        l->next_look_ns = e->links->now_ns + LOOK_NS;
        ask(e, p);
    }
    judge_refusals(e, p);
    if (l->view.link == MR_LINK_GONE) {
        tend_gone(e, p);
    } else if (l->view.recreated && all_halted(e->ports[p], false)) {
        struct mr_link_view before = l->view;
        l->view.recreated = false;
        mr_links_tell(e, p, MR_LINK_NEW_STATE, &before);
    }
    mr_links_close_episode(e, p);
}

/* ---- life ---- */

int mr_links_open(struct mr_engine *e, struct mr_error *err)
{
    bool any = false;
    e->links = calloc(1, sizeof *e->links);
    if (e->links == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory to watch the devices; free some");
    }
    e->links->fd = -1;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_link_port *l = &e->links->at[p];
        *l = (struct mr_link_port){.watched = e->ports[p]->ifindex != 0, .episode = -1};
        l->view.index = e->ports[p]->ifindex;
        any |= l->watched;
        mr_links_poll_open(e, p);
    }
    if (!any) {
        return 0;
    }
    int fd = mr_link_news_open();
    if (fd < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, fd, "cannot hear of interfaces going up and down (rtnetlink): %s%s",
                            strerror(-fd), fd == -EMFILE ? "; raise ulimit -n" : "");
    }
    e->links->fd = fd;
    ask_for_all(e);
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        forget_losses(&e->links->at[p]);
    }
    return 0;
}

void mr_links_close(struct mr_engine *e)
{
    if (e->links != NULL && e->links->fd >= 0) {
        close(e->links->fd);
    }
    free(e->links);
    e->links = NULL;
}

int mr_links_fd(const struct mr_engine *e)
{
    return e->links->fd;
}

void mr_links_start(struct mr_engine *e)
{
    e->links->tells = true;
    e->links->may_reopen = true;
    e->links->now_ns = e->start_ns;
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        struct mr_link_port *l = &e->links->at[p];
        l->since_ns = e->start_ns;
        l->next_look_ns = e->start_ns + LOOK_NS;
        if ((l->watched || l->polled) && !up(l)) {
            mr_links_tell(e, p, MR_LINK_NEW_STATE, &l->view);
        }
    }
}

void mr_links_look(struct mr_engine *e, uint64_t now_ns)
{
    e->links->now_ns = now_ns;
    if (e->links->fd >= 0) {
        read_news(e);
    }
    if (e->links->lost) {
        ask_for_all(e);
    }
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        if (e->links->at[p].watched) {
            tend(e, p);
        } else if (e->links->at[p].polled) {
            mr_links_poll(e, p);
        }
    }
}

void mr_links_end(struct mr_engine *e)
{
    e->links->may_reopen = false;
}

void mr_links_settle(struct mr_engine *e)
{
    for (uint32_t p = 0; p < e->config->n_ports; p++) {
        if (e->links->at[p].watched || e->links->at[p].polled) {
            mr_links_attribute(e, p);
        }
    }
}

bool mr_links_gone(const struct mr_engine *e, uint32_t port)
{
    return e->links->at[port].watched && e->links->at[port].view.link == MR_LINK_GONE;
}

bool mr_links_may_return(const struct mr_engine *e, uint32_t port)
{
    return mr_links_gone(e, port) && e->config->ports[port].reopen && e->links->may_reopen;
}
