/* report_marks.c: why the figures of a run cannot be compared with those of another, where that was seen. */
#include "lib/engine/report_parts.h"

static void mark(json_t *list, const char *what, json_t *text)
{
    json_array_append_new(list, json_pack("{s:s, s:o}", "what", what, "text", text));
}

static void mark_off_core(const struct mr_engine *e, json_t *list)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        const struct mr_core *c = e->cores[i];
        uint64_t looks = mr_counted(&c->off_core);
        if (looks != 0) {
            mark(list, "off_core",
                 json_sprintf("core %u ran on another CPU than %u at %llu looks, one each 100 us: its affinity or the "
                              "cpuset was changed from outside", c->index, c->cpu, (unsigned long long)looks));
        }
    }
}

static void mark_throttled(const struct mr_engine *e, json_t *list)
{
    uint64_t periods = e->throttle_after.periods - e->throttle_before.periods;
    uint64_t ns = e->throttle_after.ns - e->throttle_before.ns;
    if (e->throttle_known && e->throttle_after.periods > e->throttle_before.periods) { // less: moved to another group
        mark(list, "throttled",
             json_sprintf("the cgroup's CPU quota stopped tasks %llu times, %.1f ms in all; raise cpu.max (cpu.cfs_quota_us), "
                          "or leave the group", (unsigned long long)periods, (double)ns / 1e6));
    }
}

json_t *mr_report_marks(const struct mr_engine *e)
{
    json_t *list = json_array();
    mark_off_core(e, list);
    mark_throttled(e, list);
    return list;
}
