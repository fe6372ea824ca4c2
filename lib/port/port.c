/* port.c: the table of drivers. What was built in is asked here, and nowhere else. */
#include "lib/port/port.h"
#include "lib/port/filter.h"

#include <errno.h>

extern const struct mr_driver mr_driver_memory;
extern const struct mr_driver mr_driver_mmap;
extern const struct mr_driver mr_driver_mmsg;
extern const struct mr_driver mr_driver_socket;

#if MR_HAVE_DPDK
extern const struct mr_driver mr_driver_dpdk;
#define DPDK &mr_driver_dpdk
#else
#define DPDK NULL
#endif

#if MR_HAVE_URING
extern const struct mr_driver mr_driver_uring;
#define URING &mr_driver_uring
#else
#define URING NULL
#endif

#if MR_HAVE_URING
extern const struct mr_driver mr_driver_tap;
#define TAP &mr_driver_tap
#else
#define TAP NULL
#endif

#if MR_HAVE_PCAP
extern const struct mr_driver mr_driver_pcap;
#define PCAP &mr_driver_pcap
#else
#define PCAP NULL
#endif

#if MR_HAVE_XDP
extern const struct mr_driver mr_driver_xdp;
#define XDP &mr_driver_xdp
#else
#define XDP NULL
#endif

static const struct mr_driver_entry table[] = {
    {"dpdk", DPDK, "not built in: needs DPDK 22.11 or newer (libdpdk-dev) and -Ddpdk=enabled"},
    {"memory", &mr_driver_memory, NULL},
    {"mmap", &mr_driver_mmap, NULL},
    {"mmsg", &mr_driver_mmsg, NULL},
    {"pcap", PCAP, "not built in: needs libpcap and -Dpcap=enabled"},
    {"socket", &mr_driver_socket, NULL},
    {"tap", TAP, "not built in: needs liburing 2.3 or newer and -During=enabled"},
    {"uring", URING, "not built in: needs liburing 2.3 or newer and -During=enabled"},
    {"xdp", XDP, "not built in: needs libxdp, libbpf and -Dxdp=enabled"},
};

const struct mr_driver_entry *mr_driver_at(uint32_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct mr_driver *mr_driver_find(const char *name)
{
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].driver;
        }
    }
    return NULL;
}

#if !MR_HAVE_PCAP
int mr_filter_create(const char *text, struct mr_filter **out, struct mr_error *err)
{
    *out = NULL;
    return mr_error_set(err, MR_FAULT_CONFIG, ENOTSUP, "filter \"%.200s\": not built in: needs libpcap and "
                        "-Dpcap=enabled", text);
}

bool mr_filter_match(const struct mr_filter *f, const unsigned char *data, uint32_t length, uint32_t there)
{
    (void)f;
    (void)data;
    (void)length;
    (void)there;
    return false; // nobody has a filter to ask about
}

void mr_filter_destroy(struct mr_filter *f)
{
    (void)f;
}
#endif
