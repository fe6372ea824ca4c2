/* soak_wire.c: numbered frames into src, and what comes out of dst, each verified; at most WINDOW of them outstanding, so
 * that none is lost for want of room, and no more than RATE a second: what a machine can do at most changes with its
 * neighbours, so only a rate that was offered can be asked back after a fault. Both sockets are in one thread: what is
 * outstanding is known.
 */
#include "tests/soak/soak.h"

#include "lib/sys/privilege.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WINDOW = 2048,
    BURST = 64,
    ROOM = 2048,
    SHORTEST = 60,
    LONGER_BY = 1400,
    LONG_EVERY = 16,
    OUR_TYPE = 0x88B5,
    RUNT_TYPE = 0x88B6,
    RUNT_BYTES = 14,
};
#define RATE       150000 /* frames a second */
#define GIVE_UP_NS 200000000ull /* a full window, and nothing came for so long: it is lost, or comes late and is counted then */

struct head {
    unsigned char destination[6], source[6];
    uint16_t type;
    uint64_t number;
} __attribute__((packed));

static struct {
    unsigned char bytes[BURST][ROOM];
    struct iovec pieces[BURST];
    struct mmsghdr messages[BURST];
} out, in;

/* ---- devices ---- */

static void enter(int ns)
{
    if (setns(ns, CLONE_NEWNET) != 0) {
        soak_die("entering a namespace");
    }
}

static void find(const char *name, struct mr_link *link)
{
    int rc = mr_link_find(name, link);
    if (rc < 0) {
        errno = -rc;
        soak_die(name);
    }
}

static void pair(const char *near, const char *far, int ns)
{
    struct mr_error err = {0};
    if (mr_link_veth(near, far, ns, 1, &err) < 0 || mr_link_up(near, &err) < 0) {
        errno = -err.code;
        soak_die(err.text);
    }
}

void soak_wire_devices(const struct soak_engine *e)
{
    struct mr_error err = {0};
    struct mr_link src = {0}, dst = {0};
    int own = soak_own_ns();
    pair("src", "left", e->ns);
    pair("dst", "right", e->ns);
    enter(e->ns);
    if (mr_link_up("left", &err) < 0 || mr_link_up("right", &err) < 0) {
        soak_die(err.text);
    }
    enter(own);
    close(own);
    while (!src.carrier || !dst.carrier) {
        find("src", &src);
        find("dst", &dst);
        usleep(1000);
    }
}

static void read_counters(const struct soak_engine *e, struct soak_counters *c)
{
    int own = soak_own_ns();
    find("src", &c->src);
    find("dst", &c->dst);
    enter(e->ns);
    find("left", &c->left);
    find("right", &c->right);
    enter(own);
    close(own);
}

/* ---- sockets ---- */

static int open_socket(const char *device, bool receives)
{
    int one = 1, bytes = 16 << 20;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = receives ? htons(3) : 0};
    at.sll_ifindex = (int)if_nametoindex(device);
    if (fd < 0 || setsockopt(fd, SOL_PACKET, receives ? PACKET_IGNORE_OUTGOING : PACKET_QDISC_BYPASS, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        soak_die(device);
    }
    return fd;
}

void soak_wire_open(struct soak_wire *w, const struct soak_engine *e, uint64_t seed)
{
    *w = (struct soak_wire){.seed = seed, .last_ns = soak_now(), .paced_ns = soak_now()};
    w->from = open_socket("src", false);
    w->to = open_socket("dst", true);
    for (int i = 0; i < BURST; i++) {
        in.pieces[i] = (struct iovec){in.bytes[i], ROOM};
        out.pieces[i].iov_base = out.bytes[i];
        in.messages[i].msg_hdr = (struct msghdr){.msg_iov = &in.pieces[i], .msg_iovlen = 1};
        out.messages[i].msg_hdr = (struct msghdr){.msg_iov = &out.pieces[i], .msg_iovlen = 1};
    }
    read_counters(e, &w->before);
}

/* ---- frames ---- */

/* Bytes follow from seed and number. Every sixteenth is a longer one. */
static uint32_t make(const struct soak_wire *w, uint64_t number, unsigned char *frame)
{
    const struct head h = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}, htons(OUR_TYPE), number};
    uint64_t word = soak_random(w->seed, number);
    uint32_t bytes = SHORTEST + (number % LONG_EVERY == 0 ? (uint32_t)(word % LONGER_BY) : 0);
    memcpy(frame, &h, sizeof h);
    for (uint32_t i = sizeof h; i < bytes; i += sizeof word) {
        memcpy(frame + i, &word, sizeof word);
        word = word * UINT64_C(6364136223846793005) + 1442695040888963407;
    }
    return bytes;
}

/* Frames that are due; what could not be sent in time is not made up for. */
static uint32_t due(struct soak_wire *w, uint64_t now)
{
    uint64_t n = (now - w->paced_ns) * RATE / 1000000000;
    if (n >= BURST) {
        w->paced_ns = n >= 4 * BURST ? now : w->paced_ns + UINT64_C(1000000000) * BURST / RATE;
        return BURST;
    }
    return 0;
}

/* A frame that the device refuses was never on the wire: its number is used again. */
static void send_some(struct soak_wire *w, uint64_t until)
{
    uint64_t oldest = w->next > w->given_up ? w->next : w->given_up;
    uint64_t room = w->number - oldest < WINDOW ? WINDOW - (w->number - oldest) : 0;
    uint64_t left = until > w->number ? until - w->number : 0;
    uint64_t now = soak_now();
    uint32_t n = room == 0 || left == 0 ? 0 : due(w, now);
    n = room < n ? (uint32_t)room : n;
    n = left < n ? (uint32_t)left : n;
    for (uint32_t i = 0; i < n; i++) {
        out.pieces[i].iov_len = make(w, w->number + i, out.bytes[i]);
    }
    int sent = n == 0 ? 0 : sendmmsg(w->from, out.messages, n, 0);
    w->number += sent > 0 ? (uint64_t)sent : 0;
    if (sent < 0) {
        w->refused++;
        sched_yield();
    } else if (room == 0 && left != 0 && now - w->last_ns > GIVE_UP_NS) {
        w->given_up = w->number;
        w->last_ns = now;
    }
}

static void verify(struct soak_wire *w, const unsigned char *frame, uint32_t bytes)
{
    unsigned char want[ROOM];
    struct head h;
    memcpy(&h, frame, sizeof h);
    if (h.type == htons(RUNT_TYPE)) {
        w->runts++;
        return;
    }
    w->received++;
    if (bytes < SHORTEST || h.type != htons(OUR_TYPE) || make(w, h.number, want) != bytes || memcmp(frame, want, bytes) != 0) {
        w->altered++;
    } else if (h.number < w->next) {
        w->backwards++;
    } else {
        w->missing += h.number - w->next;
        w->next = h.number + 1;
    }
}

static void receive_some(struct soak_wire *w)
{
    int n = recvmmsg(w->to, in.messages, BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        verify(w, in.bytes[i], in.messages[i].msg_len);
    }
    if (n > 0) {
        w->last_ns = soak_now();
    }
}

void soak_wire_step(struct soak_wire *w, uint64_t until)
{
    send_some(w, until);
    receive_some(w);
}

/* The shortest that the kernel lets out: an Ethernet header and nothing behind it. */
void soak_wire_runts(struct soak_wire *w, uint32_t n)
{
    const struct head h = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}, htons(RUNT_TYPE), 0};
    while (n-- != 0) {
        send(w->from, &h, RUNT_BYTES, 0);
    }
}

void soak_wire_close(struct soak_wire *w, const struct soak_engine *e)
{
    struct tpacket_stats s = {0};
    socklen_t size = sizeof s;
    receive_some(w);
    getsockopt(w->to, SOL_PACKET, PACKET_STATISTICS, &s, &size);
    w->sink_drops = s.tp_drops;
    read_counters(e, &w->after);
    close(w->from);
    close(w->to);
}

/* ---- the balance ---- */

static void name(json_t *named, const char *key, int64_t n, int64_t *sum)
{
    if (n != 0) {
        soak_add(named, key, n);
        *sum += n;
    }
}

/* A device that is back is up before the engine has a socket on it again: what nobody takes then, it counts as rx_dropped.
 * Refused sends stand in the device's tx_dropped too, with those that it took and lost: counted twice, taken off once. */
static int64_t name_losses(const struct soak_wire *w, const json_t *report, json_t *named)
{
    int64_t sum = 0;
    size_t i;
    const char *key;
    json_t *port, *n;
    json_object_foreach(json_object_get(json_object_get(report, "totals"), "drops"), key, n) {
        name(named, key, json_integer_value(n), &sum);
    }
    json_array_foreach(json_object_get(report, "ports"), i, port) {
        name(named, "counted_twice", -json_integer_value(json_object_get(json_object_get(port, "events"), "refused_sends")), &sum);
        json_object_foreach(json_object_get(port, "outside"), key, n) {
            bool within = json_is_string(json_object_get(json_object_get(port, "outside_within"), key));
            name(named, key, within ? 0 : json_integer_value(n), &sum);
        }
    }
    name(named, "left_rx_dropped", (int64_t)(w->after.left.rx_dropped - w->before.left.rx_dropped), &sum);
    name(named, "right_tx_dropped", (int64_t)(w->after.right.tx_dropped - w->before.right.tx_dropped), &sum);
    return sum;
}

json_t *soak_wire_balance(const struct soak_wire *w, const json_t *report)
{
    json_t *named = json_object();
    int64_t sent = (int64_t)(w->after.src.tx_packets - w->before.src.tx_packets);
    int64_t received = (int64_t)(w->after.dst.rx_packets - w->before.dst.rx_packets);
    int64_t sum = name_losses(w, report, named);
    int64_t unseen = received - (int64_t)(w->received + w->runts + w->sink_drops);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "sent", (json_int_t)sent, "received", (json_int_t)received,
                     "unnamed", (json_int_t)(sent - received - sum), "unverified", (json_int_t)unseen, "altered",
                     (json_int_t)w->altered, "backwards", (json_int_t)w->backwards, "sink_drops", (json_int_t)w->sink_drops,
                     "named", named);
}
