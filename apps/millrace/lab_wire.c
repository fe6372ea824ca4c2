/* lab_wire.c: counters on the way, and the balance. */
#include "apps/millrace/lab_wire.h"

#include "lib/sys/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SETTLED_NS  50000000ull
#define PATIENCE_NS 5000000000ull

/* ---- reading ---- */

/* Frames that found a CPU's backlog full. The file is the whole machine's, whatever namespace reads it. */
static uint64_t softnet_drops(void)
{
    uint64_t sum = 0;
    unsigned int dropped;
    char line[512];
    FILE *f = fopen("/proc/net/softnet_stat", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        sum += sscanf(line, "%*x %x", &dropped) == 1 ? dropped : 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return sum;
}

static int read_pair(const struct lab_net *net, enum lab_side side, const char *a, struct mr_link *la, const char *b,
                     struct mr_link *lb)
{
    int result = lab_net_enter(net, side);
    result = result < 0 ? result : mr_link_find(a, la);
    return result < 0 ? result : mr_link_find(b, lb);
}

int lab_wire_read(const struct lab_net *net, struct lab_wire *w, struct mr_error *err)
{
    int result = read_pair(net, LAB_ENDS, net->device[LAB_SRC], &w->src, net->device[LAB_DST], &w->dst);
    if (result == 0) {
        result = read_pair(net, LAB_FORWARDER, net->device[LAB_LEFT], &w->left, net->device[LAB_RIGHT], &w->right);
    }
    w->softnet_drops = softnet_drops();
    return result == 0
               ? 0
               : mr_error_set(err, MR_FAULT_RUN, result, "lab: cannot read its devices' counters: %s%s", strerror(-result),
                              result == -ENODEV ? "; was one removed?" : mr_error_remedy(result));
}

/* ---- settling ---- */

/* Bytes queued in the packet sockets of the calling thread's namespace. */
static uint64_t queued_bytes(void)
{
    uint64_t sum = 0, queued;
    char line[256];
    FILE *f = fopen("/proc/thread-self/net/packet", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        sum += sscanf(line, "%*s %*s %*s %*s %*s %*s %" SCNu64, &queued) == 1 ? queued : 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return sum;
}

void lab_wire_settle(const struct lab_net *net)
{
    const struct timespec nap = {0, 2000000};
    uint64_t begin = mr_now_ns(), quiet_since = begin, now = begin, arrived = 0;
    while (now - quiet_since < SETTLED_NS && now - begin < PATIENCE_NS) {
        struct mr_link dst = {0};
        lab_net_enter(net, LAB_ENDS);
        mr_link_find(net->device[LAB_DST], &dst);
        lab_net_enter(net, LAB_FORWARDER);
        bool moving = dst.rx_packets != arrived || queued_bytes() != 0;
        arrived = dst.rx_packets;
        nanosleep(&nap, NULL);
        now = mr_now_ns();
        quiet_since = moving ? now : quiet_since;
    }
}

/* ---- the balance ---- */

struct balance {
    json_t *outside, *drops, *within;
    int64_t named; /* Σ outside + Σ drops */
};

static const json_t *port_of(const json_t *report, const char *name)
{
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const char *is = json_string_value(json_object_get(port, "name"));
        if (is != NULL && strcmp(is, name) == 0) {
            return port;
        }
    }
    return NULL;
}

static int64_t count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* n frames died of this: into one of the two groups, under owner_key. */
static void name(struct balance *b, json_t *group, const char *owner, const char *key, int64_t n)
{
    char text[96];
    snprintf(text, sizeof text, "%s%s%s", owner, owner[0] != 0 ? "_" : "", key);
    json_object_set_new(group, text, json_integer(count_of(group, text) + n));
    b->named += n;
}

/* n frames that another counter holds too, or that arrived all the same. */
static void put_within(struct balance *b, const char *key, int64_t n, const char *where)
{
    json_object_set_new(b->within, key, json_pack("{s:I, s:s}", "frames", (json_int_t)n, "within", where));
}

/* What the driver of each port knows to be lost outside the engine: for a packet socket tp_drops, its queue being full.
 */
static void name_port_losses(struct balance *b, const json_t *report)
{
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        const char *key, *owner = json_string_value(json_object_get(port, "name"));
        json_t *n;
        json_object_foreach(json_object_get(port, "outside"), key, n) {
            const char *container = json_string_value(json_object_get(json_object_get(port, "outside_within"), key));
            if (container == NULL) {
                name(b, b->outside, owner, key, json_integer_value(n));
            } else {
                char text[96];
                snprintf(text, sizeof text, "%s_%s", owner, key);
                put_within(b, text, json_integer_value(n), container);
            }
        }
    }
}

static void name_pipeline_drops(struct balance *b, const json_t *run)
{
    const char *key;
    json_t *n;
    json_object_foreach(json_object_get(json_object_get(run, "totals"), "drops"), key, n) {
        name(b, b->drops, "", key, json_integer_value(n));
    }
}

/* Σ of an event over all ports. */
static int64_t events_of(const json_t *run, const char *event)
{
    int64_t sum = 0;
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(run, "ports"), i, port) {
        sum += count_of(json_object_get(port, "events"), event);
    }
    return sum;
}

/* Refused sends: in the device's tx_dropped, with those that it took and lost, and in the pipeline's drops, with those
 * that were not even tried. */
static int64_t counted_twice(const json_t *run)
{
    return events_of(run, "refused_sends");
}

/* Frames that came, and that a port left to the kernel: not for us, by its `take`. */
static int64_t left_to_kernel(const json_t *run)
{
    return events_of(run, "passed_to_kernel");
}

/* The generator's own drops behind dst: in its second path. Those of the first never left it. */
static void name_sink_drops(struct balance *b, const json_t *generator)
{
    static const char *const stages[] = {"rx:dst.", "work:1.", "tx:sink."};
    size_t i;
    const json_t *stage;
    json_array_foreach(json_object_get(generator, "stages"), i, stage) {
        const char *is = json_string_value(json_object_get(stage, "name")), *key;
        json_t *n;
        for (size_t k = 0; k < sizeof stages / sizeof *stages; k++) {
            if (is == NULL || strncmp(is, stages[k], strlen(stages[k])) != 0) {
                continue;
            }
            json_object_foreach(json_object_get(stage, "drops"), key, n) {
                name(b, b->drops, "sink", key, json_integer_value(n));
            }
        }
    }
}

/* What the devices counted between the two readings. */
static struct mr_link difference(const struct mr_link *a, const struct mr_link *b)
{
    return (struct mr_link){.rx_packets = b->rx_packets - a->rx_packets,
                            .tx_packets = b->tx_packets - a->tx_packets,
                            .rx_dropped = b->rx_dropped - a->rx_dropped,
                            .tx_dropped = b->tx_dropped - a->tx_dropped};
}

static json_t *device_json(const struct mr_link *l)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "rx_packets", (json_int_t)l->rx_packets, "tx_packets",
                     (json_int_t)l->tx_packets, "rx_dropped", (json_int_t)l->rx_dropped, "tx_dropped",
                     (json_int_t)l->tx_dropped);
}

static void name_devices(struct balance *b, const struct lab_wire *d)
{
    name(b, b->outside, "right", "tx_dropped", (int64_t)d->right.tx_dropped);
    name(b, b->outside, "left", "tx_dropped", (int64_t)d->left.tx_dropped);
    name(b, b->outside, "src", "rx_packets", (int64_t)d->src.rx_packets); // went back to where they came from
    put_within(b, "left_rx_dropped", (int64_t)d->left.rx_dropped, "src.tx_dropped, or received");
    put_within(b, "dst_rx_dropped", (int64_t)d->dst.rx_dropped, "outside: right_tx_dropped, or received");
    put_within(b, "softnet_dropped", (int64_t)d->softnet_drops,
               "tx_dropped of the sending device; of the whole machine");
}

/* Over the time that the source sent: the pipeline ran a little longer, to drain. */
static void put_rates(json_t *wire, const json_t *generator, int64_t sent, int64_t received)
{
    double seconds = json_number_value(json_object_get(generator, "seconds"));
    double per = seconds > 0 ? 1 / (seconds * 1e6) : 0;
    json_object_set_new(wire, "seconds", json_real(seconds));
    json_object_set_new(wire, "mpps",
                        json_pack("{s:f, s:f}", "sent", (double)sent * per, "received", (double)received * per));
}

json_t *lab_wire_json(const struct lab_wire *before, const struct lab_wire *after, const json_t *run,
                      const json_t *generator, bool verify)
{
    struct balance b = {.outside = json_object(), .drops = json_object(), .within = json_object()};
    const struct lab_wire d = {difference(&before->src, &after->src), difference(&before->left, &after->left),
                               difference(&before->right, &after->right), difference(&before->dst, &after->dst),
                               after->softnet_drops - before->softnet_drops};
    int64_t sent = (int64_t)d.src.tx_packets, made = count_of(json_object_get(run, "totals"), "made_frames");
    int64_t received = verify ? count_of(port_of(generator, "sink"), "tx_frames") : (int64_t)d.dst.rx_packets;
    name_port_losses(&b, run);
    name_port_losses(&b, generator);
    name_devices(&b, &d);
    name_pipeline_drops(&b, run);
    name_sink_drops(&b, generator);
    int64_t twice = counted_twice(run), passed = left_to_kernel(run);
    json_t *wire =
        json_pack("{s:I, s:I, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "sent", (json_int_t)sent, "received",
                  (json_int_t)received, "received_by", verify ? "the verifying sink" : "dst, by its rx_packets",
                  "outside", b.outside, "engine_drops", b.drops, "made", (json_int_t)made,
                  "counted_twice", (json_int_t)twice, "passed_to_kernel", (json_int_t)passed, "unnamed",
                  (json_int_t)(sent + made + twice - received - passed - b.named), "within", b.within);
    put_rates(wire, generator, sent, received);
    json_object_set_new(wire, "devices",
                        json_pack("{s:o, s:o, s:o, s:o}", "src", device_json(&d.src), "left", device_json(&d.left),
                                  "right", device_json(&d.right), "dst", device_json(&d.dst)));
    return wire;
}
