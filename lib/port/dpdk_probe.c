/* dpdk_probe.c: does EAL start here? It cannot be ended again within a process, so a child tries it. */
#include "lib/port/dpdk.h"

#include <rte_eal.h>
#include <rte_version.h>

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_it(int to)
{
    char text[300];
    struct mr_error err = {0};
    bool can = mr_dpdk_eal(NULL, &err) == 0;
    snprintf(text, sizeof text, "-%.290s", err.text);
    if (can) {
        snprintf(text, sizeof text, "+%s: EAL starts, on %s pages; a NIC needs vfio-pci and its PMD", rte_version(),
                 rte_eal_has_hugepages() ? "huge" : "plain (few huge ones are free: sysctl -w vm.nr_hugepages=64)");
    }
    _exit(write(to, text, strlen(text)) < 0);
}

int mr_dpdk_probe(struct mr_probe *probe)
{
    int ends[2];
    char text[300] = "-";
    int status;
    if (pipe(ends) < 0) {
        snprintf(probe->reason, sizeof probe->reason, "cannot be tried: %s%s", strerror(errno), mr_error_remedy(errno));
        return -errno;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        try_it(ends[1]);
    }
    close(ends[1]);
    ssize_t n = pid < 0 ? 0 : read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (pid > 0) {
        waitpid(pid, &status, 0);
    }
    text[n > 0 ? n : 0] = 0;
    probe->usable = text[0] == '+';
    snprintf(probe->reason, sizeof probe->reason, "%s", n > 1 ? text + 1 : "EAL ended the process that tried to start it");
    return probe->usable ? 0 : -ENODEV;
}
