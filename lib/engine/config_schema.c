/* config_schema.c: the table. Meaning, unit and limits of each key for people: config/reference.yaml. */
#include "lib/engine/config_schema.h"

#include <stdio.h>
#include <string.h>

static const char *const layout_words[] = {"run-to-completion", "pipeline", NULL};
static const char *const numa_words[] = {"auto", "strict", "off", NULL};
static const char *const huge_words[] = {"auto", "required", "off", NULL};
static const char *const offload_words[] = {"none", "checksum", "super", NULL};
static const char *const full_words[] = {"auto", "wait", "drop", NULL};
static const char *const content_words[] = {"full", "descriptors", NULL};
static const char *const by_words[] = {"uring", "calls", NULL};
static const char *const receive_words[] = {"aux", "plain", NULL};
static const char *const format_words[] = {"auto", "pcap", "pcap-ns", "pcapng", NULL};
static const char *const replay_words[] = {"flat-out", "recorded", NULL};
static const char *const cut_words[] = {"send", "drop", NULL};
static const char *const require_words[] = {"device", "up", NULL};
static const char *const batch_words[] = {"natural", NULL};
static const char *const kick_words[] = {"send", "uring", NULL};
static const char *const xdp_words[] = {"auto", "zerocopy", "native", "generic", NULL};
static const char *const stride_words[] = {"2496", "2048", "4096", NULL};

#define E(f)                        .section = MR_KEY_ENGINE, .at = offsetof(struct mr_config, f)
#define M(f)                        .section = MR_KEY_MEMORY, .at = offsetof(struct mr_config, f)
#define B(f)                        .section = MR_KEY_BATCHER, .at = offsetof(struct mr_config, f)
#define P(f)                        .section = MR_KEY_PORT, .at = offsetof(struct mr_port_config, f)
#define D(f)                        P(f), .of_device = true
#define V(f)                        P(f), .driver = "mmap"
#define X(f)                        P(f), .driver = "xdp"
#define S(f)                        P(f), .driver = "memory"
#define G(f)                        S(f), .of_source = true
#define R(f)                        P(f), .driver = "pcap", .of_source = true
#define K(f)                        P(f), .driver = "pcap", .of_sink = true
#define W(f)                        .section = MR_KEY_PATH, .at = offsetof(struct mr_path_config, f)
#define T(f)                        .section = MR_KEY_TAP, .at = offsetof(struct mr_tap_config, f)
#define NUMBER(preset_, min_, max_) .type = MR_KEY_NUMBER, .preset = preset_, .min = min_, .max = max_
#define COUNT(preset_, min_, max_)  .type = MR_KEY_COUNT, .preset = preset_, .min = min_, .max = max_
#define BYTES(preset_, min_, max_)  .type = MR_KEY_BYTES, .preset = preset_, .min = min_, .max = max_
#define WORD(preset_, words_)       .type = MR_KEY_WORD, .preset = preset_, .words = words_
#define FLAG(preset_)               .type = MR_KEY_FLAG, .preset = preset_
#define TEXT(max_)                  .type = MR_KEY_TEXT, .max = max_
#define NUMBERS(n_, max_)           .type = MR_KEY_NUMBERS, .count_at = offsetof(struct mr_config, n_), .max = max_
#define NAMES(n_, max_)             .type = MR_KEY_NAMES, .count_at = offsetof(struct mr_path_config, n_), .max = max_

static const struct mr_key table[] = {
    {.name = "layout", E(layout), WORD("run-to-completion", layout_words)},
    {.name = "cores", E(cores), NUMBERS(n_cores, MR_CORES_MAX)},
    {.name = "numa", E(numa), WORD("auto", numa_words)},
    {.name = "burst", E(burst), NUMBER("64", 1, 256)},
    {.name = "ring", E(ring_frames), NUMBER("1024", 16, 1u << 20)},
    {.name = "latency", E(latency), FLAG("yes")},
    {.name = "eal", E(eal), TEXT(511)},

    {.name = "chunks", M(chunks), NUMBER("16384", 64, 1u << 24)},
    {.name = "chunk_bytes", M(chunk_bytes), .type = MR_KEY_CHOICE, .preset = "2496", .words = stride_words},
    {.name = "big_chunks", M(big_chunks), NUMBER("0", 0, 1u << 20)},
    {.name = "huge_pages", M(huge_pages), WORD("auto", huge_words)},

    {.name = "mode", B(batch_mode), WORD("natural", batch_words)},
    {.name = "cap", B(batch_cap), NUMBER("256", 1, 256)},

    {.name = "name", P(name), TEXT(MR_NAME_MAX - 1)},
    {.name = "driver", P(driver), TEXT(MR_NAME_MAX - 1)},
    {.name = "device", P(device), TEXT(255)},
    {.name = "queues", P(queues), NUMBER("1", 1, 16)},
    {.name = "reopen", D(reopen), FLAG("no")},
    {.name = "require", D(require), WORD("device", require_words)},

    {.name = "by", P(by), .driver = "tap", WORD("uring", by_words)},
    {.name = "mtu", P(mtu), .driver = "tap", NUMBER("1500", 68, 65521)},
    {.name = "offload", P(offload), .driver = "mmap mmsg socket tap uring", WORD("none", offload_words)},
    {.name = "receive", P(receive), .driver = "mmsg socket uring", .of_rx = true, WORD("aux", receive_words)},
    {.name = "buffers", P(buffers), .driver = "dpdk tap uring xdp", .of_rx = true, NUMBER("1024", 8, 32768)},
    {.name = "big_buffers", P(big_buffers), .driver = "mmap mmsg socket tap uring",
     NUMBER(NULL, 2, 4096)}, // with offload: super 64, else 0
    {.name = "socket_bytes", P(socket_bytes), .driver = "mmap mmsg socket uring", BYTES("4MiB", 64u << 10, 1u << 30)},

    {.name = "blocking", P(blocking), .driver = "socket", FLAG("no")},

    {.name = "block_bytes", V(block_bytes), .of_rx = true, BYTES("128KiB", 64u << 10, 4u << 20)},
    {.name = "blocks", V(blocks), .of_rx = true, NUMBER("64", 2, 4096)},
    {.name = "retire_ms", V(retire_ms), .of_rx = true, NUMBER("1", 1, 1000)},

    {.name = "mode", X(xdp_mode), WORD("auto", xdp_words)},
    {.name = "take", X(take), .of_rx = true, TEXT(199)}, // all
    {.name = "rx_ring", X(rx_ring), .of_rx = true, NUMBER("0", 0, 32768)},
    {.name = "busy_poll", X(busy_poll), .of_rx = true, NUMBER("0", 0, 65535)},
    {.name = "kick", X(xdp_kick), .of_tx = true, WORD("send", kick_words)},
    {.name = "tx_budget", X(tx_budget), .of_tx = true, NUMBER("0", 0, 65536)},

    {.name = "source", S(source), FLAG(NULL)}, // yes for a port in a `from`
    {.name = "frames", G(frames), COUNT("0", 0, 1000000000000000)},
    {.name = "rate", P(rate_fps), .driver = "memory pcap", .of_source = true, .type = MR_KEY_RATE, .preset = "flat-out"},
    {.name = "window", G(window), NUMBER("0", 0, 1u << 20)},
    {.name = "window_with", G(window_with), TEXT(MR_NAME_MAX - 1)},
    {.name = "size", G(size), .type = MR_KEY_SIZES, .preset = "64"},
    {.name = "flows", G(flows), NUMBER("1", 1, 65535)},
    {.name = "seed", G(seed), NUMBER("1", 0, UINT32_MAX)},
    {.name = "vlan", S(vlan), NUMBER("0", 0, 4094)},
    {.name = "content", S(content), WORD("full", content_words)},
    {.name = "verify", S(verify), FLAG("no")},

    {.name = "read", R(read), TEXT(255)},
    {.name = "filter", R(filter), TEXT(511)},
    {.name = "replay", R(replay), WORD("flat-out", replay_words)},
    {.name = "loop", R(loop), .type = MR_KEY_TIMES, .preset = "no", .max = UINT32_MAX},
    {.name = "max_frames", R(max_frames), COUNT("0", 0, 1000000000000000)},
    {.name = "cut", R(cut), WORD("send", cut_words)},
    {.name = "long_frames", P(long_frames), .driver = "dpdk pcap", .of_rx = true, FLAG("no")},
    {.name = "write", K(write), TEXT(255)},
    {.name = "format", K(format), WORD("auto", format_words)},
    {.name = "snap", K(snap), NUMBER("0", 0, 262144)},

    {.name = "from", W(from_name), NAMES(n_from, MR_PORTS_MAX)},
    {.name = "work", W(work), NAMES(n_work, MR_WORKS_MAX)},
    {.name = "to", W(to_name), NAMES(n_to, MR_PORTS_MAX)},
    {.name = "workers", W(workers), NUMBER("1", 1, 16)},
    {.name = "when_full", W(when_full), WORD("auto", full_words)},

    {.name = "where", T(where), TEXT(MR_TAP_WHERE_MAX - 1)},
    {.name = "to", T(to), TEXT(255)},
    {.name = "filter", T(filter), TEXT(255)},
    {.name = "snap", T(snap), NUMBER("0", 0, 65535)},
};

static const char *const section_words[] = {"engine", "memory", "batcher", "ports", "paths", "tap", NULL};

const struct mr_key *mr_key_at(uint32_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct mr_key *mr_key_find(enum mr_key_section section, const char *name)
{
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].section == section && strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

bool mr_key_serves(const struct mr_key *key, const char *driver)
{
    size_t length = strlen(driver);
    for (const char *word = key->driver; word != NULL; word = strchr(word, ' ') == NULL ? NULL : strchr(word, ' ') + 1) {
        if (strcspn(word, " ") == length && strncmp(word, driver, length) == 0) {
            return true;
        }
    }
    return key->driver == NULL;
}

const char *mr_key_section_word(enum mr_key_section section)
{
    return section_words[section];
}

enum mr_key_section mr_key_section_find(const char *word)
{
    uint32_t i = 0;
    while (section_words[i] != NULL && strcmp(section_words[i], word) != 0) {
        i++;
    }
    return (enum mr_key_section)i;
}

bool mr_key_section_is_list(enum mr_key_section section)
{
    return section == MR_KEY_PORT || section == MR_KEY_PATH || section == MR_KEY_TAP;
}

void mr_key_presets(enum mr_key_section section, void *base)
{
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].section == section && table[i].preset != NULL) {
            mr_key_read(&table[i], base, table[i].preset);
        }
    }
}

/* ---- the nearest known word ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, delete or change to make a out of b (Levenshtein), for words of up to 31 letters. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[MR_NAME_MAX + 1];
    uint32_t n = (uint32_t)strlen(b);
    if (n > MR_NAME_MAX || strlen(a) > MR_NAME_MAX) {
        return UINT32_MAX;
    }
    for (uint32_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; a[i - 1] != 0; i++) {
        uint32_t diagonal = row[0]; // of the row before
        row[0] = i;
        for (uint32_t j = 1; j <= n; j++) {
            uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

static const char *word_of(enum mr_key_section section, uint32_t i)
{
    if (section == MR_KEY_SECTIONS) {
        return section_words[i];
    }
    return table[i].section == section ? table[i].name : "";
}

const char *mr_key_suggest(enum mr_key_section section, const char *word, char *text, size_t bytes)
{
    uint32_t n = section == MR_KEY_SECTIONS ? MR_KEY_SECTIONS : sizeof table / sizeof *table;
    uint32_t best = UINT32_MAX;
    size_t begin = (size_t)snprintf(text, bytes, "there are: ");
    size_t used = begin;
    const char *near = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const char *known = word_of(section, i);
        uint32_t d = known[0] == 0 ? UINT32_MAX : distance(word, known);
        if (known[0] != 0 && used < bytes) {
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used == begin ? "" : ", ", known);
        }
        if (d < best) {
            best = d;
            near = known;
        }
    }
    if (near != NULL && best <= 1 + strlen(near) / 4) {
        snprintf(text, bytes, "did you mean \"%s\"?", near);
    }
    return text;
}

/* ---- the enums' words, for whoever prints them ---- */

static const char *word_at(const char *const *words, uint32_t i)
{
    for (uint32_t k = 0; words[k] != NULL; k++) {
        if (k == i) {
            return words[k];
        }
    }
    return NULL;
}

const char *mr_layout_word(enum mr_layout v)
{
    return word_at(layout_words, v);
}

const char *mr_numa_word(enum mr_numa v)
{
    return word_at(numa_words, v);
}

const char *mr_huge_word(enum mr_huge v)
{
    return word_at(huge_words, v);
}

const char *mr_offload_word(enum mr_offload v)
{
    return word_at(offload_words, v);
}

const char *mr_when_full_word(enum mr_when_full v)
{
    return word_at(full_words, v);
}
