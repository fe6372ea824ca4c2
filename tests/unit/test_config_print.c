/* What --print-config prints: YAML that loads again and is the same. */
#include <criterion/criterion.h>

#include "lib/engine/plan.h"

#include <stdlib.h>

static struct mr_error error;

static struct mr_config *good(const char *text)
{
    struct mr_config *cfg;
    int rc = mr_config_parse(&cfg, text, strlen(text), "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    cr_assert(rc == 0, "%s\n%s", error.text, text);
    return cfg;
}

static char *print(const struct mr_config *cfg)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *document = mr_config_json(cfg);
    mr_config_print(document, out, false);
    fclose(out);
    json_decref(document);
    return text;
}

static void contains(const char *text, const char *line)
{
    cr_expect(strstr(text, line) != NULL, "no \"%s\" in\n%s", line, text);
}

Test(config_print, one_key_a_line)
{
    struct mr_config *cfg = good("engine: { cores: [2, 1], ring: 100 }\n"
                                 "ports:\n  - { name: in, driver: memory, size: 64..1518, rate: 0.0015 }\n"
                                 "  - { name: out, driver: memory, verify: on }\n"
                                 "paths:\n  - { from: in, work: [macswap, forward], to: out }\n");
    char *text = print(cfg);
    contains(text, "engine:\n  layout: run-to-completion\n  cores: [2, 1]\n");
    contains(text, "  ring: 128\n  latency: yes\n");
    contains(text, "ports:\n  - name: in\n    driver: memory\n    queues: 1\n");
    contains(text, "    rate: 0.0015\n");
    contains(text, "    size: 64..1518\n");
    contains(text, "    verify: yes\n");
    contains(text, "    work: [macswap, forward]\n");
    struct mr_config *again = good(text);
    char *twice = print(again);
    cr_expect_str_eq(text, twice);
    free(text);
    free(twice);
    mr_config_destroy(cfg);
    mr_config_destroy(again);
}

/* Names of interfaces and files are anything printable. */
Test(config_print, what_needs_quotes_has_them)
{
    static const char *const devices[] = {"a: b", "# a", "- a", "a\"b\\c", "[a]", "\xc3\xa9t\xc3\xa9", "'", "yes", "&a", "/x/y.z"};
    struct mr_config *cfg = good("ports:\n  - { name: in, driver: memory }\n  - { name: out, driver: memory }\n"
                                 "paths:\n  - { from: in, work: forward, to: out }\n");
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        struct mr_config *again;
        snprintf(cfg->ports[0].device, sizeof cfg->ports[0].device, "%s", devices[i]);
        char *text = print(cfg);
        int rc = mr_config_parse(&again, text, strlen(text), "t.yaml", &error);
        cr_assert(rc == 0, "%s\n%s", error.text, text);
        cr_expect_str_eq(again->ports[0].device, devices[i]);
        free(text);
        mr_config_destroy(again);
    }
    mr_config_destroy(cfg);
}
