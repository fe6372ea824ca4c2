/* pcap_read.c: the thread that reads a capture ahead, into a ring of records. */
#include "lib/port/pcap.h"
#include "lib/sys/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define RING_BYTES   (1u << 20) /* what a core's second level cache holds */
#define NAP_LEAST_NS 20000l
#define NAP_MOST_NS  1000000l
enum { PUBLISH_BYTES = 16384 }; // how often the core hears of records: each time costs it a line

static void nap(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

static bool stopped(const struct mr_pcap_reader *r)
{
    return mr_load_acquire(&r->stop) != 0;
}

/* Waits for room: the core decides how fast a file is read. NULL when it was told to stop. */
static unsigned char *room(struct mr_pcap_reader *r, uint32_t bytes)
{
    unsigned char *at = mr_byte_ring_reserve(&r->ring, bytes);
    long ns = NAP_LEAST_NS;
    if (MR_UNLIKELY(at == NULL)) {
        mr_byte_ring_publish(&r->ring);
    }
    while (at == NULL && !stopped(r)) {
        nap(ns);
        ns = ns * 2 < NAP_MOST_NS ? ns * 2 : NAP_MOST_NS;
        at = mr_byte_ring_reserve(&r->ring, bytes);
    }
    return at;
}

static bool put(struct mr_pcap_reader *r, const struct mr_pcap_record *record, const unsigned char *data)
{
    uint32_t bytes = mr_pcap_ring_bytes(record->there);
    unsigned char *at = room(r, bytes);
    if (at == NULL) {
        return false;
    }
    memcpy(at, record, sizeof *record);
    memcpy(at + sizeof *record, data, record->there);
    mr_byte_ring_advance(&r->ring, bytes);
    if (r->ring.tail - r->ring.published_tail >= PUBLISH_BYTES || !r->file.in.regular) {
        mr_byte_ring_publish(&r->ring);
    }
    return true;
}

static bool wanted(const struct mr_pcap_reader *r, const struct mr_pcap_record *record, const unsigned char *data)
{
    return r->filter == NULL || mr_filter_match(r->filter, data, record->length, record->there);
}

/* One pass over the file. How many records went on; -1 when it broke. */
static int64_t pass(struct mr_pcap_reader *r, uint64_t most)
{
    struct mr_pcap_record record;
    const unsigned char *data;
    int64_t put_on = 0;
    int rc = 0;
    while (most != 0 && !stopped(r) && (rc = r->file.next(&r->file, &record, &data)) == 1) {
        mr_count(&r->records, 1);
        if (MR_UNLIKELY(!wanted(r, &record, data))) {
            mr_count(&r->filtered, 1);
        } else if (put(r, &record, data)) {
            put_on++;
            most--;
        }
    }
    return rc < 0 ? -1 : put_on;
}

static void fail(struct mr_pcap_reader *r)
{
    if (!stopped(r)) { // then the end of what was waited for is no fault
        snprintf(r->text, sizeof r->text, "%.200s: %s", r->file.in.name, r->file.text);
        r->failed = true;
    }
}

static bool again(struct mr_pcap_reader *r)
{
    mr_pcap_file_end(&r->file);
    int rc = mr_pcap_input_rewind(&r->file.in);
    if (rc < 0) {
        snprintf(r->file.text, sizeof r->file.text, "it cannot be read again from its beginning: %s", strerror(-rc));
        return false;
    }
    return mr_pcap_file_begin(&r->file) == 0;
}

/* A pass that brought nothing ends it too: the next would bring as much. */
static void read_all(struct mr_pcap_reader *r)
{
    uint64_t left = r->config->max_frames == 0 ? UINT64_MAX : r->config->max_frames;
    for (uint32_t loop = 0; r->config->loop == 0 || loop < r->config->loop; loop++) {
        if ((loop != 0 || !r->begun) && !(loop != 0 ? again(r) : mr_pcap_file_begin(&r->file) == 0)) {
            fail(r);
            return;
        }
        int64_t n = pass(r, left);
        if (n < 0) {
            fail(r);
            return;
        }
        mr_count(&r->passes, 1);
        left -= (uint64_t)n;
        if (n == 0 || left == 0 || stopped(r)) {
            return;
        }
    }
}

static void *reader_main(void *arg)
{
    struct mr_pcap_reader *r = arg;
    read_all(r);
    mr_byte_ring_publish(&r->ring);
    mr_store_release(&r->done, 1);
    return NULL;
}

/* ---- control ---- */

static int begin_now(struct mr_pcap_reader *r, struct mr_error *err)
{
    if (r->file.in.regular && mr_pcap_file_begin(&r->file) < 0) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: %.200s: %s", r->config->name, r->file.in.name,
                            r->file.text);
    }
    r->begun = r->file.in.regular;
    if (!r->file.in.regular && r->config->loop != 1) {
        return mr_error_set(err, MR_FAULT_CONFIG, ESPIPE, "port %s: loop: %.200s is no regular file and cannot be read "
                            "twice; remove loop, or write it to a file first", r->config->name, r->file.in.name);
    }
    return 0;
}

int mr_pcap_reader_open(struct mr_pcap_reader *r, const struct mr_port_config *config, int node, struct mr_error *err)
{
    struct mr_error why = {.text = ""};
    r->config = config;
    r->file.in.fd = -1;
    int rc = config->filter[0] == 0 ? 0 : mr_filter_create(config->filter, &r->filter, &why);
    rc = rc < 0 ? rc : mr_pcap_input_open(&r->file.in, config->read, &r->stop, &why);
    if (rc < 0) {
        return mr_error_set(err, why.fault, rc, "port %s: %s", config->name, why.text);
    }
    rc = begin_now(r, err);
    if (rc < 0) {
        return rc;
    }
    rc = mr_byte_ring_init(&r->ring, RING_BYTES, node);
    return rc == 0 ? 0 : mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: no memory to read ahead: %s%s", config->name,
                                      strerror(-rc), mr_error_remedy(rc));
}

int mr_pcap_reader_start(struct mr_pcap_reader *r, struct mr_error *err)
{
    int rc = mr_thread_start_anywhere(&r->thread, "mr-pcap-read", reader_main, r, err);
    r->started = rc == 0;
    return rc;
}

void mr_pcap_reader_stop(struct mr_pcap_reader *r)
{
    mr_store_release(&r->stop, 1);
    if (r->started) {
        pthread_join(r->thread, NULL);
        r->started = false;
    }
}

void mr_pcap_reader_fini(struct mr_pcap_reader *r)
{
    if (r->config == NULL) {
        return;
    }
    mr_pcap_reader_stop(r);
    mr_pcap_file_end(&r->file);
    mr_pcap_input_close(&r->file.in);
    mr_byte_ring_fini(&r->ring);
    mr_filter_destroy(r->filter);
}
