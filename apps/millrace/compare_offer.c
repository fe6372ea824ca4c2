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
    double at_ns, sent, received, engine_ns, source_ns, busy_ns, source_busy_ns, steal_ns;
    uint32_t cpus; /* that were found */
};

static double cpu_ns(const struct lab_process *p)
{
    struct timespec t = {0, 0};
    clockid_t clock;
    if (p == NULL || clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Of the two CPUs that the lab uses, and no others: user … softirq without idle and iowait, and what the host took. */
static void cpus_busy(const struct lab_options *lab, struct reading *r)
{
    char line[256];
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    FILE *f = fopen("/proc/stat", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        uint32_t cpu;
        unsigned long long user, nice, system, idle, wait, irq, soft, steal;
        bool ours = sscanf(line, "cpu%" SCNu32 " %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice, &system,
                           &idle, &wait, &irq, &soft, &steal) == 9;
        bool used = ours && cpu == lab->source_cpu;
        for (uint32_t i = 0; ours && i < lab->n_cores; i++) {
            used |= cpu == lab->cores[i];
        }
        double busy_ns = (double)(user + nice + system + irq + soft) * tick_ns;
        r->busy_ns += used ? busy_ns : 0;
        r->source_busy_ns += used && cpu == lab->source_cpu ? busy_ns : 0;
        r->steal_ns += used ? (double)steal * tick_ns : 0;
        r->cpus += used;
    }
    if (f != NULL) {
        fclose(f);
    }
}

/* The calling thread is among the ends. */
static void take_reading(const struct compare *c, const struct compare_offer *o, const struct lab_process *source,
                         struct reading *r)
{
    struct mr_link src = {0}, dst = {0};
    *r = (struct reading){.at_ns = 0};
    cpus_busy(&c->lab, r);
    mr_link_find(c->net.device[LAB_SRC], &src);
    mr_link_find(c->net.device[LAB_DST], &dst);
    r->at_ns = (double)mr_now_ns();
    r->engine_ns = cpu_ns(o->engine);
    r->source_ns = cpu_ns(source);
    r->sent = (double)src.tx_packets + (o->xdp ? (double)src.tx_dropped : 0); // left's queue was full
    r->received = (double)dst.rx_packets;
}

/* Something else had a share of the two CPUs: another process, or the host. */
static bool disturbed(const struct compare_offered *w, const struct reading *from, const struct reading *to)
{
    double foreign = to->busy_ns - from->busy_ns - w->engine_ns - (to->source_ns - from->source_ns);
    double steal = to->steal_ns - from->steal_ns;
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
    out->busy_ns = to.cpus != 0 ? to.busy_ns - from.busy_ns : NAN;
    out->source_busy_ns = to.cpus != 0 ? to.source_busy_ns - from.source_busy_ns : NAN;
    out->tick_ns = to.cpus * 1e9 / (double)sysconf(_SC_CLK_TCK);
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
