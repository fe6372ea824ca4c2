/* wire_tcp.c: a stream of pseudo-random bytes, hashed on both sides. */
#include "tests/pipeline/wire.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 18, PATIENCE_S = 5 };

/* What the two sides compare. */
struct digest {
    uint64_t bytes;
    uint64_t hash;
};

/* The order counts: two words that change places change the hash. bytes beyond whole words only at the stream's end. */
static void digest_add(struct digest *d, const unsigned char *piece, size_t bytes)
{
    d->bytes += bytes;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, piece + i, bytes - i < 8 ? bytes - i : 8);
        d->hash = (d->hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        d->hash ^= d->hash >> 29;
    }
}

/* A lost connection ends in an error, not in a test that hangs. */
static void set_patience(int fd)
{
    struct timeval t = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

static size_t read_all(int fd, void *to, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        ssize_t n = read(fd, (char *)to + have, bytes - have);
        if (n < 0) {
            wire_die("read");
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
    }
    return have;
}

static void write_all(int fd, const void *from, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)from + done, bytes - done);
        if (n < 0) {
            wire_die("write");
        }
        done += (size_t)n;
    }
}

int wire_tcp_serve(const char *port)
{
    static unsigned char piece[PIECE_BYTES];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct digest own = {0, 0};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1) < 0) {
        wire_die("listen");
    }
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
        wire_die("accept");
    }
    set_patience(fd);
    for (size_t n = PIECE_BYTES; n == PIECE_BYTES;) {
        n = read_all(fd, piece, PIECE_BYTES);
        digest_add(&own, piece, n);
    }
    write_all(fd, &own, sizeof own);
    return 0;
}

int wire_tcp_send(const char *address, const char *port, uint64_t bytes)
{
    static unsigned char piece[PIECE_BYTES];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct digest own = {0, 0}, theirs = {0, 0};
    uint64_t state = 88172645463325252u;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_patience(fd);
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        wire_die("connect");
    }
    double start = wire_seconds();
    while (own.bytes < bytes) {
        size_t n = bytes - own.bytes < PIECE_BYTES ? bytes - own.bytes : PIECE_BYTES;
        for (size_t i = 0; i < n; i += 8) {
            uint64_t word = wire_random(&state);
            memcpy(piece + i, &word, sizeof word);
        }
        digest_add(&own, piece, n);
        write_all(fd, piece, n);
    }
    shutdown(fd, SHUT_WR);
    bool equal = read_all(fd, &theirs, sizeof theirs) == sizeof theirs && memcmp(&own, &theirs, sizeof own) == 0;
    double seconds = wire_seconds() - start;
    printf("{\"bytes\": %lu, \"seconds\": %.3f, \"mbps\": %.0f, \"hash_equal\": %s}\n", own.bytes, seconds,
           (double)own.bytes * 8e-6 / seconds, equal ? "true" : "false");
    return equal ? 0 : 1;
}
