/* uring_net.h: a network namespace of a test's own, with a veth pair left ~ right. */
#ifndef MILLRACE_TEST_URING_NET_H
#define MILLRACE_TEST_URING_NET_H

#include <criterion/criterion.h>

#include "lib/sys/netlink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static struct mr_error error;

static inline void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text), "%s", path);
        close(fd);
    }
}

/* Without root a user namespace gives what is needed. Neighbour discovery is silenced: it would be frames of nobody. */
static inline void make_net(uint32_t queues)
{
    char map[64];
    uid_t user = getuid();
    snprintf(map, sizeof map, "0 %u 1", user);
    if (unshare(user == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        cr_skip("needs root or a user namespace");
    }
    if (user != 0) {
        write_file("/proc/self/uid_map", map);
    }
    write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    cr_assert_eq(mr_link_veth("left", "right", -1, queues, &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_up("left", &error), 0, "%s", error.text);
    cr_assert_eq(mr_link_up("right", &error), 0, "%s", error.text);
}

#endif
