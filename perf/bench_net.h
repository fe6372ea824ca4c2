/* bench_net.h: the wires of bench_wire and its like: two network namespaces that live as long as this process and its children.
 *
 *     "ends"     src ─── veth ─── left     "forwarder"
 *                dst ─── veth ─── right
 *
 * Nobody listens at dst: what arrives is counted by the device and dropped by the kernel, which is the cheapest sink
 * there is, and the same for every forwarder. IPv6 and the offloads are off.
 */
#ifndef MILLRACE_PERF_BENCH_NET_H
#define MILLRACE_PERF_BENCH_NET_H

#include <millrace/error.h>

#include <stdbool.h>
#include <stdint.h>

struct bench_net {
    int ends, forwarder; /* namespaces */
};

/* bench_net_create: the calling thread ends up among the ends. MR_FAULT_MACHINE where it may not. */
int bench_net_create(struct bench_net *net, struct mr_error *err);

/* bench_net_arrived: frames that have arrived at dst so far. bench_net_arrived_at, bench_net_up: of a device among the
 * forwarders. */
uint64_t bench_net_arrived(void);
uint64_t bench_net_arrived_at(const struct bench_net *net, const char *device);
bool bench_net_up(const struct bench_net *net, const char *device);

/* bench_net_receive_by_napi: left takes in XDP frames without a program of its own only with its receive offload on: they are
 * made socket buffers there. */
void bench_net_receive_by_napi(const struct bench_net *net, bool on);

#endif
