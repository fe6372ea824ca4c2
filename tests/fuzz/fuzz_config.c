/* fuzz_config.c: bytes as a configuration, and their first line as an assignment of --set.
 *
 * Held to: what is refused is told in one printable line, with file, line and key; what is accepted is printed, read again
 * and is the same, key by key. */
#include "tests/fuzz/fuzz.h"

#include "lib/engine/config_schema.h"
#include "lib/engine/plan.h"

#include <errno.h>

#define NAME "f.yaml"

static const char base[] = "ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory, verify: yes }\n"
                           "paths:\n  - { from: in, work: forward, to: out }\n";

static const char *skip_line(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits != 0 && strncmp(text + digits, ": ", 2) == 0 ? text + digits + 2 : NULL;
}

/* What stands nowhere has no line. */
static bool needs_no_line(const char *text)
{
    static const char *const whole[] = {": empty;", ": longer than", ": ports: none;", ": paths: none;"};
    for (uint32_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strncmp(text, whole[i], strlen(whole[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void check_error(int rc, const struct mr_error *err, bool checked)
{
    const char *text = err->text;
    FUZZ_CHECK(rc == err->code && rc == -EINVAL && err->fault == MR_FAULT_CONFIG, "%d: %s", rc, text);
    for (const char *p = text; *p != 0; p++) {
        FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 127, "%s", text);
    }
    FUZZ_CHECK(strlen(text) > 12 && strncmp(text, NAME, strlen(NAME)) == 0, "%s", text);
    text += strlen(NAME);
    const char *key = text[0] == ':' ? skip_line(text + 1) : NULL;
    FUZZ_CHECK(key != NULL || needs_no_line(text), "%s", err->text);
    if (key != NULL && checked) {
        char word[16] = "";
        sscanf(key, "%15[a-z]", word);
        FUZZ_CHECK(mr_key_section_find(word) != MR_KEY_SECTIONS, "%s", err->text);
    }
}

static void check_same_keys(enum mr_key_section section, const void *a, const void *b)
{
    const struct mr_key *key;
    for (uint32_t i = 0; (key = mr_key_at(i)) != NULL; i++) {
        if (key->section == section) {
            json_t *first = mr_key_json(key, a), *second = mr_key_json(key, b);
            FUZZ_CHECK(json_equal(first, second), "%s: %s, %s", key->name, json_dumps(first, JSON_ENCODE_ANY),
                       json_dumps(second, JSON_ENCODE_ANY));
            json_decref(first);
            json_decref(second);
        }
    }
}

static void check_same(const struct mr_config *a, const struct mr_config *b)
{
    FUZZ_CHECK(a->n_ports == b->n_ports && a->n_paths == b->n_paths, "ports and paths");
    check_same_keys(MR_KEY_ENGINE, a, b);
    check_same_keys(MR_KEY_MEMORY, a, b);
    check_same_keys(MR_KEY_BATCHER, a, b);
    for (uint32_t i = 0; i < a->n_ports; i++) {
        check_same_keys(MR_KEY_PORT, &a->ports[i], &b->ports[i]);
    }
    for (uint32_t i = 0; i < a->n_paths; i++) {
        check_same_keys(MR_KEY_PATH, &a->paths[i], &b->paths[i]);
    }
}

static void print_and_read(const struct mr_config *cfg)
{
    struct mr_error err = {0};
    struct mr_config *again = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *document = mr_config_json(cfg);
    mr_config_print(document, out, false);
    fclose(out);
    int rc = mr_config_parse(&again, text, bytes, NAME, &err);
    rc = rc < 0 ? rc : mr_config_check(again, &err);
    FUZZ_CHECK(rc == 0, "%s\n%s", err.text, text);
    check_same(cfg, again);
    json_decref(document);
    mr_config_destroy(again);
    free(text);
}

static void try_assignment(const uint8_t *data, size_t bytes)
{
    struct mr_error err = {0};
    struct mr_config *cfg = NULL;
    char assignment[400] = "";
    for (size_t i = 0; i < bytes && i + 1 < sizeof assignment && data[i] != 0 && data[i] != '\n'; i++) {
        assignment[i] = (char)data[i];
    }
    int rc = mr_config_parse(&cfg, base, sizeof base - 1, NAME, &err);
    FUZZ_CHECK(rc == 0, "%s", err.text);
    if (strchr(assignment, '=') != NULL) {
        rc = mr_config_set(cfg, assignment, &err);
        FUZZ_CHECK(rc == 0 || strncmp(err.text, "--set ", 6) == 0, "%s", err.text);
        FUZZ_CHECK(rc == 0 || strpbrk(err.text, "\n\r\033") == NULL, "%s", err.text);
        rc = rc < 0 ? rc : mr_config_check(cfg, &err);
        if (rc == 0) {
            print_and_read(cfg);
        }
    }
    mr_config_destroy(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct mr_error err = {0};
    struct mr_config *cfg = NULL;
    int rc = mr_config_parse(&cfg, (const char *)data, bytes, NAME, &err);
    if (rc < 0) {
        check_error(rc, &err, false);
        FUZZ_CHECK(cfg == NULL, "refused and there");
    } else {
        rc = mr_config_check(cfg, &err);
        if (rc < 0) {
            check_error(rc, &err, true);
        } else {
            print_and_read(cfg);
        }
    }
    mr_config_destroy(cfg);
    try_assignment(data, bytes);
    return 0;
}
