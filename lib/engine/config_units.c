/* config_units.c: rates, sizes, durations and bytes, as people write them. */
#include "lib/engine/config_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FCS_BYTES  4u
#define SIZE_LEAST 64u    /* with FCS: the shortest frame of Ethernet */
#define SIZE_MOST  65535u /* with FCS */

struct unit {
    const char *word;
    double factor;
};

/* A decimal number and, behind it, a unit. strtod alone would also take inf, nan, hex, signs and spaces. */
static int with_unit(const char *text, const struct unit *units, uint32_t n, double *value)
{
    size_t digits = strspn(text, "0123456789");
    size_t all = text[digits] == '.' ? digits + 1 + strspn(text + digits + 1, "0123456789") : digits;
    char number[48];
    if (digits == 0 || text[all - 1] == '.' || all >= sizeof number) {
        return -EINVAL;
    }
    memcpy(number, text, all);
    number[all] = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (strcasecmp(text + all, units[i].word) == 0) {
            *value = strtod(number, NULL) * units[i].factor;
            return 0;
        }
    }
    return -EINVAL;
}

int mr_parse_rate(const char *text, double *fps)
{
    static const struct unit units[] = {{"", 1}, {"pps", 1}, {"kpps", 1e3}, {"mpps", 1e6}, {"gpps", 1e9}};
    double value = 0;
    if (strcmp(text, "flat-out") == 0) {
        *fps = 0;
        return 0;
    }
    if (with_unit(text, units, sizeof units / sizeof *units, &value) < 0 || value < 1e-3 || value > 1e12) {
        return -EINVAL;
    }
    *fps = value;
    return 0;
}

int mr_parse_duration(const char *text, uint64_t *ns)
{
    static const struct unit units[] = {{"", 1e9},  {"ns", 1},     {"us", 1e3},  {"ms", 1e6},
                                        {"s", 1e9}, {"min", 6e10}, {"h", 3.6e12}};
    double value = 0;
    if (with_unit(text, units, sizeof units / sizeof *units, &value) < 0 || value > 9e18) {
        return -EINVAL;
    }
    *ns = (uint64_t)(value + 0.5);
    return 0;
}

int mr_parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *word;
        unsigned shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return -EINVAL;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    for (uint32_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(end, units[i].word) == 0) {
            if (errno != 0 || value > UINT64_MAX >> units[i].shift) {
                return -ERANGE;
            }
            *bytes = (uint64_t)value << units[i].shift;
            return 0;
        }
    }
    return -EINVAL;
}

/* One size with FCS at the start of text; returns what follows it, NULL when there is none. */
static const char *one_size(const char *text, uint16_t *bytes)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return NULL;
    }
    unsigned long value = strtoul(text, &end, 10);
    if (value < SIZE_LEAST || value > SIZE_MOST) {
        return NULL;
    }
    *bytes = (uint16_t)(value - FCS_BYTES);
    return end;
}

static const struct mr_sizes imix = {.n = 3, .bytes = {60, 590, 1514}, .weights = {7, 4, 1}};

int mr_parse_sizes(const char *text, struct mr_sizes *sizes)
{
    struct mr_sizes s = {.n = 1, .weights = {1, 1}};
    if (strcmp(text, "imix") == 0) {
        *sizes = imix;
        return 0;
    }
    const char *rest = one_size(text, &s.bytes[0]);
    if (rest != NULL && strncmp(rest, "..", 2) == 0) {
        rest = one_size(rest + 2, &s.bytes[1]);
        s.ranged = s.bytes[1] != s.bytes[0];
        s.n = s.ranged ? 2 : 1;
    }
    if (rest == NULL || rest[0] != 0 || (s.ranged && s.bytes[1] < s.bytes[0])) {
        return -EINVAL;
    }
    *sizes = s;
    return 0;
}

const char *mr_sizes_text(const struct mr_sizes *sizes, char *text, size_t bytes)
{
    if (sizes->n == imix.n) {
        snprintf(text, bytes, "imix");
    } else if (sizes->ranged) {
        snprintf(text, bytes, "%u..%u", sizes->bytes[0] + FCS_BYTES, sizes->bytes[1] + FCS_BYTES);
    } else {
        snprintf(text, bytes, "%u", sizes->bytes[0] + FCS_BYTES);
    }
    return text;
}
