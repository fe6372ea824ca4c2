/* Configuration: what is wrong is told with line, key and fix; what is right arrives; reference.yaml is the table of
 * keys. */
#include <criterion/criterion.h>

#include "lib/engine/config_schema.h"
#include "lib/engine/plan.h"
#include "lib/port/port.h"
#include "tests/unit/config_cases.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static struct mr_error error;

static int load(struct mr_config **cfg, const char *text, size_t bytes)
{
    *cfg = NULL;
    memset(&error, 0, sizeof error);
    int rc = mr_config_parse(cfg, text, bytes, "t.yaml", &error);
    rc = rc < 0 ? rc : mr_config_check(*cfg, &error);
    return rc;
}

static struct mr_config *good(const char *text)
{
    struct mr_config *cfg;
    int rc = load(&cfg, text, strlen(text));
    cr_assert(rc == 0, "%s\n%s", error.text, text);
    return cfg;
}

static void check_bad(const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mr_config *cfg;
        int rc = load(&cfg, cases[i].text, strlen(cases[i].text));
        cr_expect(rc == -EINVAL, "accepted, or %d:\n%s", rc, cases[i].text);
        cr_expect(error.fault == MR_FAULT_CONFIG, "fault %d: %s", error.fault, error.text);
        cr_expect(strncmp(error.text, cases[i].place, strlen(cases[i].place)) == 0, "\"%s\" does not begin with \"%s\"",
                  error.text, cases[i].place);
        cr_expect(strstr(error.text, cases[i].says) != NULL, "\"%s\" does not say \"%s\"", error.text, cases[i].says);
        cr_expect(strchr(error.text, '\n') == NULL, "one line: \"%s\"", error.text);
        mr_config_destroy(cfg);
    }
}

Test(config, bad_syntax)
{
    check_bad(bad_syntax, sizeof bad_syntax / sizeof *bad_syntax);
}

Test(config, bad_values)
{
    check_bad(bad_values, sizeof bad_values / sizeof *bad_values);
}

Test(config, bad_sense)
{
    check_bad(bad_sense, sizeof bad_sense / sizeof *bad_sense);
}

Test(config, bad_files_and_devices)
{
    if (mr_driver_find("uring") == NULL || mr_driver_find("pcap") == NULL) {
        cr_skip("built without the uring or the pcap driver");
    }
    check_bad(bad_uring, sizeof bad_uring / sizeof *bad_uring);
    check_bad(bad_pcap, sizeof bad_pcap / sizeof *bad_pcap);
}

Test(config, keys_of_the_other_way_are_named)
{
    check_bad(bad_ways, sizeof bad_ways / sizeof *bad_ways);
}

Test(config, bytes_that_are_no_text)
{
    struct mr_config *cfg;
    cr_assert_eq(load(&cfg, "engine: { }\n\0x", 14), -EINVAL);
    cr_assert(strncmp(error.text, "t.yaml:2: a NUL byte", 20) == 0, "%s", error.text);
    char *much = malloc((1u << 20) + 1);
    memset(much, '#', (1u << 20) + 1);
    cr_assert_eq(load(&cfg, much, (1u << 20) + 1), -EINVAL);
    cr_assert(strstr(error.text, "longer than 1 MiB") != NULL, "%s", error.text);
    cr_assert_eq(load(&cfg, much, 1u << 20), -EINVAL);
    cr_assert(strstr(error.text, "empty") != NULL, "%s", error.text);
    free(much);
}

Test(config, no_such_file)
{
    struct mr_config *cfg;
    cr_assert_eq(mr_config_load(&cfg, "/nowhere/x.yaml", &error), -ENOENT);
    cr_assert_eq(error.fault, MR_FAULT_CONFIG);
    cr_assert(strncmp(error.text, "/nowhere/x.yaml: ", 17) == 0, "%s", error.text);
    cr_assert_eq(mr_config_load(&cfg, "/", &error), -EISDIR);
}

Test(config, standard_input_has_a_name)
{
    struct mr_config *cfg;
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "x: 1\n", 5), 5);
    close(fds[1]);
    dup2(fds[0], 0);
    cr_assert_eq(mr_config_load(&cfg, "-", &error), -EINVAL);
    cr_assert(strncmp(error.text, "<stdin>:1: x: ", 14) == 0, "%s", error.text);
}

Test(config, defaults)
{
    struct mr_config *cfg = good(IN_OUT PATH);
    cr_assert_eq(cfg->layout, MR_LAYOUT_RTC);
    cr_assert_eq(cfg->n_cores, 0);
    cr_assert_eq(cfg->burst, 64);
    cr_assert_eq(cfg->ring_frames, 1024);
    cr_assert(cfg->latency);
    cr_assert_eq(cfg->chunks, 16384);
    cr_assert_eq(cfg->chunk_bytes, 2496);
    cr_assert_eq(cfg->batch_cap, 256);
    cr_assert_eq(cfg->ports[0].queues, 1);
    cr_assert_eq(cfg->ports[0].size.n, 1);
    cr_assert_eq(cfg->ports[0].size.bytes[0], 60);
    cr_assert_eq(cfg->ports[0].flows, 1);
    cr_assert(cfg->ports[0].source);
    cr_assert_not(cfg->ports[1].source);
    cr_assert_eq(cfg->ports[0].buffers, 0, "a key of another driver is zero");
    cr_assert_eq(cfg->ports[0].socket_bytes, 0);
    cr_assert_eq(cfg->paths[0].workers, 1);
    cr_assert_eq(cfg->paths[0].to[0], 1);
    cr_assert_eq(cfg->paths[0].when_full, MR_FULL_DEFAULT);
    cr_assert_eq(cfg->n_notes, 0);
    mr_config_destroy(cfg);
}

Test(config, forms_of_writing)
{
    static const char crlf[] = "\xef\xbb\xbf"
                               "ports:\r\n  - { name: in, driver: memory, size: imix, rate: 1.5mpps, verify: on }\r\n"
                               "  - name: out\r\n    driver: \"memory\"\r\npaths:\r\n  - from: [in]\r\n    work: "
                               "[macswap, drop]\r\n    to: []\r\n"
                               "  - { from: out, work: forward, to: in }\r\n";
    struct mr_config *cfg = good(crlf);
    cr_assert_eq(cfg->ports[0].size.n, 3);
    cr_assert_float_eq(cfg->ports[0].rate_fps, 1.5e6, 1);
    cr_assert(cfg->ports[0].verify);
    cr_assert_eq(cfg->paths[0].n_to, 0);
    cr_assert_eq(cfg->paths[0].n_work, 2);
    cr_assert_eq(mr_config_line(cfg, "ports[1].driver"), 4);
    cr_assert_eq(mr_config_line(cfg, "ports[1].rate"), 0);
    mr_config_destroy(cfg);
}

Test(config, rounded_sizes_are_noted)
{
    struct mr_config *cfg = good("engine: { ring: 1000 }\n" IN_OUT PATH);
    cr_assert_eq(cfg->ring_frames, 1024);
    cr_assert_eq(cfg->n_notes, 1);
    cr_assert(strstr(cfg->notes[0], "engine.ring: 1000 rounded up to 1024") != NULL, "%s", cfg->notes[0]);
    mr_config_destroy(cfg);
    if (mr_driver_find("uring") != NULL) {
        cfg = good(UP ", offload: super, buffers: 100" DOWN);
        cr_assert_eq(cfg->ports[0].buffers, 128);
        cr_assert_eq(cfg->ports[0].big_buffers, 64);
        cr_assert_eq(cfg->n_notes, 1);
        mr_config_destroy(cfg);
    }
}

/* ---- --set ---- */

Test(config, set)
{
    struct mr_config *cfg;
    cr_assert_eq(mr_config_parse(&cfg, IN_OUT PATH, strlen(IN_OUT PATH), "t.yaml", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "engine.layout=pipeline", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "engine.cores=[1, 2]", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "engine.cores=3", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "ports[0].frames=1000", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "ports.out.verify=yes", &error), 0);
    cr_assert_eq(mr_config_set(cfg, "paths[0].work=[forward, macswap]", &error), 0);
    cr_assert_eq(mr_config_check(cfg, &error), 0, "%s", error.text);
    cr_assert_eq(cfg->layout, MR_LAYOUT_PIPELINE);
    cr_assert_eq(cfg->n_cores, 1);
    cr_assert_eq(cfg->cores[0], 3);
    cr_assert_eq(cfg->ports[0].frames, 1000);
    cr_assert(cfg->ports[1].verify);
    cr_assert_eq(cfg->paths[0].n_work, 2);
    mr_config_destroy(cfg);
}

Test(config, set_errors_name_the_assignment)
{
    struct mr_config *cfg;
    cr_assert_eq(mr_config_parse(&cfg, IN_OUT PATH, strlen(IN_OUT PATH), "t.yaml", &error), 0);
    for (size_t i = 0; i < sizeof bad_sets / sizeof *bad_sets; i++) {
        cr_expect(mr_config_set(cfg, bad_sets[i].text, &error) == -EINVAL, "%s", bad_sets[i].text);
        cr_expect(strncmp(error.text, bad_sets[i].place, strlen(bad_sets[i].place)) == 0, "%s", error.text);
        cr_expect(strstr(error.text, bad_sets[i].says) != NULL, "\"%s\" does not say \"%s\"", error.text,
                  bad_sets[i].says);
    }
    cr_assert_eq(mr_config_set(cfg, "ports[1].driver=nothing", &error), 0);
    cr_assert_eq(mr_config_check(cfg, &error), -EINVAL);
    cr_assert(strncmp(error.text, "--set ports[1].driver: no driver", 32) == 0, "%s", error.text);
    mr_config_destroy(cfg);
}

/* ---- the table and its documentation ---- */

/* The tree's config/reference.yaml, from this file's place in it; the compiler names that from the build directory. */
static const char *reference(void)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", __FILE__);
    char *tests = strstr(path, "tests/unit/");
    cr_assert_not_null(tests);
    snprintf(tests, sizeof path - (size_t)(tests - path), "config/reference.yaml");
    return path;
}

static bool is_written(const struct mr_config *cfg, const struct mr_key *key)
{
    char path[80];
    if (!mr_key_section_is_list(key->section)) {
        snprintf(path, sizeof path, "%s.%s", mr_key_section_word(key->section), key->name);
        return mr_config_given(cfg, path);
    }
    for (uint32_t i = 0; i < MR_PORTS_MAX; i++) {
        snprintf(path, sizeof path, "%s[%u].%s", mr_key_section_word(key->section), i, key->name);
        if (mr_config_given(cfg, path)) {
            return true;
        }
    }
    return false;
}

/* A key of the table that the file lacks fails here; a key of the file that the table lacks fails to load. */
Test(config, reference_has_exactly_the_keys_of_the_table)
{
    struct mr_config *cfg;
    const struct mr_key *key;
    int rc = mr_config_load(&cfg, reference(), &error);
    cr_assert(rc == 0, "%s", error.text);
    for (uint32_t i = 0; (key = mr_key_at(i)) != NULL; i++) {
        cr_expect(is_written(cfg, key), "%s.%s is not in reference.yaml", mr_key_section_word(key->section), key->name);
    }
    mr_config_destroy(cfg);
}

/* Unless the comment says "example", the value that stands in the reference is the default. */
Test(config, reference_shows_the_defaults)
{
    FILE *in = fopen(reference(), "r");
    char line[400];
    uint32_t seen = 0;
    cr_assert_not_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        char name[40];
        char value[80];
        const struct mr_key *key = NULL;
        if (strstr(line, "# example") != NULL || sscanf(line, " %39[a-z_]: %79[^ \n]", name, value) != 2 ||
            value[0] == '#') {
            continue;
        }
        for (uint32_t i = 0; (key = mr_key_at(i)) != NULL; i++) { // sections may have keys of one name
            if (strcmp(key->name, name) == 0 && (key->preset == NULL || strcmp(key->preset, value) == 0)) {
                break;
            }
        }
        cr_expect_not_null(key, "%s: %s is no key's default", name, value);
        seen++;
    }
    cr_expect(seen > 20);
    fclose(in);
}

/* What a report carries as `config` loads again, and is then the same. */
Test(config, json_round_trip)
{
    struct mr_config *cfg;
    struct mr_config *again;
    if (mr_driver_find("uring") == NULL || mr_driver_find("dpdk") == NULL || mr_driver_find("xdp") == NULL) {
        cr_skip("built without a driver of config/reference.yaml");
    }
    int rc = mr_config_load(&cfg, reference(), &error);
    rc = rc < 0 ? rc : mr_config_check(cfg, &error);
    cr_assert(rc == 0, "%s", error.text);
    json_t *first = mr_config_json(cfg);
    char *text = json_dumps(first, 0);
    rc = load(&again, text, strlen(text));
    cr_assert(rc == 0, "%s\n%s", error.text, text);
    json_t *second = mr_config_json(again);
    cr_expect(json_equal(first, second));
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(json_object_get(first, "ports"), 1), "big_buffers")),
                 64);
    json_decref(first);
    json_decref(second);
    free(text);
    mr_config_destroy(cfg);
    mr_config_destroy(again);
}
