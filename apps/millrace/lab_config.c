/* lab_config.c: the lab's two configurations, as the text that a user would write.
 *
 *   generator   source → forward → src          pipeline   left → WORK → right
 *               dst → forward → sink (verify)              (l2: both directions, it learns from both)
 */
#include "apps/millrace/lab.h"

#include "lib/port/port.h"
#include "lib/sys/topology.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char at[4096];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at + t->used, sizeof t->at - t->used, format, args);
    va_end(args);
    t->used += n > 0 ? (size_t)n : 0;
    t->used = t->used < sizeof t->at ? t->used : sizeof t->at - 1; // parse would refuse what was cut off
}

/* Check what was parsed; takes it away when it is wrong. */
static int check(int result, struct mr_config **out, struct mr_error *err)
{
    if (result == 0) {
        result = mr_config_check(*out, err);
    }
    if (result < 0) {
        mr_config_destroy(*out);
        *out = NULL;
    }
    return result;
}

/* How many frames: as typed, or what the rate makes in the time, whichever is less; 0 = as many as it can. */
static uint64_t frames_of(const struct lab_options *o)
{
    double per_second = 0;
    mr_parse_rate(o->rate, &per_second); // 0: flat out
    double n = per_second * (double)o->for_ns / 1e9 + 0.5;
    if (per_second == 0 || o->for_ns == 0) {
        return o->frames;
    }
    n = n < 1 ? 1 : n;
    return o->frames == 0 || n < (double)o->frames ? (uint64_t)n : o->frames;
}

uint64_t lab_source_ns(const struct lab_options *o)
{
    bool paced = strcmp(o->rate, "flat-out") != 0;
    return o->for_ns != 0 && paced ? o->for_ns + LAB_GRACE_NS : o->for_ns;
}

static void add_source(struct text *t, const struct lab_options *o)
{
    uint64_t frames = frames_of(o);
    add(t, "  - { name: source, driver: memory, rate: %s, size: \"%s\", flows: %u", o->rate, o->size, o->flows);
    if (frames != 0) {
        add(t, ", frames: %" PRIu64, frames);
    }
    if (o->vlan != 0) {
        add(t, ", vlan: %u", o->vlan);
    }
    if (o->window != 0) {
        add(t, ", window: %u, window_with: sink", o->window);
    }
    add(t, " }\n");
}

int lab_config_generator(const struct lab_options *o, struct mr_config **out, struct mr_error *err)
{
    struct text t = {.used = 0};
    add(&t, "engine: { layout: run-to-completion, cores: [%u], latency: false }\nports:\n", o->source_cpu);
    add_source(&t, o);
    add(&t, "  - { name: src, driver: uring, device: \"%s\" }\n", o->devices[LAB_SRC]);
    if (o->verify) {
        add(&t, "  - { name: dst, driver: uring, device: \"%s\" }\n", o->devices[LAB_DST]);
        add(&t, "  - { name: sink, driver: memory, verify: true }\n");
    }
    add(&t, "paths:\n  - { from: [source], work: [forward], to: [src] }\n");
    if (o->verify) {
        add(&t, "  - { from: [dst], work: [forward], to: [sink] }\n");
    }
    int result = mr_config_parse(out, t.at, t.used, "lab generator", err);
    for (uint32_t i = 0; result == 0 && o->vlan != 0 && i < (*out)->ports[0].size.n; i++) {
        (*out)->ports[0].size.bytes[i] += 4; // the tag comes on top, as on a trunk
    }
    return check(result, out, err);
}

/* What --set made of the CPUs and the layout, so that the document and its warning tell what runs. */
static void adopt(struct lab_options *o, const struct mr_config *cfg)
{
    o->layout = cfg->layout;
    o->shared_cpu = false;
    for (o->n_cores = 0; o->n_cores < cfg->n_cores && o->n_cores < LAB_CORES_MAX; o->n_cores++) {
        o->cores[o->n_cores] = cfg->cores[o->n_cores];
        o->shared_cpu |= o->cores[o->n_cores] == o->source_cpu;
    }
}

static void add_device(struct text *t, unsigned number, const char *name, const char *interface, const char *driver,
                       enum mr_offload offload)
{
    const char *form = mr_driver_find(driver)->interface_form;
    char device[128];
    snprintf(device, sizeof device, "%s", interface);
    if (form != NULL) {
        snprintf(device, sizeof device, form, number, interface);
    }
    add(t, "  - { name: %s, driver: %s, device: \"%s\"", name, driver, device);
    if (offload != MR_OFFLOAD_NONE) { // some drivers have no such key
        add(t, ", offload: %s", mr_offload_word(offload));
    }
    add(t, " }\n");
}

int lab_config_pipeline(struct lab_options *o, struct mr_config **out, struct mr_error *err)
{
    struct text t = {.used = 0};
    bool both = strcmp(o->work, "l2") == 0;
    add(&t, "engine: { layout: %s, cores: [", mr_layout_word(o->layout));
    for (uint32_t i = 0; i < o->n_cores; i++) {
        add(&t, "%s%u", i == 0 ? "" : ", ", o->cores[i]);
    }
    add(&t, "] }\nports:\n");
    add_device(&t, 0, "left", o->devices[LAB_LEFT], o->rx_driver, o->offload);
    add_device(&t, 1, "right", o->devices[LAB_RIGHT], o->tx_driver, o->offload);
    add(&t, "paths:\n  - { from: [%s], work: [%s], to: [%s] }\n", both ? "left, right" : "left", o->work,
        both ? "left, right" : "right");
    int result = mr_config_parse(out, t.at, t.used, "lab pipeline", err);
    for (uint32_t i = 0; result == 0 && i < o->n_first_sets + o->n_sets; i++) {
        result = mr_config_set(*out, i < o->n_first_sets ? o->first_sets[i] : o->sets[i - o->n_first_sets], err);
    }
    result = check(result, out, err);
    if (result == 0) {
        adopt(o, *out);
    }
    return result;
}

/* ---- CPUs ---- */

static int check_cores(const struct lab_options *o, const struct mr_topology *t, struct mr_error *err)
{
    char allowed[256];
    for (uint32_t i = 0; i < o->n_cores; i++) {
        if (!t->cpu[o->cores[i]].allowed) {
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: --cores: CPU %u is not there or not allowed; allowed are: %s",
                                o->cores[i], mr_topology_allowed(t, allowed, sizeof allowed));
        }
    }
    return 0;
}

/* The first allowed CPU that the pipeline leaves free; the first allowed one where it leaves none. */
static uint32_t source_cpu(const struct lab_options *o, const struct mr_topology *t)
{
    uint32_t first = MR_CPUS_MAX;
    for (uint32_t cpu = 0; cpu < MR_CPUS_MAX; cpu++) {
        bool taken = false;
        for (uint32_t i = 0; i < o->n_cores; i++) {
            taken |= o->cores[i] == cpu;
        }
        if (t->cpu[cpu].allowed && !taken) {
            return cpu;
        }
        first = t->cpu[cpu].allowed && first == MR_CPUS_MAX ? cpu : first;
    }
    return first;
}

/* CPUs: the pipeline has those asked for, or the last ones, the source one that is left. */
int lab_place(struct lab_options *o, struct mr_error *err)
{
    struct mr_topology *t = calloc(1, sizeof *t);
    uint32_t want = o->n_cores != 0 ? o->n_cores : o->layout == MR_LAYOUT_PIPELINE ? 3 : 1;
    int result = t == NULL ? mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "lab: no memory to look at the CPUs; free some")
                           : mr_topology_read(t, err);
    result = result < 0 ? result : check_cores(o, t, err);
    if (result < 0) {
        free(t);
        return result;
    }
    for (uint32_t cpu = MR_CPUS_MAX; o->n_cores < want && cpu-- > 0;) {
        if (t->cpu[cpu].allowed) {
            o->cores[o->n_cores++] = cpu;
        }
    }
    o->source_cpu = source_cpu(o, t);
    for (uint32_t i = 0; i < o->n_cores; i++) {
        o->shared_cpu |= o->cores[i] == o->source_cpu;
    }
    free(t);
    return 0;
}
