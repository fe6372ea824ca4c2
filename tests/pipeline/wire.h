/* wire.h: `wire`, the two ends of a pipeline test: what is put on the wire on one side and found on the other.
 *
 *   wire tcp-serve PORT                take one connection, answer with count and hash of what came
 *   wire tcp-send ADDR PORT BYTES      send pseudo-random bytes, compare the other side's count and hash; JSON
 *   wire frames NS/DEV NS/DEV [FRAMES [WINDOW [SIZES [VLAN]]]]
 *                                      numbered frames from one device to the other, at most WINDOW outstanding, each
 *                                      verified: order in its flow, every byte, the tag; NS is a network namespace as
 *                                      `ip netns` knows it; JSON
 *   wire udp NS/DEV NS/DEV [FRAMES [WINDOW [SIZES]]]
 *                                      the same as UDP, so that kernels and devices spread the flows over queues
 *   wire knock NS/DEV NS/DEV           a frame every few milliseconds, until one comes through: then the engine between runs.
 *                                      Waits for the devices too
 *   wire flow NS/DEV NS/DEV FRAMES [KPPS]
 *                                      the same frames, 60 bytes, at a rate or flat out, whatever becomes of them: counted
 *                                      on both sides, and what arrives is verified. SIGUSR1 = a fault begins, SIGUSR2 = it
 *                                      is over: recovery_ms is the time from there until a tenth of a second in which 95 %
 *                                      of what was sent came; JSON
 *   wire sizes NS/DEV NS/DEV [TAGS]    one frame of each length that may make trouble, 0 to 65,535 bytes, with so many
 *                                      802.1Q tags: how many the kernel refused to send, what came, and the longest; JSON
 *   wire lossy NS/DEV NS/DEV MS [WINDOW [SIZES]]
 *                                      numbered frames for so long, or until SIGTERM, with a window, through what loses
 *                                      frames, goes down, or is deleted and made again. Wrong: altered or twice; JSON
 *   wire send DEV FRAMES               as many frames as fast as the device takes them, for load
 *
 * Exit codes: 0 all came as it was sent · 1 not so · 2 usage · 3 the system refused.
 */
#ifndef TESTS_PIPELINE_WIRE_H
#define TESTS_PIPELINE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_FLOWS = 8, WIRE_TYPE = 0x88B5 };

struct wire_frames {
    const char *from, *to; /* "NS/DEV" */
    uint32_t frames, window;
    uint32_t min_bytes, max_bytes; /* of a frame without FCS and without its tag */
    uint32_t vlan;                 /* 0 = untagged */
    bool udp;                      /* 28 bytes of IPv4 and UDP come behind the Ethernet header, a port for each flow */
};

/* An Ethernet header with our type, then what tells a frame; random bytes that follow from it fill the rest. */
struct wire_head {
    unsigned char destination[6], source[6];
    uint16_t type;
    uint16_t bytes; /* of the whole frame without its tag */
    uint32_t flow;
    uint32_t sequence;
} __attribute__((packed));

/* wire_enter: into the namespace of "NS/DEV"; returns DEV. wire_make: frame `sequence` of a flow, of the job's sizes; its
 * length. wire_open: a packet socket on "NS/DEV". wire_show: the sink shows itself once, so that a switch between knows
 * where it is. */
const char *wire_enter(const char *where);
uint32_t wire_make(unsigned char *frame, const struct wire_frames *job, uint32_t flow, uint32_t sequence);
int wire_open(const char *where);
void wire_show(int fd);

int wire_tcp_serve(const char *port);
int wire_tcp_send(const char *address, const char *port, uint64_t bytes);
int wire_frames(const struct wire_frames *job);
int wire_knock(const char *from, const char *to);
int wire_lossy(const struct wire_frames *job, uint32_t ms);
int wire_flow(const struct wire_frames *job, uint32_t kpps);
int wire_sizes(const char *from, const char *to, uint32_t tags);
int wire_send(const char *device, uint32_t frames);

/* wire_die: what failed and why (errno), on standard error; ends the program with 3. */
_Noreturn void wire_die(const char *what);

/* wire_random: the next of a sequence that both ends can make (xorshift64*); state is not 0. */
static inline uint64_t wire_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

double wire_seconds(void);

#endif
