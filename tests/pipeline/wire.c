#include "tests/pipeline/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void wire_die(const char *what)
{
    fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
    exit(3);
}

double wire_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int usage(void)
{
    fprintf(stderr, "usage: wire tcp-serve PORT | tcp-send ADDR PORT BYTES | send DEV FRAMES |\n"
                    "       wire knock NS/DEV NS/DEV | udp NS/DEV NS/DEV [FRAMES [WINDOW [MIN..MAX]]] |\n"
                    "       wire sizes NS/DEV NS/DEV [TAGS] |\n"
                    "       wire flow NS/DEV NS/DEV FRAMES [KPPS] |\n"
                    "       wire lossy NS/DEV NS/DEV MS [WINDOW [MIN..MAX]] |\n"
                    "       wire frames NS/DEV NS/DEV [FRAMES [WINDOW [MIN..MAX [VLAN]]]]\n");
    return 2;
}

static int frames(int argc, char **argv, bool lossy)
{
    struct wire_frames job = {argv[2], argv[3], .frames = 1000, .window = 64, .min_bytes = 60, .max_bytes = 60};
    if (argc > 4) {
        job.frames = (uint32_t)strtoul(argv[4], NULL, 10);
    }
    if (argc > 5) {
        job.window = (uint32_t)strtoul(argv[5], NULL, 10);
    }
    if (argc > 6 && sscanf(argv[6], "%u..%u", &job.min_bytes, &job.max_bytes) != 2) {
        return usage();
    }
    if (argc > 7) {
        job.vlan = (uint32_t)strtoul(argv[7], NULL, 10);
    }
    job.udp = strcmp(argv[1], "udp") == 0;
    return lossy ? wire_lossy(&job, job.frames) : wire_frames(&job);
}

static int flow(int argc, char **argv)
{
    struct wire_frames job = {argv[2], argv[3], .min_bytes = 60, .max_bytes = 60};
    job.frames = (uint32_t)strtoul(argv[4], NULL, 10);
    return wire_flow(&job, argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(verb, "tcp-serve") == 0 && argc == 3) {
        return wire_tcp_serve(argv[2]);
    }
    if (strcmp(verb, "tcp-send") == 0 && argc == 5) {
        return wire_tcp_send(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    }
    if ((strcmp(verb, "frames") == 0 && argc >= 4 && argc <= 8) || (strcmp(verb, "udp") == 0 && argc >= 4 && argc <= 7)) {
        return frames(argc, argv, false);
    }
    if (strcmp(verb, "lossy") == 0 && argc >= 5 && argc <= 7) {
        return frames(argc, argv, true);
    }
    if (strcmp(verb, "knock") == 0 && argc == 4) {
        return wire_knock(argv[2], argv[3]);
    }
    if (strcmp(verb, "flow") == 0 && (argc == 5 || argc == 6)) {
        return flow(argc, argv);
    }
    if (strcmp(verb, "sizes") == 0 && (argc == 4 || argc == 5)) {
        return wire_sizes(argv[2], argv[3], argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0);
    }
    if (strcmp(verb, "send") == 0 && argc == 4) {
        return wire_send(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    }
    return usage();
}
