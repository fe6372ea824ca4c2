/* pcap_input.c: a file, a pipe or standard input as bytes, for the reading thread. */
#include "lib/port/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_LOOK_MS = 20 }; // how late a stop is seen by who waits for a pipe
enum { ROOM = MR_PCAP_LONGEST + 64 };

static int fail(const struct mr_pcap_input *in, struct mr_error *err, int code)
{
    const char *remedy = mr_error_remedy(code);
    return mr_error_set(err, remedy[0] != 0 ? MR_FAULT_MACHINE : MR_FAULT_CONFIG, code,
                        "%s: cannot open it for reading: %s%s", in->name, strerror(code), remedy);
}

/* Without blocking: the open of a FIFO would wait for a writer. Folders can be opened, too, and not be read. */
int mr_pcap_input_open(struct mr_pcap_input *in, const char *file, const uint32_t *stop, struct mr_error *err)
{
    struct stat st;
    *in = (struct mr_pcap_input){.stop = stop, .is_stdin = strcmp(file, "-") == 0};
    snprintf(in->name, sizeof in->name, "%s", in->is_stdin ? "standard input" : file);
    in->fd = in->is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->fd < 0 || fstat(in->fd, &st) < 0) {
        return fail(in, err, errno);
    }
    if (S_ISDIR(st.st_mode)) {
        return fail(in, err, EISDIR);
    }
    if (isatty(in->fd)) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "%s is a terminal, which has no capture to give; name a file, "
                            "or send one into it", in->name);
    }
    in->regular = S_ISREG(st.st_mode);
    in->device = st.st_dev;
    in->inode = st.st_ino;
    in->buffer = malloc(MR_PCAP_BUFFER + ROOM);
    return in->buffer != NULL ? 0 : mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "%s: no memory to read it; free some", in->name);
}

/* A FIFO that nobody has opened yet says POLLHUP, or nothing, until somebody does: the end of a pipe is only what comes
 * behind its bytes. 0 = readable. */
static int wait_for_bytes(const struct mr_pcap_input *in)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    while (mr_load_acquire(in->stop) == 0) {
        if (poll(&p, 1, PIPE_LOOK_MS) > 0) {
            if ((p.revents & POLLIN) != 0 || in->offset != 0 || in->end != 0 || in->is_stdin) {
                return 0;
            }
            poll(NULL, 0, PIPE_LOOK_MS);
        }
    }
    return -ECANCELED;
}

int64_t mr_pcap_input_read(struct mr_pcap_input *in, void *to, uint32_t n)
{
    for (;;) {
        int rc = in->regular ? 0 : wait_for_bytes(in);
        if (rc < 0) {
            return rc;
        }
        ssize_t got = read(in->fd, to, n);
        if (got >= 0) {
            return got;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return -errno;
        }
    }
}

int64_t mr_pcap_input_fill(struct mr_pcap_input *in, uint32_t n)
{
    if (MR_LIKELY(in->end - in->begin >= n)) {
        return in->end - in->begin;
    }
    memmove(in->buffer, in->buffer + in->begin, in->end - in->begin);
    in->end -= in->begin;
    in->begin = 0;
    while (in->end < n) {
        int64_t got = mr_pcap_input_read(in, in->buffer + in->end, MR_PCAP_BUFFER + ROOM - in->end);
        if (got <= 0) {
            return got < 0 ? got : in->end;
        }
        in->end += (uint32_t)got;
    }
    return in->end;
}

int mr_pcap_input_rewind(struct mr_pcap_input *in)
{
    if (!in->regular || lseek(in->fd, 0, SEEK_SET) < 0) {
        return in->regular ? -errno : -ESPIPE;
    }
    in->begin = in->end = 0;
    in->offset = 0;
    return 0;
}

void mr_pcap_input_close(struct mr_pcap_input *in)
{
    if (in->fd >= 0 && !in->is_stdin && in->name[0] != 0) {
        close(in->fd);
    }
    free(in->buffer);
    *in = (struct mr_pcap_input){.fd = -1};
}
