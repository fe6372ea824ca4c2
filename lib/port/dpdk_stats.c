/* dpdk_stats.c: what the device says of its losses, by DPDK's names. A frame that tx_burst took counts as sent; what the
 * device then lost of those is its oerrors; net_af_packet's are no losses, for which see dpdk_packet.c. */
#include "lib/port/dpdk.h"

#include <jansson.h>
#include <rte_version.h>
#include <stdlib.h>

/* Of a device's own counters those that tell of something lost; what they count the five above count too, or not: no
 * PMD says, so none is added up. */
static bool tells_of_loss(const char *name)
{
    static const char *const words[] = {"drop", "err", "miss", "discard", "no_", "full", "invalid", "fail"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(name, words[i]) != NULL) {
            return strncmp(name, "rx_missed", 9) != 0 && strcmp(name, "rx_errors") != 0 && strcmp(name, "tx_errors") != 0 &&
                   strcmp(name, "rx_mbuf_allocation_errors") != 0;
        }
    }
    return false;
}

static void add_extended(uint16_t id, struct mr_outsides *out)
{
    int n = rte_eth_xstats_get_names(id, NULL, 0);
    struct rte_eth_xstat_name *names = n <= 0 ? NULL : calloc((size_t)n, sizeof *names);
    struct rte_eth_xstat *values = n <= 0 ? NULL : calloc((size_t)n, sizeof *values);
    if (names != NULL && values != NULL && rte_eth_xstats_get_names(id, names, (unsigned)n) == n &&
        rte_eth_xstats_get(id, values, (unsigned)n) == n) {
        for (int i = 0; i < n; i++) {
            if (values[i].value != 0 && values[i].id < (uint64_t)n && tells_of_loss(names[values[i].id].name)) {
                mr_outside_add(out, names[values[i].id].name, values[i].value, NULL, false);
            }
        }
    }
    free(names);
    free(values);
}

/* What is left in a ring is known once no core sends any more. */
static void add_packet(struct mr_dpdk_port *p, struct mr_outsides *out)
{
    if (p->n_sockets != 0 && p->port->n_rxq != 0) {
        mr_outside_add(out, "tp_drops", mr_dpdk_packet_drops(p), NULL, true);
    }
    if (p->n_sockets != 0 && p->port->n_txq != 0 && mr_load_acquire(&p->arena->attached) == 0) {
        mr_outside_add(out, "left_in_tx_ring", mr_dpdk_packet_left(p), NULL, true);
    }
}

void mr_dpdk_stats(struct mr_port *port, struct mr_outsides *out)
{
    struct mr_dpdk_port *p = port->state;
    struct rte_eth_stats s;
    uint32_t refused = p->arena == NULL ? 0 : __atomic_load_n(&p->arena->refused, __ATOMIC_RELAXED);
    if (!p->is_open) {
        *out = p->last;
        return;
    }
    if (rte_eth_stats_get(p->id, &s) < 0) {
        return;
    }
    if (port->n_rxq != 0) {
        mr_outside_add(out, "imissed", s.imissed, NULL, true);
        mr_outside_add(out, "ierrors", s.ierrors, NULL, true);
        mr_outside_add(out, "rx_nombuf", s.rx_nombuf, NULL, false);
    }
    add_packet(p, out);
    if (port->n_txq != 0) {
        mr_outside_add(out, "oerrors", s.oerrors, NULL, p->n_sockets == 0);
    }
    uint64_t gathered = 0;
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        gathered += mr_counted(&MR_CONTAINER_OF(port->rxq[i], struct mr_dpdk_rxq, q)->gathered);
    }
    if (gathered != 0) {
        mr_outside_add(out, "gathered", gathered, NULL, false);
    }
    if (refused != 0) {
        mr_outside_add(out, "foreign_allocs_refused", refused, NULL, false);
    }
    add_extended(p->id, out);
}

/* {pmd, device, version, mtu, queue_pairs, mempool_chunks, cache} */
void *mr_dpdk_report(struct mr_port *port)
{
    const struct mr_dpdk_port *p = port->state;
    const struct rte_mempool *mp = p->arena->mempool;
    bool caches = port->n_rxq != 0;
    for (uint32_t i = 0; i < port->n_rxq; i++) {
        caches &= mr_dpdk_may_cache(MR_CONTAINER_OF(port->rxq[i], struct mr_dpdk_rxq, q)->core);
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "pmd", p->pmd, "device", p->name, "version", rte_version(), "mtu",
                     (int)p->mtu, "queue_pairs", (int)p->pairs, "cache", caches ? (int)mp->cache_size : 0);
}
