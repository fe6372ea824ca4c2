/* host_json.c: what ran, how, and on which host, as every result carries it. */
#include "lib/commit.h"
#include "lib/engine/plan.h"
#include "lib/sys/clock.h"
#include "lib/sys/topology.h"
#include "lib/version.h"

#include <stdlib.h>
#include <string.h>

json_t *mr_build_json(void)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "version", MR_VERSION, "commit", MR_COMMIT, "compiler", MR_COMPILER,
                     "options", MR_OPTIONS);
}

/* As a shell would take it. */
static void write_word(FILE *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+,./:@%";
    if (word[0] != 0 && word[strspn(word, plain)] == 0) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != 0; word++) {
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, 0}, out);
    }
    fputc('\'', out);
}

json_t *mr_command_json(int argc, char **argv)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = argv == NULL ? NULL : open_memstream(&text, &bytes);
    if (out == NULL) {
        return json_null();
    }
    for (int i = 0; i < argc; i++) {
        fputs(i == 0 ? "" : " ", out);
        write_word(out, argv[i]);
    }
    fclose(out);
    json_t *command = json_string(text); // NULL when it is not UTF-8
    free(text);
    return command == NULL ? json_null() : command;
}

json_t *mr_host_json(void)
{
    struct mr_host h;
    const struct mr_clock *clock = mr_clock_get();
    mr_host_read(&h);
    json_t *huge = json_pack("{s:I, s:I, s:I, s:I}", "total_2m", (json_int_t)h.huge_2m_total, "free_2m",
                             (json_int_t)h.huge_2m_free, "total_1g", (json_int_t)h.huge_1g_total, "free_1g",
                             (json_int_t)h.huge_1g_free);
    json_t *host =
        json_pack("{s:s, s:i, s:i, s:s, s:I, s:b, s:o, s:I}", "cpu", h.cpu, "cores", (int)h.cpus, "nodes", (int)h.nodes,
                  "kernel", h.kernel, "tsc_hz", (json_int_t)(clock->ticks_per_ns * 1e9 + 0.5), "tsc_invariant",
                  (int)clock->invariant, "huge_pages", huge, "memory_bytes", (json_int_t)h.memory_bytes);
    json_object_set_new(host, "hypervisor", h.hypervisor[0] == 0 ? json_null() : json_string(h.hypervisor));
    return host;
}
