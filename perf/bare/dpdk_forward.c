/* dpdk_forward: frames from one DPDK device to another without an engine: rx_burst, tx_burst, mbufs of a pool of DPDK's own
 * making. The shortest honest loop, for the engine to be measured against; itself measured against testpmd in io mode.
 *
 *   dpdk_forward CPU SECONDS huge|plain "net_null0" "net_null1"
 *
 * Prints {"frames": N, "cpu_seconds": S}, of the CPU time that the loop took; what the second device did not take is
 * freed, and not counted.
 */
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 32, MBUFS = 8192, CACHE = 256, RING = 1024 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "dpdk_forward: %s\n", what);
    exit(3);
}

static void start_eal(const char *cpu, const char *plain)
{
    char prefix[40];
    char *words[] = {"dpdk_forward", "-l", (char *)(uintptr_t)cpu, "--no-pci", "--no-telemetry", "--no-shconf", prefix,
                     "--log-level=lib.eal:3", (char *)(uintptr_t)plain, "-m", "64"};
    snprintf(prefix, sizeof prefix, "--file-prefix=bare%d", (int)getpid());
    if (rte_eal_init(sizeof words / sizeof *words, words) < 0) {
        die("EAL does not start");
    }
    rmdir(rte_eal_get_runtime_dir());
}

/* As rte_pktmbuf_pool_create makes it, but for one flag: without it each mbuf gets a page of its own where pages are of 4 KiB,
 * for devices that want physical addresses. Then all mbufs lie 4096 bytes apart, in the same few cache sets, and a frame
 * costs 18 ticks more: that would be the pages' price, not the loop's. */
static struct rte_mempool *make_pool(void)
{
    struct rte_pktmbuf_pool_private room = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
    struct rte_mempool *pool = rte_mempool_create_empty("bare", MBUFS, sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE, CACHE,
                                                        sizeof room, SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
    if (pool == NULL || rte_mempool_set_ops_byname(pool, "ring_mp_mc", NULL) != 0) {
        die("no mempool");
    }
    rte_pktmbuf_pool_init(pool, &room);
    if (rte_mempool_populate_default(pool) < 0) {
        die("no memory for its mbufs");
    }
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

static uint16_t open_device(const char *device, struct rte_mempool *pool)
{
    struct rte_eth_conf conf = {0};
    char name[64];
    uint16_t id = 0;
    size_t n = strcspn(device, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, device);
    if (rte_eal_hotplug_add("vdev", name, device[n] == 0 ? "" : device + n + 1) != 0 ||
        rte_eth_dev_get_port_by_name(name, &id) != 0 || rte_eth_dev_configure(id, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(id, 0, RING, (unsigned)SOCKET_ID_ANY, NULL, pool) != 0 ||
        rte_eth_tx_queue_setup(id, 0, RING, (unsigned)SOCKET_ID_ANY, NULL) != 0 || rte_eth_dev_start(id) != 0) {
        die(device);
    }
    rte_eth_promiscuous_enable(id);
    return id;
}

static uint64_t forward(uint16_t from, uint16_t to)
{
    struct rte_mbuf *mbufs[BURST];
    uint64_t frames = 0;
    while (!stop) {
        uint16_t n = rte_eth_rx_burst(from, 0, mbufs, BURST);
        uint16_t sent = n == 0 ? 0 : rte_eth_tx_burst(to, 0, mbufs, n);
        frames += sent;
        if (sent < n) {
            rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)(n - sent));
        }
    }
    return frames;
}

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        die("CPU SECONDS huge|plain DEVICE DEVICE");
    }
    start_eal(argv[1], strcmp(argv[3], "huge") == 0 ? "--in-memory" : "--no-huge");
    struct rte_mempool *pool = make_pool();
    uint16_t from = open_device(argv[4], pool);
    uint16_t to = open_device(argv[5], pool);
    struct itimerspec end = {.it_value = {(time_t)atof(argv[2]), (long)((atof(argv[2]) - (double)(long)atof(argv[2])) * 1e9)}};
    timer_t timer;
    signal(SIGALRM, on_signal);
    signal(SIGTERM, on_signal);
    timer_create(CLOCK_MONOTONIC, NULL, &timer);
    timer_settime(timer, 0, &end, NULL);
    double begin = cpu_now();
    uint64_t frames = forward(from, to);
    printf("{\"frames\": %lu, \"cpu_seconds\": %.6f}\n", frames, cpu_now() - begin);
    return 0;
}
