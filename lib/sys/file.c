#include "lib/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 256

static int read_start(const char *path, char *text, size_t bytes)
{
    size_t used = 0;
    ssize_t got = 0;
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    while (used < bytes - 1 && (got = read(fd, text + used, bytes - 1 - used)) > 0) {
        used += (size_t)got;
    }
    int rc = got < 0 ? -errno : 0;
    close(fd);
    used -= used > 0 && text[used - 1] == '\n';
    text[used] = 0;
    return rc;
}

int mr_file_read(char *text, size_t bytes, const char *path_format, ...)
{
    char path[PATH_BYTES];
    va_list args;
    va_start(args, path_format);
    vsnprintf(path, sizeof path, path_format, args);
    va_end(args);
    return read_start(path, text, bytes);
}

int64_t mr_file_number(int64_t absent, const char *path_format, ...)
{
    char path[PATH_BYTES], text[32], *end;
    va_list args;
    va_start(args, path_format);
    vsnprintf(path, sizeof path, path_format, args);
    va_end(args);
    if (read_start(path, text, sizeof text) < 0) {
        return absent;
    }
    int64_t value = strtoll(text, &end, 10);
    return end == text ? absent : value;
}

bool mr_text_number(const char *text, const char *key, uint64_t *value)
{
    const char *at = strstr(text, key);
    char *end;
    if (at == NULL) {
        return false;
    }
    *value = strtoull(at + strlen(key), &end, 10);
    return end != at + strlen(key);
}
