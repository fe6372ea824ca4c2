/* bench_ladder: the rungs of docs/ladder.md by the bare loops, without an engine, so that each step shows what the kernel's way
 * costs and not what we add: CPU and system calls per frame, at 64 and 1514 bytes, against the lowest rung; and what one copy
 * of a frame costs. The ruler, and what its figures contain: bench_forwarder.h. The dpdk rung does not count its calls.
 */
#include "perf/bench_forwarder.h"

#include <string.h>
#include <time.h>

enum { FULL_PAIRS = 20, QUICK_PAIRS = 1 };

#define BOTH_SIZES(...) {{__VA_ARGS__}, {__VA_ARGS__, .bytes = BENCH_FORWARDER_1514}}
static struct rung {
    bool uncounted; /* its system calls */
    struct bench_forwarder by_size[2];
} rungs[] = {
    {false, BOTH_SIZES("socket", BENCH_BARE, "bare_socket")},
    {false, BOTH_SIZES("mmsg", BENCH_BARE, "bare_mmsg")},
    {false, BOTH_SIZES("uring", BENCH_BARE, "bare_uring")},
    {true, BOTH_SIZES("dpdk net_af_packet", BENCH_DPDK_FORWARD, .from = "net_af_packet0,iface=left",
                      .to = "net_af_packet1,iface=right", .feed = BENCH_XDP)},
    {false, BOTH_SIZES("mmap", BENCH_BARE, "bare_mmap", .feed = BENCH_XDP)},
    {false, BOTH_SIZES("tap", BENCH_BARE, "tap_forward", .from = "rung0", .to = "rung1", .own_devices = true)},
    {false, BOTH_SIZES("mmap to xdp", BENCH_BARE, "bare_mmap_xdp", .feed = BENCH_XDP)},
    {false, BOTH_SIZES("xdp", BENCH_BARE, "bare_xdp", .feed = BENCH_XDP)},
    {true, BOTH_SIZES("XDP redirect", BENCH_KERNEL, "bare_redirect", .feed = BENCH_XDP)},
};
enum { RUNGS = sizeof rungs / sizeof *rungs };
static const char *const size_names[2] = {"64 B", "1514 B"};

static void add_rung(struct bench *b, struct rung *r, int size)
{
    char name[48];
    struct bench_forwarder *const lowest[] = {&rungs[0].by_size[size], NULL}, *const none[] = {NULL};
    snprintf(name, sizeof name, "%s, %s", r->by_size[size].name, size_names[size]);
    bench_forwarder_add(b, name, BENCH_CPU | (size == 0 && !r->uncounted ? BENCH_CALLS : 0), &r->by_size[size],
                        r == rungs ? none : lowest);
}

/* ---- a copy ---- */

enum { FRAMES = 256, FRAME_STRIDE = 2048, CHUNK_STRIDE = 2496, DATA = 384, COPIES = 200 };
static _Alignas(4096) unsigned char frames[FRAMES][FRAME_STRIDE], chunks[FRAMES][CHUNK_STRIDE];

/* near: the frames stand in this CPU's own cache; else the other CPU has just written them, as a source does. */
static struct copy {
    const char *name;
    size_t bytes;
    bool near;
} copies[] = {{"a copy, 64 B, from the own cache", 64, true},
              {"a copy, 1514 B, from the own cache", 1514, true},
              {"a copy, 64 B, written by the other CPU", 64, false},
              {"a copy, 1514 B, written by the other CPU", 1514, false}};

static void copy_all(void *arg)
{
    const struct copy *c = arg;
    for (int i = 0; i < FRAMES; i++) {
        memcpy(chunks[i] + DATA, frames[i], c->bytes);
        __asm__ volatile("" ::: "memory"); // nobody reads it: it must be made all the same
    }
}

static void write_all(void *arg)
{
    const struct copy *c = arg;
    for (int i = 0; i < FRAMES; i++) {
        memset(frames[i], ++frames[i][0], c->bytes);
    }
}

static double copy_run(struct bench *b, void *arg)
{
    struct copy *c = arg;
    double ns = 0;
    for (int i = 0; i < COPIES; i++) {
        if (!c->near) {
            bench_other(b, write_all, c);
        }
        ns += bench_here(b, copy_all, c);
    }
    return ns / COPIES / FRAMES;
}

static void add_copies(struct bench *b)
{
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        bench_cell(bench_add(b, !copies[i].near, "ns", BENCH_LOWER, "%s", copies[i].name), "ours", copy_run, &copies[i]);
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    struct mr_error err = {0};
    int ignored = 0, rc = bench_init(&b, "bench_ladder", argc, argv);
    if (rc != 0) {
        return rc;
    }
    if (b.cpu[1] < 0 || bench_forwarder_open(&err) < 0) {
        bench_said(&b, "left out: %s", b.cpu[1] < 0 ? "it needs two CPUs" : err.text);
        return 77; // skipped, by the word of Meson
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    for (int i = 0; i < RUNGS; i++) {
        bool there = bench_forwarder_there(&b, &rungs[i].by_size[0], &ignored);
        for (int size = 0; there && size < 2; size++) {
            add_rung(&b, &rungs[i], size);
        }
    }
    add_copies(&b);
    rc = bench_finish(&b);
    for (int i = 0; i < RUNGS; i++) {
        bench_forwarder_say(&b, &rungs[i].by_size[0]);
        bench_forwarder_say(&b, &rungs[i].by_size[1]);
    }
    return rc;
}
