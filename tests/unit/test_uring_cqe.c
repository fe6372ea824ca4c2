/* Completions that no request of ours can have: counted, not followed. What fuzz_cqe found or guards, each as one case. */
#include <criterion/criterion.h>

#include "lib/port/uring.h"

#include <errno.h>
#include <limits.h>

enum { BUFFERS = 4 };

static struct mr_uring u;
static struct mr_uring_rxq rx, *rxq[1] = {&rx};
static struct mr_uring_txq tx, *txq[1] = {&tx};
static struct mr_port port;
static uint64_t rx_drops[MR_DROP_MAX], tx_drops[MR_DROP_MAX];
static uint32_t done[2], chunk_of[BUFFERS];

/* Nothing is posted, one send is under way. */
static void make(void)
{
    u = (struct mr_uring){.rxq = rxq, .txq = txq, .n_rxq = 1, .n_txq = 1};
    rx = (struct mr_uring_rxq){.q = {.port = &port, .drops = rx_drops}, .n = BUFFERS, .chunk_of = chunk_of};
    tx = (struct mr_uring_txq){.q = {.port = &port, .drops = tx_drops, .held = 1, .in_flight = 1}, .done = done};
    memset(chunk_of, 0xff, sizeof chunk_of);
}

TestSuite(uring_cqe, .init = make);

static void complete(enum mr_uring_kind kind, uint32_t queue, int res, uint32_t flags)
{
    struct io_uring_cqe cqe = {.user_data = MR_URING_USER_DATA(kind, queue, 60, 7), .res = res, .flags = flags};
    mr_uring_complete(&u, &cqe);
}

Test(uring_cqe, queues_and_kinds_that_are_not_there)
{
    complete(MR_URING_RECEIVE, 1, 60, IORING_CQE_F_MORE);
    complete(MR_URING_SEND, 255, 60, 0);
    complete((enum mr_uring_kind)9, 0, 60, 0);
    complete(MR_URING_CANCEL, 77, 0, 0);
    cr_expect_eq(rx.bad_completions, 3, "a cancel's own completion says nothing");
    cr_expect_eq(tx.q.in_flight, 1);
}

Test(uring_cqe, buffers_that_are_not_posted)
{
    uint32_t flags = IORING_CQE_F_MORE | IORING_CQE_F_BUFFER;
    complete(MR_URING_RECEIVE, 0, 60, flags | 2u << IORING_CQE_BUFFER_SHIFT);
    complete(MR_URING_RECEIVE, 0, 60, flags | BUFFERS << IORING_CQE_BUFFER_SHIFT);
    complete(MR_URING_RECEIVE, 0, 60, flags | 0xffffu << IORING_CQE_BUFFER_SHIFT);
    cr_expect_eq(rx.bad_completions, 3);
    cr_expect_eq(rx.n_free + rx.q.held + rx.q.ready, 0);
}

Test(uring_cqe, a_request_ends_once)
{
    rx.armed = true;
    complete(MR_URING_RECEIVE, 0, -ENOBUFS, 0);
    complete(MR_URING_RECEIVE, 0, -ENOBUFS, 0);
    cr_expect_eq(rx.rearms_no_buffers, 1);
    cr_expect_eq(rx.bad_completions, 1);
}

Test(uring_cqe, more_sends_end_than_were_under_way)
{
    complete(MR_URING_SEND, 0, 60, 0);
    complete(MR_URING_SEND, 0, 60, 0);
    cr_expect_eq(tx.n_done, 1);
    cr_expect_eq(tx.q.frames, 1);
    cr_expect_eq(tx.q.in_flight, 0);
    cr_expect_eq(tx.bad_completions, 1);
}

/* -INT_MIN is no int. */
Test(uring_cqe, an_error_that_has_no_negative)
{
    rx.armed = true;
    complete(MR_URING_RECEIVE, 0, INT_MIN, 0);
    complete(MR_URING_SEND, 0, INT_MIN, 0);
    cr_expect_eq(rx.rearms_other, 1);
    cr_expect_eq(tx_drops[MR_DROP_tx_error], 1);
}
