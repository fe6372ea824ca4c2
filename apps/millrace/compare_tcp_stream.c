/* compare_tcp_stream.c: one TCP stream. The sender repeats a piece of random bytes; the sink looks at one word in each 256
 * bytes, so that what is lost, doubled or moved shows, and looking costs next to nothing. */
#include "apps/millrace/compare_tcp.h"

#include "lib/sys/clock.h"
#include "lib/sys/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 18, STRIDE = 256, PATIENCE_S = 5, PORT = 5001 };

/* What an end tells: that it is connected, then how it went. */
struct said {
    const char *failed; /* a word of this file, the same in every process that was forked from it; NULL = nothing did */
    int error;
    uint64_t bytes, altered;
    double seconds;
    double cpu_ns; /* of this end, for the stream */
};

/* The stream is the piece again and again, but that each time its first word is the place in the stream: what is lost as a
 * whole shows there. */
static unsigned char piece[PIECE], read_bytes[PIECE];

static double own_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

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

static void sink(int says, uint64_t *carried)
{
    struct said now = {.failed = NULL};
    int listener = listen_far(says);
    say(says, &now);
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
        fail(says, "accept");
    }
    set_patience(fd);
    double begin_ns = own_cpu_ns();
    ssize_t n;
    while ((n = read(fd, read_bytes, sizeof read_bytes)) > 0) {
        now.altered += altered(now.bytes, read_bytes, (size_t)n);
        now.bytes += (uint64_t)n;
        __atomic_store_n(carried, now.bytes, __ATOMIC_RELAXED);
    }
    now.cpu_ns = own_cpu_ns() - begin_ns;
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
    double begin_ns = own_cpu_ns();
    uint64_t begin = mr_now_ns();
    send_all(fd, says, bytes);
    uint64_t answer;
    if (recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) {
        fail(says, "be answered");
    }
    now.seconds = (double)(mr_now_ns() - begin) / 1e9;
    now.cpu_ns = own_cpu_ns() - begin_ns;
    say(says, &now);
    _exit(0);
}

/* ---- the parent ---- */

/* The stack's ways to say that its patience is over. */
static const char *words_of(int error)
{
    return error == EAGAIN || error == EINPROGRESS || error == ETIMEDOUT ? "nothing comes through" : strerror(error);
}

static int hear(int fd, const char *who, struct said *what, struct mr_error *err)
{
    if (TEMP_FAILURE_RETRY(read(fd, what, sizeof *what)) != sizeof *what) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the %s of the TCP stream died", who);
    }
    return what->failed == NULL ? 0
                                : mr_error_set(err, MR_FAULT_RUN, what->error, "compare: the %s of the TCP stream cannot %s: %s", who,
                                               what->failed, words_of(what->error));
}

/* Forks an end on its side; `go` is read by the sender alone. */
static int start(const struct compare_stream *s, const struct lab_net *net, bool is_sender, uint32_t cpu, int go, pid_t *pid,
                 int *says, struct mr_error *err)
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
        return mr_error_set(err, MR_FAULT_MACHINE, error, "compare: cannot start an end of the TCP stream: %s%s", strerror(error),
                            mr_error_remedy(error));
    }
    if (*pid == 0) {
        lab_child(parent, is_sender ? "mr-tcp-send" : "mr-tcp-sink");
        int result = lab_net_enter(net, is_sender ? LAB_ENDS : LAB_FAR);
        if (result < 0) {
            errno = -result;
            fail(ends[1], "enter its namespace");
        }
        if (!is_sender) {
            sink(ends[1], s->carried);
        }
        mr_thread_pin(cpu);
        sender(ends[1], go, s->bytes);
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
    s->bytes = bytes;
    void *page = mmap(NULL, sizeof *s->carried, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: no memory for a TCP stream: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    s->carried = page;
    if (pipe2(go, O_CLOEXEC) != 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: no pipe: %s%s", strerror(errno), mr_error_remedy(errno));
    }
    s->go = go[1];
    int result = start(s, net, false, cpu, -1, &s->sink, &s->sink_says, err);
    result = result < 0 ? result : hear(s->sink_says, "sink", &now, err);
    result = result < 0 ? result : start(s, net, true, cpu, go[0], &s->sender, &s->sender_says, err);
    result = result < 0 ? result : hear(s->sender_says, "sender", &now, err);
    close(go[0]);
    return result;
}

static double gigabytes(uint64_t bytes)
{
    return (double)bytes / 1e9;
}

/* Until the sink has something to say. */
static int wait_sink(const struct compare_stream *s, int pipeline, uint64_t limit_ns, struct mr_error *err)
{
    struct pollfd any[] = {{.fd = s->sink_says, .events = POLLIN}, {.fd = pipeline, .events = POLLIN}};
    int n = TEMP_FAILURE_RETRY(poll(any, 2, (int)(limit_ns / 1000000)));
    if (n > 0 && any[0].revents != 0) {
        return 0;
    }
    double carried = gigabytes(__atomic_load_n(s->carried, __ATOMIC_RELAXED)), all = gigabytes(s->bytes);
    if (n > 0) {
        return mr_error_set(err, MR_FAULT_RUN, ECHILD, "compare: the pipeline ended in the middle of a TCP stream, with %.2f of %.2f GB "
                            "carried", carried, all);
    }
    return mr_error_set(err, MR_FAULT_RUN, ETIMEDOUT, "compare: its %.0f s were over with %.2f of %.2f GB carried",
                        (double)limit_ns / 1e9, carried, all);
}

int compare_stream_run(struct compare_stream *s, int pipeline, uint64_t limit_ns, struct compare_streamed *out, struct mr_error *err)
{
    struct said sent, got;
    if (write(s->go, "g", 1) != 1) {
        return mr_error_set(err, MR_FAULT_RUN, errno, "compare: the sender of the TCP stream is gone");
    }
    int result = wait_sink(s, pipeline, limit_ns, err);
    result = result < 0 ? result : hear(s->sink_says, "sink", &got, err);
    result = result < 0 ? result : hear(s->sender_says, "sender", &sent, err);
    if (result < 0) {
        return result;
    }
    if (got.bytes != s->bytes || got.altered != 0) {
        return mr_error_set(err, MR_FAULT_RUN, EIO, "compare: TCP came through altered: %llu of %llu bytes; of a word in each %d bytes, "
                            "%llu are others", (unsigned long long)got.bytes, (unsigned long long)s->bytes, STRIDE,
                            (unsigned long long)got.altered);
    }
    *out = (struct compare_streamed){.seconds = sent.seconds, .ends_ns = sent.cpu_ns + got.cpu_ns};
    return 0;
}

uint64_t compare_stream_end(struct compare_stream *s)
{
    const pid_t children[] = {s->sink, s->sender};
    const int files[] = {s->sink_says, s->sender_says, s->go};
    uint64_t carried = s->carried != NULL ? __atomic_load_n(s->carried, __ATOMIC_RELAXED) : 0;
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
    if (s->carried != NULL) {
        munmap(s->carried, sizeof *s->carried);
    }
    *s = (struct compare_stream){.sink = 0};
    return carried;
}
