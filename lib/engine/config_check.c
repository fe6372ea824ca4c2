/* config_check.c: ports: what a table of keys cannot tell. Paths: config_check_paths.c. */
#include "lib/engine/config_check.h"
#include "lib/port/port.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int mr_check_fail(const struct mr_check *c, const char *key, const char *format, ...)
{
    char where[400];
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mr_error_set(c->err, MR_FAULT_CONFIG, EINVAL, "%.300s%s", mr_config_where(c->cfg, key, where, sizeof where),
                        text);
}

const char *mr_check_path(char *path, const char *section, uint32_t i, const char *key)
{
    snprintf(path, MR_CHECK_PATH, "%s[%u]%s%s", section, i, key[0] == 0 ? "" : ".", key);
    return path;
}

static void note(struct mr_config *cfg, const char *key, uint32_t from, uint32_t to)
{
    if (cfg->n_notes < MR_CONFIG_NOTES_MAX) {
        snprintf(cfg->notes[cfg->n_notes++], sizeof cfg->notes[0], "%s: %u rounded up to %u, the next power of two",
                 key, from, to);
    }
}

static void round_up(struct mr_config *cfg, const char *key, uint32_t *n)
{
    uint32_t p = mr_ring_capacity(*n);
    if (p != *n && *n != 0) {
        note(cfg, key, *n, p);
        *n = p;
    }
}

/* ---- one port ---- */

static int check_name(const struct mr_check *c, uint32_t i)
{
    char path[MR_CHECK_PATH];
    const char *name = c->cfg->ports[i].name;
    if (name[0] == 0) {
        return mr_check_fail(c, mr_check_path(path, "ports", i, ""), "no name; add name: %s",
                             i == 0 ? "left" : "right");
    }
    mr_check_path(path, "ports", i, "name");
    for (const char *p = name; *p != 0; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') {
            return mr_check_fail(c, path, "\"%s\": a name has letters, digits, - and _ only", name);
        }
    }
    if (!isalpha((unsigned char)name[0])) {
        return mr_check_fail(c, path, "\"%s\": a name begins with a letter", name);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(c->cfg->ports[k].name, name) == 0) {
            return mr_check_fail(c, path, "\"%s\" is already the name of ports[%u]; choose another", name, k);
        }
    }
    return 0;
}

static const char *driver_names(char *text, size_t bytes)
{
    const struct mr_driver_entry *e;
    size_t used = 0;
    for (uint32_t i = 0; (e = mr_driver_at(i)) != NULL && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", e->name);
    }
    return text;
}

static int check_driver(const struct mr_check *c, uint32_t i)
{
    char path[MR_CHECK_PATH];
    char names[200];
    const char *name = c->cfg->ports[i].driver;
    const struct mr_driver_entry *e;
    if (name[0] == 0) {
        return mr_check_fail(c, mr_check_path(path, "ports", i, ""), "no driver; there are: %s",
                             driver_names(names, sizeof names));
    }
    mr_check_path(path, "ports", i, "driver");
    for (uint32_t k = 0; (e = mr_driver_at(k)) != NULL; k++) {
        if (strcmp(e->name, name) == 0) {
            return e->driver != NULL ? 0 : mr_check_fail(c, path, "driver %s is %s", name, e->why_not);
        }
    }
    return mr_check_fail(c, path, "no driver \"%s\"; there are: %s", name, driver_names(names, sizeof names));
}

/* "a b c" as "a, b or c". */
static const char *one_of(const char *words, char *text, size_t bytes)
{
    const char *last = strrchr(words, ' ');
    size_t used = 0;
    for (const char *at = words; *at != 0 && used + 5 < bytes; at++) {
        used += (size_t)(*at == ' ' ? snprintf(text + used, bytes - used, at == last ? " or " : ", ")
                                    : snprintf(text + used, bytes - used, "%c", *at));
    }
    return text;
}

/* Keys of other drivers are refused where written, and zero where not: nobody after this has to ask whose they are. */
static int check_foreign(const struct mr_check *c, uint32_t i)
{
    struct mr_port_config *port = &c->cfg->ports[i];
    const struct mr_key *key;
    char path[MR_CHECK_PATH], names[128];
    for (uint32_t k = 0; (key = mr_key_at(k)) != NULL; k++) {
        if (mr_key_serves(key, port->driver)) {
            continue;
        }
        mr_check_path(path, "ports", i, key->name);
        if (mr_config_given(c->cfg, path)) {
            return mr_check_fail(c, path, "belongs to driver %s, this port uses %s; remove it",
                                 one_of(key->driver, names, sizeof names), port->driver);
        }
        mr_key_clear(key, port);
    }
    return 0;
}

static int check_device(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    const struct mr_driver *driver = mr_driver_find(port->driver);
    char path[MR_CHECK_PATH];
    mr_check_path(path, "ports", i, "device");
    if (driver->caps.needs_device && port->device[0] == 0) {
        return mr_check_fail(c, path, "missing; driver %s needs an interface, as device: veth1", port->driver);
    }
    if (!driver->caps.needs_device && port->device[0] != 0) {
        return mr_check_fail(c, path, "driver %s has no device%s; remove \"%.60s\"", port->driver,
                             strcmp(port->driver, "pcap") == 0 ? ", but files (read, write)" : "", port->device);
    }
    if (port->queues > driver->caps.max_queues) {
        return mr_check_fail(c, mr_check_path(path, "ports", i, "queues"), "%u; driver %s has at most %u", port->queues,
                             port->driver, driver->caps.max_queues);
    }
    return 0;
}

/* What a device does after it was opened concerns ports with one. */
static int check_device_keys(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    const struct mr_key *key;
    char path[MR_CHECK_PATH];
    for (uint32_t k = 0; (key = mr_key_at(k)) != NULL && !mr_driver_find(port->driver)->caps.needs_device; k++) {
        if (key->of_device && mr_config_given(c->cfg, mr_check_path(path, "ports", i, key->name))) {
            return mr_check_fail(c, path, "is for ports with an interface, driver %s has none; remove it", port->driver);
        }
    }
    if (port->reopen && mr_driver_find(port->driver)->reopen == NULL) {
        return mr_check_fail(c, mr_check_path(path, "ports", i, "reopen"), "driver %s cannot open a device a second time; remove "
                             "it, or use a driver that can: mmap, mmsg, socket, uring", port->driver);
    }
    return 0;
}

static int check_buffers(const struct mr_check *c, uint32_t i)
{
    struct mr_port_config *port = &c->cfg->ports[i];
    char path[MR_CHECK_PATH];
    round_up(c->cfg, mr_check_path(path, "ports", i, "buffers"), &port->buffers);
    round_up(c->cfg, mr_check_path(path, "ports", i, "rx_ring"), &port->rx_ring);
    mr_check_path(path, "ports", i, "big_buffers");
    if (port->offload != MR_OFFLOAD_SUPER) {
        if (mr_config_given(c->cfg, path)) {
            return mr_check_fail(c, path, "is for offload: super, this port has offload: %s; remove it, or change that",
                                 mr_offload_word(port->offload));
        }
        port->big_buffers = 0;
        return 0;
    }
    port->big_buffers = port->big_buffers == 0 ? MR_BIG_BUFFERS : port->big_buffers;
    round_up(c->cfg, path, &port->big_buffers);
    return 0;
}

/* A super-frame and what the kernel puts before it must fit one block. */
static int check_blocks(const struct mr_check *c, uint32_t i)
{
    struct mr_port_config *port = &c->cfg->ports[i];
    char path[MR_CHECK_PATH];
    uint32_t bytes = (uint32_t)port->block_bytes;
    if (bytes == 0) {
        return 0; // another driver's port
    }
    round_up(c->cfg, mr_check_path(path, "ports", i, "block_bytes"), &bytes);
    port->block_bytes = bytes;
    if (port->offload == MR_OFFLOAD_SUPER && bytes < MR_BLOCK_SUPER_LEAST) {
        return mr_check_fail(c, path, "%u are too few for offload: super; set 128KiB or more", bytes);
    }
    return 0;
}

int mr_check_ports(const struct mr_check *c)
{
    int rc = 0;
    if (c->cfg->n_ports == 0) {
        return mr_check_fail(c, "ports", "none; add at least one, as - { name: left, driver: uring, device: veth1 }");
    }
    for (uint32_t i = 0; rc == 0 && i < c->cfg->n_ports; i++) {
        rc = check_name(c, i);
        rc = rc < 0 ? rc : check_driver(c, i);
        rc = rc < 0 ? rc : check_foreign(c, i);
        rc = rc < 0 ? rc : check_device(c, i);
        rc = rc < 0 ? rc : check_device_keys(c, i);
        rc = rc < 0 ? rc : check_buffers(c, i);
        rc = rc < 0 ? rc : check_blocks(c, i);
    }
    return rc;
}

int mr_config_check(struct mr_config *cfg, struct mr_error *err)
{
    struct mr_check c = {cfg, err};
    round_up(cfg, "engine.ring", &cfg->ring_frames);
    int rc = mr_check_ports(&c);
    rc = rc < 0 ? rc : mr_check_paths(&c);
    rc = rc < 0 ? rc : mr_check_ways(&c);
    rc = rc < 0 ? rc : mr_check_taps(&c);
    return rc < 0 ? rc : mr_check_sources(&c);
}
