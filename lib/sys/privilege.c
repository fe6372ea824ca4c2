#include "lib/sys/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/sys/file.h"

bool mr_has_capability(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (capability < 0 || capability >= 32 * _LINUX_CAPABILITY_U32S_3 || syscall(SYS_capget, &header, sets) < 0) {
        return false;
    }
    return (sets[capability / 32].effective >> (capability % 32) & 1) != 0;
}

/* All users of the machine are the namespace's: it is the first. Without /proc it is taken to be. */
static bool in_first_user_namespace(void)
{
    unsigned inside, outside, n;
    char text[256];
    if (access("/proc/self/uid_map", R_OK) != 0) {
        return true;
    }
    mr_file_read(text, sizeof text, "/proc/self/uid_map"); // empty: nobody is mapped yet
    return sscanf(text, "%u %u %u", &inside, &outside, &n) == 3 && inside == 0 && outside == 0 && n == UINT32_MAX;
}

uint64_t mr_memlock_limit(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    bool lifted = mr_has_capability(CAP_IPC_LOCK) && in_first_user_namespace();
    return limit.rlim_cur == RLIM_INFINITY || lifted ? UINT64_MAX : limit.rlim_cur;
}

bool mr_seccomp_filters(void)
{
    char text[4096];
    uint64_t mode = 0;
    mr_file_read(text, sizeof text, "/proc/self/status");
    return mr_text_number(text, "Seccomp:", &mode) && mode == 2;
}

/* Without /proc none but the standard ones: a guess that errs towards trying. */
uint32_t mr_open_files(uint64_t *limit)
{
    struct rlimit now = {0};
    uint32_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    getrlimit(RLIMIT_NOFILE, &now);
    *limit = now.rlim_cur;
    if (folder == NULL) {
        return 3;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    closedir(folder);
    return n - 1; // this look's own
}

bool mr_sysctl_read(const char *name, long *value)
{
    char text[64], *end;
    if (mr_file_read(text, sizeof text, "/proc/sys/%s", name) < 0) {
        return false;
    }
    *value = strtol(text, &end, 10);
    return end != text;
}

bool mr_sysctl_write(const char *name, const char *value)
{
    char path[256];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t wrote = write(fd, value, strlen(value));
    int why = errno;
    close(fd);
    errno = why;
    return wrote == (ssize_t)strlen(value);
}
