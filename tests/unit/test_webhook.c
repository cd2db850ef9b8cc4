/* Webhook bodies: every documented shape is understood, everything else gets its verdict. */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/propexo/webhook.h"

/* Parses bytes that end where readable memory ends. */
static struct webhook parse_bytes(const void *bytes, size_t length)
{
    struct guarded copy = guarded_copy(bytes, length);
    struct webhook webhook = webhook_parse(copy.bytes, length);
    guarded_free(&copy); /* the texts belong to the struct, not to the body */
    return webhook;
}

static struct webhook parse(const char *body)
{
    return parse_bytes(body, strlen(body));
}

struct event {
    const char *body;
    const char *kind;
    const char *integration_id;
    const char *model;
    const char *record_id;
    bool has_diff;
};

#define DIFF "\"diff\":{\"new\":{\"name\":\"B\"},\"previous\":{\"name\":\"A\"}}"
#define META "\"meta\":{\"object\":\"units\",\"integration_id\":\"i\"}"

static const struct event events[] = {
    /* A, wrapped */
    {"{\"trigger\":\"DATA_UPDATE\",\"data\":{\"event\":\"DATA_UPDATE\",\"integration_id\":\"i\","
     "\"object\":\"units\",\"record_id\":\"r\",\"job_id\":\"j\"," DIFF "}," META "}",
     "DATA_UPDATE", "i", "units", "r", true},
    {"{\"trigger\":\"DATA_NEW\",\"data\":{\"event\":\"DATA_NEW\",\"integration_id\":\"i\","
     "\"object\":\"units\",\"record_id\":\"r\",\"payload\":{\"name\":\"B\"}}," META "}",
     "DATA_NEW", "i", "units", "r", false},
    /* A as the getting-started page has it: neither trigger nor meta nor integration */
    {"{\"data\":{\"event\":\"DATA_UPDATE\",\"object\":\"residents\",\"record_id\":\"r\"," DIFF "}}",
     "DATA_UPDATE", NULL, "residents", "r", true},
    /* A whose data does not repeat the kind */
    {"{\"trigger\":\"DATA_NEW\",\"data\":{\"object\":\"units\",\"record_id\":\"r\"}}", "DATA_NEW",
     NULL, "units", "r", false},
    /* B, flat */
    {"{\"event\":\"DATA_UPDATE\",\"integration_id\":\"i\",\"object\":\"units\",\"record_id\":"
     "\"r\"," DIFF "," META "}",
     "DATA_UPDATE", "i", "units", "r", true},
    /* C, old: no kind at all */
    {"{" META ",\"record_id\":\"r\"," DIFF "}", "DATA_UPDATE", "i", "units", "r", true},
    {"{" META ",\"record_id\":\"r\",\"payload\":{}}", "DATA_NEW", "i", "units", "r", false},
    {"{" META ",\"record_id\":\"r\",\"payload\":{}," DIFF "}", "DATA_UPDATE", "i", "units", "r",
     true},
    /* models of two words */
    {"{\"event\":\"DATA_NEW\",\"object\":\"resident-charges\",\"record_id\":\"r\"}", "DATA_NEW",
     NULL, "resident_charges", "r", false},
    {"{\"event\":\"DATA_NEW\",\"object\":\"resident_charges\",\"record_id\":\"r\"}", "DATA_NEW",
     NULL, "resident_charges", "r", false},
    {"{\"event\":\"DATA_NEW\",\"object\":\"service-request_problems\",\"record_id\":\"r\"}",
     "DATA_NEW", NULL, "service_request_problems", "r", false},
    /* where the integration comes from */
    {"{\"data\":{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\","
     "\"integration_id\":\"of data\"}," META "}",
     "DATA_NEW", "of data", "units", "r", false},
    {"{\"data\":{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\","
     "\"integration_id\":null}," META "}",
     "DATA_NEW", "i", "units", "r", false},
    {"{\"data\":{\"event\":\"DATA_NEW\",\"record_id\":\"r\",\"object\":null}," META "}", "DATA_NEW",
     "i", "units", "r", false},
    {"{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\",\"integration_id\":null}",
     "DATA_NEW", NULL, "units", "r", false},
    /* data that is no object is no wrapping */
    {"{\"data\":null,\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\"}", "DATA_NEW",
     NULL, "units", "r", false},
    {"{\"data\":[1],\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\"}", "DATA_NEW",
     NULL, "units", "r", false},
    /* a kind that data has with the wrong type is looked up further */
    {"{\"trigger\":\"DATA_NEW\",\"data\":{\"event\":7,\"object\":\"units\",\"record_id\":\"r\"}}",
     "DATA_NEW", NULL, "units", "r", false},
    /* a diff of a wrong type announces nothing */
    {"{\"event\":\"DATA_UPDATE\",\"object\":\"units\",\"record_id\":\"r\",\"diff\":[]}",
     "DATA_UPDATE", NULL, "units", "r", false},
    {"{\"event\":\"DATA_UPDATE\",\"object\":\"units\",\"record_id\":\"r\",\"diff\":{}}",
     "DATA_UPDATE", NULL, "units", "r", true},
    /* names twice where routing does not read are the sender's business */
    {"{\"event\":\"DATA_UPDATE\",\"object\":\"units\",\"record_id\":\"r\",\"vendor\":1,"
     "\"vendor\":2,\"diff\":{\"new\":{\"event\":1,\"event\":2}}}",
     "DATA_UPDATE", NULL, "units", "r", true},
    /* names are told apart by case, and keys may be escaped */
    {"{\"event\":\"DATA_NEW\",\"EVENT\":\"x\",\"object\":\"units\",\"record\\u005fid\":\"r\"}",
     "DATA_NEW", NULL, "units", "r", false},
    /* white space of every kind around the value */
    {" \t\r\n{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\"} \t\r\n", "DATA_NEW",
     NULL, "units", "r", false},
    /* ids are opaque */
    {"{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\" /?#%\\u00e9\\ud83d\\ude00\"}",
     "DATA_NEW", NULL, "units", " /?#%\xc3\xa9\xf0\x9f\x98\x80", false},
};

static void test_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        const struct event *row = &events[i];
        struct webhook webhook = parse(row->body);
        if (webhook.class != WEBHOOK_EVENT)
            fail_msg("%s: no event but %s", row->body, webhook.code);
        assert_same_text(webhook.code, NULL, row->body);
        assert_same_text(webhook.kind, row->kind, row->body);
        assert_same_text(webhook.integration_id, row->integration_id, row->body);
        assert_same_text(webhook.model->name, row->model, row->body);
        assert_same_text(webhook.record_id, row->record_id, row->body);
        assert_int_equal(webhook.diff != NULL, row->has_diff);
        webhook_free(&webhook);
    }
}

static void test_activity(void **state)
{
    static const struct {
        const char *body;
        const char *kind;
        const char *integration_id;
    } rows[] = {
        {"{\"trigger\":\"SYNC_COMPLETE\",\"data\":{\"event\":\"SYNC_COMPLETE\",\"integration_id\":"
         "\"i\",\"models_synced\":[\"units\"],\"job_schedule_id\":null}}",
         "SYNC_COMPLETE", "i"},
        {"{\"event\":\"FIRST_SYNC_COMPLETE\",\"integration_id\":\"i\"}", "FIRST_SYNC_COMPLETE",
         "i"},
        {"{\"trigger\":\"JOB_SUCCESS\",\"data\":{\"integration_id\":\"i\"}}", "JOB_SUCCESS", "i"},
        {"{\"trigger\":\"JOB_FAILURE\",\"data\":{}}", "JOB_FAILURE", NULL},
        {"{\"event\":\"WRITE_OPERATION_FAILURE\",\"errors\":[]}", "WRITE_OPERATION_FAILURE", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook webhook = parse(rows[i].body);
        assert_int_equal(webhook.class, WEBHOOK_ACTIVITY);
        assert_same_text(webhook.kind, rows[i].kind, rows[i].body);
        assert_same_text(webhook.integration_id, rows[i].integration_id, rows[i].body);
        assert_null(webhook.model);
        assert_null(webhook.record_id);
        webhook_free(&webhook);
    }
}

#define EVENT "\"event\":\"DATA_NEW\""
#define UNIT  "\"object\":\"units\""

static void test_not_understood(void **state)
{
    static const struct {
        const char *body;
        const char *code;
        const char *integration_id; /* what is known of the sender all the same */
    } rows[] = {
        {"[]", "not-an-object", NULL},
        {"null", "not-an-object", NULL},
        {"true", "not-an-object", NULL},
        {"0", "not-an-object", NULL},
        {"\"text\"", "not-an-object", NULL},
        {"\"\\ud800\"", "not-an-object", NULL},
        {"\"\\ud800\\u0041\\udc00\\u0000\"", "not-an-object", NULL},
        {"[{" EVENT "," UNIT ",\"record_id\":\"r\"}]", "not-an-object", NULL},
        {"{}", "no-kind", NULL},
        {"{\"event\":null}", "no-kind", NULL},
        {"{\"event\":\"\",\"integration_id\":\"i\"}", "no-kind", "i"},
        {"{\"event\":[\"DATA_NEW\"]}", "no-kind", NULL},
        {"{\"trigger\":1}", "no-kind", NULL},
        {"{" UNIT ",\"record_id\":\"r\",\"diff\":\"x\",\"payload\":[]}", "no-kind", NULL},
        {"{\"event\":\"DATA_DELETE\",\"integration_id\":\"i\"}", "unknown-kind", "i"},
        {"{\"event\":\"data_new\"," UNIT ",\"record_id\":\"r\"}", "unknown-kind", NULL},
        {"{\"event\":\"DATA_NEW \"," UNIT ",\"record_id\":\"r\"}", "unknown-kind", NULL},
        {"{" EVENT ",\"record_id\":\"r\"}", "no-object", NULL},
        {"{" EVENT ",\"object\":5,\"record_id\":\"r\"}", "no-object", NULL},
        {"{" EVENT ",\"object\":\"\",\"record_id\":\"r\"}", "no-object", NULL},
        {"{" EVENT ",\"object\":{},\"record_id\":\"r\"," META "}", "no-object", "i"},
        {"{" EVENT "," UNIT "}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":null,\"integration_id\":\"i\"}", "no-record-id", "i"},
        {"{" EVENT "," UNIT ",\"record_id\":12}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"\"}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":[\"r\"]}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":true}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\\u0000\"}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"\\ud83d\"}", "no-record-id", NULL},
        {"{" EVENT "," UNIT ",\"record_id\\u0000\":\"r\"}", "no-record-id", NULL},
        {"{" EVENT ",\"object\":\"starships\",\"record_id\":\"r\"}", "unknown-model", NULL},
        {"{" EVENT ",\"object\":\"Units\",\"record_id\":\"r\"}", "unknown-model", NULL},
        {"{" EVENT ",\"object\":\"units \",\"record_id\":\"r\"}", "unknown-model", NULL},
        {"{" EVENT ",\"object\":\"*\",\"record_id\":\"r\"}", "unknown-model", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\",\"integration_id\":5}", "bad-integration-id",
         NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\",\"integration_id\":\"\"}", "bad-integration-id",
         NULL},
        {"{\"data\":{" EVENT "," UNIT ",\"record_id\":\"r\",\"integration_id\":{}}," META "}",
         "bad-integration-id", NULL},
        {"{\"event\":\"SYNC_COMPLETE\",\"integration_id\":false}", "bad-integration-id", NULL},
        {"{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i\\u0000j\"}", "bad-integration-id",
         NULL},
        {"{" EVENT "," EVENT "," UNIT ",\"record_id\":\"r\"}", "duplicate-key", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\",\"record_id\":\"s\"}", "duplicate-key", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\",\"record\\u005fid\":\"s\"}", "duplicate-key",
         NULL},
        {"{\"data\":{" EVENT "," UNIT "," UNIT ",\"record_id\":\"r\"}}", "duplicate-key", NULL},
        {"{\"data\":{},\"data\":{}}", "duplicate-key", NULL},
        {"{" EVENT "," META "," META "}", "duplicate-key", NULL},
        {"{" EVENT ",\"meta\":{\"integration_id\":\"i\",\"integration_id\":\"j\"}}",
         "duplicate-key", NULL},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\"," DIFF "," DIFF "}", "duplicate-key", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook webhook = parse(rows[i].body);
        assert_int_equal(webhook.class, WEBHOOK_UNKNOWN);
        assert_same_text(webhook.code, rows[i].code, rows[i].body);
        assert_same_text(webhook.integration_id, rows[i].integration_id, rows[i].body);
        webhook_free(&webhook);
    }
}

static void assert_not_json(const void *bytes, size_t length)
{
    struct webhook webhook = parse_bytes(bytes, length);
    if (webhook.class != WEBHOOK_NOT_JSON)
        fail_msg("taken for JSON: %.*s", (int)length, (const char *)bytes);
    assert_string_equal(webhook.code, "not-json");
    assert_null(webhook.integration_id);
    webhook_free(&webhook);
}

static void test_not_json(void **state)
{
    static const char *const rows[] = {
        "",           " ",     "nonsense", "<html></html>", "{",        "}",
        "{]",         "{,}",   "{\"a\"}",  "{\"a\":}",      "{\"a\":1", "{\"a\":1,",
        "{\"a\":1,}", "[1,",   "[1 2]",    "{a:1}",         "{'a':1}",  "\"",
        "\"\\",       "\"\\u", "\"\\u12",  "\"\\q\"",       "tru",      "nul",
        "-",          "{} x",  "{}{}",     "{},",           "{}\v",     "{\"event\":\"DATA_NEW\"}]",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_not_json(rows[i], strlen(rows[i]));
    assert_not_json("{}\0", 3);
    struct webhook nothing = webhook_parse(NULL, 0);
    assert_int_equal(nothing.class, WEBHOOK_NOT_JSON);
    webhook_free(&nothing);
}

/* Cut anywhere, a body is never taken for a whole one. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        size_t length = strlen(events[i].body);
        while (strchr(" \t\r\n", events[i].body[length - 1]) != NULL)
            length--;
        for (size_t cut = 0; cut < length; cut++)
            assert_not_json(events[i].body, cut);
    }
}

static void test_not_utf8(void **state)
{
    static const char *const wrong[] = {
        "\x80", "\xff", "\xc0\xaf", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        char *body = memory_format("{" EVENT "," UNIT ",\"record_id\":\"r%s\"}", wrong[i]);
        assert_not_json(body, strlen(body));
        free(body);
        body = memory_format("{" EVENT "," UNIT ",\"record_id\":\"r\",\"x%s\":1}", wrong[i]);
        assert_not_json(body, strlen(body));
        free(body);
    }
}

/* An event whose diff nests so that the whole body nests `levels` deep; `cut` bytes are missing. */
static struct webhook parse_nested(size_t levels, const char *open, const char *close, size_t cut)
{
    static const char head[] = "{" EVENT "," UNIT ",\"record_id\":\"r\",\"x\":";
    size_t inner = levels - 1;
    size_t size = sizeof head + inner * (strlen(open) + strlen(close)) + 8;
    struct buffer body = buffer_new(size);
    assert_true(buffer_append_text(&body, head));
    for (size_t i = 0; i < inner; i++)
        assert_true(buffer_append_text(&body, open));
    assert_true(buffer_append_text(&body, "0"));
    for (size_t i = 0; i < inner; i++)
        assert_true(buffer_append_text(&body, close));
    assert_true(buffer_append_text(&body, "}"));
    struct webhook webhook = parse_bytes(body.data, body.length - cut);
    buffer_free(&body);
    return webhook;
}

static void test_nesting(void **state)
{
    static const struct {
        size_t levels;
        size_t cut;
        enum webhook_class class;
        const char *code;
    } rows[] = {
        {2, 0, WEBHOOK_EVENT, NULL},
        {999, 0, WEBHOOK_EVENT, NULL},
        {1000, 0, WEBHOOK_EVENT, NULL},
        {1001, 0, WEBHOOK_UNKNOWN, "too-deep"},
        {100000, 0, WEBHOOK_UNKNOWN, "too-deep"},
        {999, 1, WEBHOOK_NOT_JSON, "not-json"},
        {1000, 1, WEBHOOK_NOT_JSON, "not-json"},
        {1001, 1, WEBHOOK_UNKNOWN, "too-deep"}, /* who knows what it would have been */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct webhook lists = parse_nested(rows[i].levels, "[", "]", rows[i].cut);
        struct webhook objects = parse_nested(rows[i].levels, "{\"\\\"}[\":", "}", rows[i].cut);
        assert_int_equal(lists.class, rows[i].class);
        assert_int_equal(objects.class, rows[i].class);
        assert_same_text(lists.code, rows[i].code, "lists");
        assert_same_text(objects.code, rows[i].code, "objects");
        webhook_free(&lists);
        webhook_free(&objects);
    }
    /* Brackets in texts are not nesting. */
    char *text = memory_new(3000, 1);
    memset(text, '[', 2999);
    char *body = memory_format("{\"x\":\"\\\"%s\",}", text);
    assert_not_json(body, strlen(body));
    free(body);
    free(text);
}

static struct webhook parse_wide(size_t values, const char *value)
{
    struct buffer body = buffer_new((size_t)4 << 20);
    buffer_append_text(&body, "{" EVENT "," UNIT ",\"record_id\":\"r\",\"x\":[");
    for (size_t i = 0; i < values; i++)
        buffer_append_format(&body, "%s%s", i == 0 ? "" : ",", value);
    buffer_append_text(&body, "]}");
    struct webhook webhook = webhook_parse(buffer_text(&body), body.length);
    buffer_free(&body);
    return webhook;
}

/* As many as it may have, and one more; what looks like many in a text does not count. */
static void test_number_of_values(void **state)
{
    (void)state;
    size_t others = 5; /* the body, its members, the list, and what a list begins with */
    struct webhook most = parse_wide(WEBHOOK_MAX_VALUES - others, "0");
    struct webhook more = parse_wide(WEBHOOK_MAX_VALUES - others + 1, "0");
    struct webhook texts = parse_wide(20000, "\"[,,,,,,{\\\",,,,\"");
    struct webhook lists = parse_wide(60000, "[{}]");
    assert_int_equal(most.class, WEBHOOK_EVENT);
    assert_int_equal(more.class, WEBHOOK_UNKNOWN);
    assert_string_equal(more.code, "too-many-values");
    assert_null(more.root);
    assert_int_equal(texts.class, WEBHOOK_EVENT);
    assert_string_equal(lists.code, "too-many-values");
    webhook_free(&most);
    webhook_free(&more);
    webhook_free(&texts);
    webhook_free(&lists);
}

/* Ids of 512 bytes are routed, of 513 not. */
static void test_long_ids(void **state)
{
    static const struct {
        const char *format;
        const char *code;
    } rows[] = {
        {"{" EVENT "," UNIT ",\"record_id\":\"%s\"}", "no-record-id"},
        {"{" EVENT "," UNIT ",\"record_id\":\"r\",\"integration_id\":\"%s\"}",
         "bad-integration-id"},
        {"{" EVENT ",\"object\":\"%s\",\"record_id\":\"r\"}", "no-object"},
        {"{\"event\":\"%s\"}", "no-kind"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (size_t length = WEBHOOK_ID_MAXIMUM; length <= WEBHOOK_ID_MAXIMUM + 1; length++) {
            const char *place = strstr(rows[i].format, "%s");
            char *id = memory_new(length + 1, 1);
            memset(id, 'x', length);
            char *body = memory_format("%.*s%s%s", (int)(place - rows[i].format), rows[i].format,
                                       id, place + 2);
            struct webhook webhook = parse(body);
            if (length > WEBHOOK_ID_MAXIMUM)
                assert_same_text(webhook.code, rows[i].code, body);
            else if (i < 2)
                assert_int_equal(webhook.class, WEBHOOK_EVENT);
            else
                assert_same_text(webhook.code, i == 2 ? "unknown-model" : "unknown-kind", body);
            webhook_free(&webhook);
            free(body);
            free(id);
        }
    }
}

/* Every model of the catalogue is understood under its name and under its name with hyphens. */
static void test_every_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        char *name = memory_text(model_at(i)->name);
        for (int hyphens = 0; hyphens < 2; hyphens++) {
            char *body = memory_format("{" EVENT ",\"object\":\"%s\",\"record_id\":\"r\"}", name);
            struct webhook webhook = parse(body);
            assert_ptr_equal(webhook.model, model_at(i));
            assert_int_equal(model_index(webhook.model), (int)i);
            webhook_free(&webhook);
            free(body);
            for (char *p = strchr(name, '_'); p != NULL; p = strchr(p, '_'))
                *p = '-';
        }
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),         cmocka_unit_test(test_activity),
        cmocka_unit_test(test_not_understood), cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_truncated),      cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_nesting),        cmocka_unit_test(test_number_of_values),
        cmocka_unit_test(test_long_ids),       cmocka_unit_test(test_every_model),
    };
    return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
