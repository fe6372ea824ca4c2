#include <criterion/criterion.h>
#include <millrace/counters.h>

#include <ctype.h>
#include <string.h>

static struct mr_batch_counts batches;

/* Words are JSON keys and parts of metric names: lower case, digits and underscores, each once. */
Test(counters, every_drop_reason_has_a_word_and_a_text_of_its_own)
{
    for (uint32_t i = 0; i < MR_DROP_ENGINE_COUNT; i++) {
        const char *word = mr_drop_word(i);
        cr_assert(word != NULL && islower(word[0]), "reason %u", i);
        for (const char *c = word; *c != 0; c++) {
            cr_expect(islower(*c) || isdigit(*c) || *c == '_', "%s", word);
        }
        cr_expect(mr_drop_text(i) != NULL && strlen(mr_drop_text(i)) > 10, "%s", word);
        for (uint32_t j = 0; j < i; j++) {
            cr_expect_str_neq(word, mr_drop_word(j));
            cr_expect_str_neq(mr_drop_text(i), mr_drop_text(j));
        }
    }
    cr_expect_str_eq(mr_drop_word(MR_DROP_tx_full), "tx_full");
    cr_expect_str_eq(mr_drop_word(MR_DROP_stopped), "stopped");
}

Test(counters, a_reason_of_a_work_function_has_no_engine_word)
{
    cr_expect_null(mr_drop_word(MR_DROP_ENGINE_COUNT));
    cr_expect_null(mr_drop_text(MR_DROP_ENGINE_COUNT));
    cr_expect_null(mr_drop_word(UINT32_MAX));
}

Test(counters, writers_do_not_share_lines)
{
    cr_expect_eq(sizeof(struct mr_stage_counters) % MR_LINE_PAIR, 0);
    cr_expect_eq(sizeof(struct mr_batch_counts) % MR_LINE_PAIR, 0);
}

Test(counters, count_adds)
{
    uint64_t counter = UINT64_MAX - 1;
    mr_count(&counter, 5);
    cr_expect_eq(mr_counted(&counter), 3);
}

Test(counters, batches_without_any)
{
    mr_batch_count(&batches, 0); /* an empty look is no batch */
    cr_expect_eq(mr_batch_mean(&batches), 0);
    cr_expect_eq(mr_batch_quantile(&batches, 0.5), 0);
    cr_expect_eq(mr_batch_max(&batches), 0);
}

Test(counters, batch_sizes_are_exact)
{
    for (int i = 0; i < 90; i++) {
        mr_batch_count(&batches, 1);
    }
    for (int i = 0; i < 9; i++) {
        mr_batch_count(&batches, 32);
    }
    mr_batch_count(&batches, MR_BATCH_MAX);
    mr_batch_count(&batches, 0);
    cr_expect_float_eq(mr_batch_mean(&batches), (90 + 9 * 32 + 256) / 100.0, 1e-12);
    cr_expect_eq(mr_batch_quantile(&batches, 0), 1);
    cr_expect_eq(mr_batch_quantile(&batches, 0.90), 1);
    cr_expect_eq(mr_batch_quantile(&batches, 0.91), 32);
    cr_expect_eq(mr_batch_quantile(&batches, 0.99), 32);
    cr_expect_eq(mr_batch_quantile(&batches, 1.0), MR_BATCH_MAX);
    cr_expect_eq(mr_batch_max(&batches), MR_BATCH_MAX);
}
