/* jsonget FILE PATH…: print the values at paths of a JSON document, one a line: `jsonget r.json totals.rx_frames ports.left.mode`.
 * A step into an array is an index, or the `name` of one of its objects; where names have dots, / parts the steps instead:
 * stages/tx:right.0/drops. Exit 1 when a value is not there. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *element(json_t *array, const char *step)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name != NULL && strcmp(name, step) == 0) {
            return item;
        }
    }
    char *end;
    size_t index = strtoul(step, &end, 10);
    return *end == 0 ? json_array_get(array, index) : NULL;
}

static json_t *follow(json_t *at, char *path)
{
    const char *between = strchr(path, '/') != NULL ? "/" : ".";
    for (char *step = strtok(path, between); step != NULL && at != NULL; step = strtok(NULL, between)) {
        at = json_is_array(at) ? element(at, step) : json_object_get(at, step);
    }
    return at;
}

static void print(const json_t *value)
{
    if (json_is_string(value)) {
        puts(json_string_value(value));
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    json_error_t where;
    if (argc < 3) {
        fprintf(stderr, "usage: jsonget FILE PATH…\n");
        return 2;
    }
    json_t *doc = json_load_file(argv[1], 0, &where);
    if (doc == NULL) {
        fprintf(stderr, "jsonget: %s:%d: %s\n", argv[1], where.line, where.text);
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        char *path = strdup(argv[i]);
        json_t *value = follow(doc, path);
        if (value == NULL) {
            fprintf(stderr, "jsonget: %s: no %s\n", argv[1], argv[i]);
            return 1;
        }
        print(value);
        free(path);
    }
    json_decref(doc);
    return 0;
}
