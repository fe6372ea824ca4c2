/* config.c: a configuration's life: defaults, loading, marks of where each key was written, the end. */
#include "lib/engine/config_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (1u << 20)

struct mr_config *mr_config_create(void)
{
    struct mr_config *cfg = calloc(1, sizeof *cfg);
    for (int s = 0; cfg != NULL && s < MR_KEY_SECTIONS; s++) {
        if (!mr_key_section_is_list((enum mr_key_section)s)) {
            mr_key_presets((enum mr_key_section)s, cfg);
        }
    }
    return cfg;
}

void mr_config_destroy(struct mr_config *cfg)
{
    if (cfg != NULL) {
        free(cfg->marks);
        free(cfg);
    }
}

void *mr_config_base(struct mr_config *cfg, enum mr_key_section section, uint32_t i)
{
    if (section == MR_KEY_PORT) {
        return &cfg->ports[i];
    }
    return section == MR_KEY_PATH ? (void *)&cfg->paths[i] : cfg;
}

/* ---- marks ---- */

static struct mr_config_mark *find_mark(const struct mr_config *cfg, const char *key, size_t length)
{
    for (uint32_t i = 0; i < cfg->n_marks; i++) {
        if (strncmp(cfg->marks[i].key, key, length) == 0 && cfg->marks[i].key[length] == 0) {
            return &cfg->marks[i];
        }
    }
    return NULL;
}

bool mr_config_given(const struct mr_config *cfg, const char *key)
{
    return find_mark(cfg, key, strlen(key)) != NULL;
}

int mr_config_add_mark(struct mr_config *cfg, const char *key, uint32_t line)
{
    struct mr_config_mark *m = find_mark(cfg, key, strlen(key));
    if (m == NULL && cfg->n_marks == cfg->max_marks) {
        uint32_t max = cfg->max_marks == 0 ? 64 : cfg->max_marks * 2;
        struct mr_config_mark *marks = realloc(cfg->marks, max * sizeof *marks);
        if (marks == NULL) {
            return -ENOMEM;
        }
        cfg->marks = marks;
        cfg->max_marks = max;
    }
    if (m == NULL) {
        m = &cfg->marks[cfg->n_marks++];
        snprintf(m->key, sizeof m->key, "%s", key);
    }
    m->line = line;
    return 0;
}

uint32_t mr_config_line(const struct mr_config *cfg, const char *key)
{
    const struct mr_config_mark *m = find_mark(cfg, key, strlen(key));
    return m == NULL ? 0 : m->line;
}

/* What was not written stands nowhere: then the line of what it would belong to helps. */
const char *mr_config_where(const struct mr_config *cfg, const char *key, char *text, size_t bytes)
{
    size_t length = strlen(key);
    const struct mr_config_mark *m = find_mark(cfg, key, length);
    if (m != NULL && m->line == 0) {
        snprintf(text, bytes, "--set %s: ", key);
        return text;
    }
    while (m == NULL && length > 0) {
        length--;
        m = key[length] == '.' || key[length] == '[' ? find_mark(cfg, key, length) : NULL;
    }
    if (cfg->file[0] == 0) {
        snprintf(text, bytes, "%s: ", key);
    } else if (m == NULL || m->line == 0) {
        snprintf(text, bytes, "%s: %s: ", cfg->file, key);
    } else {
        snprintf(text, bytes, "%s:%u: %s: ", cfg->file, m->line, key);
    }
    return text;
}

/* ---- loading ---- */

int mr_config_parse(struct mr_config **out, const char *text, size_t bytes, const char *name, struct mr_error *err)
{
    struct mr_config_origin origin = {.file = name};
    yaml_document_t doc;
    struct mr_config *cfg = mr_config_create();
    *out = NULL;
    if (cfg == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", name);
    }
    snprintf(cfg->file, sizeof cfg->file, "%s", name);
    if (bytes > FILE_BYTES_MAX) {
        mr_config_destroy(cfg);
        return mr_config_fail(&origin, 0, NULL, err, "longer than 1 MiB; this is no configuration");
    }
    int rc = mr_config_document(&doc, text, bytes, &origin, err);
    if (rc == 0) {
        struct mr_config_reader r = {cfg, &doc, &origin, err};
        rc = mr_config_read(&r);
        yaml_document_delete(&doc);
    }
    if (rc < 0) {
        mr_config_destroy(cfg);
        return rc;
    }
    *out = cfg;
    return 0;
}

/* All of a stream, but no more than one byte over the limit. */
static int read_stream(FILE *in, char **text, size_t *bytes)
{
    *bytes = 0;
    *text = malloc(FILE_BYTES_MAX + 1);
    if (*text == NULL) {
        return -ENOMEM;
    }
    errno = 0;
    *bytes = fread(*text, 1, FILE_BYTES_MAX + 1, in);
    return ferror(in) ? (errno != 0 ? -errno : -EIO) : 0;
}

int mr_config_load(struct mr_config **out, const char *file, struct mr_error *err)
{
    bool standard = strcmp(file, "-") == 0;
    const char *name = standard ? "<stdin>" : file;
    FILE *in = standard ? stdin : fopen(file, "re");
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    if (in == NULL) {
        const char *remedy = mr_error_remedy(errno);
        return mr_error_set(err, remedy[0] != 0 ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, errno, "%s: cannot be opened: %s%s",
                            name, strerror(errno), errno == ENOENT ? "; name a file, or - for standard input" : remedy);
    }
    int rc = read_stream(in, &text, &bytes);
    if (rc < 0) {
        mr_error_set(err, rc == -ENOMEM ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, rc, "%s: cannot be read: %s%s", name,
                     strerror(-rc), mr_error_remedy(rc));
    } else {
        rc = mr_config_parse(out, text, bytes, name, err);
    }
    free(text);
    if (!standard) {
        fclose(in);
    }
    return rc;
}
