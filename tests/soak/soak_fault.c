/* soak_fault.c: what is done to an engine, chosen by the seed. The first kinds need devices. */
#include "tests/soak/soak.h"

#include "lib/sys/thread.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { OWN_DOWN, SENDER_DOWN, PEER_DOWN, SOURCE_DOWN, MTU, PEER_MTU, OWN_GONE, SENDER_GONE, RUNTS, STOP, THEFT, KINDS };

static const struct {
    const char *name, *device; /* NULL: none */
    bool inside;               /* the device is in the engine's namespace */
} kinds[KINDS] = {
    [OWN_DOWN] = {"receiving link down", "left", true},  [SENDER_DOWN] = {"sending link down", "right", true},
    [PEER_DOWN] = {"peer of the sending link down", "dst", false}, [SOURCE_DOWN] = {"peer of the receiving link down", "src", false},
    [MTU] = {"MTU 576", "right", true},                  [PEER_MTU] = {"MTU 576 at the peer", "dst", false},
    [OWN_GONE] = {"receiving device taken away", "left", true}, [SENDER_GONE] = {"sending device taken away", "right", true},
    [RUNTS] = {"burst of frames of 14 bytes", NULL, false}, [STOP] = {"engine stopped", NULL, false},
    [THEFT] = {"CPU taken by another process", NULL, false},
};

enum { SHORTEST_MS = 100, LONGEST_MS = 1000, RUNTS_N = 1000 };

struct soak_fault soak_fault_choose(const struct soak_options *o, uint64_t index)
{
    uint64_t random = soak_random(o->seed, index);
    uint32_t first = o->memory ? STOP : 0;
    struct soak_fault f = {.kind = first + (uint32_t)(random % (KINDS - first))};
    f.ms = SHORTEST_MS + (random >> 32) % (LONGEST_MS - SHORTEST_MS + 1);
    return f;
}

const char *soak_fault_name(const struct soak_fault *f)
{
    return kinds[f->kind].name;
}

static int set_up(const char *device, bool up)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    int rc = ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    rc = rc != 0 ? rc : ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return rc;
}

/* Taken to our namespace it is gone for the engine; its peer stays where it is. Back there it is down. */
static int give_back(const char *device, int own, int engine, struct mr_error *err)
{
    int rc = setns(own, CLONE_NEWNET);
    rc = rc != 0 ? rc : mr_link_move(device, engine, err);
    rc = rc != 0 ? rc : setns(engine, CLONE_NEWNET);
    return rc != 0 ? rc : set_up(device, true);
}

static void in_namespace(const struct soak_fault *f, const struct soak_engine *e, bool begins)
{
    const char *device = kinds[f->kind].device;
    struct mr_error err = {0};
    int own = soak_own_ns();
    int rc;
    if (kinds[f->kind].inside && setns(e->ns, CLONE_NEWNET) != 0) {
        soak_die("entering a namespace");
    }
    if (f->kind == MTU || f->kind == PEER_MTU) {
        rc = mr_link_mtu(device, begins ? 576 : 1500, &err);
    } else if (f->kind == OWN_GONE || f->kind == SENDER_GONE) {
        rc = begins ? mr_link_move(device, own, &err) : give_back(device, own, e->ns, &err);
    } else {
        rc = set_up(device, !begins);
    }
    if (rc < 0 || setns(own, CLONE_NEWNET) != 0) {
        soak_die(err.text[0] != 0 ? err.text : soak_fault_name(f));
    }
    close(own);
}

/* A process that wants the engine's CPU for itself. */
static pid_t thief(uint32_t cpu)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mr_thread_pin(cpu);
    while (getppid() == parent) {
    }
    _exit(0);
}

void soak_fault_begin(struct soak_fault *f, const struct soak_engine *e, struct soak_wire *w)
{
    switch (f->kind) {
    case RUNTS:
        soak_wire_runts(w, RUNTS_N);
        break;
    case STOP:
        kill(e->pid, SIGSTOP);
        break;
    case THEFT:
        f->thief = thief(e->cpu);
        break;
    default:
        in_namespace(f, e, true);
    }
}

void soak_fault_end(struct soak_fault *f, const struct soak_engine *e)
{
    switch (f->kind) {
    case RUNTS:
        break;
    case STOP:
        kill(e->pid, SIGCONT);
        break;
    case THEFT:
        kill(f->thief, SIGKILL);
        waitpid(f->thief, NULL, 0);
        break;
    default:
        in_namespace(f, e, false);
    }
}
