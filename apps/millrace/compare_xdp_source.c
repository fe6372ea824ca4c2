/* compare_xdp_source.c: a source of XDP frames: the kernel makes copies of one frame and redirects them into src, without
 * a socket or a socket buffer, so that left receives what a NIC with XDP would hand it. A process of its own, like the
 * generator. All frames are alike: nothing in them could be verified or timed. */
#include "apps/millrace/compare.h"
#include "apps/millrace/lab_redirect.h"

#include "lib/sys/clock.h"
#include "lib/sys/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MOST = 1514 };

/* What the parent reads. */
struct made {
    uint64_t frames, ns;
    int result;
    struct mr_error error;
};

/* Ethernet, experimental EtherType: no stack answers it. */
static void fill(unsigned char *frame)
{
    memset(frame, 0, FRAME_MOST);
    memcpy(frame, "\x02\0\0\0\0\2\x02\0\0\0\0\1\x88\xb5", 14);
}

static void on_alarm(int number)
{
    (void)number; // it only has to end the system call
}

/* The kernel sends by itself, until the alarm. */
static int send_all(const struct compare_offer *o, const struct lab_xdp_source *s, uint32_t length, struct made *m)
{
    unsigned char frame[FRAME_MOST];
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval alarm = {.it_value = {(time_t)(o->for_ns / 1000000000u), (suseconds_t)(o->for_ns / 1000u % 1000000u)}};
    fill(frame);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &alarm, NULL);
    uint64_t begin = mr_now_ns();
    int64_t made = lab_xdp_source_run(s, o->fps, begin, frame, length);
    m->ns = mr_now_ns() - begin;
    m->frames = made > 0 ? (uint64_t)made : 0;
    return made >= 0 ? 0
                     : mr_error_set(&m->error, MR_FAULT_MACHINE, (int)made, "the kernel does not make XDP frames "
                                    "(BPF_PROG_TEST_RUN): %s; needs Linux 5.18", strerror((int)-made));
}

static int child_main(const struct compare *c, const struct compare_offer *o, struct made *m)
{
    struct mr_link src = {0};
    struct mr_sizes sizes = {0};
    int result = lab_net_enter(&c->net, LAB_ENDS);
    result = result < 0 ? result : mr_link_find(c->net.device[LAB_SRC], &src);
    if (result < 0) {
        return mr_error_set(&m->error, MR_FAULT_RUN, result, "the XDP source cannot find %s: %s", c->net.device[LAB_SRC],
                            strerror(-result));
    }
    mr_thread_pin(c->lab.source_cpu);
    mr_parse_sizes(c->options.size, &sizes);
    struct lab_xdp_source s;
    result = lab_xdp_source_load(&s, src.index, &m->error);
    return result < 0 ? result : send_all(o, &s, sizes.bytes[0], m);
}

int compare_xdp_source_start(const struct compare *c, const struct compare_offer *o, struct lab_process *p,
                             struct mr_error *err)
{
    pid_t parent = getpid();
    struct made *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *p = (struct lab_process){.who = "the XDP source"};
    fflush(NULL);
    if (m == MAP_FAILED || (p->pid = fork()) < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "compare: cannot start the XDP source: %s%s", strerror(errno),
                            mr_error_remedy(errno));
    }
    if (p->pid == 0) {
        lab_child(parent, "mr-xdp-source");
        m->result = child_main(c, o, m);
        _exit(0);
    }
    p->arg = m;
    return 0;
}

int compare_xdp_source_end(struct lab_process *p, struct compare_offered *out, struct mr_error *err)
{
    struct made *m = p->arg;
    int status = 0;
    waitpid(p->pid, &status, 0);
    p->pid = 0;
    if (m->result == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        m->result = mr_error_set(&m->error, MR_FAULT_RUN, ECHILD, "compare: the XDP source died");
    }
    int result = m->result;
    *err = result < 0 ? m->error : *err;
    out->sent = m->frames;
    out->seconds = (double)m->ns / 1e9;
    munmap(m, sizeof *m);
    return result;
}
