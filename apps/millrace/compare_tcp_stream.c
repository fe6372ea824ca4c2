/* compare_tcp_stream.c: one TCP stream. The sender repeats a piece of random bytes; the sink looks at one word in each 256
 * bytes, so that what is lost, doubled or moved shows, and looking costs next to nothing. */
#include "apps/millrace/compare_tcp.h"

#include "lib/sys/clock.h"
#include "lib/sys/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 1 << 18, STRIDE = 256, PATIENCE_S = 5, PORT = 5001 };

/* What an end tells: that it is connected, then how it went. */
struct said {
    const char *failed; /* a word of this file, the same in every process that was forked from it; NULL = nothing did */
    int error;
    uint64_t bytes, altered;
    double seconds;
};

/* The stream is the piece again and again, but that each time its first word is the place in the stream: what is lost as a
 * whole shows there. */
static unsigned char piece[PIECE], read_bytes[PIECE];

static void fill_piece(void)
{
    uint64_t state = 77;
    for (size_t i = 0; i < PIECE; i += sizeof state) {
        uint64_t word = mr_random(&state);
        memcpy(piece + i, &word, sizeof word);
    }
}

static void say(int fd, const struct said *what)
{
    if (write(fd, what, sizeof *what) != sizeof *what) {
        _exit(1);
    }
}

static void fail(int fd, const char *what)
{
    say(fd, &(struct said){.failed = what, .error = errno});
    _exit(1);
}

/* A stream that stands still ends in an error. */
static void set_patience(int fd)
{
    const struct timeval t = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

static struct sockaddr_in far_end(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x0a4d0002)};
}

/* ---- the sink ---- */

static int listen_far(int says)
{
    struct sockaddr_in at = far_end();
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1) < 0) {
        fail(says, "listen");
    }
    set_patience(fd);
    return fd;
}

/* Words that are not what was sent at this place of the stream. */
static uint64_t altered(uint64_t at, const unsigned char *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = (STRIDE - at % STRIDE) % STRIDE; i + sizeof(uint64_t) <= n; i += STRIDE) {
        uint64_t place = at + i;
        sum += memcmp(bytes + i, place % PIECE == 0 ? (unsigned char *)&place : piece + place % PIECE, sizeof place) != 0;
    }
    return sum;
}

static void sink(int says)
{
    struct said now = {.failed = NULL};
    int listener = listen_far(says);
    say(says, &now);
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
        fail(says, "accept");
    }
    set_patience(fd);
    ssize_t n;
    while ((n = read(fd, read_bytes, sizeof read_bytes)) > 0) {
        now.altered += altered(now.bytes, read_bytes, (size_t)n);
        now.bytes += (uint64_t)n;
    }
    if (n < 0 || write(fd, &now.bytes, sizeof now.bytes) != sizeof now.bytes) {
        fail(says, n < 0 ? "receive" : "answer");
    }
    say(says, &now);
    _exit(0);
}

/* ---- the sender ---- */

static void send_all(int fd, int says, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        size_t at = done % PIECE, most = PIECE - at;
        if (at == 0) {
            memcpy(piece, &done, sizeof done);
        }
        ssize_t n = write(fd, piece + at, bytes - done < most ? bytes - done : most);
        if (n < 0) {
            fail(says, "send");
        }
        done += (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
}

static void sender(int says, int go, uint64_t bytes)
{
    struct sockaddr_in to = far_end();
    struct said now = {.failed = NULL};
    char byte;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_patience(fd);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        fail(says, "connect");
    }
    say(says, &now);
    if (TEMP_FAILURE_RETRY(read(go, &byte, 1)) != 1) {
        _exit(1);
    }
    uint64_t begin = mr_now_ns();
    send_all(fd, says, bytes);
    uint64_t answer;
    if (recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) {
        fail(says, "be answered");
    }
    now.seconds = (double)(mr_now_ns() - begin) / 1e9;
    say(says, &now);
    _exit(0);
}

/* ---- the parent ---- */

static int hear(int fd, const char *who, struct said *what, struct mr_error *err)
{
    if (TEMP_FAILURE_RETRY(read(fd, what, sizeof *what)) != sizeof *what) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the %s of the TCP stream died", who);
    }
    return what->failed == NULL ? 0
                                : mr_error_set(err, MR_FAULT_RUN, what->error, "compare: the %s of the TCP stream cannot %s: %s", who,
                                               what->failed, what->error == EAGAIN ? "nothing comes through" : strerror(what->error));
}

/* Forks an end on its side; `go` is read by the sender alone. */
static int start(const struct lab_net *net, bool is_sender, uint32_t cpu, int go, uint64_t bytes, pid_t *pid, int *says,
                 struct mr_error *err)
{
    int ends[2];
    pid_t parent = getpid();
    bool piped = pipe2(ends, O_CLOEXEC) == 0;
    if (!piped || (*pid = fork()) < 0) {
        int error = errno;
        if (piped) {
            close(ends[0]);
            close(ends[1]);
        }
        errno = error;
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: cannot start an end of the TCP stream: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    if (*pid == 0) {
        lab_child(parent, is_sender ? "mr-tcp-send" : "mr-tcp-sink");
        if (lab_net_enter(net, is_sender ? LAB_ENDS : LAB_FAR) < 0) {
            fail(ends[1], "enter its namespace");
        }
        if (!is_sender) {
            sink(ends[1]);
        }
        mr_thread_pin(cpu);
        sender(ends[1], go, bytes);
    }
    close(ends[1]);
    *says = ends[0];
    return 0;
}

int compare_stream_start(struct compare_stream *s, const struct lab_net *net, uint32_t cpu, uint64_t bytes, struct mr_error *err)
{
    int go[2];
    struct said now;
    fill_piece();
    if (pipe2(go, O_CLOEXEC) != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: no pipe: %s%s", strerror(errno), mr_error_remedy(errno));
    }
    s->go = go[1];
    int result = start(net, false, cpu, -1, bytes, &s->sink, &s->sink_says, err);
    result = result < 0 ? result : hear(s->sink_says, "sink", &now, err);
    result = result < 0 ? result : start(net, true, cpu, go[0], bytes, &s->sender, &s->sender_says, err);
    result = result < 0 ? result : hear(s->sender_says, "sender", &now, err);
    close(go[0]);
    return result;
}

int compare_stream_run(struct compare_stream *s, uint64_t bytes, double *seconds, struct mr_error *err)
{
    struct said sent, got;
    if (write(s->go, "g", 1) != 1) {
        return mr_error_set(err, MR_FAULT_RUN, errno, "compare: the sender of the TCP stream is gone");
    }
    int result = hear(s->sink_says, "sink", &got, err);
    result = result < 0 ? result : hear(s->sender_says, "sender", &sent, err);
    if (result < 0) {
        return result;
    }
    if (got.bytes != bytes || got.altered != 0) {
        return mr_error_set(err, MR_FAULT_RUN, EIO, "compare: TCP came through altered: %llu of %llu bytes; of a word in each %d bytes, "
                            "%llu are others", (unsigned long long)got.bytes, (unsigned long long)bytes, STRIDE,
                            (unsigned long long)got.altered);
    }
    *seconds = sent.seconds;
    return 0;
}

void compare_stream_end(struct compare_stream *s)
{
    const pid_t children[] = {s->sink, s->sender};
    const int files[] = {s->sink_says, s->sender_says, s->go};
    for (int i = 0; i < 2; i++) {
        if (children[i] > 0) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
        }
    }
    for (int i = 0; i < 3; i++) {
        if (files[i] > 0) {
            close(files[i]);
        }
    }
    *s = (struct compare_stream){.sink = 0};
}
