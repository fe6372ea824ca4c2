/* bare_mmap: frames from one device to another without an engine: the shortest honest loop over AF_PACKET with a ring of
 * blocks (TPACKET_V3): sendmmsg straight from the block, 64 a call, and nothing is copied; a block goes back when its frames
 * are sent. Looks without waiting, as the engine does; what is not as usual is dropped, as bare_mmsg does.
 */
#include "perf/bare/bare.h"

#include <linux/if_packet.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { BLOCK = 128 << 10, BLOCKS = 64, FRAME = 2048, BURST = 64, UNUSUAL = TP_STATUS_VLAN_VALID | TP_STATUS_CSUMNOTREADY };

static struct bare_total total;
static struct iovec pieces[BURST];
static struct mmsghdr messages[BURST];

static int ring_socket(const char *device, unsigned char **ring)
{
    struct tpacket_req3 r = {.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = FRAME,
                             .tp_frame_nr = BLOCKS * (BLOCK / FRAME), .tp_retire_blk_tov = 1};
    int version = TPACKET_V3, fd = bare_socket(device, true);
    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof r) < 0) {
        bare_die("TPACKET_V3");
    }
    *ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (*ring == MAP_FAILED) {
        bare_die("mmap");
    }
    return fd;
}

static void forward_block(const struct tpacket_hdr_v1 *b, int to)
{
    const unsigned char *at = (const unsigned char *)b - offsetof(struct tpacket_block_desc, hdr) + b->offset_to_first_pkt;
    int n = 0;
    for (unsigned int i = 0; i < b->num_pkts; i++) {
        const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(const void *)at;
        if ((h->tp_status & UNUSUAL) == 0 && h->tp_len == h->tp_snaplen) {
            pieces[n] = (struct iovec){(void *)(uintptr_t)(at + h->tp_mac), h->tp_snaplen};
            messages[n].msg_hdr = (struct msghdr){.msg_iov = &pieces[n], .msg_iovlen = 1};
            n++;
        }
        at += h->tp_next_offset;
        if (n == BURST) {
            bare_send(to, messages, n, &total);
            n = 0;
        }
    }
    bare_send(to, messages, n, &total);
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "mmap", .seconds = 3600, .cpu = -1};
    unsigned char *ring;
    bare_start(&o, argc, argv, "bare_mmap --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    int to = bare_socket(o.to, false);
    ring_socket(o.from, &ring);
    for (unsigned int k = 0; !bare_stop;) {
        struct tpacket_hdr_v1 *b = &((struct tpacket_block_desc *)(void *)(ring + (size_t)k * BLOCK))->hdr.bh1;
        if ((__atomic_load_n(&b->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) {
            continue;
        }
        forward_block(b, to);
        __atomic_store_n(&b->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        k = (k + 1) % BLOCKS;
    }
    return bare_report(&o, &total);
}
