/* bare_mmap_xdp: frames from one device to another without an engine: received from a ring of blocks (TPACKET_V3), copied
 * into a chunk and sent by AF_XDP: no BPF program, no privilege beyond a namespace. 64 a burst; a chunk is free again with its
 * completion. Looks without waiting, as the engine does; what is not as usual is dropped.
 */
#include "perf/bare/bare.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

enum { BLOCK = 128 << 10, BLOCKS = 64, FRAME = 2048, UNUSUAL = TP_STATUS_VLAN_VALID | TP_STATUS_CSUMNOTREADY };
enum { CHUNK = 2048, CHUNKS = 1024, BURST = 64 };

static struct xsk_ring_prod fill, tx;
static struct xsk_ring_cons comp;
static struct xsk_socket *sender;
static unsigned char *memory;
static uint64_t chunks[CHUNKS]; // free ones
static uint32_t n_chunks;
static struct bare_total total;

static unsigned char *make_ring(const char *device)
{
    struct tpacket_req3 r = {.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = FRAME,
                             .tp_frame_nr = BLOCKS * (BLOCK / FRAME), .tp_retire_blk_tov = 1};
    int version = TPACKET_V3, fd = bare_socket(device, true);
    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof r) < 0) {
        bare_die("TPACKET_V3");
    }
    unsigned char *ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (ring == MAP_FAILED) {
        bare_die("mmap");
    }
    return ring;
}

/* The queue's last user may have closed it a moment ago: the kernel lets go later. */
static void make_sender(const char *device)
{
    struct xsk_umem *umem;
    struct xsk_umem_config shape = {.fill_size = CHUNKS, .comp_size = CHUNKS, .frame_size = CHUNK};
    struct xsk_socket_config c = {.tx_size = CHUNKS, .libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
                                  .bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP};
    memory = bare_memory((size_t)CHUNKS * CHUNK);
    int rc = xsk_umem__create(&umem, memory, (uint64_t)CHUNKS * CHUNK, &fill, &comp, &shape);
    for (int tries = 0; rc == 0 || (rc == -EBUSY && tries < 200); tries++) {
        rc = xsk_socket__create(&sender, device, 0, umem, NULL, &tx, &c);
        if (rc == 0) {
            return;
        }
        usleep(5000);
    }
    errno = -rc;
    bare_die("AF_XDP socket");
}

static void send_and_complete(void)
{
    uint32_t at;
    sendto(xsk_socket__fd(sender), NULL, 0, MSG_DONTWAIT, NULL, 0); // 32 frames at most
    total.syscalls++;
    uint32_t n = xsk_ring_cons__peek(&comp, CHUNKS, &at);
    for (uint32_t i = 0; i < n; i++) {
        chunks[n_chunks++] = *xsk_ring_cons__comp_addr(&comp, at + i);
    }
    xsk_ring_cons__release(&comp, n);
}

static void copy_and_queue(const unsigned char *frame, uint32_t bytes)
{
    uint32_t at = 0;
    while (!bare_stop && (n_chunks == 0 || xsk_ring_prod__reserve(&tx, 1, &at) == 0)) {
        send_and_complete();
    }
    if (!bare_stop) {
        uint64_t chunk = chunks[--n_chunks];
        memcpy(memory + chunk, frame, bytes);
        *xsk_ring_prod__tx_desc(&tx, at) = (struct xdp_desc){.addr = chunk, .len = bytes};
        xsk_ring_prod__submit(&tx, 1);
        total.frames++;
    }
}

static void forward_block(const struct tpacket_hdr_v1 *b)
{
    const unsigned char *at = (const unsigned char *)b - offsetof(struct tpacket_block_desc, hdr) + b->offset_to_first_pkt;
    for (unsigned int i = 0; i < b->num_pkts; i++) {
        const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(const void *)at;
        if ((h->tp_status & UNUSUAL) == 0 && h->tp_len == h->tp_snaplen && h->tp_len <= CHUNK) {
            copy_and_queue(at + h->tp_mac, h->tp_snaplen);
        }
        at += h->tp_next_offset;
        if (i % BURST == BURST - 1) {
            send_and_complete();
        }
    }
}

int main(int argc, char **argv)
{
    struct bare_options o = {.mode = "mmap_xdp", .seconds = 3600, .cpu = -1};
    bare_start(&o, argc, argv, "bare_mmap_xdp --from DEVICE --to DEVICE [--cpu N] [--for SECONDS]");
    make_sender(o.to);
    for (n_chunks = 0; n_chunks < CHUNKS; n_chunks++) {
        chunks[n_chunks] = (uint64_t)n_chunks * CHUNK;
    }
    unsigned char *ring = make_ring(o.from);
    for (unsigned int k = 0; !bare_stop;) {
        struct tpacket_hdr_v1 *b = &((struct tpacket_block_desc *)(void *)(ring + (size_t)k * BLOCK))->hdr.bh1;
        if ((__atomic_load_n(&b->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0) {
            forward_block(b);
            __atomic_store_n(&b->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
            k = (k + 1) % BLOCKS;
        }
        if (n_chunks != CHUNKS) {
            send_and_complete();
        }
    }
    return bare_report(&o, &total);
}
