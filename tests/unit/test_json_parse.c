/* The parser: what cJSON alone would lose comes back out as it went in. */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/tree_text.h"

/* The text must be just long enough: reading past it is a crash. */
static cJSON *parse_exactly(const char *text)
{
    struct guarded copy = guarded_copy(text, strlen(text));
    cJSON *root = json_parse(copy.bytes, strlen(text));
    guarded_free(&copy);
    return root;
}

static char *written(const cJSON *root)
{
    struct buffer out = buffer_new(1 << 20);
    struct error error;
    assert_true(json_text_value(&out, root, &error));
    return buffer_take(&out);
}

static void test_there_and_back(void **state)
{
    static const struct {
        const char *text;
        const char *back; /* NULL: the same */
    } rows[] = {
        {"null", NULL},
        {"{}", NULL},
        {" [ 1 ,\t2\r\n] ", "[1,2]"},
        {"{\"a\":\"\",\"a\":1}", NULL},
        /* U+0000 */
        {"\"\\u0000\"", NULL},
        {"\"a\\u0000b\\u0000\\u0000c\"", NULL},
        {"{\"a\\u0000b\":[\"\\u0000\"]}", NULL},
        {"\"\\\\u0000\"", NULL},
        {"\"\\\\\\u0000\"", NULL},
        {"[\"\\u0000\",\"caf\\u00e9 \\ud83d\\ude00 \\\" \\/ \\n \\u0001\"]",
         "[\"\\u0000\",\"caf\xc3\xa9 \xf0\x9f\x98\x80 \\\" / \\n \\u0001\"]"},
        /* halves of pairs */
        {"\"\\ud83d\"", NULL},
        {"\"\\uDE00\"", "\"\\ude00\""},
        {"\"x\\ude00\\ud83dy\"", NULL},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\xf0\x9f\x98\x80\""},
        {"\"\\ud83d\\u0041\"", "\"\\ud83dA\""},
        {"\"\\ud83d\\\\ude00\"", NULL},
        {"\"\\ud7ff\\ue000\"", "\"\xed\x9f\xbf\xee\x80\x80\""},
        {"{\"\\udbff\":\"\\udc00\"}", NULL},
        /* numbers that a double does not hold */
        {"9007199254740991", NULL},
        {"9007199254740993", NULL},
        {"[-12345678901234567890123,1,{\"a\":18446744073709551615}]", NULL},
        {"[1e400,-1E+999,0.5,1e-400]", "[1e400,-1E+999,0.5,0]"},
        {"[\"9007199254740993\",9007199254740993,\"-\\\"1\",-9007199254740995]", NULL},
        {"{\"1\":2,\"-3\":9007199254740993,\"e\":[4,123456789012345678.5]}", NULL},
        {"[\"\\u0000\",1e300]", NULL},
        {"1111111111111111111111111111111111111111111111111111111111111111111111111111", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cJSON *root = parse_exactly(rows[i].text);
        if (root == NULL)
            fail_msg("%s is not taken", rows[i].text);
        char *back = written(root);
        assert_same_text(back, rows[i].back == NULL ? rows[i].text : rows[i].back, rows[i].text);
        cJSON *copy = cJSON_Duplicate(root, true);
        char *again = written(copy);
        assert_string_equal(again, back);
        free(again);
        free(back);
        cJSON_Delete(copy);
        cJSON_Delete(root);
    }
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{}x",
        "{}{}",
        "{\"a\":1},",
        "\"\\u000\"",
        "\"\\u00",
        "\"\\u0000",
        "\"\\ud83d",
        "\"\\",
        "\\u0000",
        "\\",
        "[9007199254740993",
        "{\"a\\u0000\"}",
        "<html>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        cJSON *root = parse_exactly(texts[i]);
        if (root != NULL)
            fail_msg("%s is taken", texts[i]);
    }
    /* A zero byte is not white space, nor may a text hold one. */
    assert_null(json_parse("{}\0", 3));
    assert_null(json_parse("{\"a\":\"\0\"}", 9));
}

/* As deep as cJSON follows, and no deeper. */
static void test_depth(void **state)
{
    (void)state;
    for (size_t depth = CJSON_NESTING_LIMIT - 1; depth <= CJSON_NESTING_LIMIT + 1; depth++) {
        char *text = memory_new(2 * depth + 17, 1);
        memset(text, '[', depth);
        memcpy(text + depth, "9007199254740993", 16);
        memset(text + depth + 16, ']', depth);
        cJSON *root = parse_exactly(text);
        assert_int_equal(root != NULL, depth <= CJSON_NESTING_LIMIT);
        if (root != NULL) {
            char *back = written(root);
            assert_string_equal(back, text);
            free(back);
        }
        cJSON_Delete(root);
        free(text);
    }
}

static void test_the_last_member_counts(void **state)
{
    (void)state;
    cJSON *root = parse_exactly("{\"a\":1,\"A\":2,\"a\":3,\"b\\u0000\":4}");
    assert_non_null(root);
    assert_true(json_member(root, "a")->valuedouble == 3);
    assert_true(json_member(root, "A")->valuedouble == 2);
    assert_null(json_member(root, "b"));
    assert_null(json_member(json_member(root, "a"), "a"));
    assert_null(json_member(NULL, "a"));
    cJSON_Delete(root);
}

static void test_kinds_of_texts(void **state)
{
    static const struct {
        const char *text;
        enum tree_text kind;
    } rows[] = {
        {"", TREE_TEXT_PLAIN},
        {"plain caf\xc3\xa9 \xed\x9f\xbf \xf0\x9f\x98\x80", TREE_TEXT_PLAIN},
        {"\xc0\x80", TREE_TEXT_NULS},
        {"a\xc0\x80\xc3\xa9\xc0\x80", TREE_TEXT_NULS},
        {"\xed\xa0\x80", TREE_TEXT_HALVES},
        {"x\xed\xbf\xbf", TREE_TEXT_HALVES},
        {"\xc0\x80\xed\xb0\x80\xc0\x80", TREE_TEXT_HALVES},
        {"\xff", TREE_TEXT_BROKEN},
        {"\xc0", TREE_TEXT_BROKEN},
        {"\xc0\x81", TREE_TEXT_BROKEN},
        {"\xed\xa0", TREE_TEXT_BROKEN},
        {"\xed\xa0x", TREE_TEXT_BROKEN},
        {"\xed", TREE_TEXT_BROKEN},
        {"\xc3\xc0\x80", TREE_TEXT_BROKEN},
        {"\xc0\x80\xc3", TREE_TEXT_BROKEN},
        {"\xed\xa0\x80\x80", TREE_TEXT_BROKEN},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct guarded copy = guarded_copy(rows[i].text, strlen(rows[i].text) + 1);
        if (tree_text_kind(copy.bytes, strlen(rows[i].text)) != rows[i].kind)
            fail_msg("row %zu", i);
        guarded_free(&copy);
    }
}

static void test_expand(void **state)
{
    struct buffer out = buffer_new(100);
    (void)state;
    tree_text_expand(&out, "a\xc0\x80\xc0\x80\xc3\xa9\xc0\x80", 9);
    assert_int_equal(out.length, 6);
    assert_memory_equal(out.data, "a\0\0\xc3\xa9\0", 7);
    buffer_free(&out);
}

static void test_integers(void **state)
{
    static const char text[] = "{\"a\":7,\"b\":-7.9,\"c\":1e300,\"d\":\"7\",\"e\":null,\"a\":8}";
    cJSON *root = json_parse(text, sizeof text - 1);
    (void)state;
    assert_int_equal(json_member_integer(root, "a"), 8);
    assert_int_equal(json_member_integer(root, "b"), -7);
    assert_int_equal(json_member_integer(root, "c"), 0);
    assert_int_equal(json_member_integer(root, "d"), 0);
    assert_int_equal(json_member_integer(root, "e"), 0);
    assert_int_equal(json_member_integer(root, "f"), 0);
    assert_int_equal(json_member_integer(NULL, "a"), 0);
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_the_last_member_counts),
        cmocka_unit_test(test_kinds_of_texts),
        cmocka_unit_test(test_expand),
    };
    return cmocka_run_group_tests_name("json_parse", tests, NULL, NULL);
}
