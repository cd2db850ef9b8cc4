/* What was encoded as Avro is read again as the same JSON text, by the schema it was written with.
 */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/codec/avro_input.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"
#include "tests/unit/fake_http.h"

#define MAXIMUM ((size_t)1 << 20)

static void answer(struct fake_http *server, const char *request, struct fake_reply *reply)
{
    static const char head[] = "content-type: application/json\r\n";
    struct buffer body = buffer_new(MAXIMUM);
    const struct schema *schema = schema_find(server->context);
    (void)buffer_append_text(&body, "{\"schema\":");
    json_text_string(&body, schema->text, schema->length);
    (void)buffer_append_text(&body, "}");
    if (strstr(request, "/schemas/ids/7 ") != NULL)
        fake_answer(reply, "200 OK", head, body.data, body.length);
    else if (strstr(request, "/schemas/ids/8 ") != NULL)
        fake_answer(reply, "200 OK", head, "{\"schema\":\"no schema\"}", 23);
    else if (strstr(request, "/schemas/ids/9 ") != NULL)
        fake_answer(reply, "503 Service Unavailable", head, "", 0);
    else
        fake_answer(reply, "404 Not Found", head, "{\"error_code\":40403}", 20);
    buffer_free(&body);
}

struct fixture {
    struct fake_http *server;
    struct config config;
    char url[64];
    struct registry *registry;
    struct avro_input *input;
    struct buffer out;
};

static int setup(void **state)
{
    struct error error;
    static char model[] = "residents";
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->server = fake_start(answer, model);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%d", fixture->server->port);
    fixture->config.registry.url = fixture->url;
    fixture->registry = registry_new(&fixture->config, &error);
    assert_non_null(fixture->registry);
    fixture->input = avro_input_new(fixture->registry);
    fixture->out = buffer_new(MAXIMUM);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    buffer_free(&fixture->out);
    avro_input_free(fixture->input);
    avro_input_free(NULL);
    registry_free(fixture->registry);
    fake_stop(fixture->server);
    free(fixture);
    return 0;
}

static void test_round_trip(void **state)
{
    static const char *const records[] = {
        "{\"id\":\"1\"}",
        "{\"id\":\"\\u00e9\\u0000\\ud83d\\ude00\",\"created_at\":\"1969-12-31T23:59:59.999Z\","
        "\"custom_data\":{\"a\":[1,2,{\"b\":null}]},\"first_name\":\"\",\"is_active\":true,"
        "\"unknown\":{\"x\":\"\\\"\"},\"another\":1e300,\"balance_in_cents\":-0.1,"
        "\"leases_meta_data\":[{\"lease_id\":\"l\",\"strange\":1},{}]}",
    };
    struct fixture *fixture = *state;
    struct error error;
    struct encoding info;
    struct encoder *encoder = encoder_new(schema_find("residents"), &error);
    for (size_t i = 0; i < ARRAY_LENGTH(records); i++) {
        const void *frame = NULL;
        const void *text = NULL;
        size_t length = 0;
        size_t text_length = 0;
        cJSON *record = json_parse(records[i], strlen(records[i]));
        assert_true(encoder_json(encoder, record, MAXIMUM, &text, &text_length, &info, &error));
        assert_true(encoder_avro(encoder, record, 7, MAXIMUM, &frame, &length, &info, &error));
        buffer_clear(&fixture->out);
        if (!avro_input_json(fixture->input, frame, length, &fixture->out, &error))
            fail_msg("%s", error.message);
        assert_int_equal(fixture->out.length, text_length);
        assert_memory_equal(fixture->out.data, text, text_length);
        /* Cut anywhere it is told, and nothing is read beyond the end. */
        for (size_t cut = 0; cut < length; cut += 7) {
            struct guarded copy = guarded_copy(frame, cut);
            buffer_clear(&fixture->out);
            assert_false(avro_input_json(fixture->input, copy.bytes, cut, &fixture->out, &error));
            assert_int_equal(error.verdict, VERDICT_ABORT);
            guarded_free(&copy);
        }
        cJSON_Delete(record);
    }
    assert_int_equal(fixture->server->requests, 1); /* asked once */
    assert_true(fake_saw(fixture->server, "GET /schemas/ids/7 HTTP/1.1\r\n"));
    encoder_free(encoder);
}

static void test_what_cannot_be_read(void **state)
{
    static const struct {
        const char *frame;
        enum verdict verdict;
    } rows[] = {
        {"{\"id\":1}", VERDICT_ABORT},     /* JSON */
        {"\0\0\0\0\6\2a", VERDICT_ABORT},  /* no such schema */
        {"\0\0\0\0\10\2a", VERDICT_ABORT}, /* not one of Avro */
        {"\0\0\0\0\11\2a", VERDICT_RETRY}, /* the registry is in trouble */
    };
    struct fixture *fixture = *state;
    struct error error;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buffer_clear(&fixture->out);
        assert_false(avro_input_json(fixture->input, rows[i].frame, 7, &fixture->out, &error));
        assert_int_equal(error.verdict, rows[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read, setup, teardown),
    };
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
