/* filter.h: frames chosen by libpcap's filter language, "udp port 53": man 7 pcap-filter.
 *
 * Compiled once, on the control thread; asked by any thread, without memory or calls, in time that the length of the
 * compiled text bounds. Frames are Ethernet; a field behind what is there of a frame makes it not match, as in tcpdump.
 */
#ifndef MILLRACE_PORT_FILTER_H
#define MILLRACE_PORT_FILTER_H

#include <millrace/error.h>

#include <stdbool.h>
#include <stdint.h>

struct mr_filter;

/* mr_filter_create: 0, or -EINVAL with libpcap's own reason in err; -ENOTSUP when libpcap was not built in. */
int mr_filter_create(const char *text, struct mr_filter **out, struct mr_error *err);

/* mr_filter_match: `there` of `length` bytes stand at data. */
bool mr_filter_match(const struct mr_filter *f, const unsigned char *data, uint32_t length, uint32_t there);

/* mr_filter_destroy: NULL is fine. */
void mr_filter_destroy(struct mr_filter *f);

#endif
