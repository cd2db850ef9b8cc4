/* Buffers, tables, errors, UTF-8, random numbers, the clock's text and short texts. */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/error.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/base/table.h"
#include "bridge/base/text.h"
#include "bridge/base/utf8.h"

static void test_buffer_maximum(void **state)
{
    struct buffer buffer = buffer_new(10);
    (void)state;
    assert_string_equal(buffer_text(&buffer), "");
    assert_true(buffer_append(&buffer, NULL, 0));
    assert_true(buffer_append(&buffer, "01234", 5));
    assert_true(buffer_append_text(&buffer, "567"));
    /* What does not fit is refused whole, what fits after it is not. */
    assert_false(buffer_append_text(&buffer, "890"));
    assert_true(buffer.overflowed);
    assert_string_equal(buffer_text(&buffer), "01234567");
    assert_false(buffer_append_format(&buffer, "%d", 890));
    assert_true(buffer_append_format(&buffer, "%c%c", '8', '9'));
    assert_string_equal(buffer_text(&buffer), "0123456789");
    assert_int_equal(buffer.length, 10);
    assert_false(buffer_append(&buffer, "", 1));
    assert_true(buffer_append(&buffer, "", 0));
    assert_false(buffer_append(&buffer, "x", SIZE_MAX));
    assert_true(buffer.overflowed);

    buffer_clear(&buffer);
    assert_false(buffer.overflowed);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_text(&buffer), "");
    assert_true(buffer_append_text(&buffer, "0123456789"));
    buffer_free(&buffer);
    assert_string_equal(buffer_text(&buffer), "");
    assert_false(buffer_append_text(&buffer, "01234567890"));
    buffer_free(&buffer);
}

static void test_buffer_bytes(void **state)
{
    struct buffer buffer = buffer_new(1 << 20);
    char *text = memory_new(100001, 1);
    (void)state;
    memset(text, 'x', 100000);
    assert_true(buffer_append(&buffer, "a\0b", 3));
    assert_int_equal(buffer.length, 3);
    assert_memory_equal(buffer.data, "a\0b", 4);
    assert_true(buffer_append_format(&buffer, "%s|%5d|%.2f", text, 42, 0.5));
    assert_int_equal(buffer.length, 3 + 100000 + 1 + 5 + 1 + 4);
    assert_string_equal(buffer.data + 3 + 100000, "|   42|0.50");
    free(text);
    text = buffer_take(&buffer);
    assert_memory_equal(text, "a\0bxxx", 6);
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.maximum, 1 << 20);
    free(text);
    text = buffer_take(&buffer);
    assert_string_equal(text, "");
    free(text);
    struct buffer none = buffer_new(0);
    assert_true(buffer_append_text(&none, ""));
    assert_false(buffer_append_text(&none, "x"));
    buffer_free(&none);
    buffer_free(&buffer);
}

/* Appending and overflowing at random against a plain array. */
static void test_buffer_against_model(void **state)
{
    enum { MAXIMUM = 5000 };
    struct random random = random_from_seed(1);
    struct buffer buffer = buffer_new(MAXIMUM);
    char model[MAXIMUM];
    size_t length = 0;
    bool overflowed = false;
    (void)state;
    for (int step = 0; step < 20000; step++) {
        char piece[200];
        size_t size = (size_t)random_between(&random, 0, sizeof piece);
        memset(piece, (int)random_between(&random, 'a', 'z'), size);
        bool fits = length + size <= MAXIMUM;
        assert_int_equal(buffer_append(&buffer, piece, size), fits);
        if (fits) {
            memcpy(model + length, piece, size);
            length += size;
        }
        overflowed |= !fits;
        assert_int_equal(buffer.length, length);
        assert_int_equal(buffer.overflowed, overflowed);
        if (random_between(&random, 0, 99) == 0) {
            assert_memory_equal(buffer_text(&buffer), model, length);
            buffer_clear(&buffer);
            length = 0;
            overflowed = false;
        }
    }
    buffer_free(&buffer);
}

enum { KEYS = 5000, KEY_MAXIMUM = 40 };

struct model {
    char keys[KEYS][KEY_MAXIMUM];
    size_t lengths[KEYS];
    void *values[KEYS]; /* NULL: not in the table */
    bool visited[KEYS];
    size_t count;
};

static void make_keys(struct model *model, struct random *random)
{
    for (size_t i = 0; i < KEYS; i++) {
        /* The number makes it another key than all before it; the rest is any bytes. */
        model->lengths[i] = 4 + (size_t)random_between(random, 0, KEY_MAXIMUM - 4);
        for (size_t k = 4; k < model->lengths[i]; k++)
            model->keys[i][k] = (char)random_between(random, 0, 255);
        memcpy(model->keys[i], &(uint32_t){(uint32_t)i}, 4);
    }
}

static void assert_same_table(struct model *model, const struct table *table)
{
    size_t cursor = 0;
    size_t seen = 0;
    memset(model->visited, 0, sizeof model->visited);
    for (struct table_slot *slot; (slot = table_next(table, &cursor)) != NULL; seen++) {
        uint32_t i;
        memcpy(&i, slot->key, 4);
        assert_true(i < KEYS && !model->visited[i]);
        assert_int_equal(slot->length, model->lengths[i]);
        assert_memory_equal(slot->key, model->keys[i], slot->length);
        assert_ptr_equal(slot->value, model->values[i]);
        model->visited[i] = true;
    }
    assert_int_equal(seen, model->count);
    assert_null(table_next(table, &cursor));
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(table_get(table, model->keys[i], model->lengths[i]), model->values[i]);
}

static void test_table_against_model(void **state)
{
    struct random random = random_from_seed(5);
    struct model *model = memory_new(1, sizeof *model);
    struct table table = {0};
    (void)state;
    make_keys(model, &random);
    assert_same_table(model, &table);
    for (int step = 0; step < 200000; step++) {
        size_t i = (size_t)random_between(&random, 0, KEYS - 1);
        /* It fills for a while and empties for a while. */
        bool put = random_between(&random, 0, 99) < (step / 20000 % 2 == 0 ? 70 : 30);
        void *value = put ? (void *)(uintptr_t)random_between(&random, 1, INT64_MAX) : NULL;
        void *old = put ? table_put(&table, model->keys[i], model->lengths[i], value)
                        : table_remove(&table, model->keys[i], model->lengths[i]);
        assert_ptr_equal(old, model->values[i]);
        model->count += (size_t)(value != NULL) - (size_t)(old != NULL);
        model->values[i] = value;
        assert_int_equal(table.count, model->count);
        if (step % 10000 == 0)
            assert_same_table(model, &table);
    }
    for (size_t i = 0; i < KEYS; i++) {
        model->count -= table_remove(&table, model->keys[i], model->lengths[i]) != NULL;
        model->values[i] = NULL;
    }
    assert_int_equal(table.count, 0);
    assert_same_table(model, &table);
    table_free(&table);
    assert_int_equal(table.capacity, 0);
    free(model);
}

static void test_table_keys(void **state)
{
    static const struct {
        const char *key;
        size_t length;
    } keys[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"A", 1}};
    struct table table = {0};
    (void)state;
    assert_null(table_get(&table, "a", 1));
    assert_null(table_remove(&table, "a", 1));
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_null(table_put(&table, keys[i].key, keys[i].length, (void *)(uintptr_t)(i + 1)));
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_ptr_equal(table_get(&table, keys[i].key, keys[i].length), (void *)(i + 1));
    assert_null(table_get(&table, "a\0c", 3));
    /* Its keys are its own copies. */
    char mine[] = "mine";
    (void)table_put(&table, mine, 4, &table);
    memset(mine, 'x', 4);
    assert_ptr_equal(table_get(&table, "mine", 4), &table);
    table_free(&table);
}

static void test_utf8(void **state)
{
    static const char *const valid[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\xef\xbb\xbf mark in front",
        "eight ch\xc3\xa4racters at a time, and more \xe2\x82\xac than eight",
    };
    static const char *const invalid[] = {
        "\x80", /* a follower alone */
        "\xbf",
        "\xc0\x80", /* overlong */
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3", /* cut */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(", /* a follower that is none */
        "\xe2(\xa1",
        "\xe2\x82(",
        "\xf0(\x8c\xbc",
        "\xf0\x90(\xbc",
        "\xf0\x90\x8c(",
        "\xc3\xa4\xc3",
        "12345678\xff",
        "1234567\xff",
    };
    (void)state;
    for (size_t before = 0; before < 18; before++) {
        for (size_t i = 0; i < ARRAY_LENGTH(valid) + ARRAY_LENGTH(invalid); i++) {
            bool right = i < ARRAY_LENGTH(valid);
            const char *piece = right ? valid[i] : invalid[i - ARRAY_LENGTH(valid)];
            char *text = memory_format("%.*s%s", (int)before, "aaaaaaaaaaaaaaaaaa", piece);
            struct guarded copy = guarded_copy(text, strlen(text));
            if (utf8_valid(copy.bytes, strlen(text)) != right)
                fail_msg("row %zu behind %zu letters", i, before);
            guarded_free(&copy);
            free(text);
        }
    }
    assert_true(utf8_valid("a\0b", 3));
    assert_false(utf8_valid("a\0\x80", 3));
}

/* Every code point is valid, written the one way; every surrogate is not. */
static void test_utf8_every_code_point(void **state)
{
    (void)state;
    for (uint32_t point = 0x80; point < 0x120000; point++) {
        unsigned char bytes[4];
        size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        for (size_t i = length - 1; i > 0; i--)
            bytes[i] = (unsigned char)(0x80 | ((point >> (6 * (length - 1 - i))) & 0x3f));
        bytes[0] = (unsigned char)((0xf00 >> length) | (point >> (6 * (length - 1))));
        bool right = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        if (utf8_valid(bytes, length) != right || utf8_valid(bytes, length - 1))
            fail_msg("U+%04X", point);
    }
}

static void test_errors(void **state)
{
    static const struct {
        enum verdict verdict;
        int exit_code;
    } rows[] = {
        {VERDICT_RETRY, 69}, {VERDICT_ABORT, 75}, {VERDICT_CONFIGURATION, 78}, {VERDICT_FATAL, 70}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error error;
        assert_false(error_set(&error, rows[i].verdict, "%s is %d", "x", 7));
        assert_string_equal(error.message, "x is 7");
        assert_int_equal(error_exit_code(&error), rows[i].exit_code);
        assert_false(error_prefix(&error, "opening %s", "y"));
        assert_string_equal(error.message, "opening y: x is 7");
        assert_int_equal(error.verdict, rows[i].verdict);
    }
    assert_false(error_set(NULL, VERDICT_FATAL, "nobody looks"));
    assert_false(error_prefix(NULL, "nobody looks"));
}

/* Too long a message is cut at its end, and always terminated. */
static void test_long_errors(void **state)
{
    char text[2 * ERROR_MESSAGE_SIZE + 1];
    (void)state;
    for (size_t length = ERROR_MESSAGE_SIZE - 10; length < ERROR_MESSAGE_SIZE + 10; length++) {
        struct error error;
        size_t kept = length < ERROR_MESSAGE_SIZE ? length : ERROR_MESSAGE_SIZE - 1;
        memset(text, 'x', sizeof text - 1);
        text[length] = '\0';
        error_set(&error, VERDICT_RETRY, "%s", text);
        assert_int_equal(strlen(error.message), kept);
        error_prefix(&error, "before");
        assert_memory_equal(error.message, "before: xxx", 11);
        assert_int_equal(strlen(error.message),
                         kept + 8 < ERROR_MESSAGE_SIZE ? kept + 8 : ERROR_MESSAGE_SIZE - 1);
        error_set(&error, VERDICT_RETRY, "yyy");
        error_prefix(&error, "%s", text);
        assert_memory_equal(error.message, text, kept);
        assert_int_equal(strlen(error.message),
                         kept + 5 < ERROR_MESSAGE_SIZE ? kept + 5 : ERROR_MESSAGE_SIZE - 1);
    }
}

static void test_random(void **state)
{
    static const struct {
        int64_t low;
        int64_t high;
    } rows[] = {{0, 0},   {5, 5},         {-3, 3},
                {0, 1},   {-10, -5},      {INT64_MIN, INT64_MAX},
                {0, 255}, {0, INT64_MAX}, {INT64_MIN, INT64_MIN}};
    struct random random = random_from_seed(77);
    struct random again = random_from_seed(77);
    struct random other = random_from_seed(78);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool low = false;
        bool high = false;
        for (int k = 0; k < 10000; k++) {
            int64_t number = random_between(&random, rows[i].low, rows[i].high);
            assert_true(number >= rows[i].low && number <= rows[i].high);
            low |= number == rows[i].low;
            high |= number == rows[i].high;
            assert_true(number == random_between(&again, rows[i].low, rows[i].high));
        }
        if (rows[i].high < 1000 && rows[i].low > -1000) /* both ends are reached */
            assert_true(low && high);
    }
    assert_true(random_next(&random) == random_next(&again));
    assert_true(random_next(&random) != random_next(&other));
    random = random_from_system();
    other = random_from_system();
    assert_true(random_next(&random) != random_next(&other));
}

static void test_clock(void **state)
{
    static const struct {
        int64_t wall_ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(951782400400), "2000-02-29T00:00:00.400Z"}, /* of the same second */
        {INT64_C(1769860800125), "2026-01-31T12:00:00.125Z"},
        {INT64_C(4102444799999), "2099-12-31T23:59:59.999Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "1970-01-01T00:00:00.000Z"}, /* beyond what can be said */
    };
    char text[CLOCK_TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_string_equal(clock_format(rows[i].wall_ms, text), rows[i].text);
        assert_string_equal(text, rows[i].text);
    }
    int64_t before = clock_us();
    int64_t ms = clock_ms();
    int64_t after = clock_us();
    assert_true(before / 1000 <= ms && ms <= after / 1000);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

/* As printf writes them. */
static void test_text_numbers(void **state)
{
    static const int64_t edges[] = {0,         1,         -1,         9,         10,
                                    -10,       99999,     INT64_MAX,  INT64_MIN, INT64_MIN + 1,
                                    INT32_MAX, INT32_MIN, UINT32_MAX, 1000000000};
    struct random random = random_from_seed(11);
    char text[TEXT_NUMBER_SIZE];
    char hex[TEXT_HEX_LENGTH + 1] = "";
    char expected[32];
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        int64_t number = i < ARRAY_LENGTH(edges)
                             ? edges[i]
                             : (int64_t)random_next(&random) >> (random_next(&random) % 64);
        int length = snprintf(expected, sizeof expected, "%" PRId64, number);
        assert_int_equal(text_number(number, text), length);
        assert_string_equal(text, expected);
        (void)snprintf(expected, sizeof expected, "%016" PRIx64, (uint64_t)number);
        text_hex((uint64_t)number, hex);
        assert_string_equal(hex, expected);
    }
}

/* Whatever the room: nothing behind it is written, and the whole length is told. */
static void test_text_room(void **state)
{
    char expected[64];
    (void)state;
    for (size_t size = 1; size <= 16; size++) {
        char *out = memory_new(size, 1); /* a sanitizer sees a byte too many */
        assert_int_equal(text_copy(out, size, "residents"), 9);
        (void)snprintf(expected, sizeof expected, "%.*s", (int)size - 1, "residents");
        assert_string_equal(out, expected);
        assert_int_equal(text_numbered(out, size, -123, '/', "id"), 7);
        (void)snprintf(expected, sizeof expected, "%.*s", (int)size - 1, "-123/id");
        assert_string_equal(out, expected);
        free(out);
    }
    char *joined = memory_join("a", "", "bc");
    assert_string_equal(joined, "abc");
    free(joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_maximum),
        cmocka_unit_test(test_buffer_bytes),
        cmocka_unit_test(test_buffer_against_model),
        cmocka_unit_test(test_table_against_model),
        cmocka_unit_test(test_table_keys),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_every_code_point),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_long_errors),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_text_numbers),
        cmocka_unit_test(test_text_room),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
