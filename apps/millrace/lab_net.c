/* lab_net.c: holders, namespaces and veths of the lab. */
#include "apps/millrace/lab_net.h"

#include "lib/sys/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const side_name[LAB_SIDES] = {"ends", "forwarder", "far"};

void lab_child(pid_t parent, const char *name)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0); // it died before the line above
    }
    prctl(PR_SET_NAME, name);
    signal(SIGINT, SIG_IGN); // Ctrl-C goes to all of us; the parent decides in which order to stop
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* Why an unprivileged user namespace was refused, as far as the system tells. */
static const char *refusal(int code)
{
    long value;
    if (mr_sysctl_read("kernel/unprivileged_userns_clone", &value) && value == 0) {
        return "kernel.unprivileged_userns_clone is 0: set it to 1";
    }
    if (mr_sysctl_read("user/max_user_namespaces", &value) && value == 0) {
        return "user.max_user_namespaces is 0: raise it";
    }
    if (mr_sysctl_read("kernel/apparmor_restrict_unprivileged_userns", &value) && value == 1) {
        return "kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0";
    }
    return code == ENOSPC ? "user.max_user_namespaces or user.max_net_namespaces is reached: raise it"
                          : "a container's seccomp profile may forbid it";
}

static int refused(const char *what, int code, struct mr_error *err)
{
    return mr_error_set(
        err, MR_FAULT_MACHINE, code,
        "lab: no privilege for network namespaces, and a user namespace does not help (%s: %s; %s); or run it as "
        "root: sudo millrace lab",
        what, strerror(code), refusal(code));
}

static bool privileged(void)
{
    return mr_has_capability(CAP_SYS_ADMIN) && mr_has_capability(CAP_NET_ADMIN) && mr_has_capability(CAP_NET_RAW);
}

static int write_text(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int result = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return result;
}

/* Become root of a user namespace of our own. */
static int user_namespace(struct mr_error *err)
{
    char uids[32], gids[32];
    snprintf(uids, sizeof uids, "0 %u 1", geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", getegid());
    if (unshare(CLONE_NEWUSER) != 0) {
        return refused("unshare", errno, err);
    }
    int result = write_text("/proc/self/uid_map", uids);
    if (result == 0) {
        result = write_text("/proc/self/setgroups", "deny"); // asked for before a group may be mapped
    }
    if (result == 0) {
        result = write_text("/proc/self/gid_map", gids);
    }
    return result == 0 ? 0 : refused("uid_map", -result, err);
}

static void answer(int fd, int code)
{
    if (write(fd, &code, sizeof code) != sizeof code) {
        _exit(1);
    }
}

/* Whatever our caller gave us, the holder inherited: who waits for the end of an output would wait for the holder's, and
 * no file system could be unmounted. Only `keep` stays open. */
static void let_go(int keep)
{
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    close_range(3, (unsigned int)keep - 1, 0);
    close_range((unsigned int)keep + 1, ~0u, 0);
    if (chdir("/") != 0) {
        _exit(1);
    }
}

/* What a holder does all its life: make the namespace, say so, sleep; stay behind if told. */
static void hold(const char *name, pid_t parent, int control, int answers)
{
    char byte;
    lab_child(parent, name);
    answer(answers, unshare(CLONE_NEWNET) == 0 ? 0 : errno);
    if (TEMP_FAILURE_RETRY(read(control, &byte, 1)) != 1) {
        _exit(0);
    }
    prctl(PR_SET_PDEATHSIG, 0);
    setsid();
    signal(SIGTERM, SIG_DFL);
    let_go(answers);
    answer(answers, 0);
    close(answers);
    for (;;) {
        pause();
    }
}

/* A holder's answer: 0 or an errno of its own, or -errno when there is none. */
static int ask(const struct lab_holder *h)
{
    int code;
    ssize_t n = TEMP_FAILURE_RETRY(read(h->answer, &code, sizeof code));
    return n == sizeof code ? code : n < 0 ? -errno : -ECHILD;
}

static int holder_start(struct lab_net *net, enum lab_side side, struct mr_error *err)
{
    struct lab_holder *h = &net->side[side];
    int control[2], answers[2];
    char text[48];
    pid_t parent = getpid();
    if (pipe2(control, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0 || (h->pid = fork()) < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot start a process that holds a namespace: %s%s",
                            strerror(errno), mr_error_remedy(errno));
    }
    snprintf(text, sizeof text, "mr-%s", side_name[side]);
    if (h->pid == 0) {
        close(control[1]);
        close(answers[0]);
        hold(text, parent, control[0], answers[1]);
    }
    close(control[0]);
    close(answers[1]);
    h->control = control[1];
    h->answer = answers[0];
    int code = ask(h);
    if (code < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, code, "lab: the process that holds a namespace does not answer: %s",
                            code == -ECHILD ? "it has ended" : strerror(-code));
    }
    if (code != 0) {
        return refused("unshare", code, err);
    }
    snprintf(text, sizeof text, "/proc/%d/ns/net", h->pid);
    h->ns = open(text, O_RDONLY | O_CLOEXEC);
    return h->ns >= 0 ? 0 : mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot open its own namespace %s: %s%s", text,
                                          strerror(errno), mr_error_remedy(errno));
}

int lab_net_enter(const struct lab_net *net, enum lab_side side)
{
    return setns(net->side[side].ns, CLONE_NEWNET) == 0 ? 0 : -errno;
}

static int enter(const struct lab_net *net, enum lab_side side, struct mr_error *err)
{
    int result = lab_net_enter(net, side);
    return result == 0 ? 0
                       : mr_error_set(err, MR_FAULT_MACHINE, result, "lab: cannot enter its own namespace: %s",
                                      strerror(-result));
}

/* Enter a namespace for the first time: no IPv6, or the kernel would send neighbour and router messages of its own. */
static int enter_quietly(const struct lab_net *net, enum lab_side side, struct mr_error *err)
{
    int result = enter(net, side, err);
    if (result < 0) {
        return result;
    }
    if (access("/proc/sys/net/ipv6", F_OK) != 0 && errno == ENOENT) {
        return 0; // a kernel without IPv6
    }
    if (!mr_sysctl_write("net/ipv6/conf/all/disable_ipv6", "1") ||
        !mr_sysctl_write("net/ipv6/conf/default/disable_ipv6", "1")) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot switch off IPv6 in its own namespace: %s%s",
                            strerror(errno), mr_error_remedy(errno));
    }
    return 0;
}

static int set_offloads(struct lab_net *net, const char *device, enum mr_offload offload, struct mr_error *err)
{
    struct mr_link_offloads *o = &net->offloads;
    int result = mr_link_offloads_get(device, o);
    if (result < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, result, "lab: cannot read the offloads of %s: %s%s", device,
                            strerror(-result), mr_error_remedy(result));
    }
    o->tx_csum = offload != MR_OFFLOAD_NONE;
    o->tso = o->gso = offload == MR_OFFLOAD_SUPER;
    return mr_link_offloads_set(device, o, err);
}

static int device_up(struct lab_net *net, const char *device, enum mr_offload offload, struct mr_error *err)
{
    int result = set_offloads(net, device, offload, err);
    return result < 0 ? result : mr_link_up(device, err);
}

/* A device is up when its work queue has heard of its carrier; before that the kernel quietly drops what is sent. */
static int wait_running(const char *device, struct mr_error *err)
{
    struct ifreq request = {.ifr_flags = 0};
    const struct timespec nap = {0, 200000};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return mr_error_set(err, MR_FAULT_MACHINE, errno, "lab: cannot look whether %s is up: no socket: %s%s", device,
                            strerror(errno), mr_error_remedy(errno));
    }
    int error = ENETDOWN;
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    for (int tries = 0; tries < 10000; tries++) {
        error = ioctl(fd, SIOCGIFFLAGS, &request) == 0 ? ENETDOWN : errno;
        if (error == ENETDOWN && (request.ifr_flags & IFF_RUNNING) != 0) {
            close(fd);
            return 0;
        }
        nanosleep(&nap, NULL);
    }
    close(fd);
    return mr_error_set(err, MR_FAULT_MACHINE, error, "lab: %s does not come up within 2 s: %s", device, strerror(error));
}

/* The four devices, and where each stands. */
struct place {
    const char *device;
    enum lab_side side;
};
enum { DEVICES = 4 };

static void places(const struct lab_net *net, struct place *p)
{
    p[0] = (struct place){"src", LAB_ENDS};
    p[1] = (struct place){"dst", net->sides > LAB_FAR ? LAB_FAR : LAB_ENDS};
    p[2] = (struct place){"left", LAB_FORWARDER};
    p[3] = (struct place){"right", LAB_FORWARDER};
}

static int make_pairs(struct lab_net *net, const struct place *p, struct mr_error *err)
{
    int result = 0;
    for (uint32_t i = 0; i < net->sides && result == 0; i++) {
        result = enter_quietly(net, (enum lab_side)i, err);
    }
    for (int i = 0; i < 2 && result == 0; i++) {
        result = enter(net, p[i].side, err);
        result = result < 0 ? result : mr_link_veth(p[i].device, p[i + 2].device, net->side[LAB_FORWARDER].ns, 1, err);
    }
    return result;
}

static int devices(struct lab_net *net, enum mr_offload offload, struct mr_error *err)
{
    struct place p[DEVICES];
    places(net, p);
    int result = make_pairs(net, p, err);
    for (int i = 0; i < DEVICES && result == 0; i++) {
        result = enter(net, p[i].side, err);
        result = result < 0 ? result : device_up(net, p[i].device, offload, err);
    }
    for (int i = 0; i < DEVICES && result == 0; i++) {
        result = enter(net, p[i].side, err);
        result = result < 0 ? result : wait_running(p[i].device, err);
    }
    return result;
}

int lab_net_offloads(struct lab_net *net, enum mr_offload offload, struct mr_error *err)
{
    struct place p[DEVICES];
    int result = 0;
    places(net, p);
    for (int i = 0; i < DEVICES && result == 0; i++) {
        result = enter(net, p[i].side, err);
        result = result < 0 ? result : set_offloads(net, p[i].device, offload, err);
    }
    return result;
}

static int create(struct lab_net *net, uint32_t sides, enum mr_offload offload, struct mr_error *err)
{
    int result = 0;
    *net = (struct lab_net){.side = {{.ns = -1}, {.ns = -1}, {.ns = -1}}, .sides = sides, .device = {"src", "left", "right", "dst"}};
    if (!privileged()) {
        net->user_namespace = true;
        result = user_namespace(err);
    }
    for (uint32_t side = 0; side < sides && result == 0; side++) {
        result = holder_start(net, (enum lab_side)side, err);
    }
    if (result == 0) {
        result = devices(net, offload, err);
    }
    if (result < 0) {
        lab_net_destroy(net);
    }
    return result;
}

int lab_net_create(struct lab_net *net, enum mr_offload offload, struct mr_error *err)
{
    return create(net, LAB_FAR, offload, err);
}

int lab_net_create_apart(struct lab_net *net, enum mr_offload offload, struct mr_error *err)
{
    int result = create(net, LAB_SIDES, offload, err);
    if (result < 0) {
        return result;
    }
    result = enter(net, LAB_ENDS, err);
    result = result < 0 ? result : mr_link_address("src", "10.77.0.1/24", err);
    result = result < 0 ? result : enter(net, LAB_FAR, err);
    result = result < 0 ? result : mr_link_address("dst", "10.77.0.2/24", err);
    result = result < 0 ? result : enter(net, LAB_FORWARDER, err);
    if (result < 0) {
        lab_net_destroy(net);
    }
    return result;
}

int lab_net_keep(struct lab_net *net, struct mr_error *err)
{
    for (uint32_t side = 0; side < net->sides; side++) {
        struct lab_holder *h = &net->side[side];
        if (write(h->control, "k", 1) != 1 || ask(h) != 0) {
            return mr_error_set(err, MR_FAULT_RUN, ECHILD, "lab: the process %d that holds a namespace is gone",
                                h->pid);
        }
    }
    net->kept = true;
    return 0;
}

void lab_net_destroy(struct lab_net *net)
{
    for (uint32_t side = 0; side < net->sides; side++) {
        struct lab_holder *h = &net->side[side];
        if (net->borrowed && h->ns >= 0) {
            close(h->ns);
            h->ns = -1;
        }
        if (h->pid <= 0) {
            continue;
        }
        if (!net->kept) {
            kill(h->pid, SIGKILL);
            waitpid(h->pid, NULL, 0);
        }
        close(h->ns);
        close(h->control);
        close(h->answer);
        h->pid = 0;
    }
}
