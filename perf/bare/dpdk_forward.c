/* dpdk_forward: frames from one DPDK device to another without an engine: rx_burst, tx_burst, mbufs of a pool of DPDK's own
 * making. The shortest honest loop, for the engine to be measured against; itself measured against testpmd in io mode.
 *
 *   dpdk_forward CPU SECONDS "net_null0" "net_null1"
 *
 * Prints {"frames": N, "seconds": S}; what the second device did not take is freed, and not counted.
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

enum { BURST = 32, MBUFS = 8192, CACHE = 250, RING = 1024 };

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
    char *words[] = {"dpdk_forward", "-l", (char *)(uintptr_t)cpu, "--no-pci", "--no-telemetry", prefix, "--log-level=lib.eal:3",
                     (char *)(uintptr_t)plain, "-m", "64"};
    snprintf(prefix, sizeof prefix, "--file-prefix=bare%d", (int)getpid());
    if (rte_eal_init(sizeof words / sizeof *words, words) < 0) {
        die("EAL does not start");
    }
    rmdir(rte_eal_get_runtime_dir());
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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        die("CPU SECONDS DEVICE DEVICE");
    }
    FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    int huge = 0;
    if (f == NULL || fscanf(f, "%d", &huge) != 1) {
        huge = 0;
    }
    start_eal(argv[1], huge >= 40 ? "--in-memory" : "--no-huge");
    struct rte_mempool *pool = rte_pktmbuf_pool_create("bare", MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (pool == NULL) {
        die("no mempool");
    }
    uint16_t from = open_device(argv[3], pool);
    uint16_t to = open_device(argv[4], pool);
    struct itimerspec end = {.it_value = {(time_t)atof(argv[2]), (long)((atof(argv[2]) - (double)(long)atof(argv[2])) * 1e9)}};
    timer_t timer;
    signal(SIGALRM, on_signal);
    signal(SIGTERM, on_signal);
    timer_create(CLOCK_MONOTONIC, NULL, &timer);
    timer_settime(timer, 0, &end, NULL);
    double begin = now();
    uint64_t frames = forward(from, to);
    printf("{\"frames\": %lu, \"seconds\": %.6f}\n", frames, now() - begin);
    return 0;
}
