/* host.c: what the host is, for reports. */
#include "lib/sys/file.h"
#include "lib/sys/meminfo.h"
#include "lib/sys/topology.h"

#include <ctype.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

static void read_cpu_name(char *text, size_t bytes)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f != NULL && getline(&line, &room, f) >= 0) {
        char *value = strchr(line, ':');
        if (value == NULL || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0)) {
            continue;
        }
        snprintf(text, bytes, "%s", value + 1 + strspn(value + 1, " "));
        text[strcspn(text, "\n")] = 0;
        break;
    }
    free(line);
    if (f != NULL) {
        fclose(f);
    }
}

/* The 12 letters in which a hypervisor signs CPUID leaf 0x40000000, by the names that people use. */
static const char *known_hypervisor(const char *signature)
{
    static const char *const names[][2] = {
        {"KVMKVMKVM", "KVM"},     {"Microsoft Hv", "Hyper-V"},    {"VMwareVMware", "VMware"}, {"XenVMMXenVMM", "Xen"},
        {"TCGTCGTCGTCG", "QEMU"}, {"VBoxVBoxVBox", "VirtualBox"}, {"bhyve bhyve ", "bhyve"},  {"ACRNACRNACRN", "ACRN"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(signature, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return signature[0] == 0 ? "unknown" : signature;
}

#if defined(__x86_64__) || defined(__i386__)
static bool cpu_tells_hypervisor(char *text, size_t bytes)
{
    unsigned eax, ebx, ecx, edx;
    char signature[13] = "";
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx >> 31 & 1) == 0) {
        return false;
    }
    __cpuid(0x40000000, eax, ebx, ecx, edx);
    memcpy(signature, &ebx, 4);
    memcpy(signature + 4, &ecx, 4);
    memcpy(signature + 8, &edx, 4);
    for (char *c = signature; *c != 0; c++) {
        *c = isprint((unsigned char)*c) ? *c : '?';
    }
    snprintf(text, bytes, "%s", known_hypervisor(signature));
    return true;
}
#else
static bool cpu_tells_hypervisor(char *text, size_t bytes)
{
    (void)text;
    (void)bytes;
    return false;
}
#endif

/* Where the processor does not tell: the maker's name in the firmware's tables, when it is one of virtual machines. */
static void read_hypervisor(char *text, size_t bytes)
{
    static const char *const makers[] = {"QEMU", "VMware", "Xen", "Amazon EC2", "Google", "innotek"};
    char vendor[64];
    if (cpu_tells_hypervisor(text, bytes)) {
        return;
    }
    mr_file_read(vendor, sizeof vendor, "/sys/class/dmi/id/sys_vendor");
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (strstr(vendor, makers[i]) != NULL) {
            snprintf(text, bytes, "%s", makers[i]);
        }
    }
}

void mr_host_read(struct mr_host *h)
{
    struct utsname u;
    memset(h, 0, sizeof *h);
    read_cpu_name(h->cpu, sizeof h->cpu);
    read_hypervisor(h->hypervisor, sizeof h->hypervisor);
    gethostname(h->hostname, sizeof h->hostname - 1);
    if (uname(&u) == 0) {
        snprintf(h->kernel, sizeof h->kernel, "%.24s %.64s", u.sysname, u.release);
    }
    struct mr_huge_pages small = mr_huge_pages_read(-1, MR_PAGE_2M), large = mr_huge_pages_read(-1, MR_PAGE_1G);
    h->huge_2m_total = small.total;
    h->huge_2m_free = small.free;
    h->huge_1g_total = large.total;
    h->huge_1g_free = large.free;
    h->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    h->nodes = numa_available() < 0 ? 1 : (uint32_t)numa_num_configured_nodes();
    h->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}
