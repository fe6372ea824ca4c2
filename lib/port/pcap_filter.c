/* pcap_filter.c: the filter language, by libpcap. Without libpcap port.c says so in its place. */
#include "lib/port/filter.h"

#include <errno.h>
#include <pcap.h>
#include <stdlib.h>

enum { SNAP_ALL = 262144 }; // what an accepting filter returns

struct mr_filter {
    struct bpf_program program;
};

static int compile(struct mr_filter *f, const char *text, struct mr_error *err)
{
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAP_ALL);
    if (dead == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for a filter; free some");
    }
    int rc = pcap_compile(dead, &f->program, text, 1, PCAP_NETMASK_UNKNOWN);
    if (rc != 0) {
        f->program = (struct bpf_program){0};
        rc = mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "filter \"%.200s\": %.300s (man 7 pcap-filter)", text,
                          pcap_geterr(dead));
    }
    pcap_close(dead);
    return rc;
}

int mr_filter_create(const char *text, struct mr_filter **out, struct mr_error *err)
{
    struct mr_filter *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "no memory for a filter; free some");
    }
    int rc = compile(f, text, err);
    if (rc < 0) {
        mr_filter_destroy(f);
        return rc;
    }
    *out = f;
    return 0;
}

bool mr_filter_match(const struct mr_filter *f, const unsigned char *data, uint32_t length, uint32_t there)
{
    return bpf_filter(f->program.bf_insns, data, length, there) != 0;
}

void mr_filter_destroy(struct mr_filter *f)
{
    if (f != NULL) {
        pcap_freecode(&f->program);
        free(f);
    }
}
