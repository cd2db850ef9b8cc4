/* Which letters were sent back: what is committed tells no letter as sent that was not. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/commands/replay_progress.h"

#define NOTHING        \
    (struct committed) \
    {                  \
        .offset = -1   \
    }

/* Settles `letters` from the position on: a digit's letter is sent when it is 's', left when 'l';
 * '.' is no letter. Returns the text of what is to be committed. */
static char *settle(struct replay_progress *progress, const char *letters, int64_t *watermark)
{
    int64_t forgotten = 0;
    for (int64_t offset = progress->point.position; letters[offset] != '\0'; offset++) {
        if (letters[offset] == '.')
            continue;
        bool known = replay_progress_knows(progress, offset);
        replay_progress_settle(progress, offset, known || letters[offset] == 's');
    }
    char *text = replay_progress_text(progress, watermark, &forgotten);
    assert_int_equal(forgotten, 0);
    return text;
}

/* One digit for each offset: '1' where a commit tells it as sent. The caller frees. */
static char *told(const char *text, int64_t watermark, size_t length)
{
    const char *reason = NULL;
    size_t count = 0;
    struct marks_run *runs =
        text == NULL ? NULL : marks_read(text, strlen(text), watermark, &count, &reason);
    char *digits = memory_new(length + 1, 1);
    assert_null(reason);
    for (size_t i = 0; i < length; i++) {
        digits[i] = (int64_t)i < watermark ? '1' : '0';
        for (size_t r = 0; r < count; r++)
            if ((int64_t)i >= runs[r].from && (int64_t)i < runs[r].to)
                digits[i] = '1';
    }
    free(runs);
    return digits;
}

static void test_rows(void **state)
{
    static const struct {
        const char *letters;
        int64_t watermark;
        const char *sent;
    } rows[] = {
        {"ssss", 4, "1111"},
        {"llll", 0, "0000"},
        {"sssl", 3, "1110"},
        {"lsss", 0, "0111"},
        {"lsls", 0, "0101"},
        {"sslssl", 2, "110110"},
        /* What is no letter joins what is sent before or after it, never what is left. */
        {"s.s.", 3, "1110"},
        {"l.s.s", 0, "01111"},
        {"l.s.l.s", 0, "0110011"},
        {"..l", 2, "110"},
        {"l..l", 0, "0000"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct replay_progress progress;
        int64_t watermark = -1;
        struct committed nothing = NOTHING;
        assert_null(replay_progress_begin(&progress, &nothing, 0));
        char *text = settle(&progress, rows[i].letters, &watermark);
        char *found = told(text, watermark, strlen(rows[i].letters));
        if (watermark != rows[i].watermark)
            fail_msg("%s: %d", rows[i].letters, (int)watermark);
        assert_same_text(found, rows[i].sent, rows[i].letters);
        free(found);
        free(text);
        replay_progress_free(&progress);
    }
}

static struct committed commit_of(const struct replay_progress *progress)
{
    struct committed committed = {0};
    int64_t forgotten = 0;
    committed.metadata = replay_progress_text(progress, &committed.offset, &forgotten);
    committed.metadata_length = committed.metadata == NULL ? 0 : strlen(committed.metadata);
    return committed;
}

/* What was committed before is kept also where this replay has not come to yet. */
static void test_the_rest_of_an_earlier_commit(void **state)
{
    struct replay_progress progress;
    struct committed committed = NOTHING;
    int64_t watermark = 0;
    (void)state;
    assert_null(replay_progress_begin(&progress, &committed, 0));
    free(settle(&progress, "lslsslsss", &watermark));
    committed = commit_of(&progress);
    replay_progress_free(&progress);

    assert_null(replay_progress_begin(&progress, &committed, 0));
    assert_int_equal(progress.point.position, 0);
    char *text = settle(&progress, "s", &watermark); /* and the second is sent already */
    assert_int_equal(watermark, 2);
    char *found = told(text, watermark, 10);
    assert_same_text(found, "1101101110", "the first is sent");
    free(found);
    free(text);
    text = settle(&progress, "sss", &watermark);
    assert_int_equal(watermark, 5);
    found = told(text, watermark, 10);
    assert_same_text(found, "1111101110", "the third is sent");
    free(found);
    free(text);
    /* Reaching beyond what earlier replays have sent does not tell what was left below. */
    replay_progress_free(&progress);
    assert_null(replay_progress_begin(&progress, &committed, 0));
    replay_progress_settle(&progress, 0, false);
    replay_progress_reach(&progress, 3);
    text = settle(&progress, "lsl", &watermark);
    found = told(text, watermark, 10);
    assert_int_equal(watermark, 0);
    assert_same_text(found, "0001101110", "the first is left");
    free(found);
    free(text);
    replay_progress_free(&progress);
    free(committed.metadata);
}

/* Retention has deleted what was below, or somebody has set the offset. */
static void test_begin(void **state)
{
    struct replay_progress progress;
    struct committed committed = {.offset = 5, .metadata = NULL};
    char foreign[] = "of another tool";
    (void)state;
    assert_null(replay_progress_begin(&progress, &committed, 9));
    assert_int_equal(progress.point.position, 9);
    replay_progress_free(&progress);
    assert_null(replay_progress_begin(&progress, &committed, 2));
    assert_int_equal(progress.point.position, 5);
    replay_progress_free(&progress);
    committed.metadata = foreign;
    committed.metadata_length = strlen(foreign);
    assert_non_null(replay_progress_begin(&progress, &committed, 2));
    assert_int_equal(progress.point.position, 5);
    assert_false(replay_progress_knows(&progress, 6));
    replay_progress_free(&progress);
}

#define LETTERS 12000

/* A log, and what happened to each letter of it. */
struct history {
    struct random random;
    bool letter[LETTERS];
    int sent[LETTERS];
    int64_t twice; /* letters that may be sent once more: no room was left to tell them */
};

/* One replay with a filter of its own: batches, some of which fail, up to a random end. */
static struct committed replay(struct history *history, struct committed committed)
{
    struct replay_progress progress;
    int64_t part = random_between(&history->random, 1, 6);
    int64_t end = random_between(&history->random, 0, LETTERS);
    bool now[LETTERS] = {false};
    assert_null(replay_progress_begin(&progress, &committed, 0));
    struct committed last = committed;
    while (progress.point.position < end) {
        struct replay_point before = progress.point;
        int64_t to = before.position + random_between(&history->random, 1, 300);
        bool fails = random_between(&history->random, 0, 4) == 0;
        if (to > end)
            to = end;
        for (int64_t offset = before.position; offset < to; offset++) {
            now[offset] = false;
            if (!history->letter[offset])
                continue;
            bool known = replay_progress_knows(&progress, offset);
            now[offset] = !known && random_between(&history->random, 1, part) == 1;
            replay_progress_settle(&progress, offset, known || now[offset]);
        }
        replay_progress_reach(&progress, to);
        if (fails) {
            replay_progress_return(&progress, &before);
            continue;
        }
        for (int64_t offset = before.position; offset < to; offset++)
            history->sent[offset] += now[offset];
        if (last.metadata != committed.metadata)
            free(last.metadata);
        last = commit_of(&progress);
        int64_t forgotten = 0;
        free(replay_progress_text(&progress, &last.offset, &forgotten));
        history->twice += forgotten;
    }
    replay_progress_free(&progress);
    if (last.metadata != committed.metadata)
        free(committed.metadata);
    return last;
}

static void assert_told(const struct history *history, const struct committed *committed)
{
    char *digits = told(committed->metadata, committed->offset, LETTERS);
    for (size_t i = 0; i < LETTERS; i++) {
        if (history->letter[i] && digits[i] == '1' && history->sent[i] == 0)
            fail_msg("letter %zu was not sent", i);
        if (history->letter[i] && history->twice == 0) {
            assert_int_equal(digits[i] == '1', history->sent[i] > 0);
            assert_true(history->sent[i] <= 1);
        }
    }
    free(digits);
}

static void test_histories(void **state)
{
    size_t crowded = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct history *history = memory_new(1, sizeof *history);
        struct committed committed = {.offset = 0};
        history->random = random_from_seed(seed);
        for (size_t i = 0; i < LETTERS; i++)
            history->letter[i] = seed % 2 == 0 || random_between(&history->random, 0, 9) > 0;
        for (int round = 0; round < 8; round++) {
            committed = replay(history, committed);
            assert_told(history, &committed);
        }
        crowded += history->twice > 0;
        free(committed.metadata);
        free(history);
    }
    print_message("%zu of 60 histories were crowded\n", crowded);
    assert_true(crowded > 3 && crowded < 57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_the_rest_of_an_earlier_commit),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_histories),
    };
    return cmocka_run_group_tests_name("replay_progress", tests, NULL, NULL);
}
