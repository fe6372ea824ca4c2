/* config.h: what the user wrote, as a struct.
 *
 * Text → mr_config_load (words, numbers, units) → mr_config_set for each --set → mr_config_check (names, limits, what
 * fits together) → mr_plan. Each error names file, line, key, cause and fix. Every key is described in
 * config/reference.yaml. Control thread only. Sizes of frames are written with FCS, as RFC 2544 does (64 … 1518), and
 * kept here without it (60 … 1514).
 */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include <millrace/error.h>
#include <millrace/work.h>

#include <stdbool.h>
#include <stdint.h>

#define MR_NAME_MAX  32u
#define MR_PATHS_MAX 32u
#define MR_WORKS_MAX 8u
#define MR_SIZES_MAX 8u
#define MR_TAPS_MAX  16u
#define MR_TAP_WHERE_MAX 64u
#define MR_CONFIG_NOTES_MAX 16u

enum mr_layout { MR_LAYOUT_RTC, MR_LAYOUT_PIPELINE };        /* run-to-completion | pipeline */
enum mr_numa { MR_NUMA_AUTO, MR_NUMA_STRICT, MR_NUMA_OFF };  /* auto | strict | off */
enum mr_huge { MR_HUGE_AUTO, MR_HUGE_REQUIRED, MR_HUGE_OFF };
enum mr_offload { MR_OFFLOAD_NONE, MR_OFFLOAD_CHECKSUM, MR_OFFLOAD_SUPER };
enum mr_when_full { MR_FULL_DEFAULT, MR_FULL_WAIT, MR_FULL_DROP }; /* default: wait with one output, drop with several */
enum mr_content { MR_CONTENT_FULL, MR_CONTENT_DESCRIPTORS };
enum mr_uring_receive { MR_RECEIVE_AUX, MR_RECEIVE_PLAIN };
enum mr_by { MR_BY_URING, MR_BY_CALLS }; /* uring | calls */
enum mr_xdp_kick { MR_KICK_SEND, MR_KICK_URING };
enum mr_xdp_mode { MR_XDP_AUTO, MR_XDP_ZEROCOPY, MR_XDP_NATIVE, MR_XDP_GENERIC };
enum mr_pcap_format { MR_PCAP_AUTO, MR_PCAP_US, MR_PCAP_NS, MR_PCAP_NG }; /* auto | pcap | pcap-ns | pcapng */
enum mr_replay { MR_REPLAY_FLAT_OUT, MR_REPLAY_RECORDED };
enum mr_cut { MR_CUT_SEND, MR_CUT_DROP };
enum mr_require { MR_REQUIRE_DEVICE, MR_REQUIRE_UP };
enum mr_batch_mode { MR_BATCH_NATURAL };

/* Frame sizes of a source: `64`, `64..1518`, `imix` (7 × 64, 4 × 594, 1 × 1518). */
struct mr_sizes {
    uint32_t n; /* entries: sizes[i] is drawn weights[i] times of Σ weights; or a range when ranged */
    uint16_t bytes[MR_SIZES_MAX]; /* without FCS */
    uint16_t weights[MR_SIZES_MAX];
    bool ranged; /* bytes[0] … bytes[1], all equally often */
};

struct mr_port_config {
    char name[MR_NAME_MAX];
    char driver[MR_NAME_MAX];
    char device[256];
    uint32_t queues; /* receiving and sending queues, 1 … 16 */
    bool reopen;     /* a device that went away is opened again when it comes back */
    enum mr_require require; /* of the device at the start: to be there, or up with a carrier */
    /* tap */
    enum mr_by by;   /* io_uring, or read and write */
    uint32_t mtu;    /* of the device that is made; default 1500 */
    /* uring, and what other drivers have of it */
    enum mr_offload offload;
    enum mr_uring_receive receive; /* aux: with aux data, keeps VLAN tags; plain: loses them, cheaper; not mmap */
    uint32_t buffers;              /* uring: posted receive buffers per queue, power of two; default 1024 */
    uint32_t big_buffers;          /* 68 KiB chunks to receive into per queue with offload: super, power of two; default 64 */
    uint64_t socket_bytes;         /* receive and send buffer of the sockets; default 4 MiB */
    /* socket */
    bool blocking; /* the core sleeps in recv when nothing is under way, and in send when the socket's buffer is full */
    /* mmap */
    uint64_t block_bytes; /* of each block of the ring, a power of two; default 128 KiB */
    uint32_t blocks;      /* per queue; default 64 */
    uint32_t retire_ms;   /* a block is handed over after so long, also when it is not full; default 1 */
    /* xdp, which has buffers too: chunks in the FILL ring */
    enum mr_xdp_mode xdp_mode;     /* key `mode`: asked for exactly; auto: the first that works, in this order */
    char take[200];                /* frames taken, the rest goes on to the kernel: "arp, udp, port 53"; empty = all */
    uint32_t rx_ring;              /* frames in the RX ring, a power of two; 0 = as many as buffers */
    uint32_t busy_poll;            /* frames received at most by a call of preferred busy polling; 0 = none is made */
    enum mr_xdp_kick xdp_kick;     /* key `kick`: send: a call per queue that has frames; uring: one for all queues of a core */
    uint32_t tx_budget;            /* frames that one call sends at most (Linux 6.17); 0 = the kernel's 32 */
    /* memory */
    uint64_t frames;     /* made by the source, all queues together; 0 = endless */
    double rate_fps;     /* frames per second of the source (memory, pcap); 0 = flat out */
    uint32_t window;     /* frames outstanding between source and sink of one process; 0 = no window */
    struct mr_sizes size;
    uint32_t flows;      /* traffic flows, 1 … 65535 */
    uint32_t seed;
    enum mr_content content; /* full: frames are written and can be verified; descriptors: nothing is touched */
    bool verify;             /* the sink verifies what arrives */
    bool source;             /* the receiving side makes frames; default: yes for a port in a path's `from` */
    char window_with[MR_NAME_MAX]; /* name of the memory port whose sink closes this source's window; empty = this one */
    /* pcap */
    char read[256];             /* file, "-" = standard input; of a port in a `from` */
    char write[256];            /* file, "-" = standard output; of a port in a `to` */
    char filter[512];           /* of what is read; empty = all */
    enum mr_replay replay;
    uint32_t loop;              /* times that the file is read; 0 = without end */
    uint64_t max_frames;        /* read at most; 0 = all */
    enum mr_cut cut;            /* records cut by the capture's snap length: sent as they are, or dropped (cut) */
    bool long_frames;           /* dpdk too: takes frames that fit a big chunk only */
    enum mr_pcap_format format; /* of what is written */
    uint32_t snap;              /* bytes written of a frame; 0 = all */
    /* memory */
    uint32_t vlan;           /* 802.1Q tag on every frame of the source, 1 … 4094; 0 = none */
};

struct mr_path_config {
    uint32_t n_from, n_work, n_to;
    uint8_t from[MR_PORTS_MAX]; /* indices into ports */
    char from_name[MR_PORTS_MAX][MR_NAME_MAX]; /* as written; resolved by mr_config_check */
    char work[MR_WORKS_MAX][MR_NAME_MAX];
    uint8_t to[MR_PORTS_MAX];
    char to_name[MR_PORTS_MAX][MR_NAME_MAX];
    uint32_t workers; /* parallel work stages, 1 … 16 */
    enum mr_when_full when_full;
};

enum mr_tap_place { MR_TAP_RX, MR_TAP_TX, MR_TAP_WORK_IN, MR_TAP_WORK_OUT, MR_TAP_DROPS };

/* Frames that pass a place, into a file. */
struct mr_tap_config {
    char where[MR_TAP_WHERE_MAX]; /* left.rx, left.tx, work:0.0.in, work:0.0.out, drops */
    char to[256];     /* the file: pcapng when named so, else pcap */
    char filter[256]; /* as for tcpdump; empty = every frame */
    uint32_t snap;    /* bytes kept of a frame; 0 = all */
    enum mr_tap_place place; /* of where; by mr_config_check, and: */
    uint32_t port, path, worker;
};

/* Where a key was written; --set has line 0. */
struct mr_config_mark {
    char key[72];
    uint32_t line;
};

struct mr_config {
    char file[256]; /* "" when made by a program */
    enum mr_layout layout;
    enum mr_numa numa;
    uint32_t n_cores;
    uint32_t cores[MR_CORES_MAX];
    uint32_t burst;        /* most frames a stage moves in one look, 1 … 256; default 64 */
    uint32_t ring_frames;  /* capacity of each ring between stages; default 1024 */
    bool latency;          /* measure; default yes */
    char eal[512];         /* words for DPDK's EAL beside its own; default none */
    uint32_t chunks;       /* small chunks, all homes together; default 16384 */
    uint32_t chunk_bytes;  /* 2496 | 2048 | 4096 */
    uint32_t big_chunks;   /* 68 KiB chunks, all homes together; 0 = as many as the ports need */
    enum mr_huge huge_pages;
    enum mr_batch_mode batch_mode;
    uint32_t batch_cap;    /* batcher.cap, 1 … 256; default 256 */
    uint32_t n_ports;
    struct mr_port_config ports[MR_PORTS_MAX];
    uint32_t n_paths;
    struct mr_path_config paths[MR_PATHS_MAX];
    uint32_t n_taps;
    struct mr_tap_config taps[MR_TAPS_MAX];
    uint32_t n_marks;
    uint32_t max_marks;
    struct mr_config_mark *marks;
    uint32_t n_notes; /* what mr_config_check rounded, for people; the plan repeats it */
    char notes[MR_CONFIG_NOTES_MAX][160];
};

#ifdef __cplusplus
extern "C" {
#endif

/* mr_config_create: a configuration with every default set and no ports or paths. NULL without memory. */
struct mr_config *mr_config_create(void);

/* mr_config_load: read a YAML file ("-" = standard input) into a fresh configuration. 0 and *out, or -errno, err filled. */
int mr_config_load(struct mr_config **out, const char *file, struct mr_error *err);

/* mr_config_parse: the same from text; `name` stands for the file in messages. */
int mr_config_parse(struct mr_config **out, const char *text, size_t bytes, const char *name, struct mr_error *err);

/* mr_config_set: one `key=value`, the key as in messages: engine.layout=pipeline, ports[0].device=veth1, or by name
 * ports.left.device=veth1. The value is YAML (a list as [1, 2]). */
int mr_config_set(struct mr_config *cfg, const char *assignment, struct mr_error *err);

/* mr_config_check: names resolved, limits and combinations checked, sizes rounded (and noted), keys of other drivers
 * than a port's own zeroed; what does not depend on this machine. */
int mr_config_check(struct mr_config *cfg, struct mr_error *err);

/* mr_config_given: the key was written, in the file or by --set; else it has its default. */
bool mr_config_given(const struct mr_config *cfg, const char *key);

/* mr_config_line: line where a key was written, 0 when it was not. */
uint32_t mr_config_line(const struct mr_config *cfg, const char *key);

/* mr_config_where: "file:line: key: " into text, for messages about a key. Returns text. */
const char *mr_config_where(const struct mr_config *cfg, const char *key, char *text, size_t bytes);

void mr_config_destroy(struct mr_config *cfg);

/* Words of the enums, as written in YAML; NULL behind the last. */
const char *mr_layout_word(enum mr_layout v);
const char *mr_numa_word(enum mr_numa v);
const char *mr_huge_word(enum mr_huge v);
const char *mr_offload_word(enum mr_offload v);
const char *mr_when_full_word(enum mr_when_full v);

/* mr_parse_rate: "500kpps", "10mpps", "flat-out" into frames per second (0 = flat out). mr_parse_sizes: "64",
 * "64..1518", "imix" (with FCS). mr_parse_duration: "10s", "250ms", "10" (seconds) into ns. 0 or -EINVAL. */
int mr_parse_rate(const char *text, double *fps);
int mr_parse_sizes(const char *text, struct mr_sizes *sizes);
int mr_parse_duration(const char *text, uint64_t *ns);

#ifdef __cplusplus
}
#endif

#endif
