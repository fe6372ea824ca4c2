/* test_lab_wire.c: the lab's balance over made-up counters: what is added, what is not, and that a loss shows. */
#include "apps/millrace/lab_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both reports as they come from the engines, cut down to what the balance reads. */
static const char run_text[] = "{'ports': [{'name': 'left', 'outside': {'tp_drops': 40, 'ring_empty': 7}, "
                               "'outside_within': {'ring_empty': 'tp_drops'},"
                               "            'events': {'passed_to_kernel': 4}},"
                               "           {'name': 'right', 'outside': {}, 'outside_within': {}, 'events': {'refused_sends': 20}}],"
                               " 'totals': {'made_frames': 5, 'drops': {'mtu': 3, 'tx_refused': 12, 'no_carrier': 8, 'l2.full': 2}}}";
static const char generator_text[] =
    "{'seconds': 2.0, 'ports': [{'name': 'dst', 'outside': {'tp_drops': 11}}, {'name': 'sink', 'tx_frames': 900}],"
    " 'stages': [{'name': 'tx:src.0', 'drops': {'tx_refused': 77}}, {'name': 'rx:dst.0', 'drops': {'too_long': 1}},"
    "            {'name': 'work:0.0', 'drops': {'stopped': 55}}, {'name': 'work:1.0', 'drops': {}}]}";

static const char no_sink_text[] = "{'seconds': 2.0, 'ports': [{'name': 'src', 'outside': {}}], 'stages': []}";

/* sent 1004 + made 5 = at dst 930 + tp_drops 40 + tx_dropped 30 + mtu 3 + l2.full 2 + passed 4; of 930, 900 + 11 + 1 and 18 lost
 */
static const struct lab_wire before = {.src = {.tx_packets = 100}, .dst = {.rx_packets = 10}, .softnet_drops = 4};
static const struct lab_wire after = {.src = {.tx_packets = 1104, .tx_dropped = 77},
                                      .left = {.rx_packets = 1000, .rx_dropped = 77},
                                      .right = {.tx_packets = 930, .tx_dropped = 30},
                                      .dst = {.rx_packets = 940, .rx_dropped = 6},
                                      .softnet_drops = 81};

static int failed;

static json_t *load(const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; at != NULL && (at = strchr(at, '\'')) != NULL; at++) {
        *at = '"';
    }
    json_t *doc = copy == NULL ? NULL : json_loads(copy, 0, NULL);
    free(copy);
    if (doc == NULL) {
        abort(); // the text above is at fault
    }
    return doc;
}

/* at: "outside/left_tp_drops" */
static void expect(const json_t *wire, const char *at, json_int_t want)
{
    char path[96];
    const json_t *value = wire;
    snprintf(path, sizeof path, "%s", at);
    for (char *step = strtok(path, "/"); step != NULL; step = strtok(NULL, "/")) {
        value = json_object_get(value, step);
    }
    if (!json_is_integer(value) || json_integer_value(value) != want) {
        printf("FAIL: %s is %lld, not %lld\n", at, value == NULL ? -1ll : (long long)json_integer_value(value),
               (long long)want);
        failed = 1;
    }
}

static void test_counted_by_device(const json_t *run)
{
    json_t *generator = load(no_sink_text);
    json_t *wire = lab_wire_json(&before, &after, run, generator, false);
    expect(wire, "sent", 1004);
    expect(wire, "passed_to_kernel", 4);
    expect(wire, "received", 930);
    expect(wire, "made", 5);
    expect(wire, "outside/left_tp_drops", 40);
    expect(wire, "outside/right_tx_dropped", 30);
    expect(wire, "engine_drops/mtu", 3);
    expect(wire, "engine_drops/l2.full", 2);
    expect(wire, "engine_drops/tx_refused", 12);
    expect(wire, "engine_drops/no_carrier", 8);
    expect(wire, "counted_twice", 20);
    expect(wire, "within/left_ring_empty/frames", 7);
    expect(wire, "within/left_rx_dropped/frames", 77);
    expect(wire, "within/softnet_dropped/frames", 77);
    expect(wire, "devices/dst/rx_packets", 930);
    expect(wire, "unnamed", 0);
    json_decref(wire);
    json_decref(generator);
}

static void test_verified(const json_t *run, const json_t *generator)
{
    json_t *wire = lab_wire_json(&before, &after, run, generator, true);
    expect(wire, "received", 900);
    expect(wire, "outside/dst_tp_drops", 11);
    expect(wire, "engine_drops/sink_too_long", 1);
    expect(wire, "unnamed", 18);
    json_decref(wire);
}

/* Frames that went back to src, and strangers'. */
static void test_returned(const json_t *run, const json_t *generator)
{
    struct lab_wire more = after;
    more.src.rx_packets = 18;
    json_t *wire = lab_wire_json(&before, &more, run, generator, true);
    expect(wire, "outside/src_rx_packets", 18);
    expect(wire, "unnamed", 0);
    json_decref(wire);
    more.src.rx_packets = 20;
    wire = lab_wire_json(&before, &more, run, generator, true);
    expect(wire, "unnamed", -2);
    json_decref(wire);
}

int main(void)
{
    json_t *run = load(run_text), *generator = load(generator_text);
    test_counted_by_device(run);
    test_verified(run, generator);
    test_returned(run, generator);
    json_decref(run);
    json_decref(generator);
    puts(failed ? "lab_wire: failed" : "lab_wire: ok");
    return failed;
}
