/* The REST API: the URL of a record, and what each kind of answer means. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/api.h"

static const struct model *model_of(const char *name)
{
    const struct model *model = model_find(name, strlen(name));
    assert_non_null(model);
    return model;
}

static void test_urls(void **state)
{
    static const struct {
        const char *base;
        const char *model;
        const char *id;
        const char *url;
    } rows[] = {
        {"https://api.propexo.com", "residents", "abc123",
         "https://api.propexo.com/v1/residents/abc123"},
        {"http://127.0.0.1:8080/x", "unit_details", "a",
         "http://127.0.0.1:8080/x/v1/units/details/a"},
        {"", "service_request_notes", "-._~", "/v1/service-request-history/-._~"},
        {"", "units", "AZaz09", "/v1/units/AZaz09"},
        {"", "units", "a/b", "/v1/units/a%2Fb"},
        {"", "units", "../residents/1", "/v1/units/..%2Fresidents%2F1"},
        {"", "units", "a?b#c&d=e", "/v1/units/a%3Fb%23c%26d%3De"},
        {"", "units", "%2F %", "/v1/units/%252F%20%25"},
        {"", "units", "{id}", "/v1/units/%7Bid%7D"},
        {"", "units", "a:b;c,d@e!f$g'h(i)j*k+l",
         "/v1/units/a%3Ab%3Bc%2Cd%40e%21f%24g%27h%28i%29j%2Ak%2Bl"},
        {"", "units", "\xc3\xa9\xf0\x9f\x98\x80", "/v1/units/%C3%A9%F0%9F%98%80"},
        {"", "units", "\r\n\t\x7f\x01", "/v1/units/%0D%0A%09%7F%01"},
        {"", "units", "\"<>\\^`|[]", "/v1/units/%22%3C%3E%5C%5E%60%7C%5B%5D"},
        {"", "timezones", "a", NULL}, /* only a list */
        {"", "transactions", "a", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *url = api_record_url(rows[i].base, model_of(rows[i].model), rows[i].id);
        assert_same_text(url, rows[i].url, rows[i].id);
        free(url);
    }
}

/* Whatever the id's bytes are, it is one segment of the path and nothing more. */
static void test_every_byte_is_encoded(void **state)
{
    char id[256];
    (void)state;
    for (int i = 1; i < 256; i++)
        id[i - 1] = (char)i;
    id[255] = '\0';
    char *url = api_record_url("", model_of("units"), id);
    const char *tail = url + strlen("/v1/units/");
    assert_int_equal(strspn(tail, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~%"),
                     strlen(tail));
    assert_int_equal(strlen(tail), 66 + 3 * (255 - 66));
    free(url);
}

/* Every by-id path of the catalogue has its place, once. */
static void test_every_model(void **state)
{
    size_t readable = 0;
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        char *url = api_record_url("", model_at(i), "ID");
        if (url == NULL)
            continue;
        const char *place = strstr(url, "ID");
        assert_true(strncmp(url, "/v1/", 4) == 0);
        assert_non_null(place);
        assert_string_equal(place, "ID");
        assert_null(strchr(url, '{'));
        readable++;
        free(url);
    }
    assert_int_equal(readable, 51); /* as many as Propexo's description has */
}

static struct api_answer read_status(long status, const char *body, const char *id)
{
    const struct http_answer http = {.outcome = HTTP_ANSWERED,
                                     .status = status,
                                     .body = body,
                                     .length = strlen(body),
                                     .problem = ""};
    return api_read_record(&http, id);
}

#define RECORD "{\"results\":{\"id\":\"r\",\"name\":\"B\"}}"

/* Only the API itself can say that a record is gone, and it speaks JSON. */
static void test_a_404_of_somebody_else(void **state)
{
    static const struct {
        const char *body;
        enum api_outcome outcome;
    } rows[] = {
        {"{\"error\":{\"code\":\"NOT_FOUND\"}}", API_GONE},
        {"{}", API_GONE},
        {"<html>no route</html>", API_PROXY_PAGE},
        {"", API_PROXY_PAGE},
        {"{\"error\":", API_PROXY_PAGE},
        {"[]", API_PROXY_PAGE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(read_status(404, rows[i].body, "r").outcome, rows[i].outcome);
        assert_int_equal(read_status(410, rows[i].body, "r").outcome, rows[i].outcome);
    }
}

static void test_bodies(void **state)
{
    static const struct {
        const char *body;
        enum api_outcome outcome;
    } rows[] = {
        {RECORD, API_RECORD},
        {"{\"meta\":{},\"results\":{\"id\":\"r\"},\"more\":1}", API_RECORD},
        {" {\"results\":{\"x\":{\"id\":\"s\"},\"id\":\"r\"}}\n", API_RECORD},
        {"{\"meta\":{},\"results\":null}", API_GONE},
        {"{\"meta\":{}}", API_NO_RECORD},
        {"{}", API_NO_RECORD},
        {"{\"result\":{\"id\":\"r\"}}", API_NO_RECORD},
        {"{\"Results\":{\"id\":\"r\"}}", API_NO_RECORD},
        {"{\"id\":\"r\"}", API_NO_RECORD},
        {"{\"results\":[{\"id\":\"r\"}]}", API_NO_RECORD},
        {"{\"results\":[]}", API_NO_RECORD},
        {"{\"results\":\"r\"}", API_NO_RECORD},
        {"{\"results\":{}}", API_WRONG_ID},
        {"{\"results\":{\"ID\":\"r\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"R\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"r2\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":null}}", API_WRONG_ID},
        {"{\"results\":{\"id\":1}}", API_WRONG_ID},
        {"{\"results\":{\"id\":[\"r\"]}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"r\",\"name\":\"\\ud83d\"}}", API_RECORD},
        {"{\"results\":{\"id\":\"r\",\"name\":\"\\u0000\"}}", API_RECORD},
        {"{\"results\":{\"id\":\"r\",\"n\":12345678901234567890}}", API_RECORD},
        {"{\"results\":{\"id\":\"x\",\"id\":\"r\"}}", API_RECORD}, /* the last one counts */
        {"{\"results\":{\"id\":\"r\",\"id\":\"x\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"r\\u0000\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\\u0000\":\"r\"}}", API_WRONG_ID},
        {"{\"results\":{\"id\":\"r\",\"n\":01.e}}", API_UNREADABLE},
        {"", API_CUT},
        {"<html>gateway</html>", API_CUT},
        {"[]", API_CUT},
        {"null", API_CUT},
        {"\"r\"", API_CUT},
        {"{\"results\":{\"id\":\"r\"}", API_CUT},
        {"{\"results\":{\"id\":\"r", API_CUT},
        {"{\"results\":{\"id\":\"r\"},", API_CUT},
        {RECORD "x", API_CUT},
        {RECORD RECORD, API_CUT},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct api_answer answer = read_status(200, rows[i].body, "r");
        if (answer.outcome != rows[i].outcome)
            fail_msg("%s: %d", rows[i].body, (int)answer.outcome);
        assert_int_equal(answer.record != NULL, rows[i].outcome == API_RECORD);
        assert_non_null(answer.detail);
        if (answer.record != NULL)
            assert_string_equal(json_member(answer.record, "id")->valuestring, "r");
        cJSON_Delete(answer.record);
    }
}

/* The record is whole, and lives on its own. */
static void test_record_is_detached(void **state)
{
    char *body = memory_text("{\"meta\":{\"a\":1},\"results\":{\"id\":\"r\",\"x\":[1,{\"y\":null}],"
                             "\"results\":{}},\"z\":0}");
    (void)state;
    struct api_answer answer = read_status(200, body, "r");
    free(body);
    assert_int_equal(answer.outcome, API_RECORD);
    assert_null(answer.record->next);
    assert_null(answer.record->prev);
    char *text = cJSON_PrintUnformatted(answer.record);
    assert_string_equal(text, "{\"id\":\"r\",\"x\":[1,{\"y\":null}],\"results\":{}}");
    cJSON_free(text);
    cJSON_Delete(answer.record);
}

/* What became of the connection is told in its own words, an answer in the policy's. */
static void test_details(void **state)
{
    struct http_answer http = {.outcome = HTTP_NO_HOST,
                               .body = RECORD,
                               .length = strlen(RECORD),
                               .problem = "Could not resolve host: x"};
    (void)state;
    struct api_answer answer = api_read_record(&http, "r");
    assert_int_equal(answer.outcome, API_NO_HOST);
    assert_null(answer.record);
    assert_string_equal(answer.detail, "Could not resolve host: x");
    http.outcome = HTTP_TOO_LARGE;
    answer = api_read_record(&http, "r");
    assert_int_equal(answer.outcome, API_TOO_LARGE);
    assert_string_equal(answer.detail, policy_for(API_TOO_LARGE)->when);
    http.outcome = HTTP_BROKEN;
    http.problem = "";
    assert_string_equal(api_read_record(&http, "r").detail, policy_for(API_RESET)->when);
}

static void test_list_urls(void **state)
{
    static const struct {
        const char *model;
        enum api_order order;
        int64_t offset;
        const char *url;
    } rows[] = {
        {"timezones", API_NEWEST_FIRST, 0,
         "http://h/v1/timezones/?order-by=updated_at:desc&limit=250&offset=0&integration_id=i%2F1"},
        {"timezones", API_OLDEST_FIRST, 500,
         "http://h/v1/timezones/"
         "?order-by=created_at:asc&limit=250&offset=500&integration_id=i%2F1"},
        {"fees", API_NEWEST_FIRST, 0,
         "http://h/v1/fees/?order-by=updated_at:desc&limit=250&offset=0"},
        {"contracts", API_NEWEST_FIRST, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct model *model = model_find(rows[i].model, strlen(rows[i].model));
        char *url = api_list_url("http://h", model, "i/1", rows[i].order, rows[i].offset, 250);
        if (rows[i].url == NULL)
            assert_null(url);
        else
            assert_string_equal(url, rows[i].url);
        free(url);
    }
    /* an event that has no integration yet is looked for in all */
    char *url = api_list_url("http://h", model_find("timezones", 9), NULL, API_NEWEST_FIRST, 0, 50);
    assert_string_equal(url, "http://h/v1/timezones/?order-by=updated_at:desc&limit=50&offset=0");
    free(url);
    url = api_diffs_url("http://h", "i/1", 250);
    assert_string_equal(url, "http://h/v1/admin/data-diffs/?order-by=created_at:desc&limit=250&"
                             "offset=250&integration_id=i%2F1");
    free(url);
    url = api_diffs_url_after("http://h", "i/1", API_OLDEST_FIRST, 1769860800125, 250);
    assert_string_equal(url, "http://h/v1/admin/data-diffs/?order-by=created_at:asc&limit=250&"
                             "offset=250&integration_id=i%2F1&after=2026-01-31T12%3A00%3A00.125Z");
    free(url);
}

static void test_pages(void **state)
{
    static const struct {
        const char *body;
        enum api_outcome outcome;
        int items;
        bool has_more;
        int64_t total;
    } rows[] = {
        {"{\"meta\":{\"hasMore\":true,\"total\":7},\"results\":[{\"id\":\"a\"}]}", API_RECORD, 1,
         true, 7},
        {"{\"meta\":{\"hasMore\":false,\"total\":-1},\"results\":[]}", API_RECORD, 0, false, -1},
        {"{\"results\":[1,null]}", API_RECORD, 2, true, -1}, /* not told: see whether more come */
        {"{\"results\":[]}", API_RECORD, 0, false, -1},
        {"{\"meta\":{},\"results\":{}}", API_REFUSED, 0, false, -1},
        {"{\"results\":null}", API_REFUSED, 0, false, -1},
        {"{}", API_REFUSED, 0, false, -1},
        {"{\"results\":[", API_CUT, 0, false, -1},
        {"<html>", API_CUT, 0, false, -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer http = {.outcome = HTTP_ANSWERED,
                                   .status = 200,
                                   .body = rows[i].body,
                                   .length = strlen(rows[i].body),
                                   .problem = ""};
        struct api_page page = api_read_page(&http);
        assert_int_equal(page.outcome, rows[i].outcome);
        assert_int_equal(page.items != NULL, rows[i].outcome == API_RECORD);
        assert_int_equal(cJSON_GetArraySize(page.items), rows[i].items);
        assert_int_equal(page.has_more, rows[i].has_more);
        assert_true(page.total == rows[i].total);
        cJSON_Delete(page.items);
        http.status = 403;
        page = api_read_page(&http);
        assert_int_equal(page.outcome, API_FORBIDDEN);
        assert_null(page.items);
    }
}

static void test_webhook_urls(void **state)
{
    (void)state;
    char *url = api_webhooks_url("https://api.test", 250);
    assert_string_equal(url, "https://api.test/v1/webhooks/?limit=250&offset=250");
    free(url);
    url = api_webhook_url("https://api.test", NULL);
    assert_string_equal(url, "https://api.test/v1/webhooks/");
    free(url);
    url = api_webhook_url("https://api.test", "a/b");
    assert_string_equal(url, "https://api.test/v1/webhooks/a%2Fb");
    free(url);
}

/* Which 2xx a POST, PUT or DELETE answers is not documented, nor whether a body comes with it. */
static void test_a_change_is_done_with_any_2xx(void **state)
{
    static const struct {
        long status;
        const char *body;
        enum api_outcome outcome;
    } rows[] = {
        {200, "{\"result\":{\"id\":\"a\"}}", API_RECORD},
        {201, "{\"result\":{}}", API_RECORD},
        {204, "", API_RECORD},
        {400, "{\"error\":{\"message\":\"no\"}}", API_REFUSED},
        {401, "", API_UNAUTHORIZED},
        {404, "{\"error\":{}}", API_GONE},
        {404, "<html>", API_PROXY_PAGE},
        {429, "", API_LIMITED},
        {503, "", API_SERVER_ERROR},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *detail;
        struct http_answer http = {.outcome = HTTP_ANSWERED,
                                   .status = rows[i].status,
                                   .body = rows[i].body,
                                   .length = strlen(rows[i].body),
                                   .problem = ""};
        assert_int_equal(api_read_change(&http, &detail), rows[i].outcome);
        char *said = api_read_refusal(&http);
        assert_int_equal(said != NULL, rows[i].status == 400);
        free(said);
        http.outcome = HTTP_BROKEN;
        assert_int_equal(api_read_change(&http, &detail), API_RESET);
        assert_string_equal(detail, policy_for(API_RESET)->when);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhook_urls),
        cmocka_unit_test(test_a_change_is_done_with_any_2xx),
        cmocka_unit_test(test_list_urls),
        cmocka_unit_test(test_a_404_of_somebody_else),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_every_byte_is_encoded),
        cmocka_unit_test(test_every_model),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_record_is_detached),
        cmocka_unit_test(test_details),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
