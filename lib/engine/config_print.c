/* config_print.c: the configuration as YAML for people: one key a line, in the order of config/reference.yaml. What is
 * printed loads again and is the same. */
#include "lib/engine/plan.h"

#include <string.h>

/* A word that needs no quotes in any place; all else stands in double ones. */
static bool is_plain(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t first = strspn(text, letters);
    size_t n = first;
    while (text[n] != 0 && (strchr(letters, text[n]) != NULL || strchr("_./-", text[n]) != NULL)) {
        n++;
    }
    return first != 0 && text[n] == 0;
}

static void print_text(const char *text, FILE *out)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != 0; text++) {
        fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
    fputc('"', out);
}

static void print_value(const json_t *value, FILE *out)
{
    if (json_is_array(value)) {
        fputc('[', out);
        for (size_t i = 0; i < json_array_size(value); i++) {
            fputs(i == 0 ? "" : ", ", out);
            print_value(json_array_get(value, i), out);
        }
        fputc(']', out);
    } else if (json_is_string(value)) {
        print_text(json_string_value(value), out);
    } else if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "yes" : "no", out);
    } else if (json_is_real(value)) {
        fprintf(out, "%.17g", json_real_value(value));
    } else {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    }
}

static void print_keys(const json_t *section, const char *first, const char *rest, FILE *out)
{
    const char *key;
    json_t *value;
    const char *indent = first;
    json_object_foreach((json_t *)(uintptr_t)section, key, value) {
        fprintf(out, "%s%s: ", indent, key);
        print_value(value, out);
        fputc('\n', out);
        indent = rest;
    }
}

void mr_config_print(const json_t *config, FILE *out, bool colour)
{
    const char *name;
    json_t *section;
    (void)colour;
    json_object_foreach((json_t *)(uintptr_t)config, name, section) {
        fprintf(out, "%s:\n", name);
        if (json_is_object(section)) {
            print_keys(section, "  ", "  ", out);
        }
        for (size_t i = 0; i < json_array_size(section); i++) {
            print_keys(json_array_get(section, i), "  - ", "    ", out);
        }
    }
}
