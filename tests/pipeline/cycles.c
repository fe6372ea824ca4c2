/* cycles CONFIG N: an engine created, run for some milliseconds and destroyed, N times in one process. What the first leaves
 * behind may stay (a library that can be started once only); after the last there must be no more of it: descriptors, free
 * huge pages, and memory but for CREEP_KIB. JSON; exit codes: 0 · 1 more was left · 3 it could not run.
 */
#include <millrace/report.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_NS = 3000000, CREEP_KIB = 1024 };

struct held {
    long files, rss_kib, free_huge;
};

static long word_of(const char *file, const char *key)
{
    char line[256];
    long value = 0;
    FILE *f = fopen(file, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            value = strtol(line + strlen(key), NULL, 10);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return value;
}

static struct held look(void)
{
    struct held h = {.rss_kib = word_of("/proc/self/status", "VmRSS:"), .free_huge = word_of("/proc/meminfo", "HugePages_Free:")};
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL) {
        h.files++;
    }
    if (d != NULL) {
        closedir(d);
    }
    return h;
}

static int cycle(const char *file, struct mr_error *err)
{
    struct mr_config *config = NULL;
    struct mr_engine *engine = NULL;
    struct mr_run_options options = {.for_ns = RUN_NS};
    int result = mr_config_load(&config, file, err);
    result = result < 0 ? result : mr_config_check(config, err);
    result = result < 0 ? result : mr_engine_create(config, &engine, err);
    result = result < 0 ? result : mr_engine_run(engine, &options, err);
    if (mr_engine_destroy(engine)) {
        mr_config_destroy(config);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct mr_error err = {0};
    struct held first = {0}, last = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: cycles CONFIG N\n");
        return 3;
    }
    for (int i = 0; i < atoi(argv[2]); i++) {
        if (cycle(argv[1], &err) != 0) {
            fprintf(stderr, "cycles: %d: %s\n", i, err.text);
            return 3;
        }
        last = look();
        first = i == 0 ? last : first;
    }
    printf("{\"files\": [%ld, %ld], \"rss_kib\": [%ld, %ld], \"free_huge\": [%ld, %ld]}\n", first.files, last.files,
           first.rss_kib, last.rss_kib, first.free_huge, last.free_huge);
    return last.files > first.files || last.rss_kib > first.rss_kib + CREEP_KIB || last.free_huge < first.free_huge;
}
