/* config_check_ways.c: which way frames go by a port, and what follows: who else may have its device, and which keys of its
 * can have no effect. Once paths are resolved.
 */
#include "lib/engine/config_check.h"
#include "lib/engine/config_schema.h"
#include "lib/port/port.h"

#include <string.h>

/* ---- one device, two ports ---- */

/* Two ports that receive from one device would have every frame twice. */
static int check_device_once(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; k < i && port->device[0] != 0 && mr_check_stands_in(c->cfg, i, false); k++) {
        if (strcmp(c->cfg->ports[k].device, port->device) == 0 && mr_check_stands_in(c->cfg, k, false)) {
            return mr_check_fail(c, mr_check_path(at, "ports", i, "device"),
                                 "port %s receives from %.60s already, and every frame would come twice; name another "
                                 "device, or set queues for several cores",
                                 c->cfg->ports[k].name, port->device);
        }
    }
    return 0;
}

/* Of a driver whose queues are the device's own, one port has them, whether it receives or sends. */
static int check_queues_once(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; k < i && mr_driver_find(port->driver)->caps.device_queues; k++) {
        const struct mr_port_config *other = &c->cfg->ports[k];
        if (strcmp(other->device, port->device) == 0 && strcmp(other->driver, port->driver) == 0) {
            return mr_check_fail(c, mr_check_path(at, "ports", i, "device"),
                                 "%.60s is port %s's already, and each of its queues has one owner with driver %s; leave out port %s: "
                                 "port %s may stand in `from` and in `to`",
                                 port->device, other->name, port->driver, port->name, other->name);
        }
    }
    return 0;
}

/* ---- keys of one way ---- */

/* A printed configuration has every key, and is read again: what stands there by default asks for nothing. */
static bool asks(const struct mr_check *c, uint32_t i, const struct mr_key *key)
{
    char at[MR_CHECK_PATH];
    if (!mr_config_given(c->cfg, mr_check_path(at, "ports", i, key->name))) {
        return false;
    }
    struct mr_port_config presets = {0};
    mr_key_presets(MR_KEY_PORT, &presets);
    json_t *written = mr_key_json(key, &c->cfg->ports[i]), *preset = mr_key_json(key, &presets);
    bool differs = !json_equal(written, preset);
    json_decref(written);
    json_decref(preset);
    return differs;
}

/* What is written and cannot have an effect was meant otherwise. */
static int check_keys(const struct mr_check *c, uint32_t i)
{
    const char *name = c->cfg->ports[i].name;
    bool receives = mr_check_stands_in(c->cfg, i, false), sends = mr_check_stands_in(c->cfg, i, true);
    const struct mr_key *key;
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; (key = mr_key_at(k)) != NULL; k++) {
        bool idle = (key->of_rx && !receives) || (key->of_tx && !sends);
        if (!idle || !mr_key_serves(key, c->cfg->ports[i].driver) || !asks(c, i, key)) {
            continue;
        }
        mr_check_path(at, "ports", i, key->name);
        return key->of_rx ? mr_check_fail(c, at, "is for receiving, and port %s only sends; remove it, or name the port in a `from`", name)
                          : mr_check_fail(c, at, "is for sending, and port %s only receives; remove it, or name the port in a `to`", name);
    }
    return 0;
}

/* 0 is the kernel's own; what is less than that it refuses. */
static int check_budget(const struct mr_check *c, uint32_t i)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    char at[MR_CHECK_PATH];
    return port->tx_budget == 0 || port->tx_budget >= MR_TX_BUDGET_LEAST
               ? 0
               : mr_check_fail(c, mr_check_path(at, "ports", i, "tx_budget"), "%u on port %s; the kernel takes 0 (its own, %u) or %u and "
                               "more", port->tx_budget, port->name, MR_TX_BUDGET_LEAST, MR_TX_BUDGET_LEAST);
}

/* What only the driver can tell. */
static int check_driver(const struct mr_check *c, uint32_t i)
{
    const struct mr_driver *driver = mr_driver_find(c->cfg->ports[i].driver);
    char at[MR_CHECK_PATH], why[300];
    const char *key = driver->check == NULL ? NULL : driver->check(&c->cfg->ports[i], why, sizeof why);
    return key == NULL ? 0 : mr_check_fail(c, mr_check_path(at, "ports", i, key), "%s", why);
}

int mr_check_ways(const struct mr_check *c)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < c->cfg->n_ports; i++) {
        rc = check_device_once(c, i);
        rc = rc < 0 ? rc : check_queues_once(c, i);
        rc = rc < 0 ? rc : check_keys(c, i);
        rc = rc < 0 ? rc : check_budget(c, i);
        rc = rc < 0 ? rc : check_driver(c, i);
    }
    return rc;
}
