/* balance.c: the balance of a running engine for people: one block, written at once, so that nothing comes between. */
#include "apps/millrace/verbs.h"

#include <millrace/engine.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

struct block {
    char text[8192]; /* a stage is a line; what does not fit is left out */
    size_t used;
};

static void put(struct block *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct block *b, const char *format, ...)
{
    size_t room = sizeof b->text - b->used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(b->text + b->used, room, format, args);
    va_end(args);
    b->used += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

struct digits {
    char text[32];
};

/* 1234567 as "1,234,567". */
static struct digits grouped(int64_t n)
{
    struct digits d;
    size_t at = sizeof d.text - 1;
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
    d.text[at] = 0;
    for (uint32_t i = 0; i == 0 || rest != 0; i++, rest /= 10) {
        if (i != 0 && i % 3 == 0) {
            d.text[--at] = ',';
        }
        d.text[--at] = (char)('0' + rest % 10);
    }
    if (n < 0) {
        d.text[--at] = '-';
    }
    memmove(d.text, d.text + at, sizeof d.text - at);
    return d;
}

#define N(n) grouped((int64_t)(n)).text

static void put_sums(struct block *to, const struct mr_balance *b)
{
    put(to, "  frames  rx %s + made %s = tx %s + drops %s + in queues %s + in rings %s · unaccounted %s\n", N(b->rx), N(b->made),
        N(b->tx), N(b->drops), N(b->in_queues), N(b->in_rings), N(b->unaccounted));
    put(to, "  chunks  %s = free lists %s + recycle rings %s + side lists %s + rings %s + receiving %s + received %s + sending %s"
        " + kept %s + lost %s · unaccounted %s\n", N(b->chunks), N(b->free_lists), N(b->recycle_rings), N(b->side_lists), N(b->in_rings),
        N(b->receiving), N(b->received), N(b->sending), N(b->kept), N(b->lost), N(b->chunks_unaccounted));
}

static void put_stages(struct block *to, const struct mr_balance *b)
{
    put(to, "  stage                         frames            made         dropped  chunks in queue  unaccounted\n");
    for (uint32_t i = 0; i < b->n_stages; i++) {
        const struct mr_balance_stage *s = &b->stages[i];
        put(to, "  %-20s %15s %15s %15s %16s %12s\n", s->name, N(s->frames), N(s->made), N(s->dropped), N(s->chunks),
            N(s->unaccounted));
    }
}

void print_balance(const struct mr_balance *b, void *arg)
{
    static struct block to; // control thread only
    (void)arg;
    to.used = 0;
    put(&to, "%sbalance at %.3f s: ", isatty(STDERR_FILENO) ? "\r\033[K" : "", b->seconds);
    if (!b->answered) {
        put(&to, "not known: core %u (CPU %u) did not answer in 1 s\n", b->core, b->cpu);
    } else {
        put(&to, "%s; each core counted between two of its passes\n", b->holds ? "holds" : "does not hold");
        put_sums(&to, b);
        put_stages(&to, b);
    }
    fwrite(to.text, 1, to.used, stderr);
}
