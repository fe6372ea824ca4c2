/* compare_rows.c: the rows: one for each driver of the table and for pairs that belong together, from the bottom of the
 * ladder up, so that each is explained against the one below it; which of them cannot run, and why. */
#include "apps/millrace/compare.h"
#include "apps/millrace/verbs.h"

#include "lib/port/port.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void compare_row_clear(struct compare_row *row)
{
    const struct compare_latency none = {NAN, NAN, NAN, NAN, NAN};
    for (uint32_t i = 0; i < MR_ROUNDS_MAX; i++) {
        row->round[i] = (struct compare_round){.flat_mpps = NAN, .no_loss_mpps = NAN, .offered_mpps = NAN, .cpu_ns = NAN,
                                               .box_ns = NAN, .box_resolution_ns = NAN,
                                               .busy_share = NAN, .syscalls = NAN, .failed_mpps = NAN, .source_ns = NAN,
                                               .bare_mpps = NAN, .bare_cpu_ns = NAN, .latency = {none, none, none}};
    }
    json_object_clear(row->drops);
    row->sums = (struct compare_sums){.sent = 0};
}

static struct compare_row *add(struct compare *c, const char *name, enum compare_kind kind)
{
    struct compare_row *row = &c->rows[c->n_rows++];
    row->kind = kind;
    row->drops = json_object();
    row->program = row->link = -1;
    row->copies = -1;
    compare_row_clear(row);
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

/* Why a driver cannot run between the lab's devices; empty = it can. */
static void look(struct compare_row *row, const struct mr_driver_entry *entry)
{
    struct mr_probe probe = {0};
    const struct mr_driver *d = entry->driver;
    if (d == NULL) {
        snprintf(row->reason, sizeof row->reason, "not built in: %s", entry->why_not);
    } else if (!d->caps.needs_device) {
        snprintf(row->reason, sizeof row->reason, "opens no network device, so that no wire can be put to it");
    } else if (d->caps.makes_device) {
        snprintf(row->reason, sizeof row->reason, "makes a device of its own, and cannot stand between the ends of veths");
    } else if (d->probe(&probe) != 0 || !probe.usable) {
        snprintf(row->reason, sizeof row->reason, "%s", probe.reason);
    } else {
        row->usable = true;
        row->calls_counted = !d->caps.own_names; // else what happens below is another's code, which counts neither
        row->copies = row->calls_counted ? (int32_t)(d->caps.rx_copies + d->caps.tx_copies) : -1;
    }
}

/* Is it among those asked for? */
static bool wanted(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0)) {
            return true;
        }
    }
    return list == NULL || strcmp(list, "all") == 0;
}

/* Each word of the list must name a driver. */
static int check_list(const char *list, struct mr_error *err)
{
    const char *names[COMPARE_ROWS_MAX];
    char all[256] = "", word[64];
    uint32_t n = 0;
    const struct mr_driver_entry *entry;
    for (; n < COMPARE_ROWS_MAX && (entry = mr_driver_at(n)) != NULL; n++) {
        names[n] = entry->name;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", n == 0 ? "" : ", ", entry->name);
    }
    for (const char *at = list; at != NULL && strcmp(list, "all") != 0; at = strchr(at, ',')) {
        at += *at == ',';
        bool known = false;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        for (uint32_t i = 0; i < n; i++) {
            known |= strcmp(word, names[i]) == 0;
        }
        if (!known) {
            const char *near = nearest(word, names, n);
            return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "compare: --drivers: no driver \"%s\"%s%s%s; there are: %s, "
                                "or all", word, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                                near != NULL ? "\"?" : "", all);
        }
    }
    return 0;
}

/* The ladder: each removes something that the one before it pays for. Drivers that are not in it stand behind. */
static const struct rung {
    const char *name, *rx, *tx;
} ladder[] = {{"socket", "socket", "socket"}, {"mmsg", "mmsg", "mmsg"}, {"uring", "uring", "uring"},
              {"mmap", "mmap", "mmap"},       {"mmap + xdp", "mmap", "xdp"}, {"xdp", "xdp", "xdp"}};

enum { RUNGS = sizeof ladder / sizeof *ladder };

static const struct mr_driver_entry *entry_of(const char *name)
{
    const struct mr_driver_entry *entry;
    for (uint32_t i = 0; (entry = mr_driver_at(i)) != NULL; i++) {
        if (strcmp(entry->name, name) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void add_driver(struct compare *c, const char *name, const char *rx, const char *tx)
{
    const struct mr_driver_entry *in = entry_of(rx), *out = entry_of(tx);
    bool both = strcmp(rx, tx) != 0;
    if (in == NULL || out == NULL || !wanted(c->options.drivers, rx) || !wanted(c->options.drivers, tx) ||
        c->n_rows == COMPARE_ROWS_MAX) {
        return;
    }
    struct compare_row *row = add(c, name, COMPARE_DRIVER);
    row->rx_driver = rx;
    row->tx_driver = tx;
    look(row, in);
    if (both && row->reason[0] == 0) {
        int32_t received = in->driver->caps.rx_copies;
        row->usable = false;
        look(row, out);
        row->copies = row->reason[0] == 0 ? received + (int32_t)out->driver->caps.tx_copies : -1;
    }
    compare_bare_find(c, row);
}

static bool on_ladder(const char *name)
{
    bool found = false;
    for (size_t i = 0; i < RUNGS; i++) {
        found |= strcmp(ladder[i].name, name) == 0;
    }
    return found;
}

static void add_feed(struct compare *c, bool xdp)
{
    static const struct {
        const char *name;
        enum compare_kind kind;
    } others[] = {{"source alone", COMPARE_NOBODY}, {"kernel bridge", COMPARE_BRIDGE}, {"tc redirect", COMPARE_TC},
                  {"XDP redirect", COMPARE_XDP}};
    const struct mr_driver_entry *entry;
    uint32_t first = c->n_rows;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct compare_row *row = add(c, others[i].name, others[i].kind);
        if (row->kind == COMPARE_BRIDGE && c->options.device[LAB_LEFT][0] != 0) {
            snprintf(row->reason, sizeof row->reason, "is made in the lab only: your devices would be its ports, and a killed run would "
                     "leave it behind");
        }
    }
    for (size_t i = 0; i < RUNGS; i++) {
        add_driver(c, ladder[i].name, ladder[i].rx, ladder[i].tx);
    }
    for (uint32_t i = 0; (entry = mr_driver_at(i)) != NULL; i++) {
        if (!on_ladder(entry->name)) {
            add_driver(c, entry->name, entry->name, entry->name);
        }
    }
    for (uint32_t i = first; i < c->n_rows; i++) {
        c->rows[i].xdp_fed = xdp;
    }
}

int compare_rows(struct compare *c, struct mr_error *err)
{
    int result = check_list(c->options.drivers, err);
    if (result < 0) {
        return result;
    }
    c->rows = calloc(COMPARE_ROWS_MAX, sizeof *c->rows);
    if (c->rows == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "compare: no memory for its rows; free some");
    }
    if (c->options.skb) {
        add_feed(c, false);
    }
    if (c->options.xdp) {
        add_feed(c, true);
    }
    return 0;
}
