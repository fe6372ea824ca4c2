/* lab_report.c: the lab's document, and the tables made from it. */
#include "apps/millrace/lab.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BOLD  "\033[1m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

/* ---- the document ---- */

static json_t *options_json(const struct lab_options *o)
{
    json_t *doc = json_object(), *cpus = json_array(), *sets = json_array();
    for (uint32_t i = 0; i < o->n_cores; i++) {
        json_array_append_new(cpus, json_integer(o->cores[i]));
    }
    for (uint32_t i = 0; i < o->n_sets; i++) {
        json_array_append_new(sets, json_string(o->sets[i]));
    }
    json_object_set_new(doc, "rx_driver", json_string(o->rx_driver));
    json_object_set_new(doc, "tx_driver", json_string(o->tx_driver));
    json_object_set_new(doc, "chosen", o->chosen != NULL ? json_incref(o->chosen) : json_null());
    json_object_set_new(doc, "frames", o->frames != 0 ? json_integer((json_int_t)o->frames) : json_null());
    json_object_set_new(doc, "for_seconds", o->for_ns != 0 ? json_real((double)o->for_ns / 1e9) : json_null());
    json_object_set_new(doc, "rate", json_string(o->rate));
    json_object_set_new(doc, "window", json_integer(o->window));
    json_object_set_new(doc, "size", json_string(o->size));
    json_object_set_new(doc, "flows", json_integer(o->flows));
    json_object_set_new(doc, "vlan", json_integer(o->vlan));
    json_object_set_new(doc, "work", json_string(o->work));
    json_object_set_new(doc, "layout", json_string(mr_layout_word(o->layout)));
    json_object_set_new(doc, "offload", json_string(mr_offload_word(o->offload)));
    json_object_set_new(doc, "sink", json_string(o->verify ? "verify" : "drop"));
    json_object_set_new(doc, "source_cpu", json_integer(o->source_cpu));
    json_object_set_new(doc, "pipeline_cpus", cpus);
    json_object_set_new(doc, "shared_cpu", json_boolean(o->shared_cpu));
    json_object_set_new(doc, "set", sets);
    return doc;
}

static json_t *namespace_json(const struct lab_holder *h, bool kept, const char *a, const char *b)
{
    return json_pack("{s:o, s:[s,s]}", "pid", kept ? json_integer(h->pid) : json_null(), "devices", a, b);
}

static json_t *lab_json(const struct lab_options *o, const struct lab_net *net)
{
    const struct lab_holder *side = net->side;
    return json_pack("{s:o, s:{s:o, s:o}, s:b, s:{s:b, s:b, s:b}}", "options", options_json(o), "namespaces", "ends",
                     namespace_json(&side[LAB_ENDS], o->keep, "src", "dst"), "forwarder",
                     namespace_json(&side[LAB_FORWARDER], o->keep, "left", "right"), "user_namespace",
                     net->user_namespace, "offloads", "tx_checksumming", net->offloads.tx_csum, "tcp_segmentation",
                     net->offloads.tso, "generic_segmentation", net->offloads.gso);
}

static json_int_t count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* What the sink found, and the sum of what no road may do to a frame. Gaps (lost) are not among it: each frame lost on
 * the way makes one, and the wire names those. Null without a verifying sink. */
static json_t *verify_json(const json_t *report)
{
    static const char *const faults[] = {"altered", "duplicates", "reordered", "late", "foreign"};
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const json_t *found = json_object_get(port, "driver_report");
        if (json_object_get(found, "verified") != NULL) {
            json_int_t sum = 0;
            for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
                sum += count_of(found, faults[k]);
            }
            json_t *doc = json_copy((json_t *)(uintptr_t)found);
            json_object_set_new(doc, "faults", json_integer(sum));
            return doc;
        }
    }
    return json_null();
}

static json_t *generator_json(json_t *report)
{
    json_t *doc = json_object();
    json_object_set(doc, "seconds", json_object_get(report, "seconds"));
    json_object_set_new(doc, "verify", verify_json(report));
    json_object_set_new(doc, "report", report);
    return doc;
}

json_t *lab_document(const struct lab_options *o, const struct lab_net *net, json_t *run, json_t *generator,
                     json_t *wire)
{
    json_object_set_new(run, "schema", json_string("millrace.lab/1"));
    json_object_set_new(run, "lab", lab_json(o, net));
    json_object_set_new(run, "generator", generator_json(generator));
    json_object_set_new(run, "wire", wire);
    return run;
}

uint64_t lab_faults(const json_t *document)
{
    const json_t *generator = json_object_get(document, "generator");
    return (uint64_t)count_of(json_object_get(generator, "verify"), "faults");
}

/* ---- for people ---- */

void lab_live(const struct mr_interval *now, void *arg)
{
    (void)arg;
    fprintf(stderr,
            "\r%4.0f s  in %.1f  out %.1f kpps  drops %" PRIu64 "  outside %" PRIu64 "  p50 %.1f  p99 %.1f us\033[K",
            now->seconds, (double)now->rx_frames / now->period / 1e3, (double)now->tx_frames / now->period / 1e3,
            now->drops, now->outside, (double)now->p50_ns / 1e3, (double)now->p99_ns / 1e3);
}

void lab_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s%.1f s: %s: %s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", event->seconds,
            event->port[0] != 0 ? event->port : event->stage, event->what, event->text);
}

static void row(FILE *out, const char *name, const char *note, const json_t *count)
{
    fprintf(out, "  %-34s %14" JSON_INTEGER_FORMAT "  %s\n", name, json_integer_value(count), note);
}

static void rows(FILE *out, const json_t *group, const char *note)
{
    const char *name;
    json_t *count;
    json_object_foreach((json_t *)(uintptr_t)group, name, count) {
        if (json_integer_value(count) != 0) { // what did not happen is only in the document
            row(out, name, note, count);
        }
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void print_lab(const json_t *doc, FILE *out)
{
    const json_t *lab = json_object_get(doc, "lab");
    const json_t *options = json_object_get(lab, "options");
    const json_t *off = json_object_get(lab, "offloads");
    const char *on_off[] = {"off", "on"};
    fprintf(out, "lab: src-left and right-dst, veth; tx-checksumming %s, tso %s, gso %s on all four\n",
            on_off[json_is_true(json_object_get(off, "tx_checksumming"))],
            on_off[json_is_true(json_object_get(off, "tcp_segmentation"))],
            on_off[json_is_true(json_object_get(off, "generic_segmentation"))]);
    if (json_is_true(json_object_get(options, "shared_cpu"))) {
        fprintf(out, "lab: source and pipeline share CPU %" JSON_INTEGER_FORMAT ": each slows the other down\n",
                json_integer_value(json_object_get(options, "source_cpu")));
    }
}

static void print_verify(const json_t *verify, FILE *out, bool colour)
{
    bool wrong = count_of(verify, "faults") != 0;
    row(out, "verified", "each byte as the source made it", json_object_get(verify, "verified"));
    fprintf(out, "%s", colour && wrong ? RED : "");
    row(out, "faults", wrong ? "altered, duplicate, reordered, late or foreign; see generator.verify" : "",
        json_object_get(verify, "faults"));
    fprintf(out, "%s", colour && wrong ? PLAIN : "");
}

static void print_wire(const json_t *doc, FILE *out, bool colour)
{
    const json_t *wire = json_object_get(doc, "wire"), *mpps = json_object_get(wire, "mpps");
    const json_t *verify = json_object_get(json_object_get(doc, "generator"), "verify");
    json_int_t unnamed = count_of(wire, "unnamed");
    fprintf(out, "\n%swire%s  sent %.3f Mpps, received %.3f Mpps\n", colour ? BOLD : "", colour ? PLAIN : "",
            json_number_value(json_object_get(mpps, "sent")), json_number_value(json_object_get(mpps, "received")));
    row(out, "sent", "left src, by its tx_packets", json_object_get(wire, "sent"));
    row(out, "received", text_of(wire, "received_by"), json_object_get(wire, "received"));
    rows(out, json_object_get(wire, "outside"), "lost outside, by the kernel's counter");
    rows(out, json_object_get(wire, "engine_drops"), "dropped by an engine, under this reason");
    if (count_of(wire, "counted_twice") != 0) {
        row(out, "counted twice", "refused sends, by device and pipeline", json_object_get(wire, "counted_twice"));
    }
    if (count_of(wire, "passed_to_kernel") != 0) {
        row(out, "passed to kernel", "not for us, by a port's take", json_object_get(wire, "passed_to_kernel"));
    }
    if (count_of(wire, "made") != 0) {
        row(out, "made", "copies by the pipeline", json_object_get(wire, "made"));
    }
    fprintf(out, "%s", colour && unnamed != 0 ? RED : "");
    row(out, "unnamed",
        unnamed == 0  ? "every frame is accounted for"
        : unnamed > 0 ? "lost without a name"
                      : "more arrived than were sent",
        json_object_get(wire, "unnamed"));
    fprintf(out, "%s", colour && unnamed != 0 ? PLAIN : "");
    if (json_is_object(verify)) {
        print_verify(verify, out, colour);
    }
}

void lab_print(const json_t *document, FILE *out, bool colour)
{
    print_lab(document, out);
    mr_report_print(document, out, colour);
    print_wire(document, out, colour);
}

void lab_keep_print(const struct lab_net *net, FILE *out)
{
    pid_t ends = net->side[LAB_ENDS].pid, forwarder = net->side[LAB_FORWARDER].pid;
    const char *enter = net->user_namespace ? "nsenter --preserve-credentials -U -n" : "nsenter -n";
    fprintf(out,
            "kept: enter the ends (src, dst):           %s -t %d\n"
            "      enter the forwarder's (left, right): %s -t %d\n"
            "      remove both:                         kill %d %d\n",
            enter, ends, enter, forwarder, ends, forwarder);
}
