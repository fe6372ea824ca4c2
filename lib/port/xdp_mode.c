/* xdp_mode.c: zero copy, native or generic: exactly what was asked for, or with `auto` the first of them that works here;
 * what the better ones said is kept, and shown with what was obtained.
 */
#include "lib/port/xdp.h"
#include "lib/sys/netlink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

static const char *const words[] = {[MR_XDP_AUTO] = "auto", [MR_XDP_ZEROCOPY] = "zerocopy", [MR_XDP_NATIVE] = "native",
                                    [MR_XDP_GENERIC] = "generic"};

static void note(struct mr_xdp_port *p, enum mr_xdp_mode mode, int rc)
{
    size_t used = strlen(p->why_not);
    snprintf(p->why_not + used, sizeof p->why_not - used, "%s%s: %s", used == 0 ? "" : ", ", words[mode], strerror(-rc));
}

/* A mode that the device has not; other errors concern all modes. */
static bool has_not(int rc)
{
    return rc == -EOPNOTSUPP || rc == -EINVAL || rc == -ERANGE;
}

static int attach(struct mr_xdp_port *p, struct mr_error *err)
{
    if (p->port->n_rxq == 0) {
        return 0; // who only sends needs no program
    }
    int rc = mr_xdp_program_attach(p, p->mode == MR_XDP_GENERIC);
    if (has_not(rc) && p->mode == MR_XDP_NATIVE && p->port->config->xdp_mode == MR_XDP_AUTO) {
        note(p, MR_XDP_NATIVE, rc);
        p->mode = MR_XDP_GENERIC;
        rc = mr_xdp_program_attach(p, true);
    }
    return rc < 0 ? mr_xdp_program_fail(p, p->mode == MR_XDP_GENERIC, rc, err) : 0;
}

static enum mr_xdp_mode better(struct mr_xdp_port *p)
{
    int rc = mr_xdp_try_zerocopy(p->port->ifindex, 0);
    if (rc == 0) {
        return MR_XDP_ZEROCOPY;
    }
    if (has_not(rc)) {
        note(p, MR_XDP_ZEROCOPY, rc);
    } // else the socket itself will tell
    return MR_XDP_NATIVE;
}

int mr_xdp_settle(struct mr_xdp_port *p, struct mr_error *err)
{
    p->why_not[0] = 0;
    int rc = p->port->n_rxq != 0 ? mr_xdp_program_load(p, err) : 0;
    if (rc < 0) {
        return rc;
    }
    p->mode = p->port->config->xdp_mode;
    p->mode = p->mode == MR_XDP_AUTO ? better(p) : p->mode;
    return attach(p, err);
}

/* What the kernel says of the first socket; the mode asked for was given, or the port would not be open. */
static bool zerocopy(const struct mr_xdp_port *p)
{
    struct xdp_options options = {0};
    socklen_t bytes = sizeof options;
    return getsockopt(p->socket[0].fd, SOL_XDP, XDP_OPTIONS, &options, &bytes) == 0 && options.flags & XDP_OPTIONS_ZEROCOPY;
}

__attribute__((format(printf, 2, 3))) static void say(struct mr_port *port, const char *format, ...)
{
    size_t used = strlen(port->mode);
    va_list args;
    va_start(args, format);
    vsnprintf(port->mode + used, sizeof port->mode - used, format, args);
    va_end(args);
}

/* Of options that are off nothing is said; those asked for were given, or the port would not be open. */
static void say_options(struct mr_xdp_port *p)
{
    const struct mr_port_config *c = p->port->config;
    if (c->rx_ring != 0 && p->port->n_rxq != 0) {
        say(p->port, ", RX ring of %u", c->rx_ring);
    }
    if (c->busy_poll != 0 && p->port->n_rxq != 0) {
        say(p->port, ", polls busily, %u a call", c->busy_poll);
    }
    if (c->xdp_kick == MR_KICK_URING && p->port->n_txq != 0) {
        say(p->port, ", kicked by io_uring");
    }
    if (c->tx_budget != 0 && p->port->n_txq != 0) {
        say(p->port, ", sends %u a call", c->tx_budget);
    }
    if (c->take[0] != 0 && p->port->n_rxq != 0) {
        say(p->port, ", takes %.60s", c->take);
    }
}

/* The device spreads frames over its own queues, and knows nothing of ours. */
static void say_queues(struct mr_xdp_port *p)
{
    const char *device = p->port->config->device, *kind;
    uint32_t n = 0, ours = p->port->n_rxq;
    if (ours != 0 && mr_link_channels(device, &n, &kind) == 0 && n > ours) {
        say(p->port, ", %u of %u RX queues: what comes by others goes on to the kernel (queues: %u, or ethtool -L %.40s %s %u)", ours,
            n, n, device, kind, ours);
    }
}

/* A mode that was asked for and makes no difference. */
static const char *all_the_same(const struct mr_xdp_port *p)
{
    enum mr_xdp_mode asked = p->port->n_rxq != 0 ? MR_XDP_AUTO : p->port->config->xdp_mode;
    return asked == MR_XDP_NATIVE ? " (native is as generic)" : asked == MR_XDP_GENERIC ? " (generic is as native)" : "";
}

void mr_xdp_describe(struct mr_xdp_port *p)
{
    struct mr_port *port = p->port;
    bool receives = port->n_rxq != 0;
    port->mode[0] = 0;
    say(port, "%s%s%s%s%s, %s", receives ? words[p->mode] : "sends only, no program", all_the_same(p), p->why_not[0] != 0 ? " (" : "",
        p->why_not, p->why_not[0] != 0 ? ")" : "", zerocopy(p) ? "no copy" : "copies");
    if (receives) {
        say(port, ", program %u, %u chunks%s", p->program_id, port->config->buffers, p->promiscuous >= 0 ? ", promiscuous" : "");
    }
    say_options(p);
    say_queues(p);
}
