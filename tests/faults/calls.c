/* calls.c: each call that may fail, made to fail when told: with the build option `faults` the linker (--wrap) puts this
 * file between the command and libc, liburing and libyaml, so that no source knows of it.
 *
 *   MR_FAIL=7:ENOMEM               the 7th call of the process fails
 *   MR_FAIL=socket:2:EMFILE        the second socket()
 *   MR_FAIL=socket@1f2e3d4c:1:EMFILE  the first one of this site; 1+ instead of 1: and all that follow
 *   MR_CALLS=FILE                  appends a line for each call, with MR_FAIL for those only that were made to fail:
 *                                  number, name, number within the name, site, errnos it may fail with, return addresses
 *
 * A site is the chain of four return addresses within the command, as a number: the same in every process of one build,
 * whatever its threads do. What is numbered is the order of calls of all threads; a child counts on from its parent.
 */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yaml.h>

enum { CHAIN = 4, FRAMES_MAX = 16, LINE_BYTES = 256 };

struct call {
    const char *name;
    const char *errnos; /* that it may fail with, by comma; the first is the likeliest */
    uint32_t count;
};

struct site {
    uint32_t hash;
    uint32_t n;
    uintptr_t at[CHAIN]; /* offsets into the command */
};

/* Written before main, then read only, but for the counters. */
static struct {
    bool listing, failing;
    char name[48];      /* empty: any */
    bool has_site, onward;
    uint32_t site, number;
    int error;
    uint32_t calls, matches;
    char file[256];
} told;

extern const char __executable_start, __etext;

static bool ours(const void *address)
{
    return (const char *)address > &__executable_start && (const char *)address < &__etext;
}

static void find_site(struct site *s)
{
    void *frames[FRAMES_MAX];
    int n = backtrace(frames, FRAMES_MAX);
    *s = (struct site){.hash = 2166136261u};
    for (int i = 3; i < n && s->n < CHAIN; i++) { // behind this function, fails, and the wrapper
        if (ours(frames[i])) {
            s->at[s->n] = (uintptr_t)frames[i] - (uintptr_t)&__executable_start;
            s->hash = (s->hash ^ (uint32_t)s->at[s->n++]) * 16777619u;
        }
    }
}

/* By system calls of its own: whatever goes wrong here is not what is tested. */
static void write_line(const struct call *c, uint32_t number, uint32_t of_name, const struct site *s)
{
    char line[LINE_BYTES];
    int used = snprintf(line, sizeof line, "%u %s %u %08x %s", number, c->name, of_name, s->hash, c->errnos);
    for (uint32_t i = 0; i < s->n; i++) {
        used += snprintf(line + used, sizeof line - (size_t)used, " %" PRIxPTR, s->at[i] - 1);
    }
    line[used++] = '\n';
    long fd = syscall(SYS_openat, -100, told.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    syscall(SYS_write, fd, line, (size_t)used);
    syscall(SYS_close, fd);
}

static bool matches(const struct call *c, uint32_t number, uint32_t of_name, const struct site *s)
{
    if (told.name[0] == 0) {
        return told.onward ? number >= told.number : number == told.number;
    }
    if (strcmp(told.name, c->name) != 0 || (told.has_site && s->hash != told.site)) {
        return false;
    }
    uint32_t k = told.has_site ? __atomic_add_fetch(&told.matches, 1, __ATOMIC_RELAXED) : of_name;
    return told.onward ? k >= told.number : k == told.number;
}

/* The errno that this call shall fail with, or 0. */
static __attribute__((noinline)) int fails(struct call *c)
{
    int saved = errno;
    struct site s = {0};
    if (!told.listing && !told.failing) {
        return 0;
    }
    uint32_t number = __atomic_add_fetch(&told.calls, 1, __ATOMIC_RELAXED);
    uint32_t of_name = __atomic_add_fetch(&c->count, 1, __ATOMIC_RELAXED);
    if (told.listing || (told.has_site && strcmp(told.name, c->name) == 0)) {
        find_site(&s);
    }
    bool hit = told.failing && matches(c, number, of_name, &s);
    if (hit ? told.file[0] != 0 : told.listing) {
        write_line(c, number, of_name, &s);
    }
    errno = saved;
    return hit ? told.error : 0;
}

/* ---- what was told ---- */

static int error_of(const char *name)
{
    for (int e = 1; e < 134; e++) {
        const char *is = strerrorname_np(e);
        if (is != NULL && strcmp(is, name) == 0) {
            return e;
        }
    }
    return 0;
}

/* [NAME[@SITE]:]NUMBER[+]:ERRNO */
static bool read_order(const char *text)
{
    const char *number = text, *colon = strchr(text, ':'), *error = strrchr(text, ':');
    char *end;
    if (colon == NULL) {
        return false;
    }
    if (colon != error) {
        size_t length = strcspn(text, "@:");
        snprintf(told.name, sizeof told.name, "%.*s", (int)length, text);
        told.has_site = text[length] == '@';
        told.site = told.has_site ? (uint32_t)strtoul(text + length + 1, NULL, 16) : 0;
        number = colon + 1;
    }
    told.number = (uint32_t)strtoul(number, &end, 10);
    told.onward = *end == '+';
    told.error = error_of(error + 1);
    return told.number != 0 && end + told.onward == error && told.error != 0;
}

static __attribute__((constructor)) void read_orders(void)
{
    void *once[1];
    const char *file = getenv("MR_CALLS"), *order = getenv("MR_FAIL");
    if (order != NULL && !read_order(order)) {
        static const char text[] = "MR_FAIL: expected [NAME[@SITE]:]NUMBER[+]:ERRNO\n";
        syscall(SYS_write, 2, text, sizeof text - 1);
        _exit(125);
    }
    backtrace(once, 1); // the first one loads a library
    snprintf(told.file, sizeof told.file, "%s", file == NULL ? "" : file);
    told.failing = order != NULL;
    told.listing = file != NULL && order == NULL;
}

/* ---- the wrappers: how a failure is told; meson.build takes the names from the lines that begin with WRAP or AFTER ---- */

#define MINUS_ONE(type, error) (errno = (error), (type)-1)
#define NOTHING(type, error)   (errno = (error), (type)0)
#define CODE(type, error)      (type)(error)
#define NEGATIVE(type, error)  (type) - (error)
#define NO_YAML(type, error)   ((void)(error), p->error = YAML_MEMORY_ERROR, (type)0)

/* AFTER: the call is made all the same, as a descriptor is gone whatever close says of it. */
#define WRAP_AS(type, name, parameters, arguments, how, errnos, after)                                                 \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        static struct call call = {#name, errnos, 0};                                                                  \
        int error = fails(&call);                                                                                      \
        if (error != 0 && (after)) {                                                                                   \
            __real_##name arguments;                                                                                   \
        }                                                                                                              \
        return error != 0 ? how(type, error) : __real_##name arguments;                                                \
    }
#define WRAP(type, name, parameters, arguments, how, errnos)  WRAP_AS(type, name, parameters, arguments, how, errnos, 0)
#define AFTER(type, name, parameters, arguments, how, errnos) WRAP_AS(type, name, parameters, arguments, how, errnos, 1)

#define NEW_FD "EMFILE,ENFILE"

WRAP(void *, malloc, (size_t n), (n), NOTHING, "ENOMEM")
WRAP(void *, calloc, (size_t n, size_t m), (n, m), NOTHING, "ENOMEM")
WRAP(void *, realloc, (void *p, size_t n), (p, n), NOTHING, "ENOMEM")
WRAP(void *, aligned_alloc, (size_t a, size_t n), (a, n), NOTHING, "ENOMEM")
WRAP(FILE *, open_memstream, (char **p, size_t *n), (p, n), NOTHING, "ENOMEM")

WRAP(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, off_t at), (p, n, prot, flags, fd, at), MINUS_ONE,
     "ENOMEM")
WRAP(int, munmap, (void *p, size_t n), (p, n), MINUS_ONE, "ENOMEM")
WRAP(int, madvise, (void *p, size_t n, int advice), (p, n, advice), MINUS_ONE, "ENOMEM,EINVAL,EFAULT")
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), MINUS_ONE, NEW_FD ",ENOMEM,ENOSYS")
WRAP(int, ftruncate64, (int fd, off_t n), (fd, n), MINUS_ONE, "ENOMEM,EFBIG")
WRAP(int, fallocate64, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), MINUS_ONE, "ENOSPC,ENOMEM")
WRAP(long, mbind, (void *p, unsigned long n, int mode, const unsigned long *mask, unsigned long max, unsigned flags),
     (p, n, mode, mask, max, flags), MINUS_ONE, "EPERM,EINVAL")
WRAP(long, move_pages, (int pid, unsigned long n, void **pages, const int *nodes, int *status, int flags),
     (pid, n, pages, nodes, status, flags), MINUS_ONE, "EPERM,ENOMEM")
WRAP(long, get_mempolicy, (int *mode, unsigned long *mask, unsigned long max, void *p, unsigned flags),
     (mode, mask, max, p, flags), MINUS_ONE, "EPERM")
WRAP(long, set_mempolicy, (int mode, const unsigned long *mask, unsigned long max), (mode, mask, max), MINUS_ONE,
     "EPERM,ENOMEM")

WRAP(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), MINUS_ONE, "EMFILE,EACCES,ENOENT")
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NOTHING, "EMFILE,EACCES,ENOMEM")
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), MINUS_ONE, "EIO,EINTR")
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), MINUS_ONE, "ENOSPC,EIO,EPIPE")
WRAP(ssize_t, __getdelim, (char **line, size_t *n, int end, FILE *f), (line, n, end, f), MINUS_ONE, "ENOMEM,EIO")
WRAP(char *, fgets, (char *line, int n, FILE *f), (line, n, f), NOTHING, "EIO")
WRAP(int, fflush, (FILE *f), (f), MINUS_ONE, "ENOSPC,EIO")
AFTER(int, fclose, (FILE *f), (f), MINUS_ONE, "ENOSPC,EIO")
AFTER(int, close, (int fd), (fd), MINUS_ONE, "EIO,EINTR")
WRAP(int, fstat64, (int fd, struct stat *s), (fd, s), MINUS_ONE, "EIO,EOVERFLOW")
WRAP(off_t, lseek64, (int fd, off_t at, int from), (fd, at, from), MINUS_ONE, "ESPIPE,EINVAL")
WRAP(FILE *, fopencookie, (void *cookie, const char *mode, cookie_io_functions_t f), (cookie, mode, f), NOTHING, "ENOMEM")
WRAP(DIR *, opendir, (const char *path), (path), NOTHING, "EMFILE,EACCES,ENOMEM")
WRAP(int, stat64, (const char *path, struct stat *s), (path, s), MINUS_ONE, "EACCES")
WRAP(int, access, (const char *path, int mode), (path, mode), MINUS_ONE, "EACCES")

WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), MINUS_ONE,
     "EPERM,ENOMEM," NEW_FD ",EAFNOSUPPORT")
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), MINUS_ONE, "ENODEV,ENETDOWN,EPERM,ENOMEM")
WRAP(int, setsockopt, (int fd, int level, int option, const void *p, socklen_t n), (fd, level, option, p, n), MINUS_ONE,
     "ENOMEM,EPERM,ENOPROTOOPT,ENODEV")
WRAP(int, getsockopt, (int fd, int level, int option, void *p, socklen_t *n), (fd, level, option, p, n), MINUS_ONE,
     "ENOPROTOOPT,ENODEV")
WRAP(int, ioctl, (int fd, unsigned long request, void *p), (fd, request, p), MINUS_ONE, "ENODEV,EPERM,EOPNOTSUPP")
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), MINUS_ONE, "ENOBUFS,ENOMEM")
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), MINUS_ONE, "ENOBUFS,EINTR,ENETDOWN")

WRAP(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), MINUS_ONE, NEW_FD ",ENOMEM")
WRAP(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *t, const sigset_t *set), (fds, n, t, set),
     MINUS_ONE, "EINTR,ENOMEM")
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), MINUS_ONE, "EINTR,ENOMEM")
WRAP(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left), MINUS_ONE, "EINTR")
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*body)(void *), void *arg), (t, a, body, arg),
     CODE, "EAGAIN,EINVAL,EPERM")
WRAP(int, pthread_attr_setaffinity_np, (pthread_attr_t * a, size_t n, const cpu_set_t *set), (a, n, set), CODE, "ENOMEM")
WRAP(int, sched_setaffinity, (pid_t pid, size_t n, const cpu_set_t *set), (pid, n, set), MINUS_ONE, "EINVAL,EPERM")
WRAP(int, sched_getaffinity, (pid_t pid, size_t n, cpu_set_t *set), (pid, n, set), MINUS_ONE, "EINVAL")

WRAP(int, io_uring_queue_init_params, (unsigned n, struct io_uring *r, struct io_uring_params *p), (n, r, p), NEGATIVE,
     "ENOMEM,EPERM,ENOSYS,EINVAL," NEW_FD)
WRAP(int, io_uring_register, (unsigned fd, unsigned what, const void *p, unsigned n), (fd, what, p, n), NEGATIVE,
     "EPERM,ENOMEM,EBADFD")
WRAP(int, io_uring_register_buf_ring, (struct io_uring * r, struct io_uring_buf_reg *b, unsigned flags), (r, b, flags),
     NEGATIVE, "ENOMEM,EINVAL,EEXIST")
WRAP(int, io_uring_register_files_sparse, (struct io_uring * r, unsigned n), (r, n), NEGATIVE, "EMFILE,ENOMEM,EPERM")
WRAP(int, io_uring_register_files_update, (struct io_uring * r, unsigned at, const int *fds, unsigned n),
     (r, at, fds, n), NEGATIVE, "ENOMEM,EBADF,ENXIO")
WRAP(int, io_uring_register_ring_fd, (struct io_uring * r), (r), NEGATIVE, "EINVAL,ENOMEM")
WRAP(int, io_uring_unregister_ring_fd, (struct io_uring * r), (r), NEGATIVE, "EINVAL")
WRAP(int, io_uring_unregister_files, (struct io_uring * r), (r), NEGATIVE, "ENXIO,EEXIST")
WRAP(int, io_uring_submit, (struct io_uring * r), (r), NEGATIVE, "EAGAIN,EBUSY,EINTR")
WRAP(int, io_uring_submit_and_get_events, (struct io_uring * r), (r), NEGATIVE, "EAGAIN,EBUSY,EINTR,ENOMEM")

WRAP(pid_t, fork, (void), (), MINUS_ONE, "EAGAIN,ENOMEM")
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags), MINUS_ONE, NEW_FD)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), MINUS_ONE, "EINTR,ECHILD")
WRAP(int, unshare, (int flags), (flags), MINUS_ONE, "EPERM,ENOSPC,EINVAL")
WRAP(int, setns, (int fd, int type), (fd, type), MINUS_ONE, "EPERM,EINVAL")

WRAP(int, yaml_parser_initialize, (yaml_parser_t * p), (p), NOTHING, "ENOMEM")
WRAP(int, yaml_parser_parse, (yaml_parser_t * p, yaml_event_t *e), (p, e), NO_YAML, "ENOMEM")
WRAP(int, yaml_parser_load, (yaml_parser_t * p, yaml_document_t *d), (p, d), NO_YAML, "ENOMEM")
