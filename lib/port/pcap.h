/* pcap.h: the pcap driver's own structs: files as ports. Private to lib/port/pcap*.c.
 *
 *     file ──▶ reading thread ──▶ ring of records ──▶ rx_burst ──▶ chunk … chunk ──▶ tx_burst ──▶ capture (capture.h) ──▶ file
 *
 * The core copies records between rings and chunks and never meets the file: disks, pipes and libpcap keep threads of
 * their own waiting. The reading thread parses, filters, counts and loops; it runs ahead by what the ring holds. A full
 * ring in front of a file holds up the sending stage: file to file is exact. Records keep their time and what was cut off
 * them in the chunk's own words (MR_FRAME_STAMPED), and the sending side writes these again; frames that came by another
 * driver get the wall clock of their arrival.
 *
 * A sent frame is counted when the kernel has it, so `in_flight` is what waits in the ring; the io's doorbell looks.
 */
#ifndef MILLRACE_PORT_PCAP_H
#define MILLRACE_PORT_PCAP_H

#include "lib/port/byte_ring.h"
#include "lib/port/capture.h"
#include "lib/port/filter.h"
#include "lib/port/port.h"
#include "lib/traffic/schedule.h"

#include <pthread.h>
#include <stdio.h>

#define MR_PCAP_BUFFER (256u << 10)
#define MR_PCAP_LONGEST 262144u /* most bytes of one record: libpcap's MAXIMUM_SNAPLEN for Ethernet */

/* What stands in the ring in front of each record's bytes. */
struct mr_pcap_record {
    uint64_t ns;     /* since 1970 */
    uint32_t there;  /* bytes that follow */
    uint32_t length; /* that the frame had; less than `there` only in lying files */
};

/* Bytes of the record in the ring, its head included. */
static inline uint32_t mr_pcap_ring_bytes(uint32_t there)
{
    return (uint32_t)((sizeof(struct mr_pcap_record) + there + 7) & ~7u);
}

/* The file as bytes: read ahead by a buffer; a pipe is waited for so that a stop is seen. */
struct mr_pcap_input {
    int fd;
    bool is_stdin, regular;
    uint64_t device, inode;
    const uint32_t *stop;
    unsigned char *buffer; /* MR_PCAP_BUFFER, and room for one more record */
    uint32_t begin, end;   /* unread bytes of the buffer */
    uint64_t offset;       /* in the file, of the byte at `begin` */
    char name[256];
};

/* The file as records. next: 1 = a record, its bytes valid until the next call; 0 = the end; -1 = text says why not. */
struct mr_pcap_file {
    struct mr_pcap_input in;
    int (*next)(struct mr_pcap_file *f, struct mr_pcap_record *r, const unsigned char **data);
    bool swapped;          /* the other byte order */
    uint32_t ns_per_unit;  /* of the stamps' fractions: 1000 or 1 */
    uint32_t snap;
    void *libpcap;         /* pcap_t, for all that is not plain pcap */
    FILE *stream;          /* what libpcap reads from */
    uint64_t records;      /* read so far, in this pass */
    const char *format;    /* for people */
    char text[400];
};

/* pcap_input.c. open: 0 or -errno, err filled. fill: at least n contiguous bytes from `begin` on, or fewer at the end of
 * the file: how many there are; -errno. read: as read(2). rewind: -ESPIPE for what cannot. */
int mr_pcap_input_open(struct mr_pcap_input *in, const char *file, const uint32_t *stop, struct mr_error *err);
int64_t mr_pcap_input_fill(struct mr_pcap_input *in, uint32_t n);
int64_t mr_pcap_input_read(struct mr_pcap_input *in, void *to, uint32_t n);
int mr_pcap_input_rewind(struct mr_pcap_input *in);
void mr_pcap_input_close(struct mr_pcap_input *in);

/* pcap_file.c. begin: reads the file's header: 0, or -1 with text. end: what begin made, not the input. */
int mr_pcap_file_begin(struct mr_pcap_file *f);
void mr_pcap_file_end(struct mr_pcap_file *f);

/* pcap_libpcap.c: the same by libpcap: pcapng, old versions, and the refusal of everything else. */
int mr_pcap_libpcap_begin(struct mr_pcap_file *f);
void mr_pcap_libpcap_end(struct mr_pcap_file *f);

struct mr_pcap_reader {
    struct mr_byte_ring ring;
    struct mr_pcap_file file;
    struct mr_filter *filter; /* NULL = all */
    const struct mr_port_config *config;
    pthread_t thread;
    bool started;                         /* control only */
    bool begun;                           /* the header was read at open; control, then the thread */
    uint32_t stop MR_ALIGNED(MR_LINE_PAIR); /* control and core write, the thread reads */
    uint32_t done MR_ALIGNED(MR_LINE_PAIR); /* the thread writes: nothing more will come; then error and text are final */
    uint64_t records, filtered, passes;   /* the thread writes */
    bool failed;
    char text[640];                       /* then: what was wrong, and where */
};

/* pcap_read.c. open: of a regular file the header is judged here. start: the thread. fini: stops it, frees all. */
int mr_pcap_reader_open(struct mr_pcap_reader *r, const struct mr_port_config *config, int node, struct mr_error *err);
int mr_pcap_reader_start(struct mr_pcap_reader *r, struct mr_error *err);
void mr_pcap_reader_stop(struct mr_pcap_reader *r);
void mr_pcap_reader_fini(struct mr_pcap_reader *r);

struct mr_pcap_source {
    struct mr_rxq q;
    struct mr_pcap_reader reader;
    struct mr_schedule schedule;
    uint32_t small_room, big_room; /* longest frame of either class of chunk */
    bool recorded;                 /* pace: as the stamps say */
    bool started, first;
    uint64_t due;                  /* tick of the record that was sent last */
    uint64_t last_ns;              /* its stamp */
    uint64_t cut;                  /* records with fewer bytes than the frame had */
};

struct mr_pcap_sink {
    struct mr_txq q;
    struct mr_capture *capture;
    struct mr_capture_lane *lane;
    uint64_t seen_frames, seen_bytes, seen_discarded; /* of the lane's, those that q counts already */
};

/* What one core shares: the sinks whose completions its doorbell looks for. */
struct mr_pcap_io {
    struct mr_io io;
    size_t bytes; /* of this */
    uint32_t n;
    struct mr_pcap_sink *sinks[];
};

/* pcap_source.c */
int mr_pcap_source_init(struct mr_pcap_source *s, struct mr_port *port, const struct mr_port_setup *setup,
                        struct mr_error *err);
void mr_pcap_source_fini(struct mr_pcap_source *s);
uint32_t mr_pcap_rx_burst(struct mr_rxq *q, struct mr_frame *frames, uint32_t n);
bool mr_pcap_rx_quiesce(struct mr_rxq *q);

/* pcap_sink.c */
int mr_pcap_sink_init(struct mr_pcap_sink *s, struct mr_port *port, const struct mr_port_setup *setup,
                      struct mr_error *err);
void mr_pcap_sink_fini(struct mr_pcap_sink *s);
uint32_t mr_pcap_tx_burst(struct mr_txq *q, const struct mr_frame *frames, uint32_t n);
int mr_pcap_io_create(const struct mr_io_setup *setup, struct mr_io **out, struct mr_error *err);
void mr_pcap_io_destroy(struct mr_io *io);
int mr_pcap_attach(struct mr_io *io, struct mr_error *err);
uint32_t mr_pcap_doorbell(struct mr_io *io, uint32_t what);
void mr_pcap_detach(struct mr_io *io, uint64_t deadline_ns);

#endif
