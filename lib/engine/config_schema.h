/* config_schema.h: the one table of configuration keys, and what can be done with a key.
 *
 * Reading YAML, --set, messages, the configuration in reports and the test of config/reference.yaml all walk this
 * table: a key is added by one row of it (and a field in struct mr_config, and a word in config/reference.yaml).
 */
#ifndef MILLRACE_ENGINE_CONFIG_SCHEMA_H
#define MILLRACE_ENGINE_CONFIG_SCHEMA_H

#include <millrace/config.h>

#include <jansson.h>

enum mr_key_section { MR_KEY_ENGINE, MR_KEY_MEMORY, MR_KEY_BATCHER, MR_KEY_PORT, MR_KEY_PATH, MR_KEY_TAP, MR_KEY_SECTIONS };

enum mr_key_type {
    MR_KEY_NUMBER,  /* uint32_t, min … max */
    MR_KEY_COUNT,   /* uint64_t, min … max */
    MR_KEY_BYTES,   /* uint64_t, min … max, with a unit: 4MiB */
    MR_KEY_FLAG,    /* bool */
    MR_KEY_WORD,    /* an enum, by its words */
    MR_KEY_CHOICE,  /* uint32_t, one of the numbers in words */
    MR_KEY_TIMES,   /* uint32_t: a number from 1 on, `no` for 1, `yes` for 0: without end */
    MR_KEY_RATE,    /* double, frames per second */
    MR_KEY_SIZES,   /* struct mr_sizes */
    MR_KEY_TEXT,    /* char[max + 1] */
    MR_KEY_NAMES,   /* at most max names: char[][MR_NAME_MAX], their number at count_at */
    MR_KEY_NUMBERS, /* at most max numbers below MR_KEY_CPUS: uint32_t[], their number at count_at */
};

#define MR_KEY_CPUS 65536u

struct mr_key {
    enum mr_key_section section;
    enum mr_key_type type;
    const char *name;
    const char *driver;  /* the drivers it is for, "memory" or "memory pcap"; NULL = every */
    bool of_source;      /* for a port that makes or reads frames */
    bool of_sink;        /* for a port that writes frames */
    bool of_rx, of_tx;   /* for a port that receives, that sends */
    bool of_device;      /* for a port with an interface */
    const char *preset;  /* the default, as it would be written; NULL = none, or decided later */
    size_t at, count_at; /* offsets in the section's struct */
    uint64_t min, max;
    const char *const *words; /* NULL-terminated */
};

/* mr_key_at: the i-th row; NULL behind the last. mr_key_find: by section and name; NULL when there is none. */
const struct mr_key *mr_key_at(uint32_t i);
const struct mr_key *mr_key_find(enum mr_key_section section, const char *name);

/* mr_key_serves: a port of this driver may have the key. */
bool mr_key_serves(const struct mr_key *key, const char *driver);

/* mr_key_section_word: "engine", …; NULL for MR_KEY_SECTIONS. mr_key_section_find: MR_KEY_SECTIONS when unknown. */
const char *mr_key_section_word(enum mr_key_section section);
enum mr_key_section mr_key_section_find(const char *word);
bool mr_key_section_is_list(enum mr_key_section section); /* ports, paths, tap */

/* mr_key_suggest: 'did you mean "offload"?' or, with nothing near, 'there are: …'. MR_KEY_SECTIONS: of the sections. */
const char *mr_key_suggest(enum mr_key_section section, const char *word, char *text, size_t bytes);

/* mr_key_presets: write a section's defaults into its struct. */
void mr_key_presets(enum mr_key_section section, void *base);

/* mr_key_read: a value as text into base, the section's struct; of a list: one more. 0, -EINVAL (not such a value),
 * -ERANGE (outside the limits), -ENOSPC (list full). mr_key_clear: zero, or an empty list. */
int mr_key_read(const struct mr_key *key, void *base, const char *text);
void mr_key_clear(const struct mr_key *key, void *base);
bool mr_key_is_list(const struct mr_key *key);

/* mr_key_expects: what a right value is, for messages: "a whole number from 1 to 256". Returns text. */
const char *mr_key_expects(const struct mr_key *key, char *text, size_t bytes);

/* mr_key_json: the value, so that reading it again gives the same. New reference. */
json_t *mr_key_json(const struct mr_key *key, const void *base);

/* config_units.c: "4MiB", "65536". 0, -EINVAL, -ERANGE when it does not fit 64 bits. mr_sizes_text: "64..1518". */
int mr_parse_bytes(const char *text, uint64_t *bytes);
const char *mr_sizes_text(const struct mr_sizes *sizes, char *text, size_t bytes);

#endif
