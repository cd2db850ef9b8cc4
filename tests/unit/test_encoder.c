/* The encoder: each rule as a row, in Avro and in JSON. */
#include "tests/unit/encoder_check.h"

#include <stdio.h>

#include "bridge/base/attributes.h"

/* A schema with one field of each kind. */
static const char TEXT[] =
    "{\"type\":\"record\",\"name\":\"Things\",\"namespace\":\"propexo\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"text\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"whole\",\"type\":[\"null\",\"long\"],\"default\":null},"
    "{\"name\":\"real\",\"type\":[\"null\",\"double\"],\"default\":null},"
    "{\"name\":\"flag\",\"type\":[\"null\",\"boolean\"],\"default\":null},"
    "{\"name\":\"at\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}],"
    "\"default\":null},"
    "{\"name\":\"free\",\"type\":[\"null\",\"string\"],\"default\":null,\"propexo.json\":true},"
    "{\"name\":\"texts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"string\"}],"
    "\"default\":null},"
    "{\"name\":\"pets\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\","
    "\"name\":\"ThingsPetsItem\",\"fields\":["
    "{\"name\":\"id\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"age\",\"type\":[\"null\",\"long\"],\"default\":null},"
    "{\"name\":\"free\",\"type\":[\"null\",\"string\"],\"default\":null,\"propexo.json\":true}"
    "]}}],\"default\":null},"
    "{\"name\":\"unmapped_fields\",\"type\":{\"type\":\"map\",\"values\":\"string\"},"
    "\"default\":{}}]}";

static const struct schema SCHEMA = {"things", TEXT, sizeof TEXT - 1};

static cJSON *parse(const char *text)
{
    return json_parse(text, strlen(text));
}

static struct encoder *new_encoder(void)
{
    struct error error;
    struct encoder *encoder = encoder_new(&SCHEMA, &error);
    assert_non_null(encoder);
    return encoder;
}

/* What the record becomes: the fields that are not null, and the unmapped ones. */
struct row {
    const char *record;
    const char *fields;
    const char *unmapped;
};

#define NOTHING "{}"

static const struct row ROWS[] = {
    /* absent and null are the same */
    {"{\"id\":\"a\"}", NOTHING, NOTHING},
    {"{\"id\":\"a\",\"text\":null,\"whole\":null,\"real\":null,\"flag\":null,\"at\":null,"
     "\"free\":null,\"texts\":null,\"pets\":null}",
     NOTHING, NOTHING},
    /* every kind, in another order than the schema's */
    {"{\"pets\":[{\"age\":3,\"id\":\"p\"}],\"texts\":[\"x\",\"\"],\"free\":{\"a\":[1]},"
     "\"at\":\"2024-05-06T07:08:09.123Z\",\"flag\":false,\"real\":1.5,\"whole\":7,\"text\":\"t\","
     "\"id\":\"a\"}",
     "{\"text\":\"t\",\"whole\":7,\"real\":1.5,\"flag\":false,\"at\":1714979289123,"
     "\"free\":\"{\\\"a\\\":[1]}\",\"texts\":[\"x\",\"\"],"
     "\"pets\":[{\"id\":\"p\",\"age\":3,\"free\":null}]}",
     NOTHING},
    /* texts */
    {"{\"id\":\"a\",\"text\":\"\"}", "{\"text\":\"\"}", NOTHING},
    {"{\"id\":\"a\",\"text\":\"\\\"\\\\\\n\\u0001 caf\\u00e9 \\ud83d\\ude00\"}",
     "{\"text\":\"\\\"\\\\\\n\\u0001 caf\\u00e9 \\ud83d\\ude00\"}", NOTHING},
    {"{\"id\":\"a\",\"text\":5}", NOTHING, "{\"text\":\"5\"}"},
    {"{\"id\":\"a\",\"text\":{\"b\":null}}", NOTHING, "{\"text\":\"{\\\"b\\\":null}\"}"},
    /* whole numbers */
    {"{\"id\":\"a\",\"whole\":0}", "{\"whole\":0}", NOTHING},
    {"{\"id\":\"a\",\"whole\":5.0}", "{\"whole\":5}", NOTHING},
    {"{\"id\":\"a\",\"whole\":1e3}", "{\"whole\":1000}", NOTHING},
    {"{\"id\":\"a\",\"whole\":-0.0}", "{\"whole\":0}", NOTHING},
    {"{\"id\":\"a\",\"whole\":9007199254740991}", "{\"whole\":9007199254740991}", NOTHING},
    {"{\"id\":\"a\",\"whole\":-9007199254740991}", "{\"whole\":-9007199254740991}", NOTHING},
    {"{\"id\":\"a\",\"whole\":9007199254740993}", "{\"whole\":9007199254740993}", NOTHING},
    {"{\"id\":\"a\",\"whole\":9223372036854775807}", "{\"whole\":9223372036854775807}", NOTHING},
    {"{\"id\":\"a\",\"whole\":-9223372036854775808}", "{\"whole\":-9223372036854775808}", NOTHING},
    {"{\"id\":\"a\",\"whole\":9223372036854775808}", NOTHING,
     "{\"whole\":\"9223372036854775808\"}"},
    {"{\"id\":\"a\",\"whole\":-9223372036854775809}", NOTHING,
     "{\"whole\":\"-9223372036854775809\"}"},
    {"{\"id\":\"a\",\"whole\":9007199254740993.5}", NOTHING, "{\"whole\":\"9007199254740993.5\"}"},
    {"{\"id\":\"a\",\"whole\":1.5}", NOTHING, "{\"whole\":\"1.5\"}"},
    {"{\"id\":\"a\",\"whole\":1e300}", NOTHING, "{\"whole\":\"1e300\"}"},
    {"{\"id\":\"a\",\"whole\":\"5\"}", NOTHING, "{\"whole\":\"\\\"5\\\"\"}"},
    {"{\"id\":\"a\",\"whole\":true}", NOTHING, "{\"whole\":\"true\"}"},
    /* numbers */
    {"{\"id\":\"a\",\"real\":12345.67}", "{\"real\":12345.67}", NOTHING},
    {"{\"id\":\"a\",\"real\":0.1}", "{\"real\":0.1}", NOTHING},
    {"{\"id\":\"a\",\"real\":-0.30000000000000004}", "{\"real\":-0.30000000000000004}", NOTHING},
    {"{\"id\":\"a\",\"real\":1e22}", "{\"real\":1e+22}", NOTHING},
    {"{\"id\":\"a\",\"real\":1.7976931348623157e308}", "{\"real\":1.7976931348623157e+308}",
     NOTHING},
    {"{\"id\":\"a\",\"real\":9007199254740993}", "{\"real\":9007199254740992}", NOTHING},
    {"{\"id\":\"a\",\"real\":1e400}", NOTHING, "{\"real\":\"1e400\"}"},
    {"{\"id\":\"a\",\"real\":5e-324}", "{\"real\":5e-324}", NOTHING},
    {"{\"id\":\"a\",\"real\":1e999}", NOTHING, "{\"real\":\"1e999\"}"},
    {"{\"id\":\"a\",\"real\":-1e999}", NOTHING, "{\"real\":\"-1e999\"}"},
    {"{\"id\":\"a\",\"real\":\"12.50\"}", NOTHING, "{\"real\":\"\\\"12.50\\\"\"}"},
    /* booleans */
    {"{\"id\":\"a\",\"flag\":true}", "{\"flag\":true}", NOTHING},
    {"{\"id\":\"a\",\"flag\":1}", NOTHING, "{\"flag\":\"1\"}"},
    {"{\"id\":\"a\",\"flag\":\"true\"}", NOTHING, "{\"flag\":\"\\\"true\\\"\"}"},
    /* timestamps */
    {"{\"id\":\"a\",\"at\":\"2024-05-06T07:08:09+02:00\"}", "{\"at\":1714972089000}", NOTHING},
    {"{\"id\":\"a\",\"at\":\"1969-12-31T23:59:59.999Z\"}", "{\"at\":-1}", NOTHING},
    {"{\"id\":\"a\",\"at\":\"2024-05-06\"}", NOTHING, "{\"at\":\"\\\"2024-05-06\\\"\"}"},
    {"{\"id\":\"a\",\"at\":\"\"}", NOTHING, "{\"at\":\"\\\"\\\"\"}"},
    {"{\"id\":\"a\",\"at\":1714979289123}", NOTHING, "{\"at\":\"1714979289123\"}"},
    /* free-form */
    {"{\"id\":\"a\",\"free\":{}}", "{\"free\":\"{}\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":[]}", "{\"free\":\"[]\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":[null,{}]}", "{\"free\":\"[null,{}]\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":\"text\"}", "{\"free\":\"\\\"text\\\"\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":17}", "{\"free\":\"17\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":false}", "{\"free\":\"false\"}", NOTHING},
    {"{\"id\":\"a\",\"free\":{\"n\":[12345678901234567890,1e400],\"t\":\"\\u0000\\ud83d\"}}",
     "{\"free\":\"{\\\"n\\\":[12345678901234567890,1e400],\\\"t\\\":\\\"\\\\u0000\\\\ud83d\\\"}\"}",
     NOTHING},
    {"{\"id\":\"a\",\"free\":{\"x\":1,\"x\":2}}", "{\"free\":\"{\\\"x\\\":1,\\\"x\\\":2}\"}",
     NOTHING},
    /* U+0000 stays; half of a surrogate pair is no text for Avro */
    {"{\"id\":\"a\",\"text\":\"x\\u0000y\\u0000\"}", "{\"text\":\"x\\u0000y\\u0000\"}", NOTHING},
    {"{\"id\":\"a\",\"text\":\"\\u0000\"}", "{\"text\":\"\\u0000\"}", NOTHING},
    {"{\"id\":\"a\",\"texts\":[\"\\u0000x\",\"y\",\"\\u0000\"]}",
     "{\"texts\":[\"\\u0000x\",\"y\",\"\\u0000\"]}", NOTHING},
    {"{\"id\":\"a\",\"at\":\"2024-05-06T07:08:09Z\\u0000\"}", NOTHING,
     "{\"at\":\"\\\"2024-05-06T07:08:09Z\\\\u0000\\\"\"}"},
    {"{\"id\":\"a\",\"text\":\"cut \\ud83d\"}", NOTHING, "{\"text\":\"\\\"cut \\\\ud83d\\\"\"}"},
    {"{\"id\":\"a\",\"texts\":[\"x\",\"\\ude00\\u0000\"]}", NOTHING,
     "{\"texts\":\"[\\\"x\\\",\\\"\\\\ude00\\\\u0000\\\"]\"}"},
    {"{\"id\":\"a\",\"text\\u0000\":1,\"\\ud83d\":2,\"pets\":[{\"a\\u0000\":3}]}",
     "{\"pets\":[{\"id\":null,\"age\":null,\"free\":null}]}",
     "{\"text\\\\u0000\":\"1\",\"\\\\ud83d\":\"2\",\"pets[0].a\\\\u0000\":\"3\"}"},
    /* lists of texts */
    {"{\"id\":\"a\",\"texts\":[]}", "{\"texts\":[]}", NOTHING},
    {"{\"id\":\"a\",\"texts\":[null]}", NOTHING, "{\"texts\":\"[null]\"}"},
    {"{\"id\":\"a\",\"texts\":[\"x\",1]}", NOTHING, "{\"texts\":\"[\\\"x\\\",1]\"}"},
    {"{\"id\":\"a\",\"texts\":\"x\"}", NOTHING, "{\"texts\":\"\\\"x\\\"\"}"},
    {"{\"id\":\"a\",\"texts\":{\"0\":\"x\"}}", NOTHING, "{\"texts\":\"{\\\"0\\\":\\\"x\\\"}\"}"},
    /* lists of records */
    {"{\"id\":\"a\",\"pets\":[]}", "{\"pets\":[]}", NOTHING},
    {"{\"id\":\"a\",\"pets\":[{}]}", "{\"pets\":[{\"id\":null,\"age\":null,\"free\":null}]}",
     NOTHING},
    {"{\"id\":\"a\",\"pets\":[{\"free\":{\"x\":1}},{\"id\":\"\"}]}",
     "{\"pets\":[{\"id\":null,\"age\":null,\"free\":\"{\\\"x\\\":1}\"},"
     "{\"id\":\"\",\"age\":null,\"free\":null}]}",
     NOTHING},
    {"{\"id\":\"a\",\"pets\":[null]}", NOTHING, "{\"pets\":\"[null]\"}"},
    {"{\"id\":\"a\",\"pets\":[{\"id\":\"p\"},7]}", NOTHING,
     "{\"pets\":\"[{\\\"id\\\":\\\"p\\\"},7]\"}"},
    {"{\"id\":\"a\",\"pets\":{\"id\":\"p\"}}", NOTHING, "{\"pets\":\"{\\\"id\\\":\\\"p\\\"}\"}"},
    {"{\"id\":\"a\",\"pets\":[{\"colour\":\"red\",\"id\":\"p\"},{\"age\":\"old\",\"id\":\"q\"}]}",
     "{\"pets\":[{\"id\":\"p\",\"age\":null,\"free\":null},"
     "{\"id\":\"q\",\"age\":null,\"free\":null}]}",
     "{\"pets[0].colour\":\"\\\"red\\\"\",\"pets[1].age\":\"\\\"old\\\"\"}"},
    /* unknown members */
    {"{\"id\":\"a\",\"new\":null}", NOTHING, "{\"new\":\"null\"}"},
    {"{\"id\":\"a\",\"new\":[1,\"x\",{\"y\":0.5}],\"Text\":\"t\",\"\":0}", NOTHING,
     "{\"new\":\"[1,\\\"x\\\",{\\\"y\\\":0.5}]\",\"Text\":\"\\\"t\\\"\",\"\":\"0\"}"},
    {"{\"id\":\"a\",\"unmapped_fields\":{\"text\":\"x\"}}", NOTHING,
     "{\"unmapped_fields\":\"{\\\"text\\\":\\\"x\\\"}\"}"},
    /* a name that comes twice */
    {"{\"id\":\"z\",\"text\":\"1\",\"new\":1,\"text\":\"2\",\"new\":2,\"id\":\"a\"}",
     "{\"text\":\"2\"}",
     "{\"new\":\"2\",\"text[0]\":\"\\\"1\\\"\",\"new[0]\":\"1\",\"id[0]\":\"\\\"z\\\"\"}"},
    {"{\"id\":\"a\",\"texts\":[\"1\",\"2\"],\"texts\":[\"3\"]}", "{\"texts\":[\"3\"]}",
     "{\"texts[0]\":\"[\\\"1\\\",\\\"2\\\"]\"}"},
    {"{\"id\":\"a\",\"text\":\"1\",\"text\":2,\"text\":null,\"text\":3}", NOTHING,
     "{\"text[0]\":\"\\\"1\\\"\",\"text[1]\":\"2\",\"text[2]\":\"null\",\"text\":\"3\"}"},
    {"{\"id\":\"a\",\"n\":1,\"n\":2,\"n\":3,\"n\":4}", NOTHING,
     "{\"n\":\"4\",\"n[0]\":\"1\",\"n[1]\":\"2\",\"n[2]\":\"3\"}"},
    {"{\"id\":\"a\",\"n[0]\":5,\"n\":1,\"n\":2,\"n[1]\":6}", NOTHING,
     "{\"n[0]\":\"5\",\"n\":\"2\",\"n[1]\":\"6\",\"n[1][0]\":\"1\"}"},
    {"{\"id\":\"a\",\"pets\":[{\"age\":1,\"age\":2,\"x\":1,\"x\":2}]}",
     "{\"pets\":[{\"id\":null,\"age\":2,\"free\":null}]}",
     "{\"pets[0].age[0]\":\"1\",\"pets[0].x\":\"2\",\"pets[0].x[0]\":\"1\"}"},
};

static cJSON *expected_of(const struct row *row)
{
    static const char *const NAMES[] = {"text", "whole", "real",  "flag",
                                        "at",   "free",  "texts", "pets"};
    cJSON *expected = cJSON_CreateObject();
    cJSON *fields = parse(row->fields);
    cJSON_AddStringToObject(expected, "id", "a");
    for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(fields, NAMES[i]);
        cJSON_AddItemToObject(expected, NAMES[i], value != NULL ? value : cJSON_CreateNull());
    }
    assert_null(fields->child);
    cJSON_Delete(fields);
    cJSON_AddItemToObject(expected, "unmapped_fields", cJSON_Parse(row->unmapped));
    return expected;
}

/* All rows with one encoder, forwards and backwards: nothing of one record stays for the next. */
static void test_rules(void **state)
{
    (void)state;
    struct encoder *encoder = new_encoder();
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(ROWS); i++) {
        size_t number = i < ARRAY_LENGTH(ROWS) ? i : 2 * ARRAY_LENGTH(ROWS) - 1 - i;
        const struct row *row = &ROWS[number];
        struct encoding info = {0};
        cJSON *record = parse(row->record);
        assert_non_null(record);
        cJSON *expected = expected_of(row);
        cJSON *found = encode_both(encoder, &SCHEMA, record, &info);
        if (!same(found, expected))
            fail_msg("%s becomes %s", row->record, text_of(found));
        const cJSON *unmapped = member_of(expected, "unmapped_fields");
        assert_int_equal(info.unmapped, cJSON_GetArraySize(unmapped));
        if (unmapped->child == NULL)
            assert_null(info.first_unmapped);
        else
            assert_string_equal(info.first_unmapped, unmapped->child->string);
        cJSON_Delete(record);
        cJSON_Delete(expected);
        cJSON_Delete(found);
    }
    encoder_free(encoder);
}

/* The JSON output to the letter: the schema's order, no white space. */
static void test_json_text(void **state)
{
    static const char *const TEXTS[][2] = {
        {"{\"id\":\"a\"}",
         "{\"id\":\"a\",\"text\":null,\"whole\":null,\"real\":null,\"flag\":null,\"at\":null,"
         "\"free\":null,\"texts\":null,\"pets\":null,\"unmapped_fields\":{}}"},
        {"{\"new\" : [ 1 , 2 ],\"flag\":true,\"real\":1250,\"id\":\"a\\/\\u000b\",\"pets\":[{ }]}",
         "{\"id\":\"a/\\u000b\",\"text\":null,\"whole\":null,\"real\":1250,\"flag\":true,"
         "\"at\":null,\"free\":null,\"texts\":null,"
         "\"pets\":[{\"id\":null,\"age\":null,\"free\":null}],"
         "\"unmapped_fields\":{\"new\":\"[1,2]\"}}"},
    };
    (void)state;
    struct encoder *encoder = new_encoder();
    for (size_t i = 0; i < ARRAY_LENGTH(TEXTS); i++) {
        const void *bytes;
        size_t length;
        struct encoding info;
        struct error error;
        cJSON *record = parse(TEXTS[i][0]);
        assert_true(encoder_json(encoder, record, 1000, &bytes, &length, &info, &error));
        assert_string_equal(bytes, TEXTS[i][1]);
        cJSON_Delete(record);
    }
    encoder_free(encoder);
}

/* Bit by bit, and in the JSON output with no more digits than that takes. */
static void test_doubles_are_exact(void **state)
{
    static const struct {
        double number;
        const char *text;
    } DOUBLES[] = {
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {-12345.67, "-12345.67"},
        {9007199254740993.0, "9007199254740992"},
        {1e22, "1e+22"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "4.94065645841247e-324"},
        {-0.0, "-0"},
    };
    (void)state;
    struct encoder *encoder = new_encoder();
    for (size_t i = 0; i < ARRAY_LENGTH(DOUBLES); i++) {
        const void *bytes;
        size_t length;
        struct encoding info;
        struct error error;
        char member[64];
        cJSON *record = cJSON_Parse("{\"id\":\"a\"}");
        cJSON_AddNumberToObject(record, "real", DOUBLES[i].number);
        snprintf(member, sizeof member, "\"real\":%s,", DOUBLES[i].text);
        assert_true(encoder_json(encoder, record, 1000, &bytes, &length, &info, &error));
        assert_non_null(strstr(bytes, member));
        assert_true(encoder_avro(encoder, record, CHECK_ID, 1000, &bytes, &length, &info, &error));
        cJSON *found = decode(&SCHEMA, bytes, length);
        assert_memory_equal(&member_of(found, "real")->valuedouble, &DOUBLES[i].number,
                            sizeof(double));
        cJSON_Delete(found);
        cJSON_Delete(record);
    }
    encoder_free(encoder);
}

/* The Avro output to the byte, worked out by hand from the Avro 1.11 specification. */
static void test_avro_bytes(void **state)
{
    static const unsigned char FRAME[] = {0, 1,    2,    3,   4, /* header */
                                          2, 'a',                /* id, 1 byte long */
                                          2, 2,    't',          /* branch 1, text */
                                          2, 0xac, 0x02,         /* branch 1, 150 zigzag */
                                          2, 0,    0,    0,   0,   0,
                                          0, 0xf8, 0x3f,               /* branch 1, 1.5 */
                                          2, 1,                        /* branch 1, true */
                                          0,                           /* at: null */
                                          0,                           /* free: null */
                                          2, 2,    2,    'x', 0,       /* one block of one text */
                                          0,                           /* pets: null */
                                          2, 2,    'n',  2,   '7', 0}; /* one block of one pair */
    (void)state;
    struct encoder *encoder = new_encoder();
    const void *bytes;
    size_t length;
    struct encoding info;
    struct error error;
    cJSON *record = cJSON_Parse("{\"id\":\"a\",\"text\":\"t\",\"whole\":150,\"real\":1.5,"
                                "\"flag\":true,\"texts\":[\"x\"],\"n\":7}");
    assert_true(encoder_avro(encoder, record, CHECK_ID, 1000, &bytes, &length, &info, &error));
    assert_int_equal(length, sizeof FRAME);
    assert_memory_equal(bytes, FRAME, sizeof FRAME);
    cJSON_Delete(record);
    encoder_free(encoder);
}

/* Both outputs refuse it, with a message that names the field and does not tell the value. */
static void refuse(struct encoder *encoder, const cJSON *record, const char *named)
{
    const void *bytes;
    size_t length;
    struct encoding info = {.unmapped = 77};
    for (int avro = 0; avro < 2; avro++) {
        struct error error = {.message = ""};
        bool ok =
            avro ? encoder_avro(encoder, record, CHECK_ID, CHECK_MAXIMUM, &bytes, &length, &info,
                                &error)
                 : encoder_json(encoder, record, CHECK_MAXIMUM, &bytes, &length, &info, &error);
        assert_false(ok);
        assert_int_equal(error.verdict, VERDICT_ABORT);
        if (strstr(error.message, named) == NULL)
            fail_msg("\"%s\" does not name %s", error.message, named);
        assert_null(strstr(error.message, "secret"));
    }
    assert_int_equal(info.unmapped, 77);
    assert_false(info.too_large);
}

static void test_refused(void **state)
{
    static const struct {
        const char *record;
        const char *named;
    } REFUSED[] = {
        {"[]", "not an object"},
        {"null", "not an object"},
        {"\"secret\"", "not an object"},
        {"{}", "id"},
        {"{\"id\":null}", "id"},
        {"{\"id\":\"\"}", "id"},
        {"{\"id\":12}", "id"},
        {"{\"id\":{\"x\":\"secret\"}}", "id"},
        {"{\"ID\":\"secret\"}", "id"},
        {"{\"id\":\"secret\\u0000\xff\",\"id\":\"\xff secret\"}", "id"},
        {"{\"id\":\"a\",\"text\":\"secret \xff\"}", "text"},
        {"{\"id\":\"a\",\"text\":\"\xc0\xaf secret\"}", "text"},
        {"{\"id\":\"a\",\"text\":\"\xed\xa0\x80 secret\"}", "text"},
        {"{\"id\":\"a\",\"text\":\"\xc0\x80 secret\"}", "text"},
        {"{\"id\":\"a\",\"text\":\"\\u0000 secret \xc0\x80\"}", "text"},
        {"{\"id\":\"a\",\"text\":\"\\u0000 secret \\ud83d \xff\"}", "text"},
        {"{\"id\":\"secret \\ud83d\"}", "id"},
        {"{\"id\":\"secret\",\"id\":null}", "id"},
        {"{\"id\":\"a\",\"texts\":[\"x\",\"secret \xff\"]}", "texts"},
        {"{\"id\":\"a\",\"free\":{\"x\":[\"secret \xff\"]}}", "free"},
        {"{\"id\":\"a\",\"free\":{\"secret \xff\":1}}", "free"},
        {"{\"id\":\"a\",\"new\":\"secret \xff\"}", "new"},
        {"{\"id\":\"a\",\"whole\":\"secret \xff\"}", "whole"},
        {"{\"id\":\"a\",\"pets\":[{},{\"id\":\"secret \xff\"}]}", "pets[1].id"},
        {"{\"id\":\"a\",\"new \xff\":\"secret\"}", "the name of a field"},
    };
    (void)state;
    struct encoder *encoder = new_encoder();
    refuse(encoder, NULL, "not an object");
    for (size_t i = 0; i < ARRAY_LENGTH(REFUSED); i++) {
        cJSON *record = parse(REFUSED[i].record);
        assert_non_null(record);
        refuse(encoder, record, REFUSED[i].named);
        cJSON_Delete(record);
        cJSON *good = cJSON_Parse("{\"id\":\"a\",\"new\":1}"); /* the next one is fine again */
        struct encoding info;
        cJSON_Delete(encode_both(encoder, &SCHEMA, good, &info));
        assert_int_equal(info.unmapped, 1);
        cJSON_Delete(good);
    }
    encoder_free(encoder);
}

/* A text of `depth` arrays inside one another. */
static char *nested(int depth)
{
    char *text = calloc((size_t)depth * 2 + 64, 1);
    size_t at = (size_t)snprintf(text, 64, "{\"id\":\"a\",\"free\":");
    memset(text + at, '[', (size_t)depth);
    memset(text + at + depth, ']', (size_t)depth);
    text[at + 2 * (size_t)depth] = '}';
    return text;
}

static void test_nesting(void **state)
{
    (void)state;
    struct encoder *encoder = new_encoder();
    struct encoding info;
    char *text = nested(998); /* as deep as cJSON parses */
    cJSON *record = parse(text);
    assert_non_null(record);
    cJSON *found = encode_both(encoder, &SCHEMA, record, &info);
    assert_memory_equal(member_of(found, "free")->valuestring, text + 17, 2 * 998);
    cJSON_Delete(found);
    cJSON *deeper = cJSON_CreateArray();
    for (int i = 0; i < 1000; i++) {
        cJSON *outer = cJSON_CreateArray();
        cJSON_AddItemToArray(outer, deeper);
        deeper = outer;
    }
    cJSON_ReplaceItemInObjectCaseSensitive(record, "free", deeper);
    refuse(encoder, record, "free");
    cJSON_Delete(record);
    free(text);
    encoder_free(encoder);
}

/* A record whose frame or text is exactly as large as allowed passes, one byte less does not. */
static void test_maximum(void **state)
{
    static const size_t SIZES[] = {1, 100, 4096, 5000, 70000, 300000, 900000};
    static const char *const FIELDS[] = {"text", "free", "new"};
    (void)state;
    struct encoder *encoder = new_encoder();
    for (size_t i = 0; i < ARRAY_LENGTH(SIZES) * ARRAY_LENGTH(FIELDS); i++) {
        char *large = calloc(SIZES[i / 3] + 1, 1);
        const void *bytes;
        size_t length;
        size_t exact;
        struct encoding info;
        struct error error;
        memset(large, 'x', SIZES[i / 3]);
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "id", "a");
        cJSON_AddStringToObject(record, FIELDS[i % 3], large);
        cJSON_Delete(encode_both(encoder, &SCHEMA, record, &info));
        assert_true(encoder_avro(encoder, record, 1, CHECK_MAXIMUM, &bytes, &exact, &info, &error));
        assert_true(encoder_avro(encoder, record, 1, exact, &bytes, &length, &info, &error));
        assert_int_equal(length, exact);
        assert_false(encoder_avro(encoder, record, 1, exact - 1, &bytes, &length, &info, &error));
        assert_int_equal(error.verdict, VERDICT_ABORT);
        assert_non_null(strstr(error.message, "larger than"));
        assert_true(info.too_large);
        assert_true(encoder_json(encoder, record, CHECK_MAXIMUM, &bytes, &exact, &info, &error));
        assert_true(encoder_json(encoder, record, exact, &bytes, &length, &info, &error));
        assert_int_equal(length, exact);
        assert_false(encoder_json(encoder, record, exact - 1, &bytes, &length, &info, &error));
        assert_int_equal(error.verdict, VERDICT_ABORT);
        assert_non_null(strstr(error.message, "larger than"));
        assert_true(info.too_large);
        cJSON_Delete(record);
        free(large);
    }
    encoder_free(encoder);
}

static void test_many_unmapped(void **state)
{
    enum { MANY = 3000 };
    (void)state;
    struct encoder *encoder = new_encoder();
    struct encoding info;
    cJSON *record = cJSON_CreateObject();
    cJSON *pets = cJSON_CreateArray();
    cJSON_AddItemToObject(record, "pets", pets);
    cJSON_AddStringToObject(record, "id", "a");
    for (int i = 0; i < MANY; i++) {
        char name[32];
        cJSON *pet = cJSON_CreateObject();
        snprintf(name, sizeof name, "field_%d", i);
        cJSON_AddNumberToObject(record, name, i);
        cJSON_AddNumberToObject(pet, "paws", i);
        cJSON_AddItemToArray(pets, pet);
    }
    cJSON *found = encode_both(encoder, &SCHEMA, record, &info);
    assert_int_equal(info.unmapped, 2 * MANY);
    assert_string_equal(info.first_unmapped, "field_0");
    const cJSON *unmapped = member_of(found, "unmapped_fields");
    assert_string_equal(member_of(unmapped, "pets[2999].paws")->valuestring, "2999");
    assert_string_equal(member_of(unmapped, "field_2999")->valuestring, "2999");
    cJSON_Delete(found);
    cJSON_Delete(record);
    encoder_free(encoder);
}

#define NAME_100                                        \
    "0123456789012345678901234567890123456789012345678" \
    "012345678901234567890123456789012345678901234567890"

/* For a metric: without indices, and bounded. */
static void test_labels(void **state)
{
    static const char *const LABELS[] = {"new",      "colour[]",   "[x]3",      "a",
                                         NAME_100,   NULL,         "text",      "",
                                         "pets.age", "pets.wings", "pets.wings"};
    (void)state;
    struct encoder *encoder = new_encoder();
    struct encoding info;
    char label[UNMAPPED_LABEL_SIZE];
    cJSON *record =
        parse("{\"id\":\"i\",\"new\":1,\"colour[]\":1,\"[x]3\":1,\"a[1][22]\":1,\"" NAME_100
              "\":1,\"" NAME_100 "a\":1,\"text\":\"1\",\"text\":null,\"[0]\":1,"
              "\"pets\":[{\"age\":\"x\"},{\"wings\":2,\"wings\":4}]}");
    cJSON_Delete(encode_both(encoder, &SCHEMA, record, &info));
    assert_int_equal(info.unmapped, ARRAY_LENGTH(LABELS));
    for (size_t i = 0; i < info.unmapped; i++)
        assert_same_text(encoder_unmapped_label(encoder, i, label), LABELS[i], "label");
    cJSON_Delete(record);
    encoder_free(encoder);
}

/* A schema that generate.py would not write is refused when the encoder is made. */
static void test_bad_schemas(void **state)
{
    static const char *const TEXTS[] = {
        "",
        "{}",
        "[]",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[]}",
        "{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[\"B\"]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"type\":\"string\"}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"id\"}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"id\",\"type\":\"bytes\"}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"id\","
        "\"type\":[\"string\",\"null\"]}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"unmapped_fields\","
        "\"type\":{\"type\":\"map\",\"values\":\"string\"}},{\"name\":\"id\","
        "\"type\":\"string\"}]}",
        "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\","
        "{\"type\":\"array\",\"items\":\"long\"}]}]}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(TEXTS); i++) {
        struct schema schema = {"bad", TEXTS[i], strlen(TEXTS[i])};
        struct error error;
        assert_null(encoder_new(&schema, &error));
        assert_int_equal(error.verdict, VERDICT_FATAL);
        assert_non_null(strstr(error.message, "bad"));
    }
    encoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_avro_bytes),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nesting),       cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_many_unmapped), cmocka_unit_test(test_doubles_are_exact),
        cmocka_unit_test(test_bad_schemas),   cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
