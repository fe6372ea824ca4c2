#include <millrace/counters.h>

static const char *const words[] = {
#define X(word, text) #word,
    MR_DROP_REASONS(X)
#undef X
};

static const char *const texts[] = {
#define X(word, text) text,
    MR_DROP_REASONS(X)
#undef X
};

const char *mr_drop_word(uint32_t reason)
{
    return reason < MR_DROP_ENGINE_COUNT ? words[reason] : NULL;
}

const char *mr_drop_text(uint32_t reason)
{
    return reason < MR_DROP_ENGINE_COUNT ? texts[reason] : NULL;
}

static uint64_t batches(const struct mr_batch_counts *b)
{
    uint64_t sum = 0;
    for (uint32_t n = 1; n <= MR_BATCH_MAX; n++) {
        sum += mr_counted(&b->counts[n]);
    }
    return sum;
}

double mr_batch_mean(const struct mr_batch_counts *b)
{
    uint64_t sum = batches(b);
    uint64_t frames = 0;
    for (uint32_t n = 1; n <= MR_BATCH_MAX; n++) {
        frames += n * mr_counted(&b->counts[n]);
    }
    return sum == 0 ? 0 : (double)frames / (double)sum;
}

uint32_t mr_batch_quantile(const struct mr_batch_counts *b, double q)
{
    double rank = q * (double)batches(b);
    uint64_t seen = 0;
    uint32_t last = 0;
    for (uint32_t n = 1; n <= MR_BATCH_MAX; n++) {
        uint64_t count = mr_counted(&b->counts[n]);
        seen += count;
        last = count != 0 ? n : last;
        if (count != 0 && (double)seen >= rank) {
            return n;
        }
    }
    return last;
}

uint32_t mr_batch_max(const struct mr_batch_counts *b)
{
    return mr_batch_quantile(b, 1.0);
}
