/* xdp_take.c: which frames the program takes: the words of a port's `take` into BPF instructions.
 *
 *     all | arp | ip | ip6 | ether N | tcp | udp | icmp | proto N | port N      separated by commas; any that fits
 *
 * One VLAN tag is looked past. Ports are those of TCP and UDP, either end, behind a whole IP header. No fragment is taken for
 * its ports: later ones have none, and the first would be missing where the others went. What does not begin with a right IP
 * header (version, length, cut short) is the kernel's, and so is IPv6 with extension headers, for all words but ether and ip6.
 *
 *     r6 context · r3 end of the frame · r5 EtherType · r7 network header · r8 protocol · r9 transport header
 */
#include "lib/port/xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { WORDS_MAX = 16, JUMPS_MAX = 160, TAG = 4 };

enum place { TAKE, PASS, NEXT, PLACES }; // NEXT: behind what is being written now

struct wanted {
    bool all;
    uint32_t n_ether, n_proto, n_port;
    uint16_t ether[WORDS_MAX], proto[WORDS_MAX], port[WORDS_MAX];
};

struct code {
    struct bpf_insn *at;
    uint32_t n, max;
    struct {
        uint32_t from;
        enum place to;
    } jumps[JUMPS_MAX];
    uint32_t n_jumps;
    bool overflow;
};

/* ---- words ---- */

static const struct word {
    const char *name;
    char kind; // e EtherType, p protocol, t port; a number follows where number is -1
    int number;
} words[] = {
    {"arp", 'e', ETH_P_ARP}, {"ip", 'e', ETH_P_IP},         {"ip6", 'e', ETH_P_IPV6},   {"ether", 'e', -1}, {"tcp", 'p', IPPROTO_TCP},
    {"udp", 'p', IPPROTO_UDP}, {"icmp", 'p', IPPROTO_ICMP}, {"proto", 'p', -1}, {"port", 't', -1},
};

static bool add(struct wanted *w, char kind, long number)
{
    uint32_t *n = kind == 'e' ? &w->n_ether : kind == 'p' ? &w->n_proto : &w->n_port;
    uint16_t *list = kind == 'e' ? w->ether : kind == 'p' ? w->proto : w->port;
    if (*n == WORDS_MAX || number < 0 || number > (kind == 'p' ? 255 : 65535)) {
        return false;
    }
    list[(*n)++] = (uint16_t)number;
    return true;
}

static bool read_word(struct wanted *w, char *text)
{
    char *rest = NULL;
    const char *name = strtok_r(text, " \t", &rest);
    const char *number = strtok_r(NULL, " \t", &rest);
    if (name == NULL || strtok_r(NULL, " \t", &rest) != NULL) {
        return false;
    }
    if (strcmp(name, "all") == 0) {
        w->all = true;
        return number == NULL;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].name, name) == 0 && (words[i].number == -1) == (number != NULL)) {
            char *end = NULL;
            long value = number == NULL ? words[i].number : strtol(number, &end, 0);
            return (number == NULL || (end != number && *end == 0)) && add(w, words[i].kind, value);
        }
    }
    return false;
}

static bool read_words(struct wanted *w, const char *text, char *why, size_t bytes)
{
    char copy[256], one[256];
    char *rest = copy;
    char *item;
    uint32_t n = 0;
    *w = (struct wanted){.all = text[0] == 0};
    snprintf(copy, sizeof copy, "%s", text);
    for (; (item = strsep(&rest, ",")) != NULL; n++) {
        snprintf(one, sizeof one, "%s", item);
        if (text[0] != 0 && !read_word(w, one)) {
            snprintf(why, bytes, "\"%.60s\" is none of: all, arp, ip, ip6, ether N, tcp, udp, icmp, proto N, port N (at most %d of a "
                     "kind, separated by commas)", item, WORDS_MAX);
            return false;
        }
    }
    if (w->all && n > 1) {
        snprintf(why, bytes, "all takes every frame, whatever the other words say; leave out one or the other");
        return false;
    }
    return true;
}

/* ---- instructions ---- */

static void put(struct code *c, struct bpf_insn i)
{
    if (c->n == c->max) {
        c->overflow = true;
        return;
    }
    c->at[c->n++] = i;
}

static void op(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    put(c, (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm});
}

static void jump(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int32_t imm, enum place to)
{
    if (c->n_jumps == JUMPS_MAX || c->n == c->max) {
        c->overflow = true;
        return;
    }
    c->jumps[c->n_jumps].from = c->n;
    c->jumps[c->n_jumps++].to = to;
    op(c, code, dst, src, 0, imm);
}

static void land(struct code *c, enum place place)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n_jumps; i++) {
        if (c->jumps[i].to == place) {
            c->at[c->jumps[i].from].off = (int16_t)(c->n - c->jumps[i].from - 1);
        } else {
            c->jumps[kept++] = c->jumps[i];
        }
    }
    c->n_jumps = kept;
}

static void move(struct code *c, uint8_t dst, uint8_t src)
{
    op(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void load(struct code *c, uint8_t size, uint8_t dst, uint8_t src, int16_t off)
{
    op(c, (uint8_t)(BPF_LDX | BPF_MEM | size), dst, src, off, 0);
}

/* To `to` unless n bytes from reg on are there. */
static void need(struct code *c, uint8_t reg, int32_t n, enum place to)
{
    move(c, BPF_REG_4, reg);
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, n);
    jump(c, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, to);
}

static void equal(struct code *c, uint8_t reg, uint16_t value, enum place to)
{
    jump(c, BPF_JMP | BPF_JEQ | BPF_K, reg, 0, value, to);
}

static void unequal(struct code *c, uint8_t reg, uint16_t value, enum place to)
{
    jump(c, BPF_JMP | BPF_JNE | BPF_K, reg, 0, value, to);
}

/* ---- the program ---- */

static void read_ethernet(struct code *c)
{
    load(c, BPF_W, BPF_REG_7, BPF_REG_6, offsetof(struct xdp_md, data));
    load(c, BPF_W, BPF_REG_3, BPF_REG_6, offsetof(struct xdp_md, data_end));
    need(c, BPF_REG_7, ETH_HLEN, PASS);
    load(c, BPF_H, BPF_REG_5, BPF_REG_7, 12);
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, ETH_HLEN);
    op(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_5, 0, 1, htons(ETH_P_8021AD)); // over the next jump
    unequal(c, BPF_REG_5, htons(ETH_P_8021Q), NEXT);
    need(c, BPF_REG_7, TAG, PASS);
    load(c, BPF_H, BPF_REG_5, BPF_REG_7, 2);
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, TAG);
    land(c, NEXT);
}

static void look_at_protocol(struct code *c, const struct wanted *w)
{
    for (uint32_t i = 0; i < w->n_proto; i++) {
        equal(c, BPF_REG_8, w->proto[i], TAKE);
    }
}

static void look_at_ports(struct code *c, const struct wanted *w)
{
    if (w->n_port == 0) {
        return;
    }
    op(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_8, 0, 1, IPPROTO_TCP); // over the next jump
    unequal(c, BPF_REG_8, IPPROTO_UDP, PASS);
    need(c, BPF_REG_9, 4, PASS);
    load(c, BPF_H, BPF_REG_1, BPF_REG_9, 0);
    load(c, BPF_H, BPF_REG_2, BPF_REG_9, 2);
    for (uint32_t i = 0; i < w->n_port; i++) {
        equal(c, BPF_REG_1, htons(w->port[i]), TAKE);
        equal(c, BPF_REG_2, htons(w->port[i]), TAKE);
    }
}

/* r9 behind the header, which is there to its end. */
static void look_behind(struct code *c)
{
    move(c, BPF_REG_9, BPF_REG_7);
    op(c, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_9, BPF_REG_1, 0, 0);
    need(c, BPF_REG_9, 0, PASS);
}

static void look_at_ip4(struct code *c, const struct wanted *w)
{
    unequal(c, BPF_REG_5, htons(ETH_P_IP), NEXT);
    need(c, BPF_REG_7, 20, PASS);
    load(c, BPF_B, BPF_REG_1, BPF_REG_7, 0);
    jump(c, BPF_JMP | BPF_JLT | BPF_K, BPF_REG_1, 0, 0x45, PASS); // version 4, and no less than five words of header
    jump(c, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_1, 0, 0x4f, PASS);
    op(c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, 15);
    op(c, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, 2);
    look_behind(c);
    load(c, BPF_B, BPF_REG_8, BPF_REG_7, 9);
    look_at_protocol(c, w);
    load(c, BPF_H, BPF_REG_1, BPF_REG_7, 6);
    op(c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, htons(0x3fff)); // more fragments, or one that is not the first
    unequal(c, BPF_REG_1, 0, PASS);
    look_at_ports(c, w);
    jump(c, BPF_JMP | BPF_JA, 0, 0, 0, PASS);
    land(c, NEXT);
}

static void look_at_ip6(struct code *c, const struct wanted *w)
{
    unequal(c, BPF_REG_5, htons(ETH_P_IPV6), PASS);
    need(c, BPF_REG_7, 40, PASS);
    load(c, BPF_B, BPF_REG_1, BPF_REG_7, 0);
    op(c, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_1, 0, 0, 4);
    unequal(c, BPF_REG_1, 6, PASS);
    load(c, BPF_B, BPF_REG_8, BPF_REG_7, 6);
    look_at_protocol(c, w);
    op(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 40);
    look_behind(c);
    look_at_ports(c, w);
}

static void choose(struct code *c, const struct wanted *w)
{
    read_ethernet(c);
    for (uint32_t i = 0; i < w->n_ether; i++) {
        equal(c, BPF_REG_5, htons(w->ether[i]), TAKE);
    }
    if (w->n_proto + w->n_port != 0) {
        look_at_ip4(c, w);
        look_at_ip6(c, w);
    }
    jump(c, BPF_JMP | BPF_JA, 0, 0, 0, PASS);
    land(c, TAKE);
}

static void load_map(struct code *c, int fd)
{
    op(c, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, fd);
    op(c, 0, 0, 0, 0, 0); // its upper half
}

/* To the socket of the frame's queue; where there is none, on to the kernel. */
static void redirect(struct code *c, int map_fd)
{
    load(c, BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, rx_queue_index));
    load_map(c, map_fd);
    op(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS);
    op(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
    equal(c, BPF_REG_0, XDP_PASS, PASS);
    op(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* On to the kernel, counted in this processor's first place of the map. */
static void pass(struct code *c, int count_fd)
{
    land(c, PASS);
    op(c, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0);
    move(c, BPF_REG_2, BPF_REG_10);
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
    load_map(c, count_fd);
    op(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
    jump(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, NEXT);
    load(c, BPF_DW, BPF_REG_1, BPF_REG_0, 0);
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, 1);
    op(c, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_1, 0, 0);
    land(c, NEXT);
    op(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS);
    op(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

uint32_t mr_xdp_take(const char *text, int map_fd, int count_fd, struct bpf_insn *code, uint32_t max, char *why, size_t bytes)
{
    struct code c = {.at = code, .max = max};
    struct wanted w;
    if (!read_words(&w, text, why, bytes)) {
        return 0;
    }
    move(&c, BPF_REG_6, BPF_REG_1);
    if (!w.all) {
        choose(&c, &w);
    }
    redirect(&c, map_fd);
    pass(&c, count_fd);
    if (c.overflow) {
        snprintf(why, bytes, "too many words for one program; leave some out");
        return 0;
    }
    return c.n;
}
