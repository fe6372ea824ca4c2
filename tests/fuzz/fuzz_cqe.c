/* fuzz_cqe.c: the uring driver against a kernel that says anything: completions for buffers that were never posted, twice,
 * of impossible lengths, with any header in the buffer, of requests that do not live, of queues that are not there.
 *
 * The kernel's side is played in memory: a submission queue that nobody enters, and the ring of posted buffers. Held to:
 * one receive request at a time; no buffer posted twice; no frame reaches out of its chunk; every frame is counted once,
 * every chunk is in one place, and all of them come home in the end. */
#include "tests/fuzz/fuzz_cqe_world.h"

/* ---- what the driver has asked for ---- */

static void take_send(struct world *w, const struct io_uring_sqe *sqe)
{
    uint32_t chunk = (uint32_t)sqe->user_data;
    uintptr_t first = (uintptr_t)mr_chunk_at(memory, chunk);
    FUZZ_CHECK(*owner_of(w, chunk) == SENT, "chunk %u is not to be sent", chunk);
    FUZZ_CHECK(sqe->addr >= first + MR_CHUNK_BUF && sqe->addr + sqe->len <= first + stride_of(chunk),
               "%u bytes at %zu of chunk %u", sqe->len, (size_t)(sqe->addr - first), chunk);
    FUZZ_CHECK(w->n_sends < SENDING, "more sends than there is room for");
    w->sends[w->n_sends++] = sqe->user_data;
}

static void take_requests(struct world *w)
{
    for (; w->head != w->u.ring.sq.sqe_tail; w->head++) {
        const struct io_uring_sqe *sqe = &w->sqes[w->head & (SQES - 1)];
        if (sqe->user_data >> 56 == MR_URING_SEND) {
            take_send(w, sqe);
        } else {
            FUZZ_CHECK(sqe->user_data >> 56 == MR_URING_RECEIVE, "a request of kind %d", (int)(sqe->user_data >> 56));
            FUZZ_CHECK(!w->alive, "armed twice");
            w->alive = true;
        }
    }
}

static void take_buffers(struct world *w)
{
    struct mr_uring_rxq *q = &w->rx;
    for (; w->seen != q->ring->tail; w->seen++) {
        const struct io_uring_buf *b = &q->ring->bufs[w->seen & (q->n - 1)];
        uintptr_t first = b->addr - q->post_at;
        uint32_t chunk = (uint32_t)((first - (uintptr_t)memory) / MR_CACHE_LINE);
        FUZZ_CHECK(b->bid < q->n && w->posted[b->bid] == MR_URING_NO_CHUNK, "buffer %u is posted twice", b->bid);
        FUZZ_CHECK(first == (uintptr_t)mr_chunk_at(memory, chunk), "buffer %u begins in no chunk", b->bid);
        FUZZ_CHECK(b->addr + b->len <= first + stride_of(chunk), "buffer %u is longer than its chunk", b->bid);
        pass_on(w, chunk, ENGINES, POSTED);
        w->posted[b->bid] = chunk;
    }
}

/* ---- what the kernel says ---- */

/* Header before the data as the kernel would write it, with any numbers in it, or anything at all. */
static void write_header(struct world *w, struct fuzz *f, uint32_t chunk)
{
    unsigned char *at = mr_chunk_at(memory, chunk) + w->rx.post_at;
    uint32_t head = MR_CHUNK_DATA - w->rx.post_at + 16;
    if (fuzz_below(f, 4) == 0 || !w->rx.socket.aux) {
        for (uint32_t i = 0; i < head; i++) {
            at[i] = fuzz_u8(f);
        }
        return;
    }
    struct io_uring_recvmsg_out out = {.controllen = (uint32_t)w->rx.msg.msg_controllen};
    struct tpacket_auxdata aux = {.tp_status = fuzz_u16(f), .tp_vlan_tci = fuzz_u16(f), .tp_vlan_tpid = fuzz_u16(f)};
    struct mr_vnet vnet = {.flags = fuzz_u8(f), .gso_type = fuzz_below(f, 6), .hdr_len = fuzz_u8(f)};
    out.payloadlen = fuzz_below(f, 8) == 0 ? fuzz_u32(f) : fuzz_u16(f);
    out.flags = fuzz_below(f, 8) == 0 ? MSG_TRUNC : 0;
    vnet.csum_start = fuzz_below(f, 2) == 0 ? fuzz_u8(f) : fuzz_u16(f);
    vnet.csum_offset = fuzz_below(f, 2) == 0 ? fuzz_u8(f) : fuzz_u16(f);
    memcpy(at, &out, sizeof out);
    memcpy(at + sizeof out + sizeof(struct cmsghdr), &aux, sizeof aux);
    if (w->rx.socket.vnet) {
        memcpy(at + MR_URING_HEAD - MR_VNET_BYTES, &vnet, sizeof vnet);
    }
}

static void complete(struct world *w, uint64_t user_data, int res, uint32_t flags)
{
    struct io_uring_cqe cqe = {.user_data = user_data, .res = res, .flags = flags};
    mr_uring_complete(&w->u, &cqe);
}

static void receive(struct world *w, struct fuzz *f)
{
    uint32_t number = fuzz_below(f, 4) == 0 ? fuzz_u16(f) : fuzz_below(f, BUFFERS);
    int res = fuzz_below(f, 4) == 0 ? (int)fuzz_u32(f) : fuzz_u16(f);
    uint32_t flags = (fuzz_below(f, 8) != 0 ? IORING_CQE_F_MORE : 0) | number << IORING_CQE_BUFFER_SHIFT;
    flags |= fuzz_below(f, 8) != 0 ? IORING_CQE_F_BUFFER : 0;
    bool posted = number < w->rx.n && w->posted[number] != MR_URING_NO_CHUNK;
    bool has_buffer = (flags & IORING_CQE_F_BUFFER) != 0;
    bool ends = (flags & IORING_CQE_F_MORE) == 0;
    if (posted) {
        write_header(w, f, w->posted[number]);
    }
    if (posted && has_buffer && res >= 0) {
        pass_on(w, w->posted[number], POSTED, ENGINES);
        w->posted[number] = MR_URING_NO_CHUNK;
        w->received++;
    } else {
        w->bad += has_buffer;
    }
    w->bad += ends && !w->alive;
    w->alive = w->alive && !ends;
    complete(w, MR_URING_USER_DATA(MR_URING_RECEIVE, 0, 0, 0), res, flags);
}

static void sent(struct world *w, struct fuzz *f)
{
    static const int errors[] = {-ENOBUFS, -EMSGSIZE, -ENETDOWN, -ENXIO, -ECANCELED, -EINVAL};
    uint32_t kind = fuzz_below(f, 12), which = fuzz_below(f, SENDING);
    int res = kind < 6 ? errors[kind] : kind == 6 ? (int)fuzz_u32(f) : 60;
    uint64_t user_data = MR_URING_USER_DATA(MR_URING_SEND, 0, fuzz_u16(f), fuzz_u32(f)); // of no send, when none lives
    if (w->n_sends != 0) {
        which %= w->n_sends--;
        user_data = w->sends[which];
        w->sends[which] = w->sends[w->n_sends];
    } else {
        w->bad++;
    }
    complete(w, user_data, res, fuzz_below(f, 2) == 0 ? fuzz_u32(f) : 0);
}

static void stray(struct world *w, struct fuzz *f)
{
    uint64_t kind = fuzz_u8(f), queue = 1 + fuzz_below(f, 255);
    w->bad += kind != MR_URING_CANCEL;
    complete(w, kind << 56 | queue << 48 | fuzz_u32(f), (int)fuzz_u32(f), fuzz_u32(f));
}

/* ---- the engine ---- */

static void take_frames(struct world *w, uint32_t n)
{
    uint32_t room = CHUNKS - w->n_frames;
    uint32_t got = mr_uring_rx_burst(&w->rx.q, w->frames + w->n_frames, n < room ? n : room);
    for (; got != 0; got--) {
        const struct mr_frame *f = &w->frames[w->n_frames++];
        uint32_t before = f->flags & MR_FRAME_VNET ? MR_VNET_BYTES : 0;
        pass_on(w, f->chunk, ENGINES, WORKER);
        FUZZ_CHECK(f->offset >= MR_CHUNK_BUF + before && f->length >= MR_FRAME_MIN, "%u at %u", f->length, f->offset);
        FUZZ_CHECK((uint32_t)f->offset + f->length <= stride_of(f->chunk), "%u bytes at %u", f->length, f->offset);
        FUZZ_CHECK(f->port == 1, "port %u", f->port);
        memset(mr_frame_data(memory, f), 7, f->length); // who has the descriptor may write all of it
        w->handed_out++;
    }
}

static void free_frames(struct world *w, uint32_t n)
{
    for (; n != 0 && w->n_frames != 0; n--) {
        uint32_t chunk = w->frames[--w->n_frames].chunk;
        pass_on(w, chunk, WORKER, ENGINES);
        mr_pool_free(&w->pool, &chunk, 1);
    }
}

/* What lies behind a frame is not its sender's to change. */
static uint64_t behind(const struct mr_frame *f)
{
    uint32_t room = stride_of(f->chunk) - f->offset - f->length;
    uint64_t bytes = 0;
    memcpy(&bytes, mr_frame_data(memory, f) + f->length, room < sizeof bytes ? room : sizeof bytes);
    return bytes;
}

static void send_frames(struct world *w, uint32_t n)
{
    uint64_t before[CHUNKS];
    struct mr_frame burst[CHUNKS];
    n = fuzz_least(n, w->n_frames);
    memcpy(burst, w->frames + w->n_frames - n, n * sizeof *burst);
    for (uint32_t i = 0; i < n; i++) {
        pass_on(w, burst[i].chunk, WORKER, SENT);
        before[i] = behind(&burst[i]);
    }
    uint32_t taken = mr_uring_tx_burst(&w->tx.q, burst, n);
    FUZZ_CHECK(taken <= n, "%u of %u", taken, n);
    for (uint32_t i = 0; i < n; i++) {
        FUZZ_CHECK(behind(&burst[i]) == before[i], "written behind %u bytes", burst[i].length);
    }
    w->n_frames -= n;
    for (uint32_t i = taken; i < n; i++) {
        pass_on(w, burst[i].chunk, SENT, WORKER);
        w->frames[w->n_frames++] = burst[i];
    }
    w->given += taken;
}

static void reclaim(struct world *w, uint32_t n)
{
    uint32_t chunks[SENDING];
    n = mr_uring_reclaim(&w->tx.q, chunks, fuzz_least(n, SENDING));
    for (uint32_t i = 0; i < n; i++) {
        pass_on(w, chunks[i], SENT, ENGINES);
    }
    mr_pool_free(&w->pool, chunks, n);
}

/* ---- the books ---- */

static uint64_t sum(const uint64_t *drops)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < MR_DROP_MAX; i++) {
        all += drops[i];
    }
    return all;
}

static void check(const struct world *w)
{
    const struct mr_rxq *rx = &w->rx.q;
    const struct mr_txq *tx = &w->tx.q;
    uint32_t home = w->pool.small.count + w->pool.big.count;
    FUZZ_CHECK(home + rx->held + rx->ready + w->n_frames + tx->held == CHUNKS, "chunks: home %u, posted %u, ready %u",
               home, rx->held, rx->ready);
    FUZZ_CHECK(w->received == rx->frames + rx->ready, "%zu received", (size_t)w->received);
    FUZZ_CHECK(rx->frames == w->handed_out + sum(w->rx_drops), "%zu counted", (size_t)rx->frames);
    FUZZ_CHECK(tx->held == w->tx.n_done + w->n_sends, "%u held", tx->held);
    FUZZ_CHECK(w->given == tx->frames + sum(w->tx_drops) + tx->in_flight, "%zu given", (size_t)w->given);
    FUZZ_CHECK(w->bad == w->rx.bad_completions + w->tx.bad_completions, "%zu bad", (size_t)w->bad);
    FUZZ_CHECK(w->rx.armed == w->alive, "armed");
}

static void step(struct world *w, struct fuzz *f)
{
    uint32_t op = fuzz_below(f, 16), n = fuzz_below(f, 12);
    if (op < 6) {
        receive(w, f);
    } else if (op < 8) {
        take_frames(w, n);
    } else if (op < 10) {
        send_frames(w, n);
    } else if (op < 12) {
        sent(w, f);
    } else if (op == 12) {
        mr_uring_rx_arm(&w->rx);
    } else if (op == 13) {
        reclaim(w, n);
    } else if (op == 14) {
        free_frames(w, n);
    } else {
        stray(w, f);
    }
    take_requests(w);
    take_buffers(w);
    check(w);
}

/* Everything ends; then every chunk is home. */
static void finish(struct world *w)
{
    uint32_t chunks[CHUNKS];
    if (w->alive) {
        w->alive = false;
        complete(w, MR_URING_USER_DATA(MR_URING_RECEIVE, 0, 0, 0), -ECANCELED, 0);
    }
    while (w->n_sends != 0) {
        complete(w, w->sends[--w->n_sends], -ECANCELED, 0);
    }
    reclaim(w, SENDING);
    free_frames(w, CHUNKS);
    uint32_t n = mr_uring_rx_chunks_back(&w->rx, chunks, CHUNKS);
    mr_pool_free(&w->pool, chunks, n);
    FUZZ_CHECK(w->pool.small.count == SMALL && w->pool.big.count == BIG, "%u and %u came home", w->pool.small.count,
               w->pool.big.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct world w;
    struct fuzz f = {data, bytes};
    make(&w, &f);
    for (uint32_t i = 0; i < OPS_MAX && f.left != 0; i++) {
        step(&w, &f);
    }
    finish(&w);
    ASAN_UNPOISON_MEMORY_REGION(w.rx.tables, w.rx.tables_bytes);
    mr_uring_rx_fini(&w.rx);
    ASAN_UNPOISON_MEMORY_REGION(memory, sizeof memory);
    return 0;
}
