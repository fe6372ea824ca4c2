/* config.c: a configuration's life: defaults, loading, marks of where each key was written, the end. */
#include "lib/engine/config_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX  (1u << 20)
#define PIPE_PATIENCE_S 5 // of a named pipe; standard input may be somebody who types

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
    switch (section) {
    case MR_KEY_PORT:
        return &cfg->ports[i];
    case MR_KEY_PATH:
        return &cfg->paths[i];
    case MR_KEY_TAP:
        return &cfg->taps[i];
    default:
        return cfg;
    }
}

uint32_t *mr_config_entries(struct mr_config *cfg, enum mr_key_section section, uint32_t *max)
{
    *max = section == MR_KEY_PORT ? MR_PORTS_MAX : section == MR_KEY_PATH ? MR_PATHS_MAX : MR_TAPS_MAX;
    return section == MR_KEY_PORT ? &cfg->n_ports : section == MR_KEY_PATH ? &cfg->n_paths : &cfg->n_taps;
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

/* What reading says of a pipe: a writer that has not come, or writes nothing, would keep us for ever. */
static ssize_t read_some(int fd, char *to, size_t bytes, bool waits)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = waits ? poll(&p, 1, PIPE_PATIENCE_S * 1000) : 1;
        if (ready == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        ssize_t n = ready < 0 ? -1 : read(fd, to, bytes);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return n;
        }
    }
}

/* All of a file, but no more than one byte over the limit. */
static int read_file(int fd, bool waits, char **text, size_t *bytes)
{
    ssize_t n = 1;
    *bytes = 0;
    *text = malloc(FILE_BYTES_MAX + 1);
    if (*text == NULL) {
        return -ENOMEM;
    }
    while (n > 0 && *bytes <= FILE_BYTES_MAX) {
        n = read_some(fd, *text + *bytes, FILE_BYTES_MAX + 1 - *bytes, waits);
        *bytes += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -errno : 0;
}

static int not_read(const char *name, int rc, struct mr_error *err)
{
    if (rc == -ETIMEDOUT) {
        return mr_error_set(err, MR_FAULT_CONFIG, rc,
                            "%s: cannot be read: nothing has come out of this pipe for %d s; name a file, or write into it",
                            name, PIPE_PATIENCE_S);
    }
    return mr_error_set(err, rc == -ENOMEM ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, rc, "%s: cannot be read: %s%s", name,
                        strerror(-rc), rc == -EISDIR ? "; name a file" : mr_error_remedy(rc));
}

int mr_config_load(struct mr_config **out, const char *file, struct mr_error *err)
{
    bool standard = strcmp(file, "-") == 0;
    const char *name = standard ? "<stdin>" : file;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = NULL;
    size_t bytes = 0;
    struct stat is;
    *out = NULL;
    if (fd < 0) {
        const char *remedy = mr_error_remedy(errno);
        return mr_error_set(err, remedy[0] != 0 ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, errno, "%s: cannot be opened: %s%s",
                            name, strerror(errno), errno == ENOENT ? "; name a file, or - for standard input" : remedy);
    }
    bool waits = !standard && fstat(fd, &is) == 0 && S_ISFIFO(is.st_mode);
    int rc = read_file(fd, waits, &text, &bytes);
    rc = rc < 0 ? not_read(name, rc, err) : mr_config_parse(out, text, bytes, name, err);
    free(text);
    if (!standard) {
        close(fd);
    }
    return rc;
}
