/* minimal.c: the smallest data plane on libmillrace: a work function of one's own, and a main().
 *
 *     minimal FILE.yaml     runs for two seconds, prints the report
 *
 * `census` counts IPv4 and IPv6 frames and lets them pass; what is neither dies, under a reason of its own.
 */
#include <millrace/report.h>

enum { IPV4, IPV6 }; // counters, in the order of their names
enum { NEITHER };    // drop reasons, too

static void census(struct mr_work *w, struct mr_burst *b)
{
    uint64_t seen[2] = {0, 0};
    for (uint32_t i = 0; i < b->n; i++) {
        const unsigned char *data = mr_frame_data(b->base, &b->frames[i]);
        uint32_t ethertype = (uint32_t)data[12] << 8 | data[13]; // a frame has 14 bytes or more: drivers drop runts
        if (ethertype == 0x0800 || ethertype == 0x86DD) {
            seen[ethertype == 0x86DD ? IPV6 : IPV4]++;
        } else {
            mr_burst_drop(b, i, w->first_reason + NEITHER);
        }
    }
    mr_count(&w->counters[IPV4], seen[IPV4]);
    mr_count(&w->counters[IPV6], seen[IPV6]);
}

static const struct mr_work_ops census_ops = {
    .name = "census",
    .summary = "count IPv4 and IPv6, drop what is neither",
    .counters = (const char *const[]){"ipv4", "ipv6", NULL},
    .drop_reasons = (const char *const[]){"neither", NULL},
    .process = census,
};

int main(int argc, char **argv)
{
    struct mr_error err = {.fault = MR_FAULT_CONFIG, .text = "usage: minimal FILE.yaml"};
    struct mr_config *config = NULL;
    struct mr_engine *engine = NULL;
    struct mr_run_options options = {.for_ns = 2000000000, .signals = true};
    mr_work_register(&census_ops);
    int result = argc != 2 ? -1 : mr_config_load(&config, argv[1], &err);
    result = result < 0 ? result : mr_config_check(config, &err);
    result = result < 0 ? result : mr_engine_create(config, &engine, &err);
    result = result < 0 ? result : mr_engine_run(engine, &options, &err);
    if (result >= 0) {
        json_t *report = mr_report_json(engine, argc, argv);
        mr_report_print(report, stdout, false);
        json_decref(report);
    } else {
        fprintf(stderr, "minimal: %s\n", err.text);
    }
    if (mr_engine_destroy(engine)) {
        mr_config_destroy(config);
    }
    return result < 0 ? (int)err.fault : result;
}
