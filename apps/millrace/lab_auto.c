/* lab_auto.c: --driver auto: the fastest pair that can be used. Each is tried as it would run: an engine is made with it, in
 * the lab's own namespace, and taken down again; the first that stands is taken.
 *
 * The order is that of `millrace compare` for frames that come as socket buffers, which the lab's do (docs/ladder.md).
 * dpdk is not among them: on these interfaces its PMDs are packet sockets or AF_XDP themselves.
 */
#include "apps/millrace/lab.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const struct way {
    const char *rx, *tx, *why;
} ways[] = {
    {"mmap", "xdp", "receives from a ring that the kernel fills, and sends past the socket layer"},
    {"mmap", "mmap", "receives from a ring that the kernel fills, and sends many frames a call"},
    {"xdp", "xdp", "sends past the socket layer; to receive, veth makes each frame anew for it"},
    {"uring", "uring", "one call for many frames both ways"},
    {"mmsg", "mmsg", "one call for many frames each way"},
    {"socket", "socket", "a call for each frame"},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* What AF_XDP locks is all of memory.chunks; with so few it fits the limit that most users have. */
static const char *const little[] = {"memory.chunks=1600", "engine.ring=64", "engine.burst=32"};

static bool fits(const struct lab_options *o, const struct way *w)
{
    return (!o->rx_given || strcmp(o->rx_driver, w->rx) == 0) && (!o->tx_given || strcmp(o->tx_driver, w->tx) == 0);
}

static int try(struct lab_options *o, struct mr_error *err)
{
    struct mr_config *config = NULL;
    struct mr_engine *engine = NULL;
    int result = lab_config_pipeline(o, &config, err);
    result = result < 0 ? result : mr_engine_create(config, &engine, err);
    if (mr_engine_destroy(engine)) {
        mr_config_destroy(config);
    }
    return result;
}

/* As it is, and where locked memory is short with less of it. */
static int try_sizes(struct lab_options *o, struct mr_error *err)
{
    int result = try(o, err);
    if (result == -ENOBUFS) {
        struct mr_error then = {0};
        o->first_sets = little;
        o->n_first_sets = sizeof little / sizeof *little;
        if (try(o, &then) == 0) {
            return 0;
        }
        o->n_first_sets = 0;
    }
    return result;
}

static void pass_over(struct lab_options *o, const struct way *w, const char *reason)
{
    json_array_append_new(json_object_get(o->chosen, "passed_over"),
                          json_pack("{s:s, s:s, s:s}", "rx_driver", w->rx, "tx_driver", w->tx, "reason", reason));
}

static const char *word(const json_t *passed, const char *key)
{
    return json_string_value(json_object_get(passed, key));
}

static void take(struct lab_options *o, const struct way *w)
{
    size_t i;
    json_t *passed;
    json_object_set_new(o->chosen, "why", json_string(w->why));
    json_object_set_new(o->chosen, "little_memory", json_boolean(o->n_first_sets != 0));
    json_array_foreach(json_object_get(o->chosen, "passed_over"), i, passed)
    {
        if (!o->quiet) {
            fprintf(stderr, "lab: not %s to %s: %s\n", word(passed, "rx_driver"), word(passed, "tx_driver"), word(passed, "reason"));
        }
    }
    if (!o->quiet) {
        fprintf(stderr, "lab: %s to %s: %s%s\n", w->rx, w->tx, w->why,
                o->n_first_sets == 0 ? "" : "; with memory.chunks: 1600, engine.ring: 64 and engine.burst: 32, for "
                                            "this user may lock no more memory (ulimit -l)");
    }
}

int lab_auto(struct lab_options *o, struct mr_error *err)
{
    struct mr_error why = {0};
    const struct way *last = ways;
    o->chosen = json_pack("{s:[]}", "passed_over");
    for (const struct way *w = ways; w < ways + WAYS; w++) {
        struct lab_options as = *o;
        if (!fits(o, w)) {
            continue;
        }
        last = w;
        as.rx_driver = w->rx;
        as.tx_driver = w->tx;
        if (try_sizes(&as, &why) == 0) {
            *o = as;
            take(o, w);
            return 0;
        }
        pass_over(o, w, why.text);
    }
    return why.text[0] != 0
               ? mr_error_set(err, why.fault, why.code, "lab: --driver auto: nothing can be used; the last, %s, for: %.500s", last->rx,
                              why.text)
               : mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "lab: --driver auto has no pair with %s of %s; there are mmap to xdp, "
                              "and each of mmap, xdp, uring, mmsg and socket to itself; name both drivers",
                              o->rx_given ? "--rx-driver" : "--tx-driver", o->rx_given ? o->rx_driver : o->tx_driver);
}
