/* replay.c: a fuzz target's corpus as a plain test: `replay_<what> PATH…`, each file and each file of a directory, once.
 * It names the file it is at, so that an abort has a name. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>

static uint32_t replayed;

static int replay_file(const char *path)
{
    static uint8_t bytes[2u << 20];
    FILE *in = fopen(path, "rbe");
    size_t n = in == NULL ? 0 : fread(bytes, 1, sizeof bytes, in);
    if (in == NULL || ferror(in)) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return 1;
    }
    fclose(in);
    printf("%s\n", path);
    fflush(stdout);
    uint8_t *exact = malloc(n == 0 ? 1 : n); // so that a sanitizer sees a read past the end
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    replayed++;
    return 0;
}

static int replay_directory(const char *path, DIR *directory)
{
    char file[4096];
    int rc = 0;
    for (const struct dirent *e; (e = readdir(directory)) != NULL;) {
        if (e->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            rc |= replay_file(file);
        }
    }
    closedir(directory);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        rc |= directory != NULL ? replay_directory(argv[i], directory) : replay_file(argv[i]);
    }
    printf("%u files replayed\n", replayed);
    return rc != 0 || replayed == 0;
}
