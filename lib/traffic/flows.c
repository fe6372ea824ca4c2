#include "lib/traffic/flows.h"
#include "lib/traffic/sizes.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_TAG = 0x8100,
    IP_DONT_FRAGMENT = 0x4000,
    IP_TTL = 64,
    IP_UDP = 17,
    IP_HEAD = 20,
    PORT_DISCARD = 9,
    SOURCE_NET = 0xC612, /* 198.18 */
    SINK_NET = 0xC613,   /* 198.19 */
    SINK_HOST = 0x0001,
};

void mr_fill_init(struct mr_fill *fill)
{
    uint64_t random = MR_SIGNATURE_MAGIC;
    for (uint32_t i = 0; i < MR_FILL_BYTES; i++) {
        fill->bytes[i] = (unsigned char)mr_random(&random);
    }
    fill->sums[0] = 0;
    for (uint32_t i = 0; i < MR_FILL_BYTES / 2; i++) {
        fill->sums[i + 1] = (uint16_t)mr_sum_fold((uint64_t)fill->sums[i] + mr_get_be16(fill->bytes + 2 * i));
    }
}

void mr_flows_init(struct mr_flows *t, const struct mr_fill *fill, uint32_t tag, uint32_t made_tag)
{
    static const unsigned char addresses[12] = {2, 0x4d, 0x52, 0, 0, 2, 2, 0x4d, 0x52, 0, 0, 1};
    *t = (struct mr_flows){.fill = fill, .eth_bytes = MR_FRAME_MIN, .made_tag = made_tag};
    memcpy(t->eth, addresses, sizeof addresses);
    if (tag != 0) {
        mr_put_be16(t->eth + 12, ETHERTYPE_TAG);
        mr_put_be16(t->eth + 14, tag);
        t->eth_bytes += MR_TAG_BYTES;
    }
    mr_put_be16(t->eth + t->eth_bytes - 2, ETHERTYPE_IPV4);
    mr_flows_resize(t, MR_DATAGRAM_MIN);
}

static uint32_t sum_of(const unsigned char *bytes, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i += 2) {
        sum += mr_get_be16(bytes + i);
    }
    return sum;
}

static void put_ip(unsigned char *ip, uint32_t datagram)
{
    mr_put_be16(ip, 0x4500);
    mr_put_be16(ip + 2, datagram);
    mr_put_be16(ip + 6, IP_DONT_FRAGMENT);
    mr_put_be16(ip + 8, IP_TTL << 8 | IP_UDP);
    mr_put_be16(ip + 12, SOURCE_NET);
    mr_put_be16(ip + 16, SINK_NET);
    mr_put_be16(ip + 18, SINK_HOST);
    uint32_t flow_parts = 0xffff; // identification ~f and address f, for every f
    mr_put_be16(ip + 10, ~mr_sum_fold(sum_of(ip, IP_HEAD) + flow_parts));
}

void mr_flows_resize(struct mr_flows *t, uint32_t datagram)
{
    unsigned char head[sizeof t->head] = {0};
    unsigned char *udp = head + IP_HEAD;
    uint32_t udp_bytes = datagram - IP_HEAD;
    put_ip(head, datagram);
    mr_put_be16(udp + 2, PORT_DISCARD);
    mr_put_be16(udp + 4, udp_bytes);
    mr_put_be16(udp + 6, MR_SIGNATURE_MAGIC ^ t->made_tag);
    t->datagram = datagram;
    t->sum = sum_of(head + 12, 8) + IP_UDP + udp_bytes + sum_of(udp, 8);
    memcpy(t->head, head, sizeof head);
}

void mr_flow_line_init(struct mr_flow_line *line, struct mr_flows *t, const unsigned char *frame)
{
    uint64_t front = mr_get_be64(frame + t->eth_bytes + MR_DATAGRAM_HEAD);
    uint32_t flow = (uint32_t)(front >> 32) & 0xffff;
    if (t->datagram != MR_DATAGRAM_MIN) {
        mr_flows_resize(t, MR_DATAGRAM_MIN);
    }
    memset(line, 0, sizeof *line);
    memcpy(line->bytes, frame, t->eth_bytes + MR_LINE_SAME);
    line->sum = __builtin_bswap16((uint16_t)mr_sum_fold((uint64_t)t->sum + flow + mr_flow_source_port(flow) + (front >> 32)));
    line->length = mr_flows_shortest(t);
}
