/* dpdk_fix.c: what PMDs do not tell of a device that they refuse: which argument, and what to do. Control.
 *
 * Those of check_values read an argument's value before they look whether there is one, which ends the process.
 */
#include "lib/port/dpdk.h"

#include <errno.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int check_value(const struct mr_dpdk_port *p, const char *argument, size_t length, struct mr_error *err)
{
    return memchr(argument, '=', length) != NULL
               ? 0
               : mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: device: \"%.*s\" of %s has no value; write %.*s=…, or leave it "
                              "away", p->port->config->name, (int)length, argument, p->name, (int)length, argument);
}

static int check_values(const struct mr_dpdk_port *p, const char *arguments, struct mr_error *err)
{
    static const char *const readers[] = {"net_af_packet", "net_af_xdp", "net_memif", "net_pcap"};
    bool reads = false;
    int rc = 0;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        reads |= begins(p->name, readers[i]);
    }
    while (reads && rc == 0 && *arguments != 0) {
        size_t length = strcspn(arguments, ",");
        rc = length != 0 ? check_value(p, arguments, length, err) : 0;
        arguments += length + (arguments[length] == ',');
    }
    return rc;
}

/* iface= with nothing behind it names none. */
static bool names_interface(const char *arguments)
{
    const char *at = begins(arguments, "iface=") ? arguments : strstr(arguments, ",iface=");
    at = at == NULL ? NULL : strchr(at, '=') + 1;
    return at != NULL && *at != 0 && *at != ',';
}

int mr_dpdk_check_words(const struct mr_dpdk_port *p, const char *arguments, struct mr_error *err)
{
    bool wants = begins(p->name, "net_af_packet") || begins(p->name, "net_af_xdp");
    int rc = check_values(p, arguments, err);
    if (rc == 0 && wants && !names_interface(arguments)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: device: %s names no interface; write \"%s,iface=…\", with one of "
                            "ip link", p->port->config->name, p->name, p->name);
    }
    return rc;
}

const char *mr_dpdk_fix(const struct mr_dpdk_port *p, const char *cause)
{
    static const struct {
        const char *begin, *fix;
    } known[] = {
        {"failed to parse device", "; no PMD installed here takes this name: those of this DPDK are in its driver directory, as "
                                   "net_af_packet0, net_af_xdp0, net_pcap0, net_tap0, net_memif0, net_ring0, net_null0"},
        {"Failed to connect socket", "; nobody listens there: start the side with role=server first, with the same socket= and "
                                     "socket-abstract= (yes, which names no file, unless no is said)"},
        {"Invalid socket directory", "; the directory of socket= does not exist: make it, or name another"},
        {"Failed to setup socket", "; is another process there? name another socket=, or remove a file that was left"},
    };
    if (p->pci) {
        return "; is it bound to vfio-pci (dpdk-devbind.py -s), and was it named when EAL started in this process?";
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (begins(cause, known[i].begin)) {
            return known[i].fix;
        }
    }
    return "";
}
