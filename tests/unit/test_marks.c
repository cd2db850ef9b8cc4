/* The text that tells which offsets are done: what is written is read again, and nothing else is
 * believed. */
#include "tests/unit/unit.h"

#include "bridge/base/base64.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/marks.h"

#define RUNS 5

static void test_texts(void **state)
{
    static const struct {
        int64_t watermark;
        struct marks_run runs[RUNS]; /* as added */
        const char *text;
    } rows[] = {
        {0, {{0}}, NULL},
        {0, {{1, 2}}, "1:AAEB"},
        {5, {{6, 7}}, "1:BQEB"},
        {5, {{6, 7}, {9, 12}}, "1:BQEBAgM"},
        {5, {{6, 7}, {7, 12}}, "1:BQEG"}, /* they touch */
        {5, {{6, 7}, {9, 10}, {10, 11}, {11, 12}}, "1:BQEBAgM"},
        {127, {{254, 381}}, "1:f39/"},
        {128, {{256, 384}}, "1:gAGAAYAB"},
        {INT64_MAX - 2, {{INT64_MAX - 1, INT64_MAX}}, "1:/f////////9/AQE"},
        {0, {{1, INT64_MAX}}, "1:AAH+/////////38"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct marks marks;
        marks_begin(&marks, rows[i].watermark, MARKS_TEXT_MAXIMUM);
        for (size_t k = 0; k < RUNS && rows[i].runs[k].to != 0; k++)
            assert_true(marks_add(&marks, rows[i].runs[k].from, rows[i].runs[k].to));
        char *text = marks_text(&marks);
        assert_same_text(text, rows[i].text, "a row of the table");
        free(text);
    }
}

static struct marks_run *read_text(const char *text, size_t length, int64_t watermark,
                                   size_t *count, const char **reason)
{
    struct guarded copy = guarded_copy(text, length);
    *reason = NULL;
    struct marks_run *runs = marks_read(copy.bytes, length, watermark, count, reason);
    guarded_free(&copy);
    assert_true((runs == NULL) == (*reason != NULL));
    return runs;
}

static void test_hostile(void **state)
{
    static const struct {
        const char *text;
        const char *reason; /* a word of it */
    } rows[] = {
        {"", "version"},
        {"1", "version"},
        {"AQEB", "version"},
        {"2:AQEB", "version"},
        {"{\"offset\": 5}", "version"},
        {"1:", "another offset"},
        {"1:B", "base64"},
        {"1:BQEB=", "base64"},
        {"1:BQEBAg==", "base64"},
        {"1:BQE\n", "base64"},
        {" 1:BQEB", "version"},
        {"1: BQEB", "base64"},
        {"1:BQE-", "base64"},
        {"1:BQE\xc3\xa9", "base64"},
        {"1:BAEB", "another offset"},
        {"1:BgEB", "another offset"},
        {"1:hQ", "another offset"}, /* the watermark is cut */
        {"1:BQ", "nothing"},
        {"1:BQE", "length"},     /* open without done */
        {"1:BQEBAg", "length"},  /* the same, further on */
        {"1:BQGB", "length"},    /* a number is cut */
        {"1:BQAB", "length"},    /* no open ones */
        {"1:BQEA", "length"},    /* no done ones */
        {"1:BQEBAAE", "length"}, /* the same, further on */
        {"1:BQEBAQA", "length"},
        {"1:Bf///////////wEB", "length"},         /* more than 63 bits */
        {"1:BYCAgICAgICAgAEB", "length"},         /* ten bytes for a number */
        {"1:BQH//////////38", "length"},          /* the end overflows */
        {"1:Bf//////////fwE", "length"},          /* the beginning overflows */
        {"1:BQEB//////////9/AQ", "length"},       /* the same, further on */
        {"1:BQEBAf//////////fw", "length"},       /* the same, further on */
        {"1:////////////AQEB", "another offset"}, /* no number */
        {"1:hYCAgICAgICAAQEB", "another offset"}, /* the same */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *reason = NULL;
        size_t count = 0;
        struct marks_run *runs = read_text(rows[i].text, strlen(rows[i].text), 5, &count, &reason);
        if (runs != NULL || strstr(reason, rows[i].reason) == NULL)
            fail_msg("%s: %s, not %s", rows[i].text, reason, rows[i].reason);
    }
    /* No offset is committed. */
    const char *reason = NULL;
    size_t count = 0;
    assert_null(read_text("1:", 2, -1, &count, &reason));
    assert_null(read_text("1:AAEB", 6, -1, &count, &reason));
    assert_null(read_text("1:BQEB\0AA", 9, 5, &count, &reason));
}

static void test_too_long(void **state)
{
    char text[MARKS_TEXT_MAXIMUM + 4];
    const char *reason = NULL;
    size_t count = 0;
    (void)state;
    /* The bytes are 4, 16, 65, 4, 16, 65 and so on. */
    memset(text, 'B', sizeof text);
    memcpy(text, "1:", 2);
    struct marks_run *runs = read_text(text, MARKS_TEXT_MAXIMUM - 1, 4, &count, &reason);
    assert_non_null(runs);
    assert_true(count > 1000);
    free(runs);
    assert_null(read_text(text, sizeof text, 4, &count, &reason));
    assert_same_text(reason, "it is too long", "four characters more");
}

/* Runs that are random, and what they become when the text may have few characters. */
static size_t random_runs(struct random *random, struct marks_run *runs, size_t most,
                          int64_t watermark)
{
    static const int64_t longest[] = {1, 3, 200, 40000, INT64_C(1) << 40};
    size_t count = (size_t)random_between(random, 0, (int64_t)most);
    int64_t offset = watermark;
    for (size_t i = 0; i < count; i++) {
        int64_t limit = longest[random_between(random, 0, ARRAY_LENGTH(longest) - 1)];
        runs[i].from = offset + random_between(random, 1, limit);
        runs[i].to = runs[i].from + random_between(random, 1, limit);
        offset = runs[i].to;
    }
    return count;
}

static void test_round_trips(void **state)
{
    enum { MOST = 2500 };
    struct random random = random_from_seed(11);
    struct marks_run *runs = memory_new(MOST, sizeof *runs);
    size_t crowded = 0;
    (void)state;
    for (int round = 0; round < 400; round++) {
        int64_t watermark = random_between(&random, 0, INT64_C(1) << (round % 50));
        size_t maximum =
            (size_t)(round % 3 == 0 ? MARKS_TEXT_MAXIMUM + 100 : random_between(&random, 0, 200));
        size_t count = random_runs(&random, runs, MOST, watermark);
        size_t added = 0;
        struct marks marks;
        marks_begin(&marks, watermark, maximum);
        while (added < count && marks_add(&marks, runs[added].from, runs[added].to))
            added++;
        crowded += added < count;
        char *text = marks_text(&marks);
        assert_true((text == NULL) == (added == 0));
        if (text == NULL)
            continue;
        size_t length = strlen(text);
        size_t limit = maximum < MARKS_TEXT_MAXIMUM ? maximum : MARKS_TEXT_MAXIMUM;
        assert_true(length <= limit);
        /* A run takes 18 bytes at most: 24 characters. */
        assert_true(added == count || length + 24 >= limit - 1);
        const char *reason = NULL;
        size_t found = 0;
        struct marks_run *again = read_text(text, length, watermark, &found, &reason);
        assert_int_equal(found, added);
        assert_memory_equal(again, runs, added * sizeof *runs);
        free(again);
        assert_null(read_text(text, length, watermark + 1, &found, &reason));
        free(text);
    }
    assert_true(crowded > 100);
    free(runs);
}

static bool is_told(const struct marks_run *runs, size_t count, int64_t offset)
{
    for (size_t i = 0; i < count; i++) {
        if (offset >= runs[i].from && offset < runs[i].to)
            return true;
    }
    return false;
}

/* Of a text that was cut anywhere nothing is believed that was not in it. */
static void test_cut(void **state)
{
    static const struct marks_run runs[] = {{1001, 1400}, {1401, 1402}, {1500, 9000}};
    struct marks marks;
    size_t partial = 0;
    (void)state;
    marks_begin(&marks, 1000, MARKS_TEXT_MAXIMUM);
    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++)
        assert_true(marks_add(&marks, runs[i].from, runs[i].to));
    char *text = marks_text(&marks);
    for (size_t length = 0; length < strlen(text); length++) {
        const char *reason = NULL;
        size_t count = 0;
        struct marks_run *found = read_text(text, length, 1000, &count, &reason);
        for (int64_t offset = 990; found != NULL && offset < 9010; offset++) {
            if (is_told(found, count, offset))
                assert_true(is_told(runs, ARRAY_LENGTH(runs), offset));
        }
        partial += found != NULL;
        free(found);
    }
    assert_true(partial > 0);
    free(text);
}

static void test_random_texts(void **state)
{
    static const char alphabet[] = "AAAABBBCCgI/=";
    struct random random = random_from_seed(12);
    size_t taken = 0;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[40] = "1:";
        size_t length = (size_t)random_between(&random, 2, sizeof text - 1);
        int64_t watermark = random_between(&random, 0, 3);
        for (size_t i = 2; i < length; i++)
            text[i] = alphabet[random_between(&random, 0, sizeof alphabet - 2)];
        const char *reason = NULL;
        size_t count = 0;
        struct marks_run *runs = read_text(text, length, watermark, &count, &reason);
        int64_t end = watermark;
        for (size_t i = 0; runs != NULL && i < count; i++) {
            assert_true(runs[i].from > end && runs[i].to > runs[i].from);
            end = runs[i].to;
        }
        taken += runs != NULL;
        free(runs);
    }
    assert_true(taken > 10);
}

static void test_base64(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {/* RFC 4648, section 10, without padding */
                {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
                {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t length = 0;
        char *text = base64_text(rows[i].bytes, strlen(rows[i].bytes));
        char *bytes = base64_bytes(rows[i].text, strlen(rows[i].text), &length);
        assert_same_text(text, rows[i].text, rows[i].bytes);
        assert_int_equal(BASE64_LENGTH(strlen(rows[i].bytes)), strlen(rows[i].text));
        assert_non_null(bytes);
        assert_int_equal(length, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, length);
        free(text);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),    cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_cut),      cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
