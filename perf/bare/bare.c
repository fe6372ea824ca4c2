#include "perf/bare/bare.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET_BYTES = 4 << 20, HUGE_PAGE = 2 << 20, UNUSUAL = TP_STATUS_VLAN_VALID | TP_STATUS_CSUMNOTREADY };

volatile int bare_stop;
static double start_s;

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

_Noreturn void bare_die(const char *what)
{
    perror(what);
    exit(1);
}

static void on_signal(int signal)
{
    (void)signal;
    bare_stop = 1;
}

/* A call that waits must come back with EINTR: no SA_RESTART. The timer repeats, in case a signal meets no call. */
static void prepare_end(double seconds)
{
    struct sigaction act = {.sa_handler = on_signal};
    struct itimerval timer = {.it_interval = {0, 50000}};
    timer.it_value.tv_sec = (time_t)seconds;
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6) + 1;
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static bool take_option(struct bare_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--from") == 0) {
        o->from = value;
    } else if (strcmp(name, "--to") == 0) {
        o->to = value;
    } else if (strcmp(name, "--for") == 0) {
        o->seconds = strtod(value, NULL);
    } else if (strcmp(name, "--frames") == 0) {
        o->frames = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--bytes") == 0) {
        o->bytes = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--mode") == 0 && o->has_modes) {
        o->mode = value;
    } else if (strcmp(name, "--cpu") == 0) {
        o->cpu = atoi(value);
    } else {
        return false;
    }
    return true;
}

void bare_start(struct bare_options *o, int argc, char **argv, const char *usage)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(o, argv[i], argv[i + 1])) {
            fprintf(stderr, "usage: %s\n", usage);
            exit(2);
        }
    }
    if (o->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(o->cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0) {
            bare_die("sched_setaffinity");
        }
    }
    prepare_end(o->seconds);
    start_s = seconds_of(CLOCK_MONOTONIC);
}

int bare_socket(const char *device, bool receive)
{
    const int one = 1, bytes = SOCKET_BYTES;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = receive ? htons(ETH_P_ALL) : 0};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // protocol 0: nothing is taken in before bind
    at.sll_ifindex = (int)if_nametoindex(device == NULL ? "" : device);
    if (fd < 0 || at.sll_ifindex == 0) {
        bare_die(device == NULL ? "no device" : device);
    }
    if (receive) {
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    } else {
        setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    }
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        bare_die("bind");
    }
    return fd;
}

bool bare_usual(const unsigned char *control, size_t bytes)
{
    const struct cmsghdr *c = (const struct cmsghdr *)(const void *)control;
    struct tpacket_auxdata aux;
    if (bytes < CMSG_LEN(sizeof aux) || c->cmsg_level != SOL_PACKET) {
        return false;
    }
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    return (aux.tp_status & UNUSUAL) == 0 && aux.tp_len == aux.tp_snaplen;
}

void bare_send(int fd, struct mmsghdr *messages, int n, struct bare_total *total)
{
    for (int done = 0; done < n && !bare_stop;) {
        int sent = sendmmsg(fd, messages + done, (unsigned int)(n - done), 0);
        total->syscalls++;
        total->frames += sent > 0 ? (uint64_t)sent : 0;
        done += sent > 0 ? sent : 1; // the first of the rest was refused
    }
}

void *bare_memory(size_t bytes)
{
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        memory = aligned_alloc(HUGE_PAGE, bytes);
        if (memory == NULL) {
            bare_die("memory");
        }
        madvise(memory, bytes, MADV_HUGEPAGE);
        memset(memory, 0, bytes);
    }
    return memory;
}

int bare_report(const struct bare_options *o, const struct bare_total *t)
{
    printf("{\"mode\": \"%s\", \"frames\": %lu, \"seconds\": %.6f, ", o->mode, t->frames,
           seconds_of(CLOCK_MONOTONIC) - start_s);
    printf("\"cpu_ns\": %.0f, \"syscalls\": %lu, \"rearms\": %lu}\n", seconds_of(CLOCK_PROCESS_CPUTIME_ID) * 1e9,
           t->syscalls, t->rearms);
    return 0;
}
