/* report_print.c: the report for a terminal, from its document alone: what is printed is what is written. */
#include <millrace/report.h>

#include "lib/engine/print.h"
#include "lib/engine/trace.h"

#include <string.h>

static void head(const struct mr_printer *p, const char *words)
{
    fprintf(p->out, "\n%s%s%s\n", p->bold, words, p->plain);
}

/* ---- tables ---- */

static void print_head(const struct mr_printer *p, const json_t *r)
{
    const json_t *m = mr_json_get(r, "millrace");
    const json_t *command = mr_json_get(r, "command");
    if (json_is_string(command)) {
        fprintf(p->out, "%s%s%s\n", p->bold, json_string_value(command), p->plain);
    }
    fprintf(p->out, "ran %.2f s, ended by: %s; %s, millrace %s (%s)\n", mr_json_real(r, "seconds"),
            mr_json_text(r, "ended_by"), mr_json_text(mr_json_get(mr_json_get(r, "config"), "engine"), "layout"),
            mr_json_text(m, "version"), mr_json_text(m, "commit"));
}

static void print_ports(const struct mr_printer *p, const json_t *r)
{
    size_t i;
    json_t *port;
    head(p,
         "port              driver    device                received            made            sent     calls  mode");
    json_array_foreach((json_t *)mr_json_get(r, "ports"), i, port) {
        fprintf(p->out, "%-16s  %-8s  %-14s %15s %15s %15s %9s  %s\n", mr_json_text(port, "name"),
                mr_json_text(port, "driver"), mr_json_text(port, "device"), mr_words_count(port, "rx_frames").text,
                mr_words_count(port, "made_frames").text, mr_words_count(port, "tx_frames").text,
                mr_words_count(port, "syscalls").text, mr_json_text(port, "mode"));
    }
}

/* What became of devices, where anything did. */
static void print_states(const struct mr_printer *p, const json_t *r)
{
    size_t i, k;
    json_t *port, *then;
    bool any = false;
    json_array_foreach((json_t *)mr_json_get(r, "ports"), i, port) {
        const json_t *state = mr_json_get(port, "state");
        if (json_array_size(mr_json_get(state, "history")) == 0) {
            continue;
        }
        if (!any) {
            head(p, "device states, at seconds since the start (frames lost to them)");
        }
        any = true;
        fprintf(p->out, "%-16s  %s:", mr_json_text(port, "name"), mr_json_text(state, "now"));
        json_array_foreach((json_t *)mr_json_get(state, "history"), k, then) {
            fprintf(p->out, "%s %s %.1f", k == 0 ? "" : ",", mr_json_text(then, "state"),
                    mr_json_real(then, "seconds"));
            if (mr_json_number(then, "frames") != 0) {
                fprintf(p->out, " (%s)", mr_words_count(then, "frames").text);
            }
        }
        fputc('\n', p->out);
    }
}

static void print_works(const struct mr_printer *p, const json_t *stage)
{
    size_t i;
    json_t *work;
    json_array_foreach((json_t *)mr_json_get(stage, "works"), i, work) {
        const char *name;
        json_t *n;
        bool any = false;
        json_object_foreach((json_t *)mr_json_get(work, "counters"), name, n) {
            if (json_integer_value(n) != 0) {
                fprintf(p->out, any ? ", " : "    %s: ", mr_json_text(work, "name"));
                fprintf(p->out, "%s %s", name, mr_words_grouped(json_integer_value(n)).text);
                any = true;
            }
        }
        fputs(any ? "\n" : "", p->out);
    }
}

static void print_stages(const struct mr_printer *p, const json_t *r)
{
    size_t i;
    json_t *stage;
    head(p, "stage               core           frames  batch mean   p50   p99   max           polls  with work    "
            "blocked");
    json_array_foreach((json_t *)mr_json_get(r, "stages"), i, stage) {
        const json_t *batch = mr_json_get(stage, "batch");
        long long polls = mr_json_number(stage, "polls");
        fprintf(p->out, "%-18s  %4lld  %15s  %10.1f %5lld %5lld %5lld  %14s  %9s  %9s\n", mr_json_text(stage, "name"),
                mr_json_number(stage, "core"), mr_words_count(stage, "frames").text, mr_json_real(batch, "mean"),
                mr_json_number(batch, "p50"), mr_json_number(batch, "p99"), mr_json_number(batch, "max"),
                mr_words_grouped(polls).text, mr_words_share(mr_json_get(stage, "polls_with_work"), polls).text,
                mr_words_count(stage, "blocked").text);
        print_works(p, stage);
    }
}

static void print_cores(const struct mr_printer *p, const json_t *r)
{
    static const char *const parts[] = {"receive", "work", "send", "blocked", "idle", "housekeeping"};
    size_t i;
    json_t *core;
    head(p,
         "core  node   receive     work     send  blocked     idle  housekeeping    gaps    longest  switches  faults");
    json_array_foreach((json_t *)mr_json_get(r, "cores"), i, core) {
        const json_t *gaps = mr_json_get(core, "gaps");
        fprintf(p->out, "%4lld  %4lld ", mr_json_number(core, "core"), mr_json_number(core, "node"));
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            fprintf(
                p->out, k == 5 ? "  %12s" : " %8s",
                mr_words_share(mr_json_get(mr_json_get(core, "time_ns"), parts[k]), mr_json_number(core, "total_ns"))
                    .text);
        }
        fprintf(
            p->out, "  %6s  %9s  %8s  %6s\n", mr_words_count(gaps, "count").text,
            mr_words_duration(mr_json_get(gaps, "max_ns")).text,
            mr_words_grouped(mr_json_number(core, "voluntary_switches") + mr_json_number(core, "involuntary_switches"))
                .text,
            mr_words_count(core, "page_faults").text);
    }
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

static void print_drops(const struct mr_printer *p, const json_t *r)
{
    const char *reason;
    json_t *n;
    bool any = false;
    json_object_foreach((json_t *)mr_json_get(mr_json_get(r, "totals"), "drops"), reason, n) {
        if (json_integer_value(n) != 0) {
            if (!any) {
                head(p, "dropped inside");
            }
            fprintf(p->out, "  %s%-24s%s %15s  %s\n", p->red, reason, p->plain,
                    mr_words_grouped(json_integer_value(n)).text, meaning(reason));
            any = true;
        }
    }
}

static void print_taps(const struct mr_printer *p, const json_t *r)
{
    size_t i;
    json_t *tap;
    json_array_foreach((json_t *)mr_json_get(r, "taps"), i, tap) {
        const char *error = json_string_value(mr_json_get(tap, "error"));
        if (i == 0) {
            head(p, "tap                         seen         matched         written    capture lost  file");
        }
        fprintf(p->out, "%-16s %15s %15s %15s %s%15s%s  %s%s%s%s%s\n", mr_json_text(tap, "where"),
                mr_words_count(tap, "seen").text, mr_words_count(tap, "matched").text,
                mr_words_count(tap, "written").text, mr_json_number(tap, "capture_lost") != 0 ? p->red : "",
                mr_words_count(tap, "capture_lost").text, p->plain, mr_json_text(tap, "to"),
                error != NULL ? p->red : "", error != NULL ? ": " : "", error != NULL ? error : "", p->plain);
    }
}

/* Counters of one kind that are not 0, of all ports. */
static void print_outside(const struct mr_printer *p, const json_t *r, const char *kind, const char *title,
                          const char *colour)
{
    size_t i;
    json_t *port, *n;
    const char *name;
    bool any = false;
    json_array_foreach((json_t *)mr_json_get(r, "ports"), i, port) {
        json_object_foreach((json_t *)mr_json_get(port, kind), name, n) {
            const char *within = json_string_value(mr_json_get(mr_json_get(port, "outside_within"), name));
            if (json_integer_value(n) == 0) {
                continue;
            }
            if (!any) {
                head(p, title);
            }
            fprintf(p->out, "  %s%-24s%s %15s  port %s%s%s\n", colour, name, p->plain,
                    mr_words_grouped(json_integer_value(n)).text, mr_json_text(port, "name"),
                    within != NULL ? ", contained in " : "", within != NULL ? within : "");
            any = true;
        }
    }
}

/* ---- lines ---- */

static void print_latency(const struct mr_printer *p, const json_t *r)
{
    const json_t *l = mr_json_get(r, "latency_ns");
    const json_t *u = mr_json_get(l, "undisturbed");
    if (!json_is_true(mr_json_get(l, "measured")) || mr_json_number(l, "samples") == 0) {
        fprintf(p->out, "latency  %s\n",
                json_is_true(mr_json_get(l, "measured")) ? "no frame was sent" : "not measured (engine.latency: no)");
        return;
    }
    fprintf(p->out, "latency  p50 %s, p90 %s, p99 %s, p99.9 %s, max %s; received to handed to the device, %s frames\n",
            mr_words_duration(mr_json_get(l, "p50")).text, mr_words_duration(mr_json_get(l, "p90")).text,
            mr_words_duration(mr_json_get(l, "p99")).text, mr_words_duration(mr_json_get(l, "p99_9")).text,
            mr_words_duration(mr_json_get(l, "max")).text, mr_words_count(l, "samples").text);
    if (mr_json_number(u, "samples") != 0 && mr_json_number(u, "samples") != mr_json_number(l, "samples")) {
        fprintf(p->out, "         undisturbed by gaps of the host: p50 %s, p99 %s, max %s, %s frames\n",
                mr_words_duration(mr_json_get(u, "p50")).text, mr_words_duration(mr_json_get(u, "p99")).text,
                mr_words_duration(mr_json_get(u, "max")).text, mr_words_count(u, "samples").text);
    }
}

static void print_cost(const struct mr_printer *p, const json_t *r)
{
    const json_t *c = mr_json_get(r, "cost");
    if (json_is_null(mr_json_get(c, "cpu_ns_per_frame"))) {
        fprintf(p->out, "cost     no frame was sent\n");
        return;
    }
    fprintf(p->out, "cost     per frame sent: %s of CPU by this process, ",
            mr_words_cost(mr_json_real(c, "cpu_ns_per_frame")).text);
    if (json_is_null(mr_json_get(c, "cpu_ns_per_frame_system"))) {
        fprintf(p->out, "by the whole machine not known (%s)", mr_json_text(c, "system_reason"));
    } else {
        fprintf(p->out, "%s by the whole machine", mr_words_cost(mr_json_real(c, "cpu_ns_per_frame_system")).text);
    }
    double calls = mr_json_real(c, "syscalls_per_frame");
    fprintf(p->out, "; %.*f system calls\n", calls < 10 ? 4 : 0, calls);
}

static void print_memory(const struct mr_printer *p, const json_t *r)
{
    const json_t *m = mr_json_get(r, "memory");
    const json_t *c = mr_json_get(r, "chunks");
    long long lost = mr_json_number(c, "unaccounted");
    long long away = mr_json_number(c, "total") - mr_json_number(c, "home_after_close");
    fprintf(p->out, "memory   %.1f MiB resident, %.1f MiB on huge pages; %s\n",
            mr_json_real(m, "rss_bytes") / (1 << 20), mr_json_real(m, "huge_bytes") / (1 << 20),
            mr_json_text(m, "note"));
    fprintf(p->out, "chunks   %s%s, %s unaccounted, %s not home after close%s\n", lost != 0 || away != 0 ? p->red : "",
            mr_words_count(c, "total").text, mr_words_grouped(lost).text, mr_words_grouped(away).text,
            lost != 0 || away != 0 ? p->plain : "");
}

static void print_balance(const struct mr_printer *p, const json_t *r)
{
    const json_t *t = mr_json_get(r, "totals");
    const char *name;
    json_t *n;
    long long drops = 0;
    json_object_foreach((json_t *)mr_json_get(t, "drops"), name, n) {
        drops += json_integer_value(n);
    }
    const char *colour = mr_json_number(t, "unaccounted") != 0 ? p->red : p->bold;
    fprintf(p->out, "\n%srx %s + made %s = tx %s + drops %s + in flight %s · unaccounted %s%s\n", colour,
            mr_words_count(t, "rx_frames").text, mr_words_count(t, "made_frames").text,
            mr_words_count(t, "tx_frames").text, mr_words_grouped(drops).text, mr_words_count(t, "in_flight").text,
            mr_words_count(t, "unaccounted").text, p->plain);
}

static void print_marks(const struct mr_printer *p, const json_t *r)
{
    size_t i;
    json_t *mark;
    json_array_foreach((json_t *)mr_json_get(r, "marks"), i, mark) {
        fprintf(p->out, "%smarked   %s: %s; these figures compare with none%s\n", p->red, mr_json_text(mark, "what"),
                mr_json_text(mark, "text"), p->plain);
    }
}

static void print_checks(const struct mr_printer *p, const json_t *r)
{
    const json_t *c = mr_json_get(r, "checks");
    if (mr_json_number(c, "made") + mr_json_number(c, "unanswered") != 0) {
        fprintf(p->out, "checked  %s times while it ran: %s%s did not hold%s, %s without an answer\n",
                mr_words_count(c, "made").text, mr_json_number(c, "failed") != 0 ? p->red : "",
                mr_words_count(c, "failed").text, mr_json_number(c, "failed") != 0 ? p->plain : "",
                mr_words_count(c, "unanswered").text);
    }
}

void mr_report_print(const json_t *report, FILE *out, bool colour)
{
    struct mr_printer p = {.out = out, .bold = "", .red = "", .plain = ""};
    if (colour) {
        p = (struct mr_printer){.out = out, .bold = "\033[1m", .red = "\033[31m", .plain = "\033[0m"};
    }
    mr_trace_print(mr_json_get(report, "trace"), mr_json_number(report, "trace_lost"), out, colour);
    print_head(&p, report);
    print_ports(&p, report);
    print_states(&p, report);
    print_stages(&p, report);
    print_cores(&p, report);
    print_drops(&p, report);
    print_taps(&p, report);
    print_outside(&p, report, "outside", "lost outside, by the kernel's counters", p.red);
    print_outside(&p, report, "events", "seen by the drivers; no frame lost here", "");
    fprintf(out, "\nrate     %s, %s sent (without FCS)\n",
            mr_words_rate(mr_json_real(mr_json_get(report, "rate"), "mpps") * 1e6, "pps").text,
            mr_words_rate(mr_json_real(mr_json_get(report, "rate"), "gbps") * 1e9, "bit/s").text);
    print_latency(&p, report);
    print_cost(&p, report);
    print_memory(&p, report);
    print_checks(&p, report);
    print_marks(&p, report);
    print_balance(&p, report);
}
