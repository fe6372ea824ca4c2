/* print.h: what printing a document takes: readers of its values, and figures as people read them. For the files that
 * print a report and its parts; a key that is missing reads as "-" or 0.
 */
#ifndef MILLRACE_ENGINE_PRINT_H
#define MILLRACE_ENGINE_PRINT_H

#include <jansson.h>
#include <stdio.h>

struct mr_printer {
    FILE *out;
    const char *bold, *red, *plain; /* "" without colour */
};

static inline const json_t *mr_json_get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static inline const char *mr_json_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(mr_json_get(object, key));
    return s == NULL ? "-" : s;
}

static inline long long mr_json_number(const json_t *object, const char *key)
{
    return json_integer_value(mr_json_get(object, key));
}

static inline double mr_json_real(const json_t *object, const char *key)
{
    return json_number_value(mr_json_get(object, key));
}

struct mr_words {
    char text[32];
};

/* mr_words_grouped: 1234567 as "1,234,567". mr_words_duration: a time with a unit that suits it, "-" for null.
 * mr_words_share: of a whole, in per cent. mr_words_rate: per second, without exponents: "479.6 kpps". mr_words_cost:
 * ns of a frame. */
struct mr_words mr_words_grouped(long long n);
struct mr_words mr_words_duration(const json_t *ns);
struct mr_words mr_words_share(const json_t *part, long long of);
struct mr_words mr_words_rate(double per_second, const char *unit);
struct mr_words mr_words_cost(double ns);

static inline struct mr_words mr_words_count(const json_t *object, const char *key)
{
    return mr_words_grouped(mr_json_number(object, key));
}

#endif
