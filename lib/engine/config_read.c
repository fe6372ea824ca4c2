/* config_read.c: YAML document → struct, by the table of keys; each key's line is kept. */
#include "lib/engine/config_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* A NUL inside a quoted scalar ("\0") would cut it short unseen. */
static bool is_text(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && strlen(text_of(node)) == node->data.scalar.length;
}

static int wrong_value(struct mr_config_reader *r, const struct mr_key *key, const char *path, const yaml_node_t *node,
                       int why)
{
    char expects[200];
    size_t line = mr_config_node_line(node);
    mr_key_expects(key, expects, sizeof expects);
    if (!is_text(node)) {
        return mr_config_fail(r->origin, line, path, r->err, "needs %s", expects);
    }
    if (why == -ERANGE) {
        return mr_config_fail(r->origin, line, path, r->err, "%.60s is outside the limits; needs %s", text_of(node),
                              expects);
    }
    if (why == -ENOSPC) {
        return mr_config_fail(r->origin, line, path, r->err, "too many; needs %s", expects);
    }
    return mr_config_fail(r->origin, line, path, r->err, "\"%.60s\" is not understood; needs %s", text_of(node),
                          expects);
}

static int read_one(struct mr_config_reader *r, const struct mr_key *key, void *base, const char *path,
                    const yaml_node_t *node)
{
    int rc = is_text(node) ? mr_key_read(key, base, text_of(node)) : -EINVAL;
    return rc == 0 ? 0 : wrong_value(r, key, path, node, rc);
}

int mr_config_read_value(struct mr_config_reader *r, const struct mr_key *key, void *base, const char *path,
                         const yaml_node_t *node)
{
    int rc = 0;
    if (!mr_key_is_list(key)) {
        return read_one(r, key, base, path, node);
    }
    mr_key_clear(key, base);
    if (node->type != YAML_SEQUENCE_NODE) { // one word stands for a list of one
        return read_one(r, key, base, path, node);
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start; rc == 0 && i < node->data.sequence.items.top; i++) {
        rc = read_one(r, key, base, path, yaml_document_get_node(r->doc, *i));
    }
    return rc;
}

/* Note where the key stands; twice is an error. */
static int mark(struct mr_config_reader *r, const char *path, const yaml_node_t *node)
{
    size_t line = mr_config_node_line(node);
    if (mr_config_given(r->cfg, path)) {
        return mr_config_fail(r->origin, line, path, r->err, "written twice, first in line %u; remove one",
                              mr_config_line(r->cfg, path));
    }
    if (mr_config_add_mark(r->cfg, path, (uint32_t)line) < 0) {
        return mr_error_set(r->err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", r->origin->file);
    }
    return 0;
}

static int unknown(struct mr_config_reader *r, enum mr_key_section section, const char *prefix, const yaml_node_t *name)
{
    char hint[400];
    char path[MR_NAME_MAX * 3];
    const char *word = is_text(name) ? text_of(name) : "";
    snprintf(path, sizeof path, "%s%s%.40s", prefix, prefix[0] == 0 ? "" : ".", word);
    return mr_config_fail(r->origin, mr_config_node_line(name), path, r->err, "unknown key; %s",
                          mr_key_suggest(section, word, hint, sizeof hint));
}

static int read_keys(struct mr_config_reader *r, enum mr_key_section section, void *base, const char *prefix,
                     const yaml_node_t *node)
{
    int rc = 0;
    if (node->type != YAML_MAPPING_NODE) {
        return mr_config_fail(r->origin, mr_config_node_line(node), prefix, r->err,
                              "needs keys with values, as { key: value } or one key: value per line below it");
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; rc == 0 && p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(r->doc, p->key);
        const struct mr_key *key = is_text(name) ? mr_key_find(section, text_of(name)) : NULL;
        char path[MR_NAME_MAX * 2];
        if (key == NULL) {
            return unknown(r, section, prefix, name);
        }
        snprintf(path, sizeof path, "%s.%s", prefix, key->name);
        rc = mark(r, path, name);
        if (rc == 0) {
            rc = mr_config_read_value(r, key, base, path, yaml_document_get_node(r->doc, p->value));
        }
    }
    return rc;
}

static int read_entries(struct mr_config_reader *r, enum mr_key_section section, const yaml_node_t *node)
{
    const char *word = mr_key_section_word(section);
    uint32_t max;
    uint32_t *n = mr_config_entries(r->cfg, section, &max);
    int rc = 0;
    if (node->type != YAML_SEQUENCE_NODE) {
        return mr_config_fail(r->origin, mr_config_node_line(node), word, r->err,
                              "needs a list: one \"- { … }\" per line below it");
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start; rc == 0 && i < node->data.sequence.items.top; i++) {
        const yaml_node_t *entry = yaml_document_get_node(r->doc, *i);
        char path[MR_NAME_MAX];
        if (*n == max) {
            return mr_config_fail(r->origin, mr_config_node_line(entry), word, r->err, "more than %u", max);
        }
        snprintf(path, sizeof path, "%s[%u]", word, *n);
        void *base = mr_config_base(r->cfg, section, *n);
        mr_key_presets(section, base);
        rc = mark(r, path, entry);
        if (rc == 0) {
            rc = read_keys(r, section, base, path, entry);
        }
        ++*n;
    }
    return rc;
}

int mr_config_read(struct mr_config_reader *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->doc);
    int rc = 0;
    if (root == NULL) {
        return mr_config_fail(r->origin, 0, NULL, r->err, "empty; a configuration needs ports and paths");
    }
    if (root->type != YAML_MAPPING_NODE) {
        return mr_config_fail(r->origin, mr_config_node_line(root), NULL, r->err,
                              "not a configuration; it begins with a key: engine, memory, batcher, ports, paths or tap");
    }
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; rc == 0 && p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(r->doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(r->doc, p->value);
        enum mr_key_section section = is_text(name) ? mr_key_section_find(text_of(name)) : MR_KEY_SECTIONS;
        if (section == MR_KEY_SECTIONS) {
            return unknown(r, section, "", name);
        }
        rc = mark(r, mr_key_section_word(section), name);
        if (rc == 0) {
            rc = mr_key_section_is_list(section) ? read_entries(r, section, value)
                                                 : read_keys(r, section, r->cfg, mr_key_section_word(section), value);
        }
    }
    return rc;
}
