/* compare_print.h: what the tables of `millrace compare` have in common, for the compare*print*.c files only.
 *
 *   compare_print.c           frames: the rows, the bare loops, the words
 *   compare_print_baseline.c  beside an earlier run
 *   compare_tcp_print.c       TCP streams
 *
 * All of it comes from the document alone: one that an earlier version wrote prints without what it lacks.
 */
#ifndef MILLRACE_COMPARE_PRINT_H
#define MILLRACE_COMPARE_PRINT_H

#include "apps/millrace/compare.h"

#include <string.h>

#define BOLD  "\033[1m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

/* number: 0 where there is none. text: empty where there is none. */
static inline double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static inline const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

/* cell: a figure and what stands behind it, or n/a where the document has null; right-aligned. */
static inline void cell(FILE *out, int width, const char *format, const json_t *value, double scale, const char *behind)
{
    char figure[48] = "n/a";
    if (json_is_number(value)) {
        snprintf(figure, sizeof figure, format, json_number_value(value) * scale);
    }
    strncat(figure, json_is_number(value) || behind[0] == 0 ? behind : " ", sizeof figure - strlen(figure) - 1);
    fprintf(out, "%*s", width, figure);
}

/* compare_cell_ratio: R [LOW .. HIGH], n/a without; left-aligned. An end that is null is infinite, and left out. */
void compare_cell_ratio(FILE *out, int width, const json_t *ratio);

/* compare_print_losses: a line of counters behind `head`; nothing where nothing was lost. */
void compare_print_losses(FILE *out, const char *head, const json_t *drops);

#endif
