/* report_print.c: the report for a terminal, from its document alone: what is printed is what is written. */
#include <millrace/report.h>

#include "lib/engine/trace.h"

#include <string.h>

struct printer {
    FILE *out;
    const char *bold, *red, *plain; /* "" without colour */
};

/* ---- values ---- */

static const json_t *get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(get(object, key));
    return s == NULL ? "-" : s;
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(get(object, key));
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(get(object, key));
}

struct words {
    char text[32];
};

/* 1234567 as "1,234,567". */
static struct words grouped(long long n)
{
    struct words w;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", n < 0 ? -n : n);
    size_t at = 0;
    if (n < 0) {
        w.text[at++] = '-';
    }
    for (int i = 0; i < length; i++) {
        if (i != 0 && (length - i) % 3 == 0) {
            w.text[at++] = ',';
        }
        w.text[at++] = digits[i];
    }
    w.text[at] = 0;
    return w;
}

static struct words count(const json_t *object, const char *key)
{
    return grouped(number(object, key));
}

/* A time with a unit that suits it. */
static struct words duration(const json_t *ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    struct words w = {"-"};
    double value = json_number_value(ns);
    size_t i = 0;
    while (i < 3 && value < units[i].ns) {
        i++;
    }
    if (!json_is_null(ns)) {
        snprintf(w.text, sizeof w.text, "%.*f %s", i == 3 ? 0 : 1, value / units[i].ns, units[i].unit);
    }
    return w;
}

static struct words share(const json_t *part, long long of)
{
    struct words w = {"-"};
    if (!json_is_null(part) && of != 0) {
        snprintf(w.text, sizeof w.text, "%.1f %%", 100 * json_number_value(part) / (double)of);
    }
    return w;
}

static void head(const struct printer *p, const char *words)
{
    fprintf(p->out, "\n%s%s%s\n", p->bold, words, p->plain);
}

/* ---- tables ---- */

static void print_head(const struct printer *p, const json_t *r)
{
    const json_t *m = get(r, "millrace");
    const json_t *command = get(r, "command");
    if (json_is_string(command)) {
        fprintf(p->out, "%s%s%s\n", p->bold, json_string_value(command), p->plain);
    }
    fprintf(p->out, "ran %.2f s, ended by: %s; %s, millrace %s (%s)\n", real(r, "seconds"), text(r, "ended_by"),
            text(get(get(r, "config"), "engine"), "layout"), text(m, "version"), text(m, "commit"));
}

static void print_ports(const struct printer *p, const json_t *r)
{
    size_t i;
    json_t *port;
    head(p,
         "port              driver    device                received            made            sent     calls  mode");
    json_array_foreach ((json_t *)get(r, "ports"), i, port) {
        fprintf(p->out, "%-16s  %-8s  %-14s %15s %15s %15s %9s  %s\n", text(port, "name"), text(port, "driver"),
                text(port, "device"), count(port, "rx_frames").text, count(port, "made_frames").text,
                count(port, "tx_frames").text, count(port, "syscalls").text, text(port, "mode"));
    }
}

/* What became of devices, where anything did. */
static void print_states(const struct printer *p, const json_t *r)
{
    size_t i, k;
    json_t *port, *then;
    bool any = false;
    json_array_foreach ((json_t *)get(r, "ports"), i, port) {
        const json_t *state = get(port, "state");
        if (json_array_size(get(state, "history")) == 0) {
            continue;
        }
        if (!any) {
            head(p, "device states, at seconds since the start (frames lost to them)");
        }
        any = true;
        fprintf(p->out, "%-16s  %s:", text(port, "name"), text(state, "now"));
        json_array_foreach ((json_t *)get(state, "history"), k, then) {
            fprintf(p->out, "%s %s %.1f", k == 0 ? "" : ",", text(then, "state"), real(then, "seconds"));
            if (number(then, "frames") != 0) {
                fprintf(p->out, " (%s)", count(then, "frames").text);
            }
        }
        fputc('\n', p->out);
    }
}

static void print_works(const struct printer *p, const json_t *stage)
{
    size_t i;
    json_t *work;
    json_array_foreach ((json_t *)get(stage, "works"), i, work) {
        const char *name;
        json_t *n;
        bool any = false;
        json_object_foreach ((json_t *)get(work, "counters"), name, n) {
            if (json_integer_value(n) != 0) {
                fprintf(p->out, any ? ", " : "    %s: ", text(work, "name"));
                fprintf(p->out, "%s %s", name, grouped(json_integer_value(n)).text);
                any = true;
            }
        }
        fputs(any ? "\n" : "", p->out);
    }
}

static void print_stages(const struct printer *p, const json_t *r)
{
    size_t i;
    json_t *stage;
    head(
        p,
        "stage               core           frames  batch mean   p50   p99   max           polls  with work    blocked");
    json_array_foreach ((json_t *)get(r, "stages"), i, stage) {
        const json_t *batch = get(stage, "batch");
        long long polls = number(stage, "polls");
        fprintf(p->out, "%-18s  %4lld  %15s  %10.1f %5lld %5lld %5lld  %14s  %9s  %9s\n", text(stage, "name"),
                number(stage, "core"), count(stage, "frames").text, real(batch, "mean"), number(batch, "p50"),
                number(batch, "p99"), number(batch, "max"), grouped(polls).text,
                share(get(stage, "polls_with_work"), polls).text, count(stage, "blocked").text);
        print_works(p, stage);
    }
}

static void print_cores(const struct printer *p, const json_t *r)
{
    static const char *const parts[] = {"receive", "work", "send", "blocked", "idle", "housekeeping"};
    size_t i;
    json_t *core;
    head(p,
         "core  node   receive     work     send  blocked     idle  housekeeping    gaps    longest  switches  faults");
    json_array_foreach ((json_t *)get(r, "cores"), i, core) {
        const json_t *gaps = get(core, "gaps");
        fprintf(p->out, "%4lld  %4lld ", number(core, "core"), number(core, "node"));
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            fprintf(p->out, k == 5 ? "  %12s" : " %8s",
                    share(get(get(core, "time_ns"), parts[k]), number(core, "total_ns")).text);
        }
        fprintf(p->out, "  %6s  %9s  %8s  %6s\n", count(gaps, "count").text, duration(get(gaps, "max_ns")).text,
                grouped(number(core, "voluntary_switches") + number(core, "involuntary_switches")).text,
                count(core, "page_faults").text);
    }
}

/* Per second, without exponents: 479.6 kpps. */
static struct words rate(double per_second, const char *unit)
{
    static const struct {
        double least;
        const char *prefix;
    } prefixes[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {0, ""}};
    struct words w;
    size_t i = 0;
    while (per_second < prefixes[i].least) {
        i++;
    }
    double value = prefixes[i].least == 0 ? per_second : per_second / prefixes[i].least;
    snprintf(w.text, sizeof w.text, "%.4g %s%s", value, prefixes[i].prefix, unit);
    return w;
}

static struct words cost(double ns)
{
    struct words w;
    if (ns >= 1e6) {
        snprintf(w.text, sizeof w.text, "%.1f ms", ns / 1e6);
    } else {
        snprintf(w.text, sizeof w.text, "%.*f ns", ns < 100 ? 1 : 0, ns);
    }
    return w;
}

/* ---- losses ---- */

static const char *meaning(const char *reason)
{
    for (uint32_t i = 0; i < MR_DROP_ENGINE_COUNT; i++) {
        if (strcmp(mr_drop_word(i), reason) == 0) {
            return mr_drop_text(i);
        }
    }
    return strchr(reason, '.') != NULL ? "by the work function of that name" : "";
}

static void print_drops(const struct printer *p, const json_t *r)
{
    const char *reason;
    json_t *n;
    bool any = false;
    json_object_foreach ((json_t *)get(get(r, "totals"), "drops"), reason, n) {
        if (json_integer_value(n) != 0) {
            if (!any) {
                head(p, "dropped inside");
            }
            fprintf(p->out, "  %s%-24s%s %15s  %s\n", p->red, reason, p->plain, grouped(json_integer_value(n)).text,
                    meaning(reason));
            any = true;
        }
    }
}

static void print_taps(const struct printer *p, const json_t *r)
{
    size_t i;
    json_t *tap;
    json_array_foreach ((json_t *)get(r, "taps"), i, tap) {
        const char *error = json_string_value(get(tap, "error"));
        if (i == 0) {
            head(p, "tap                         seen         matched         written    capture lost  file");
        }
        fprintf(p->out, "%-16s %15s %15s %15s %s%15s%s  %s%s%s%s%s\n", text(tap, "where"), count(tap, "seen").text,
                count(tap, "matched").text, count(tap, "written").text, number(tap, "capture_lost") != 0 ? p->red : "",
                count(tap, "capture_lost").text, p->plain, text(tap, "to"), error != NULL ? p->red : "",
                error != NULL ? ": " : "", error != NULL ? error : "", p->plain);
    }
}

/* Counters of one kind that are not 0, of all ports. */
static void print_outside(const struct printer *p, const json_t *r, const char *kind, const char *title,
                          const char *colour)
{
    size_t i;
    json_t *port, *n;
    const char *name;
    bool any = false;
    json_array_foreach ((json_t *)get(r, "ports"), i, port) {
        json_object_foreach ((json_t *)get(port, kind), name, n) {
            const char *within = json_string_value(get(get(port, "outside_within"), name));
            if (json_integer_value(n) == 0) {
                continue;
            }
            if (!any) {
                head(p, title);
            }
            fprintf(p->out, "  %s%-24s%s %15s  port %s%s%s\n", colour, name, p->plain,
                    grouped(json_integer_value(n)).text, text(port, "name"), within != NULL ? ", contained in " : "",
                    within != NULL ? within : "");
            any = true;
        }
    }
}

/* ---- lines ---- */

static void print_latency(const struct printer *p, const json_t *r)
{
    const json_t *l = get(r, "latency_ns");
    const json_t *u = get(l, "undisturbed");
    if (!json_is_true(get(l, "measured")) || number(l, "samples") == 0) {
        fprintf(p->out, "latency  %s\n",
                json_is_true(get(l, "measured")) ? "no frame was sent" : "not measured (engine.latency: no)");
        return;
    }
    fprintf(p->out, "latency  p50 %s, p90 %s, p99 %s, p99.9 %s, max %s; received to handed to the device, %s frames\n",
            duration(get(l, "p50")).text, duration(get(l, "p90")).text, duration(get(l, "p99")).text,
            duration(get(l, "p99_9")).text, duration(get(l, "max")).text, count(l, "samples").text);
    if (number(u, "samples") != 0 && number(u, "samples") != number(l, "samples")) {
        fprintf(p->out, "         undisturbed by gaps of the host: p50 %s, p99 %s, max %s, %s frames\n",
                duration(get(u, "p50")).text, duration(get(u, "p99")).text, duration(get(u, "max")).text,
                count(u, "samples").text);
    }
}

static void print_cost(const struct printer *p, const json_t *r)
{
    const json_t *c = get(r, "cost");
    if (json_is_null(get(c, "cpu_ns_per_frame"))) {
        fprintf(p->out, "cost     no frame was sent\n");
        return;
    }
    fprintf(p->out, "cost     per frame sent: %s of CPU by this process, ", cost(real(c, "cpu_ns_per_frame")).text);
    if (json_is_null(get(c, "cpu_ns_per_frame_system"))) {
        fprintf(p->out, "by the whole machine not known (%s)", text(c, "system_reason"));
    } else {
        fprintf(p->out, "%s by the whole machine", cost(real(c, "cpu_ns_per_frame_system")).text);
    }
    double calls = real(c, "syscalls_per_frame");
    fprintf(p->out, "; %.*f system calls\n", calls < 10 ? 4 : 0, calls);
}

static void print_memory(const struct printer *p, const json_t *r)
{
    const json_t *m = get(r, "memory");
    const json_t *c = get(r, "chunks");
    long long lost = number(c, "unaccounted");
    long long away = number(c, "total") - number(c, "home_after_close");
    fprintf(p->out, "memory   %.1f MiB resident, %.1f MiB on huge pages; %s\n", real(m, "rss_bytes") / (1 << 20),
            real(m, "huge_bytes") / (1 << 20), text(m, "note"));
    fprintf(p->out, "chunks   %s%s, %s unaccounted, %s not home after close%s\n", lost != 0 || away != 0 ? p->red : "",
            count(c, "total").text, grouped(lost).text, grouped(away).text, lost != 0 || away != 0 ? p->plain : "");
}

static void print_balance(const struct printer *p, const json_t *r)
{
    const json_t *t = get(r, "totals");
    const char *name;
    json_t *n;
    long long drops = 0;
    json_object_foreach ((json_t *)get(t, "drops"), name, n) {
        drops += json_integer_value(n);
    }
    const char *colour = number(t, "unaccounted") != 0 ? p->red : p->bold;
    fprintf(p->out, "\n%srx %s + made %s = tx %s + drops %s + in flight %s · unaccounted %s%s\n", colour,
            count(t, "rx_frames").text, count(t, "made_frames").text, count(t, "tx_frames").text, grouped(drops).text,
            count(t, "in_flight").text, count(t, "unaccounted").text, p->plain);
}

static void print_marks(const struct printer *p, const json_t *r)
{
    size_t i;
    json_t *mark;
    json_array_foreach ((json_t *)get(r, "marks"), i, mark) {
        fprintf(p->out, "%smarked   %s: %s; these figures compare with none%s\n", p->red, text(mark, "what"),
                text(mark, "text"), p->plain);
    }
}

static void print_checks(const struct printer *p, const json_t *r)
{
    const json_t *c = get(r, "checks");
    if (number(c, "made") + number(c, "unanswered") != 0) {
        fprintf(p->out, "checked  %s times while it ran: %s%s did not hold%s, %s without an answer\n", count(c, "made").text,
                number(c, "failed") != 0 ? p->red : "", count(c, "failed").text,
                number(c, "failed") != 0 ? p->plain : "", count(c, "unanswered").text);
    }
}

void mr_report_print(const json_t *report, FILE *out, bool colour)
{
    struct printer p = {.out = out, .bold = "", .red = "", .plain = ""};
    if (colour) {
        p = (struct printer){.out = out, .bold = "\033[1m", .red = "\033[31m", .plain = "\033[0m"};
    }
    mr_trace_print(get(report, "trace"), number(report, "trace_lost"), out, colour);
    print_head(&p, report);
    print_ports(&p, report);
    print_states(&p, report);
    print_stages(&p, report);
    print_cores(&p, report);
    print_drops(&p, report);
    print_taps(&p, report);
    print_outside(&p, report, "outside", "lost outside, by the kernel's counters", p.red);
    print_outside(&p, report, "events", "seen by the drivers; no frame lost here", "");
    fprintf(out, "\nrate     %s, %s sent (without FCS)\n", rate(real(get(report, "rate"), "mpps") * 1e6, "pps").text,
            rate(real(get(report, "rate"), "gbps") * 1e9, "bit/s").text);
    print_latency(&p, report);
    print_cost(&p, report);
    print_memory(&p, report);
    print_checks(&p, report);
    print_marks(&p, report);
    print_balance(&p, report);
}
