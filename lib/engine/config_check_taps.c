/* config_check_taps.c: taps: where each is, and a file of its own. */
#include "lib/engine/config_check.h"

#include <stdio.h>
#include <string.h>

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), m = strlen(with);
    return n >= m && strcmp(text + n - m, with) == 0;
}

static int wrong_place(const struct mr_check *c, uint32_t tap)
{
    char at[MR_CHECK_PATH];
    return mr_check_fail(c, mr_check_path(at, "tap", tap, "where"),
                         "\"%s\" is no place; write PORT.rx, PORT.tx (ports by name), work:PATH.WORKER.in or .out (work stages, as "
                         "plan names them), or drops", c->cfg->taps[tap].where);
}

/* The port before the last dot, if it is one that receives (sends). */
static int at_port(const struct mr_check *c, uint32_t tap, bool sends)
{
    struct mr_tap_config *t = &c->cfg->taps[tap];
    char at[MR_CHECK_PATH];
    size_t length = strlen(t->where) - 3;
    bool used = false;
    for (t->port = 0; t->port < c->cfg->n_ports; t->port++) {
        const char *name = c->cfg->ports[t->port].name;
        if (strlen(name) == length && strncmp(name, t->where, length) == 0) {
            break;
        }
    }
    if (t->port == c->cfg->n_ports) {
        return wrong_place(c, tap);
    }
    for (uint32_t i = 0; i < c->cfg->n_paths; i++) {
        const struct mr_path_config *p = &c->cfg->paths[i];
        for (uint32_t k = 0; k < (sends ? p->n_to : p->n_from); k++) {
            used |= (sends ? p->to : p->from)[k] == t->port;
        }
    }
    return used ? 0
                : mr_check_fail(c, mr_check_path(at, "tap", tap, "where"), "%s: no path %s that port", t->where,
                                sends ? "sends to" : "receives from");
}

static int at_work(const struct mr_check *c, uint32_t tap)
{
    struct mr_tap_config *t = &c->cfg->taps[tap];
    char at[MR_CHECK_PATH];
    int end = 0;
    if (sscanf(t->where, "work:%u.%u%n", &t->path, &t->worker, &end) != 2 || strlen(t->where + end) > 4) {
        return wrong_place(c, tap);
    }
    if (t->path >= c->cfg->n_paths || t->worker >= c->cfg->paths[t->path].workers) {
        return mr_check_fail(c, mr_check_path(at, "tap", tap, "where"), "%s: there is no such work stage; paths and their "
                             "workers are counted from 0", t->where);
    }
    return 0;
}

static int check_where(const struct mr_check *c, uint32_t tap)
{
    struct mr_tap_config *t = &c->cfg->taps[tap];
    static const struct {
        const char *ending;
        enum mr_tap_place place;
    } places[] = {{".rx", MR_TAP_RX}, {".tx", MR_TAP_TX}, {".in", MR_TAP_WORK_IN}, {".out", MR_TAP_WORK_OUT}};
    if (strcmp(t->where, "drops") == 0) {
        t->place = MR_TAP_DROPS;
        return 0;
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (ends(t->where, places[i].ending)) {
            t->place = places[i].place;
            return i < 2 ? at_port(c, tap, i == 1) : at_work(c, tap);
        }
    }
    return wrong_place(c, tap);
}

static int check_file(const struct mr_check *c, uint32_t tap)
{
    const struct mr_tap_config *t = &c->cfg->taps[tap];
    char at[MR_CHECK_PATH];
    mr_check_path(at, "tap", tap, "to");
    if (t->to[0] == 0) {
        return mr_check_fail(c, mr_check_path(at, "tap", tap, ""), "no file; add to: %s.pcapng",
                             t->place == MR_TAP_DROPS ? "drops" : "capture");
    }
    if (strcmp(t->to, "-") == 0) {
        return mr_check_fail(c, at, "a tap does not write to standard output; name a file or a pipe");
    }
    if (t->place == MR_TAP_DROPS && !ends(t->to, ".pcapng")) {
        return mr_check_fail(c, at, "%s: reasons stand in comments, which pcap has not; name it as %.200s.pcapng", t->to, t->to);
    }
    for (uint32_t i = 0; i < tap; i++) {
        if (strcmp(c->cfg->taps[i].to, t->to) == 0) {
            return mr_check_fail(c, at, "tap[%u] writes to %s already; name another file", i, t->to);
        }
    }
    return 0;
}

int mr_check_taps(const struct mr_check *c)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < c->cfg->n_taps; i++) {
        rc = check_where(c, i);
        rc = rc < 0 ? rc : check_file(c, i);
    }
    return rc;
}
