/* harness_options.c: the command line that all benchmarks share. */
#include "perf/harness.h"

#include <stdlib.h>
#include <string.h>

static int usage(const struct bench *b)
{
    fprintf(stderr,
            "usage: %s [--quick] [--all] [--pairs N (1 to 100)] [--only SUBSTRING] [--json FILE|-] [--cpus A,B]\n",
            b->name);
    return 2;
}

/* One CPU for both would never end: each side spins, in the real-time class, until the other has answered. */
static bool two_numbers(const char *text, int numbers[2])
{
    return sscanf(text, "%d,%d", &numbers[0], &numbers[1]) == 2 && numbers[0] != numbers[1];
}

int bench_options(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--quick") == 0) {
            b->quick = true;
        } else if (strcmp(argv[i], "--all") == 0) {
            b->all = true;
        } else if (strcmp(argv[i], "--pairs") == 0 && value != NULL) {
            b->pairs = (uint32_t)strtoul(argv[++i], NULL, 10);
            if (b->pairs < 1 || b->pairs > BENCH_ROUNDS_MAX / BENCH_TRIES) {
                return usage(b);
            }
        } else if (strcmp(argv[i], "--only") == 0 && value != NULL) {
            b->only = argv[++i];
        } else if (strcmp(argv[i], "--json") == 0 && value != NULL) {
            b->json_path = argv[++i];
        } else if (strcmp(argv[i], "--cpus") == 0 && value != NULL && two_numbers(value, b->cpu)) {
            i++;
        } else {
            return usage(b);
        }
    }
    return 0;
}
