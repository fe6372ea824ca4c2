/* config_yaml.c: text → YAML document, with everything refused that a configuration has no use for. */
#include "lib/engine/config_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8 }; /* the deepest key, paths[0].from[0], stands at 5 */

/* What the user wrote is quoted in messages, which have one line and end on a terminal. */
static void make_printable(char *text)
{
    for (; *text != 0; text++) {
        const unsigned char *c = (const unsigned char *)text;
        if (*c < ' ' || *c == 127) {
            *text = '?';
        } else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { // U+0080 … U+009F
            *text++ = '?';
            *text = '?';
        }
    }
}

int mr_config_fail(const struct mr_config_origin *o, size_t line, const char *key, struct mr_error *err,
                   const char *format, ...)
{
    const char *shown = key == NULL || o->assignment != NULL ? "" : key;
    char text[560];
    char all[760];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (o->assignment != NULL) {
        snprintf(all, sizeof all, "--set %.190s: %s", o->assignment, text);
    } else if (line != 0) {
        snprintf(all, sizeof all, "%s:%zu: %s%s%s", o->file, line, shown, shown[0] == 0 ? "" : ": ", text);
    } else {
        snprintf(all, sizeof all, "%s: %s%s%s", o->file, shown, shown[0] == 0 ? "" : ": ", text);
    }
    make_printable(all);
    return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%s", all);
}

size_t mr_config_node_line(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

static size_t line_at(const char *text, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset; i++) {
        line += text[i] == '\n';
    }
    return line;
}

/* A tab among the spaces a line begins with: the commonest cause of an error that YAML words badly. */
static bool indented_by_tab(const char *text, size_t bytes, size_t line)
{
    const char *end = text + bytes;
    for (; line > 1 && text != NULL && text < end; line--) {
        text = memchr(text, '\n', (size_t)(end - text));
        text = text == NULL ? NULL : text + 1;
    }
    while (text != NULL && text < end && *text == ' ') {
        text++;
    }
    return text != NULL && text < end && *text == '\t';
}

static int syntax_error(const yaml_parser_t *p, const char *text, size_t bytes, const struct mr_config_origin *o,
                        struct mr_error *err)
{
    if (p->error == YAML_MEMORY_ERROR) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", o->file);
    }
    if (p->error == YAML_READER_ERROR) {
        return mr_config_fail(o, line_at(text, p->problem_offset), NULL, err, "%s; the text must be UTF-8",
                              p->problem != NULL ? p->problem : "not readable");
    }
    size_t line = p->problem_mark.line + 1;
    if (indented_by_tab(text, bytes, line)) {
        return mr_config_fail(o, line, NULL, err, "a tab at the start of the line; YAML indents by spaces only");
    }
    return mr_config_fail(o, line, NULL, err, "YAML: %s%s%s (column %zu)", p->context != NULL ? p->context : "",
                          p->context != NULL ? ", " : "", p->problem != NULL ? p->problem : "syntax error",
                          p->problem_mark.column + 1);
}

/* One event against the rules; depth is kept. */
static int judge(const yaml_event_t *e, uint32_t *depth, uint32_t *documents, const struct mr_config_origin *o,
                 struct mr_error *err)
{
    size_t line = e->start_mark.line + 1;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT) {
        bool mapping = e->type == YAML_MAPPING_START_EVENT;
        anchor = mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
        tag = mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag;
        ++*depth;
    } else if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT) {
        --*depth;
    } else if (e->type == YAML_DOCUMENT_START_EVENT) {
        ++*documents;
    }
    if (e->type == YAML_ALIAS_EVENT || anchor != NULL) {
        return mr_config_fail(o, line, NULL, err, "anchors (&) and aliases (*) are not allowed; write the value out");
    }
    if (tag != NULL) {
        return mr_config_fail(o, line, NULL, err, "tags (!) are not allowed; leave \"%s\" away", (const char *)tag);
    }
    if (*depth > DEPTH_MAX) {
        return mr_config_fail(o, line, NULL, err, "nested deeper than %d levels; no key is that deep", DEPTH_MAX);
    }
    return *documents <= 1 ? 0 : mr_config_fail(o, line, NULL, err, "a second document (---); put all into one");
}

/* First pass, by events: bounds memory and depth before the loader builds anything. */
static int scan(const char *text, size_t bytes, const struct mr_config_origin *o, struct mr_error *err)
{
    yaml_parser_t p;
    uint32_t depth = 0;
    uint32_t documents = 0;
    bool more = true;
    int rc = 0;
    if (!yaml_parser_initialize(&p)) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", o->file);
    }
    yaml_parser_set_input_string(&p, (const unsigned char *)text, bytes);
    while (rc == 0 && more) {
        yaml_event_t e;
        if (!yaml_parser_parse(&p, &e)) {
            rc = syntax_error(&p, text, bytes, o, err);
            break;
        }
        rc = judge(&e, &depth, &documents, o, err);
        more = e.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return rc;
}

int mr_config_document(yaml_document_t *doc, const char *text, size_t bytes, const struct mr_config_origin *o,
                       struct mr_error *err)
{
    const char *nul = memchr(text, 0, bytes);
    yaml_parser_t p;
    if (nul != NULL) {
        return mr_config_fail(o, line_at(text, (size_t)(nul - text)), NULL, err,
                              "a NUL byte; a configuration is UTF-8 text");
    }
    int rc = scan(text, bytes, o, err);
    if (rc < 0) {
        return rc;
    }
    if (!yaml_parser_initialize(&p)) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", o->file);
    }
    yaml_parser_set_input_string(&p, (const unsigned char *)text, bytes);
    rc = yaml_parser_load(&p, doc) ? 0 : syntax_error(&p, text, bytes, o, err);
    yaml_parser_delete(&p);
    return rc;
}
