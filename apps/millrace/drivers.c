/* drivers.c: `millrace drivers`: which there are, and whether they can be used here: each is opened and closed. */
#include "apps/millrace/verbs.h"

#include "lib/port/port.h"

static const char help[] =
    "millrace drivers: which drivers there are, and whether they can be used here, or why not\n"
    "\n"
    "  millrace drivers [--json FILE|-] [--quiet] [--verbose]\n"
    "\n"
    "Each driver is tried by opening and closing it; beside it stands what a frame costs.\n"
    "Exit code 0, also when one cannot be used; 1: failed; 2: usage.\n";

static json_t *driver_json(const struct mr_driver_entry *entry)
{
    const struct mr_driver *d = entry->driver;
    struct mr_probe probe = {0};
    if (d == NULL) {
        return json_pack("{s:s, s:b, s:b, s:s}", "name", entry->name, "built", 0, "usable", 0, "why_not",
                         entry->why_not);
    }
    bool usable = d->probe(&probe) == 0 && probe.usable;
    return json_pack("{s:s, s:s, s:b, s:b, s:s, s:s, s:i, s:i, s:s, s:b, s:b, s:i}", "name", entry->name, "summary",
                     d->summary, "built", 1, "usable", (int)usable, usable ? "mode" : "why_not", probe.reason, "copies",
                     d->caps.copies, "rx_copies", (int)d->caps.rx_copies, "tx_copies", (int)d->caps.tx_copies,
                     "syscalls_per_burst", d->caps.syscalls, "needs_device", (int)d->caps.needs_device, "offloads",
                     (int)d->caps.offloads, "max_queues", (int)d->caps.max_queues);
}

static json_t *drivers_json(void)
{
    json_t *list = json_array();
    const struct mr_driver_entry *entry;
    for (uint32_t i = 0; (entry = mr_driver_at(i)) != NULL; i++) {
        json_array_append_new(list, driver_json(entry));
    }
    return json_pack("{s:s, s:o}", "schema", "millrace.drivers/1", "drivers", list);
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s == NULL ? "-" : s;
}

/* Characters: what stands in one column each, unlike bytes ("→"). */
static int columns(const char *s)
{
    int n = 0;
    for (; *s != 0; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* As wide as the widest of them, or the head. */
static int width(const json_t *drivers, const char *key, const char *head)
{
    size_t i;
    const json_t *d;
    int most = columns(head);
    json_array_foreach (drivers, i, d) {
        int own = columns(text(d, key));
        most = own > most ? own : most;
    }
    return most;
}

static void print(const json_t *document, FILE *out, bool colour)
{
    static const char copies[] = "copies per frame", calls[] = "system calls per burst";
    const json_t *drivers = json_object_get(document, "drivers");
    int wide[] = {width(drivers, "copies", copies), width(drivers, "syscalls_per_burst", calls)};
    size_t i;
    json_t *d;
    const char *bold = colour ? "\033[1m" : "", *red = colour ? "\033[31m" : "", *plain = colour ? "\033[0m" : "";
    fprintf(out, "%sdriver    built  usable  %-*s  %-*s  mode, or why not%s\n", bold, wide[0], copies, wide[1], calls, plain);
    json_array_foreach (drivers, i, d) {
        bool usable = json_is_true(json_object_get(d, "usable"));
        const char *c = text(d, "copies"), *s = text(d, "syscalls_per_burst");
        fprintf(out, "%-8s  %-5s  %s%-6s%s  %s%*s  %s%*s  %s\n", text(d, "name"),
                json_is_true(json_object_get(d, "built")) ? "yes" : "no", usable ? "" : red, usable ? "yes" : "no",
                usable ? "" : plain, c, wide[0] - columns(c), "", s, wide[1] - columns(s), "",
                text(d, usable ? "mode" : "why_not"));
    }
}

int verb_drivers(int argc, char **argv)
{
    struct mr_error err = {0};
    struct options o;
    int result = options_parse(&o, "jq", argc, argv, &err);
    if (result == 0 && o.help) {
        fputs(help, stdout);
        result = finish_output(&err);
    } else if (result == 0) {
        json_t *document = drivers_json();
        result = present(document, &o, print, &err);
        json_decref(document);
    }
    return result < 0 ? print_error(&err, o.verbose) : 0;
}
