#include "lib/sys/cgroup.h"
#include "lib/sys/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 200, TEXT_BYTES = 512 };

/* Does a list of words between commas have this one? */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0)) {
            return true;
        }
    }
    return false;
}

/* Our group in the hierarchy that has the cpu controller: version 1's "4:cpu,cpuacct:/path", else version 2's "0::/path". */
static bool read_group(char *group, bool *version1)
{
    char line[TEXT_BYTES];
    bool found = false;
    *version1 = false;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL && !*version1) {
        char *controllers = strchr(line, ':');
        char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL) {
            continue;
        }
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        *version1 = has_word(controllers + 1, "cpu");
        if (*version1 || controllers[1] == 0) {
            snprintf(group, PATH_BYTES, "%.*s", PATH_BYTES - 1, path);
            found = true;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

/* "36 25 0:30 ROOT MOUNT_POINT options … - TYPE source SUPER_OPTIONS": where that hierarchy is mounted, and from where on. */
static bool read_mount(bool version1, char *root, char *point)
{
    char line[TEXT_BYTES];
    char type[32], super[128];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        const char *tail = strstr(line, " - ");
        if (tail == NULL || sscanf(tail, " - %31s %*s %127s", type, super) != 2 ||
            sscanf(line, "%*s %*s %*s %199s %199s", root, point) != 2) {
            continue;
        }
        found = version1 ? strcmp(type, "cgroup") == 0 && has_word(super, "cpu") : strcmp(type, "cgroup2") == 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static bool add(struct mr_throttle *t, const char *point, const char *group)
{
    char text[TEXT_BYTES];
    uint64_t periods = 0, n = 0;
    if (mr_file_read(text, sizeof text, "%s%s/cpu.stat", point, group) < 0) {
        return false;
    }
    bool known = mr_text_number(text, "nr_throttled ", &periods);
    t->periods += periods;
    if (mr_text_number(text, "throttled_time ", &n)) { // version 1, ns
        t->ns += n;
    } else if (mr_text_number(text, "throttled_usec ", &n)) {
        t->ns += n * 1000;
    }
    return known;
}

bool mr_throttle_read(struct mr_throttle *t)
{
    char group[PATH_BYTES], root[PATH_BYTES], point[PATH_BYTES];
    bool version1;
    bool known = false;
    *t = (struct mr_throttle){0};
    if (!read_group(group, &version1) || !read_mount(version1, root, point)) {
        return false;
    }
    size_t above = strcmp(root, "/") == 0 ? 0 : strlen(root);
    char *own = strncmp(group, root, above) == 0 ? group + above : group; // a container sees its part of the tree
    for (char *slash = own + strlen(own); slash != NULL; slash = strrchr(own, '/')) {
        *slash = 0;
        known |= add(t, point, own);
    }
    return known;
}
