/* Which frames the program takes: each frame is run through the program that the words make, in the kernel. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/port/xdp.h"
#include "tests/unit/uring_frames.h"

#include <stdio.h>
#include <unistd.h>

enum { CODE_MAX = 512 };

struct program {
    int map, count, socket, fd;
};

/* There must be a socket to redirect to, or the program passes what it takes. */
static struct program load(const char *words)
{
    struct program p = {.map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test", sizeof(uint32_t), sizeof(int), 1, NULL)};
    struct bpf_insn code[CODE_MAX];
    char why[160] = "", log[16384] = "";
    uint32_t key = 0;
    LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof log);
    if (p.map < 0 && errno == EPERM) {
        cr_skip("a BPF program needs root");
    }
    p.count = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "test", sizeof(uint32_t), sizeof(uint64_t), 1, NULL);
    p.socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    cr_assert_eq(bpf_map_update_elem(p.map, &key, &p.socket, BPF_ANY), 0);
    uint32_t n = mr_xdp_take(words, p.map, p.count, code, CODE_MAX, why, sizeof why);
    cr_assert_gt(n, 0, "%s", why);
    p.fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "BSD-2-Clause", code, n, &options);
    cr_assert_geq(p.fd, 0, "%s: %s", words, log);
    return p;
}

static void unload(struct program *p)
{
    close(p->fd);
    close(p->socket);
    close(p->count);
    close(p->map);
}

static bool takes(const struct program *p, const struct made *m)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = m->bytes, .data_size_in = m->n, .repeat = 1);
    cr_assert_eq(bpf_prog_test_run_opts(p->fd, &options), 0, "%s", strerror(errno));
    cr_assert(options.retval == XDP_REDIRECT || options.retval == XDP_PASS, "%u", options.retval);
    return options.retval == XDP_REDIRECT;
}

/* ---- frames: a datagram from port 1000 to port 2000, or what becomes of it ---- */

static struct made with(uint32_t at, unsigned char byte)
{
    struct made m = datagram(100);
    m.bytes[at] = byte;
    return m;
}

static struct made cut(struct made m, uint32_t n)
{
    m.n = n;
    return m;
}

/* Two more words of header, before the ports. */
static struct made longer(void)
{
    struct made m = datagram(100);
    memmove(m.bytes + ETH + IP + 8, m.bytes + ETH + IP, m.n - ETH - IP);
    memset(m.bytes + ETH + IP, 1, 8); // no operation
    m.bytes[ETH] = 0x47;
    m.n += 8;
    return m;
}

static struct made ip6(unsigned char next)
{
    struct made m = datagram(100);
    memmove(m.bytes + ETH + 40, m.bytes + ETH + IP, m.n - ETH - IP);
    memset(m.bytes + ETH, 0, 40);
    m.bytes[12] = 0x86;
    m.bytes[13] = 0xdd;
    m.bytes[ETH] = 0x60;
    m.bytes[ETH + 6] = next;
    m.n += 20;
    return m;
}

static struct made twice_tagged(void)
{
    return tagged(tagged(datagram(100), 0x8100, 5), 0x88a8, 6);
}

static uint64_t passed(const struct program *p)
{
    uint64_t counts[1024], sum = 0;
    uint32_t key = 0;
    cr_assert_leq(libbpf_num_possible_cpus(), 1024);
    cr_assert_eq(bpf_map_lookup_elem(p->count, &key, counts), 0);
    for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
        sum += counts[i];
    }
    return sum;
}

/* What is not taken is counted, each frame once. */
static void judge(const char *words, const struct made *frames, const bool *taken, size_t n)
{
    struct program p = load(words);
    uint64_t left = 0;
    for (size_t i = 0; i < n; i++) {
        cr_expect_eq(takes(&p, &frames[i]), taken[i], "%s: frame %zu of %u bytes", words, i, frames[i].n);
        left += !taken[i];
    }
    cr_expect_eq(passed(&p), left, "%s", words);
    unload(&p);
}

enum { FLAGS = ETH + 6, OFFSET = ETH + 7 };

Test(xdp_take, what_is_a_frame_with_these_ports)
{
    const struct made frames[] = {
        datagram(100), longer(), tagged(datagram(100), 0x8100, 5), tagged(datagram(100), 0x88a8, 5), ip6(IPPROTO_UDP),
        with(FLAGS, 0x40), cut(datagram(100), ETH + IP + 4),
        /* and what is not: */
        with(ETH, 0x44), with(ETH, 0x40), with(ETH, 0x55), with(ETH, 0x65), with(FLAGS, 0x20), with(OFFSET, 1), with(FLAGS, 0x1f),
        with(ETH + 9, IPPROTO_ICMP), twice_tagged(), ip6(44), cut(datagram(100), ETH + IP + 3), cut(datagram(100), ETH + 19),
        cut(datagram(100), ETH), cut(tagged(datagram(100), 0x8100, 5), ETH + 3), cut(ip6(IPPROTO_UDP), ETH + 39),
        cut(longer(), ETH + 27),
    };
    bool taken[sizeof frames / sizeof *frames] = {true, true, true, true, true, true, true};
    judge("port 2000", frames, taken, sizeof taken);
    judge("port 7, port 1000", frames, taken, sizeof taken);
    judge("port 53", frames, (bool[sizeof taken]){false}, sizeof taken);
}

/* Fragments have their protocol, all of them; a header that is none has not. */
Test(xdp_take, what_is_a_frame_of_this_protocol)
{
    const struct made frames[] = {
        datagram(100), longer(), with(FLAGS, 0x20), with(OFFSET, 1), ip6(IPPROTO_UDP), tagged(datagram(100), 0x8100, 5),
        cut(datagram(100), ETH + IP),
        with(ETH, 0x44), with(ETH, 0x65), with(ETH + 9, IPPROTO_TCP), cut(longer(), ETH + 27), cut(datagram(100), ETH + 19),
        cut(ip6(IPPROTO_UDP), ETH + 39), twice_tagged(),
    };
    bool taken[sizeof frames / sizeof *frames] = {true, true, true, true, true, true, true};
    judge("udp", frames, taken, sizeof taken);
    judge("proto 17, arp", frames, taken, sizeof taken);
}

Test(xdp_take, what_is_a_frame_of_this_type)
{
    const struct made frames[] = {datagram(100), with(ETH, 0x44), cut(datagram(100), ETH), tagged(datagram(100), 0x8100, 5),
                                  ip6(IPPROTO_UDP), twice_tagged()};
    judge("ip", frames, (bool[]){true, true, true, true, false, false}, 6);
    judge("ip6", frames, (bool[]){false, false, false, false, true, false}, 6);
    judge("all", frames, (bool[]){true, true, true, true, true, true}, 6);
    judge("", frames, (bool[]){true, true, true, true, true, true}, 6);
}

/* A queue without a socket: all of it goes on to the kernel. */
Test(xdp_take, what_has_no_socket_is_passed_and_counted)
{
    struct program p = load("all");
    struct made m = datagram(100);
    uint32_t key = 0;
    cr_assert_eq(bpf_map_delete_elem(p.map, &key), 0);
    cr_expect(!takes(&p, &m));
    cr_expect(!takes(&p, &m));
    cr_expect_eq(passed(&p), 2);
    unload(&p);
}

/* As long as the words may be: 16 ports, and protocols with what is left. The kernel takes the program, and the last counts. */
Test(xdp_take, the_longest_program)
{
    char words[200] = "";
    const struct made frames[] = {datagram(100), with(ETH, 0x44)};
    for (int i = 0; i < 15; i++) {
        size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, "port %d,%s", i, i < 12 ? "icmp," : "");
    }
    snprintf(words + strlen(words), sizeof words - strlen(words), "arp,ip6,ether 1,port 2000");
    cr_assert(strlen(words) > 190 && strlen(words) < sizeof words - 1, "%s", words);
    judge(words, frames, (bool[]){true, false}, 2);
}

/* Room for so many instructions and no more: refused, and nothing is written behind them. */
Test(xdp_take, a_program_that_does_not_fit)
{
    struct bpf_insn code[CODE_MAX], untouched = {.imm = 0x5a5a5a5a};
    char why[160];
    uint32_t whole = mr_xdp_take("arp, udp, port 53", 3, 4, code, CODE_MAX, why, sizeof why);
    for (uint32_t max = 1; max < whole; max++) {
        code[max] = untouched;
        cr_expect_eq(mr_xdp_take("arp, udp, port 53", 3, 4, code, max, why, sizeof why), 0);
        cr_expect_eq(memcmp(&code[max], &untouched, sizeof untouched), 0, "%u", max);
        cr_expect(strstr(why, "too many words") != NULL, "%s", why);
    }
}
