/* print.c: figures as people read them. */
#include "lib/engine/print.h"

#include <stdio.h>

struct mr_words mr_words_grouped(long long n)
{
    struct mr_words w;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", n < 0 ? -n : n);
    size_t at = 0;
    if (n < 0) {
        w.text[at++] = '-';
    }
    for (int i = 0; i < length; i++) {
        if (i != 0 && (length - i) % 3 == 0) {
            w.text[at++] = ',';
        }
        w.text[at++] = digits[i];
    }
    w.text[at] = 0;
    return w;
}

struct mr_words mr_words_duration(const json_t *ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    struct mr_words w = {"-"};
    double value = json_number_value(ns);
    size_t i = 0;
    while (i < 3 && value < units[i].ns) {
        i++;
    }
    if (!json_is_null(ns)) {
        snprintf(w.text, sizeof w.text, "%.*f %s", i == 3 ? 0 : 1, value / units[i].ns, units[i].unit);
    }
    return w;
}

struct mr_words mr_words_share(const json_t *part, long long of)
{
    struct mr_words w = {"-"};
    if (!json_is_null(part) && of != 0) {
        snprintf(w.text, sizeof w.text, "%.1f %%", 100 * json_number_value(part) / (double)of);
    }
    return w;
}

struct mr_words mr_words_rate(double per_second, const char *unit)
{
    static const struct {
        double least;
        const char *prefix;
    } prefixes[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {0, ""}};
    struct mr_words w;
    size_t i = 0;
    while (per_second < prefixes[i].least) {
        i++;
    }
    double value = prefixes[i].least == 0 ? per_second : per_second / prefixes[i].least;
    snprintf(w.text, sizeof w.text, "%.4g %s%s", value, prefixes[i].prefix, unit);
    return w;
}

struct mr_words mr_words_cost(double ns)
{
    struct mr_words w;
    if (ns >= 1e6) {
        snprintf(w.text, sizeof w.text, "%.1f ms", ns / 1e6);
    } else {
        snprintf(w.text, sizeof w.text, "%.*f ns", ns < 100 ? 1 : 0, ns);
    }
    return w;
}
