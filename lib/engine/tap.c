/* tap.c: a tap from opening to closing, and what a core does at its point. */
#include "lib/engine/tap.h"
#include "lib/engine/report_parts.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the cores ---- */

void mr_tap_show(const struct mr_tap_here *here, const unsigned char *data, uint32_t length, uint32_t port, uint64_t ns,
                 const char *comment)
{
    struct mr_tap_point *p = here->point;
    mr_count(&p->seen, 1);
    if (here->tap->filter != NULL && !mr_filter_match(here->tap->filter, data, length, length)) {
        return;
    }
    mr_count(&p->matched, 1);
    mr_capture_offer(p->lane, &(struct mr_capture_record){.ns = ns, .data = data, .length = length, .interface = port,
                                                          .comment = comment});
}

/* ---- opening ---- */

bool mr_tap_passes(const struct mr_tap_config *tap, const struct mr_plan_stage *stage)
{
    switch (tap->place) {
    case MR_TAP_RX:
        return stage->kind == MR_STAGE_RX && stage->port == tap->port;
    case MR_TAP_TX:
        return stage->kind == MR_STAGE_TX && stage->port == tap->port;
    case MR_TAP_WORK_IN:
    case MR_TAP_WORK_OUT:
        return stage->kind == MR_STAGE_WORK && stage->path == tap->path && stage->worker == tap->worker;
    case MR_TAP_DROPS:
        return true;
    }
    return false;
}

static bool core_passes(const struct mr_plan *plan, const struct mr_tap_config *tap, uint32_t core)
{
    for (uint32_t i = 0; i < plan->n_stages; i++) {
        if (plan->stages[i].core == core && mr_tap_passes(tap, &plan->stages[i])) {
            return true;
        }
    }
    return false;
}

/* Interfaces of the file are the ports, by number. */
static int open_file(struct mr_engine *e, struct mr_tap *t, uint32_t n_lanes, struct mr_error *err)
{
    const char *names[MR_PORTS_MAX];
    char comment[128];
    for (uint32_t i = 0; i < e->config->n_ports; i++) {
        names[i] = e->config->ports[i].name;
    }
    snprintf(comment, sizeof comment, "millrace, tap %s", t->config->where);
    struct mr_capture_setup setup = {.file = t->config->to, .snap = t->config->snap, .n_lanes = n_lanes, .node = -1,
                                     .ticks_per_ns = e->clock->ticks_per_ns, .n_interfaces = e->config->n_ports,
                                     .interfaces = names, .comment = comment};
    return mr_capture_open(&setup, &t->capture, err);
}

static int open_points(struct mr_engine *e, struct mr_tap *t, struct mr_error *err)
{
    uint32_t n = 0;
    size_t bytes = e->plan->n_cores * sizeof *t->points;
    t->points = aligned_alloc(MR_LINE_PAIR, bytes);
    if (t->points == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for its counters; free some");
    }
    memset(t->points, 0, bytes);
    for (uint32_t c = 0; c < e->plan->n_cores; c++) {
        n += core_passes(e->plan, t->config, c);
    }
    int rc = open_file(e, t, n, err);
    n = 0;
    for (uint32_t c = 0; rc == 0 && c < e->plan->n_cores; c++) {
        if (core_passes(e->plan, t->config, c)) {
            t->points[c].lane = mr_capture_lane(t->capture, n++);
        }
    }
    return rc;
}

static const char *use_of(const struct mr_port *port, uint64_t device, uint64_t inode)
{
    return port->driver->uses_file == NULL ? NULL : port->driver->uses_file(port, device, inode);
}

/* A file of its own, by what it is and not by its name: a tap would cut it under who reads it. */
static int check_file(const struct mr_engine *e, uint32_t tap, struct mr_error *err)
{
    const struct mr_tap *t = &e->taps[tap];
    uint64_t device, inode;
    if (!mr_capture_file(t->capture, &device, &inode)) {
        return 0;
    }
    for (uint32_t i = 0; i < tap; i++) {
        if (mr_capture_same(t->capture, e->taps[i].capture)) {
            return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "%s is the file that tap[%u] writes; write another file",
                                t->config->to, i);
        }
    }
    for (uint32_t i = 0; i < e->config->n_ports; i++) {
        const struct mr_port *port = e->ports[i];
        const char *use = port == NULL ? NULL : use_of(port, device, inode);
        if (use != NULL) {
            return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "%s is the file that port %s %s; write another file",
                                t->config->to, port->config->name, use);
        }
    }
    return 0;
}

int mr_taps_open(struct mr_engine *e, struct mr_error *err)
{
    e->taps = calloc(e->config->n_taps + 1u, sizeof *e->taps);
    if (e->taps == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for the taps of this engine; free some");
    }
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        struct mr_tap *t = &e->taps[i];
        struct mr_error why;
        t->config = &e->config->taps[i];
        int rc = t->config->filter[0] == 0 ? 0 : mr_filter_create(t->config->filter, &t->filter, &why);
        rc = rc < 0 ? rc : open_points(e, t, &why);
        rc = rc < 0 ? rc : check_file(e, i, &why);
        if (rc < 0) {
            char where[300], key[32];
            snprintf(key, sizeof key, "tap[%u]", i);
            return mr_error_set(err, why.fault, why.code, "%s%s", mr_config_where(e->config, key, where, sizeof where),
                                why.text);
        }
    }
    return 0;
}

void mr_taps_go(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        mr_capture_go(e->taps[i].capture);
    }
}

/* ---- control, meanwhile and afterwards ---- */

static void tell(struct mr_engine *e, struct mr_tap *t, uint64_t now_ns)
{
    char why[400], where[MR_TAP_WHERE_MAX + 4];
    if (!t->told && mr_capture_error(t->capture) != 0) {
        t->told = true;
        snprintf(where, sizeof where, "tap %s", t->config->where);
        mr_engine_note(e, now_ns, "", where, "tap_ended", "%s", mr_capture_why(t->capture, why, sizeof why));
    }
}

void mr_taps_look(struct mr_engine *e, uint64_t now_ns)
{
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        tell(e, &e->taps[i], now_ns);
    }
}

void mr_taps_stop(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        mr_capture_end(e->taps[i].capture); // slow ones end side by side
    }
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        mr_capture_stop(e->taps[i].capture);
    }
    mr_taps_look(e, e->end_ns);
}

void mr_taps_close(struct mr_engine *e)
{
    for (uint32_t i = 0; e->taps != NULL && i < e->config->n_taps; i++) {
        mr_capture_destroy(e->taps[i].capture);
        mr_filter_destroy(e->taps[i].filter);
        free(e->taps[i].points);
    }
    free(e->taps);
    e->taps = NULL;
}

static json_t *tap_json(const struct mr_engine *e, const struct mr_tap *t)
{
    struct mr_capture_counts counts;
    char why[400];
    uint64_t seen = 0, matched = 0;
    for (uint32_t c = 0; c < e->plan->n_cores; c++) {
        seen += mr_counted(&t->points[c].seen);
        matched += mr_counted(&t->points[c].matched);
    }
    mr_capture_counts(t->capture, &counts);
    json_t *o = json_pack("{s:s, s:s, s:s}", "where", t->config->where, "to", t->config->to, "format",
                          mr_capture_format_text(t->capture));
    json_object_set_new(o, "filter", t->config->filter[0] == 0 ? json_null() : json_string(t->config->filter));
    mr_json_put(o, "snap", t->config->snap);
    mr_json_put(o, "seen", seen);
    mr_json_put(o, "matched", matched);
    mr_json_put(o, "written", counts.frames);
    mr_json_put(o, "written_bytes", counts.bytes);
    mr_json_put(o, "capture_lost", counts.lost);
    mr_capture_why(t->capture, why, sizeof why);
    json_object_set_new(o, "error", why[0] == 0 ? json_null() : json_string(why));
    return o;
}

json_t *mr_taps_json(const struct mr_engine *e)
{
    json_t *list = e->config->n_taps == 0 ? NULL : json_array();
    for (uint32_t i = 0; i < e->config->n_taps; i++) {
        json_array_append_new(list, tap_json(e, &e->taps[i]));
    }
    return list;
}
