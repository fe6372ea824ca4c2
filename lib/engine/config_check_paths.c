/* config_check_paths.c: paths: names resolved, who receives, who chooses; and what follows from it for sources. */
#include "lib/engine/config_check.h"

#include <stdio.h>
#include <string.h>

static int find_port(const struct mr_config *cfg, const char *name)
{
    for (uint32_t i = 0; i < cfg->n_ports; i++) {
        if (strcmp(cfg->ports[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static const char *port_names(const struct mr_config *cfg, char *text, size_t bytes)
{
    size_t used = 0;
    for (uint32_t i = 0; i < cfg->n_ports && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", cfg->ports[i].name);
    }
    return text;
}

static bool contains(const uint8_t *ports, uint32_t n, uint32_t port)
{
    return memchr(ports, (int)port, n) != NULL;
}

/* `from` or `to` of one path: names to indices. */
static int resolve(const struct mr_check *c, uint32_t path, const char *key, char (*names)[MR_NAME_MAX], uint32_t n,
                   uint8_t *ports)
{
    char at[MR_CHECK_PATH];
    char list[300];
    mr_check_path(at, "paths", path, key);
    for (uint32_t i = 0; i < n; i++) {
        int port = find_port(c->cfg, names[i]);
        if (port < 0) {
            return mr_check_fail(c, at, "no port \"%s\"; there are: %s", names[i],
                                 port_names(c->cfg, list, sizeof list));
        }
        if (contains(ports, i, (uint32_t)port)) {
            return mr_check_fail(c, at, "port %s stands there twice; remove one", names[i]);
        }
        ports[i] = (uint8_t)port;
    }
    return 0;
}

/* A frame has one owner, so one path receives from a port. */
static int check_receivers(const struct mr_check *c, uint32_t path)
{
    const struct mr_path_config *p = &c->cfg->paths[path];
    char at[MR_CHECK_PATH];
    for (uint32_t i = 0; i < p->n_from; i++) {
        for (uint32_t k = 0; k < path; k++) {
            if (contains(c->cfg->paths[k].from, c->cfg->paths[k].n_from, p->from[i])) {
                return mr_check_fail(
                    c, mr_check_path(at, "paths", path, "from"),
                    "port %s is received from by paths[%u] already; a frame goes one way: join the two paths",
                    p->from_name[i], k);
            }
        }
    }
    return 0;
}

static const char *work_names(char *text, size_t bytes, uint32_t flag)
{
    const struct mr_work_ops *ops;
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; (ops = mr_work_at(i)) != NULL && used < bytes; i++) {
        if ((ops->flags & flag) == flag) {
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used == 0 ? "" : ", ", ops->name);
        }
    }
    return text;
}

static int check_work(const struct mr_check *c, uint32_t path)
{
    const struct mr_path_config *p = &c->cfg->paths[path];
    char at[MR_CHECK_PATH];
    char names[300];
    uint32_t flags = 0;
    mr_check_path(at, "paths", path, "work");
    if (p->n_work == 0) {
        return mr_check_fail(c, at, "none; name at least one function of: %s", work_names(names, sizeof names, 0));
    }
    for (uint32_t i = 0; i < p->n_work; i++) {
        const struct mr_work_ops *ops = mr_work_find(p->work[i]);
        if (ops == NULL) {
            return mr_check_fail(c, at, "no work function \"%s\"; there are: %s", p->work[i],
                                 work_names(names, sizeof names, 0));
        }
        flags |= ops->flags;
    }
    if (p->n_to > 1 && !(flags & MR_WORK_CHOOSES)) {
        return mr_check_fail(c, at,
                             "%s cannot choose between the %u ports of `to`; name one port there, or use one of: %s",
                             p->work[p->n_work - 1], p->n_to, work_names(names, sizeof names, MR_WORK_CHOOSES));
    }
    return 0;
}

static int check_ends(const struct mr_check *c, uint32_t path)
{
    const struct mr_path_config *p = &c->cfg->paths[path];
    char at[MR_CHECK_PATH];
    bool drops = p->n_work != 0 && strcmp(p->work[p->n_work - 1], "drop") == 0;
    if (p->n_from == 0) {
        return mr_check_fail(c, mr_check_path(at, "paths", path, "from"),
                             "none; name the ports that the path receives from");
    }
    if (p->n_to == 0 && !drops) {
        return mr_check_fail(
            c, mr_check_path(at, "paths", path, "to"),
            "none; name the ports that the path sends to (only a path that ends in work drop has none)");
    }
    return 0;
}

/* A worker beyond the number of receiving queues would never be given a frame. */
static int check_workers(const struct mr_check *c, uint32_t path)
{
    const struct mr_path_config *p = &c->cfg->paths[path];
    char at[MR_CHECK_PATH];
    uint32_t queues = 0;
    for (uint32_t i = 0; i < p->n_from; i++) {
        uint32_t n = c->cfg->ports[p->from[i]].queues;
        queues = n > queues ? n : queues;
    }
    if (p->workers > queues) {
        return mr_check_fail(
            c, mr_check_path(at, "paths", path, "workers"),
            "%u, but its ports have at most %u queue%s, and each queue feeds one worker; set queues: %u there",
            p->workers, queues, queues == 1 ? "" : "s", p->workers);
    }
    return 0;
}

static int check_used(const struct mr_check *c)
{
    char at[MR_CHECK_PATH];
    for (uint32_t i = 0; i < c->cfg->n_ports; i++) {
        bool used = false;
        for (uint32_t k = 0; k < c->cfg->n_paths; k++) {
            const struct mr_path_config *p = &c->cfg->paths[k];
            used |= contains(p->from, p->n_from, i) || contains(p->to, p->n_to, i);
        }
        if (!used) {
            return mr_check_fail(c, mr_check_path(at, "ports", i, ""),
                                 "no path uses port %s; name it in one, or remove it", c->cfg->ports[i].name);
        }
    }
    return 0;
}

int mr_check_paths(const struct mr_check *c)
{
    int rc = 0;
    if (c->cfg->n_paths == 0) {
        return mr_check_fail(c, "paths", "none; add at least one, as - { from: left, work: forward, to: right }");
    }
    for (uint32_t i = 0; rc == 0 && i < c->cfg->n_paths; i++) {
        struct mr_path_config *p = &c->cfg->paths[i];
        rc = check_ends(c, i);
        rc = rc < 0 ? rc : resolve(c, i, "from", p->from_name, p->n_from, p->from);
        rc = rc < 0 ? rc : resolve(c, i, "to", p->to_name, p->n_to, p->to);
        rc = rc < 0 ? rc : check_receivers(c, i);
        rc = rc < 0 ? rc : check_work(c, i);
        rc = rc < 0 ? rc : check_workers(c, i);
    }
    return rc < 0 ? rc : check_used(c);
}

/* ---- sources ---- */

bool mr_check_stands_in(const struct mr_config *cfg, uint32_t port, bool in_to)
{
    for (uint32_t i = 0; i < cfg->n_paths; i++) {
        const struct mr_path_config *p = &cfg->paths[i];
        if (in_to ? contains(p->to, p->n_to, port) : contains(p->from, p->n_from, port)) {
            return true;
        }
    }
    return false;
}

static int check_window(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    char at[MR_CHECK_PATH];
    char list[300];
    if (port->window == 0) {
        return port->window_with[0] == 0 ? 0
                                         : mr_check_fail(c, mr_check_path(at, "ports", i, "window_with"),
                                                         "without a window; add window: 64, or remove it");
    }
    int sink = port->window_with[0] == 0 ? (int)i : find_port(c->cfg, port->window_with);
    mr_check_path(at, "ports", i, "window_with");
    if (sink < 0) {
        return mr_check_fail(c, at, "no port \"%s\"; there are: %s", port->window_with,
                             port_names(c->cfg, list, sizeof list));
    }
    if (strcmp(c->cfg->ports[sink].driver, "memory") != 0 || !mr_check_stands_in(c->cfg, (uint32_t)sink, true)) {
        return mr_check_fail(c, at,
                             "port %s does not close the window; name a memory port that stands in a path's `to`",
                             c->cfg->ports[sink].name);
    }
    return 0;
}

/* What is written and cannot have an effect was meant otherwise. */
static int check_idle_keys(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    const struct mr_key *key;
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; !port->source && (key = mr_key_at(k)) != NULL; k++) {
        if (key->of_source && mr_config_given(c->cfg, mr_check_path(at, "ports", i, key->name))) {
            return mr_check_fail(c, at, "is for a source, and port %s makes no frames; remove it, or name the port in "
                                 "a `from`", port->name);
        }
    }
    mr_check_path(at, "ports", i, "verify");
    if (port->verify && !mr_check_stands_in(c->cfg, i, true)) {
        return mr_check_fail(c, at, "is for a sink, and no path sends to port %s; remove it, or name the port in a `to`",
                             port->name);
    }
    if (port->verify && port->content == MR_CONTENT_DESCRIPTORS) {
        return mr_check_fail(c, at, "with content: descriptors no byte is written, so there is nothing to verify; "
                             "set one of them otherwise");
    }
    return 0;
}

int mr_check_sources(const struct mr_check *c)
{
    char at[MR_CHECK_PATH];
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < c->cfg->n_ports; i++) {
        struct mr_port_config *port = &c->cfg->ports[i];
        if (strcmp(port->driver, "pcap") == 0) {
            rc = mr_check_pcap(c, i, mr_check_stands_in(c->cfg, i, false), mr_check_stands_in(c->cfg, i, true));
        }
        if (rc < 0 || strcmp(port->driver, "memory") != 0) {
            continue;
        }
        mr_check_path(at, "ports", i, "source");
        if (!mr_config_given(c->cfg, at)) {
            port->source = mr_check_stands_in(c->cfg, i, false);
        } else if (port->source && !mr_check_stands_in(c->cfg, i, false)) {
            return mr_check_fail(c, at, "no path receives from port %s; name it in a `from`, or remove this",
                                 port->name);
        }
        if (port->source && port->vlan != 0 && port->content == MR_CONTENT_FULL && port->size.bytes[0] < 64) {
            return mr_check_fail(c, mr_check_path(at, "ports", i, "size"),
                                 "a frame with a tag (vlan) is at least 68 bytes with FCS; set size: 68 or more");
        }
        rc = check_window(c, i);
        rc = rc < 0 ? rc : check_idle_keys(c, i);
    }
    return rc;
}
