/* config_parts.h: what the config*.c files share. */
#ifndef MILLRACE_ENGINE_CONFIG_PARTS_H
#define MILLRACE_ENGINE_CONFIG_PARTS_H

#include "lib/engine/config_schema.h"

#include <yaml.h>

/* Where text comes from, for messages: a file, or an assignment of --set. */
struct mr_config_origin {
    const char *file;
    const char *assignment; /* NULL: the file */
};

/* mr_config_fail: "file:line: key: …" or "--set assignment: …". key may be NULL; line 0 = of no line. -EINVAL. */
int mr_config_fail(const struct mr_config_origin *o, size_t line, const char *key, struct mr_error *err,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* mr_config_document: text → one YAML document of limited depth without anchors, aliases and tags. The caller deletes
 * it when 0 comes back. Lines of nodes: mr_config_node_line. */
int mr_config_document(yaml_document_t *doc, const char *text, size_t bytes, const struct mr_config_origin *o,
                       struct mr_error *err);
size_t mr_config_node_line(const yaml_node_t *node);

/* What is being read into what. */
struct mr_config_reader {
    struct mr_config *cfg;
    yaml_document_t *doc;
    const struct mr_config_origin *origin;
    struct mr_error *err;
};

/* mr_config_read: the document's root into the configuration. mr_config_read_value: one key's value; path: the key as
 * in messages; base: the section's struct. */
int mr_config_read(struct mr_config_reader *r);
int mr_config_read_value(struct mr_config_reader *r, const struct mr_key *key, void *base, const char *path,
                         const yaml_node_t *node);

/* mr_config_base: a section's struct; i: of a list, its entry. */
void *mr_config_base(struct mr_config *cfg, enum mr_key_section section, uint32_t i);

/* mr_config_entries: how many a list has; max: and may have. */
uint32_t *mr_config_entries(struct mr_config *cfg, enum mr_key_section section, uint32_t *max);

/* mr_config_add_mark: the key was written there; replaces what was known of it. -ENOMEM. */
int mr_config_add_mark(struct mr_config *cfg, const char *key, uint32_t line);

#endif
