/* file.h: the short texts of /proc and /sys. For the files of this room. */
#ifndef MILLRACE_SYS_FILE_H
#define MILLRACE_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* mr_file_read: the beginning of a file, without its last newline; text is terminated always. 0 or -errno. */
int mr_file_read(char *text, size_t bytes, const char *path_format, ...) __attribute__((format(printf, 3, 4)));

/* mr_file_number: the decimal number that a file holds; otherwise `absent`. */
int64_t mr_file_number(int64_t absent, const char *path_format, ...) __attribute__((format(printf, 2, 3)));

/* mr_text_number: the number behind the first `key` in a text; false when there is none. */
bool mr_text_number(const char *text, const char *key, uint64_t *value);

#endif
