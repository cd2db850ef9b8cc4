/* How two schemas differ, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/difference.h"
#include "bridge/codec/schema.h"

#define RECORD(fields)       "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type)    "{\"name\":\"" name "\",\"type\":" type "}"
#define NULLABLE(name, type) "{\"name\":\"" name "\",\"type\":[\"null\"," type "],\"default\":null}"
#define LONG_TYPE \
    "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"one\",\"two\",\"three\",\"four\",\"five\"]}"

static void test_rows(void **state)
{
    static const struct {
        const char *registered;
        const char *ours;
        const char *words;
    } ROWS[] = {
        {RECORD(""), RECORD(""), ""},
        {RECORD(FIELD("a", "\"int\"") "," FIELD("b", "\"int\"")),
         RECORD(FIELD("b", "\"int\"") "," FIELD("a", "\"int\"")), ""},
        {"{\"name\":\"R\",\"doc\":\"d\",\"fields\":[],\"type\":\"record\"}", RECORD(""), ""},
        {RECORD(FIELD("a", "\"int\"")), RECORD(FIELD("a", "\"string\"")),
         "a: \"int\" there, \"string\" here"},
        {RECORD(FIELD("a", "\"int\"")), RECORD(NULLABLE("a", "\"int\"")),
         "a: \"int\" there, [\"null\",\"int\"] here"},
        {RECORD(FIELD("a", LONG_TYPE)), RECORD(FIELD("a", "\"string\"")), "a: another type"},
        {RECORD(FIELD("a", "\"int\"")), RECORD(""), "a: only there"},
        {RECORD(""), RECORD(FIELD("a", "\"int\"")), "a: only here, without a default"},
        {RECORD(""), RECORD(NULLABLE("a", "\"int\"")), "a: only here"},
        {RECORD("{\"name\":\"a\",\"type\":\"int\",\"default\":1}"),
         RECORD("{\"name\":\"a\",\"type\":\"int\",\"default\":2}"), "a: another default"},
        {RECORD(FIELD("a", "\"int\"")), RECORD("{\"name\":\"a\",\"type\":\"int\",\"default\":2}"),
         "a: another default"},
        {RECORD(FIELD("a", "\"int\"")), RECORD(FIELD("b", "\"int\"")),
         "b: only here, without a default; a: only there"},
        {RECORD(FIELD("c", "\"int\"") "," FIELD("d", "\"int\"")),
         RECORD(NULLABLE("a", "\"int\"") "," FIELD("b", "\"int\"") "," FIELD("c", "\"long\"")),
         "b: only here, without a default; c: \"int\" there, \"long\" here; a: only here; "
         "d: only there"},
        {"{\"type\":\"record\",\"name\":\"S\",\"namespace\":\"x\",\"fields\":[]}", RECORD(""),
         "the record's namespace: x there,  here; the record's name: S there, R here"},
        {"\"string\"", RECORD(""), "what is registered is no Avro record"},
        {"syntax = \"proto3\";", RECORD(""), "what is registered is no Avro record"},
        {"", RECORD(""), "what is registered is no Avro record"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[5,{}]}", RECORD(""),
         ": only there; : only there"},
    };
    struct buffer words = buffer_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        buffer_clear(&words);
        bool equal = schema_difference(ROWS[i].registered, ROWS[i].ours, &words);
        assert_string_equal(buffer_text(&words), ROWS[i].words);
        assert_int_equal(equal, ROWS[i].words[0] == '\0');
    }
    buffer_free(&words);
}

static void test_every_schema_equals_itself_alone(void **state)
{
    struct buffer words = buffer_new(1 << 16);
    (void)state;
    for (size_t i = 0; i < schema_count(); i++) {
        const struct schema *one = schema_at(i);
        const struct schema *next = schema_at((i + 1) % schema_count());
        assert_true(schema_difference(one->text, one->text, &words));
        assert_int_equal(words.length, 0);
        assert_false(schema_difference(one->text, next->text, &words));
        assert_true(words.length > 0);
        buffer_clear(&words);
    }
    buffer_free(&words);
}

/* What does not fit is left out; the answer is the same. */
static void test_little_room(void **state)
{
    struct buffer words = buffer_new(20);
    (void)state;
    assert_false(schema_difference(RECORD(FIELD("a", "\"int\"") "," FIELD("b", "\"int\"")),
                                   RECORD(""), &words));
    assert_string_equal(buffer_text(&words), "a: only there; ");
    buffer_free(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_schema_equals_itself_alone),
        cmocka_unit_test(test_little_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
