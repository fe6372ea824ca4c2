/* pcap.c: the pcap driver: files as ports. What it is made of is told in pcap.h. */
#include "lib/port/pcap.h"
#include "lib/sys/node.h"

#include <errno.h>
#include <jansson.h>
#include <pcap.h>
#include <stdlib.h>

static struct mr_pcap_source *source_of(const struct mr_port *port)
{
    return port->n_rxq == 0 || port->rxq[0] == NULL ? NULL : MR_CONTAINER_OF(port->rxq[0], struct mr_pcap_source, q);
}

static struct mr_pcap_sink *sink_of(const struct mr_port *port)
{
    return port->n_txq == 0 || port->txq[0] == NULL ? NULL : MR_CONTAINER_OF(port->txq[0], struct mr_pcap_sink, q);
}

static int probe(struct mr_probe *probe)
{
    probe->usable = true;
    snprintf(probe->reason, sizeof probe->reason, "always: files, no privilege; %s", pcap_lib_version());
    return 0;
}

/* ---- opening ---- */

static bool reads_file(const struct mr_pcap_source *source, uint64_t device, uint64_t inode)
{
    const struct mr_pcap_input *in = &source->reader.file.in;
    return in->regular && in->device == device && in->inode == inode;
}

static const char *uses_file(const struct mr_port *port, uint64_t device, uint64_t inode)
{
    const struct mr_pcap_source *source = source_of(port);
    const struct mr_pcap_sink *sink = sink_of(port);
    if (source != NULL && reads_file(source, device, inode)) {
        return "reads";
    }
    return sink != NULL && mr_capture_is(sink->capture, device, inode) ? "writes" : NULL;
}

/* A file that is read and written at once would be cut under its reader. */
static int check_pair(const struct mr_port *reader, const struct mr_port *writer, struct mr_error *err)
{
    const struct mr_pcap_source *source = source_of(reader);
    const struct mr_pcap_sink *sink = sink_of(writer);
    uint64_t device, inode;
    if (source == NULL || sink == NULL || !mr_capture_file(sink->capture, &device, &inode) ||
        !reads_file(source, device, inode)) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "port %s: it would write over %s, which port %s reads; write another "
                        "file", writer->config->name, reader->config->read, reader->config->name);
}

static int check_writers(const struct mr_port *a, const struct mr_port *b, struct mr_error *err)
{
    const struct mr_pcap_sink *one = sink_of(a);
    const struct mr_pcap_sink *two = sink_of(b);
    if (a == b || one == NULL || two == NULL || !mr_capture_same(one->capture, two->capture)) {
        return 0;
    }
    return mr_error_set(err, MR_FAULT_CONFIG, EBUSY, "port %s: %s is written by port %s already; write another file",
                        a->config->name, a->config->write, b->config->name);
}

static int check_files(const struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    int rc = check_pair(port, port, err);
    for (uint32_t i = 0; i < setup->n_ports && rc == 0; i++) {
        const struct mr_port *other = setup->ports[i];
        if (other == NULL || other == port || other->driver != port->driver) {
            continue;
        }
        rc = check_pair(port, other, err);
        rc = rc < 0 ? rc : check_pair(other, port, err);
        rc = rc < 0 ? rc : check_writers(port, other, err);
    }
    return rc;
}

static int open_source(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_pcap_source *s = mr_node_alloc(sizeof *s, setup->rx_node[0]);
    if (s == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory to read by; free some", port->config->name);
    }
    port->rxq[0] = &s->q;
    return mr_pcap_source_init(s, port, setup, err);
}

static int open_sink(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    struct mr_pcap_sink *s = mr_node_alloc(sizeof *s, setup->tx_node[0]);
    if (s == NULL) {
        return mr_error_set(err, MR_FAULT_MACHINE, ENOMEM, "port %s: no memory to write by; free some", port->config->name);
    }
    port->txq[0] = &s->q;
    return mr_pcap_sink_init(s, port, setup, err);
}

static void describe(struct mr_port *port)
{
    const struct mr_port_config *c = port->config;
    const struct mr_pcap_source *source = source_of(port);
    const struct mr_pcap_sink *sink = sink_of(port);
    char pace[48] = "flat out";
    size_t used = 0;
    if (c->rate_fps != 0) {
        snprintf(pace, sizeof pace, "%.10g frames/s", c->rate_fps);
    } else if (c->replay == MR_REPLAY_RECORDED) {
        snprintf(pace, sizeof pace, "as recorded");
    }
    if (source != NULL) {
        const char *format = source->reader.file.format;
        used = (size_t)snprintf(port->mode, sizeof port->mode, "reads %s, %s", format == NULL ? "a pipe" : format, pace);
    }
    if (sink != NULL) {
        snprintf(port->mode + used, sizeof port->mode - used, "%swrites %s", used != 0 ? "; " : "",
                 mr_capture_format_text(sink->capture));
    }
}

static void destroy(struct mr_port *port)
{
    struct mr_pcap_source *source = source_of(port);
    struct mr_pcap_sink *sink = sink_of(port);
    if (source != NULL) {
        mr_pcap_source_fini(source);
        mr_node_free(source, sizeof *source);
    }
    if (sink != NULL) {
        mr_pcap_sink_fini(sink);
        mr_node_free(sink, sizeof *sink);
    }
    port->rxq[0] = NULL;
    port->txq[0] = NULL;
}

static int open_port(struct mr_port *port, const struct mr_port_setup *setup, struct mr_error *err)
{
    port->n_rxq = setup->n_rxq;
    port->n_txq = setup->n_txq;
    int rc = setup->n_rxq == 0 ? 0 : open_source(port, setup, err);
    rc = rc < 0 || setup->n_txq == 0 ? rc : open_sink(port, setup, err);
    rc = rc < 0 ? rc : check_files(port, setup, err);
    if (rc == 0 && setup->n_rxq != 0) {
        describe(port); // before the thread owns what it tells
        rc = mr_pcap_reader_start(&source_of(port)->reader, err);
    } else if (rc == 0) {
        describe(port);
    }
    if (rc < 0) {
        destroy(port);
    }
    return rc;
}

/* ---- ending, telling ---- */

static void close_port(struct mr_port *port)
{
    struct mr_pcap_source *source = source_of(port);
    struct mr_pcap_sink *sink = sink_of(port);
    if (source != NULL) {
        mr_pcap_reader_stop(&source->reader);
    }
    if (sink != NULL) {
        mr_capture_stop(sink->capture);
    }
}

/* Records that the filter left out were never frames here. */
static void stats(struct mr_port *port, struct mr_outsides *out)
{
    const struct mr_pcap_source *s = source_of(port);
    if (s != NULL) {
        mr_outside_add(out, "cut_records", mr_counted(&s->cut), NULL, false);
        mr_outside_add(out, "filtered", mr_counted(&s->reader.filtered), NULL, false);
    }
}

static void report_source(struct mr_pcap_source *s, json_t *o)
{
    mr_pcap_reader_stop(&s->reader);
    json_object_set_new(o, "records", json_integer((json_int_t)s->reader.records));
    json_object_set_new(o, "filtered", json_integer((json_int_t)s->reader.filtered));
    json_object_set_new(o, "cut_records", json_integer((json_int_t)s->cut));
    json_object_set_new(o, "passes", json_integer((json_int_t)s->reader.passes));
    if (s->reader.failed) {
        json_object_set_new(o, "error", json_string(s->reader.text));
    }
}

static void report_sink(struct mr_pcap_sink *s, json_t *o)
{
    char why[600];
    mr_capture_stop(s->capture);
    if (mr_capture_error(s->capture) != 0) {
        mr_capture_why(s->capture, why, sizeof why);
        json_object_set_new(o, json_object_get(o, "error") == NULL ? "error" : "write_error", json_string(why));
    }
}

/* {records, filtered, cut_records, passes} of a port that reads; error: what ended a file before its time. The threads
 * have to have ended for that. */
static void *report(struct mr_port *port)
{
    json_t *o = json_object();
    if (source_of(port) != NULL) {
        report_source(source_of(port), o);
    }
    if (sink_of(port) != NULL) {
        report_sink(sink_of(port), o);
    }
    return o;
}

const struct mr_driver mr_driver_pcap = {
    .name = "pcap",
    .summary = "capture files: pcap and pcapng, read and written",
    .caps = {.copies = "1 (file's ring → chunk), 1 back", .rx_copies = 1, .tx_copies = 1,
             .syscalls = "0 (threads read and write)", .completes_at_return = true, .waits = true,
             .max_queues = 1, .queue_files = 1},
    .probe = probe,
    .io_create = mr_pcap_io_create,
    .io_destroy = mr_pcap_io_destroy,
    .open = open_port,
    .attach = mr_pcap_attach,
    .rx_burst = mr_pcap_rx_burst,
    .tx_burst = mr_pcap_tx_burst,
    .doorbell = mr_pcap_doorbell,
    .rx_quiesce = mr_pcap_rx_quiesce,
    .detach = mr_pcap_detach,
    .stats = stats,
    .close = close_port,
    .destroy = destroy,
    .report = report,
    .uses_file = uses_file,
};
