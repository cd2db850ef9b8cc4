/* What the HTTP client reads from headers and writes into URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/http/answer.h"
#include "bridge/http/client.h"

static void test_answer_headers(void **state)
{
    static const struct {
        const char *lines;
        int64_t limit;
        int64_t remaining;
        int64_t retry_after_s;
    } ROWS[] = {
        {"x-ratelimit-limit: 150\r\n", 150, -1, -1},
        {"X-RATELIMIT-REMAINING:149", -1, 149, -1},
        {"x-ratelimit-remaining: \t0 \t\r\n", -1, 0, -1},
        {"x-ratelimit-remaining: -1", -1, -1, -1},
        {"x-ratelimit-remaining: 1.5", -1, -1, -1},
        {"x-ratelimit-remaining: ", -1, -1, -1},
        {"x-ratelimit-remaining", -1, -1, -1},
        {"x-ratelimit-limits: 3", -1, -1, -1},
        {"x-ratelimit-limit: 99999999999999999999999", INT32_MAX, -1, -1},
        {"retry-after: 120", -1, -1, 120},
        {"retry-after: 0", -1, -1, 0},
        {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT", -1, -1, 10}, /* RFC 9110's three forms */
        {"Retry-After: Sunday, 06-Nov-94 08:49:47 GMT", -1, -1, 10},
        {"Retry-After: Sun Nov  6 08:49:47 1994", -1, -1, 10},
        {"retry-after: Sun, 06 Nov 1994 08:49:00 GMT", -1, -1, 0},
        {"retry-after: soon", -1, -1, -1},
        {"retry-after: -5", -1, -1, -1},
        {"retry-after: Sun, 06 Nov 1994 08:49:47 GMT and a tail that makes it far too long to be",
         -1, -1, -1},
        {"x-ratelimit-limit: 5\nHTTP/1.1 200 OK", -1, -1, -1},
        {"x-ratelimit-limit: 5\nHTTP/2 200\nretry-after: 3", -1, -1, 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct http_answer answer = {0};
        const char *line = ROWS[i].lines;
        answer_clear(&answer);
        while (line != NULL) {
            size_t length = strcspn(line, "\n");
            answer_header(&answer, line, length, 784111777 * INT64_C(1000));
            line = line[length] == '\0' ? NULL : line + length + 1;
        }
        assert_int_equal(answer.limit, ROWS[i].limit);
        assert_int_equal(answer.remaining, ROWS[i].remaining);
        assert_int_equal(answer.retry_after_s, ROWS[i].retry_after_s);
    }
}

static void test_media_type(void **state)
{
    static const char *const ROWS[][2] = {
        {"content-type: application/json", "application/json"},
        {"Content-Type:Application/JSON; charset=utf-8", "application/json"},
        {"content-type: text/html ; charset=utf-8", "text/html"},
        {"content-type:", ""},
        {"content-type: ;", ""},
        {"content-types: text/html", ""},
        {"content-type: text/html\nHTTP/1.1 200 OK", ""}, /* of a redirect */
        {"content-type: text/html\nHTTP/1.1 200 OK\ncontent-type: text/json", "text/json"},
        {"content-type: a/0123456789012345678901234567890123456789012345678901234567890123456789",
         "a/0123456789012345678901234567890123456789012345678901234567890"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct http_answer answer = {0};
        const char *line = ROWS[i][0];
        answer_clear(&answer);
        while (line != NULL) {
            size_t length = strcspn(line, "\n");
            answer_header(&answer, line, length, 0);
            line = line[length] == '\0' ? NULL : line + length + 1;
        }
        assert_string_equal(answer.media_type, ROWS[i][1]);
    }
}

static void test_encode(void **state)
{
    static const char *const ROWS[][2] = {
        {"", ""},
        {"AZaz09-._~", "AZaz09-._~"},
        {"a/b c", "a%2Fb%20c"},
        {"../..?x=1&y#z", "..%2F..%3Fx%3D1%26y%23z"},
        {"100%", "100%25"},
        {"caf\xc3\xa9", "caf%C3%A9"},
        {"\x01\xff", "%01%FF"},
        {"{id}:+", "%7Bid%7D%3A%2B"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        char *encoded = http_encode(ROWS[i][0]);
        assert_string_equal(encoded, ROWS[i][1]);
        free(encoded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_headers),
        cmocka_unit_test(test_media_type),
        cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
