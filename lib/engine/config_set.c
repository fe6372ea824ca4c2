/* config_set.c: one --set key=value: the key is found as messages write it, or by a port's name; the value is YAML. */
#include "lib/engine/config_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an assignment is about. */
struct target {
    const struct mr_key *key;
    void *base;
    char path[MR_NAME_MAX * 2]; /* by index, as in messages */
};

#define FAIL(...) mr_config_fail(o, 0, NULL, err, __VA_ARGS__)

static const char *port_names(const struct mr_config *cfg, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < cfg->n_ports && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", cfg->ports[i].name);
    }
    return text;
}

/* "[1]" or ".left" at the start of text: which entry. Returns what follows, NULL with err filled. */
static const char *find_entry(struct mr_config *cfg, enum mr_key_section section, const char *text, uint32_t *entry,
                              const struct mr_config_origin *o, struct mr_error *err)
{
    const char *word = mr_key_section_word(section);
    uint32_t max;
    uint32_t n = *mr_config_entries(cfg, section, &max);
    char names[300];
    char *end;
    if (text[0] == '[' && text[1] >= '0' && text[1] <= '9') {
        unsigned long i = strtoul(text + 1, &end, 10);
        if (*end == ']' && i < n) {
            *entry = (uint32_t)i;
            return end + 1;
        }
        FAIL("there is no such entry; %s has %u, counted from 0", word, n);
        return NULL;
    }
    size_t length = text[0] == '.' ? strcspn(text + 1, ".") : 0;
    for (uint32_t i = 0; section == MR_KEY_PORT && length != 0 && i < n; i++) {
        if (strlen(cfg->ports[i].name) == length && strncmp(cfg->ports[i].name, text + 1, length) == 0) {
            *entry = i;
            return text + 1 + length;
        }
    }
    if (section == MR_KEY_PORT && length != 0) {
        FAIL("no port \"%.*s\"; there are: %s", (int)(length < 40 ? length : 40), text + 1,
             port_names(cfg, names, sizeof names));
    } else {
        FAIL("which of %s? name it as %s[0].key%s", word, word, section == MR_KEY_PORT ? " or ports.NAME.key" : "");
    }
    return NULL;
}

static int find_target(struct mr_config *cfg, const char *path, struct target *t, const struct mr_config_origin *o,
                       struct mr_error *err)
{
    char word[MR_NAME_MAX];
    char hint[400];
    uint32_t entry = 0;
    size_t length = strcspn(path, ".[");
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), path);
    enum mr_key_section section = mr_key_section_find(word);
    if (section == MR_KEY_SECTIONS) {
        return FAIL("unknown key; %s", mr_key_suggest(section, word, hint, sizeof hint));
    }
    const char *rest = path + length;
    bool list = mr_key_section_is_list(section);
    if (list) {
        rest = find_entry(cfg, section, rest, &entry, o, err);
        if (rest == NULL) {
            return -EINVAL;
        }
    }
    if (rest[0] != '.') {
        return FAIL("name one key of %s; %s", word, mr_key_suggest(section, "", hint, sizeof hint));
    }
    t->key = mr_key_find(section, rest + 1);
    t->base = mr_config_base(cfg, section, entry);
    if (t->key == NULL) {
        return FAIL("unknown key; %s", mr_key_suggest(section, rest + 1, hint, sizeof hint));
    }
    if (list) {
        snprintf(t->path, sizeof t->path, "%s[%u].%s", word, entry, t->key->name);
    } else {
        snprintf(t->path, sizeof t->path, "%s.%s", word, t->key->name);
    }
    return 0;
}

static int set_value(struct mr_config *cfg, struct target *t, const char *value, const struct mr_config_origin *o,
                     struct mr_error *err)
{
    yaml_document_t doc;
    const char *text = strcmp(value, "-") == 0 ? "\"-\""
                       : value[0] == 0         ? "\"\""
                                               : value; // alone, YAML takes - for a list
    int rc = mr_config_document(&doc, text, strlen(text), o, err);
    if (rc < 0) {
        return rc;
    }
    struct mr_config_reader r = {cfg, &doc, o, err};
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    rc = root == NULL ? FAIL("no value") : mr_config_read_value(&r, t->key, t->base, t->path, root);
    yaml_document_delete(&doc);
    return rc;
}

int mr_config_set(struct mr_config *cfg, const char *assignment, struct mr_error *err)
{
    struct mr_config_origin origin = {.file = cfg->file, .assignment = assignment};
    const struct mr_config_origin *o = &origin;
    struct target t;
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals == assignment || equals - assignment >= 200) {
        return FAIL("needs key=value, as engine.layout=pipeline");
    }
    char path[200];
    memcpy(path, assignment, (size_t)(equals - assignment));
    path[equals - assignment] = 0;
    int rc = find_target(cfg, path, &t, o, err);
    if (rc == 0) {
        rc = set_value(cfg, &t, equals + 1, o, err);
    }
    return rc < 0 ? rc : mr_config_add_mark(cfg, t.path, 0);
}
