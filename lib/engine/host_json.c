/* host_json.c: the host, as every result carries it. */
#include "lib/engine/plan.h"
#include "lib/sys/clock.h"
#include "lib/sys/topology.h"

json_t *mr_host_json(void)
{
    struct mr_host h;
    const struct mr_clock *clock = mr_clock_get();
    mr_host_read(&h);
    json_t *huge = json_pack("{s:I, s:I, s:I, s:I}", "total_2m", (json_int_t)h.huge_2m_total, "free_2m",
                             (json_int_t)h.huge_2m_free, "total_1g", (json_int_t)h.huge_1g_total, "free_1g",
                             (json_int_t)h.huge_1g_free);
    json_t *host =
        json_pack("{s:s, s:i, s:i, s:s, s:I, s:b, s:o, s:I}", "cpu", h.cpu, "cores", (int)h.cpus, "nodes", (int)h.nodes,
                  "kernel", h.kernel, "tsc_hz", (json_int_t)(clock->ticks_per_ns * 1e9 + 0.5), "tsc_invariant",
                  (int)clock->invariant, "huge_pages", huge, "memory_bytes", (json_int_t)h.memory_bytes);
    json_object_set_new(host, "hypervisor", h.hypervisor[0] == 0 ? json_null() : json_string(h.hypervisor));
    return host;
}
