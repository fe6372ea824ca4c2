/* plan.c: what would run, step by step; nothing is started or opened. */
#include "lib/engine/plan_parts.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define TX_RING_FRAMES 1024u

void mr_plan_note(struct mr_plan *p, const char *format, ...)
{
    va_list args;
    if (p->n_notes == MR_NOTES_MAX) {
        return;
    }
    va_start(args, format);
    vsnprintf(p->notes[p->n_notes++], sizeof p->notes[0], format, args);
    va_end(args);
}

int mr_plan_fail(const struct mr_plan *p, const char *key, struct mr_error *err, const char *format, ...)
{
    char where[400];
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mr_config_where(p->config, key, where, sizeof where);
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%.300s%s", where, text);
}

bool mr_plan_copies(const struct mr_plan *p, uint32_t path)
{
    const struct mr_path_config *config = &p->config->paths[path];
    for (uint32_t i = 0; i < config->n_work; i++) {
        if (mr_work_find(config->work[i])->flags & MR_WORK_COPIES) {
            return true;
        }
    }
    return false;
}

/* One slow output must not stop the others: with several, what finds its ring full is dropped. */
static void resolve_when_full(struct mr_plan *p)
{
    for (uint32_t i = 0; i < p->config->n_paths; i++) {
        const struct mr_path_config *path = &p->config->paths[i];
        p->when_full[i] = path->when_full != MR_FULL_DEFAULT ? path->when_full
                          : path->n_to > 1                   ? MR_FULL_DROP
                                                             : MR_FULL_WAIT;
    }
}

int mr_plan_lay(const struct mr_config *cfg, const struct mr_topology *t, struct mr_plan **out, struct mr_error *err)
{
    struct mr_plan *p = calloc(1, sizeof *p);
    *out = NULL;
    if (p == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for a plan; free some");
    }
    p->config = cfg;
    p->tx_ring_frames = TX_RING_FRAMES;
    resolve_when_full(p);
    int rc = mr_plan_cores(p, t, err);
    rc = rc < 0 ? rc : mr_plan_place(p, err);
    rc = rc < 0 ? rc : mr_plan_sleepers(p, err);
    rc = rc < 0 ? rc : mr_plan_devices(p, err);
    rc = rc < 0 ? rc : mr_plan_memory(p, err);
    if (rc < 0) {
        mr_plan_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int mr_plan_make(const struct mr_config *cfg, struct mr_plan **out, struct mr_error *err)
{
    struct mr_topology *t = malloc(sizeof *t);
    *out = NULL;
    if (t == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory to look at the CPUs; free some");
    }
    int rc = mr_topology_read(t, err);
    rc = rc < 0 ? rc : mr_plan_lay(cfg, t, out, err);
    free(t);
    if (rc < 0) {
        return rc;
    }
    rc = mr_plan_huge(*out, err);
    rc = rc < 0 ? rc : mr_plan_files(*out, err);
    if (rc < 0) {
        mr_plan_free(*out);
        *out = NULL;
        return rc;
    }
    mr_plan_explain(*out);
    return 0;
}

void mr_plan_free(struct mr_plan *p)
{
    free(p);
}
