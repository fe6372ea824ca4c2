/* soak_state.c: the document. It is the report, and from piece to piece the state: whoever is killed has lost a piece. */
#include "tests/soak/soak.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint64_t soak_get(const json_t *doc, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(doc, key));
}

void soak_add(json_t *object, const char *key, int64_t n)
{
    json_object_set_new(object, key, json_integer(json_integer_value(json_object_get(object, key)) + n));
}

static json_t *fresh(const struct soak_options *o)
{
    json_t *p999 = json_array();
    for (int i = 0; i < SOAK_TENTHS; i++) {
        json_array_append_new(p999, json_null());
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I,"
                     " s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{}}, s:o, s:[], s:[]}",
                     "schema", "millrace.soak/1", "driver", o->memory ? "memory" : "uring", "seed", (json_int_t)o->seed,
                     "frames_wanted", (json_int_t)o->frames, "faults_wanted", (json_int_t)o->faults, "frames", (json_int_t)0,
                     "failed", (json_int_t)0, "recoveries_not_judged", (json_int_t)0, "wire", "sent", (json_int_t)0,
                     "received", (json_int_t)0, "unnamed", (json_int_t)0, "unverified", (json_int_t)0, "altered",
                     (json_int_t)0, "backwards", (json_int_t)0, "unaccounted",
                     (json_int_t)0, "sink_drops", (json_int_t)0, "named", "p999_ns", p999, "faults", "pieces");
}

/* A state of another soak is refused: its figures would be mixed with these. */
json_t *soak_state_load(const struct soak_options *o)
{
    json_error_t where;
    FILE *f = o->state == NULL ? NULL : fopen(o->state, "re");
    if (f == NULL) {
        return fresh(o);
    }
    json_t *doc = json_loadf(f, 0, &where);
    fclose(f);
    const char *driver = json_string_value(json_object_get(doc, "driver"));
    if (driver == NULL || strcmp(driver, o->memory ? "memory" : "uring") != 0 || soak_get(doc, "seed") != o->seed ||
        soak_get(doc, "frames_wanted") != o->frames || soak_get(doc, "faults_wanted") != o->faults) {
        fprintf(stderr, "soak: %s is no state of this soak (driver, seed, frames, faults); name another file\n", o->state);
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* Whole or not at all. */
void soak_state_save(const struct soak_options *o, const json_t *doc)
{
    char next[512];
    if (o->state == NULL) {
        return;
    }
    snprintf(next, sizeof next, "%s.next", o->state);
    if (json_dump_file(doc, next, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0 || rename(next, o->state) != 0) {
        soak_die(o->state);
    }
}
