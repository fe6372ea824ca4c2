/* bench_pcap.c: captures as whole processes: `millrace run` between two files against `tcpdump -r … -w …` and cp.
 *
 * A million frames of 60 bytes (64 with FCS) in /dev/shm. A rate is frames by wall time from exec to exit, start-up and
 * report included; each output is compared with what it must be, outside of the time. cp is no race: it is what the bytes
 * cost that nobody looked at. `writing` takes frames from a memory source, so there is no file to read.
 */
#include "perf/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 1000000, FRAME = 60, RECORD = 16, HEADER = 24, FULL_PAIRS = 30, QUICK_PAIRS = 5 };

static char folder[] = "/dev/shm/bench_pcap.XXXXXX";
static char engine[4096];
static char in[64], in_ng[64], out[64];

/* A program under measurement, and the file that must be equal to its output; NULL: its size only. */
struct job {
    char *const *argv;
    const char *equal;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void become(const struct bench *b, char *const argv[])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_float(b);
    setsid();
    setpriority(PRIO_PROCESS, 0, -19); // all of them, if we may
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "-19", 3);
        close(fd);
    }
    int quiet = open("/dev/null", O_RDWR);
    dup2(quiet, 0);
    dup2(quiet, 1);
    dup2(quiet, 2);
    execvp(argv[0], argv);
    _exit(127);
}

/* Exit code; -1 when it could not be run or died. */
static int run(const struct bench *b, char *const argv[])
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        become(b, argv);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *map(const char *file, size_t *bytes)
{
    struct stat st = {0};
    int fd = open(file, O_RDONLY);
    void *at = fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0
                   ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    *bytes = (size_t)st.st_size;
    return at == MAP_FAILED ? NULL : at;
}

static bool right(const struct job *job)
{
    size_t a_bytes, b_bytes = 0;
    void *a = map(out, &a_bytes);
    void *b = job->equal == NULL ? NULL : map(job->equal, &b_bytes);
    bool same = a != NULL && a_bytes == HEADER + (size_t)FRAMES * (RECORD + FRAME);
    same = same && (job->equal == NULL || (b != NULL && a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0));
    if (a != NULL) {
        munmap(a, a_bytes);
    }
    if (b != NULL) {
        munmap(b, b_bytes);
    }
    return same;
}

/* Millions of frames a second, over the whole life of the process. */
static double rate(struct bench *b, void *arg)
{
    const struct job *job = arg;
    unlink(out);
    double begin = seconds();
    int code = run(b, job->argv);
    double took = seconds() - begin;
    return code == 0 && right(job) ? FRAMES / took / 1e6 : -1;
}

/* ---- what is run ---- */

static char config_text[3][512], config_path[3][64];

static char *const *millrace(uint32_t i, const char *source, const char *sink)
{
    static char *argv[3][8];
    snprintf(config_path[i], sizeof config_path[i], "%s/%u.yaml", folder, i);
    snprintf(config_text[i], sizeof config_text[i], "ports:\n  - { name: in, %s }\n  - { name: out, %s }\n"
             "paths:\n  - { from: in, work: forward, to: out }\n", source, sink);
    FILE *f = fopen(config_path[i], "w");
    if (f == NULL || fputs(config_text[i], f) < 0 || fclose(f) != 0) {
        return NULL;
    }
    char *words[] = {engine, "run", "-c", config_path[i], "--quiet", NULL};
    memcpy(argv[i], words, sizeof words);
    return argv[i];
}

static bool make_input(void)
{
    const uint32_t header[HEADER / 4] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1};
    FILE *f = fopen(in, "w");
    bool good = f != NULL && fwrite(header, 1, sizeof header, f) == sizeof header;
    for (uint32_t i = 0; good && i < FRAMES; i++) {
        uint32_t head[RECORD / 4] = {1700000000 + i / 100000, i % 100000, FRAME, FRAME};
        unsigned char frame[FRAME] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
        memcpy(frame + 14, &i, sizeof i);
        good = fwrite(head, 1, sizeof head, f) == sizeof head && fwrite(frame, 1, sizeof frame, f) == sizeof frame;
    }
    return f != NULL && fclose(f) == 0 && good;
}

static bool prepare(void)
{
    ssize_t n = readlink("/proc/self/exe", engine, sizeof engine - 40);
    if (n <= 0 || mkdtemp(folder) == NULL) {
        return false;
    }
    strcpy(strrchr(engine, '/') + 1, "../apps/millrace/millrace");
    snprintf(in, sizeof in, "%s/in.pcap", folder);
    snprintf(in_ng, sizeof in_ng, "%s/in.pcapng", folder);
    snprintf(out, sizeof out, "%s/out.pcap", folder);
    return make_input();
}

static void clean(void)
{
    const char *files[] = {in, in_ng, out, config_path[0], config_path[1], config_path[2]};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink(files[i]);
    }
    rmdir(folder);
}

static void add_cases(struct bench *b)
{
    static char reads[3][160], writes[160];
    static char *tcpdump[] = {"tcpdump", "-r", in, "-w", out, NULL}, *tcpdump_ng[] = {"tcpdump", "-r", in_ng, "-w", out, NULL};
    static char *cp[] = {"cp", in, out, NULL};
    static struct job jobs[6];
    snprintf(reads[0], sizeof reads[0], "driver: pcap, read: %s", in);
    snprintf(reads[1], sizeof reads[1], "driver: pcap, read: %s", in_ng);
    snprintf(reads[2], sizeof reads[2], "driver: memory, frames: %d", FRAMES);
    snprintf(writes, sizeof writes, "driver: pcap, write: %s, format: pcap", out);
    jobs[0] = (struct job){millrace(0, reads[0], writes), in};
    jobs[1] = (struct job){tcpdump, in};
    jobs[2] = (struct job){cp, in};
    jobs[3] = (struct job){millrace(1, reads[1], writes), in};
    jobs[4] = (struct job){tcpdump_ng, in};
    jobs[5] = (struct job){millrace(2, reads[2], writes), NULL};
    struct bench_case *c = bench_add(b, false, "Mframes/s", BENCH_HIGHER, "pcap to pcap, 64 B, whole process");
    bench_cell(c, "millrace run", rate, &jobs[0]);
    bench_cell(c, "tcpdump -r -w", rate, &jobs[1]);
    c = bench_add(b, false, "Mframes/s", BENCH_HIGHER, "the bytes alone");
    bench_cell(c, "millrace run", rate, &jobs[0]);
    bench_cell(c, "cp", rate, &jobs[2]);
    c = bench_add(b, false, "Mframes/s", BENCH_HIGHER, "pcapng to pcap, 64 B, whole process");
    bench_cell(c, "millrace run", rate, &jobs[3]);
    bench_cell(c, "tcpdump -r -w", rate, &jobs[4]);
    c = bench_add(b, false, "Mframes/s", BENCH_HIGHER, "writing, 64 B, whole process");
    bench_cell(c, "memory to pcap", rate, &jobs[5]);
}

/* The same frames as pcapng, with the stamps in microseconds that the plain file has. */
static bool make_ng(struct bench *b)
{
    char source[160], sink[160];
    snprintf(source, sizeof source, "driver: pcap, read: %s", in);
    snprintf(sink, sizeof sink, "driver: pcap, write: %s", in_ng);
    return run(b, millrace(0, source, sink)) == 0;
}

int main(int argc, char **argv)
{
    struct bench b;
    char *const version[] = {"tcpdump", "--version", NULL};
    int rc = bench_init(&b, "bench_pcap", argc, argv);
    if (rc != 0) {
        return rc;
    }
    bench_pairs(&b, FULL_PAIRS, QUICK_PAIRS);
    if (run(&b, version) != 0) {
        bench_said(&b, "left out: no tcpdump to compare with");
        return 77;
    }
    if (!prepare() || !make_ng(&b)) {
        bench_said(&b, "cannot make the captures in %s: %s", folder, strerror(errno));
        clean();
        return 1;
    }
    add_cases(&b);
    rc = bench_finish(&b);
    clean();
    return rc;
}
