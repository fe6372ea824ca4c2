/* config_value.c: one value of a key: from text into the struct, out of it as JSON, and the words for what it should
 * be. */
#include "lib/engine/config_schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void *at(const struct mr_key *key, const void *base)
{
    return (char *)(uintptr_t)base + key->at;
}

static uint32_t *count_of(const struct mr_key *key, const void *base)
{
    return (uint32_t *)((char *)(uintptr_t)base + key->count_at);
}

bool mr_key_is_list(const struct mr_key *key)
{
    return key->type == MR_KEY_NAMES || key->type == MR_KEY_NUMBERS;
}

static size_t bytes_of(const struct mr_key *key)
{
    switch (key->type) {
    case MR_KEY_COUNT:
    case MR_KEY_BYTES:
        return sizeof(uint64_t);
    case MR_KEY_FLAG:
        return sizeof(bool);
    case MR_KEY_RATE:
        return sizeof(double);
    case MR_KEY_SIZES:
        return sizeof(struct mr_sizes);
    case MR_KEY_TEXT:
        return key->max + 1;
    case MR_KEY_NAMES:
        return key->max * MR_NAME_MAX;
    case MR_KEY_NUMBERS:
        return key->max * sizeof(uint32_t);
    case MR_KEY_NUMBER:
    case MR_KEY_TIMES:
    case MR_KEY_WORD:
    case MR_KEY_CHOICE:
        break;
    }
    return sizeof(uint32_t);
}

void mr_key_clear(const struct mr_key *key, void *base)
{
    memset(at(key, base), 0, bytes_of(key));
    if (mr_key_is_list(key)) {
        *count_of(key, base) = 0;
    }
}

/* ---- reading ---- */

static int read_whole(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != 0) {
        return text[0] == '-' && text[1] >= '0' && text[1] <= '9' ? -ERANGE : -EINVAL;
    }
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno != 0 || *value < min || *value > max ? -ERANGE : 0;
}

static int read_bytes(const struct mr_key *key, const char *text, uint64_t *value)
{
    int rc = mr_parse_bytes(text, value);
    return rc < 0 ? rc : *value < key->min || *value > key->max ? -ERANGE : 0;
}

static int read_flag(const char *text, bool *flag)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *flag = i % 2 == 1;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_times(const struct mr_key *key, const char *text, uint32_t *times)
{
    uint64_t value = 0;
    bool endless = false;
    int rc = read_whole(text, 1, key->max, &value);
    if (rc == -EINVAL && read_flag(text, &endless) == 0) {
        value = !endless;
        rc = 0;
    }
    *times = rc == 0 ? (uint32_t)value : *times;
    return rc;
}

/* The enum's value is the word's place; of a choice of numbers it is the number itself. */
static int read_word(const struct mr_key *key, const char *text, uint32_t *value)
{
    for (uint32_t i = 0; key->words[i] != NULL; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            *value = key->type == MR_KEY_CHOICE ? (uint32_t)strtoul(text, NULL, 10) : i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Text is UTF-8 by then. YAML's escapes also make what a terminal or YAML itself would take for a control: C1, ends of
 * lines and paragraphs, byte order marks, and what is no character. */
static bool is_printable(const char *text)
{
    static const char *const hidden[] = {"\u2028", "\u2029", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};
    for (const char *p = text; *p != 0; p++) {
        bool c1 = (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0;
        if (iscntrl((unsigned char)*p) || c1) {
            return false;
        }
    }
    for (uint32_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (strstr(text, hidden[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static int read_text(const char *text, char *to, size_t bytes)
{
    if (strlen(text) >= bytes) {
        return -ERANGE;
    }
    if (!is_printable(text)) {
        return -EINVAL;
    }
    memset(to, 0, bytes);
    memcpy(to, text, strlen(text));
    return 0;
}

static int append(const struct mr_key *key, void *base, const char *text)
{
    uint32_t *n = count_of(key, base);
    uint64_t value = 0;
    int rc = *n == key->max ? -ENOSPC : 0;
    if (rc == 0 && key->type == MR_KEY_NAMES) {
        rc = text[0] == 0 ? -EINVAL : read_text(text, (char *)at(key, base) + *n * MR_NAME_MAX, MR_NAME_MAX);
    } else if (rc == 0) {
        rc = read_whole(text, 0, MR_KEY_CPUS - 1, &value);
        ((uint32_t *)at(key, base))[*n] = (uint32_t)value;
    }
    *n += rc == 0;
    return rc;
}

int mr_key_read(const struct mr_key *key, void *base, const char *text)
{
    void *to = at(key, base);
    uint64_t value = 0;
    int rc = 0;
    switch (key->type) {
    case MR_KEY_NUMBER:
        rc = read_whole(text, key->min, key->max, &value);
        if (rc == 0) {
            *(uint32_t *)to = (uint32_t)value;
        }
        return rc;
    case MR_KEY_COUNT:
        return read_whole(text, key->min, key->max, to);
    case MR_KEY_BYTES:
        return read_bytes(key, text, to);
    case MR_KEY_FLAG:
        return read_flag(text, to);
    case MR_KEY_TIMES:
        return read_times(key, text, to);
    case MR_KEY_WORD:
    case MR_KEY_CHOICE:
        return read_word(key, text, to);
    case MR_KEY_RATE:
        return mr_parse_rate(text, to);
    case MR_KEY_SIZES:
        return mr_parse_sizes(text, to);
    case MR_KEY_TEXT:
        return read_text(text, to, key->max + 1);
    case MR_KEY_NAMES:
    case MR_KEY_NUMBERS:
        return append(key, base, text);
    }
    return -EINVAL;
}

/* ---- words ---- */

static const char *list_words(const struct mr_key *key, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "one of");
    for (uint32_t i = 0; key->words[i] != NULL && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s %s", i == 0 ? "" : ",", key->words[i]);
    }
    return text;
}

const char *mr_key_expects(const struct mr_key *key, char *text, size_t bytes)
{
    switch (key->type) {
    case MR_KEY_NUMBER:
    case MR_KEY_COUNT:
        snprintf(text, bytes, "a whole number from %" PRIu64 " to %" PRIu64, key->min, key->max);
        break;
    case MR_KEY_BYTES:
        snprintf(text, bytes, "bytes from %" PRIu64 " KiB to %" PRIu64 " MiB, as 65536, 64KiB or 4MiB", key->min >> 10,
                 key->max >> 20);
        break;
    case MR_KEY_FLAG:
        snprintf(text, bytes, "yes or no");
        break;
    case MR_KEY_TIMES:
        snprintf(text, bytes, "how often, a number from 1 on, or yes (without end), or no");
        break;
    case MR_KEY_WORD:
    case MR_KEY_CHOICE:
        return list_words(key, text, bytes);
    case MR_KEY_RATE:
        snprintf(text, bytes, "frames per second from 0.001 to 1000gpps, as 500kpps, 10mpps or 1000, or flat-out");
        break;
    case MR_KEY_SIZES:
        snprintf(text, bytes, "bytes with FCS from 64 to 65535, as 64 or 64..1518, or imix");
        break;
    case MR_KEY_TEXT:
        snprintf(text, bytes, "at most %" PRIu64 " printable characters", key->max);
        break;
    case MR_KEY_NAMES:
        snprintf(text, bytes, "at most %" PRIu64 " names of 1 to %u printable characters, as left or [left, right]",
                 key->max, MR_NAME_MAX - 1);
        break;
    case MR_KEY_NUMBERS:
        snprintf(text, bytes, "at most %" PRIu64 " CPU numbers from 0 to %u, as 1 or [1, 2]", key->max, MR_KEY_CPUS - 1);
        break;
    }
    return text;
}

static json_t *list_json(const struct mr_key *key, const void *base)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < *count_of(key, base); i++) {
        json_array_append_new(list, key->type == MR_KEY_NAMES ? json_string((char *)at(key, base) + i * MR_NAME_MAX)
                                                              : json_integer(((uint32_t *)at(key, base))[i]));
    }
    return list;
}

json_t *mr_key_json(const struct mr_key *key, const void *base)
{
    const void *value = at(key, base);
    char text[32];
    switch (key->type) {
    case MR_KEY_NUMBER:
    case MR_KEY_CHOICE:
        return json_integer(*(const uint32_t *)value);
    case MR_KEY_COUNT:
    case MR_KEY_BYTES:
        return json_integer((json_int_t) * (const uint64_t *)value);
    case MR_KEY_FLAG:
        return json_boolean(*(const bool *)value);
    case MR_KEY_TIMES:
        return *(const uint32_t *)value == 0 ? json_string("yes") : json_integer(*(const uint32_t *)value);
    case MR_KEY_WORD:
        return json_string(key->words[*(const uint32_t *)value]);
    case MR_KEY_RATE:
        return *(const double *)value == 0 ? json_string("flat-out") : json_real(*(const double *)value);
    case MR_KEY_SIZES:
        return json_string(mr_sizes_text(value, text, sizeof text));
    case MR_KEY_TEXT:
        return json_string(value);
    case MR_KEY_NAMES:
    case MR_KEY_NUMBERS:
        return list_json(key, base);
    }
    return NULL;
}
