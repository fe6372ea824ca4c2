/* bench_forwarder.h: one forwarder between left and right under the ruler: `millrace run` by some drivers, a bare loop,
 * testpmd, or the kernel itself.
 *
 * The source runs on the first CPU, the forwarder on the second. All are measured from outside by one ruler: the frames that
 * reach the sink's device and CPU time, over one window after a warm-up. Only the system calls are the forwarder's own count.
 * A window in which something else took more than 12 % of a CPU, or the host stole as much, is dropped.
 *
 * CPU time is that of the forwarder's process and of its CPU's ksoftirqd, which takes the packets' work over when there is
 * much of it: so it contains the sink's share (the receiving half of its veth pair runs under our send), and not the receiving
 * half of the forwarder's own pair, which runs on the source's CPU: the same for all that are compared. What the kernel
 * forwards by itself runs under the source altogether: its figure contains the making of the frames, and an XDP program as
 * sink instead of the kernel's stack.
 */
#ifndef MILLRACE_PERF_BENCH_FORWARDER_H
#define MILLRACE_PERF_BENCH_FORWARDER_H

#include "perf/bench_net.h"
#include "perf/harness.h"

enum bench_kind { BENCH_ENGINE, BENCH_BARE, BENCH_DPDK_FORWARD, BENCH_TESTPMD, BENCH_KERNEL };

/* How frames come to left: sent by a socket; or made by the kernel as XDP frames, which who takes no XDP frames gets as socket
 * buffers. The first source makes some 600,000 frames a second: who takes more, and looks without waiting, is charged for
 * looking. So the rings are fed by the second. */
enum bench_feed { BENCH_SKB, BENCH_XDP };
enum { BENCH_FORWARDER_64 = 60, BENCH_FORWARDER_1514 = 1514 }; /* bytes without FCS; the benchmarks' names count it as 64 */

/* rate, CPU and calls: of its last window; 0 = disturbed or not told, below 0 = it failed. */
struct bench_forwarder {
    const char *name; /* in the output */
    enum bench_kind kind;
    const char *program; /* of a bare loop, and of the kernel's */
    const char *from, *to; /* the engine's ports, "driver: xdp, device: left"; vdevs; a bare loop's devices, NULL = left, right */
    const char *latency;   /* of the engine; NULL = yes */
    bool both_ways;        /* the engine: as testpmd does it */
    bool own_devices;      /* it makes from and to, whose kernel's sides are source and sink */
    enum bench_feed feed;
    int bytes; /* of a frame; 0 = 60 */
    double kpps, cpu_ns, syscalls;
    uint32_t taken, disturbed, failed;
    bool added;
};

#define BENCH_ENGINE_BY(rx, tx) \
    .kind = BENCH_ENGINE, .from = "driver: " rx ", device: left", .to = "driver: " tx ", device: right"

/* bench_forwarder_open: the wires. What bench_net_create does. */
int bench_forwarder_open(struct mr_error *err);

/* bench_forwarder_there: whether this forwarder runs here at all: it is started and ended. Says so when not. *rc: 1 when an
 * engine does not, and not because this machine lacks something (its exit code 3), or was built without the driver (2). */
bool bench_forwarder_there(struct bench *b, const struct bench_forwarder *f, int *rc);

/* bench_forwarder_add: cases, one per measure asked for. Peers: NULL-ended. */
enum { BENCH_RATE = 1, BENCH_CPU = 2, BENCH_CALLS = 4 };
void bench_forwarder_add(struct bench *b, const char *what, int measures, struct bench_forwarder *ours,
                         struct bench_forwarder *const *peers);

/* bench_forwarder_say: how many windows, how many of them disturbed. */
void bench_forwarder_say(struct bench *b, const struct bench_forwarder *f);

#endif
