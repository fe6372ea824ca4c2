/* config_check_pcap.c: ports of driver pcap: who reads has a file to read, who writes one to write, and keys of the other
 * way have no effect and are refused. */
#include "lib/engine/config_check.h"

#include <stdio.h>
#include <string.h>

static int check_side(const struct mr_check *c, uint32_t i, bool reads, bool used)
{
    const struct mr_port_config *port = &c->cfg->ports[i];
    const char *list = reads ? "from" : "to";
    const char *file = reads ? "read" : "write";
    const struct mr_key *key;
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; !used && (key = mr_key_at(k)) != NULL; k++) {
        if ((reads ? key->of_source : key->of_sink) &&
            mr_config_given(c->cfg, mr_check_path(at, "ports", i, key->name))) {
            return mr_check_fail(c, at, "has no effect: port %s stands in no `%s`; remove it, or name the port there",
                                 port->name, list);
        }
    }
    if (used && (reads ? port->read : port->write)[0] == 0) {
        return mr_check_fail(c, mr_check_path(at, "ports", i, file), "missing: port %s stands in a `%s`; name a file, as "
                             "%s: trace.pcap, or - for standard %s", port->name, list, file, reads ? "input" : "output");
    }
    return 0;
}

/* One stream has one reader, one writer. */
static int check_stream_once(const struct mr_check *c, uint32_t i, bool reads)
{
    const struct mr_port_config *ports = c->cfg->ports;
    char at[MR_CHECK_PATH];
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(reads ? ports[i].read : ports[i].write, "-") == 0 &&
            strcmp(reads ? ports[k].read : ports[k].write, "-") == 0) {
            return mr_check_fail(c, mr_check_path(at, "ports", i, reads ? "read" : "write"),
                                 "standard %s belongs to port %s already; name a file", reads ? "input" : "output",
                                 ports[k].name);
        }
    }
    return 0;
}

int mr_check_pcap(const struct mr_check *c, uint32_t i, bool reads, bool writes)
{
    struct mr_port_config *port = &c->cfg->ports[i];
    char at[MR_CHECK_PATH];
    port->source = reads;
    int rc = check_side(c, i, true, reads);
    rc = rc < 0 ? rc : check_side(c, i, false, writes);
    rc = rc < 0 ? rc : check_stream_once(c, i, true);
    rc = rc < 0 ? rc : check_stream_once(c, i, false);
    if (rc == 0 && port->rate_fps != 0 && port->replay == MR_REPLAY_RECORDED) {
        return mr_check_fail(c, mr_check_path(at, "ports", i, "rate"), "with replay: recorded the stamps say when; remove "
                             "one of them");
    }
    return rc;
}
