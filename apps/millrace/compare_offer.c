/* compare_offer.c: frames offered once, by the lab's generator, and read from outside: what the devices at both ends count,
 * and the CPU time of two processes. The same ruler for whoever forwards. */
#include "apps/millrace/compare.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void nap(uint64_t ns)
{
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

/* ---- a window ---- */

struct reading {
    double at_ns, sent, received, engine_ns, source_ns;
    struct compare_cpus cpus;
};

/* The calling thread is among the ends. */
static void take_reading(const struct compare *c, const struct compare_offer *o, const struct lab_process *source,
                         struct reading *r)
{
    struct mr_link src = {0}, dst = {0};
    *r = (struct reading){.at_ns = 0};
    compare_cpus_read(&c->lab, &r->cpus);
    mr_link_find(c->net.device[LAB_SRC], &src);
    mr_link_find(c->net.device[LAB_DST], &dst);
    r->at_ns = (double)mr_now_ns();
    r->engine_ns = compare_cpu_ns(o->engine);
    r->source_ns = compare_cpu_ns(source);
    r->sent = (double)src.tx_packets + (o->xdp ? (double)src.tx_dropped : 0); // left's queue was full
    r->received = (double)dst.rx_packets;
}

/* Something else had a share of the two CPUs: another process, or the host. */
static bool disturbed(const struct compare_offered *w, const struct reading *from, const struct reading *to)
{
    double foreign = to->cpus.busy_ns - from->cpus.busy_ns - w->engine_ns - (to->source_ns - from->source_ns);
    double steal = to->cpus.steal_ns - from->cpus.steal_ns;
    return (foreign > steal ? foreign : steal) > COMPARE_FOREIGN_MOST * w->window_ns;
}

/* One that ended meanwhile says so in its report. */
static void count(const struct compare_offer *o)
{
    if (o->counted) {
        lab_process_count(o->counted);
    }
}

static void watch_window(const struct compare *c, const struct compare_offer *o, const struct lab_process *source,
                         struct compare_offered *out)
{
    struct reading from, to;
    lab_net_enter(&c->net, LAB_ENDS);
    nap(c->times.warm_ns);
    count(o);
    take_reading(c, o, source, &from);
    nap(c->times.window_ns);
    count(o);
    take_reading(c, o, source, &to);
    lab_net_enter(&c->net, LAB_FORWARDER);
    out->window_ns = to.at_ns - from.at_ns;
    out->window_sent = to.sent - from.sent;
    out->window_received = to.received - from.received;
    out->engine_ns = to.engine_ns - from.engine_ns;
    out->busy_ns = to.cpus.busy_ns - from.cpus.busy_ns;
    out->source_busy_ns = to.cpus.source_busy_ns - from.cpus.source_busy_ns;
    out->tick_ns = to.cpus.tick_ns;
    out->disturbed = disturbed(out, &from, &to);
}

/* A reading waits for control threads that have no CPU of their own. */
static const uint64_t READINGS_NS = 100000000;

uint64_t compare_offer_ns(const struct compare *c)
{
    return c->times.warm_ns + c->times.window_ns + READINGS_NS;
}

/* ---- the whole ---- */

/* A source that made all its frames in time is found to have ended some milliseconds later: that is no lateness of its
 * own. */
static const double END_SEEN_S = 0.008;

static double offered_fps(const struct compare_offer *o, const struct compare_offered *out)
{
    double asked_s = (double)o->for_ns / 1e9;
    double took_s = o->fps > 0 && out->seconds > asked_s ? out->seconds - END_SEEN_S : out->seconds;
    took_s = o->fps > 0 && took_s < asked_s ? asked_s : took_s;
    return took_s > 0 ? (double)out->sent / took_s : 0;
}

static void read_latency(const json_t *report, struct compare_offered *out)
{
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const json_t *l = json_object_get(json_object_get(port, "driver_report"), "latency_ns");
        if (json_integer_value(json_object_get(l, "samples")) > 0) {
            out->p50_ns = json_number_value(json_object_get(l, "p50"));
            out->p99_ns = json_number_value(json_object_get(l, "p99"));
            out->p99_9_ns = json_number_value(json_object_get(l, "p99_9"));
        }
    }
}

static int offer_xdp(struct compare *c, const struct compare_offer *o, struct lab_process *source,
                     struct compare_offered *out, struct mr_error *err)
{
    struct lab_wire before, after;
    int result = lab_wire_read(&c->net, &before, err);
    result = result < 0 ? result : compare_xdp_source_start(c, o, source, err);
    if (result < 0) {
        return result;
    }
    if (o->window) {
        watch_window(c, o, source, out);
    }
    result = compare_xdp_source_end(source, out, err);
    lab_wire_settle(&c->net);
    result = result < 0 ? result : lab_wire_read(&c->net, &after, err);
    if (result < 0) {
        return result;
    }
    out->received = after.dst.rx_packets - before.dst.rx_packets;
    out->offered_fps = offered_fps(o, out);
    return result;
}

static int offer(struct compare *c, const struct compare_offer *o, struct lab_process *source,
                 struct compare_offered *out, struct mr_error *err)
{
    struct lab_wire before, after;
    char rate[48];
    struct lab_options lab = c->lab;
    snprintf(rate, sizeof rate, "%.0fpps", o->fps);
    lab.rate = o->fps > 0 ? rate : "flat-out";
    lab.for_ns = o->for_ns;
    lab.verify = lab.sample = o->verify;
    int result = lab_wire_read(&c->net, &before, err);
    result = result < 0 ? result : lab_generator_start(source, &lab, &c->net, err);
    if (result < 0) {
        return result;
    }
    if (!lab_process_go(source)) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the generator ended before it sent");
    }
    if (o->window) {
        watch_window(c, o, source, out);
    }
    json_t *report = lab_process_report(source, err);
    if (report == NULL) {
        return -ECHILD;
    }
    result = lab_wire_read(&c->net, &after, err);
    out->seconds = json_number_value(json_object_get(report, "seconds"));
    out->sent = after.src.tx_packets - before.src.tx_packets;
    out->received = after.dst.rx_packets - before.dst.rx_packets;
    out->offered_fps = offered_fps(o, out);
    read_latency(report, out);
    json_decref(report);
    return result;
}

int compare_offer(struct compare *c, const struct compare_offer *o, struct compare_offered *out, struct mr_error *err)
{
    struct lab_process source = {.pid = 0};
    *out = (struct compare_offered){.seconds = 0};
    int result = o->xdp ? offer_xdp(c, o, &source, out, err) : offer(c, o, &source, out, err);
    lab_process_destroy(&source);
    return result;
}
