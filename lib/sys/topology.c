#include "lib/sys/topology.h"

#include "lib/sys/file.h"

#include <millrace/atomic.h>

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CPU_DIR "/sys/devices/system/cpu/cpu%u"

MR_STATIC_ASSERT(CPU_SETSIZE == MR_CPUS_MAX, "one affinity mask holds all CPUs");

static void read_cpu(struct mr_topology *t, uint32_t cpu, const cpu_set_t *mask)
{
    int node = numa_available() < 0 ? 0 : numa_node_of_cpu((int)cpu);
    t->cpu[cpu].online = mr_file_number(1, CPU_DIR "/online", cpu) != 0; // absent for a CPU that cannot be taken off
    t->cpu[cpu].allowed = t->cpu[cpu].online && CPU_ISSET(cpu, mask);
    t->cpu[cpu].node = node < 0 ? 0 : node;
    t->cpu[cpu].core = (int)mr_file_number(cpu, CPU_DIR "/topology/core_id", cpu);
    t->cpu[cpu].package = (int)mr_file_number(0, CPU_DIR "/topology/physical_package_id", cpu);
}

int mr_topology_read(struct mr_topology *t, struct mr_error *err)
{
    cpu_set_t mask;
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    memset(t, 0, sizeof *t);
    if (cpus > (long)MR_CPUS_MAX || sched_getaffinity(0, sizeof mask, &mask) < 0) {
        int why = cpus > (long)MR_CPUS_MAX ? E2BIG : errno;
        return mr_error_set(err, MR_FAULT_MACHINE, why, "cannot read which of %ld CPUs are allowed (at most %u): %s",
                            cpus, MR_CPUS_MAX, strerror(why));
    }
    t->n_cpus = (uint32_t)cpus;
    t->n_nodes = numa_available() < 0 ? 1 : (uint32_t)numa_max_node() + 1;
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        read_cpu(t, i, &mask);
    }
    return 0;
}

static uint32_t range_end(const struct mr_topology *t, uint32_t first)
{
    while (first + 1 < t->n_cpus && t->cpu[first + 1].allowed) {
        first++;
    }
    return first;
}

const char *mr_topology_allowed(const struct mr_topology *t, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < t->n_cpus && used < bytes; i++) {
        if (!t->cpu[i].allowed) {
            continue;
        }
        uint32_t last = range_end(t, i);
        const char *comma = used == 0 ? "" : ",";
        int n = last == i ? snprintf(text + used, bytes - used, "%s%u", comma, i)
                          : snprintf(text + used, bytes - used, "%s%u-%u", comma, i, last);
        used += (size_t)n;
        i = last;
    }
    return text;
}

int mr_pci_node(const char *address)
{
    unsigned int domain = 0, bus, device, function;
    int end = 0;
    if (sscanf(address, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
        domain = 0;
        if (sscanf(address, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3) {
            return -1;
        }
    }
    return address[end] != 0 && address[end] != ','
               ? -1
               : (int)mr_file_number(-1, "/sys/bus/pci/devices/%04x:%02x:%02x.%x/numa_node", domain, bus, device, function);
}

/* By the bus address that the driver tells: /sys/class/net shows the namespace that mounted it, not the caller's. */
int mr_device_node(const char *device)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request = {.ifr_data = (void *)&info};
    int fd = strlen(device) >= IFNAMSIZ ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    memcpy(request.ifr_name, device, strlen(device) + 1);
    int rc = ioctl(fd, SIOCETHTOOL, &request);
    close(fd);
    info.bus_info[sizeof info.bus_info - 1] = 0;
    if (rc < 0 || info.bus_info[0] == 0 || strchr(info.bus_info, '/') != NULL) {
        return -1;
    }
    return (int)mr_file_number(-1, "/sys/bus/pci/devices/%s/numa_node", info.bus_info);
}
