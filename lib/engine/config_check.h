/* config_check.h: what config_check.c (ports), config_check_paths.c and config_check_pcap.c share. */
#ifndef MILLRACE_ENGINE_CONFIG_CHECK_H
#define MILLRACE_ENGINE_CONFIG_CHECK_H

#include "lib/engine/config_parts.h"

#include <errno.h>

#define MR_BIG_BUFFERS 64u /* default of big_buffers with offload: super */
#define MR_BLOCK_SUPER_LEAST (128u << 10) /* block_bytes with offload: super */
#define MR_TX_BUDGET_LEAST 32u /* the kernel's, of AF_XDP */
#define MR_CHECK_PATH  80u

struct mr_check {
    struct mr_config *cfg;
    struct mr_error *err;
};

/* mr_check_fail: place of the key, then the text. Returns -EINVAL. */
int mr_check_fail(const struct mr_check *c, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* mr_check_path: "ports[1].device" into path[MR_CHECK_PATH]; without a key "ports[1]". Returns path. */
const char *mr_check_path(char *path, const char *section, uint32_t i, const char *key);

int mr_check_ports(const struct mr_check *c);
int mr_check_paths(const struct mr_check *c);
int mr_check_ways(const struct mr_check *c);    /* once paths are resolved, as all below */
int mr_check_taps(const struct mr_check *c);
int mr_check_sources(const struct mr_check *c); /* of memory and pcap ports */
bool mr_check_stands_in(const struct mr_config *cfg, uint32_t port, bool in_to); /* in a path's `to`, else `from` */
int mr_check_pcap(const struct mr_check *c, uint32_t i, bool reads, bool writes);

#endif
