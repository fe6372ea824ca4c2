/* guest.c: an engine with work functions that are no good guests: `guest CONFIG REPORT`, ended by signals like `millrace
 * run`, with its exit codes. Both let frames pass, but for once, behind MISCHIEF_AFTER frames (from the environment):
 *
 *   stall   keeps its core for MISCHIEF_MS; 0 = for ever
 *   hoard   takes all chunks of its core's home, and gives them back after MISCHIEF_MS
 */
#include <millrace/report.h>

#include <stdlib.h>
#include <unistd.h>

enum { HOARD_MAX = 65536 };

static uint64_t after, for_ms;

/* The frames of this burst are those that the mischief waits for. */
static bool now_is_the_time(uint64_t *seen, const struct mr_burst *b)
{
    bool before = *seen < after;
    *seen += b->n;
    return before && *seen >= after;
}

static void stall(struct mr_work *w, struct mr_burst *b)
{
    uint64_t *seen = w->state;
    bool now = now_is_the_time(seen, b);
    for (uint64_t ms = 0; now && (for_ms == 0 || ms < for_ms); ms++) {
        usleep(1000);
    }
}

static const struct mr_work_ops stall_ops = {
    .name = "stall", .summary = "forward, but for one stall", .state_bytes = sizeof(uint64_t), .process = stall};

struct hoard {
    uint64_t seen, until_ns;
    uint32_t n;
    uint32_t chunks[HOARD_MAX];
};

static void hoard(struct mr_work *w, struct mr_burst *b)
{
    struct hoard *h = w->state;
    if (now_is_the_time(&h->seen, b)) {
        h->n = mr_pool_alloc(w->pool, &w->pool->small, h->chunks, HOARD_MAX);
        h->until_ns = b->now_ns + for_ms * 1000000;
        mr_count(&w->counters[0], h->n);
    }
}

static void give_back(struct mr_work *w, uint64_t now_ns)
{
    struct hoard *h = w->state;
    if (h->n != 0 && now_ns >= h->until_ns) {
        mr_pool_free(w->pool, h->chunks, h->n);
        h->n = 0;
    }
}

static const struct mr_work_ops hoard_ops = {
    .name = "hoard", .summary = "forward, and take all chunks once", .flags = MR_WORK_COPIES,
    .counters = (const char *const[]){"hoarded", NULL}, .state_bytes = sizeof(struct hoard), .process = hoard, .tick = give_back};

static uint64_t number(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static void on_event(const struct mr_event *event, void *arg)
{
    (void)arg;
    fprintf(stderr, "%.1f s: %s: %s: %s\n", event->seconds, event->port[0] != 0 ? event->port : event->stage, event->what,
            event->text);
}

int main(int argc, char **argv)
{
    struct mr_error err = {.fault = MR_FAULT_CONFIG, .text = "usage: guest CONFIG REPORT"};
    struct mr_config *config = NULL;
    struct mr_engine *engine = NULL;
    struct mr_run_options options = {.signals = true, .event = on_event};
    after = number("MISCHIEF_AFTER");
    for_ms = number("MISCHIEF_MS");
    mr_work_register(&stall_ops);
    mr_work_register(&hoard_ops);
    int result = argc != 3 ? -1 : mr_config_load(&config, argv[1], &err);
    result = result < 0 ? result : mr_config_check(config, &err);
    result = result < 0 ? result : mr_engine_create(config, &engine, &err);
    result = result < 0 ? result : mr_engine_run(engine, &options, &err);
    if (result >= 0) {
        json_t *report = mr_report_json(engine, argc, argv);
        int written = mr_report_write(report, argv[2], &err);
        result = written < 0 ? written : result;
        json_decref(report);
    }
    if (result < 0) {
        fprintf(stderr, "guest: %s\n", err.text);
    }
    if (mr_engine_destroy(engine)) {
        mr_config_destroy(config);
    }
    return result < 0 ? (int)err.fault : result;
}
