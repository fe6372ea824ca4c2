/* dpdk_packet.c: what net_af_packet does not tell of its sockets. Control.
 *
 * The PMD copies a frame into the ring that its socket shares with the kernel, counts it as sent, and rings once per burst.
 * What the kernel refuses then (no carrier: ENOBUFS, down: ENETDOWN) stays in the ring and is sent at a later ring, after
 * the link is back: oerrors counts some of those, and none of them is lost yet. Lost is what stands there when the device
 * is closed. And what found the receiving ring full is counted by the socket, which DPDK 22.11 never asks.
 *
 * So the sockets are found when the device is plugged in, by looking at what files are new, and the ring by its mapping:
 * receiving half first, as packet(7) lays it.
 */
#include "lib/port/dpdk.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { RINGS_MAX = 20, RING_PAUSE_NS = 1000000, SLOT_BYTES = 2048 };

static struct {
    int *fd; /* packet sockets, before the device was plugged in */
    uint32_t n;
    bool full; /* no memory for more: then none is told apart */
} there;

static bool is_packet_socket(int fd)
{
    int domain = 0;
    socklen_t bytes = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_PACKET;
}

static void each_socket(void (*look)(int fd, void *arg), void *arg)
{
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(d) && is_packet_socket(fd)) {
            look(fd, arg);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
}

static void note(int fd, void *arg)
{
    (void)arg;
    int *more = realloc(there.fd, (there.n + 1) * sizeof *more);
    there.full |= more == NULL;
    if (more != NULL) {
        there.fd = more;
        there.fd[there.n++] = fd;
    }
}

void mr_dpdk_packet_note(void)
{
    there.n = 0;
    there.full = false;
    each_socket(note, NULL);
}

static void find(int fd, void *arg)
{
    struct mr_dpdk_port *p = arg;
    bool old = there.full;
    for (uint32_t i = 0; i < there.n; i++) {
        old |= there.fd[i] == fd;
    }
    if (!old && p->n_sockets < MR_QUEUES_MAX) {
        p->sockets[p->n_sockets++] = fd;
    }
}

void mr_dpdk_packet_find(struct mr_dpdk_port *p)
{
    const char *argument = strstr(p->port->config->device, ",framesz=");
    p->slot_bytes = argument != NULL ? (uint32_t)strtoul(argument + strlen(",framesz="), NULL, 10) : SLOT_BYTES;
    each_socket(find, p);
    free(there.fd);
    there.fd = NULL;
    there.n = 0;
}

uint32_t mr_dpdk_packet_longest(const struct mr_dpdk_port *p)
{
    return p->slot_bytes - (uint32_t)(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll));
}

/* The kernel begins anew with each look. */
uint64_t mr_dpdk_packet_drops(struct mr_dpdk_port *p)
{
    for (uint32_t i = 0; i < p->n_sockets; i++) {
        struct tpacket_stats s = {0};
        socklen_t bytes = sizeof s;
        if (getsockopt(p->sockets[i], SOL_PACKET, PACKET_STATISTICS, &s, &bytes) == 0) {
            p->tp_drops += s.tp_drops;
        }
    }
    return p->tp_drops;
}

/* The sending half of a socket's ring; *bytes of it. */
static const unsigned char *ring_of(int fd, size_t *bytes)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    struct stat file;
    char line[256];
    const unsigned char *ring = NULL;
    if (fstat(fd, &file) != 0) {
        file.st_ino = 0; // of no socket
    }
    while (maps != NULL && ring == NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long first, end, inode;
        if (strstr(line, "socket:") != NULL && sscanf(line, "%lx-%lx %*s %*s %*s %lu", &first, &end, &inode) == 3 &&
            inode == file.st_ino) {
            *bytes = (end - first) / 2;
            ring = (const unsigned char *)first + *bytes; // NOLINT: an address that the kernel wrote as text
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return ring;
}

static uint32_t count_waiting(const unsigned char *ring, size_t bytes, size_t slot_bytes)
{
    uint32_t n = 0;
    for (size_t at = 0; at + slot_bytes <= bytes; at += slot_bytes) {
        const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)(const void *)(ring + at);
        n += (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_SEND_REQUEST) != 0; // SENDING: the kernel has it
    }
    return n;
}

/* Sent after all where the device takes it by now: a queue that was full once has room again within milliseconds. */
static uint32_t empty_ring(int fd, size_t slot_bytes)
{
    size_t bytes = 0;
    const unsigned char *ring = ring_of(fd, &bytes);
    uint32_t n = ring == NULL ? 0 : count_waiting(ring, bytes, slot_bytes);
    for (int tries = 0; n != 0 && tries < RINGS_MAX; tries++) {
        sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
        n = count_waiting(ring, bytes, slot_bytes);
        if (n != 0) {
            nanosleep(&(struct timespec){.tv_nsec = RING_PAUSE_NS}, NULL);
        }
    }
    return n;
}

uint64_t mr_dpdk_packet_left(const struct mr_dpdk_port *p)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < p->n_sockets; i++) {
        left += empty_ring(p->sockets[i], p->slot_bytes);
    }
    return left;
}
