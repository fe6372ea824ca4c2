/* topology.h: which CPUs and memory nodes there are, and which device is near which. Control thread only.
 */
#ifndef MILLRACE_SYS_TOPOLOGY_H
#define MILLRACE_SYS_TOPOLOGY_H

#include <millrace/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CPUS_MAX 1024u

struct mr_topology {
    uint32_t n_cpus;  /* configured */
    uint32_t n_nodes;
    struct {
        bool online;
        bool allowed; /* in this process's affinity mask */
        int node;     /* 0 when the system has no nodes */
        int core;     /* physical core id, package-wide unique by (package, core) */
        int package;
    } cpu[MR_CPUS_MAX];
};

/* mr_topology_read: by libnuma and /sys; works on systems without NUMA (one node 0). */
int mr_topology_read(struct mr_topology *t, struct mr_error *err);

/* mr_topology_allowed: the CPUs for which allowed holds, as "0-3,8". Returns text. */
const char *mr_topology_allowed(const struct mr_topology *t, char *text, size_t bytes);

/* mr_device_node: NUMA node of a network interface's PCI device, in any namespace; -1 = not known (virtual). */
int mr_device_node(const char *device);

/* mr_pci_node: NUMA node of a PCI device by its address, "0000:03:00.0" or "03:00.0", whatever follows it after a comma;
 * -1 = not known, or no such address. */
int mr_pci_node(const char *address);

/* mr_core_round_trip_ns: one cache line there and back between two CPUs, the median of `trips`. Starts a thread on each
 * for the time of the probe (1000 trips: 0.3 ms; ended after 50 ms with the trips made so far, where others take the
 * CPUs' time); the caller's affinity stays. -1 when a CPU cannot be used, or both are one. */
double mr_core_round_trip_ns(uint32_t cpu_a, uint32_t cpu_b, uint32_t trips);

/* What the host is, for reports. */
struct mr_host {
    char cpu[128];        /* model name */
    char kernel[96];
    char hypervisor[32];  /* "" = none seen */
    char hostname[64];
    uint32_t cpus, nodes;
    uint64_t huge_2m_total, huge_2m_free, huge_1g_total, huge_1g_free;
    uint64_t memory_bytes;
};
void mr_host_read(struct mr_host *h);

#endif
