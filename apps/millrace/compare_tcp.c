/* compare_tcp.c: rows and rounds of TCP streams. Each row forwards both ways (l2), by one driver or by the kernel's bridge, and each
 * stream is sent in three forms: super-frames, by the kernel's defaults; segments whose checksum is left to the device; segments
 * with nothing left to one.
 *
 * The streams have the time that the first table has left. Each form is measured once, and then the one that has had the least
 * time, so that fast ones get rounds enough for an interval and slow ones as many as there is time for. */
#include "apps/millrace/compare_tcp.h"
#include "apps/millrace/verbs.h"

#include "lib/port/port.h"
#include "lib/sys/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const uint64_t STREAM_LEAST_NS = 1000000000; /* left, for a stream to be begun */

/* ---- rows ---- */

static void add(struct compare_tcp *t, struct compare_row *of, struct compare_form *form)
{
    struct compare_tcp_row *r = &t->rows[t->n_rows++];
    *r = (struct compare_tcp_row){.of = of, .form = form, .drops = json_object()};
    compare_tcp_row_clear(r);
    if (of->kind == COMPARE_DRIVER && !of->usable) {
        snprintf(r->reason, sizeof r->reason, "%s", of->reason);
    } else if (of->kind == COMPARE_DRIVER && form->offload != MR_OFFLOAD_NONE && !mr_driver_find(of->rx_driver)->caps.offloads) {
        snprintf(r->reason, sizeof r->reason, "the driver carries no %s",
                 form->offload == MR_OFFLOAD_SUPER ? "super-frames" : "partial checksums");
    }
}

/* Bridge and drivers of the first feed's rows; pairs of drivers have no two-way form that says more. */
static void add_rows(struct compare_tcp *t, struct compare *c)
{
    for (int f = 0; f < COMPARE_FORMS; f++) {
        for (uint32_t i = 0; i < c->n_rows && c->rows[i].xdp_fed == c->rows[0].xdp_fed; i++) {
            struct compare_row *of = &c->rows[i];
            if (of->kind == COMPARE_BRIDGE || (of->kind == COMPARE_DRIVER && strcmp(of->rx_driver, of->tx_driver) == 0)) {
                add(t, of, &t->form[f]);
            }
        }
    }
}

/* ---- rounds ---- */

/* How long a row's stream may take; 0 = it has no turn. Only in a form's first round the end of all cuts a stream short: later ones
 * were begun since there was time, and what has figures shall not lose them. */
static uint64_t limit_of(const struct compare *c, const struct compare_tcp *t, struct compare_tcp_row *r)
{
    uint64_t now = mr_now_ns(), left = now < t->end_ns ? t->end_ns - now : 0;
    if (r->form->rounds != 0) {
        return left != 0 ? c->times.stream_ns : 0;
    }
    if (left < STREAM_LEAST_NS) {
        snprintf(r->reason, sizeof r->reason, "what ran before it took all the time; pick fewer by --drivers, or take --only-tcp");
        return 0;
    }
    return left < c->times.stream_ns ? left : c->times.stream_ns;
}

static void one_round(struct compare *c, struct compare_tcp *t, struct compare_form *form)
{
    uint32_t order[COMPARE_TCP_ROWS_MAX];
    uint64_t begin = mr_now_ns();
    mr_shuffle(order, t->n_rows, &c->random);
    for (uint32_t i = 0; i < t->n_rows; i++) {
        struct compare_tcp_row *r = &t->rows[order[i]];
        uint64_t limit_ns = r->form == form && r->reason[0] == 0 ? limit_of(c, t, r) : 0;
        if (limit_ns != 0) {
            if (!c->options.quiet && isatty(STDERR_FILENO)) {
                fprintf(stderr, "\rTCP, %s, round %u: %s\033[K", form->frames, form->rounds + 1, r->of->name);
            }
            compare_tcp_measure(c, r, limit_ns);
        }
    }
    uint64_t took = mr_now_ns() - begin;
    form->rounds++;
    form->spent_ns += took;
    form->longest_ns = took > form->longest_ns ? took : form->longest_ns;
}

static bool has_rows(const struct compare_tcp *t, const struct compare_form *form)
{
    bool found = false;
    for (uint32_t i = 0; i < t->n_rows; i++) {
        found |= t->rows[i].form == form && t->rows[i].reason[0] == 0;
    }
    return found;
}

/* Whose turn it is; NULL = all have had theirs. */
static struct compare_form *next_form(const struct compare *c, struct compare_tcp *t)
{
    struct compare_form *next = NULL;
    uint64_t now = mr_now_ns();
    for (int i = 0; i < COMPARE_FORMS; i++) {
        struct compare_form *f = &t->form[i];
        bool fits = f->rounds == 0 || (f->rounds < c->times.tcp_rounds && now + f->longest_ns <= t->end_ns);
        if (fits && has_rows(t, f) && (next == NULL || f->spent_ns < next->spent_ns)) {
            next = f;
        }
    }
    return next;
}

static void rounds(struct compare *c, struct compare_tcp *t)
{
    struct compare_form *form;
    while ((form = next_form(c, t)) != NULL) {
        one_round(c, t, form);
    }
    if (!c->options.quiet && isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

/* ---- all ---- */

static struct compare_tcp *create(const struct compare *c)
{
    struct compare_tcp *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->form[0] = (struct compare_form){.offload = MR_OFFLOAD_SUPER, .frames = "super", .bytes = c->times.super_bytes};
        t->form[1] = (struct compare_form){.offload = MR_OFFLOAD_CHECKSUM, .frames = "checksum", .bytes = c->times.segment_bytes};
        t->form[2] = (struct compare_form){.offload = MR_OFFLOAD_NONE, .frames = "segments", .bytes = c->times.segment_bytes};
        t->begin_ns = mr_now_ns();
        t->end_ns = (c->begin_ns != 0 ? c->begin_ns : t->begin_ns) + c->times.whole_ns;
    }
    return t;
}

int compare_tcp(struct compare *c, json_t *document, struct mr_error *err)
{
    struct compare_tcp *t = create(c);
    if (t == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "compare: no memory for the table of TCP; free some");
    }
    int result = lab_net_create_apart(&c->net, MR_OFFLOAD_NONE, err);
    if (result == 0) {
        memcpy(c->lab.devices, c->net.device, sizeof c->lab.devices);
        add_rows(t, c);
        rounds(c, t);
        lab_net_destroy(&c->net);
        compare_tcp_json(c, t, document);
    }
    for (uint32_t i = 0; i < t->n_rows; i++) {
        json_decref(t->rows[i].drops);
    }
    free(t);
    return result;
}
